"""`bench check-determinism`: it passes agents that keep to their own generators and finds others."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from coordbench import agents
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.commands import determinism
from coordbench.benchmarks.commands.determinism import Trace, Verdict, first_difference, tiny_cells
from coordbench.benchmarks.errors import SuiteError

GAME = "coordination_2-v1"


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_steady_agent_agrees_and_others_are_found() -> None:
    steady, unsteady, broken = "ma_sac", "unsteady_agent:Unsteady", "unsteady_agent:Broken"
    names = f"{unsteady},{broken},{steady}"
    result = bench("check-determinism", "--agents", names, "--tasks", GAME, "--steps", "120")
    output = result.output
    assert result.exit_code == 1, output
    assert f"[3/3] {steady} on {GAME}: agrees" in output
    assert f"{steady} on {GAME}, " not in output
    assert f"[1/3] {unsteady} on {GAME}: differs" in output
    assert f"{unsteady} on {GAME}, again: seed 0, evaluations.jsonl line 0002: training: loss" in output
    assert f"{broken} on {GAME}, alone: FloatingPointError: no such number" in output
    assert output.endswith("2 of 3 cells differ\n")


def test_agreement_is_exit_status_0(monkeypatch) -> None:
    def check(cells):
        for cell in cells:
            yield Verdict(cell, dict.fromkeys(determinism.WAYS, Trace({"a": 1}, "ab")))

    monkeypatch.setattr(determinism, "check", check)
    result = bench("check-determinism", "--agents", "random,maddpg", "--steps", "160")
    assert result.exit_code == 0, result.output
    assert "[1/4] random on cooperative_navigation_3-v1: agrees" in result.output
    assert all(way in result.output for way in determinism.WAYS)
    assert "4 cells: every way of training agrees bit for bit" in result.output


def test_every_agent_has_a_cell_on_the_tasks_it_can_play() -> None:
    cells = tiny_cells(agents.names(), determinism.TASKS, 240)
    assert {(c.agent, c.task) for c in cells} >= {
        *((name, task) for name in ("ma_ac", "vm3ac", "random") for task in determinism.TASKS),
        *((name, determinism.TASKS[0]) for name in ("maddpg", "si_moa", "maven_ac")),
    }
    for cell in cells:
        assert cell.steps == 240


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--agents", "vm3"), "did you mean 'vm3ac'"),
        (("--tasks", "nowhere-v1"), "nowhere-v1"),
        (("--steps", "3"), "--steps must be at least 16"),
    ],
)
def test_a_bad_choice_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = bench("check-determinism", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1


def test_a_run_too_short_to_be_stopped_says_so(tmp_path, monkeypatch) -> None:
    from coordbench.benchmarks.training import train as training

    monkeypatch.setattr(training, "train", lambda *_: "finished")
    with pytest.raises(RuntimeError, match="over before it could be stopped"):
        determinism.train_with_a_stop(tiny_cells(["random"], [GAME], 16)[0], (0,), tmp_path)


def test_differences_are_named() -> None:
    one = {"a": {"x": 1, "y": [1, 2]}, "b": 2}
    assert first_difference(one, one) == "nowhere"
    assert first_difference(one, {"a": {"x": 1, "y": [1, 3]}, "b": 2}) == "a: y: [1, 2] and [1, 3]"
    assert first_difference(one, {"a": {"x": 1, "y": [1, 2]}}) == "b: 2 and None"
    (cell,) = tiny_cells(["random"], [GAME], 16)
    traces = {"one": Trace(one, "ab"), "two": Trace(one, "ac"), "three": Trace({}, "", "broke")}
    verdict = Verdict(cell, traces)
    assert verdict.differing == {
        "two": "the weights differ, though no number in the records does",
        "three": "broke",
    }
    with pytest.raises(SuiteError, match="can play"):
        tiny_cells(["maddpg"], [], 16)
