"""Cooperative navigation against OpenAI's own code (a fixture) and, where it is installed, JaxMARL."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from coordbench import envs

OPENAI = Path(__file__).parents[1] / "fixtures" / "openai_spread.npz"
CONTACT = 0.3
PYTHON = os.environ.get("COORDBENCH_JAXMARL")


def played(start, physics):
    """Navigation with three members after one step from the states given, and what it has returned."""
    settings = {"team_reward": "individual", "dtype": "float64", "physics": physics}
    env = envs.make("cooperative_navigation_3-v1", len(start["position"]), **settings)
    env.reset(seed=0)
    given = {name: start[name].astype(np.float64) for name in ("position", "velocity", "landmark")}
    env.restore(env.snapshot() | given)
    observation, _, _, _, info = env.step(start["action"])
    return env.snapshot(), observation, info


def distances(position):
    """Between the three pairs of members (B, 3), from positions (B, 3, 2)."""
    return np.linalg.norm(position - np.roll(position, 1, 1), axis=-1)


def touching(position):
    return (distances(position) < CONTACT).sum()


def test_openai_agrees_over_a_fixture_of_its_own_making():
    """``make_spread_fixture.py`` has played OpenAI's code, in which each member touches itself, too."""
    openai = np.load(OPENAI)
    after, observation, info = played(openai, "openai")
    copies = np.arange(len(observation))
    for ours, theirs in (
        (after["position"], openai["next_position"]),
        (after["velocity"], openai["next_velocity"]),
        (info["agent_reward"] - 1, openai["reward"]),
        (observation[copies, copies % 3], openai["observation"]),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert touching(openai["position"]) > 100
    assert info["collisions"].sum() > 20


@pytest.mark.skipif(not PYTHON, reason="COORDBENCH_JAXMARL names no interpreter with jaxmarl")
def test_jaxmarl_agrees_over_hundreds_of_states(tmp_path):
    """JaxMARL's MPE_simple_spread_v3 is in single precision and follows PettingZoo.

    So a particle moves with its old velocity, and a member earns half of what it earns here (``local_ratio``
    of 0.5 weighs collisions against distances). Where a pair is within rounding of touching, one may count
    what the other does not; rewards are compared elsewhere.
    """
    script, out = Path(__file__).parents[2] / "kit" / "jaxmarl_spread.py", tmp_path / "jaxmarl.npz"
    command = [str(PYTHON), str(script), str(out)]
    asked = subprocess.run(command, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    jaxmarl = dict(np.load(out))
    moves = jaxmarl["moves"].astype(np.float64)
    jaxmarl["action"] = moves[..., [2, 4]] - moves[..., [1, 3]]
    after, observation, info = played(jaxmarl, "mpe2")
    for ours, theirs in (
        (after["position"], jaxmarl["next_position"]),
        (after["velocity"], jaxmarl["next_velocity"]),
        (observation, jaxmarl["observation"]),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    clear = (np.abs(distances(after["position"]) - CONTACT) > 1e-5).all(-1)
    assert clear.mean() > 0.99
    np.testing.assert_allclose(info["agent_reward"][clear] / 2, jaxmarl["reward"][clear], rtol=0, atol=1e-4)
    assert touching(jaxmarl["position"]) > 100
    assert info["collisions"].sum() > 20
