"""Tag against mpe2, against a slow NumPy twin, by hand, and played by its reference."""

import re

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.generator import uniform
from coordbench.envs.particles.tag import Tag, TagSettings
from coordbench.envs.particles.tag_kernels import move_copy, observe_copy, score_copy
from coordbench.envs.particles.tag_prey import best_displacement
from mpe2 import simple_tag_v3


def make(num_envs=1, **settings):
    """Tag under any settings, float64 observations."""
    chosen = TagSettings(**({"dtype": "float64"} | settings))
    return Tag(Tag.describe("tag", chosen), num_envs)


def put(env, **arrays):
    """Begins episodes and then sets state arrays."""
    env.reset(seed=0)
    env.restore(env.snapshot() | {name: np.array(array, np.float64) for name, array in arrays.items()})


def random_state(rng, num_envs, particles, obstacles):
    """Positions close enough for contacts in most copies, some faster than allowed."""
    spread = rng.choice([0.1, 0.3, 1.0], (num_envs, 1, 1))
    return {
        "position": spread * rng.uniform(-1, 1, (num_envs, particles, 2)),
        "velocity": rng.normal(0, 0.7, (num_envs, particles, 2)),
        "obstacle": 2 * spread * rng.uniform(-1, 1, (num_envs, obstacles, 2)),
    }


def draw_disc(generator, b, count):
    """The next points of copy ``b`` in the unit disc, by rejection."""
    points = []
    while len(points) < count:
        point = np.array([uniform(generator, b, -1.0, 1.0), uniform(generator, b, -1.0, 1.0)])
        if point @ point <= 1:
            points.append(point)
    return np.array(points)


def prey_twin(rule, generator, b, i, position, n):
    """The force of prey ``i``: FACMAC's rule on all 100 candidates at once."""
    if rule == "still":
        return np.zeros(2)
    if rule == "random":
        return draw_disc(generator, b, 1)[0]
    radii = np.where(np.arange(len(position)) < n, 0.075, 0.05)
    moves = draw_disc(generator, b, 100)
    others = np.array([j for j in range(n if rule == "min" else len(position)) if j != i])
    apart = np.linalg.norm(position[i] + moves[:, None] - position[others], axis=-1)
    nearest = np.linalg.norm(position[:n] - position[i], axis=-1).argmin()
    score = apart[:, nearest] if rule == "min" else apart.sum(1)
    for share in (1.0,) if rule == "min" else (0.2, 0.4, 0.6, 0.8, 1.0):
        way = np.linalg.norm(position[i] + share * moves[:, None] - position[others], axis=-1)
        score[(way < radii[others] + 0.05).any(1)] = -1
    return moves[score.argmax()] if score.max() >= 0 else np.zeros(2)


def twin(s, position, velocity, obstacle, force):
    """One step of one copy in plain NumPy: position, velocity, own rewards, (captures, touches)."""
    n, total = s.n_agents, len(position)
    radii = np.where(np.arange(total) < n, 0.075, 0.05)
    bodies, sizes = np.concatenate([position, obstacle]), np.append(radii, [0.2] * len(obstacle))
    force = force.copy()
    for i in range(total):
        for j in range(len(bodies)):
            delta = position[i] - bodies[j]
            distance = np.linalg.norm(delta)
            if i != j and distance > 0:
                overlap = np.logaddexp(0, -(distance - radii[i] - sizes[j]) / 1e-3)
                force[i] += 100.0 * 1e-3 * overlap * delta / distance
    faster = 0.75 * velocity + 0.1 * force
    limit = np.where(np.arange(total) < n, 1.0, 1.3)
    faster *= np.minimum(1, limit / np.linalg.norm(faster, axis=1))[:, None]
    position = position + 0.1 * (velocity if s.physics == "mpe2" else faster)
    touch = np.linalg.norm(position[:n, None] - position[None, n:], axis=-1) < 0.125
    captured = touch.sum(0) >= s.n_captors
    earned = touch * captured * s.reward
    if s.reward_per == "capture":
        earned = earned / np.maximum(touch.sum(0), 1)
    own = earned.sum(1) if s.team_reward == "individual" else np.full(n, earned.sum())
    return position, faster, own, [captured.sum(), touch.sum()]


def observation_twin(s, position, velocity, obstacle):
    """All members' observations (N, obs)."""
    n, sight = s.n_agents, np.inf if s.view_radius is None else s.view_radius
    rows = []
    for i in range(n):
        relative = np.concatenate([obstacle, np.delete(position, i, 0)]) - position[i]
        seen = np.linalg.norm(relative, axis=1, keepdims=True) <= sight
        speeds = velocity[n:] * seen[len(seen) - len(position) + n :]
        rows.append(np.concatenate([velocity[i], position[i], (relative * seen).ravel(), speeds.ravel()]))
    return np.array(rows)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_agents": 6, "n_preys": 2, "n_obstacles": 4, "n_captors": 2},
        {"n_preys": 3, "prey": "sum", "physics": "mpe2", "team_reward": "individual", "view_radius": 0.8},
        {"n_agents": 4, "n_captors": 2, "prey": "random", "reward_per": "capture", "physics": "mpe2"},
        {"n_agents": 4, "n_preys": 2, "reward_per": "capture", "team_reward": "individual"},
        {"n_agents": 1, "n_obstacles": 0, "prey": "still", "n_preys": 2},
    ],
)
def test_kernel_equals_its_numpy_twin(settings):
    num_envs, rng = 40, np.random.default_rng(0)
    env = make(num_envs, **settings)
    s, n = env._settings, env.team.n_agents
    put(env, **random_state(rng, num_envs, n + s.n_preys, s.n_obstacles))
    now, counts, gaps, earned = env.snapshot(), np.zeros((num_envs, 2)), np.zeros(num_envs), 0
    position, velocity, obstacle, generator = (
        now[k] for k in ("position", "velocity", "obstacle", "generator")
    )
    for t in range(1, 4):
        action = rng.uniform(-1, 1, (num_envs, n, 2))
        observation, reward, _, _, info = env.step(action)
        for b in range(num_envs):
            preys = [prey_twin(s.prey, generator, b, i, position[b], n) for i in range(n, n + s.n_preys)]
            force = np.concatenate([3 * action[b], preys])
            position[b], velocity[b], own, new = twin(s, position[b], velocity[b], obstacle[b], force)
            seen = observation_twin(s, position[b], velocity[b], obstacle[b])
            np.testing.assert_allclose(observation[b], seen, rtol=0, atol=1e-11)
            np.testing.assert_allclose(info["agent_reward"][b], own, rtol=0, atol=1e-11)
            assert reward[b] == pytest.approx(own.mean(), abs=1e-11)
            counts[b] += new
            apart = np.linalg.norm(position[b, :n, None] - position[b, None, n:], axis=-1)
            gaps[b] += (apart.min(0).mean() - gaps[b]) / t
            whole = [x[b].ravel() for x in (position, velocity, obstacle)]
            np.testing.assert_allclose(info["state"][b], np.concatenate(whole), rtol=0, atol=1e-11)
        assert np.array_equal(info["captures"], counts[:, 0])
        assert np.array_equal(info["touches"], counts[:, 1])
        np.testing.assert_allclose(info["prey_distance"], gaps, rtol=0, atol=1e-11)
        assert np.array_equal(env.snapshot()["generator"], generator)
        earned += reward.sum()
    assert earned > 0


NAMES = ("adversary_0", "adversary_1", "adversary_2", "agent_0")


def mpe2_step(state, moves):
    """One step of simple_tag_v3 from each of our states: position, velocity, predators' view and reward."""
    oracle = simple_tag_v3.parallel_env(continuous_actions=True)
    oracle.reset(seed=0)
    inner = oracle.aec_env.unwrapped
    results = []
    for b in range(len(moves)):
        oracle.reset()
        for i, agent in enumerate(inner.world.agents):
            agent.state.p_pos = state["position"][b, i].copy()
            agent.state.p_vel = state["velocity"][b, i].copy()
        for j, mark in enumerate(inner.world.landmarks):
            mark.state.p_pos = state["obstacle"][b, j].copy()
        _, reward, _, _, _ = oracle.step(dict(zip(NAMES, moves[b], strict=True)))
        agents = inner.world.agents
        results.append(
            (
                np.array([agent.state.p_pos for agent in agents]),
                np.array([agent.state.p_vel for agent in agents]),
                np.array([inner.scenario.observation(agent, inner.world) for agent in agents[:3]]),
                np.array([reward[name] for name in NAMES[:3]]),
            )
        )
    return [np.array(x) for x in zip(*results, strict=True)]


def test_mpe2_agrees_when_the_prey_has_the_same_force():
    """mpe2 is handed our states and actions, the kernels the prey's action that mpe2 gets."""
    num_envs, rng = 400, np.random.default_rng(0)
    state = random_state(rng, num_envs, 4, 2)
    moves = rng.uniform(0, 1, (num_envs, 4, 5)).astype(np.float32)
    theirs = mpe2_step(state, moves)

    position, velocity, obstacle = (state[name].copy() for name in ("position", "velocity", "obstacle"))
    action = (moves[..., [2, 4]] - moves[..., [1, 3]]).astype(np.float64)
    force = action * np.array([3.0, 3.0, 3.0, 4.0])[:, None]
    radius, fastest = np.array([0.075, 0.075, 0.075, 0.05]), np.array([1.0, 1.0, 1.0, 1.3])
    own, metrics = np.zeros((num_envs, 3)), np.zeros((num_envs, 3))
    observation, whole = np.zeros((num_envs, 3, 16)), np.zeros((num_envs, 20))
    for b in range(num_envs):
        move_copy(position, velocity, obstacle, force, radius, np.ones(4), fastest, True, b)
        score_copy(position, 1, 10.0, False, True, 1, own, metrics, b)
        observe_copy(position, velocity, obstacle, np.inf, observation, whole, b)
    for ours, their in zip((position, velocity, observation, own), theirs, strict=True):
        np.testing.assert_allclose(ours, their, rtol=0, atol=1e-9)
    assert (own > 0).any(1).sum() > 50
    assert own.max() > 10


def test_mpe2_agrees_with_a_whole_step_when_the_prey_is_idle():
    num_envs, rng = 300, np.random.default_rng(1)
    state = random_state(rng, num_envs, 4, 2)
    moves = rng.uniform(0, 1, (num_envs, 4, 5)).astype(np.float32)
    moves[:, 3] = 0
    env = make(num_envs, physics="mpe2", prey="still")
    put(env, **state)
    observation, _, _, _, info = env.step((moves[..., [2, 4]] - moves[..., [1, 3]])[:, :3])
    after = env.snapshot()
    ours = (after["position"], after["velocity"], observation, info["agent_reward"])
    for mine, their in zip(ours, mpe2_step(state, moves), strict=True):
        np.testing.assert_allclose(mine, their, rtol=0, atol=1e-9)
    assert info["captures"].sum() > 30


@pytest.mark.parametrize(
    ("n_captors", "touching", "pays"), [(1, 1, 10), (1, 2, 20), (2, 1, 0), (2, 2, 20), (2, 3, 30)]
)
def test_a_prey_takes_n_captors_in_the_same_step(n_captors, touching, pays):
    """Predators 0.12 to the sides of a prey at rest; mpe2's order leaves them there for a step."""
    around, far = np.array([[0.12, 0], [-0.12, 0], [0, 0.12]]), np.array([[2, 0], [2, 1], [2, 2]])
    predators = np.concatenate([around[:touching], far[touching:]])
    rewards = {}
    for per in ("touch", "capture"):
        for team in ("shared", "individual"):
            env = make(n_captors=n_captors, physics="mpe2", prey="still", reward_per=per, team_reward=team)
            put(
                env,
                position=[[*predators, [0, 0]]],
                velocity=np.zeros((1, 4, 2)),
                obstacle=[[[5, 5], [6, 6]]],
            )
            _, reward, _, _, info = env.step(np.zeros((1, 3, 2)))
            rewards[per, team] = info["agent_reward"][0]
            assert reward[0] == pytest.approx(info["agent_reward"].mean())
            assert (info["captures"][0], info["touches"][0]) == (pays > 0, touching)
    mine = np.arange(3) < touching
    once = 10.0 * (pays > 0)
    assert rewards["touch", "shared"] == pytest.approx([pays] * 3)
    assert rewards["touch", "individual"] == pytest.approx(once * mine)
    assert rewards["capture", "shared"] == pytest.approx([once] * 3)
    assert rewards["capture", "individual"] == pytest.approx(once / touching * mine)


def test_the_touch_distance_is_the_sum_of_the_radii():
    for distance, touches in ((0.1249, 1), (0.1251, 0)):
        env = make(n_agents=1, n_obstacles=0, physics="mpe2", prey="still")
        put(env, position=[[[0, 0], [0, distance]]], velocity=np.zeros((1, 2, 2)))
        assert env.step(np.zeros((1, 1, 2)))[-1]["touches"][0] == touches


@pytest.mark.parametrize("rule", ["min", "sum"])
def test_preys_flee(rule):
    """From a single predator, in nearly the opposite direction and with nearly full force."""
    generator, rng = np.arange(200, dtype=np.uint64), np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 200)
    towards = np.stack([np.cos(angle), np.sin(angle)], -1)
    position = np.stack([0.5 * towards, np.zeros((200, 2))], 1)
    moves = np.array([best_displacement(generator, position, 1, 1, rule == "sum", b) for b in range(200)])
    along = (moves * towards).sum(1)
    assert along.max() < -0.3
    assert along.mean() == pytest.approx(-0.95, abs=0.03)
    assert np.linalg.norm(moves, axis=1).max() <= 1


def test_preys_that_flee_keep_farther_away_than_idle_ones():
    distance = {}
    for rule in ("min", "sum", "random", "still"):
        env = envs.make("tag_3-v1", 300, prey=rule)
        policy = env.reference_policy(env.team)
        observation, _ = env.reset(seed=0)
        for _ in range(10):
            observation, _, _, _, info = env.step(policy(observation))
        distance[rule] = info["prey_distance"].mean()
    assert min(distance["min"], distance["sum"]) > max(distance["random"], distance["still"]) + 0.02


def test_a_cornered_prey_stays_idle():
    """Nine predators cover all that a prey can reach, so no displacement is admissible to ``sum``."""
    ring = 0.12 * np.array([[np.cos(a), np.sin(a)] for a in np.arange(9) * 2 * np.pi / 9])
    position = np.concatenate([ring, [[0.0, 0.0]]])[None]
    generator = np.array([7], np.uint64)
    found = [best_displacement(generator, position, 9, 9, True, 0) for _ in range(50)]
    assert {tuple(np.round(move, 12)) for move in found} == {(0.0, 0.0)}


def test_starts_are_uniform_and_at_rest():
    env = make(500)
    env.reset(seed=1)
    start = env.snapshot()
    assert not start["velocity"].any()
    for name, reach in (("position", 1.0), ("obstacle", 0.9)):
        assert reach - 0.02 < np.abs(start[name]).max() <= reach
        assert start[name].mean((0, 1)) == pytest.approx([0, 0], abs=0.06)
        assert start[name].var() == pytest.approx(reach**2 / 3, abs=0.03)


@pytest.mark.parametrize(
    ("task_id", "settings"),
    [
        ("tag_3-v1", {}),
        ("tag_6-v1", {}),
        ("tag_3-v1", {"prey": "sum", "n_preys": 2, "view_radius": 0.7, "dtype": "float64", "horizon": 3}),
        ("tag_6-v1", {"prey": "random", "n_obstacles": 0, "team_reward": "individual", "physics": "mpe2"}),
        ("tag_3-v1", {"prey": "still", "reward_per": "capture", "n_captors": 3, "horizon": 1}),
    ],
)
def test_the_contract_holds(task_id, settings):
    envs.check_env(envs.make(task_id, 2, **settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"n_captors": 4},
            "tag_3-v1: n_captors must lie in 1..3: 4 captors are asked of n_agents=3 predators",
        ),
        ({"n_captors": 0}, "n_captors must lie in 1..3"),
        ({"n_preys": 0}, "n_preys must be >= 1, got 0"),
        ({"n_obstacles": -1}, "n_obstacles must be >= 0"),
        ({"prey": "stil"}, "did you mean 'still'"),
        ({"view_radius": -1.0}, "view_radius must be positive"),
        ({"reward": float("inf")}, "reward must be finite"),
        ({"n_agents": 4}, "n_agents is fixed by the task id"),
    ],
)
def test_bad_settings_are_one_clear_line(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        envs.make("tag_3-v1", **settings)
    assert "\n" not in str(caught.value)


def test_scene_is_to_scale_and_holds_everything():
    env = make(2, n_agents=6, n_preys=2, n_obstacles=4, n_captors=2)
    env.reset(seed=0)
    env.step(np.ones((2, 6, 2)))
    scene, state = env.scene(1), env.snapshot()
    discs = [shape for shape in scene.shapes if hasattr(shape, "radius")]
    assert sorted(disc.radius for disc in discs) == [0.05] * 2 + [0.075] * 6 + [0.2] * 4
    assert np.array_equal(scene.members, state["position"][1, :6])
    drawn = {(disc.x, disc.y) for disc in discs}
    assert drawn == {tuple(x) for x in np.concatenate([state["position"][1], state["obstacle"][1]])}
    assert scene.caption.startswith("captures 0, touches 0, prey distance ")


def returns(task_id, policy, num_envs=500, **settings):
    env = envs.make(task_id, num_envs, **settings)
    observation, _ = env.reset(seed=0)
    total = np.zeros(num_envs)
    for _ in range(env.team.horizon):
        observation, reward, *_ = env.step(policy(observation))
        total += reward
    return total.mean()


@pytest.mark.parametrize(("task_id", "chance", "scripted"), [("tag_3-v1", 0.3, 187), ("tag_6-v1", 0.15, 219)])
def test_random_and_reference_policies_reach_their_measured_returns(task_id, chance, scripted):
    rng = np.random.default_rng(0)
    assert returns(task_id, lambda o: rng.uniform(-1, 1, (*o.shape[:2], 2))) == pytest.approx(chance, abs=0.4)
    assert returns(task_id, envs.reference_policy(envs.spec(task_id))) == pytest.approx(scripted, abs=15)


def test_the_reference_needs_no_full_view():
    policy = envs.reference_policy(envs.spec("tag_3-v1", {"view_radius": 1.0}))
    assert returns("tag_3-v1", policy, 300, view_radius=1.0) > 150
