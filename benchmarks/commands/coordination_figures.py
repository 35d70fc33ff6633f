"""Pictures of coordination: measures over training, and positions of members early in training."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MaxNLocator

from ...analysis.coordination.measures import early, positions_at
from ...analysis.coordination.positions import POSITIONS_AFTER, Positions
from ...analysis.coordination.summary import Coordination
from ...analysis.reading import Evaluation, Run
from ...envs.scene import INK, member_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {
    "mutual_information": "mutual information of\nactions given the state (nats)",
    "action_correlation": "correlation of\nactions given the state",
    "latent_sd": "spread of mean actions\nover z",
    "information_bound": "variational bound (nats)",
    "pair_split": "share of exploring teams\nin pairs after 5 steps",
}
"""Measures that are drawn over training, where some agent has them."""

LEAST_TOPS = {"mutual_information": 0.1, "action_correlation": 0.3, "latent_sd": 0.1, "pair_split": 0.2}
"""The axis of a measure reaches at least this far, so that noise around 0 looks like what it is."""

MOST_SEEDS = 7
"""Columns of the pictures of positions."""


def figures(report: Coordination) -> dict[str, bytes]:
    """All pictures of a report as PNG and SVG, by file name."""
    pictures: dict[str, Figure] = {}
    if len(report.curves):
        pictures["coordination"] = curves_figure(report)
    for task in sorted({run.task_id for run in report.runs}):
        for when in ("early", "last"):
            drawn = positions_figure(report, task, when)
            if drawn is not None:
                pictures[f"positions_{task}_{when}"] = drawn
    return {
        f"{name}.{kind}": _saved(figure, kind) for name, figure in pictures.items() for kind in ("png", "svg")
    }


def curves_figure(report: Coordination) -> Figure:
    """Measures over training steps: a row a task, a column a measure; bands are intervals over seeds."""
    curves = report.curves
    tasks = sorted(set(curves["task"]))
    shown = [name for name in PANELS if name in set(curves["measure"])]
    figure = _figure(3.1 * len(shown) + 0.6, 2.5 * len(tasks) + 1.0)
    grid = figure.subplots(len(tasks), len(shown), squeeze=False)
    colours = {agent: member_colour(i) for i, agent in enumerate(sorted(set(curves["agent"])))}
    for row, task in enumerate(tasks):
        for column, measure in enumerate(shown):
            axes: Axes = grid[row][column]
            chosen = curves.loc[(curves["task"] == task) & (curves["measure"] == measure)]
            _lines(axes, chosen, colours)
            if len(chosen) and measure in LEAST_TOPS:
                axes.set_ylim(top=max(axes.get_ylim()[1], LEAST_TOPS[measure]))
            if row == 0:
                axes.set_title(PANELS[measure], fontsize=9)
            if column == 0:
                axes.set_ylabel(task, fontsize=9)
            if row == len(tasks) - 1:
                axes.set_xlabel("environment steps", fontsize=8)
    handles = [
        next(iter(grid.flat)).plot([], [], color=colour, marker="o", ms=3, label=agent)[0]
        for agent, colour in colours.items()
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False, fontsize=9
    )
    return figure


def _lines(axes: Axes, chosen: pd.DataFrame, colours: dict[str, str]) -> None:
    if not len(chosen):
        axes.text(
            0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes, color="#868e96"
        )
        axes.set_xticks([])
        axes.set_yticks([])
        return
    for agent, points in chosen.groupby("agent"):
        colour, step = colours[str(agent)], points["step"].to_numpy()
        axes.plot(step, points["value"].to_numpy(), color=colour, marker="o", ms=3, lw=1.4)
        axes.fill_between(
            step, points["low"].to_numpy(), points["high"].to_numpy(), color=colour, alpha=0.18, lw=0
        )
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0, color="#dee2e6", lw=0.8, zorder=0)


def positions_figure(report: Coordination, task: str, when: str) -> Figure | None:
    """After figure 6 of the VM3-AC paper: a row an agent, a column a seed; None where nothing is recorded.

    Large discs are the members in one episode, as in the paper; small dots are those of all recorded ones.
    """
    found: dict[str, list[tuple[Run, Evaluation, Positions]]] = {}
    for run in report.runs:
        at = (early(run) if when == "early" else run.evaluations[-1]) if run.evaluations else None
        places = positions_at(run, at) if run.task_id == task else None
        if at is not None and places is not None and len(places.places):
            found.setdefault(report.labels[run.path], []).append((run, at, places))
    if not found:
        return None
    agents = sorted(found, key=lambda agent: (not agent.startswith("vm3ac"), agent))
    columns = min(max(map(len, found.values())), MOST_SEEDS)
    figure = _figure(1.75 * columns + 0.5, 1.95 * len(agents) + 0.6)
    grid = figure.subplots(len(agents), columns, squeeze=False)
    for row, agent in enumerate(agents):
        cells = sorted(found[agent], key=lambda cell: cell[0].seed)[:columns]
        for column in range(columns):
            axes: Axes = grid[row][column]
            if column >= len(cells):
                axes.axis("off")
                continue
            run, at, places = cells[column]
            _panel(axes, places)
            axes.set_title(f"seed {run.seed}, step {at.step:,}", fontsize=7)
            if column == 0:
                axes.set_ylabel(agent, fontsize=9)
    time = "early in training" if when == "early" else "at the end of training"
    title = f"{task}, {time}:{chr(10) if columns < 4 else ' '}exploring teams after {POSITIONS_AFTER} steps"
    figure.suptitle(title, fontsize=8)
    return figure


def _panel(axes: Axes, shown: Positions) -> None:
    """One seed: all episodes small, the first one large, the marks as they stand at the start."""
    for x, y, width, height in shown.marks:
        axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, color=INK, lw=0))
    for i in range(shown.places.shape[1]):
        every, first = shown.places[:, i], shown.places[0, i]
        axes.scatter(every[:, 0], every[:, 1], s=4, color=member_colour(i), alpha=0.35, lw=0)
        axes.scatter(*first, s=42, color=member_colour(i), edgecolors="white", lw=0.8, zorder=3)
    axes.set_xlim(shown.low[0], shown.high[0])
    axes.set_ylim(shown.low[1], shown.high[1])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _saved(figure: Figure, kind: str) -> bytes:
    """The picture as a file's content, the same bytes for the same numbers."""
    import matplotlib

    content = io.BytesIO()
    about: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "coordbench"}):
        figure.savefig(content, format=kind, metadata=about)
    return content.getvalue()
