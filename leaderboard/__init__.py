"""Tables of a benchmark: from run records to CSV, Markdown and the terminal; needs no torch.

Modules:
    board: the numbers of a table.
    tables: its files.
    terminal: the same numbers for a terminal.
"""

from .board import Bootstrap, Leaderboard, leaderboard, leaderboards
from .tables import write_leaderboard, write_leaderboards
from .terminal import terminal_table

__all__ = [
    "Bootstrap",
    "Leaderboard",
    "leaderboard",
    "leaderboards",
    "terminal_table",
    "write_leaderboard",
    "write_leaderboards",
]
