"""Tables of a benchmark: from run records to CSV, Markdown, LaTeX, figures and the terminal; needs no torch.

Modules:
    board: the numbers of a table; every output is written from one `Leaderboard`.
    bootstrap: how intervals are made.
    outcomes, protocol: which runs count, and why others do not.
    rows, standing, trends: an agent's numbers; ranks; profiles and efficiency.
    tables, markdown, latex, figures, terminal: the outputs.
    footer, verdicts: how numbers were made, and what pairs say, in words.
    check: do published tables say what the records say?
    page: the page as one HTML file, and serving it.
    submissions: checking and making folders of records that others submit.
    claims: claims held against records.
"""

from .board import Leaderboard, leaderboard, leaderboards
from .bootstrap import Bootstrap
from .check import differences
from .tables import write_leaderboard, write_leaderboards
from .terminal import terminal_table

__all__ = [
    "Bootstrap",
    "Leaderboard",
    "differences",
    "leaderboard",
    "leaderboards",
    "terminal_table",
    "write_leaderboard",
    "write_leaderboards",
]
