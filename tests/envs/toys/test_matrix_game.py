"""Matrix games: payoffs by hand, a NumPy twin, known optima."""

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.toys import payoffs
from coordbench.envs.toys.payoffs import MatrixGameSettings, optimal_joint_actions, payoff, strict_equilibria

MATRIX_GAMES = ("climbing-v1", "penalty-v1", "coordination_2-v1", "coordination_4-v1")


def settings_of(task_id, **chosen):
    return MatrixGameSettings(**envs.spec(task_id, chosen).settings)


def play(env, actions):
    """Reward, metrics and observation of one more round."""
    observation, reward, _, _, info = env.step(np.asarray(actions))
    return reward, info, observation


@pytest.mark.parametrize(
    ("task_id", "settings"),
    [
        ("climbing-v1", {"observation": "last_actions", "horizon": 1}),
        ("penalty-v1", {"k": 0.0, "dtype": "float64"}),
        ("coordination_4-v1", {"n_actions": 3, "observation": "last_actions", "dtype": "float64"}),
    ],
)
def test_the_contract_holds_under_other_settings(task_id, settings):
    envs.check_env(envs.make(task_id, 2, **settings))


def test_climbing_pays_as_claus_and_boutilier_print_it():
    env = envs.make("climbing-v1", 9)
    env.reset(seed=0)
    joint = np.stack(np.meshgrid(range(3), range(3), indexing="ij"), -1).reshape(-1, 2)
    reward, info, _ = play(env, joint)
    assert reward.tolist() == [11, -30, 0, -30, 7, 0, 0, 6, 5]
    assert (info["agent_reward"] == reward[:, None]).all()
    assert info["optimal"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert info["equilibrium"].tolist() == [1, 0, 0, 0, 2, 0, 0, 0, 0]


def test_penalty_pays_k_where_members_aim_at_different_optima():
    env = envs.make("penalty-v1", 5, k=-12)
    env.reset(seed=0)
    reward, info, _ = play(env, [[0, 0], [2, 2], [0, 2], [1, 1], [1, 2]])
    assert reward.tolist() == [10, 10, -12, 2, 0]
    assert info["optimal"].tolist() == [1, 1, 0, 0, 0]
    assert info["equilibrium"].tolist() == [1, 3, 0, 2, 0]


def test_coordination_pays_for_agreement_alone():
    env = envs.make("coordination_4-v1", 3)
    env.reset(seed=0)
    reward, info, _ = play(env, [[4, 4, 4, 4], [0, 0, 0, 1], [2, 2, 2, 2]])
    assert reward.tolist() == [1, 0, 1]
    assert info["equilibrium"].tolist() == [5, 0, 3]


def test_optima_and_equilibria_of_the_tables():
    assert optimal_joint_actions(settings_of("climbing-v1")).tolist() == [[0, 0]]
    assert strict_equilibria(settings_of("climbing-v1")).tolist() == [[0, 0], [1, 1]]
    assert optimal_joint_actions(settings_of("penalty-v1")).tolist() == [[0, 0], [2, 2]]
    assert strict_equilibria(settings_of("penalty-v1", k=0)).tolist() == [[0, 0], [1, 1], [2, 2]]
    for task_id, n_agents, n_actions in (("coordination_2-v1", 2, 10), ("coordination_4-v1", 4, 5)):
        same = [[a] * n_agents for a in range(n_actions)]
        assert optimal_joint_actions(settings_of(task_id)).tolist() == same
        assert strict_equilibria(settings_of(task_id)).tolist() == same


@pytest.mark.parametrize("task_id", MATRIX_GAMES)
def test_strict_equilibria_by_trying_every_deviation(task_id):
    settings = settings_of(task_id)
    table = payoff(settings)
    found = []
    for joint in np.ndindex(table.shape):
        others = [
            table[(*joint[:i], a, *joint[i + 1 :])]
            for i in range(len(joint))
            for a in range(settings.n_actions)
            if a != joint[i]
        ]
        if max(others) < table[joint]:
            found.append(list(joint))
    assert strict_equilibria(settings).tolist() == found


@pytest.mark.parametrize("task_id", MATRIX_GAMES)
def test_matrix_kernel_equals_its_numpy_twin(task_id):
    num_envs, rng = 40, np.random.default_rng(0)
    env = envs.make(task_id, num_envs, observation="last_actions", dtype="float64")
    table, n, n_actions = payoff(settings_of(task_id)), env.team.n_agents, env.team.action_size
    observation, info = env.reset(seed=0)
    assert not observation.any()
    paid = []
    for t in range(1, 6):
        joint = rng.integers(0, n_actions, (num_envs, n))
        joint[::2] = joint[::2, :1]
        reward, info, observation = play(env, joint)
        paid.append(table[tuple(joint.T)])
        assert np.array_equal(reward, paid[-1])
        assert info["optimal"] == pytest.approx((np.array(paid) == table.max()).sum(0) / t)
        seen = np.eye(n_actions)[joint].reshape(num_envs, n * n_actions)
        assert np.array_equal(info["state"], seen)
        assert np.array_equal(observation, np.repeat(seen[:, None], n, 1))


def test_constant_observation_is_one_and_a_reset_forgets_the_last_round():
    env = envs.make("climbing-v1", 2)
    assert env.reset(seed=0)[0].tolist() == [[[1.0]] * 2] * 2
    assert play(env, [[0, 1], [2, 2]])[2].tolist() == [[[1.0]] * 2] * 2
    env = envs.make("climbing-v1", 2, observation="last_actions")
    env.reset(seed=0)
    play(env, [[0, 1], [2, 2]])
    observation, _ = env.reset(options={"reset_mask": np.array([True, False])})
    assert not observation[0].any()
    assert observation[1].tolist() == [[0, 0, 1, 0, 0, 1]] * 2


@pytest.mark.parametrize("task_id", MATRIX_GAMES)
def test_matrix_returns_of_reference_and_random_play(task_id):
    num_envs, settings = 400, settings_of(task_id)
    env = envs.make(task_id, num_envs)
    act, rng = envs.reference_policy(env.team), np.random.default_rng(0)
    for policy in (act, lambda o: rng.integers(0, settings.n_actions, o.shape[:2])):
        observation, _ = env.reset(seed=0)
        total = np.zeros(num_envs)
        for _ in range(settings.horizon):
            observation, reward, _, truncated, _ = env.step(policy(observation))
            total += reward
        assert truncated.all()
        if policy is act:
            assert (total == payoffs.best_return(settings)).all()
        else:
            error = settings.horizon**0.5 * payoff(settings).std() / num_envs**0.5
            assert total.mean() == pytest.approx(payoffs.random_return(settings), abs=4 * error)
    assert payoffs.random_return(settings_of("climbing-v1")) == pytest.approx(25 * -31 / 9)


@pytest.mark.parametrize(
    ("task_id", "settings", "message"),
    [
        ("penalty-v1", {"k": 1.0}, "k must be a finite number of at most 0, got 1.0"),
        ("penalty-v1", {"k": float("nan")}, "k must be a finite number"),
        ("climbing-v1", {"n_actions": 4}, "climbing has n_agents=2 and n_actions=3, got 2 and 4"),
        ("climbing-v1", {"game": "penalty"}, "climbing-v1: game is fixed by the task id"),
        ("climbing-v1", {"n_agents": 3}, "n_agents is fixed by the task id"),
        ("coordination_4-v1", {"n_actions": 100}, "100,000,000 joint actions are too many"),
        ("coordination_2-v1", {"n_actions": 1}, "must be >= 2"),
        ("coordination_2-v1", {"observation": "last_action"}, "did you mean 'last_actions'"),
        ("coordination_2-v1", {"horizon": 0}, "horizon must be >= 1"),
    ],
)
def test_impossible_settings_are_refused(task_id, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        envs.make(task_id, **settings)
    assert str(caught.value).startswith(task_id)


def test_the_chosen_cell_of_a_payoff_table_is_marked():
    env = envs.make("climbing-v1", 2)
    env.reset(seed=0)
    plain = env.scene(1)
    play(env, [[0, 0], [2, 1]])
    marked = [new for new, old in zip(env.scene(1).shapes, plain.shapes, strict=True) if new != old]
    assert [shape.label for shape in marked] == ["6", "2", "1"]
    assert (marked[0].x, marked[0].y) == (1, -2)
