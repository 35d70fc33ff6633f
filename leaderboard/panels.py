"""What is drawn in each figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..analysis.efficiency import AXES
from ..analysis.pairs import ALL_TASKS
from .board import Leaderboard
from .leading import is_won, lead_of, scale_words
from .standing import SCRIPTED
from .text import interval, picked, rows_of

MOST_AGENTS = 10
"""Agents drawn in a figure; more lines cannot be told apart."""
_COLOURS = (
    *("#d62728", "#0072b2", "#009e73", "#7b3fa0", "#222222"),
    *("#e69f00", "#17becf", "#cc79a7", "#8c6d31", "#7f7f7f"),
)
LEGEND_COLUMNS = 4
_LINES = ("-", "--", "-.", ":")
_AGGREGATES = {
    "iqm": "IQM",
    "mean": "Mean",
    "median": "Median",
    "optimality_gap": "Optimality gap (less is better)",
}


def drawn_agents(board: Leaderboard) -> tuple[list[str], int]:
    """Agents that are drawn, best first, and how many learn."""
    names = [str(row["agent"]) for row in rows_of(board.agents) if row["agent_id"] not in SCRIPTED]
    return names[:MOST_AGENTS], len(names)


def over_tasks(board: Leaderboard, agents: Sequence[str]) -> list[str]:
    """Names of agents; those that lack tasks say on how many of all their numbers are."""
    tasks = dict(zip(board.agents["agent"], board.agents["tasks"], strict=True))
    most = board.tasks["task"].nunique()
    return [
        _short(agent) if tasks[agent] == most else f"{_short(agent)} ({tasks[agent]} of {most} tasks)"
        for agent in agents
    ]


def learning_curves(figure: Figure, board: Leaderboard) -> None:
    """Return, or win rate, against environment steps, one panel a task; random and scripted play as lines."""
    tasks = sorted(set(board.curves["task"]))
    columns = min(4, max(len(tasks), 1)) if len(tasks) != 4 else 2
    panels = _grid(figure, len(tasks), columns, 2.6, 2.1)
    agents, _ = drawn_agents(board)
    by_place = dict(iter(board.curves.groupby(["task", "agent"], sort=False)))
    fixed = board.tasks.drop_duplicates("task").set_index("task")
    for axes, task in zip(panels, tasks, strict=False):
        for place, agent in enumerate(agents):
            frame = by_place.get((task, agent))
            if frame is not None:
                _band(axes, frame, "step", ("mean", "low", "high"), place)
        row = {str(name): value for name, value in fixed.loc[task].items()}
        lead = lead_of(row)
        if is_won(row):
            axes.set_ylim(-0.03, 1.03)
        _fixed_values(axes, [float(row[name]) for name in (lead.random, lead.reference)])
        axes.set_title(task, loc="left")
        axes.set_xlabel("environment steps")
        axes.set_ylabel(_short("win rate" if is_won(row) else str(row["return_unit"])))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _count(value)))
        axes.xaxis.set_major_locator(MaxNLocator(4))
    _legend(figure, agents, ["random policy", "scripted reference"])


def intervals(figure: Figure, board: Leaderboard) -> None:
    """Each aggregate with its interval, one row an agent, best on top."""
    agents, _ = drawn_agents(board)
    rows = {row["agent"]: row for row in rows_of(board.agents)}
    panels = _grid(figure, len(_AGGREGATES), len(_AGGREGATES), 2.2, 0.7 + 0.22 * len(agents))
    for axes, (name, title) in zip(panels, _AGGREGATES.items(), strict=True):
        for place, agent in enumerate(agents):
            row, colour = rows[agent], _COLOURS[place % len(_COLOURS)]
            if not math.isnan(row[f"{name}_low"]):
                bounds = [row[f"{name}_low"], row[f"{name}_high"]]
                axes.plot(bounds, [place, place], color=colour, lw=5, alpha=0.35, solid_capstyle="butt")
            axes.plot([row[name]], [place], marker="|", ms=9, mew=2, color=colour)
        axes.set_title(title)
        axes.set_yticks(range(len(agents)), over_tasks(board, agents) if axes is panels[0] else [])
        axes.set_ylim(len(agents) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="x", color="0.9")
        axes.set_xlabel("score")


def profiles(figure: Figure, board: Leaderboard) -> None:
    """Share of runs above every score."""
    agents, _ = drawn_agents(board)
    (axes,) = _grid(figure, 1, 1, 5.0, 2.8)
    for place, agent in enumerate(agents):
        frame = picked(board.profiles, "agent", agent)
        _band(axes, frame, "tau", ("share", "share_low", "share_high"), place)
    words = scale_words(board, "0 random, 1 scripted reference")
    axes.set_xlabel(f"score τ ({words})" if len(words) < 60 else "score τ")
    axes.set_ylabel("share of runs with score > τ")
    _legend(figure, over_tasks(board, agents))


def improvement(figure: Figure, board: Leaderboard) -> None:
    """Matrix of probabilities over all tasks of a pair; bold where a corrected test finds a difference."""
    agents, _ = drawn_agents(board)
    matrix = np.full((len(agents), len(agents)), np.nan)
    found = np.zeros(matrix.shape, dtype=bool)
    under = np.full(matrix.shape, "", dtype=object)
    place = {agent: number for number, agent in enumerate(agents)}
    for row in rows_of(picked(board.pairs, "task", ALL_TASKS)):
        if row["agent_a"] in place and row["agent_b"] in place:
            a, b = place[row["agent_a"]], place[row["agent_b"]]
            matrix[a, b], matrix[b, a] = row["probability"], 1 - row["probability"]
            found[a, b] = found[b, a] = row["verdict"] in ("better", "worse")
            low, high = row["probability_low"], row["probability_high"]
            tasks = f"{row['tasks']} task{'s' if row['tasks'] > 1 else ''}"
            under[a, b] = f"{interval(low, high, 2)}\n{tasks}"
            under[b, a] = f"{interval(1 - high, 1 - low, 2)}\n{tasks}"
    side = 0.8 + 0.5 * len(agents)
    (axes,) = _grid(figure, 1, 1, 2.0 + 0.8 * len(agents), side)
    axes.imshow(matrix, vmin=0, vmax=1, cmap="RdBu", aspect="auto")
    for a, b in np.argwhere(~np.isnan(matrix)):
        weight = "bold" if found[a, b] else "normal"
        dark = abs(matrix[a, b] - 0.5) > 0.35
        text = f"{matrix[a, b]:.2f}\n{under[a, b]}"
        axes.text(b, a, text, ha="center", va="center", fontsize=6, weight=weight, color="w" if dark else "k")
    names = [_short(agent) for agent in agents]
    axes.set_xticks(range(len(agents)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(agents)), names)
    axes.set_xlabel("bold: a difference by the corrected test over all tasks of the pair")


def efficiency(figure: Figure, board: Leaderboard) -> None:
    """Scores against training steps, gradient steps and wall time."""
    agents, _ = drawn_agents(board)
    panels = _grid(figure, len(AXES), len(AXES), 3.0, 2.4)
    for axes, (axis, title) in zip(panels, AXES.items(), strict=True):
        chosen = picked(board.efficiency, "axis", axis)
        for place, agent in enumerate(agents):
            frame = picked(chosen, "agent", agent)
            _band(axes, frame, "x", ("iqm", "iqm_low", "iqm_high"), place)
        if axis != "steps" and len(chosen):
            axes.set_xscale("log")
        axes.set_xlabel(title)
        axes.set_ylabel("IQM score" if axes is panels[0] else "")
        if not len(chosen):
            axes.text(0.5, 0.5, "not recorded", ha="center", transform=axes.transAxes)
    _legend(figure, over_tasks(board, agents))


def _fixed_values(axes: Axes, values: Sequence[float]) -> None:
    """Lines at what the random and the scripted policy reach; a word where they are far off."""
    low, high = axes.get_ylim()
    for name, value, style in zip(SCRIPTED, values, (":", "--"), strict=True):
        if math.isnan(value):
            continue
        if low - 0.6 * (high - low) <= value <= high + 0.6 * (high - low):
            axes.axhline(value, color="0.6", lw=0.7, ls=style, zorder=0)
        else:
            arrow = "↑" if value > high else "↓"
            place = 1.02 if value > high else 0.02
            text = f"{name} {value:.4g} {arrow}"
            axes.text(0.98, place, text, ha="right", fontsize=6, color="0.4", transform=axes.transAxes)


def _grid(figure: Figure, count: int, columns: int, width: float, height: float) -> list[Axes]:
    """Panels of a size in inches, in a figure with room for title, legend and footer."""
    lines = max(1, math.ceil(count / columns))
    figure.set_size_inches(max(6.4, width * columns), height * lines + 1.3)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
    for unused in axes[count:]:
        unused.set_axis_off()
    return axes[:count]


def _band(axes: Axes, frame: pd.DataFrame, x: str, names: tuple[str, str, str], place: int) -> None:
    colour, style = _COLOURS[place % len(_COLOURS)], _LINES[place // 5 % len(_LINES)]
    middle, low, high = (frame[name].to_numpy(dtype=float) for name in names)
    places = frame[x].to_numpy(dtype=float)
    marker = "o" if len(places) == 1 else None
    axes.plot(places, middle, color=colour, ls=style, lw=1.2, marker=marker, ms=3)
    axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)


def _legend(figure: Figure, agents: Sequence[str], others: Sequence[str] = ()) -> None:
    axes = figure.axes[0]
    lines = [
        axes.plot([], [], color=_COLOURS[place % len(_COLOURS)], ls=_LINES[place // 5 % len(_LINES)])[0]
        for place in range(len(agents))
    ]
    lines += [
        axes.plot([], [], color="0.6", lw=0.7, ls=style)[0]
        for style, _ in zip((":", "--"), others, strict=False)
    ]
    names = [*map(_short, agents), *others]
    figure.legend(lines, names, loc="lower center", ncols=min(len(names), LEGEND_COLUMNS) or 1)


def _short(text: str, most: int = 34) -> str:
    """A name that fits; a dollar sign does not begin a formula."""
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")


def _count(value: float) -> str:
    """``100k``, ``1.5M``."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
