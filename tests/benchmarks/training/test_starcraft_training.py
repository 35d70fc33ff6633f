"""Training on SMAC, with stand-ins for the package and the game: records, checkpoints, crashes."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smac_stub
import torch
from click.testing import CliRunner
from coordbench import agents, envs
from coordbench.agents import Transition
from coordbench.analysis.schema import ABSOLUTE_FILE
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.suites.cell import Evaluation
from coordbench.benchmarks.suites.stack import cell_folder
from coordbench.benchmarks.training.checkpoint import CheckpointError, find_checkpoints
from coordbench.benchmarks.training.stopping import request_stop
from coordbench.benchmarks.training.train import Training, train
from coordbench.envs.starcraft.battle import SMAC
from resuming import SEEDS, tiny_cell

TASK = "smac_3m-v1"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> smac_stub.World:
    return smac_stub.install(monkeypatch)


def lines(results: Path, name: str) -> list[Any]:
    """A file of each run, line by line."""
    return [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(results.rglob(f"seed_*/{name}"))
    ]


def watched(monkeypatch: pytest.MonkeyPatch, stop_at: int) -> list[Transition]:
    """What the agent sees of a training that is asked to stop after so many steps of its loop."""
    seen: list[Transition] = []
    advance = Training.advance

    def advance_and_watch(self: Training) -> None:
        observe = self.agent.observe
        if "observe" not in vars(self.agent):
            self.agent.observe = lambda transition: (seen.append(transition), observe(transition))[1]
        advance(self)
        if len(seen) == stop_at:
            request_stop()

    monkeypatch.setattr(Training, "advance", advance_and_watch)
    return seen


def test_a_training_runs_to_its_end_and_records_the_version_of_the_game(world, tmp_path):
    assert train(tiny_cell("qmix", TASK, steps=240, every=120), SEEDS, tmp_path) == "finished"
    for run in tmp_path.rglob("run.json"):
        content = json.loads(run.read_text())
        assert content["provenance"]["game_version"] == "75689 (4.10.0)"
        assert content["provenance"]["version_smac"] == "unknown"
        assert content["task"]["id"] == TASK
        assert content["task"]["win_metric"] == "battle_won"
    last = lines(tmp_path, "evaluations.jsonl")[0][-1]
    assert set(last["metrics"]) == {"battle_won", "dead_allies", "dead_enemies", "game_restarts"}
    assert last["updates"] > 0
    assert world.n_running == 0


def test_the_best_weights_are_played_with_few_games_at_once(world, tmp_path):
    cell = replace(tiny_cell("qmix", TASK), evaluation=Evaluation(every=60, episodes=2, score_last=1))
    assert train(cell, (0,), tmp_path) == "finished"
    (absolute,) = tmp_path.rglob(ABSOLUTE_FILE)
    content = json.loads(absolute.read_text())
    assert len(content["return"]) == 20, content.keys()
    assert SMAC.most_copies == 8 < 20
    assert world.most_running == cell.num_envs + 2 + 8


@pytest.mark.parametrize("agent", ["qmix", "vdac"])
def test_a_stopped_training_goes_on_between_episodes(world, tmp_path, monkeypatch, agent):
    monkeypatch.setattr(smac_stub, "SHOT", 1)
    cell = tiny_cell(agent, TASK, steps=240, every=120)
    seen = watched(monkeypatch, stop_at=2)
    assert train(cell, SEEDS, tmp_path) == "stopped"
    assert len(seen) == 3, "one step more"
    assert [bool(one.truncated.all()) for one in seen] == [False, False, True]
    assert not any(one.terminated.any() for one in seen)
    before = len(world.processes)
    assert train(cell, SEEDS, tmp_path) == "finished"
    assert len(world.processes) > before
    fresh = torch.as_tensor(envs.make(TASK, seed=0).reset()[0])[0]
    assert torch.equal(seen[3].observation[0, 0], fresh), "a new battle"
    assert len(seen) == cell.steps // cell.num_envs
    assert [line["step"] for line in lines(tmp_path, "evaluations.jsonl")[0]] == [0, 120, 240]


def test_a_checkpoint_of_another_game_is_refused(world, tmp_path, monkeypatch):
    cell = tiny_cell("qmix", TASK)
    watched(monkeypatch, stop_at=2)
    assert train(cell, SEEDS, tmp_path) == "stopped"
    world.versions = {"4.6.2": 69232}
    with pytest.raises(CheckpointError, match=r"written with .*75689.*, and here is .*69232.*; remove"):
        train(cell, SEEDS, tmp_path)
    assert find_checkpoints(cell_folder(cell, tmp_path))


def test_a_stop_before_the_last_step_is_no_step_too_many(world, tmp_path, monkeypatch):
    cell = tiny_cell("qmix", TASK, steps=40, every=40)
    seen = watched(monkeypatch, stop_at=9)
    assert train(cell, SEEDS, tmp_path) == "stopped"
    assert train(cell, SEEDS, tmp_path) == "finished"
    assert len(seen) == cell.steps // cell.num_envs == 10


def test_a_game_that_breaks_off_is_in_the_records(world, tmp_path):
    world.break_steps = {700}
    cell = replace(tiny_cell("qmix", TASK, steps=240, every=40), task_settings={"reward": "modified"})
    with pytest.warns(RuntimeWarning, match="StarCraft II broke off in step"):
        assert train(cell, SEEDS, tmp_path) == "finished"
    counted = [
        count
        for run in lines(tmp_path, "evaluations.jsonl")
        for line in run
        for count in line["metrics"]["game_restarts"]
    ]
    assert set(counted) <= {0, 1}


def test_qmix_learns_to_fight(world, monkeypatch):
    """Three members that shoot at one enemy at a time win; who stands still loses."""
    monkeypatch.setattr(smac_stub, "SHOT", 9)
    env = envs.make(TASK, num_envs=8, reward="dense")
    settings = {"hidden": 16, "batch_size": 16, "epsilon_steps": 1_000, "updates_per_step": 0.125}
    agent = agents.make(
        "qmix",
        env.team,
        (0,),
        "cpu",
        settings={**agents.load("qmix").config_class.PRESETS["small"], **settings},
    )

    def rate(mode: str, steps: int) -> float:
        policy, won, fought = agent.policy(mode), 0.0, 0
        observation, info = env.reset(seed=0)
        starting = np.ones(8, bool)

        def shown(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array)[None]

        for _ in range(steps):
            now, state, mask = shown(observation), shown(info["state"]), shown(info["action_mask"])
            actions = policy.act(now, mask, shown(starting))
            observation, _, terminated, truncated, info = env.step(actions[0].numpy())
            if mode == "explore":
                agent.observe(
                    Transition(
                        now,
                        actions,
                        shown(info["agent_reward"]).float(),
                        shown(terminated),
                        shown(truncated),
                        shown(observation),
                        state,
                        shown(info["state"]),
                        mask,
                        shown(info["action_mask"]),
                    )
                )
                agent.update()
            starting = terminated | truncated
            won += info["battle_won"][starting].sum()
            fought += int(starting.sum())
            if starting.any():
                observation, info = env.reset(options={"reset_mask": starting})
        return won / fought

    before = rate("greedy", 30)
    rate("explore", 250)
    after = rate("greedy", 30)
    assert after >= 0.8 > before + 0.3, (before, after)


def test_the_documented_suite_can_be_planned(world, tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "starcraft.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    (tmp_path / "smac.toml").write_text(block)
    arguments = ["run", "--suite", str(tmp_path / "smac.toml"), "--results", str(tmp_path / "results")]
    for further in ([], ["--budget", "smoke", "--stack", "1", "--workers", "1"]):
        done = CliRunner().invoke(main, [*arguments, *further, "--dry-run"])
        assert done.exit_code == 0, done.output
        assert "63 runs" in done.output
    assert not world.processes


def test_the_command_line_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "smac", None)
    suite = tmp_path / "mine.toml"
    suite.write_text(
        f'name = "mine"\nversion = 1\nseeds = "0"\nagents = ["qmix"]\ntasks = [{{ id = "{TASK}" }}]\n'
        'num_envs = 1\ndefault_budget = "one"\n'
        "[budgets.one]\nsteps = 10\nevaluation = { every = 5, episodes = 1, score_last = 1 }\n"
    )
    for command in (["check-env", TASK], ["run", "--suite", str(suite), "--results", str(tmp_path)]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 2
        (line,) = done.output.strip().splitlines()
        assert line.startswith(
            "bench: SMAC is not installed: pip install git+https://github.com/oxwhirl/smac.git"
        )
