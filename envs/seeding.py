"""From one seed to a stream for each copy, in plain integers.

A copy's generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014; constants as in Vigna's public-domain splitmix64.c): one uint64 of state. It depends only on
(seed, copy index), so a copy's results do not depend on how many copies share the batch, nor on threads.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
MASK = (1 << 64) - 1


def mix(z: int) -> int:
    """SplitMix64's output function: a bijection of 64-bit integers that scatters neighbours."""
    z = ((z ^ (z >> 30)) * MIX_1) & MASK
    z = ((z ^ (z >> 27)) * MIX_2) & MASK
    return z ^ (z >> 31)


def copy_seed(seed: int, copy: int) -> int:
    """The stream of one copy: hashed twice, so that (seed 0, copy 1) and (seed 1, copy 0) differ."""
    return mix((mix((seed + GAMMA) & MASK) + (copy + 1) * GAMMA) & MASK)


def copy_seeds(seed: int, num_envs: int) -> list[int]:
    """The streams that ``reset(seed=seed)`` gives to a batch.

    Args:
        seed: in [0, 2**64).
        num_envs: B.

    Returns:
        B integers; ``env.reset(seed=copy_seeds(s, B))`` is ``env.reset(seed=s)``. Parts of such a list seed a
        smaller batch whose copies then play exactly as they do in the larger one.

    Raises:
        ValueError: the seed is no integer in [0, 2**64).
    """
    seed = checked_seed(seed)
    return [copy_seed(seed, copy) for copy in range(num_envs)]


def checked_seed(seed: object) -> int:
    """``seed`` as an int.

    Raises:
        ValueError: not an integer in [0, 2**64).
    """
    try:
        value = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"a seed must be an integer, got {seed!r}") from None
    if not 0 <= value <= MASK:
        raise ValueError(f"a seed must lie in [0, 2**64), got {value}")
    return value


def streams(seed: int | Sequence[int], num_envs: int) -> np.ndarray:
    """Generator states (B,) uint64 from one seed for all copies or one integer a copy.

    Raises:
        ValueError: an invalid seed, or a list that has not B entries.
    """
    if isinstance(seed, list | tuple | np.ndarray):
        if len(seed) != num_envs:
            raise ValueError(
                f"seed has {len(seed)} entries for {num_envs} copies; give one integer or one a copy"
            )
        return np.array([checked_seed(s) for s in seed], np.uint64)
    return np.array(copy_seeds(checked_seed(seed), num_envs), np.uint64)
