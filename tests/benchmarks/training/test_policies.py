"""Policies kept at the end of a run: watched, they act as they were evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.stored import stored_policy
from coordbench.analysis.records import read_run, read_runs
from coordbench.benchmarks.commands.watch import Request, play
from coordbench.benchmarks.suites.stack import folder_of
from coordbench.benchmarks.training.policies import load_policy
from coordbench.benchmarks.training.train import train
from fake_training import cells
from watching import TASK, refusal, watch


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of MADDPG, and of VM3-AC evaluated with shared latents, each pair trained as one stack."""
    results = tmp_path_factory.mktemp("results")
    for cell in cells():
        mode = "shared_seed" if cell.agent == "vm3ac" else "greedy"
        train(replace(cell, evaluation=replace(cell.evaluation, mode=mode)), (0, 1), results)
    return results


@pytest.mark.parametrize("agent", ["maddpg", "vm3ac"])
def test_a_trained_policy_acts_as_at_the_last_evaluation(agent: str, trained: Path) -> None:
    for run in (run for run in read_runs(trained) if run.agent_id == agent):
        films = play(Request(TASK, agent, trained, run.seed, episodes=2))
        assert [film.returns[-1] for film in films] == list(run.evaluations[-1].returns)
        assert [len(film.scenes) for film in films] == [n + 1 for n in run.evaluations[-1].episode_length]
        (first,) = play(Request(TASK, agent, run.path, run.seed))
        assert first.returns == films[0].returns, "fewer episodes, and the run's own folder, change nothing"
        assert not any(np.array_equal(a.members, films[1].scenes[5].members) for a in films[0].scenes)


def test_seeds_keep_their_own_policies_in_every_mode(trained: Path) -> None:
    first, second = (run for run in read_runs(trained) if run.agent_id == "vm3ac")
    for run in (first, second):
        assert (run.path / "policy.safetensors").stat().st_size < 50_000, "networks that act, no replay"
    team = envs.spec(TASK)
    observation = torch.linspace(-1, 1, team.observation_size).expand(1, 3, team.n_agents, -1)
    start = torch.ones(1, 3, dtype=torch.bool)
    for mode in agents.load("vm3ac").modes:
        actions = [
            load_policy(run).policy(mode, seed=1).act(observation, None, start)
            for run in (first, first, second)
        ]
        assert torch.equal(actions[0], actions[1]), mode
        assert not torch.equal(actions[0], actions[2]), mode
    assert not load_policy(first).warming_up  # type: ignore[attr-defined]


def test_a_restart_takes_the_old_policies_away(tmp_path: Path) -> None:
    (cell,) = cells(agent_names=["maddpg"])
    folder = folder_of(cell, 0, tmp_path)
    folder.path.mkdir(parents=True)
    folder.keep_policy(b"old")
    folder.keep_policy(b"old", best=True)
    (folder.path / "policy.pt").write_bytes(b"older")
    assert (folder.path / "policy.safetensors").read_bytes() == b"old"
    folder.clear()
    assert list(folder.path.iterdir()) == []


def test_agents_that_keep_nothing_write_nothing(tmp_path: Path) -> None:
    (cell,) = cells(agent_names=["random"])
    train(cell, (0,), tmp_path)
    (run,) = read_runs(tmp_path)
    assert run.status == "done"
    files = {path.name for path in run.path.iterdir()}
    assert not files & {"policy.safetensors", "best.safetensors", "absolute.json"}


def test_policies_that_do_not_fit_are_refused(trained: Path, tmp_path: Path) -> None:
    (cell,) = cells(agent_names=["maddpg"])
    train(replace(cell, steps=8), (0,), tmp_path)
    (run,) = read_runs(tmp_path)
    policy = run.path / "policy.safetensors"
    wider = agents.make("maddpg", envs.spec(TASK), (0,), settings={"hidden": (16, 16)})
    stored = stored_policy(wider, 0, "maddpg", 8)
    assert stored is not None
    stored = replace(stored, settings=run.meta["agent"]["settings"])
    for content, reason in (
        (b"", "is damaged"),
        (b"not a policy", "is damaged"),
        (stored.to_bytes(), "the stored actor is of another shape than MADDPG's here"),
        (replace(stored, outline={"parts": {}}).to_bytes(), "it is not what maddpg stores now"),
    ):
        policy.write_bytes(content)
        message = refusal(TASK, "--agent", "maddpg", "--results", tmp_path)
        assert str(policy) in message
        assert reason in message
        assert "train the run again" in message
    policy.write_bytes(replace(stored, agent="ma_ac").to_bytes())
    assert "holds a policy of ma_ac, not of maddpg" in refusal(
        TASK, "--agent", "maddpg", "--results", tmp_path
    )
    policy.rename(run.path / "policy.pt")
    message = refusal(TASK, "--agent", "maddpg", "--results", tmp_path)
    assert "its policy.pt is of an older version and not read any more; train it again" in message
    (run.path / "policy.pt").unlink()
    assert "holds no policy: maddpg keeps none" in refusal(TASK, "--agent", "maddpg", "--results", tmp_path)
    (run.path / "done.json").unlink()
    assert "the run is not done (running)" in refusal(TASK, "--agent", "maddpg", "--results", tmp_path)


def test_runs_that_are_not_there_or_not_one_are_refused(trained: Path, tmp_path: Path) -> None:
    def refused(*arguments: str | Path, results: Path = trained) -> str:
        return refusal(TASK, "--results", results, *arguments)

    assert "there is no results folder" in refused("--agent", "maddpg", results=tmp_path / "absent")
    assert "no run of ma_ac" in refused("--agent", "ma_ac")
    assert "with seed 7; it has the seeds 0, 1" in refused("--agent", "maddpg", "--seed", "7")
    for cell in cells(agent_names=["maddpg"]):
        for steps in (4, 8):
            train(replace(cell, steps=steps), (0,), tmp_path)
    message = refused("--agent", "maddpg", results=tmp_path)
    assert "2 runs fit; give --results one of" in message
    folders = sorted((tmp_path / "tiny" / TASK).iterdir())
    assert all(str(folder) in message for folder in folders)
    assert (
        watch(TASK, "--agent", "maddpg", "--results", folders[0], "--out", tmp_path / "a.png").exit_code == 0
    )


def test_one_run_is_read_alone(trained: Path) -> None:
    runs = read_runs(trained)
    assert [read_run(run.path) for run in runs] == runs
