"""Checks of what a user hands to ``reset`` and ``step``; every refusal is one line and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded

from .kernels import compile_function

ADMITTED, NOT_FINITE, FINISHED = 0, 1, 2


def _admit(actions, elapsed, finished, horizon, clipped, truncated):
    """Checks a batch of actions and, if they may be played, clips them and counts the step.

    Args:
        actions: (B, N, A) floats.
        elapsed: (B,) int64, steps of the episode; moves on by one.
        finished: (B,) bool, copies that wait for a reset; becomes ``truncated``.
        horizon: steps of an episode.
        clipped: (B, N, A) float64, receives the actions within [-1, 1].
        truncated: (B,) bool, receives whether the time limit is reached.

    Returns:
        ADMITTED, or NOT_FINITE or FINISHED with nothing changed.
    """
    flat, flat_clipped = actions.reshape(-1), clipped.reshape(-1)
    finite, waiting = True, False
    for k in range(flat.size):
        finite &= np.isfinite(flat[k])
    if not finite:
        return NOT_FINITE
    for b in range(finished.size):
        waiting |= finished[b]
    if waiting:
        return FINISHED
    for k in range(flat.size):
        flat_clipped[k] = min(max(np.float64(flat[k]), -1.0), 1.0)
    for b in range(finished.size):
        elapsed[b] += 1
        truncated[b] = elapsed[b] >= horizon
        finished[b] = truncated[b]
    return ADMITTED


admit = compile_function(_admit, parallel=False)


def refusal(verdict: int, actions: np.ndarray, finished: np.ndarray) -> Exception:
    """The error for actions that ``admit`` did not admit, naming the first offender."""
    if verdict == NOT_FINITE:
        b, i, k = (int(x) for x in np.argwhere(~np.isfinite(actions))[0])
        where = f"copy {b}, member {i}, coordinate {k}"
        return ValueError(f"actions must be finite: {where} is {actions[b, i, k]}")
    b = int(np.flatnonzero(finished)[0])
    remedy = "call reset(), or reset(options={'reset_mask': terminated | truncated}), first"
    return ResetNeeded(f"copy {b} has no episode to step: {remedy}")


def checked_actions(actions: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Actions as a C-contiguous float array of ``shape``; their values are left to ``admit``.

    Raises:
        ValueError: another shape, or no real numbers.
    """
    array = np.asarray(actions)
    if array.shape != shape:
        raise ValueError(f"actions must have shape (B, N, act) = {shape}, got {array.shape}")
    if array.dtype.char not in "fd" or not array.dtype.isnative:
        if array.dtype.kind not in "iuf":
            raise ValueError(f"actions must be real numbers, got an array of {array.dtype}")
        array = array.astype(np.float64)
    flags = array.flags
    if flags.c_contiguous and flags.aligned and flags.writeable:
        return array
    return np.array(array, order="C")


def reset_mask(options: Mapping[str, Any] | None, num_envs: int) -> np.ndarray:
    """The copies to reset (B,) bool: those of ``options["reset_mask"]``, or all.

    Raises:
        ValueError: an unknown option, a mask of wrong shape or type.
    """
    options = options or {}
    for name in options.keys() - {"reset_mask"}:
        raise ValueError(f"reset has no option {name!r}; it takes 'reset_mask'")
    if options.get("reset_mask") is None:
        return np.ones(num_envs, np.bool_)
    mask = np.asarray(options["reset_mask"])
    if mask.shape != (num_envs,) or mask.dtype != np.bool_:
        raise ValueError(f"reset_mask must be bool ({num_envs},), got {mask.dtype} {mask.shape}")
    return np.ascontiguousarray(mask)


def check_snapshot(snapshot: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> None:
    """Compares a snapshot's arrays with those that it is to fill.

    Raises:
        ValueError: other names, shapes or types.
    """
    for name in sorted(arrays.keys() ^ snapshot.keys()):
        where = "lacks" if name in arrays else "has a surplus"
        raise ValueError(f"the snapshot is of another task: it {where} array {name!r}")
    for name, array in arrays.items():
        found = np.asarray(snapshot[name])
        if found.shape != array.shape or found.dtype != array.dtype:
            raise ValueError(
                f"snapshot array {name!r} is {found.dtype} {found.shape}, "
                f"this environment needs {array.dtype} {array.shape}"
            )
