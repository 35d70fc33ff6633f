"""Random numbers inside kernels: one SplitMix64 stream for each copy (see ``seeding.py``)."""

from __future__ import annotations

import numpy as np

from .kernels import device
from .seeding import GAMMA, MIX_1, MIX_2

_GAMMA, _MIX_1, _MIX_2 = np.uint64(GAMMA), np.uint64(MIX_1), np.uint64(MIX_2)
_S11, _S27, _S30, _S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_TO_UNIT = 2.0**-53


@device
def uniform(generator, b, low, high):
    """The next number of copy ``b``, uniform in [low, high); moves ``generator`` (B,) uint64 on."""
    generator[b] += _GAMMA
    z = generator[b]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    return low + (high - low) * (np.float64(z >> _S11) * _TO_UNIT)
