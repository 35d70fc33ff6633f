"""How much members' simultaneous actions tell about one another: estimators from draws, in nats.

- ``ksg`` assumes nothing about the distribution and takes vectors. It is the estimator behind scikit-learn's
  ``mutual_info_regression``, which takes single numbers only and cuts off at 0, so that the mean over many
  states with independent actions would come out positive.
- ``gaussian`` is exact for jointly Gaussian actions, else what linear dependence alone would amount to.
- ``miller_madow`` is for discrete actions.

None of them is cut off at 0: without dependence they scatter around 0. What does not vary tells nothing: 0.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma

NEIGHBOURS = 3
"""k of ``ksg``, as in scikit-learn; Kraskov et al. recommend 2 to 4."""

CONSTANT = 1e-6
"""A direction with a smaller standard deviation is taken for constant; actions lie in [-1, 1]."""

_JITTER = 1e-10
"""Noise, in standard deviations, that separates equal numbers, as Kraskov et al. advise for ``ksg``."""

_LARGEST = 1 - 1e-12
"""Squared correlations are cut off here, so that full dependence gives a finite number."""


def ksg(x: np.ndarray, y: np.ndarray, neighbours: int = NEIGHBOURS) -> float:
    """Mutual information of two random vectors by nearest neighbours.

    The first estimator of Kraskov, Stoegbauer and Grassberger, "Estimating mutual information", Physical
    Review E 69, 2004, with axes scaled to unit deviation. It falls short where vectors are long or the mutual
    information comes near ``log(draws)``.

    Args:
        x: (draws, d_x).
        y: (draws, d_y), drawn together with ``x``.
        neighbours: k.

    Raises:
        ValueError: too few draws, or not as many of ``y`` as of ``x``.
    """
    n = _count(x, y, neighbours + 1)
    rng = np.random.default_rng(0)
    x, y = _scaled(x, rng), _scaled(y, rng)
    if x.shape[1] == 0 or y.shape[1] == 0:
        return 0.0
    both = np.hstack([x, y])
    distance, _ = KDTree(both).query(both, neighbours + 1, p=np.inf)
    # Strictly nearer than the k-th neighbour; the count includes the draw itself, the "+ 1" of the formula.
    radius = np.nextafter(distance[:, -1], 0)
    counts = [KDTree(part).query_ball_point(part, radius, p=np.inf, return_length=True) for part in (x, y)]
    return float(digamma(n) + digamma(neighbours) - sum(digamma(count).mean() for count in counts))


def gaussian(x: np.ndarray, y: np.ndarray) -> float:
    """Mutual information of two jointly Gaussian vectors, -sum of log(1 - rho**2) / 2, without bias.

    rho are the canonical correlations (Cover and Thomas, "Elements of Information Theory", chapter 8); the
    correction is the expectation of the log determinant of a Wishart matrix.

    Args:
        x: (draws, d_x).
        y: (draws, d_y), drawn together with ``x``.

    Raises:
        ValueError: too few draws, or not as many of ``y`` as of ``x``.
    """
    n = _count(x, y, x.shape[1] + y.shape[1] + 2)
    (u, d_x), (v, d_y) = whitened(x), whitened(y)
    rho2 = np.minimum(np.linalg.svd(u.T @ v, compute_uv=False) ** 2, _LARGEST)

    def excess(d: int) -> float:
        return float(digamma((n - np.arange(1, d + 1)) / 2).sum())

    bias = excess(int(d_x)) + excess(int(d_y)) - excess(int(d_x + d_y))
    return float(-0.5 * np.log1p(-rho2).sum() - 0.5 * bias)


def miller_madow(x: np.ndarray, y: np.ndarray) -> float:
    """Mutual information of two discrete variables: that of their frequencies, Miller's bias taken off.

    Source: Miller, "Note on the bias of information estimates", 1955: each entropy is short by (values seen -
    1) / (2 draws).

    Args:
        x: (draws,) integers.
        y: (draws,) integers, drawn together with ``x``.

    Raises:
        ValueError: no draws, or not as many of ``y`` as of ``x``.
    """
    n = _count(x, y, 1)
    joint = np.stack([x, y], -1)
    counts = [np.unique(values, axis=0, return_counts=True)[1] for values in (x, y, joint)]
    h_x, h_y, h_xy = (-(c / n * np.log(c / n)).sum() + (len(c) - 1) / (2 * n) for c in counts)
    return float(h_x + h_y - h_xy)


def whitened(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws in uncorrelated directions of equal size; constant directions are zero.

    Args:
        x: (..., draws, d).

    Returns:
        (..., draws, d), orthonormal columns of mean 0, or zero columns; and (...), how many are not zero.
    """
    centred = x - x.mean(-2, keepdims=True)
    u, size, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    varies = size > CONSTANT * np.sqrt(x.shape[-2])
    return u * varies[..., None, :], varies.sum(-1)


def shared_variance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean squared canonical correlation of vectors, corrected for chance: 0 independent, 1 fully dependent.

    For single numbers it is the squared correlation, for one-hot vectors the square of Cramer's V, both less
    what independent draws would show on average, so values below 0 occur.

    Args:
        x: (..., draws, d_x).
        y: (..., draws, d_y), drawn together with ``x``.

    Returns:
        (...,); 0 where one of the two does not vary.
    """
    (u, d_x), (v, d_y) = whitened(x), whitened(y)
    total = np.square(np.swapaxes(u, -1, -2) @ v).sum((-1, -2))
    chance = d_x * d_y / (x.shape[-2] - 1)
    most = np.minimum(d_x, d_y) - chance
    return np.where(most > 0, (total - chance) / np.where(most > 0, most, 1), 0.0)


def _count(x: np.ndarray, y: np.ndarray, least: int) -> int:
    if len(x) != len(y):
        raise ValueError(f"both variables need as many draws, got {len(x)} and {len(y)}")
    if len(x) < least:
        raise ValueError(f"needs at least {least} draws, got {len(x)}")
    return len(x)


def _scaled(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The axes of x that vary, at unit deviation, equal numbers apart."""
    deviation = x.std(0)
    kept = x[:, deviation > CONSTANT] / deviation[deviation > CONSTANT]
    return kept + _JITTER * rng.standard_normal(kept.shape)
