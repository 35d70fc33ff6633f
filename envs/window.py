"""A window for people in front of a screen; pygame is imported when the first picture is shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class _Window:
    """The one window of this process."""

    surface: Any = None
    """pygame's, None while the window is closed."""


_WINDOW = _Window()


def show(frame: np.ndarray, title: str = "coordbench", fps: float = 12.0) -> bool:
    """Shows a picture in a window, which stays for the next one, and waits 1 / ``fps`` seconds.

    Args:
        frame: (H, W, 3) uint8.
        title: of the window.
        fps: pictures a second at most.

    Returns:
        Whether the window is still wanted: False once the user has closed it or pressed Escape or q.

    Raises:
        ValueError: pygame is not installed or there is no screen.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise ValueError('a window needs pygame: pip install "coordbench[window]"') from error
    size = (frame.shape[1], frame.shape[0])
    try:
        if _WINDOW.surface is None or _WINDOW.surface.get_size() != size or not pygame.display.get_init():
            pygame.display.init()
            _WINDOW.surface = pygame.display.set_mode(size)
    except pygame.error as error:
        raise ValueError(f"there is no screen for a window ({error}); write a file instead") from error
    pygame.display.set_caption(title)
    _WINDOW.surface.blit(pygame.image.frombuffer(frame.tobytes(), size, "RGB"), (0, 0))
    pygame.display.flip()
    pygame.time.wait(round(1000 / fps))
    closing = any(
        event.type == pygame.QUIT
        or (event.type == pygame.KEYDOWN and event.key in (pygame.K_ESCAPE, pygame.K_q))
        for event in pygame.event.get()
    )
    if closing:
        hide()
    return not closing


def hide() -> None:
    """Closes the window of ``show``, if there is one."""
    if _WINDOW.surface is not None:
        import pygame

        pygame.display.quit()
        _WINDOW.surface = None
