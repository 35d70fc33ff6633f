"""Particle physics: point masses in the plane with soft contacts.

Source: OpenAI multiagent-particle-envs core.py; mpe2 1.1.1 ``_mpe_utils/core.py``. float64 throughout. The
two differ in one line: OpenAI's code moves a particle with its new velocity, mpe2's (and PettingZoo's from
1.23.0 on) with the old one.
"""

from __future__ import annotations

import math

from ..kernels import device

DT = 0.1
"""Time of a step."""
DAMPING = 0.25
"""Share of the velocity that is lost in a step."""
CONTACT_FORCE = 100.0
CONTACT_MARGIN = 1e-3
SENSITIVITY = 5.0
"""Force of a full action on a particle that has no acceleration of its own."""

# exp(-x) is exactly zero in float64 from x = 745.14 on, so beyond this gap there is no force at all.
_FORCE_FREE_GAP = 0.746
# Below this, log1p(e) and e round to the same number.
_LOG1P_IS_IDENTITY = -38.0


@device
def contact_force(distance, contact_distance):
    """Magnitude of the push between two particles: a softplus of how deep they overlap, 0 when far apart.

    Args:
        distance: between the centres, >= 0.
        contact_distance: sum of the radii.
    """
    depth = -(distance - contact_distance) / CONTACT_MARGIN
    if depth < _LOG1P_IS_IDENTITY:
        softplus = math.exp(depth)
    elif depth < 0.0:
        softplus = math.log1p(math.exp(depth))
    else:
        softplus = depth + math.log1p(math.exp(-depth))
    return CONTACT_FORCE * softplus * CONTACT_MARGIN


@device
def push(dx, dy, contact_distance):
    """The push (x, y) on a particle at displacement (dx, dy) from another one, both of mass 1.

    Args:
        dx: of the displacement.
        dy: of the displacement.
        contact_distance: sum of the radii.
    """
    square, reach = dx * dx + dy * dy, contact_distance + _FORCE_FREE_GAP
    # Coincident centres have no direction: no push, where the sources give NaN.
    if square > reach * reach or square == 0.0:
        return 0.0, 0.0
    distance = math.sqrt(square)
    scale = contact_force(distance, contact_distance) / distance
    return scale * dx, scale * dy


@device
def add_contacts(position, contact_distance, force, b):
    """Adds the contact forces between all pairs of equal particles of copy ``b``.

    Args:
        position: (B, N, 2).
        contact_distance: sum of two radii.
        force: (B, N, 2), added to.
        b: the copy.
    """
    n = position.shape[1]
    for i in range(n):
        for j in range(i + 1, n):
            dx, dy = position[b, i, 0] - position[b, j, 0], position[b, i, 1] - position[b, j, 1]
            x, y = push(dx, dy, contact_distance)
            force[b, i, 0] += x
            force[b, i, 1] += y
            force[b, j, 0] -= x
            force[b, j, 1] -= y


@device
def add_weighted_contacts(position, radius, mass, force, b):
    """Adds the contact forces between all pairs of unequal particles of copy ``b``.

    A particle is pushed in proportion to the other's mass over its own (shariqiqbal2810's fork of
    multiagent-particle-envs, core.py), so the two forces are opposite but equal only between equal masses.

    Args:
        position: (B, N, 2).
        radius: (N,).
        mass: (N,).
        force: (B, N, 2), added to.
        b: the copy.
    """
    n = position.shape[1]
    for i in range(n):
        for j in range(i + 1, n):
            dx, dy = position[b, i, 0] - position[b, j, 0], position[b, i, 1] - position[b, j, 1]
            x, y = push(dx, dy, radius[i] + radius[j])
            ratio = mass[j] / mass[i]
            force[b, i, 0] += ratio * x
            force[b, i, 1] += ratio * y
            force[b, j, 0] -= x / ratio
            force[b, j, 1] -= y / ratio


@device
def integrate(position, velocity, force, old_velocity_moves, b):
    """Moves the particles of copy ``b``, mass 1.

    Args:
        position: (B, N, 2), changed.
        velocity: (B, N, 2), changed.
        force: (B, N, 2).
        old_velocity_moves: mpe2's order (position first) instead of OpenAI's (velocity first).
        b: the copy.
    """
    for i in range(position.shape[1]):
        for k in range(2):
            old = velocity[b, i, k]
            new = old * (1.0 - DAMPING) + force[b, i, k] * DT
            velocity[b, i, k] = new
            position[b, i, k] += (old if old_velocity_moves else new) * DT


@device
def integrate_limited(position, velocity, force, mass, max_speed, old_velocity_moves, b):
    """Moves the particles of copy ``b``, none faster than its ``max_speed``; else as ``integrate``.

    Args:
        position: (B, N, 2), changed.
        velocity: (B, N, 2), changed.
        force: (B, N, 2).
        mass: (N,).
        max_speed: (N,).
        old_velocity_moves: mpe2's order (position first) instead of OpenAI's (velocity first).
        b: the copy.
    """
    for i in range(position.shape[1]):
        old_x, old_y = velocity[b, i, 0], velocity[b, i, 1]
        x = old_x * (1.0 - DAMPING) + force[b, i, 0] / mass[i] * DT
        y = old_y * (1.0 - DAMPING) + force[b, i, 1] / mass[i] * DT
        speed = math.sqrt(x * x + y * y)
        if speed > max_speed[i]:
            x, y = x / speed * max_speed[i], y / speed * max_speed[i]
        velocity[b, i, 0], velocity[b, i, 1] = x, y
        position[b, i, 0] += (old_x if old_velocity_moves else x) * DT
        position[b, i, 1] += (old_y if old_velocity_moves else y) * DT


@device
def squared_distance(left, i, right, j, b):
    """Square of the distance between points ``left[b, i]`` and ``right[b, j]`` of two arrays (B, n, 2)."""
    dx = left[b, i, 0] - right[b, j, 0]
    dy = left[b, i, 1] - right[b, j, 1]
    return dx * dx + dy * dy
