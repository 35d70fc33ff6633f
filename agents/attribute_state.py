"""The state of an object from its attributes: what ordinary PyTorch code keeps, without writing it down.

Modules, optimisers and whatever else has `state_dict` and `load_state_dict` are asked for theirs; generators
give their state; containers and objects of the user's own classes are gone through; tensors, arrays, numbers
and strings are copied. Functions, classes and frozen dataclasses are no state.
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.ndarray, np.generic, torch.Size)
_PLAIN += (torch.dtype, torch.device, np.random.Generator, random.Random, set, frozenset, range)


class _Own(NamedTuple):
    """State of something that an object made by the same code has too, and takes it up in its place."""

    kind: str
    state: Any


def state_of(owner: object, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """Copies of everything that an object keeps in its attributes.

    Args:
        owner: the object.
        leave_out: attributes that are no state.

    Raises:
        TypeError: an attribute that cannot be saved.
    """
    name = type(owner).__name__
    kept = {key: value for key, value in vars(owner).items() if key not in leave_out}
    return {key: _save(f"{name}.{key}", value) for key, value in kept.items() if not _is_code(value)}


def load_state(owner: object, state: Mapping[str, Any]) -> None:
    """Put what `state_of` gave into an object; modules, optimisers and trained tensors stay the same objects.

    Raises:
        ValueError: the object lacks something that is not made until later in its life.
    """
    for key, saved in state.items():
        setattr(owner, key, _load(f"{type(owner).__name__}.{key}", vars(owner).get(key), saved))


def trained_of(owner: object) -> dict[str, nn.Module | Tensor]:
    """The modules and trained tensors among an object's attributes, those in containers too, by name."""
    found: dict[str, nn.Module | Tensor] = {}

    def collect(path: str, value: object) -> None:
        if isinstance(value, nn.Module) or (isinstance(value, Tensor) and value.requires_grad):
            found[path] = value
        for key, part in _parts(value):
            collect(f"{path}.{key}", part)

    for key, value in vars(owner).items():
        collect(key, value)
    return found


def _parts(value: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple | deque) else ()


def _is_code(value: object) -> bool:
    frozen = is_dataclass(value) and type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]
    return frozen or isinstance(value, type) or (callable(value) and not hasattr(value, "__dict__"))


def _rebuilt(value: Any, change: Callable[[Any, Any], Any]) -> Any:
    """A container of the same type with `change(key, part)` in place of its parts."""
    parts = [change(key, part) for key, part in _parts(value)]
    if isinstance(value, dict):
        return dict(zip(value, parts, strict=True))
    if isinstance(value, deque):
        return deque(parts, value.maxlen)
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def _save(path: str, value: Any) -> Any:
    if isinstance(value, Generator):
        return _Own("generator", value.get_state())
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return _Own("state_dict", copy.deepcopy(value.state_dict()))
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict | list | tuple | deque):
        return _rebuilt(value, lambda key, part: _save(f"{path}[{key!r}]", part))
    if isinstance(value, _PLAIN):
        return copy.deepcopy(value)
    if hasattr(value, "__dict__") and not callable(value):
        return _Own("attributes", state_of(value))
    raise TypeError(
        f"{path} is a {type(value).__name__}, which cannot be saved: give that class state_dict() and "
        "load_state_dict(), or keep tensors, numbers, lists and dictionaries"
    )


def _load(path: str, now: Any, saved: Any) -> Any:
    if isinstance(saved, _Own):
        if now is None:
            raise ValueError(f"cannot load the state of {path}: it is not there yet; make it in __init__")
        if saved.kind == "generator":
            now.set_state(saved.state)
        elif saved.kind == "state_dict":
            now.load_state_dict(saved.state)
        else:
            load_state(now, saved.state)
        return now
    if isinstance(saved, Tensor):
        if isinstance(now, Tensor) and now.requires_grad and now.shape == saved.shape:
            now.data.copy_(saved)
            return now
        return saved.clone()
    if isinstance(saved, dict | list | tuple | deque):
        before = dict(_parts(now))
        return _rebuilt(saved, lambda key, part: _load(f"{path}[{key!r}]", before.get(key), part))
    return copy.deepcopy(saved)
