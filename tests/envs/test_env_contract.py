"""The contract of TeamEnv, its checker, and that the checker finds what it is for."""

import pickle

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.particles.navigation import CooperativeNavigation
from gymnasium.error import ResetNeeded

NAVIGATION = "cooperative_navigation_3-v1"


@pytest.mark.parametrize("task_id", [name for name in envs.names() if not name.startswith("multiwalker")])
def test_every_task_keeps_the_contract(task_id):
    envs.check_env(task_id)


@pytest.mark.parametrize(
    ("task_id", "settings"),
    [
        (NAVIGATION, {"physics": "mpe2", "team_reward": "individual", "dtype": "float64", "horizon": 4}),
        ("predator_prey_3-v1", {"legacy_obs": True, "layout": "uniform", "start": "random", "n_preys": 5}),
        (
            "predator_prey_4-v1",
            {"start_jitter": 0.1, "reward_type": "double", "horizon": 3, "dtype": "float64"},
        ),
        ("predator_prey_2-v1", {"n_preys": 1, "horizon": 1}),
    ],
)
def test_the_contract_holds_under_other_settings(task_id, settings):
    envs.check_env(envs.make(task_id, 2, **settings))


class ReusesArrays(CooperativeNavigation):
    def step(self, actions):
        observation, *rest = super().step(actions)
        self._kept = getattr(self, "_kept", observation)
        self._kept[...] = observation
        return self._kept, *rest


class ForgetsVelocityInSnapshot(CooperativeNavigation):
    def snapshot(self):
        return super().snapshot() | {"velocity": np.zeros_like(self._velocity)}


class DependsOnItsBatch(CooperativeNavigation):
    def _start(self, mask):
        super()._start(mask)
        self._landmark += 0.01 * self.num_envs


class CallsTheTimeLimitTerminal(CooperativeNavigation):
    def step(self, actions):
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, truncated, terminated, info


class PaysTheSum(CooperativeNavigation):
    def _advance(self, observation, state, agent_reward, reward):
        super()._advance(observation, state, agent_reward, reward)
        reward *= self.team.n_agents


class ResetsAll(CooperativeNavigation):
    def _start(self, mask):
        super()._start(np.ones_like(mask))


class IgnoresSeeds(CooperativeNavigation):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None, options=options)


class ReturnsNaN(CooperativeNavigation):
    def _observe(self, observation, state):
        super()._observe(observation, state)
        state[-1] = np.nan


class StepsAfterTheEnd(CooperativeNavigation):
    def step(self, actions):
        self._finished[:] = False
        return super().step(actions)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ReusesArrays, "new arrays"),
        (ForgetsVelocityInSnapshot, "restore"),
        (DependsOnItsBatch, "any batch"),
        (CallsTheTimeLimitTerminal, "truncated"),
        (PaysTheSum, "mean"),
        (ResetsAll, "reset_mask"),
        (IgnoresSeeds, "seed"),
        (ReturnsNaN, "finite"),
        (StepsAfterTheEnd, "ResetNeeded"),
    ],
)
def test_the_checker_finds_broken_environments(kind, message):
    with pytest.raises(envs.ContractError, match=message):
        envs.check_env(kind(envs.spec(NAVIGATION)))


def test_time_limit_truncates_and_the_last_observation_is_the_true_last_one():
    env = envs.make(NAVIGATION, num_envs=2, seed=0)
    env.reset()
    for t in range(25):
        observation, _, terminated, truncated, _ = env.step(np.ones((2, 3, 2)))
        assert not terminated.any()
        assert truncated.all() == (t == 24)
    assert np.array_equal(observation, env.observe()[0])
    with pytest.raises(ResetNeeded, match="copy 0 has no episode"):
        env.step(np.ones((2, 3, 2)))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match="copy 1"):
        env.step(np.ones((2, 3, 2)))


def test_streams_of_seed_and_copy_differ_and_make_takes_the_first_seed():
    seeds = np.array([envs.copy_seeds(s, 8) for s in range(8)])
    assert len(np.unique(seeds)) == 64
    assert envs.copy_seeds(3, 8)[:2] == envs.copy_seeds(3, 2)
    by_make = envs.make(NAVIGATION, 4, seed=3).reset()[0]
    by_reset = envs.make(NAVIGATION, 4).reset(seed=3)[0]
    assert np.array_equal(by_make, by_reset)
    assert not np.array_equal(by_make[0], by_make[1])
    assert not np.array_equal(envs.make(NAVIGATION, 4).reset()[0], envs.make(NAVIGATION, 4).reset()[0])


def test_integers_in_a_seed_list_are_used_as_they_are_and_only_in_the_mask():
    env = envs.make(NAVIGATION, 3, seed=1)
    first, _ = env.reset(seed=[7, 8, 7])
    assert np.array_equal(first[0], first[2])
    mask = np.array([False, True, False])
    again, _ = env.reset(seed=[7, 7, 7], options={"reset_mask": mask})
    assert np.array_equal(again[1], first[0])
    unmasked = env.reset()[0]
    env.reset(seed=[7, 8, 7])
    assert np.array_equal(env.reset()[0][0], unmasked[0])


def test_uniform_numbers_are_splitmix64():
    """First outputs of Vigna's splitmix64.c for the seed 1234567, to 53 bits."""
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    env = envs.make(NAVIGATION, 1)
    env.reset(seed=[1234567])
    expected = [2 * (z >> 11) * 2.0**-53 - 1 for z in known]
    assert env.snapshot()["position"].ravel()[:3] == pytest.approx(expected, abs=1e-15)


def test_snapshots_survive_pickling_and_refuse_strangers():
    env = envs.make("predator_prey_2-v1", 3, seed=0, start_jitter=0.1)
    env.reset()
    env.step(np.ones((3, 2, 2)))
    saved = pickle.loads(pickle.dumps(env.snapshot()))
    later = [env.step(np.full((3, 2, 2), -0.5))[0], env.reset()[0]]
    env.restore(saved)
    assert np.array_equal(env.step(np.full((3, 2, 2), -0.5))[0], later[0])
    assert np.array_equal(env.reset()[0], later[1])
    with pytest.raises(ValueError, match="snapshot array 'elapsed'"):
        envs.make("predator_prey_2-v1", 2).restore(saved)
    with pytest.raises(ValueError, match="another task"):
        envs.make(NAVIGATION, 3).restore(saved)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 3, 3)), "shape"),
        (np.zeros((3, 2)), "shape"),
        (np.zeros((2, 3, 2), complex), "real numbers"),
        (np.full((2, 3, 2), "a"), "real numbers"),
        (np.where(np.arange(12).reshape(2, 3, 2) == 9, np.nan, 0), "copy 1, member 1, coordinate 1 is nan"),
        (np.full((2, 3, 2), -np.inf), "copy 0, member 0, coordinate 0 is -inf"),
    ],
)
def test_bad_actions_are_refused_and_nothing_moves(actions, message):
    env = envs.make(NAVIGATION, 2, seed=0)
    env.reset()
    before = env.snapshot()
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert all(np.array_equal(before[name], array) for name, array in env.snapshot().items())


def test_actions_of_any_real_type_and_layout_play_alike():
    whole = np.random.default_rng(0).integers(-1, 2, (2, 3, 2))
    frozen = whole.astype(np.float32)
    frozen.flags.writeable = False
    forms = [
        whole,
        whole.tolist(),
        frozen,
        np.asfortranarray(whole * 1.0),
        np.repeat(whole, 2, -1)[..., ::2] * 1.0,
    ]
    forms.append(whole.astype(">f8"))
    results = []
    for form in forms:
        env = envs.make(NAVIGATION, 2, seed=0)
        env.reset()
        results.append(env.step(form)[0])
    assert all(np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.reset(options={"mask": None}), "no option 'mask'"),
        (lambda e: e.reset(options={"reset_mask": np.ones(3, bool)}), r"reset_mask must be bool \(2,\)"),
        (lambda e: e.reset(options={"reset_mask": np.ones(2)}), "reset_mask must be bool"),
        (lambda e: e.reset(seed=-1), r"\[0, 2\*\*64\)"),
        (lambda e: e.reset(seed=1.5), "must be an integer"),
        (lambda e: e.reset(seed=[1, 2, 3]), "3 entries for 2 copies"),
    ],
)
def test_bad_resets_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(envs.make(NAVIGATION, 2))
