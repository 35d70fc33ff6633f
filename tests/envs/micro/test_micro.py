"""SMAC-like battles: SMAC's numbers, combat by hand, refusals, pictures, PettingZoo's tests."""

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.micro.battle import Battle
from coordbench.envs.micro.facts import facts, grid
from coordbench.envs.micro.layout import COOLDOWN, DELAY, ENERGY, HP, SHIELD, X, Y
from coordbench.envs.micro.settings import MicroSettings
from coordbench.envs.micro.units import kinds_shown, team
from coordbench.envs.scene import Disc, Line, Rectangle

MICRO = [name for name in envs.names() if name.startswith("micro")]


def make(num_envs=1, **settings):
    """A battle under any settings, float64 observations."""
    chosen = MicroSettings(**({"dtype": "float64"} | settings))
    return Battle(Battle.describe("micro", chosen), num_envs)


def put(env, **rows):
    """Begins episodes and then sets rows of the units of all copies."""
    env.reset(seed=0)
    now = env.snapshot()
    for name, values in rows.items():
        now["units"][:, {"x": X, "y": Y, "hp": HP, "shield": SHIELD, "energy": ENERGY}[name]] = values
    env.restore(now)


def idle(env):
    """One step of members who stop, the dead doing nothing."""
    return env.step(env.observe()[1]["action_mask"].argmax(-1))


@pytest.mark.parametrize(
    ("allies", "enemies", "sizes"),
    [
        ("3m", "3m", (30, 48, 9)),
        ("8m", "8m", (80, 168, 14)),
        ("2s3z", "2s3z", (80, 120, 11)),
        ("3s5z", "3s5z", (128, 216, 14)),
        ("3s", "3z", (36, 54, 9)),
        ("7m2M1v", "8m3M1v", (176, 322, 18)),
        ("27m", "30m", (285, 1170, 36)),
        ("5m", "6m", (55, 98, 12)),
        ("8m", "9m", (85, 179, 15)),
        ("1c3s5z", "1c3s5z", (162, 270, 15)),
    ],
)
def test_sizes_are_those_of_smac(allies, enemies, sizes):
    spec = envs.spec("micro-v1", {"allies": allies, "enemies": enemies})
    assert (spec.observation_size, spec.state_size, spec.action_size) == sizes


def test_maps_have_smacs_teams_and_limits():
    found = {
        name: (spec.n_agents, spec.action_size - 6, spec.horizon)
        for name in MICRO
        if name != "micro-v1" and (spec := envs.spec(name))
    }
    assert found == {
        "micro_3m-v1": (3, 3, 60),
        "micro_8m-v1": (8, 8, 120),
        "micro_2s3z-v1": (5, 5, 120),
        "micro_3s5z-v1": (8, 8, 150),
        "micro_3s_vs_3z-v1": (3, 3, 150),
        "micro_5m_vs_6m-v1": (5, 6, 70),
        "micro_27m_vs_30m-v1": (27, 30, 180),
        "micro_MMM2-v1": (10, 12, 180),
    }


def test_kinds_are_ordered_as_in_smac():
    assert [unit.letter for unit in team("3z2s")] == ["s", "s", "z", "z", "z"]
    assert [unit.letter for unit in team("1v7m2M")] == ["M"] * 2 + ["m"] * 7 + ["v"]
    bits = kinds_shown(team("2s3z"), team("2s3z"))
    assert [[unit.letter for unit in side] for side in bits] == [["s", "z"], ["z", "s"]]
    bits = kinds_shown(team("1c3s5z"), team("1c3s5z"))
    assert [[unit.letter for unit in side] for side in bits] == [["c", "s", "z"]] * 2
    assert kinds_shown(team("3s"), team("3z")) == ([], [])


def test_start_is_a_grid_around_the_maps_points_mirrored_and_sorted():
    found = facts(MicroSettings(allies="2s3z", enemies="2s3z")).start
    assert found[0] + np.roll(found[0], 5) == pytest.approx(32.0)
    assert np.array_equal(found[1, :5], found[1, 5:])
    assert found[0, :2].max() < found[0, 2:5].max()
    assert grid(team("4m")).tolist() == [[-0.4, -0.4], [-0.4, 0.4], [0.4, -0.4], [0.4, 0.4]]
    assert grid(team("3m"))[:, 1].tolist() == [-0.4, 0.4, 0.0]


def test_a_marine_dies_of_the_eighth_hit():
    env = make(allies="1m", enemies="1m", passes=0)
    put(env, x=[10, 14], y=[16, 16])
    lost = []
    for _ in range(13):
        idle(env)
        lost.append(45 - env.snapshot()["units"][0, HP, 0])
    assert set(lost) == {6.0 * k for k in range(1, 8)} | {45.0}
    # Hits fall at ticks 1, 15, 29, ...: a cooldown of .8608 s is 13.8 ticks; the eighth at tick 99.
    assert lost.index(45.0) == 98 // 8


@pytest.mark.parametrize(
    ("allies", "enemies", "hp", "shield", "after"),
    [
        ("1s", "1z", 100, 50, (100, 37)),
        ("1s", "1z", 100, 5, (100 - 7, 0)),  # 13 - 5 through the shield, less 1 of armour
        ("1s", "1z", 100, 0, (100 - 12, 0)),
        ("1s", "1s", 80, 80, (80, 62)),  # 13 + 5 against armoured
        ("1M", "1z", 100, 0, (100 - 9, 0)),
        ("1M", "1s", 80, 0, (80 - 19, 0)),
        ("1m", "1z", 100, 5.75, (100 - 0.25, 0)),  # the rest of .25 is less than armour and than .5
        ("1m", "1z", 100, 5, (99.5, 0)),  # at least half a point
        ("1z", "1M", 125, 0, (125 - 14, 0)),  # two hits of 8, armour against each
        ("1z", "1m", 45, 0, (45 - 16, 0)),
        ("1c", "1z", 100, 0, (100 - 28, 0)),  # two hits of 10 + 5 against light
        ("1h", "1z", 100, 0, (100 - 11, 0)),
        ("1g", "1M", 125, 0, (125 - 4, 0)),
        ("1b", "1M", 125, 0, (125 - 79, 0)),
    ],
)
def test_damage_of_one_attack(allies, enemies, hp, shield, after):
    env = make(allies=allies, enemies=enemies)
    radii = env._facts.kind[5].sum()
    put(env, x=[16, 16 + radii], y=[16, 16])
    now = env.snapshot()
    now["units"][0, HP, 1], now["units"][0, SHIELD, 1] = hp, shield
    now["units"][0, DELAY, 1] = 100
    now["units"][0, COOLDOWN, 1] = 9.0
    env.restore(now)
    env.step(np.array([[6]]))
    units = env.snapshot()["units"][0]
    assert (units[HP, 1], units[SHIELD, 1]) == pytest.approx(after)


def test_shields_grow_two_points_a_second_ten_seconds_after_the_last_damage():
    env = make(allies="1s", enemies="1z", horizon=200)
    put(env, x=[2, 30], y=[9, 24])
    now = env.snapshot()
    now["units"][0, SHIELD, 0], now["units"][0, DELAY, 0] = 40.0, 160
    env.restore(now)
    shields = []
    for _ in range(22):
        idle(env)
        shields.append(env.snapshot()["units"][0, SHIELD, 0])
    assert shields[:20] == [40.0] * 20
    assert shields[20:] == [41.0, 42.0]


def test_a_medivac_heals_nine_points_a_second_for_three_energy():
    env = make(allies="1m1v", enemies="2m")
    put(env, x=[10, 11, 30, 30], y=[16, 16, 10, 12], hp=[20, 150, 45, 45], energy=[0, 50, 0, 0])
    mask = env.observe()[1]["action_mask"][0]
    assert mask[1].tolist() == [False, True, True, True, True, True, True, False]
    env.step(np.array([[1, 6]]))
    units = env.snapshot()["units"][0]
    assert units[HP, 0] == pytest.approx(24.5)
    assert units[ENERGY, 1] == pytest.approx(50 + 0.5625 / 2 - 1.5)
    put(env, x=[10, 11, 30, 30], y=[16, 16, 10, 12], hp=[20, 150, 45, 45], energy=[0, 4, 0, 0])
    env.step(np.array([[1, 6]]))
    assert env.snapshot()["units"][0, HP, 0] == 20, "five points of energy to begin with"


def test_an_order_that_cannot_be_is_void():
    env = make(allies="2M", enemies="2m1v")
    put(env, x=[10, 10, 30, 30, 12], y=[16, 20, 10, 12, 16])
    assert env.observe()[1]["action_mask"][0, 0, 8]
    env.step(np.array([[8, 1]]))
    units = env.snapshot()["units"][0]
    assert units[HP, 4] == 150
    assert units[X, 0] == 10


@pytest.mark.parametrize(
    ("hp", "result", "reward"),
    [
        ([9, 0, 9, 0, 0, 0], (1, 1, True), 200.0),
        ([0, 0, 9, 9, 0, 0], (0, 1, True), 0.0),
        ([9, 0, 0, 0, 0, 9], (1, 1, True), 200.0),
        ([9, 0, 0, 9, 0, 9], (0, 0, False), 0.0),
    ],
)
def test_results(hp, result, reward):
    """Lost with Medivacs only, won against one Medivac; both as SMAC has it."""
    env = make(allies="2m1v", enemies="2m1v", reward_step=0.0)
    put(env, x=[2, 3, 4, 29, 30, 31], y=[9, 9, 9, 24, 24, 24], hp=hp)
    _, paid, terminated, truncated, info = idle(env)
    assert (info["battle_won"][0], float(terminated[0]), bool(terminated[0])) == (
        result[0],
        float(result[2]),
        result[2],
    )
    assert paid[0] == reward
    assert not truncated[0]


def test_modified_reward_of_a_win_without_loss():
    env = envs.make("micro_3s_vs_3z-v1", 1)
    policy, (observation, _), total, steps = envs.reference_policy(env.team), env.reset(seed=0), 0.0, 0
    over = False
    while not over:
        observation, reward, terminated, _, info = env.step(policy(observation))
        total, steps, over = total + reward[0], steps + 1, terminated[0]
    assert info["battle_won"][0] == 1
    assert info["dead_allies"][0] == 0
    assert total == pytest.approx(30 + 200 - 0.1 * steps)


def test_dense_reward_of_a_won_battle_is_twenty_but_for_regeneration():
    env = envs.make("micro_3m-v1", 8, reward="dense")
    policy, (observation, _) = envs.reference_policy(env.team), env.reset(seed=0)
    total, over = np.zeros(8), np.zeros(8, bool)
    while not over.all():
        observation, reward, terminated, *_ = env.step(policy(observation))
        total += reward * ~over
        over |= terminated
        observation, _ = env.reset(options={"reset_mask": terminated})
        if over.all():
            break
    assert total == pytest.approx(20.0)


def test_growing_shields_pay_in_smacs_dense_reward():
    env = make(allies="1m", enemies="1z", reward="dense")
    put(env, x=[2, 30], y=[9, 24], shield=[0, 40])
    assert idle(env)[1][0] == pytest.approx(1.0 / ((10 + 200 + 150) / 20))
    env = make(allies="1m", enemies="1z", reward="dense_signed")
    put(env, x=[2, 30], y=[9, 24], shield=[0, 40])
    assert idle(env)[1][0] == pytest.approx(-1.0 / ((10 + 200 + 150) / 20))


def test_statistics_are_smacs():
    env = envs.make("micro_3m-v1", 3, horizon=2)
    env.reset(seed=0)
    assert env.get_stats()["win_rate"] == 0.0
    for _ in range(2):
        env.step(np.ones((3, 3), int))
    assert env.get_stats() == {
        "battles_won": 0,
        "battles_game": 3,
        "battles_draw": 3,
        "win_rate": 0.0,
        "timeouts": 3,
        "restarts": 0,
    }


def test_the_time_limit_terminates_where_episodes_do_not_continue():
    for continuing in (True, False):
        env = envs.make("micro_3m-v1", 1, horizon=1, continuing_episode=continuing)
        env.reset(seed=0)
        _, _, terminated, truncated, _ = env.step(np.ones((1, 3), int))
        assert (bool(terminated[0]), bool(truncated[0])) == (not continuing, True)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("micro-v1", {"allies": "3x"}, "no unit has the letter 'x' of '3x'; known: c colossus"),
        ("micro-v1", {"allies": "3S"}, "no unit has the letter 'S' of '3S'; did you mean 's'"),
        ("micro-v1", {"allies": "marines"}, "a team is written like '2s3z'"),
        ("micro-v1", {"allies": "0m"}, "a team has 1 to 99 units, '0m' has 0"),
        ("micro-v1", {"enemies": "2v"}, "enemies must have somebody who can attack, got '2v'"),
        ("micro-v1", {"allies": "5m1v", "enemies": "4m"}, "5 allies to heal need as many enemies, got '4m'"),
        ("micro-v1", {"allies": "99c", "enemies": "3m"}, "'99c' against '3m' has no room on terrain='band'"),
        (
            "micro_3m-v1",
            {"enemies": "4m"},
            "micro_3m-v1: enemies is fixed by the task id; micro-v1 takes any",
        ),
        ("micro-v1", {"reward_scale": -1.0}, "reward_scale must be 0"),
        ("micro-v1", {"reward": "dens"}, "did you mean 'dense'"),
        ("micro_4m-v1", {}, "unknown task 'micro_4m-v1'; did you mean"),
    ],
)
def test_bad_settings_are_one_line(task, settings, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as error:
        envs.make(task, 1, **settings)
    assert "\n" not in str(error.value)


def test_a_picture_shows_units_points_and_attacks():
    env = make(allies="1s", enemies="1z")
    put(env, x=[14, 15.2], y=[16, 16])
    env.step(np.array([[6]]))
    shapes = env.scene().shapes
    assert [shape.label for shape in shapes if isinstance(shape, Disc)] == ["0", "z"]
    assert sum(isinstance(shape, Rectangle) for shape in shapes) == 8
    colours = [shape.colour for shape in shapes if isinstance(shape, Line)]
    assert env.scene().shapes[-1].colour == "#4dabf7"
    assert colours[4:] == ["#0072b2", "#c92a2a"]
    assert env.scene().caption == "members 1 of 1, enemies 1 of 1"
