"""Pictures and clips for the page: of tasks, and of agents on them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TYPES: Mapping[str, str] = {
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
}
"""Endings of clips and what they hold. SVG is not among them, for it can hold scripts."""
CLIPS = "clips"
"""Folder beside the tables: ``clips/<task>/<agent>.gif`` is shown with this task as a clip of this agent."""
LARGEST_CLIP, MOST_CLIPS = 400_000, 1_500_000
"""Bytes of a clip in the page, and of all clips together; larger ones are left out."""
_SAFE = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Picture:
    """A picture or clip.

    Attributes:
        content: the file.
        media_type: e.g. ``image/png``.
        agent: who acts in it; empty for a picture of the task.
    """

    content: bytes
    media_type: str
    agent: str = ""

    def as_data(self) -> dict[str, str]:
        """The picture as the page's script takes it."""
        packed = base64.b64encode(self.content).decode()
        return {
            "agent": self.agent,
            "type": self.media_type,
            "src": f"data:{self.media_type};base64,{packed}",
        }


def clips(out: Path, tasks: Iterable[str]) -> tuple[dict[str, list[Picture]], list[Path]]:
    """The clips in ``out/clips``.

    Returns:
        Task to its clips, and the files that are too large to be shown.
    """
    found: dict[str, list[Picture]] = {}
    left_out: list[Path] = []
    room = MOST_CLIPS
    for task in sorted(set(tasks)):
        folder = out / CLIPS / task
        if not _SAFE.fullmatch(task) or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix not in TYPES or path.is_symlink() or not path.is_file():
                continue
            size = path.stat().st_size
            if size > min(LARGEST_CLIP, room):
                left_out.append(path)
                continue
            room -= size
            found.setdefault(task, []).append(Picture(path.read_bytes(), TYPES[path.suffix], path.stem))
    return found, left_out
