"""Tables of a benchmark: from run records to CSV, Markdown, LaTeX, figures and the terminal; needs no torch.

Modules:
    board: the numbers of a table; every output is written from one `Leaderboard`.
    bootstrap: how intervals are made.
    outcomes, protocol: which runs count, and why others do not.
    rows, standing, trends: an agent's numbers; ranks; profiles and efficiency.
    tables, markdown, latex, figures, terminal: the outputs.
    footer, verdicts: how numbers were made, and what pairs say, in words.
    page, page_data, page_curves, page_pictures, page_server: the page as one HTML file, and serving it.
    check, page_check: do published tables, and the page, say what the records say?
    submission and submission_...: checking and making folders of records that others submit.
    claims, evidence, claims_text, claims_terminal, claims_markdown: claims held against records.
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
