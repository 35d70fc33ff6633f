"""How kernels are compiled: free functions over arrays whose first axis is the copy.

``Kernel`` makes two machine codes from one Python function whose outer loop is ``for b in prange(B)``: a
serial one and one that spreads the copies over threads. ``device`` marks the functions that kernels call. No
fast-math, no reductions across copies, so both give the same bits. Kernels index whole arrays by the copy
instead of slicing them: a slice counts references atomically, which costs more than the arithmetic.
"""

from __future__ import annotations

import hashlib
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import prange

# Measured with two threads: below this many copies starting the threads costs more than it saves.
PARALLEL_FROM = 512

device = numba.njit(nogil=True, error_model="numpy")


def _digest_of_sources() -> str:
    """Names the cached machine code after all sources of this package.

    Numba's cache looks only at the file of the kernel itself and would keep stale code when, say, the physics
    changes.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_DIGEST = _digest_of_sources()


class Kernel:
    """One function over a batch of copies, compiled on first use: serial and parallel.

    Attributes:
        python: the function itself, slow, for debugging.
        serial: Numba dispatcher, one thread.
        parallel: Numba dispatcher, ``prange`` over threads.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.python = function
        self.serial = compile_function(function, parallel=False)
        self.parallel = compile_function(function, parallel=True)

    def for_batch(self, num_envs: int) -> Callable[..., Any]:
        """The variant for a batch: parallel if it is large and Numba may use more than one thread."""
        if num_envs < PARALLEL_FROM or numba.get_num_threads() == 1:
            return self.serial
        return self.parallel


def compile_function(function: Callable[..., Any], *, parallel: bool) -> Any:
    """A dispatcher with its own name, since Numba's cache keeps the variants of one function in one file."""
    variant = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    variant.__qualname__ = f"{function.__qualname__}_{'parallel' if parallel else 'serial'}_{_DIGEST}"
    dispatcher: Any = numba.njit(nogil=True, parallel=parallel, error_model="numpy")(variant)
    try:
        dispatcher.enable_caching()
    except RuntimeError as error:  # no writable folder for the cache: correct, but each process compiles anew
        warnings.warn(f"kernels are compiled anew in each process: {error}", stacklevel=2)
    return dispatcher


__all__ = ["PARALLEL_FROM", "Kernel", "compile_function", "device", "prange"]
