"""The figures of a leaderboard as SVG and PNG: the same numbers give the same files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import panels
from .board import Leaderboard
from .footer import short_footer
from .leading import lead_words

FIGURES: Mapping[str, tuple[str, Callable[[Figure, Leaderboard], None]]] = {
    "learning_curves": ("{lead} during training, mean over seeds", panels.learning_curves),
    "intervals": ("Aggregate scores", panels.intervals),
    "profiles": ("Performance profiles: share of runs that score more than τ", panels.profiles),
    "improvement": ("How often the agent of the row does better than that of the column", panels.improvement),
    "efficiency": ("Interquartile mean of the scores over all tasks", panels.efficiency),
}
"""File name to title, ``{lead}`` what leads on the tasks, and the function that draws it."""

_STYLE: Any = {
    "svg.hashsalt": "coordbench",
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def figures(board: Leaderboard, command: str) -> dict[str, bytes]:
    """All figures, each twice: file name to content.

    Args:
        board: the numbers.
        command: the command line that made them, for the foot of each figure.
    """
    made: dict[str, bytes] = {}
    for name, (title, draw) in FIGURES.items():
        with mpl.rc_context(_STYLE):
            figure = Figure()
            FigureCanvasAgg(figure)
            draw(figure, board)
            _frame(figure, board, title.format(lead=lead_words(board)), command)
            for kind, about in (("svg", {"Date": None}), ("png", {"Software": None})):
                with io.BytesIO() as file:
                    figure.savefig(file, format=kind, dpi=110, metadata=about)
                    made[f"{name}.{kind}"] = file.getvalue()
    return made


def _frame(figure: Figure, board: Leaderboard, title: str, command: str) -> None:
    """Title above, footer below, the panels between them."""
    width, height = figure.get_size_inches()
    level = f"{board.bootstrap.confidence:.0%} intervals"
    shown, count = panels.drawn_agents(board)
    cut = f"; the {len(shown)} best of {count} agents, all are in the CSV" if len(shown) < count else ""
    heading = wrap(f"{title}, {level}{cut}", int(width * 12))
    top = (0.14 + 0.15 * len(heading)) / height
    figure.text(0.01, 1 - 0.08 / height, plain("\n".join(heading)), va="top", fontsize=9, weight="bold")
    lines = [part for line in short_footer(board, command) for part in wrap(line, int(width * 17))]
    figure.text(0.01, 0.06 / height, plain("\n".join(lines)), va="bottom", fontsize=6, color="0.35")
    below = (0.12 + 0.115 * len(lines)) / height
    for legend in figure.legends:
        legend.set_loc("lower center")
        legend.set_bbox_to_anchor((0.5, below))
        below += (0.1 + 0.17 * math.ceil(len(legend.get_texts()) / panels.LEGEND_COLUMNS)) / height
    figure.get_layout_engine().set(rect=(0, below, 1, 1 - below - top))  # type: ignore[union-attr]


def plain(text: str) -> str:
    """Text in which a dollar sign does not begin a formula."""
    return text.replace("$", r"\$")
