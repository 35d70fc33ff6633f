"""`bench speed`: the plain loop computes the agents' own losses and gradients; the report is complete."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from coordbench import agents, envs
from coordbench.agents.memory.replay import Batch
from coordbench.agents.streams import Streams
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.speed import environments as speed_environments
from coordbench.benchmarks.speed import measure as speed
from coordbench.benchmarks.speed.chunks import alone, interleaved, plain_learner, random_batch
from coordbench.benchmarks.speed.plain_loop import PlainMADDPG, PlainVM3AC
from coordbench.benchmarks.speed.plan import BATTLE
from coordbench.benchmarks.speed.start_up import first_steps
from coordbench.benchmarks.speed.training import Stopwatch
from torch import nn

SEEDS = (3, 8)
SIZE = 16
TINY = speed.Plan(
    rounds=2,
    seconds=0.0,
    env_tasks=(speed_environments.NAVIGATION, "predator_prey_2-v1"),
    batch_sizes=(2,),
    update_tasks=("predator_prey_2-v1",),
    hidden=((4, 4),),
    seeds=2,
    batch_size=4,
    updates=1,
    stacks=(2,),
    training_steps=40,
    overhead_steps=200,
    start_tasks=(speed_environments.NAVIGATION,),
    battle_tasks=(BATTLE,),
    battle_copies=(2,),
    starts=1,
    team_sizes=(2, 3),
    scaling_agents={"ma_sac": 3, "vm3ac": 2},
    scaling_rounds=1,
    recurrent_agents=("qmix",),
    recurrent_rounds=70,
    recurrent_steps=2,
    recurrent_chunks=1,
)


@pytest.fixture(autouse=True)
def exact_products():
    """Full single precision, whatever another test has set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def stacked(name, task="cooperative_navigation_3-v1", **settings) -> tuple[Any, Batch]:
    """An agent of two seeds whose targets differ from their sources, and a batch."""
    settings = {"hidden": (8, 8), "batch_size": SIZE, "buffer_size": SIZE} | settings
    agent: Any = agents.make(name, envs.spec(task), SEEDS, settings=settings)
    for target, network in agent.networks().items():
        if target.startswith("target"):
            network.flat.mul_(0.7)
    return agent, random_batch(agent.team, len(SEEDS), SIZE)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vm3ac", {"beta": 0.6, "q_variance": 0.5, "latent_size": 3}),
        ("vm3ac", {"mean_penalty": 0.1, "log_std_min": -0.05}),
        ("ma_sac", {"beta": 0.4}),
    ],
)
def test_plain_loop_has_the_losses_and_gradients_of_the_stack(name, settings):
    """Same weights, batch, noise and z, both seeds."""
    agent, batch = stacked(name, **settings)
    n, act = agent.team.n_agents, agent.team.action_size
    learners: list[Any] = [plain_learner(agent, row) for row in range(len(SEEDS))]
    streams = Streams(SEEDS)  # draws what the agent is about to draw
    noise = streams.normal("policy", n, act, SIZE).transpose(-1, -2)
    latent = streams.normal("latent", SIZE, learners[0].latent_size)
    expected = agent.losses(batch, agent.draw_actions(batch))
    torch.cat([loss.flatten() for loss in expected.values()]).sum().backward()
    if name == "vm3ac":  # the agent's own actor_loss leaves out beta / N log q, though not its gradient
        log_q = -expected["prediction_loss"] / (2 * agent.config.q_variance)
        expected["actor_loss"] = expected["actor_loss"] - agent.config.beta / n * log_q.unflatten(
            1, (n, -1)
        ).sum(2)
    for row, learner in enumerate(learners):
        assert isinstance(learner, PlainVM3AC)
        found = learner.losses(alone(batch, row), noise[row], latent[row])
        assert set(found) == set(expected)
        for key, values in found.items():
            torch.testing.assert_close(torch.stack(values), expected[key][row], rtol=1e-5, atol=1e-6)
        torch.stack([loss for values in found.values() for loss in values]).sum().backward()
        check_gradients(agent, learner, row)


def check_gradients(agent, learner, row):
    """Every trained parameter of every network."""
    compared = 0
    for name, network in agent.networks().items():
        if name.startswith("target"):
            continue
        modules = [
            getattr(learner, f"{name}{k + 1}" if network.twins > 1 else name) for k in range(network.twins)
        ]
        for twin, members in enumerate(modules):
            for member, plain in enumerate(members):
                linears = [layer for layer in plain if isinstance(layer, nn.Linear)]
                for layer, linear in enumerate(linears):
                    for k, parameter in enumerate((linear.weight, linear.bias)):
                        gradient = network.gradients[2 * layer + k][twin, row, member]
                        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
                        compared += 1
    assert compared == sum(1 for p in learner.parameters() if p.requires_grad)


def test_plain_maddpg_has_the_losses_of_the_stack():
    """The second step also sees what the first did to all networks and targets."""
    agent, batch = stacked("maddpg", learning_rate=1e-2, target_rate=0.5, last_layer_bound=0.5)
    learners = [plain_learner(agent, row) for row in range(len(SEEDS))]
    for _ in range(2):
        expected = agent.learn(batch)
        for row, learner in enumerate(learners):
            assert isinstance(learner, PlainMADDPG)
            found = learner.learn(alone(batch, row))
            for key, values in found.items():
                torch.testing.assert_close(
                    torch.stack(values).mean(), expected[key][row], rtol=1e-3, atol=1e-4
                )


def test_plain_vm3ac_learns():
    """Its own step lowers the losses of the critics and moves targets, policies and predictors."""
    agent, batch = stacked("vm3ac", learning_rate=1e-2)
    learner, own = plain_learner(agent, 0), alone(batch, 0)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    losses = [torch.stack(learner.learn(own)["critic_loss"]).sum().item() for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    assert all(not value.equal(before[name]) for name, value in learner.state_dict().items())


def test_only_some_agents_have_a_plain_form():
    with pytest.raises(ValueError, match="no plain loop of MAAC"):
        plain_learner(stacked("ma_ac")[0], 0)


def test_interleaved_takes_turns_and_drops_the_first_round():
    calls = []

    def chunk(name, values):
        def call():
            calls.append(name)
            return next(values)

        return call

    found = interleaved({"a": chunk("a", iter([99, 1, 2, 9])), "b": chunk("b", iter([0, 4, 4, 4]))}, rounds=3)
    assert calls == ["a", "b"] * 4
    assert found["a"] == {"median": 2, "low": 1.5, "high": 5.5}
    assert found["b"]["median"] == 4


def test_report_is_complete(tmp_path, capsys):
    """Everything, tiny: table, JSON, ratios that are those of the medians."""
    out = tmp_path / "new" / "speed.json"
    report = speed.run(out, TINY)
    assert json.loads(out.read_text()) == json.loads(json.dumps(report))
    assert {"cpu", "version_torch", "threads", "malloc", "version_mpe2"} <= set(report["machine"])
    rows = {row["task"]: row for row in report["environments"]}
    assert set(rows) == {*TINY.env_tasks, "mpe2 simple_spread"}
    mpe2 = rows["mpe2 simple_spread"]["steps_per_second"]["median"]
    ours = rows[speed_environments.NAVIGATION]
    assert ours["ratio_to_mpe2 simple_spread"] == pytest.approx(ours["steps_per_second"]["median"] / mpe2)
    # position, velocity, landmarks (3, 2) and force-free bookkeeping: elapsed, finished, generator, 3 metrics
    assert ours["state_bytes_per_copy"] == 3 * 3 * 2 * 8 + 8 + 1 + 8 + 3 * 8
    assert not [key for key in rows["predator_prey_2-v1"] if key.startswith("ratio")]
    assert [row["agent"] for row in report["updates"]] == ["vm3ac", "ma_sac", "maddpg"]
    for row in report["updates"]:
        rates = row["seed_updates_per_second"]
        assert row["ratio_to_faster_plain"] == min(row["ratio_to_plain"], row["ratio_to_plain_same_settings"])
        assert row["ratio_to_plain"] == pytest.approx(rates["stacked"]["median"] / rates["plain"]["median"])
    (run,) = report["training"]
    assert set(run["shares"]) == set(Stopwatch.PHASES)
    assert sum(run["shares"].values()) == pytest.approx(1)
    assert min(run["shares"].values()) > 0
    added = report["overhead"]["shares"]
    assert set(added) == {"checkpoints", "records", "leases", "progress"}
    assert min(added["records"], added["leases"], added["progress"]) > 0, "each was called and timed"
    sizes = [(row["agent"], row["n_agents"]) for row in report["scaling"]]
    assert sizes == [("ma_sac", 2), ("ma_sac", 3), ("vm3ac", 2)]
    plain, shared = (report["scaling"][1]["forms"][form]["parameters"] for form in ("plain", "shared"))
    assert shared < plain / 2
    (start,) = report["startup"]["first_step"]
    assert start["task"] == speed_environments.NAVIGATION
    assert start["compiling_seconds"] > start["cached_seconds"] > 0, "seconds against milliseconds"
    assert min(report["startup"]["list_tasks_seconds"], start["import_seconds"]) > 0
    printed = capsys.readouterr().out
    assert "update" in printed
    assert f" {ours['state_bytes_per_copy']:.0f} " in printed
    assert (
        torch.get_float32_matmul_precision() == "highest" or report["machine"]["matmul_precision"] == "medium"
    )


def test_missing_mpe2_is_said(monkeypatch, capsys):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(speed_environments, "version", nothing)
    report = speed.run(None, TINY, ["environments"])
    assert "mpe2 is not installed" in capsys.readouterr().out
    assert {row["task"] for row in report["environments"]} == set(TINY.env_tasks)
    assert "updates" not in report


def test_command_refuses_bad_input_before_it_measures(tmp_path):
    (tmp_path / "file").write_text("")
    for arguments in (["updates", "startp"], ["--out", str(tmp_path / "file" / "speed.json")]):
        result = CliRunner().invoke(main, ["speed", *arguments])
        assert result.exit_code == 2
        assert len(result.output.strip().splitlines()) == 1
        assert "medians of" not in result.output


def test_command_measures_what_it_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "QUICK", TINY)
    result = CliRunner().invoke(
        main, ["speed", "envs", "updates", "--quick", "--out", str(tmp_path / "s.json")]
    )
    assert result.exit_code == 0, result.output
    assert set(json.loads((tmp_path / "s.json").read_text())) == {
        "machine",
        "plan",
        "environments",
        "updates",
    }


def test_parts_have_names_and_a_short_one():
    assert speed.chosen(()) == speed.PARTS
    assert speed.chosen(("startup", "envs")) == ("startup", "environments")
    with pytest.raises(ValueError, match="unknown part of the speed report 'startp'; did you mean 'startup'"):
        speed.chosen(("startp",))


def test_a_start_that_fails_is_said():
    with pytest.raises(ValueError, match=r"gave up: .*unknown task 'nothing'"):
        first_steps("nothing", starts=1)


def test_other_interpreters_are_asked_and_left_behind(tmp_path):
    """A stand-in for an interpreter with VMAS; a real one needs an environment of its own."""
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n[ $# -lt 2 ] && { echo vmas==9.9; echo smaclite==1; exit; }\n"
        "echo ready; while read x; do echo 50.0; done\n"
    )
    python.chmod(0o755)
    report = speed.run(None, TINY, ["environments", "battles"], [str(python)])
    rows = {(row["task"], row["num_envs"]): row for row in report["environments"]}
    assert rows["vmas==9.9", 2]["steps_per_second"]["median"] == 50
    ours = rows[speed_environments.NAVIGATION, 2]
    assert ours["ratio_to_vmas==9.9"] == pytest.approx(ours["steps_per_second"]["median"] / 50)
    (battle,) = report["battles"]
    assert battle["num_envs"] == 2
    assert "jaxmarl" not in str(battle)
    assert battle["smaclite==1"]["ratio"] == pytest.approx(battle["steps_per_second"]["median"] / 50)
    with pytest.raises(ValueError, match="cannot run 'no-such-python'"):
        speed.run(None, TINY, ["environments"], ["no-such-python"])
