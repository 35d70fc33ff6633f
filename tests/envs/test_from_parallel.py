"""TeamEnvs made of PettingZoo environments, small ones whose every number is known."""

import copy
import re
from functools import partial

import numpy as np
import pytest
from coordbench import envs
from gymnasium import spaces
from mpe2 import simple_spread_v3
from pettingzoo import ParallelEnv


class Countdown(ParallelEnv):
    """Member i leaves after ``lives[i]`` steps and earns 1 + i in each; its action is noted.

    Flags are given by ``end``: what a member that leaves is told, as (terminated, truncated).
    """

    metadata = {"name": "countdown_v0"}  # noqa: RUF012

    def __init__(self, lives=(2, 4), end=(True, False), action_spaces=None, observation_spaces=None):
        self.possible_agents = [f"m{i}" for i in range(len(lives))]
        self.lives = dict(zip(self.possible_agents, lives, strict=True))
        self.end = end
        self.agents = []
        actions = action_spaces or [spaces.Discrete(2 + i) for i in range(len(lives))]
        sights = observation_spaces or [spaces.Box(-9, 9, (1 + i,)) for i in range(len(lives))]
        self.action_spaces = dict(zip(self.possible_agents, actions, strict=True))
        self.observation_spaces = dict(zip(self.possible_agents, sights, strict=True))
        self.taken = []

    def observation_space(self, agent):
        return self.observation_spaces[agent]

    def action_space(self, agent):
        return self.action_spaces[agent]

    def sight(self, agent):
        return np.full(self.observation_spaces[agent].shape, self.t, np.float32)

    def reset(self, seed=None, options=None):
        self.t, self.agents, self.taken = 1, list(self.possible_agents), []
        self.draw = np.random.default_rng(seed).random()
        return {a: self.sight(a) for a in self.agents}, {a: {} for a in self.agents}

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.taken.append(actions)
        going = [a for a in self.agents if self.lives[a] == self.t]
        self.t += 1
        present = list(self.agents)
        self.agents = [a for a in present if a not in going]
        return (
            {a: self.sight(a) for a in present},
            {a: 1.0 + self.possible_agents.index(a) for a in present},
            {a: a in going and self.end[0] for a in present},
            {a: a in going and self.end[1] for a in present},
            {a: {} for a in present},
        )


def play(env, steps, actions=None):
    joint = np.zeros((env.num_envs, env.team.n_agents), np.int64) if actions is None else actions
    env.reset(seed=0)
    return [env.step(joint) for _ in range(steps)]


def test_members_that_leave_early_see_zeros_earn_nothing_and_the_rest_goes_on():
    env = envs.from_parallel(Countdown, 2, team_reward="individual", horizon=9)
    results = play(env, 4)
    assert [r[4]["agent_reward"][0].tolist() for r in results] == [[1, 2], [1, 2], [0, 2], [0, 2]]
    assert [r[0][0, 0].tolist() for r in results] == [[2, 0], [3, 0], [0, 0], [0, 0]]
    assert [r[0][0, 1].tolist() for r in results] == [[2, 2], [3, 3], [4, 4], [5, 5]]
    assert results[0][4]["action_mask"][0].tolist() == [[True, True, False], [True, True, True]]
    assert results[1][4]["action_mask"][0].tolist() == [[True, False, False], [True, True, True]]
    assert [bool(r[2].all()) for r in results] == [False, False, False, True]
    assert not any(r[3].any() for r in results)
    assert results[1][4]["state"][0].tolist() == [3, 3, 3]
    envs.check_env(env)


@pytest.mark.parametrize(
    ("end", "lives", "terminated", "truncated"),
    [
        ((True, False), (2, 2), True, False),
        ((False, True), (2, 2), False, True),
        ((True, True), (2, 2), True, True),
        ((False, False), (2, 2), True, False),
    ],
)
def test_flags_of_the_last_step_are_told_as_they_are(end, lives, terminated, truncated):
    env = envs.from_parallel(partial(Countdown, lives, end), 1, horizon=9)
    *_, last = play(env, 2)
    assert (bool(last[2][0]), bool(last[3][0])) == (terminated, truncated)
    with pytest.raises(Exception, match="copy 0 has no episode"):
        env.step(np.zeros((1, 2), np.int64))


def test_the_horizon_truncates_and_is_found_where_environments_keep_it():
    assert envs.from_parallel(simple_spread_v3.parallel_env).team.horizon == 25
    env = envs.from_parallel(Countdown, 1, horizon=3)
    assert [(bool(r[2][0]), bool(r[3][0])) for r in play(env, 3)] == [(False, False)] * 2 + [(False, True)]


@pytest.mark.parametrize(
    ("rule", "each", "team"), [("mean", [1.5, 1.5], 1.5), ("sum", [3, 3], 3), ("individual", [1, 2], 1.5)]
)
def test_team_reward_rules(rule, each, team):
    result = play(envs.from_parallel(Countdown, 1, team_reward=rule, horizon=9), 1)[0]
    assert result[4]["agent_reward"][0].tolist() == each
    assert result[1][0] == team


def test_boxes_of_any_bounds_and_shape_and_a_surplus_of_coordinates():
    boxes = [spaces.Box(np.array([-4.0, 0.0]), np.array([4.0, 10.0])), spaces.Box(2, 3, (1, 1), np.float32)]
    env = envs.from_parallel(partial(Countdown, action_spaces=boxes), 1, horizon=9)
    play(env, 1, np.array([[[-0.5, 0.5], [1.0, 7.0]]]))
    taken = env.envs[0].taken[0]
    assert taken["m0"].tolist() == [-2.0, 7.5]
    assert taken["m1"].shape == (1, 1)
    assert taken["m1"] == 3.0
    assert all(box.contains(taken[name]) for name, box in zip(("m0", "m1"), boxes, strict=True))


class Sights(Countdown):
    """Every kind of observation, with masks in the observation and in the info."""

    def __init__(self):
        masked = {"observation": spaces.MultiBinary(2), "action_mask": spaces.Box(0, 1, (4,), np.int8)}
        sights = [spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 3]), spaces.Dict(masked)]
        sights.append(spaces.Box(0, 255, (2, 2, 1), np.uint8))
        actions = [spaces.Discrete(4, start=-1) for _ in sights]
        super().__init__((9,) * 4, (True, False), actions, sights)

    def sight(self, agent):
        masked = {"observation": np.array([0, 1], np.int8), "action_mask": np.array([0, 1, 1, 0], np.int8)}
        picture = np.array([[[1], [2]], [[3], [255]]], np.uint8)
        return {"m0": 6, "m1": np.array([1, 2]), "m2": masked, "m3": picture}[agent]

    def reset(self, seed=None, options=None):
        sights, infos = super().reset(seed)
        return sights, infos | {"m3": {"action_mask": np.array([1, 0, 0, 0], np.int8)}}


def test_spaces_of_all_kinds_and_masks_from_both_places():
    env = envs.from_parallel(Sights, 1, horizon=9)
    assert env.team.observation_sizes == (3, 5, 2, 4)
    observation, info = env.reset(seed=0)
    seen = [observation[0, i, :size].tolist() for i, size in enumerate(env.team.observation_sizes)]
    assert seen == [[0, 1, 0], [0, 1, 0, 0, 1], [0, 1], [1, 2, 3, 255]]
    everything, masked, first = [True] * 4, [False, True, True, False], [True, False, False, False]
    assert info["action_mask"][0].tolist() == [everything, everything, masked, first]
    with pytest.raises(ValueError, match="member 2 cannot choose action 3 now, only 1, 2"):
        env.step(np.array([[0, 0, 3, 0]]))
    env.step(np.array([[0, 3, 1, 0]]))
    assert env.envs[0].taken == [{"m0": -1, "m1": 2, "m2": 0, "m3": -1}]


def test_snapshots_go_back_by_playing_again_and_only_when_needed():
    env = envs.from_parallel(simple_spread_v3.parallel_env, 2, seed=1)
    info = env.reset()[1]
    rng = np.random.default_rng(0)
    actions = rng.integers(5, size=(8, 2, 3))
    for action in actions[:4]:
        env.step(action)
    saved = env.snapshot()
    positions = env.envs[0].unwrapped.world.agents[0].state.p_pos.copy()
    later = [env.step(action) for action in actions[4:]]
    other = env.remake(2)
    other.restore(saved)
    assert np.array_equal(other.envs[0].unwrapped.world.agents[0].state.p_pos, positions)
    for action, (observation, reward, _, _, info) in zip(actions[4:], later, strict=True):
        again = other.step(action)
        assert np.array_equal(again[0], observation)
        assert np.array_equal(again[1], reward)
        assert np.array_equal(again[4]["state"], info["state"])
    before = other.envs[0].unwrapped.steps
    other.restore(other.snapshot())
    assert other.envs[0].unwrapped.steps == before == 8


class Forgetful(Countdown):
    """Random beyond its seed."""

    def sight(self, agent):
        return np.full(self.observation_spaces[agent].shape, np.random.default_rng().random(), np.float32)


def test_environments_that_cannot_be_restored_say_so():
    env = envs.from_parallel(Forgetful, 1, horizon=9)
    play(env, 1)
    saved = env.snapshot()
    play(env, 2)
    with pytest.raises(ValueError, match=r"countdown_v0 cannot be restored: .* reset\(seed=\.\.\.\)"):
        env.restore(saved)


def test_one_environment_is_copied_and_stays_as_it_is():
    one = Countdown()
    one.reset(seed=0)
    env = envs.from_parallel(one, 2, horizon=9)
    play(env, 2)
    assert (one.t, env.envs[0].t, len({id(e) for e in (one, *env.envs)})) == (1, 3, 3)
    uncopied = copy.copy(one)
    uncopied.generator = (i for i in range(3))
    with pytest.raises(ValueError, match=r"cannot be copied .*give a callable"):
        envs.from_parallel(uncopied, horizon=9)


def spaced(actions=None, sights=None):
    return partial(Countdown, action_spaces=actions, observation_spaces=sights)


BOX, TWO = spaces.Box(-1, 1, (2,)), spaces.Discrete(2)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (spaced([TWO, BOX]), {}, "one team needs one kind of action: m0 has Discrete(2), m1 has Box"),
        (spaced([BOX, spaces.Box(-np.inf, 1, (2,))]), {}, "m1: the actions Box"),
        (spaced([TWO, spaces.MultiDiscrete([2, 2])]), {}, "m1: actions must be Discrete or a Box of floats"),
        (spaced([TWO, spaces.Box(0, 3, (2,), np.int64)]), {}, "must be Discrete or a Box of floats"),
        (spaced(None, [BOX, spaces.Sequence(BOX)]), {}, "have no fixed length"),
        (Countdown, {"horizon": None}, "countdown_v0 has no time limit of its own; say"),
        (Countdown, {"horizon": 0}, "must be >= 1"),
        (Countdown, {"num_envs": 0}, "num_envs must be >= 1"),
        (Countdown, {"team_reward": "summ"}, "'individual', got 'summ'; did you mean 'sum'?"),
        (partial(Countdown, ()), {}, "names no possible_agents"),
        (simple_spread_v3.env, {}, "takes turns; make it parallel first"),
        (dict, {}, "needs a PettingZoo ParallelEnv, got dict"),
        (3, {}, "needs a callable that returns a ParallelEnv, got 3"),
    ],
)
def test_refusals_are_one_clear_line(make, settings, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        envs.from_parallel(make, **{"horizon": 9} | settings)
    assert "\n" not in str(caught.value)
