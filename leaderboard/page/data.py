"""What the page knows: the numbers of a `Leaderboard` as plain data; nothing is computed anew."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ...analysis.reading import Run
from ...analysis.variants import cell_of, is_external, variant_labels
from ..board import Leaderboard
from ..footer import footer
from ..leading import is_won, lead_of, lead_words, scale_words
from ..outcomes import OUTCOMES
from ..standing import SCRIPTED
from ..text import Row, best_and_tied, return_digits, rows_of
from ..verdicts import comparable, p_text, pair_rows, ranking, sentence
from .curves import page_curves
from .pictures import CLIPS

AGENT_NUMBERS = (
    *("rank", "rank_low", "rank_high", "first"),
    *(
        f"{name}{end}"
        for name in ("iqm", "median", "mean", "optimality_gap", "area")
        for end in ("", "_low", "_high")
    ),
    *("tasks", "seeds", "updates", "seconds"),
)
TASK_NUMBERS = (
    *("return", "low", "high", "score", "score_low", "score_high", "first", "seeds", "steps"),
    *("short_return", "apart_return", "area", "area_low", "area_high", "updates", "seconds"),
    *("absolute_return", "absolute_low", "absolute_high", "win_rate", "win_rate_low", "win_rate_high"),
    *("short_win_rate", "absolute_win_rate", "absolute_win_rate_low", "absolute_win_rate_high"),
)
_VERDICTS = {"better": 1, "worse": -1}


def head(board: Leaderboard, command: str) -> dict[str, Any]:
    """What the page shows when it opens: the ranking, and the names of the tasks.

    Args:
        board: the numbers.
        command: the command line that made them.
    """
    most = board.tasks["task"].nunique()
    best, tied = best_and_tied(comparable(board), "iqm", "iqm_low", "iqm_high", 2)
    agents = []
    for row in rows_of(board.agents):
        runs = {outcome: int(row[f"runs_{outcome}"]) for outcome in OUTCOMES}
        agents.append(
            {
                "agent": row["agent"],
                "scripted": row["agent_id"] in SCRIPTED,
                **plain(row, AGENT_NUMBERS),
                "runs": runs,
                "whole": sum(runs.values()) == runs["done"],
                "mark": "best" if row["agent"] in best else "tied" if row["agent"] in tied else "",
                "unranked": board.standing.unranked.get(row["agent"], ""),
            }
        )
    commands = row_commands(board)
    for agent in agents:
        agent["command"] = commands.get(("", agent["agent"]), "")
    return {
        "suite": board.suite,
        "version": board.suite_version,
        "budget": board.budget,
        "confidence": board.bootstrap.confidence,
        "nTasks": most,
        "scale": scale_words(board, "0 is the random policy, 1 the task's scripted reference"),
        "lead": lead_words(board),
        "agents": agents,
        "tasks": sorted(set(board.tasks["task"])),
        "notes": [text.replace("*", "") for text in ranking(board)],
        "about": {name: text.replace("`", "") for name, text in footer(board, command).items()},
    }


def overall(board: Leaderboard) -> dict[str, Any]:
    """The rest of the overall view: verdicts, scores by task, profiles, efficiency, holes."""
    pairs = [
        {
            "a": row["agent_a"],
            "b": row["agent_b"],
            "said": sentence(row),
            "verdict": _VERDICTS.get(str(row["verdict"]), 0),
            **plain(row, ("probability", "probability_low", "probability_high", "tasks")),
            "p": p_text(row["p_holm"]),
        }
        for row in pair_rows(board)
    ]
    tasks = sorted(set(board.tasks["task"]))
    scores = {
        (row["task"], row["agent"]): [number(row[name]) for name in ("score", "score_low", "score_high")]
        for row in rows_of(board.tasks)
    }
    agents = list(board.agents["agent"])
    shares = ("tau", "share", "share_low", "share_high")
    points = ("x", "iqm", "iqm_low", "iqm_high")
    return {
        "pairs": pairs,
        "scores": {agent: [scores[task, agent] for task in tasks] for agent in agents},
        "profiles": {str(agent): columns(frame, shares) for agent, frame in board.profiles.groupby("agent")},
        "efficiency": {
            str(axis): {str(agent): columns(one, points) for agent, one in frame.groupby("agent")}
            for axis, frame in board.efficiency.groupby("axis")
        },
        "holes": [
            [hole.task, hole.agent, hole.seed, hole.outcome, hole.step, number(hole.value), hole.reason]
            for hole in board.holes
        ],
    }


def task_views(board: Leaderboard) -> dict[str, dict[str, Any]]:
    """Task to what its tab shows: its rows, its pairs, its curves."""
    curves = page_curves(board)
    commands = row_commands(board)
    order = {agent: place for place, agent in enumerate(board.agents["agent"])}
    pairs_of = dict(iter(board.pairs.groupby("task", sort=False)))
    views: dict[str, dict[str, Any]] = {}
    for task, frame in board.tasks.groupby("task"):
        rows = rows_of(frame)
        first = rows[0]
        lead = lead_of(first)
        fixed = {"random": first[lead.random], "reference": first[lead.reference]}
        digits = return_digits([row[lead.value] for row in rows] + list(fixed.values()))
        best, tied = best_and_tied(rows, *lead.columns, digits)
        shown = [row for row in rows if row["agent"] in best]
        views[str(task)] = {
            "unit": first["return_unit"],
            "won": is_won(first),
            "digits": digits,
            "returnDigits": return_digits([row["return"] for row in rows]),
            **plain(fixed, ("random", "reference")),
            "watch": _watch(shown[0]) if shown and (task, shown[0]["agent"]) in commands else "",
            "rows": [
                {
                    "agent": row["agent"],
                    "scripted": row["agent_id"] in SCRIPTED,
                    **plain(row, TASK_NUMBERS),
                    "runs": {outcome: int(row[f"runs_{outcome}"]) for outcome in OUTCOMES},
                    "status": row["status"],
                    "settings": row["settings_hash"],
                    "mark": "best" if row["agent"] in best else "tied" if row["agent"] in tied else "",
                    "command": commands.get((task, row["agent"]), ""),
                }
                for row in sorted(rows, key=lambda row: order[row["agent"]])
            ],
            "pairs": _task_pairs(pairs_of.get(task), order),
            "curves": sorted(curves.get(str(task), []), key=lambda curve: order[curve["agent"]]),
        }
    return views


def row_commands(board: Leaderboard) -> dict[tuple[Any, str], str]:
    """(task, agent), and ("", agent) for all tasks, to the command that trains this row again.

    Of variants it sets what distinguishes them; agents that were trained elsewhere have none.
    """
    labels = variant_labels(board.runs)
    cells: dict[tuple[str, str], list[Run]] = {}
    by_id: dict[tuple[str, str], list[Run]] = {}
    for run in board.runs:
        if not is_external(run):
            cells.setdefault((run.task_id, labels[cell_of(run)]), []).append(run)
            by_id.setdefault((run.task_id, run.agent_id), []).append(run)
    commands: dict[tuple[Any, str], str] = {}
    seeds_of: dict[str, set[int]] = {}
    words_of: dict[str, list[str]] = {}
    for (task, label), runs in cells.items():
        own = _own_settings(runs[0], by_id[task, runs[0].agent_id])
        seeds_of.setdefault(label, set()).update(run.seed for run in runs)
        words_of.setdefault(label, own)
        ends = ["--tasks", task, "--seeds", _ranges(sorted({run.seed for run in runs})), *own]
        commands[task, label] = _bench_run(board, runs[0].agent_id, ends)
    ids = {label: runs[0].agent_id for (_, label), runs in cells.items()}
    for label, seeds in seeds_of.items():
        commands["", label] = _bench_run(
            board, ids[label], ["--seeds", _ranges(sorted(seeds)), *words_of[label]]
        )
    return commands


def plain(row: Row, names: Sequence[str]) -> dict[str, float | int | None]:
    """Some numbers of a row; None for NaN, for infinity and for columns it has not."""
    return {name: number(row[name]) for name in names if name in row}


def columns(frame: pd.DataFrame, names: Sequence[str]) -> list[list[float | int | None]]:
    """Some columns of a frame as lists of numbers."""
    return [[number(value) for value in frame[name]] for name in names]


def number(value: float) -> float | int | None:
    """Six significant digits; None for NaN and infinity; whole numbers without a point."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.6g}")
    return int(short) if short == int(short) else short


def _bench_run(board: Leaderboard, agent: str, ends: Sequence[str]) -> str:
    words = ["bench", "run", "--suite", board.suite, "--budget", board.budget, "--agents", agent, *ends]
    return shlex.join(words)


def _watch(row: Row) -> str:
    """The command that makes the clip which the page looks for; none for labels that are no file's name."""
    if any(sign in row["agent"] for sign in "/\\"):
        return ""
    clip = f"{CLIPS}/{row['task']}/{row['agent']}.gif"
    return shlex.join(["bench", "watch", row["task"], "--agent", row["agent_id"], "--out", clip])


def _own_settings(run: Run, siblings: Sequence[Run]) -> list[str]:
    """``--set`` and the agent's settings in which the runs of an agent on a task differ."""
    mine: Mapping[str, Any] = run.meta["agent"]["settings"]
    words: list[str] = []
    for name, value in sorted(mine.items()):
        if any(other.meta["agent"]["settings"].get(name, value) != value for other in siblings):
            words += ["--set", f"{run.agent_id}.{name}={value}"]
    return words


def _ranges(seeds: Sequence[int]) -> str:
    """``0-6`` for neighbours, ``0,2,5`` for others."""
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _task_pairs(frame: pd.DataFrame | None, order: Mapping[str, int]) -> list[list[Any]]:
    """``[a, b, verdict, probability, low, high, p]`` for all pairs; agents by their places in the ranking."""
    if frame is None:
        return []
    names = ["agent_a", "agent_b", "verdict", "probability", "probability_low", "probability_high", "p_holm"]
    return [
        [order[a], order[b], _VERDICTS.get(verdict, 0), *[_two(value) for value in numbers], p_text(p)]
        for a, b, verdict, *numbers, p in frame[names].itertuples(index=False, name=None)
    ]


def _two(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
