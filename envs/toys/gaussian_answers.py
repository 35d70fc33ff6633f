"""What is known of the linear-Gaussian game in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class LinearGaussianSettings:
    """Settings of the linear-Gaussian game.

    Attributes:
        weights: w_i, how strongly the common number shows in what member i sees; their number is N.
        noise: s, deviation of what each member sees besides.
        scale: of what is aimed at, small enough that good actions seldom reach their bounds.
        horizon: rounds of an episode.
        dtype: of observations and state; the game is float64 always.
    """

    weights: tuple[float, ...] = (1.0, 1.0)
    noise: float = 1.0
    scale: float = 0.5
    horizon: int = 25
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if len(self.weights) < 2 or not all(map(math.isfinite, self.weights)):
            raise ValueError(f"weights must be two or more finite numbers, got {self.weights}")
        for name in ("noise", "scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be >= 1, got {self.horizon}")


def correlation(settings: LinearGaussianSettings, i: int = 0, j: int = 1) -> float:
    """Correlation rho of what members i and j see, and up to its sign of any actions linear in it.

    rho = w_i w_j / sqrt((w_i**2 + s**2) (w_j**2 + s**2)).
    """
    w_i, w_j, s = settings.weights[i], settings.weights[j], settings.noise
    return w_i * w_j / (math.hypot(w_i, s) * math.hypot(w_j, s))


def closed_form_mutual_information(settings: LinearGaussianSettings, i: int = 0, j: int = 1) -> float:
    """Mutual information in nats between members i and j, -log(1 - rho**2) / 2.

    It holds for what they see and for actions that are invertible functions of it, such as the best linear
    policy's; no decentralised policy without a source of randomness in common exceeds it.

    Raises:
        ValueError: i and j are the same member.
    """
    if i == j:
        raise ValueError(f"mutual information needs two different members, got {i} twice")
    return -0.5 * math.log1p(-(correlation(settings, i, j) ** 2))


def best_gains(settings: LinearGaussianSettings) -> np.ndarray:
    """Gains (N,) of the best decentralised policy a_i = gain_i x_i: scale w_i / (s**2 + sum of w_j**2).

    They solve the normal equations (w w' + s**2 I) gain = scale w (by the Sherman-Morrison formula).
    """
    weights = np.array(settings.weights)
    return settings.scale * weights / (settings.noise**2 + weights @ weights)


def best_return(settings: LinearGaussianSettings) -> float:
    """The expected return of the best decentralised policy, -horizon s**2 / (s**2 + sum of w_i**2)."""
    return -settings.horizon * settings.noise**2 / (settings.noise**2 + sum(w * w for w in settings.weights))


def random_return(settings: LinearGaussianSettings) -> float:
    """The expected return with uniformly random actions, -horizon (1 + N / (3 scale**2))."""
    return -settings.horizon * (1 + len(settings.weights) / (3 * settings.scale**2))
