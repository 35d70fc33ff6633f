"""Checks of what a user hands to ``reset`` and ``step``; every refusal is one line and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded

from .kernels import compile_function
from .team import TeamSpec

ROUNDING = 1e-6
"""How far beyond [-1, 1] a member's coordinate may lie where that is otherwise refused; it is clipped."""
ADMITTED, NOT_FINITE, FINISHED, NOT_ALLOWED = range(4)


def _admit_python(actions, elapsed, finished, horizon, clipped, truncated):
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


def _admit_discrete_python(actions, mask, elapsed, finished, horizon, admitted, truncated):
    """As ``_admit`` for integers (B, N) that ``mask`` (B, N, n) must allow."""
    waiting, allowed = False, True
    for b in range(actions.shape[0]):
        waiting |= finished[b]
        for i in range(actions.shape[1]):
            a = actions[b, i]
            allowed &= 0 <= a < mask.shape[2] and mask[b, i, a]
    if waiting:
        return FINISHED
    if not allowed:
        return NOT_ALLOWED
    for b in range(actions.shape[0]):
        for i in range(actions.shape[1]):
            admitted[b, i] = actions[b, i]
        elapsed[b] += 1
        truncated[b] = elapsed[b] >= horizon
        finished[b] = truncated[b]
    return ADMITTED


_admit = compile_function(_admit_python, parallel=False)
_admit_discrete = compile_function(_admit_discrete_python, parallel=False)


class Gate:
    """What lets a batch of actions into a step.

    Attributes:
        actions: what is played, (B, N, act) float64 within [-1, 1], or (B, N) int64.
    """

    def __init__(self, team: TeamSpec, elapsed: np.ndarray, finished: np.ndarray) -> None:
        """``elapsed`` (B,) int64 and ``finished`` (B,) bool are the environment's own, counted on here."""
        self._discrete = team.action_kind == "discrete"
        self._elapsed, self._finished, self._horizon = elapsed, finished, team.horizon
        shape = (len(elapsed), team.n_agents)
        self.actions = (
            np.zeros(shape, np.int64) if self._discrete else np.zeros((*shape, team.action_size), np.float64)
        )
        self._mask = np.ones((*shape, team.action_size), np.bool_)

    @property
    def mask(self) -> np.ndarray:
        """The discrete actions allowed now (B, N, n) bool; a copy is kept of what is set."""
        return self._mask

    @mask.setter
    def mask(self, mask: np.ndarray) -> None:
        self._mask[...] = mask

    def admit(self, actions: Any) -> np.ndarray:
        """Takes in the actions and counts the step.

        Returns:
            Which copies have reached the time limit (B,) bool, as a new array.

        Raises:
            gymnasium.error.ResetNeeded: a copy waits for a reset.
            ValueError: wrong shape or type, not finite, not allowed. Nothing has changed then.
        """
        truncated = np.empty(len(self._elapsed), np.bool_)
        if self._discrete:
            array = _integers(actions, self.actions.shape)
            verdict = _admit_discrete(
                array, self._mask, self._elapsed, self._finished, self._horizon, self.actions, truncated
            )
        else:
            array = _floats(actions, self.actions.shape)
            verdict = _admit(array, self._elapsed, self._finished, self._horizon, self.actions, truncated)
        if verdict != ADMITTED:
            raise self._refusal(verdict, array, np.asarray(actions))
        return truncated

    def _refusal(self, verdict: int, actions: np.ndarray, given: np.ndarray) -> Exception:
        if verdict == FINISHED:
            b = int(np.flatnonzero(self._finished)[0])
            remedy = "call reset(), or reset(options={'reset_mask': terminated | truncated}), first"
            return ResetNeeded(f"copy {b} has no episode to step: {remedy}")
        if verdict == NOT_FINITE:
            b, i, k = (int(x) for x in np.argwhere(~np.isfinite(actions))[0])
            where = f"copy {b}, member {i}, coordinate {k}"
            return ValueError(f"actions must be finite: {where} is {actions[b, i, k]}")
        n = self._mask.shape[-1]
        known = (actions >= 0) & (actions < n)
        allowed = known & np.take_along_axis(self._mask, np.where(known, actions, 0)[..., None], -1)[..., 0]
        b, i = (int(x) for x in np.argwhere(~allowed)[0])
        choices = ", ".join(map(str, np.flatnonzero(self._mask[b, i])))
        return ValueError(f"copy {b}, member {i} cannot choose action {given[b, i]} now, only {choices}")


def _shaped(actions: Any, axes: str, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.asarray(actions)
    except ValueError as error:
        raise ValueError(f"actions must have shape {axes} = {shape}, got uneven lists") from error
    if array.shape != shape:
        raise ValueError(f"actions must have shape {axes} = {shape}, got {array.shape}")
    return array


def _floats(actions: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Actions as a C-contiguous float array of ``shape``; their values are left to ``_admit``."""
    array = _shaped(actions, "(B, N, act)", shape)
    if array.dtype.char not in "fd" or not array.dtype.isnative:
        if array.dtype.kind not in "iuf":
            raise ValueError(f"actions must be real numbers, got an array of {array.dtype}")
        array = array.astype(np.float64)
    flags = array.flags
    if flags.c_contiguous and flags.aligned and flags.writeable:
        return array
    return np.array(array, order="C")


def _integers(actions: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Actions as a C-contiguous int64 array of ``shape``; their values are left to ``_admit_discrete``."""
    array = _shaped(actions, "(B, N)", shape)
    if array.dtype.kind not in "iu":
        raise ValueError(f"actions must be integers, got an array of {array.dtype}")
    return np.array(array, np.int64, order="C")


def member_action(name: str, action: Any, size: int, mask: np.ndarray | None) -> np.ndarray:
    """One member's action, for views that know members by name.

    Args:
        name: of the member.
        action: numbers (size,) within [-1, 1], or for discrete tasks an integer.
        size: number of coordinates, or of actions.
        mask: (size,) bool, the discrete actions allowed now; None for continuous tasks.

    Raises:
        ValueError: something else; the message has the name and the value.
    """
    if mask is not None:
        if np.shape(action) or np.asarray(action).dtype.kind not in "iu":
            raise ValueError(f"{name}: an action must be one integer, got {action!r}")
        if not (0 <= action < size and mask[action]):
            choices = ", ".join(map(str, np.flatnonzero(mask)))
            raise ValueError(f"{name} cannot choose action {action} now, only {choices}")
        return np.asarray(action)
    array = _shaped(action, f"(act,) for {name}", (size,))
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: an action must be real numbers, got {action!r}")
    for k in np.flatnonzero(~(np.abs(array) <= 1.0 + ROUNDING)):
        raise ValueError(f"{name}: actions must be finite and within [-1, 1]: coordinate {k} is {array[k]}")
    return array


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
