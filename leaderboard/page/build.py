"""Leaderboards as one HTML file that needs no network and no other file.

The numbers travel as JSON in elements that a browser does not run, the larger part compressed and unpacked
when it is looked at. The script writes every word as text, never as markup, and a content security policy
allows no other script than the page's own.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from ...analysis.files import write_atomically
from ...analysis.schema import RecordError
from ..board import Leaderboard
from ..tables import csv_files, table_folders
from .data import head, overall, task_views
from .pictures import Picture

FILE = "index.html"
_ASSETS = Path(__file__).with_name("assets")
LARGEST_CSV, MOST_CSV = 4_000_000, 700_000
"""Bytes of a CSV file that is still packed into the page, and of all together as they stand in it."""
_SCRIPTS = (
    *("vendor/uPlot-1.6.32.min.js", "core.js", "table.js", "chart.js", "pairs.js"),
    *("overall.js", "task.js", "main.js"),
)
_STYLES = ("vendor/uPlot-1.6.32.min.css", "page.css")


def write_page(
    boards: Sequence[Leaderboard],
    out: str | Path,
    command: str,
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    tables: Sequence[Mapping[str, str]] | None = None,
) -> Path:
    """Writes ``index.html`` into the folder of the tables.

    Args:
        boards: the tables, at least one.
        out: the folder.
        command: the command line that made them.
        pictures: task to its pictures.
        tables: the `csv_files` of each table where they are made already.

    Raises:
        RecordError: the file cannot be written.
    """
    path = Path(out) / FILE
    try:
        write_atomically(path, page(boards, command, pictures, tables))
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error}; choose another --out folder"
        ) from error
    return path


def page(
    boards: Sequence[Leaderboard],
    command: str,
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    tables: Sequence[Mapping[str, str]] | None = None,
    is_live: bool = False,
) -> str:
    """The page as text; the same numbers give the same text.

    Args:
        boards: the tables, at least one.
        command: the command line that made them.
        pictures: task to its pictures.
        tables: the `csv_files` of each table where they are made already.
        is_live: whether it is served and should ask for news.
    """
    folders = [folder.as_posix() for folder in table_folders(boards, Path())]
    blocks: list[str] = []
    heads: list[dict[str, object]] = []
    texts = tables if tables is not None else [csv_files(board) for board in boards]
    for place, (board, folder, files) in enumerate(zip(boards, folders, texts, strict=True)):
        embedded, links = _csv_blocks(files, place, folder)
        heads.append({**head(board, command), "csv": links})
        blocks += [_block(f"all-{place}", overall(board)), *embedded]
        blocks += [
            _block(f"task-{place}-{number}", view) for number, view in enumerate(task_views(board).values())
        ]
    shown = {task for board in boards for task in board.tasks["task"]}
    used = {
        task: [picture.as_data() for picture in found]
        for task, found in sorted((pictures or {}).items())
        if task in shown
    }
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    first = boards[0]
    title = f"{first.suite}, {first.budget}" if len(boards) == 1 else first.suite
    parts = {
        "title": html.escape(f"{title}: leaderboard"),
        "policy": f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src data:; "
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
        + ("; connect-src 'self'" if is_live else ""),
        "live": "yes" if is_live else "no",
        "style": "\n".join(_asset(name) for name in _STYLES),
        "data": _json({"boards": heads, "pictures": used}),
        "blocks": "\n".join(blocks),
        "script": script,
    }
    pieces = _asset("template.html").split("%%")
    return "".join(parts[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def _csv_blocks(
    files: Mapping[str, str], place: int, folder: str
) -> tuple[list[str], list[dict[str, object]]]:
    """CSV files packed into the page, small ones first as far as there is room; the others as links."""
    blocks: list[str] = []
    links: list[dict[str, object]] = []
    room = MOST_CSV
    for name, text in sorted(files.items(), key=lambda item: len(item[1])):
        content = text.encode()
        link: dict[str, object] = {"name": name, "bytes": len(content), "href": _joined(folder, name)}
        if len(content) <= LARGEST_CSV:
            packed = _packed(content)
            if len(packed) <= room:
                room -= len(packed)
                link["id"] = f"csv-{place}-{name}"
                blocks.append(_element(str(link["id"]), packed))
        links.append(link)
    return blocks, links


def _joined(folder: str, name: str) -> str:
    return quote(f"./{name}" if folder == "." else f"./{folder}/{name}")


def _block(name: str, data: object) -> str:
    return _element(name, _packed(json.dumps(data, separators=(",", ":"), allow_nan=False).encode()))


def _packed(content: bytes) -> str:
    """Gzip in base64, the same for the same content."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _element(name: str, packed: str) -> str:
    return f'<script type="application/x-packed" id="{html.escape(name)}">{packed}</script>'


def _json(data: object) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
