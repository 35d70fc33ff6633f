"""The contract of discrete actions, on matrix games: masks, refusals, types."""

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.toys.matrix_game import MatrixGame


def play(env, actions):
    """Reward and info of one more round."""
    _, reward, _, _, info = env.step(np.asarray(actions))
    return reward, info


class Locked(MatrixGame):
    """Member 1 may not choose 1 in even rounds; in odd ones member 0 may choose nothing but 2."""

    def _allowed(self, mask):
        mask[self._elapsed % 2 == 0, 1, 1] = False
        mask[self._elapsed % 2 == 1, 0, :2] = False


def test_masks_follow_the_state_and_the_checker_approves():
    env = Locked(envs.spec("climbing-v1"), 3)
    envs.check_env(env)
    _, info = env.reset(seed=0)
    assert info["action_mask"][2].tolist() == [[True, True, True], [True, False, True]]
    even = env.snapshot()
    assert play(env, [[0, 0]] * 3)[1]["action_mask"][1].tolist() == [[False, False, True], [True] * 3]
    with pytest.raises(ValueError, match="copy 0, member 0 cannot choose action 0 now, only 2"):
        env.step(np.zeros((3, 2), int))
    info = env.reset(options={"reset_mask": np.array([False, True, False])})[1]
    assert info["action_mask"][:, 0, 0].tolist() == [False, True, False]
    assert play(env, [[2, 1], [0, 0], [2, 1]])[0].tolist() == [6, 11, 6]
    env.restore(even)
    with pytest.raises(ValueError, match="copy 2, member 1 cannot choose action 1 now, only 0, 2"):
        env.step(np.array([[0, 0], [0, 0], [0, 1]]))


def test_writing_into_a_mask_opens_nothing():
    env = Locked(envs.spec("climbing-v1"), 1)
    env.reset(seed=0)[1]["action_mask"][...] = True
    with pytest.raises(ValueError, match="copy 0, member 1"):
        env.step(np.array([[0, 1]]))


class RoundsActions(MatrixGame):
    def step(self, actions):
        whole = isinstance(actions, np.ndarray) and actions.dtype.kind == "f"
        return super().step(actions.astype(np.int64) if whole else actions)


class ObeysNoMask(Locked):
    def step(self, actions):
        self._gate.mask[...] = True
        return super().step(actions)


class LeavesNoChoice(MatrixGame):
    def _allowed(self, mask):
        mask[0, 1] = False


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (RoundsActions, "no integer must raise ValueError"),
        (ObeysNoMask, "the mask forbids must raise ValueError"),
        (LeavesNoChoice, "must leave every member an action"),
    ],
)
def test_the_checker_finds_broken_discrete_environments(kind, message):
    with pytest.raises(envs.ContractError, match=message):
        envs.check_env(kind(envs.spec("climbing-v1")))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 2)), "must be integers, got an array of float64"),
        (np.zeros((2, 2), bool), "must be integers, got an array of bool"),
        (np.full((2, 2), None), "must be integers, got an array of object"),
        (np.zeros((2, 2, 1), int), r"shape \(B, N\) = \(2, 2\), got \(2, 2, 1\)"),
        ([[0, 0], [0]], r"shape \(B, N\) = \(2, 2\), got uneven lists"),
        ([[0, 0], [0, 3]], "copy 1, member 1 cannot choose action 3 now, only 0, 1, 2"),
        ([[0, 0], [-1, 0]], "copy 1, member 0 cannot choose action -1"),
        (
            np.array([[0, 2**63], [0, 0]], np.uint64),
            "copy 0, member 1 cannot choose action 9223372036854775808",
        ),
    ],
)
def test_bad_discrete_actions_are_refused_and_nothing_moves(actions, message):
    env = envs.make("climbing-v1", 2)
    env.reset(seed=0)
    before = env.snapshot()
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert all(np.array_equal(before[name], array) for name, array in env.snapshot().items())


def test_discrete_actions_of_any_integer_type_and_layout_play_alike():
    env = envs.make("climbing-v1", 2)
    for form in (
        [[2, 1], [1, 2]],
        np.array([[2, 1], [1, 2]], np.uint8),
        np.array([[2, 1], [1, 2]], ">i4"),
        np.array([[2, 1], [1, 2]]).T.copy().T,
    ):
        env.reset(seed=0)
        assert play(env, form)[0].tolist() == [6, 0]
