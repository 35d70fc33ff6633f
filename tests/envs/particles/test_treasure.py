"""Treasure collection against MAAC's own code (a fixture), mpe2, a slow NumPy twin, and by hand."""

from pathlib import Path

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.particles.treasure import TreasureCollection, TreasureCollectionSettings
from mpe2 import collect_treasure_v1

MAAC = np.load(Path(__file__).parents[1] / "fixtures" / "treasure_maac.npz")
GRAVE = -999.0


def make(num_envs, **settings):
    """Treasure collection of any size as in MAAC, with float64 observations, unless told otherwise."""
    base = {"team_reward": "individual", "dtype": "float64", "hide_taken": False}
    chosen = TreasureCollectionSettings(**(base | settings))
    return TreasureCollection(TreasureCollection.describe("treasure", chosen), num_envs)


def put(env, **arrays):
    """Begins episodes and then sets state arrays; loads and treasures are seen as they are."""
    env.reset(seed=0)
    state = env.snapshot()
    for name, array in arrays.items():
        for key in (name, f"seen_{name}"):
            if key in state:
                state[key] = np.array(array, state[key].dtype)
    env.restore(state)


def random_state(rng, num_envs, n_agents, n_banks, n_treasures):
    """States close enough for contacts and events in most copies; some treasures are away."""
    spread = rng.choice([0.15, 0.4, 1.0], (num_envs, 1, 1))
    position = spread * rng.uniform(-1, 1, (num_envs, n_agents, 2))
    treasure = spread * rng.uniform(-0.95, 0.95, (num_envs, n_treasures, 2))
    treasure[:, 0] = position[:, 0] + rng.uniform(-0.06, 0.06, (num_envs, 2))
    treasure[rng.uniform(size=treasure.shape[:2]) < 0.2] = GRAVE
    return {
        "position": position,
        "velocity": rng.normal(0, 0.6, (num_envs, n_agents, 2)),
        "load": rng.integers(-1, n_banks, (num_envs, n_agents - n_banks)),
        "treasure": treasure,
        "kind": rng.integers(0, n_banks, (num_envs, n_treasures)),
    }


class Twin:
    """One copy in plain NumPy and Python, one object a thing, as slow and as literal as possible."""

    def __init__(self, state, b, settings):
        self.settings = settings
        self.x, self.v = state["position"][b].copy(), state["velocity"][b].copy()
        self.load = [None if k < 0 else int(k) for k in state["load"][b]]
        self.treasure, self.kind = state["treasure"][b].copy(), list(state["kind"][b])
        self.n, self.c, self.d = len(self.x), len(self.load), len(self.x) - len(self.load)
        self.size = np.array([0.05] * self.c + [0.075] * self.d)
        self.mass = np.array([1.0] * self.c + [2.25] * self.d)

    def step(self, action, returned, returned_kind):
        """Plays a step; treasures that return do so where ``returned`` says. Gives observations, rewards."""
        mpe2 = self.settings.rules == "mpe2"
        self.move(action, mpe2)
        if mpe2:
            events = self.settle(returned, returned_kind)
            result = self.observations(), self.rewards(events[0] + events[1])
        else:
            free = [i for i in range(self.c) if self.load[i] is None]
            events = sum(self.apart(i, t) < 0.075 for i in free for t in self.treasure)
            carriers = [i for i in range(self.c) if self.load[i] is not None]
            events += sum(self.apart(i, self.x[self.c + self.load[i]]) < 0.125 for i in carriers)
            result = self.observations(), self.rewards(events)
            events = self.settle(returned, returned_kind)
        return *result, events

    def apart(self, i, point):
        return np.linalg.norm(self.x[i] - point)

    def move(self, action, mpe2):
        force = 1.5 * action if mpe2 else 1.5 * 1.5 * self.mass[:, None] * action
        for i in range(self.n):
            for j in range(self.n):
                if i != j and not mpe2:
                    gap = self.apart(i, self.x[j])
                    push = 100 * 1e-3 * np.logaddexp(0, -(gap - self.size[i] - self.size[j]) / 1e-3)
                    force[i] += self.mass[j] / self.mass[i] * push * (self.x[i] - self.x[j]) / gap
        new = 0.75 * self.v + 0.1 * force / self.mass[:, None]
        speed = np.linalg.norm(new, axis=1, keepdims=True)
        new = np.where(speed > 1, new / np.maximum(speed, 1e-9), new)
        self.x = self.x + 0.1 * (self.v if mpe2 else new)
        self.v = new

    def settle(self, returned, returned_kind):
        pickups = deliveries = 0
        for j in range(len(self.treasure)):
            if self.treasure[j, 0] == GRAVE:
                assert np.abs(returned[j]).max() <= 0.95, "a treasure that was away must return"
                self.treasure[j], self.kind[j] = returned[j], returned_kind[j]
                continue
            takers = [i for i in range(self.c) if self.load[i] is None]
            takers = [i for i in takers if self.apart(i, self.treasure[j]) < 0.075]
            if takers:
                self.load[takers[0]] = int(self.kind[j])
                self.treasure[j] = GRAVE
                pickups += 1
        for i in range(self.c):
            if self.load[i] is not None and self.apart(i, self.x[self.c + self.load[i]]) < 0.125:
                self.load[i] = None
                deliveries += 1
        return pickups, deliveries

    def present(self):
        return [t for t in self.treasure if not (self.settings.hide_taken and t[0] == GRAVE)]

    def rewards(self, events):
        own = np.full(self.n, 5.0 * events)
        for i in range(self.c):
            own[i] -= 5 * sum(self.apart(i, self.x[j]) < 0.1 for j in range(self.c) if j != i)
            if self.load[i] is None:
                own[i] -= 0.1 * min([self.apart(i, t) for t in self.present()], default=0.0)
            else:
                own[i] -= 0.1 * self.apart(i, self.x[self.c + self.load[i]])
        for d in range(self.d):
            bank = self.x[self.c + d]
            carriers = [self.apart(i, bank) for i in range(self.c) if self.load[i] == d]
            nearest = sorted((self.apart(i, bank), i) for i in range(self.c))[: self.settings.n_visible]
            middle = np.mean([self.x[i] - bank for _, i in nearest], axis=0)
            own[self.c + d] -= 0.1 * (min(carriers) if carriers else np.linalg.norm(middle))
        return own

    def observations(self):
        n_visible, kinds = self.settings.n_visible, np.arange(self.d)
        rows = []
        for i in range(self.n):
            parts = [self.x[i], self.v[i]]
            if i < self.c:
                parts.append(kinds == self.load[i])
            for _, j in sorted((self.apart(i, self.x[j]), j) for j in range(self.n) if j != i)[:n_visible]:
                parts += [self.x[j] - self.x[i], self.v[j], kinds == j - self.c]
                parts.append(kinds == (self.load[j] if j < self.c else None))
            shown = sorted((self.apart(i, t), j) for j, t in enumerate(self.treasure))
            for _, j in shown[:n_visible]:
                away = self.settings.hide_taken and self.treasure[j, 0] == GRAVE
                seen = np.concatenate([self.treasure[j] - self.x[i], kinds == self.kind[j]])
                parts.append(np.zeros_like(seen) if away else seen)
            rows.append(np.concatenate(parts))
        return [np.pad(row, (0, max(map(len, rows)) - len(row))) for row in rows]

    def state(self):
        """The central state."""
        kinds = np.arange(self.d)
        parts = [self.x.ravel(), self.v.ravel(), *(kinds == load for load in self.load)]
        for t, kind in zip(self.treasure, self.kind, strict=True):
            there = t[0] != GRAVE
            parts += [t * there, (kinds == kind) & there]
        return np.concatenate(parts)


SETTINGS = [
    {},
    {"n_agents": 4, "n_banks": 1},
    {"n_agents": 4, "n_banks": 1, "hide_taken": True},
    {"n_agents": 7, "n_banks": 3, "n_treasures": 5, "n_visible": 2},
    {"n_agents": 2, "n_banks": 1, "n_treasures": 9},
    {"rules": "mpe2"},
    {"n_agents": 5, "n_banks": 1, "n_treasures": 2, "rules": "mpe2"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_kernel_equals_its_numpy_twin(settings):
    num_envs, rng = 60, np.random.default_rng(1)
    env = make(num_envs, **settings)
    resolved = env._settings
    n, banks = resolved.n_agents, resolved.n_banks
    state = random_state(rng, num_envs, n, banks, resolved.n_treasures)
    put(env, **state)
    twins = [Twin(state, b, resolved) for b in range(num_envs)]
    total = np.zeros((num_envs, 2))
    for _ in range(4):
        action = rng.uniform(-1, 1, (num_envs, n, 2))
        observation, reward, _, _, info = env.step(action)
        after = env.snapshot()
        for b, twin in enumerate(twins):
            seen, own, events = twin.step(action[b].copy(), after["treasure"][b], after["kind"][b])
            total[b] += events
            np.testing.assert_allclose(after["treasure"][b], twin.treasure, rtol=0, atol=0)
            np.testing.assert_allclose(observation[b], seen, rtol=0, atol=1e-12)
            np.testing.assert_allclose(info["agent_reward"][b], own, rtol=0, atol=1e-12)
            np.testing.assert_allclose(info["state"][b], twin.state(), rtol=0, atol=1e-12)
            assert reward[b] == pytest.approx(own.mean(), abs=1e-12)
    assert (info["pickups"] == total[:, 0]).all()
    assert (info["deliveries"] == total[:, 1]).all()
    assert total.sum(0).min() >= 3


@pytest.mark.parametrize(("n_agents", "n_banks"), [(8, 2), (4, 1)])
def test_maac_agrees_over_a_fixture_of_its_own_making(n_agents, n_banks):
    """``make_treasure_fixture.py`` has played MAAC's code; places and kinds of returns are random."""
    maac = {name.removesuffix(f"_{n_agents}"): a for name, a in MAAC.items() if name.endswith(f"_{n_agents}")}
    num_envs = len(maac["position"])
    env = make(num_envs, n_agents=n_agents, n_banks=n_banks)
    put(env, **{name: maac[name] for name in ("position", "velocity", "load", "treasure", "kind")})
    observation, _, _, _, info = env.step(maac["action"])
    after = env.snapshot()
    copies = np.arange(num_envs)
    for ours, theirs in (
        (after["position"], maac["next_position"]),
        (after["velocity"], maac["next_velocity"]),
        (info["agent_reward"], maac["reward"]),
        (observation[copies, copies % n_agents], maac["observation"]),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert (after["load"] == maac["next_load"]).all()
    stayed = maac["treasure"][..., 0] != GRAVE
    assert (after["treasure"][stayed] == maac["next_treasure"][stayed]).all()
    assert (after["kind"][stayed] == maac["next_kind"][stayed]).all()
    assert (np.abs(after["treasure"][~stayed]) <= 0.95).all()
    assert info["pickups"].sum() > 20
    assert info["deliveries"].sum() > 5
    assert info["collisions"].sum() > 20


def collector_state(agent):
    return -1 if agent.holding is None else agent.holding


@pytest.mark.parametrize(("n_agents", "n_banks", "n_treasures"), [(8, 2, 6), (6, 3, 4)])
def test_mpe2_agrees_over_hundreds_of_states(n_agents, n_banks, n_treasures):
    """mpe2 is handed our states and actions; treasures that return are put where ours returned."""
    num_envs, rng = 150, np.random.default_rng(0)
    size = {"n_agents": n_agents, "n_banks": n_banks, "n_treasures": n_treasures}
    env = make(num_envs, rules="mpe2", **size)
    before = random_state(rng, num_envs, **size)
    put(env, **before)
    moves = rng.uniform(0, 1, (num_envs, n_agents, 5)).astype(np.float32)
    observation, _, _, _, info = env.step(moves[..., [2, 4]] - moves[..., [1, 3]])
    after = env.snapshot()

    collectors = n_agents - n_banks
    oracle = collect_treasure_v1.parallel_env(
        num_collectors=collectors, num_deposits=n_banks, num_treasures=n_treasures, continuous_actions=True
    )
    oracle.reset(seed=0)
    inner = oracle.aec_env.unwrapped
    world = inner.world
    for b in range(num_envs):
        oracle.reset()
        for i, agent in enumerate(world.agents):
            agent.state.p_pos, agent.state.p_vel = before["position"][b, i].copy(), before["velocity"][b, i]
            if agent.collector:
                agent.holding = None if before["load"][b, i] < 0 else int(before["load"][b, i])
        for j, mark in enumerate(world.landmarks):
            mark.state.p_pos, mark.type = before["treasure"][b, j].copy(), int(before["kind"][b, j])
            mark.alive = before["treasure"][b, j, 0] != GRAVE
        world.np_random = Returns(after, b, before["treasure"][b, :, 0] == GRAVE)
        _, reward, _, _, _ = oracle.step({a.name: moves[b, i] for i, a in enumerate(world.agents)})
        for i, agent in enumerate(world.agents):
            np.testing.assert_allclose(after["position"][b, i], agent.state.p_pos, rtol=0, atol=1e-9)
            np.testing.assert_allclose(after["velocity"][b, i], agent.state.p_vel, rtol=0, atol=1e-9)
            seen = inner.scenario.observation(agent, world)
            np.testing.assert_allclose(observation[b, i, : len(seen)], seen, rtol=0, atol=1e-9)
            assert not observation[b, i, len(seen) :].any()
            assert info["agent_reward"][b, i] == pytest.approx(reward[agent.name], abs=1e-9)
        assert [collector_state(a) for a in world.agents if a.collector] == after["load"][b].tolist()
        for j, mark in enumerate(world.landmarks):
            assert mark.alive == (after["treasure"][b, j, 0] != GRAVE)
    assert info["pickups"].sum() > 20
    assert info["deliveries"].sum() > 5


class Returns:
    """Stands in for mpe2's random numbers: returns treasures where, and as what, ours returned."""

    def __init__(self, after, b, away):
        self.places = iter([x for x, gone in zip(after["treasure"][b], away, strict=True) if gone])
        self.kinds = iter([k for k, gone in zip(after["kind"][b], away, strict=True) if gone])

    def uniform(self, low=0.0, high=1.0, size=None):
        return 0.5 if size is None else next(self.places).copy()

    def integers(self, low, high):
        return next(self.kinds)


STILL = {
    "position": [[[0.0, 0.0], [0.9, 0.9], [-0.9, 0.9], [-0.5, 0.0]]],
    "velocity": np.zeros((1, 4, 2)),
    "load": [[-1, -1, -1]],
    "treasure": [[[0.07, 0.0], [-0.9, -0.9], [0.9, -0.9]]],
    "kind": [[0, 0, 0]],
}
"""Three collectors and a bank; only collector 0 touches something, the first treasure."""


def wait(env):
    return env.step(np.zeros((1, 4, 2)))


def test_maac_pays_before_it_takes():
    """Touched and paid at step 1, away and carried in what step 2 shows, back in what step 3 shows."""
    env = make(1, n_agents=4, n_banks=1)
    put(env, **STILL)
    observation, _, _, _, info = wait(env)
    assert info["agent_reward"][0, 0] == pytest.approx(5 - 0.1 * 0.07)
    assert info["agent_reward"][0, 3] == pytest.approx(5 - 0.1 * np.hypot(0.5, 0.6))
    assert info["pickups"][0] == 1
    assert observation[0, 0, 4] == 0
    assert observation[0, 0, -9:-7] == pytest.approx([0.07, 0])
    assert (env.observe()[0] == observation).all()
    assert env.snapshot()["treasure"][0, 0, 0] == GRAVE

    observation, _, _, _, info = wait(env)
    assert info["agent_reward"][0, 0] == pytest.approx(-0.1 * 0.5)
    assert info["agent_reward"][0, 3] == pytest.approx(-0.1 * 0.5)
    assert observation[0, 0, 4] == 1
    assert observation[0, 0, -3:] == pytest.approx([GRAVE, GRAVE, 1])
    assert np.abs(env.snapshot()["treasure"][0, 0]).max() <= 0.95

    observation, _, _, _, info = wait(env)
    assert np.abs(observation[0, 0, -3:-1]).max() <= 0.96
    assert info["pickups"][0] == 1


def test_maac_delivers_after_it_pays():
    env = make(1, n_agents=4, n_banks=1)
    put(env, **STILL)
    state = env.snapshot()
    state["load"][0, 0] = state["seen_load"][0, 0] = 0
    state["position"][0, 3], state["velocity"][0, 0] = [-0.15, 0.0], [-0.5, 0.0]
    env.restore(state)
    observation, _, _, _, info = env.step(np.zeros((1, 4, 2)))
    touching = -0.1 * abs(observation[0, 0, 5])
    assert info["agent_reward"][0, [0, 3]] == pytest.approx(5 + touching)
    assert (info["pickups"][0], info["deliveries"][0]) == (0, 1)
    assert observation[0, 0, 4] == 1
    assert env.snapshot()["load"][0, 0] == -1


def test_mpe2_takes_before_it_pays():
    env = make(1, n_agents=4, n_banks=1, rules="mpe2")
    put(env, **STILL)
    observation, _, _, _, info = wait(env)
    assert info["agent_reward"][0, 0] == pytest.approx(5 - 0.1 * 0.5)
    assert observation[0, 0, 4] == 1
    assert not observation[0, 0, -3:].any()
    observation, _, _, _, info = wait(env)
    assert observation[0, 0, -9:].reshape(3, 3)[:, 2].tolist() == [1, 1, 1]
    assert info["pickups"][0] == 1


def test_two_collectors_at_one_treasure_are_paid_twice_but_the_first_takes_it():
    near = {"position": [[[0.0, 0.0], [0.14, 0.0], [-0.9, 0.9], [-0.5, 0.0]]]}
    for rules, paid in (("maac", 10), ("mpe2", 5)):
        env = make(1, n_agents=4, n_banks=1, rules=rules)
        put(env, **(STILL | near))
        info = wait(env)[4]
        assert info["agent_reward"][0, 2] == pytest.approx(paid, abs=0.3)
        assert env.snapshot()["load"][0].tolist() == [0, -1, -1]


def test_a_heavy_bank_pushes_more_than_it_is_pushed():
    """An overlap of 0.025 is a push of 2.5, times the other's mass over one's own."""
    env = make(1, n_agents=4, n_banks=1)
    put(env, **(STILL | {"position": [[[0.1, 0.0], [0.9, 0.9], [-0.9, 0.9], [0.0, 0.0]]]}))
    wait(env)
    velocity = env.snapshot()["velocity"][0]
    assert velocity[0] == pytest.approx([2.5 * 2.25 * 0.1, 0])
    assert velocity[3] == pytest.approx([-2.5 / 2.25**2 * 0.1, 0])


def test_nobody_moves_faster_than_one():
    env = make(1, n_agents=4, n_banks=1)
    put(env, **STILL)
    for _ in range(30):
        env.step(np.ones((1, 4, 2)))
    assert np.linalg.norm(env.snapshot()["velocity"][0], axis=-1) == pytest.approx(np.ones(4))


def test_coincident_members_give_no_nan():
    env = make(1, n_agents=4, n_banks=1)
    put(env, position=np.full((1, 4, 2), 0.3))
    observation, reward, _, _, info = wait(env)
    assert np.isfinite(observation).all()
    assert np.isfinite(reward).all()
    assert info["collisions"][0] == 3


def test_without_any_treasure_the_distance_counts_only_if_taken_ones_are_shown():
    """With all of them away MAAC's free collectors lose 0.1 times about 1413."""
    for hide, loss in ((False, 0.1 * np.hypot(999, 999)), (True, 0.0)):
        env = make(1, n_agents=4, n_banks=1, hide_taken=hide)
        put(env, **(STILL | {"treasure": np.full((1, 3, 2), GRAVE)}))
        assert wait(env)[4]["agent_reward"][0, 0] == pytest.approx(-loss)


def test_starts_and_returns_are_uniform():
    env = make(500)
    env.reset(seed=1)
    start = env.snapshot()
    assert not start["velocity"].any()
    assert (start["load"] == -1).all()
    put(env, treasure=np.full((500, 6, 2), GRAVE))
    env.step(np.zeros((500, 8, 2)))
    returned = env.snapshot()
    places = (start["position"], start["treasure"], returned["treasure"])
    for place, bound in zip(places, (1, 0.95, 0.95), strict=True):
        assert np.abs(place).max() <= bound
        assert place.mean((0, 1)) == pytest.approx([0, 0], abs=0.05)
        assert place.var() == pytest.approx(bound**2 / 3, abs=0.02)
    for kind in (start["kind"], returned["kind"]):
        assert set(np.unique(kind)) == {0, 1}
        assert kind.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("task_id", "settings"),
    [
        ("treasure_collection_4-v1", {}),
        ("treasure_collection_8-v1", {}),
        ("treasure_collection_8-v1", {"rules": "mpe2", "dtype": "float64"}),
        ("treasure_collection_8-v1", {"n_banks": 3, "n_treasures": 9, "n_visible": 3, "hide_taken": True}),
    ],
)
def test_the_contract_holds(task_id, settings):
    envs.check_env(envs.make(task_id, **settings))


def test_sizes_are_the_published_ones():
    assert envs.spec("treasure_collection_8-v1").observation_sizes == (86,) * 6 + (84,) * 2
    assert envs.spec("treasure_collection_4-v1").observation_sizes == (32,) * 3 + (31,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_banks": 4}, r"n_banks must lie in 1\.\.3 .*, got 4"),
        ({"n_banks": 0}, r"n_banks must lie in 1\.\.3"),
        ({"n_treasures": 0}, "n_treasures must be >= 1, got 0"),
        ({"rules": "mpe"}, "did you mean 'mpe2'"),
        ({"n_agents": 5}, "n_agents is fixed by the task id"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        envs.make("treasure_collection_4-v1", **settings)


def test_the_scene_shows_loads_and_what_is_there():
    env = make(1, n_agents=4, n_banks=1)
    put(env, **STILL)
    before = env.scene()
    assert before.caption.startswith("pickups 0, deliveries 0")
    wait(env)
    after = env.scene()
    # A treasure less, a load more.
    assert len(after.shapes) == len(before.shapes)
    radii = [sorted(s.radius for s in scene.shapes if hasattr(s, "radius")) for scene in (before, after)]
    assert (radii[0].count(0.025), radii[1].count(0.025)) == (3, 2)
    assert after.caption.startswith("pickups 1")


def returns(task_id, policy, num_envs=300):
    env = envs.make(task_id, num_envs)
    observation, _ = env.reset(seed=0)
    total = np.zeros(num_envs)
    for _ in range(env.team.horizon):
        observation, reward, *_ = env.step(policy(observation))
        total += reward
    return total.mean()


@pytest.mark.parametrize(
    ("task_id", "random", "scripted"),
    [("treasure_collection_4-v1", -7.2, 144.2), ("treasure_collection_8-v1", -2.2, 310.3)],
)
def test_random_and_reference_policies_reach_their_measured_returns(task_id, random, scripted):
    rng = np.random.default_rng(0)
    played = returns(task_id, lambda o: rng.uniform(-1, 1, (*o.shape[:2], 2)))
    assert played == pytest.approx(random, abs=1.5)
    reference = envs.reference_policy(envs.spec(task_id))
    assert returns(task_id, reference) == pytest.approx(scripted, abs=5)
