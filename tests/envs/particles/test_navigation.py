"""Cooperative navigation against mpe2, against a slow NumPy twin, by hand, and played by its reference."""

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.particles.navigation import CooperativeNavigation, NavigationSettings
from coordbench.envs.particles.physics import contact_force
from mpe2 import simple_spread_v3


def make(num_envs, n_agents=3, **settings):
    """Navigation with any N, float64 observations and own rewards unless told otherwise."""
    chosen = NavigationSettings(n_agents, **({"team_reward": "individual", "dtype": "float64"} | settings))
    return CooperativeNavigation(CooperativeNavigation.describe("navigation", chosen), num_envs)


def put(env, **arrays):
    """Begins episodes and then sets state arrays."""
    env.reset(seed=0)
    env.restore(env.snapshot() | {name: np.array(array, np.float64) for name, array in arrays.items()})


def random_state(rng, num_envs, n_agents):
    """Positions close enough for contacts in most copies."""
    spread = rng.choice([0.1, 0.4, 1.0], (num_envs, 1, 1))
    position = spread * rng.uniform(-1, 1, (num_envs, n_agents, 2))
    velocity = rng.normal(0, 0.7, (num_envs, n_agents, 2))
    return position, velocity, rng.uniform(-1, 1, (num_envs, n_agents, 2))


def twin(position, velocity, landmark, action, physics):
    """One step of one copy in plain NumPy: position, velocity, own rewards, observations."""
    n = len(position)
    force = 5.0 * action
    for i in range(n):
        for j in range(n):
            delta = position[i] - position[j]
            distance = np.linalg.norm(delta)
            if i != j and distance > 0:
                force[i] += 100.0 * 1e-3 * np.logaddexp(0, -(distance - 0.3) / 1e-3) * delta / distance
    faster = 0.75 * velocity + 0.1 * force
    position = position + 0.1 * (velocity if physics == "mpe2" else faster)
    to_landmark = np.linalg.norm(position[:, None] - landmark[None], axis=-1)
    apart = np.linalg.norm(position[:, None] - position[None], axis=-1)
    hits = (apart < 0.3).sum(1) - 1
    reward = -to_landmark.min(0).sum() - hits
    rows = []
    for i in range(n):
        others = [position[j] - position[i] for j in range(n) if j != i]
        parts = [faster[i], position[i], *(landmark - position[i]), *others, np.zeros(2 * (n - 1))]
        rows.append(np.concatenate(parts))
    return position, faster, reward, np.array(rows)


@pytest.mark.parametrize("physics", ["openai", "mpe2"])
@pytest.mark.parametrize("n_agents", [1, 3, 5])
def test_kernel_equals_its_numpy_twin(physics, n_agents):
    num_envs, rng = 100, np.random.default_rng(n_agents)
    env = make(num_envs, n_agents, physics=physics)
    position, velocity, landmark = random_state(rng, num_envs, n_agents)
    put(env, position=position, velocity=velocity, landmark=landmark)
    for _ in range(3):
        action = rng.uniform(-1, 1, (num_envs, n_agents, 2))
        observation, reward, _, _, info = env.step(action)
        for b in range(num_envs):
            position[b], velocity[b], own, seen = twin(
                position[b], velocity[b], landmark[b], action[b].copy(), physics
            )
            np.testing.assert_allclose(observation[b], seen, rtol=0, atol=1e-12)
            np.testing.assert_allclose(info["agent_reward"][b], own, rtol=0, atol=1e-12)
            assert reward[b] == pytest.approx(own.mean(), abs=1e-12)
            whole = np.concatenate([position[b].ravel(), velocity[b].ravel(), landmark[b].ravel()])
            np.testing.assert_allclose(info["state"][b], whole, rtol=0, atol=1e-12)


def test_mpe2_agrees_over_hundreds_of_states():
    """mpe2 is handed our states and actions; its rewards are half of ours."""
    num_envs, rng = 400, np.random.default_rng(0)
    env = make(num_envs, physics="mpe2")
    position, velocity, landmark = random_state(rng, num_envs, 3)
    put(env, position=position, velocity=velocity, landmark=landmark)
    moves = rng.uniform(0, 1, (num_envs, 3, 5)).astype(np.float32)
    action = moves[..., [2, 4]] - moves[..., [1, 3]]
    observation, _, _, _, info = env.step(action)
    after = env.snapshot()

    oracle = simple_spread_v3.parallel_env(N=3, continuous_actions=True)
    oracle.reset(seed=0)
    inner = oracle.aec_env.unwrapped
    hits = 0
    for b in range(num_envs):
        oracle.reset()
        for i, agent in enumerate(inner.world.agents):
            agent.state.p_pos, agent.state.p_vel = position[b, i].copy(), velocity[b, i].copy()
        for j, mark in enumerate(inner.world.landmarks):
            mark.state.p_pos = landmark[b, j].copy()
        _, reward, _, _, _ = oracle.step({f"agent_{i}": moves[b, i] for i in range(3)})
        for i, agent in enumerate(inner.world.agents):
            np.testing.assert_allclose(after["position"][b, i], agent.state.p_pos, rtol=0, atol=1e-9)
            np.testing.assert_allclose(after["velocity"][b, i], agent.state.p_vel, rtol=0, atol=1e-9)
            seen = inner.scenario.observation(agent, inner.world)
            np.testing.assert_allclose(observation[b, i], seen, rtol=0, atol=1e-9)
            assert info["agent_reward"][b, i] / 2 == pytest.approx(reward[f"agent_{i}"], abs=1e-9)
        hits += info["collisions"][b]
    assert hits > 100


def test_openai_order_moves_with_the_new_velocity():
    """A member at rest, pushed with full force: v = 0.5 after a step, and only OpenAI's order moves it."""
    for physics, x in (("openai", 0.05), ("mpe2", 0.0)):
        env = make(1, 1, physics=physics)
        put(env, position=[[[0, 0]]], velocity=[[[0, 0]]], landmark=[[[0, 0]]])
        observation = env.step(np.array([[[1.0, 0.0]]]))[0]
        assert observation[0, 0, :4] == pytest.approx([0.5, 0, x, 0])


@pytest.mark.parametrize(
    ("gap", "force"),
    [(0.0, 0.1 * np.log(2)), (-0.1, 10.0), (-0.35, 35.0), (0.1, 0.1 * np.exp(-100)), (0.75, 0.0)],
)
def test_contact_force_is_a_softplus(gap, force):
    assert contact_force(0.4 + gap, 0.4) == pytest.approx(force, rel=1e-12, abs=0)


def test_coincident_members_give_no_nan():
    env = make(1)
    put(env, position=np.full((1, 3, 2), 0.3), velocity=np.zeros((1, 3, 2)))
    observation, reward, _, _, info = env.step(np.zeros((1, 3, 2)))
    assert np.isfinite(observation).all()
    assert np.isfinite(reward).all()
    assert info["collisions"][0] == 3


def test_rewards_and_metrics_by_hand():
    """Members 0 and 1 touch; landmarks are 0, 0.5 and 1 away from the nearest member."""
    state = {
        "position": [[[0, 0], [0.2999, 0], [-1, -1]]],
        "velocity": np.zeros((1, 3, 2)),
        "landmark": [[[0, 0], [0, 0.5], [-1, 0]]],
    }
    for shared, expected in (("individual", [-2.5, -2.5, -1.5]), ("mean", [-13 / 6] * 3)):
        env = make(1, physics="mpe2", team_reward=shared)
        put(env, **state)
        _, reward, _, _, info = env.step(np.zeros((1, 3, 2)))
        assert info["agent_reward"][0] == pytest.approx(expected)
        assert reward[0] == pytest.approx(-13 / 6)
        assert info["collisions"][0] == 1
        assert info["landmarks_covered"][0] == 1
        assert info["landmark_distance"][0] == pytest.approx(0.5)


def test_metrics_run_over_the_episode():
    env = envs.make("cooperative_navigation_3-v1", 64, seed=0, dtype="float64")
    env.reset()
    rng, distances = np.random.default_rng(0), []
    for _ in range(25):
        observation, _, _, _, info = env.step(rng.uniform(-1, 1, (64, 3, 2)))
        apart = np.linalg.norm(observation[:, :, 4:10].reshape(64, 3, 3, 2), axis=-1)
        distances.append(apart.min(1).mean(1))
    assert info["landmark_distance"] == pytest.approx(np.mean(distances, 0))
    assert (info["landmarks_covered"] == (apart.min(1) < 0.1).sum(1)).all()


def test_starts_are_uniform_and_at_rest():
    env = make(4000)
    env.reset(seed=1)
    start = env.snapshot()
    assert not start["velocity"].any()
    for name in ("position", "landmark"):
        assert np.abs(start[name]).max() <= 1
        assert start[name].mean((0, 1)) == pytest.approx([0, 0], abs=0.03)
        assert start[name].var() == pytest.approx(1 / 3, abs=0.01)


def returns(policy, num_envs=2000):
    env = envs.make("cooperative_navigation_3-v1", num_envs)
    observation, _ = env.reset(seed=0)
    total = np.zeros(num_envs)
    for _ in range(env.team.horizon):
        observation, reward, *_ = env.step(policy(observation))
        total += reward
    return total.mean()


def test_random_and_reference_policies_reach_their_measured_returns():
    rng = np.random.default_rng(0)
    assert returns(lambda o: rng.uniform(-1, 1, (*o.shape[:2], 2))) == pytest.approx(-51.6, abs=1.5)
    reference = envs.reference_policy(envs.spec("cooperative_navigation_3-v1"))
    assert returns(reference) == pytest.approx(-13.9, abs=0.5)
