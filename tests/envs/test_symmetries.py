"""What holds of every particle task: symmetries of teams and space, time limits, seeds, declared spaces.

A task joins by one entry in ``CASES``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from coordbench.envs.base import TeamEnv
from coordbench.envs.particles.navigation import CooperativeNavigation
from coordbench.envs.particles.predator_prey import PredatorPrey
from coordbench.envs.particles.tag import Tag
from coordbench.envs.particles.treasure import TreasureCollection
from hypothesis import given, settings
from hypothesis import strategies as st

COPIES = 4
few = settings(max_examples=12, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)
quarter = np.array([[0, -1], [1, 0]])
turns = st.builds(
    lambda times, mirrored: np.linalg.matrix_power(quarter, times) @ np.diag([1 - 2 * mirrored, 1]),
    st.integers(0, 3),
    st.integers(0, 1),
)

Layout = list[tuple[str, int]]
"""Parts of an observation with their number: "point" and "vector" (2 numbers each), "others" (vectors to the
other members, member order), "plain" (1 number each)."""


@dataclass(frozen=True)
class Case:
    """What the tests must know of a task.

    Attributes:
        task: the environment's class.
        chosen: settings for a team of about k members.
        layout: of the observation of member i.
        points, vectors: state arrays (B, n, 2) that turn with the world.
        members: state arrays that begin with one entry for each member.
        calm: further settings under which nothing random happens within a step.
        n_alike: from N to how many members, the first ones, may change places.
        centre: of the world, in both coordinates.
    """

    task: type[TeamEnv]
    chosen: Callable[[int], dict[str, Any]]
    layout: Callable[[TeamEnv, int], Layout]
    points: tuple[str, ...]
    members: tuple[str, ...]
    vectors: tuple[str, ...] = ("velocity",)
    calm: dict[str, Any] = field(default_factory=dict)
    n_alike: Callable[[int], int] = lambda n: n
    centre: float = 0.0

    def make(self, k: int, **more: Any) -> TeamEnv:
        values = {"dtype": "float64"} | self.chosen(k) | more
        return self.task(self.task.describe("case", self.task.settings_type(**values)), COPIES)


def navigation_layout(env: TeamEnv, i: int) -> Layout:
    n = env.team.n_agents
    return [("vector", 1), ("point", 1), ("vector", n), ("others", n - 1), ("plain", 2 * (n - 1))]


def predator_prey_layout(env: TeamEnv, i: int) -> Layout:
    n, m = env.team.n_agents, env.team.settings["n_preys"]
    return [("point", 1), ("others", n - 1), ("vector", m), ("plain", m)]


def tag_layout(env: TeamEnv, i: int) -> Layout:
    n, s = env.team.n_agents, env.team.settings
    return [
        ("vector", 1),
        ("point", 1),
        ("vector", s["n_obstacles"]),
        ("others", n - 1),
        ("vector", 2 * s["n_preys"]),
    ]


def treasure_layout(env: TeamEnv, i: int) -> Layout:
    n, s = env.team.n_agents, env.team.settings
    banks, bank = s["n_banks"], i >= n - s["n_banks"]
    load: Layout = [] if bank else [("plain", banks)]
    member: Layout = [("vector", 2), ("plain", 2 * banks)]
    treasure: Layout = [("vector", 1), ("plain", banks)]
    shown = min(s["n_visible"], n - 1), min(s["n_visible"], s["n_treasures"])
    padding: Layout = [("plain", banks)] if bank else []
    return [("point", 1), ("vector", 1), *load, *member * shown[0], *treasure * shown[1], *padding]


CASES = {
    "navigation": Case(
        CooperativeNavigation,
        lambda k: {"n_agents": k, "team_reward": "individual"},
        navigation_layout,
        points=("position", "landmark"),
        members=("position", "velocity"),
    ),
    "predator_prey": Case(
        PredatorPrey,
        lambda k: {"n_agents": k, "n_coop": min(k, 2), "radius": 0.2, "start": "random"},
        predator_prey_layout,
        points=("predator", "prey"),
        members=("predator",),
        vectors=(),
        centre=0.5,
    ),
    "tag": Case(
        Tag,
        lambda k: {"n_agents": k, "n_preys": 2, "n_captors": min(k, 2), "team_reward": "individual"},
        tag_layout,
        points=("position", "obstacle"),
        members=("position", "velocity"),
        calm={"prey": "still"},
    ),
    "tag_sum": Case(
        Tag,
        lambda k: {"n_agents": k, "n_preys": 3, "prey": "sum", "view_radius": 0.9},
        tag_layout,
        points=("position", "obstacle"),
        members=("position", "velocity"),
        calm={"prey": "still", "physics": "mpe2"},
    ),
    "treasure": Case(
        TreasureCollection,
        lambda k: {"n_agents": k + 2, "n_banks": 2, "team_reward": "individual"},
        treasure_layout,
        points=("position", "treasure", "seen_treasure"),
        members=("position", "velocity", "load", "seen_load"),
        n_alike=lambda n: n - 2,
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def crowded(env: TeamEnv, case: Case, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A start of which two copies are so narrow that members touch, in motion, and actions."""
    env.reset(seed=seed)
    state, rng = env.snapshot(), np.random.default_rng(seed)
    spread = np.array([0.15, 0.3, 1.0, 1.0])[:, None, None]
    for name in case.points:
        state[name] = case.centre + spread * (state[name] - case.centre)
    for name in case.vectors:
        state[name] = rng.normal(0, 0.5, state[name].shape)
    return state, rng.uniform(-1, 1, (COPIES, env.team.n_agents, 2))


def step_from(env: TeamEnv, state: dict[str, np.ndarray], actions: np.ndarray) -> tuple[Any, Any, Any]:
    """Observation (B, N, obs), members' rewards (B, N) and metrics after one step from ``state``."""
    env.restore(state)
    observation, _, _, _, info = env.step(actions)
    return observation, info["agent_reward"], np.stack([info[name] for name in env.team.metrics])


def close(left: Any, right: Any) -> None:
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-9)


def turned(case: Case, env: TeamEnv, observation: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """What members would see if the world had been turned about its centre."""
    result = observation.copy()
    for i in range(env.team.n_agents):
        column = 0
        for kind, count in case.layout(env, i):
            width = count if kind == "plain" else 2 * count
            if kind != "plain":
                offset = case.centre if kind == "point" else 0.0
                part = observation[:, i, column : column + width].reshape(COPIES, count, 2) - offset
                result[:, i, column : column + width] = (part @ turn.T + offset).reshape(COPIES, width)
            column += width
        assert column == observation.shape[-1]
    return result


def reordered(case: Case, env: TeamEnv, observation: np.ndarray, order: np.ndarray) -> np.ndarray:
    """What members would see if member i were the former member ``order[i]``."""
    result = observation[:, order]
    for i, former in enumerate(order):
        column = 0
        for kind, count in case.layout(env, int(former)):
            width = count if kind == "plain" else 2 * count
            if kind == "others":
                part = observation[:, former, column : column + width].reshape(COPIES, count, 2)
                whole = np.insert(part, former, 0.0, axis=1)[:, order]
                result[:, i, column : column + width] = np.delete(whole, i, axis=1).reshape(COPIES, width)
            column += width
    return result


@every_case
@few
@given(k=sizes, seed=seeds)
def test_members_that_are_alike_may_change_places(case, k, seed):
    env = case.make(k)
    n, alike = env.team.n_agents, case.n_alike(env.team.n_agents)
    order = np.append(np.random.default_rng(seed).permutation(alike), np.arange(alike, n))
    state, actions = crowded(env, case, seed)
    observation, reward, metrics = step_from(env, state, actions)
    for name in case.members:
        state[name][:, :alike] = state[name][:, order[:alike]]
    seen, received, counted = step_from(env, state, actions[:, order])
    close(seen, reordered(case, env, observation, order))
    close(received, reward[:, order])
    close(counted, metrics)


@every_case
@few
@given(k=sizes, seed=seeds, turn=turns)
def test_a_step_of_the_turned_world_is_the_turned_step(case, k, seed, turn):
    env = case.make(k, **case.calm)
    state, actions = crowded(env, case, seed)
    observation, reward, metrics = step_from(env, state, actions)
    for name in case.points:
        state[name] = (state[name] - case.centre) @ turn.T + case.centre
    for name in case.vectors:
        state[name] = state[name] @ turn.T
    seen, received, counted = step_from(env, state, actions @ turn.T)
    close(seen, turned(case, env, observation, turn))
    close(received, reward)
    close(counted, metrics)


@every_case
@few
@given(k=sizes, horizon=st.integers(1, 9))
def test_the_time_limit_truncates_at_any_horizon(case, k, horizon):
    env = case.make(k, horizon=horizon)
    env.reset(seed=0)
    late = np.array([False, True] * (COPIES // 2))
    for t in range(1, 2 * horizon + 1):
        _, _, terminated, truncated, _ = env.step(np.ones((COPIES, env.team.n_agents, 2)))
        assert not terminated.any()
        assert (truncated == (t % horizon == 0)).all()
        if truncated.all():
            env.reset(options={"reset_mask": late})
            env.reset(options={"reset_mask": ~late})


def played(env: TeamEnv, seed: int) -> list[np.ndarray]:
    """All observations and rewards of five steps; the actions do not depend on the seed."""
    outputs = [env.reset(seed=seed)[0]]
    for actions in np.random.default_rng(0).uniform(-1, 1, (5, COPIES, env.team.n_agents, 2)):
        outputs += env.step(actions)[:2]
    return outputs


@every_case
@few
@given(k=sizes, seed=seeds, other=seeds)
def test_equal_seeds_give_equal_play_and_other_seeds_do_not(case, k, seed, other):
    first = played(case.make(k), seed)
    again = played(case.make(k), seed)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    if other != seed:
        assert (first[0] != played(case.make(k), other)[0]).any((1, 2)).all()
    assert len({row.tobytes() for row in first[0]}) == COPIES


@every_case
@few
@given(k=sizes, seed=seeds, dtype=st.sampled_from(["float32", "float64"]), bold=st.booleans())
def test_observations_lie_in_the_declared_space(case, k, seed, dtype, bold):
    env = case.make(k, dtype=dtype)
    rng = np.random.default_rng(seed)
    assert env.observation_space.contains(env.reset(seed=seed)[0])
    for _ in range(8):
        actions = rng.uniform(-1, 1, (COPIES, env.team.n_agents, 2))
        observation, *_ = env.step(np.sign(actions) if bold else actions)
        assert env.observation_space.contains(observation)


@every_case
@few
@given(k=sizes, x=st.floats(0, 1), y=st.floats(0, 1), at_rest=st.booleans())
def test_coincident_positions_give_finite_numbers(case, k, x, y, at_rest):
    env = case.make(k)
    env.reset(seed=0)
    state = env.snapshot()
    for name in case.points:
        state[name][:] = x, y
    env.restore(state)
    for _ in range(3):
        actions = np.full((COPIES, env.team.n_agents, 2), 0.0 if at_rest else 0.7)
        observation, reward, _, _, info = env.step(actions)
        for name, array in (info | {"observation": observation, "reward": reward}).items():
            assert np.isfinite(array).all(), name
