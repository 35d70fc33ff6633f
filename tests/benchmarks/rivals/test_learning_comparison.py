"""The comparison with BenchMARL: what its script is asked, how its answers are read, what users are told."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import pytest
from click.testing import CliRunner
from coordbench.benchmarks.rivals import learning_comparison, learning_sides
from coordbench.benchmarks.rivals.learning_comparison import main, verdict
from coordbench.benchmarks.rivals.learning_plan import Outcome, Plan, outcome
from coordbench.benchmarks.rivals.learning_sides import answer, request, rival_outcome, rival_versions

SHORT = Plan(steps=20, every=10, score_last=2, rival_batch=10, episodes=1)


def run_of(*returns, frames=20, **other):
    """An answer of the rival's script, two evaluations."""
    evaluations = [[10, [returns[0]]], [20, list(returns[1:])]]
    run = {"evaluations": evaluations, "random": [-30.0, -20.0], "frames": frames, "updates": 5}
    return run | {"seconds": 2.0, "processor_seconds": 1.5} | other


def made(returns=(1.0,), random_return=0.0, seconds=1.0, processor=1.0):
    """An outcome without a curve."""
    return Outcome("x", tuple(returns), random_return, seconds, processor, 1, ())


def printing(text, status=0):
    """A command that prints `text`."""
    code = f"import sys; print({text!r}); print('first\\nlast words', file=sys.stderr); sys.exit({status})"
    return [sys.executable, "-c", code]


def invoke(*arguments):
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_answers_become_an_outcome():
    """Returns are means of the last evaluations, times are summed, random play is pooled."""
    result = rival_outcome("BenchMARL", [run_of(-20, -10, -12), run_of(-16, -8, random=[-35.0])], SHORT)
    assert result.returns == pytest.approx((-15.5, -12))
    assert result.random_return == pytest.approx(-85 / 3)
    assert result.gains == pytest.approx((-15.5 + 85 / 3, -12 + 85 / 3))
    assert (result.seconds, result.processor_seconds, result.updates) == (4.0, 3.0, 5)
    assert result.curves[0] == ((10, -20.0), (20, -11.0))


def test_only_the_last_evaluations_count():
    result = outcome("ours", [[(5, [-99.0]), (10, [-4.0, -2.0]), (20, [-1.0])]], -5.0, (1, 1), 1, SHORT)
    assert result.returns == (-2.0,)
    assert result.gains == (3.0,)


def test_unfinished_runs_are_refused():
    with pytest.raises(ValueError, match="trained 10 steps, not 20"):
        rival_outcome("BenchMARL", [run_of(-20, -10, frames=10)], SHORT)
    with pytest.raises(ValueError, match="not evaluated 2 times up to step 20"):
        outcome("ours", [[(5, [-4.0]), (10, [-1.0])]], -5.0, (1, 1), 1, SHORT)
    with pytest.raises(ValueError, match="not evaluated 2 times"):
        outcome("ours", [[(20, [-1.0])]], -5.0, (1, 1), 1, SHORT)


def test_verdict_says_who_gains_more_and_in_what_time():
    mine, other = made((3.0, 5.0), 1.0, 30.0, 10.0), made((2.0,), -2.0, 60.0, 40.0)
    text = verdict(mine, other)
    assert "gain 3.00 against 4.00: less" in text
    assert "our 2 seeds take 0.50 of the wall time and 0.25 of the processor time of their 1" in text
    assert "gain 4.00 against 3.00: at least as much" in verdict(other, mine)


def test_equal_settings_are_those_of_our_preset():
    """BenchMARL gets our sizes and rates; with its defaults it gets sizes and steps only."""
    plan = Plan()
    equal, own = request("ma_sac", "equal", 4, plan), request("ma_sac", "defaults", 4, plan)
    assert (equal["algorithm"], equal["seed"], equal["activation"]) == ("masac", 4, "ReLU")
    assert equal["hidden"] == own["hidden"] == (64, 64)
    assert own["activation"] is None
    assert own["algorithm_settings"] == {}
    settings = equal["experiment"]
    assert (settings["lr"], settings["gamma"], settings["polyak_tau"]) == (1e-3, 0.95, 0.01)
    assert settings["off_policy_n_optimizer_steps"] == 0.25 * plan.rival_batch
    assert settings["max_n_frames"] == own["experiment"]["max_n_frames"] == plan.steps
    assert "lr" not in own["experiment"]
    json.dumps([equal, own])


def test_a_missing_interpreter_is_one_line():
    status, output = invoke("--rival", "/no/such/python")
    assert status == 2
    assert output.count("\n") == 1
    assert "cannot run '/no/such/python'" in output
    assert "rival_learning.py" in output


def test_an_interpreter_without_benchmarl_is_one_line():
    status, output = invoke("--rival", sys.executable)
    assert status == 2
    assert output.count("\n") == 1
    assert "lacks benchmarl, tensordict, torchrl" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--agents", "ma_sacc"), "unknown agent 'ma_sacc'; did you mean 'ma_sac'?"),
        (("--variants", "default"), "unknown variant 'default'; did you mean 'defaults'?"),
        (("--steps", "12345"), "steps must be a multiple of 5000, not 12345"),
        (("--seeds", "0"), "at least 1"),
    ],
)
def test_choices_that_make_no_sense(arguments, message):
    status, output = invoke("--rival", sys.executable, *arguments)
    assert status == 2
    assert message in output


def test_scripts_that_fail_are_one_line():
    assert answer(printing('{"a": 1}')) == {"a": 1}
    with pytest.raises(ValueError, match=r"failed under .*: last words"):
        answer(printing("", status=1))
    with pytest.raises(ValueError, match="printed no JSON object: 'hello"):
        answer(printing("hello"))
    with pytest.raises(ValueError, match="printed no JSON object"):
        answer(printing("[1]"))


def test_versions_are_complete(monkeypatch):
    monkeypatch.setattr(learning_sides, "answer", lambda _: {"torch": "2", "mpe2": None})
    with pytest.raises(ValueError, match="lacks mpe2"):
        rival_versions("python")


def test_both_sides_are_trained_and_written(monkeypatch, tmp_path):
    """Ours is trained for real on mpe2's environment, the other side is made up."""
    pytest.importorskip("mpe2")
    plan = Plan(
        steps=40,
        seeds=2,
        rival_seeds=1,
        every=20,
        episodes=1,
        score_last=1,
        random_episodes=2,
        rival_batch=20,
    )
    monkeypatch.setattr(learning_comparison, "rival_versions", lambda _: {"benchmarl": "0"})
    monkeypatch.setattr(learning_comparison, "theirs", lambda *_: made())
    out = tmp_path / "deep" / "comparison.json"
    report = learning_comparison.compare("python", plan, ["maddpg"], ["equal"], out)
    mine = report["outcomes"][0]
    assert [step for step, _ in mine.curves[1]] == [20, 40]
    assert len(mine.returns) == 2
    assert mine.random_return < 0 < mine.processor_seconds
    written = json.loads(out.read_text())
    assert written["outcomes"][0]["returns"] == list(mine.returns)
    assert written["plan"] == asdict(plan)
    assert written["versions"] == {"benchmarl": "0"}
