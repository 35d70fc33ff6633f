"""States as JSON and bytes: what `state_dict` gives, taken apart so that nothing has to be unpickled.

The structure of a state, with its numbers and strings, becomes JSON; tensors and arrays become bytes, in the
order in which they are met. Reading makes plain values, containers, tensors and arrays, and named tuples of
classes that the program has imported by itself: a file never decides what is imported or called.
"""

from __future__ import annotations

import mmap
import os
import random
import sys
import tempfile
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

_PART_BYTES = 4 << 20
"""A tensor that does not lie in one piece is copied in parts of at most this size, or of one row."""

_LARGE_BYTES = 64 << 20
"""From this size on a tensor is read into a file."""
Read = Callable[[memoryview], None]
"""Fills a flat view with the next bytes."""


class Encoder:
    """Takes a state apart. `parts` gives the bytes; when it has ended, `tree` is the structure.

    Args:
        state: made by `state_dict` or the like.
    """

    def __init__(self, state: Any) -> None:
        self._state = state
        self.tree: Any = None

    def parts(self) -> Iterator[memoryview]:
        """Bytes of all tensors and arrays, each to be used before the next is asked for.

        Raises:
            TypeError: a value of a kind that cannot be saved; the message says where it stands.
        """
        self.tree = yield from _encode("state", self._state)


def decode(tree: Any, read: Read, device: torch.device | str = "cpu", folder: Path | None = None) -> Any:
    """The state of a `tree`.

    Args:
        tree: of an `Encoder`.
        read: gives the bytes in the order of `Encoder.parts`.
        device: for tensors that were not on the CPU.
        folder: where large tensors may lie, in files without a name that are gone when the tensors are:
            taking up a state then needs no memory for a second copy of it.

    Raises:
        ValueError: a structure that is not understood, or a named tuple that the program does not have.
    """

    def all_of(parts: list[Any]) -> list[Any]:
        return [decode(part, read, device, folder) for part in parts]

    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind in _SIMPLE:
        return _SIMPLE[kind].load(content)
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](all_of(content))
    if kind == "tensor":
        return _tensor(content, read, device, folder)
    if kind == "array":
        return _array(content, read)
    if kind == "deque":
        return deque(all_of(content[0]), content[1])
    if kind == "named tuple":
        module, name, fields, parts = content
        return _named_tuple(module, name, fields, all_of(parts))
    if kind == "dict":
        return dict(map(all_of, content))
    if kind == "module":
        found = OrderedDict(map(all_of, content[0]))
        found._metadata = decode(content[1], read, device, folder)  # type: ignore[attr-defined]  (torch's own habit)
        return found
    raise ValueError(f"a state holds an unknown kind of value: {kind!r}")


def _encode(path: str, value: Any) -> Iterator[Any]:
    """Yields bytes, returns the tree: plain JSON values, or a dictionary of one kind to its content."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        return (yield from _encode_tensor(path, value))
    if isinstance(value, np.ndarray) and not (value.dtype.hasobject or value.dtype.names):
        if value.nbytes:
            yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
        return {"array": [value.dtype.str, list(value.shape)]}
    if isinstance(value, Mapping):
        pairs = []
        for key, part in value.items():
            name = yield from _encode(f"a key of {path}", key)
            pairs.append([name, (yield from _encode(f"{path}[{key!r}]", part))])
        versions = getattr(value, "_metadata", None)  # of a module's state_dict
        if versions is None:
            return {"dict": pairs}
        return {"module": [pairs, (yield from _encode(f"{path}._metadata", versions))]}
    for kind, (type_, save, _) in _SIMPLE.items():
        if isinstance(value, type_):
            return {kind: save(value)}
    fields = getattr(value, "_fields", None) if isinstance(value, tuple) else None
    if fields is None and type(value) not in (deque, *_SEQUENCES.values()):
        what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise _refused(path, what)
    parts = []
    for index, part in enumerate(value):
        parts.append((yield from _encode(f"{path}[{index}]", part)))
    if fields is not None:
        return {"named tuple": [type(value).__module__, type(value).__qualname__, list(fields), parts]}
    return {"deque": [parts, value.maxlen]} if isinstance(value, deque) else {type(value).__name__: parts}


def _encode_tensor(path: str, value: Tensor) -> Iterator[Any]:
    if value.layout != torch.strided or value.is_quantized:
        raise _refused(path, f"a tensor of layout {value.layout}, {value.dtype}")
    yield from _tensor_parts(value.detach())
    dtype = str(value.dtype).removeprefix("torch.")
    return {"tensor": [dtype, list(value.shape), value.requires_grad, value.device.type != "cpu"]}


def _tensor_parts(value: Tensor) -> Iterator[memoryview]:
    """Bytes in row-major order, of one that lies on the CPU in one piece without copying it."""
    size = value.numel() * value.element_size()
    is_here = value.is_contiguous() and value.device.type == "cpu"
    if is_here or size <= _PART_BYTES or value.dim() == 0:
        if size:
            flat = value.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
            yield flat.view(torch.uint8).numpy().data
        return
    rows = max(_PART_BYTES * len(value) // size, 1)
    for start in range(0, len(value), rows):
        part = value[start : start + rows]
        yield from _tensor_parts(part[0] if len(part) == 1 else part)


def _refused(path: str, what: str) -> TypeError:
    return TypeError(
        f"{path} is {what}, which cannot be saved: keep tensors, numbers, lists and dictionaries"
    )


def _tensor(content: list[Any], read: Read, device: torch.device | str, folder: Path | None) -> Tensor:
    name, shape, requires_grad, was_elsewhere = content
    dtype = _dtype(name)
    value = _room(prod(shape) * dtype.itemsize, folder)
    if value.numel():
        read(value.numpy().data)
    value = value.view(dtype).view(shape)
    return (value.to(device) if was_elsewhere else value).requires_grad_(requires_grad)


def _room(n_bytes: int, folder: Path | None) -> Tensor:
    """Bytes to be filled; many of them lie in a file, so that the system can take their memory back."""
    if folder is not None and n_bytes >= _LARGE_BYTES and hasattr(os, "posix_fallocate"):
        with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:  # a full disk: in memory, then
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return torch.frombuffer(mmap.mmap(file.fileno(), n_bytes), dtype=torch.uint8)
    return torch.empty(n_bytes, dtype=torch.uint8)


def _array(content: list[Any], read: Read) -> np.ndarray:
    value = np.empty(content[1], np.dtype(content[0]))
    if value.nbytes:
        read(value.reshape(-1).view(np.uint8).data)
    return value


def _named_tuple(module: str, name: str, fields: list[str], parts: list[Any]) -> Any:
    found: Any = sys.modules.get(module)
    for step in name.split("."):
        found = getattr(found, step, None)
    is_named = isinstance(found, type) and issubclass(found, tuple) and hasattr(found, "_fields")
    if not is_named or list(found._fields) != fields or len(parts) != len(fields):  # type: ignore[union-attr]
        raise ValueError(f"a state holds a named tuple {module}.{name}, which is not known here as it was")
    return tuple.__new__(found, parts)


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"a state holds an unknown type of tensor: {name!r}")
    return found


def _random(content: list[Any]) -> random.Random:
    found = random.Random()  # noqa: S311  (its state follows)
    found.setstate((content[0], tuple(content[1]), content[2]))
    return found


def _plain(state: Any) -> Any:
    """A bit generator's state with lists for its arrays, which NumPy takes back."""
    if isinstance(state, Mapping):
        return {key: _plain(part) for key, part in state.items()}
    return state.tolist() if hasattr(state, "tolist") else state


def _generator(content: dict[str, Any]) -> np.random.Generator:
    kinds = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)
    for kind in kinds:
        if kind.__name__ == content["bit_generator"]:
            bits = kind()
            bits.state = content  # type: ignore[assignment]
            return np.random.Generator(bits)
    raise ValueError(f"a state holds an unknown generator: {content['bit_generator']!r}")


class _Kind(NamedTuple):
    type: Any
    save: Callable[[Any], Any]
    load: Callable[[Any], Any]


_SEQUENCES: dict[str, Any] = {kind.__name__: kind for kind in (list, tuple, set, frozenset)}
_SIMPLE = {
    "scalar": _Kind(
        np.generic,
        lambda value: [value.dtype.str, value.tobytes().hex()],
        lambda content: np.frombuffer(bytes.fromhex(content[1]), content[0])[0],
    ),
    "complex": _Kind(complex, lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    "bytes": _Kind(bytes, bytes.hex, bytes.fromhex),
    "size": _Kind(torch.Size, list, torch.Size),
    "range": _Kind(
        range, lambda value: [value.start, value.stop, value.step], lambda content: range(*content)
    ),
    "dtype": _Kind(torch.dtype, lambda value: str(value).removeprefix("torch."), _dtype),
    "device": _Kind(torch.device, str, torch.device),
    "random": _Kind(random.Random, lambda value: list(value.getstate()), _random),
    "generator": _Kind(np.random.Generator, lambda value: _plain(value.bit_generator.state), _generator),
}
"""Values that have no parts and no bytes apart."""
