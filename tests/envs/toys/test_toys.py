"""The continuous toy games: rewards by hand, kernels against NumPy twins, closed forms against samples."""

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.toys import gaussian_answers, ridge
from coordbench.envs.toys.gaussian_answers import LinearGaussianSettings, closed_form_mutual_information

GAUSSIAN = {"weights": (0.5, 1.5, -1.0), "noise": 0.7, "scale": 0.3, "dtype": "float64"}


def play(env, actions):
    """Reward, metrics and observation of one more round."""
    observation, reward, _, _, info = env.step(np.asarray(actions))
    return reward, info, observation


@pytest.mark.parametrize(
    ("task_id", "settings"),
    [
        ("ridge-v1", {"width": 2.0, "horizon": 7, "dtype": "float64"}),
        ("linear_gaussian-v1", GAUSSIAN | {"horizon": 1}),
    ],
)
def test_the_contract_holds_under_other_settings(task_id, settings):
    envs.check_env(envs.make(task_id, 2, **settings))


@pytest.mark.parametrize(
    ("task_id", "settings", "message"),
    [
        ("ridge-v1", {"width": 0.0}, "width must be a positive number"),
        ("ridge-v1", {"horizon": 0}, "horizon must be >= 1"),
        ("linear_gaussian-v1", {"weights": [1.0]}, "weights must be two or more finite numbers"),
        ("linear_gaussian-v1", {"noise": 0}, "noise must be a positive number"),
        ("linear_gaussian-v1", {"scale": -1}, "scale must be a positive number"),
    ],
)
def test_impossible_settings_are_refused(task_id, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        envs.make(task_id, **settings)
    assert str(caught.value).startswith(task_id)


def test_ridge_rewards_and_metrics_by_hand():
    env = envs.make("ridge-v1", 3, horizon=2)
    env.reset(seed=0)
    first = np.array([[[0.5], [0.5]], [[0.2], [-0.1]], [[1.0], [-1.0]]])
    reward, info, _ = play(env, first)
    assert reward == pytest.approx([1, np.exp(-0.9), np.exp(-40)])
    assert reward == pytest.approx(ridge.ridge_reward(first[..., 0], 0.1))
    assert info["action_gap"] == pytest.approx([0, 0.3, 2])
    assert info["action_mean"] == pytest.approx([0.5, 0.05, 0])
    reward, info, _ = play(env, np.array([[[3.0], [1.0]], [[0], [0]], [[-1], [-0.5]]]))
    assert reward[:2].tolist() == [1, 1]
    assert info["action_gap"] == pytest.approx([0, 0.15, 1.25])
    assert info["action_mean"] == pytest.approx([1, 0, -0.75])


@pytest.mark.parametrize("width", [0.1, 3.0])
def test_ridge_closed_forms_against_samples(width):
    num_envs, rng = 100_000, np.random.default_rng(0)
    env = envs.make("ridge-v1", num_envs, width=width)

    def mean_reward(actions):
        env.reset(seed=0)
        return play(env, actions[..., None])[0].mean()

    uniform = rng.uniform(-1, 1, (num_envs, 2))
    assert mean_reward(uniform) == pytest.approx(ridge.random_reward(width), rel=0.02)
    noise = rng.normal(size=(num_envs, 3))
    for share in (0.0, 0.5, 1.0):
        actions = 0.15 * (share**0.5 * noise[:, :1] + (1 - share) ** 0.5 * noise[:, 1:])
        assert mean_reward(actions) == pytest.approx(ridge.gaussian_reward(0.15, share, width), rel=0.02)


def test_ridge_reference_reaches_the_best_reward():
    env = envs.make("ridge-v1", 2)
    observation, _ = env.reset(seed=0)
    _, reward, terminated, truncated, _ = env.step(envs.reference_policy(env.team)(observation))
    assert reward.tolist() == [1, 1]
    assert truncated.all()
    assert not terminated.any()


def test_linear_gaussian_equals_its_numpy_twin():
    """Rewards and metrics from the state, which holds the common number and what members see."""
    num_envs, rng = 60, np.random.default_rng(0)
    env = envs.make("linear_gaussian-v1", num_envs, **GAUSSIAN)
    observation, info = env.reset(seed=0)
    errors, clipped = [], []
    for _ in range(5):
        signal = info["state"][:, 0]
        assert np.array_equal(observation[:, :, 0], info["state"][:, 1:])
        actions = rng.normal(0, 0.8, (num_envs, 3, 1))
        played = np.clip(actions, -1, 1)[..., 0]
        errors.append(np.abs(played.sum(1) / 0.3 - signal))
        clipped.append((np.abs(played) == 1).any(1))
        reward, info, observation = play(env, actions)
        assert reward == pytest.approx(-(errors[-1] ** 2))
        assert info["target_error"] == pytest.approx(np.mean(errors, 0))
        assert info["clipped"] == pytest.approx(np.mean(clipped, 0))
        assert not np.isin(info["state"][:, 0], signal).any()
    assert 0 < np.mean(clipped) < 1


def gaussian_rounds(num_envs, rounds, **settings):
    """What members see, the common number, reference actions, rewards: (rounds * B, ...)."""
    env = envs.make("linear_gaussian-v1", num_envs, horizon=rounds, dtype="float64", **settings)
    act = envs.reference_policy(env.team)
    observation, info = env.reset(seed=0)
    rows = []
    for _ in range(rounds):
        actions = act(observation)
        before, signal = observation[..., 0], info["state"][:, 0]
        observation, reward, _, _, info = env.step(actions)
        rows.append((before, signal, actions[..., 0], reward))
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def test_mutual_information_by_hand():
    """w = s = 1: rho = 1/2, so MI = -log(3/4) / 2."""
    assert closed_form_mutual_information(LinearGaussianSettings()) == pytest.approx(0.14384, abs=5e-6)
    settings = LinearGaussianSettings(weights=(2.0, 0.0, -1.0))
    assert closed_form_mutual_information(settings, 0, 1) == 0
    assert closed_form_mutual_information(settings, 0, 2) == pytest.approx(-0.5 * np.log(1 - 4 / 10))
    with pytest.raises(ValueError, match="two different members"):
        closed_form_mutual_information(settings, 1, 1)


@pytest.mark.parametrize("chosen", [{}, {"weights": (1.5, -1.0, 0.8), "noise": 0.5, "scale": 0.3}])
def test_mutual_information_of_observations_and_actions_against_samples(chosen):
    seen, signal, actions, _ = gaussian_rounds(100_000, 4, **chosen)
    settings = LinearGaussianSettings(**chosen)
    assert (signal.mean(), signal.var()) == pytest.approx((0, 1), abs=0.01)
    assert (signal**4).mean() == pytest.approx(3, rel=0.03)
    spread = np.square(settings.weights) + settings.noise**2
    assert seen.var(0) == pytest.approx(spread, rel=0.01)
    for j in range(1, len(settings.weights)):
        exact = closed_form_mutual_information(settings, 0, j)
        for samples in (seen, actions):
            rho = np.corrcoef(samples[:, 0], samples[:, j])[0, 1]
            assert -0.5 * np.log(1 - rho**2) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("chosen", [{}, {"weights": (1.5, -1.0, 0.8), "noise": 0.5, "scale": 0.3}])
def test_best_linear_policy_is_what_least_squares_finds(chosen):
    seen, signal, _, reward = gaussian_rounds(100_000, 1, **chosen)
    settings = LinearGaussianSettings(horizon=1, **chosen)
    fitted = np.linalg.lstsq(seen, settings.scale * signal, rcond=None)[0]
    assert gaussian_answers.best_gains(settings) == pytest.approx(fitted, abs=0.005)
    assert reward.mean() == pytest.approx(gaussian_answers.best_return(settings), rel=0.03)


def test_linear_gaussian_random_return():
    env = envs.make("linear_gaussian-v1", 100_000, horizon=1)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (100_000, 2, 1))
    expected = gaussian_answers.random_return(LinearGaussianSettings(horizon=1))
    assert expected == pytest.approx(-1 - 8 / 3)
    assert play(env, actions)[0].mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("task_id", ["climbing-v1", "coordination_4-v1", "ridge-v1", "linear_gaussian-v1"])
def test_scenes_before_and_after_a_round(task_id):
    env = envs.make(task_id, 2, seed=0)
    observation, _ = env.reset()
    before = env.scene(1)
    assert before.caption == "no round yet"
    env.step(envs.reference_policy(env.team)(observation))
    after = env.scene(1)
    assert after.caption != before.caption
    assert list(after.shapes) != list(before.shapes)
    assert (after.low, after.high) == (before.low, before.high)
