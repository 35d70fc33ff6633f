"""The scripted preys of tag: what force a prey exerts on itself.

Source: oxwhirl/facmac ``src/envs/particle/scenarios/continuous_pred_prey_3a.py``. A prey draws 100
displacements, uniform in the unit disc, and the best one is its force (norm <= 1, not multiplied by an
acceleration); it stays idle if none is admissible. Two scores are published:

- ``min``: distance to the predator that is nearest now; displacements that end in contact with any predator
  are not admissible.
- ``sum``: sum of the distances to all predators and other preys; displacements on which one of five
  way-points touches any of them are not admissible.

Neither looks at obstacles. The source's scores are float32 and its displacements are drawn in polar
coordinates; here they are float64 and drawn by rejection from the square, which is the same distribution.
"""

from __future__ import annotations

import math

from ..generator import uniform
from ..kernels import device
from .physics import squared_distance

PREDATOR_RADIUS, PREY_RADIUS, OBSTACLE_RADIUS = 0.075, 0.05, 0.2
CANDIDATES = 100
WAY_POINTS = 5

PREYS = ("min", "sum", "random", "still")
"""Names of the rules; a kernel takes the place of a name in this list."""
_MIN, _SUM, _RANDOM = range(3)


@device
def radius(i, n):
    """Radius of particle ``i`` of a list that begins with ``n`` predators; the others are preys."""
    return PREDATOR_RADIUS if i < n else PREY_RADIUS


@device
def square_to(position, j, x, y, b):
    """Square of the distance of particle ``j`` to the point (x, y)."""
    dx, dy = position[b, j, 0] - x, position[b, j, 1] - y
    return dx * dx + dy * dy


@device
def unit_disc(generator, b):
    """A point (x, y), uniform in the unit disc."""
    x, y = uniform(generator, b, -1.0, 1.0), uniform(generator, b, -1.0, 1.0)
    while x * x + y * y > 1.0:
        x, y = uniform(generator, b, -1.0, 1.0), uniform(generator, b, -1.0, 1.0)
    return x, y


@device
def prey_force(generator, position, force, n, rule, b):
    """Sets the forces of all preys of copy ``b``.

    Args:
        generator: (B,) uint64, moved on.
        position: (B, N + M, 2), predators, then preys.
        force: (B, N + M, 2); those of the preys are set.
        n: N.
        rule: place of the rule in ``PREYS``.
        b: the copy.
    """
    for i in range(n, position.shape[1]):
        x, y = 0.0, 0.0
        if rule == _RANDOM:
            x, y = unit_disc(generator, b)
        elif rule in (_MIN, _SUM):
            x, y = best_displacement(generator, position, i, n, rule == _SUM, b)
        force[b, i, 0], force[b, i, 1] = x, y


@device
def best_displacement(generator, position, i, n, from_all, b):
    """The best of ``CANDIDATES`` displacements (x, y) of prey ``i``, zero if none is admissible.

    ``from_all`` chooses the score ``sum`` instead of ``min``.
    """
    nearest, square = 0, math.inf
    for j in range(n):
        s = squared_distance(position, i, position, j, b)
        if s < square:
            nearest, square = j, s
    best, best_x, best_y = -1.0, 0.0, 0.0
    for _ in range(CANDIDATES):
        dx, dy = unit_disc(generator, b)
        x, y = position[b, i, 0] + dx, position[b, i, 1] + dy
        if from_all:
            score = 0.0
            for j in range(position.shape[1]):
                if j != i:
                    score += math.sqrt(square_to(position, j, x, y, b))
        else:
            score = square_to(position, nearest, x, y, b)  # orders as the distance does
        # Only what would be the best so far need be tested for contacts, which cost the most.
        if score > best and admissible(position, i, n, dx, dy, from_all, b):
            best, best_x, best_y = score, dx, dy
    return best_x, best_y


@device
def admissible(position, i, n, dx, dy, from_all, b):
    """Whether prey ``i`` touches nobody at the end of its way (``min``) or at its way-points (``sum``)."""
    points = WAY_POINTS if from_all else 1
    others = position.shape[1] if from_all else n
    for point in range(1, points + 1):
        share = point / points
        x, y = position[b, i, 0] + share * dx, position[b, i, 1] + share * dy
        for j in range(others):
            if j != i:
                contact = radius(j, n) + PREY_RADIUS
                if square_to(position, j, x, y, b) < contact * contact:
                    return False
    return True
