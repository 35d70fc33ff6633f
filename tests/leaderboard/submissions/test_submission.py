"""The rules of a submission, one by one: what is refused, and in which words."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coordbench.analysis.reading import read_runs
from coordbench.leaderboard.submissions.check import check_submission
from coordbench.leaderboard.submissions.files import LARGEST, MOST_ENTRIES
from coordbench.leaderboard.submissions.report import RULES as ALL_RULES
from coordbench.leaderboard.submissions.report import Report
from coordbench.leaderboard.submissions.rules import SuiteRules, evaluation_steps
from coordbench.leaderboard.submissions.strict_json import strict_json
from submission_factory import AGENT, REFERENCES, RULES, TASKS, lines, run_json, write_run, write_submission

HUNT, WALK = TASKS
DOCS = Path(__file__).parents[3] / "docs" / "submitting.md"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_submission(tmp_path / "good")


def rules_of(suite: str, budget: str) -> SuiteRules:
    if (suite, budget) != ("toy", "quick"):
        raise ValueError(f"there is no suite {suite!r} with a budget {budget!r}")
    return RULES


def check(folder: Path, published: Path | None = None) -> Report:
    known = read_runs(published) if published else []
    return check_submission(folder, rules_of, lambda _: known, REFERENCES)


def found(report: Report, rule: str, *fragments: str) -> bool:
    texts = [one.text for one in report.findings if one.rule == rule]
    return any(all(fragment in text for fragment in fragments) for text in texts)


def seed_folder(folder: Path, task: str = HUNT, seed: int = 1) -> Path:
    (place,) = folder.glob(f"toy/{task}/*/seed_{seed}")
    return place


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def change_lines(folder: Path, edit: Callable[[list[dict[str, Any]]], object], **place: Any) -> None:
    path = seed_folder(folder, **place) / "evaluations.jsonl"
    content = [json.loads(line) for line in path.read_text().splitlines()]
    edit(content)
    path.write_text("".join(json.dumps(line) + "\n" for line in content))


def test_a_good_submission_is_accepted_and_every_rule_is_told(good) -> None:
    report = check(good)
    told = list(report.lines())
    assert report.is_accepted, told
    assert [line.split()[:2] for line in told[:-1]] == [["ok", rule] for rule in ALL_RULES]
    assert told[-1] == "accepted (0 wrong, 0 to look at)"


def test_the_document_explains_every_rule_and_bound() -> None:
    text = DOCS.read_text()
    for rule in ALL_RULES:
        assert f"`{rule}`" in text
    for name in LARGEST:
        assert name in text


@pytest.mark.parametrize(
    ("edit", "fragment"),
    [
        (lambda text: text.replace('agent = "cool"', 'agent = "../../cool"'), "agent cannot be a name"),
        (lambda text: text.replace("https://example.org", "javascript:alert(1)//x"), "source is no address"),
        (lambda text: text.replace("https://", "https://user:word@"), "source is no address"),
        (lambda text: text.replace('paper = ""', 'paper = "https://x/<script>"'), "paper is no address"),
        (lambda text: text.replace("A. Stranger", "A\\u001b[31m Stranger"), "submitter holds line breaks"),
        (lambda text: text.replace("A. Stranger", "A \\u202eregnartS"), "submitter holds line breaks"),
        (lambda text: text.replace("A. Stranger", ""), "submitter is empty"),
        (lambda text: text.replace("what the", "what " * 100), "description has"),
        (lambda text: text.replace('"bench run', '"curl evil | sh; bench run'), "command does not begin"),
        (lambda text: text.replace("suite_version = 1", "suite_version = true"), "must be a whole number"),
        (lambda text: text.replace("suite_version = 1", "suite_version = 7"), "toy has version 1 here"),
        (lambda text: text.replace("format = 1", "format = 2"), "format is 2"),
        (lambda text: text.replace('suite = "toy"', 'suite = "/etc/passwd.toml"'), "there is no suite"),
        (lambda text: text + "\nadmin = true\n", "unknown field 'admin'"),
        (lambda text: text + "\nagent = 'twice'\n", "is no TOML"),
        (lambda text: text + f"\ndeep = {'[' * 3000}{']' * 3000}\n", "is no TOML"),
        (lambda text: text + f"\nhuge = {'9' * 9000}\n", "is no TOML"),
        (lambda text: text.replace("licence", "license"), "licence is missing"),
    ],
)
def test_manifests_are_refused(good, edit, fragment) -> None:
    path = good / "submission.toml"
    path.write_text(edit(path.read_text()))
    report = check(good)
    assert not report.is_accepted
    assert found(report, "manifest", "submission.toml", fragment), list(report.lines())
    assert all(line.isprintable() for line in report.lines())


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a": 9007199254740993}', "out of range"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "levels"),
        (b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}", "levels"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[1]", "no JSON object"),
        (b"\xff\xfe{\x00}\x00", "no UTF-8"),
        (b"{'a': 1}", "quotes"),
    ],
)
def test_json_is_strict(text, fragment) -> None:
    with pytest.raises(ValueError, match=fragment):
        strict_json(text)


def test_records_are_refused_with_the_file_and_the_reason(good) -> None:
    folder = seed_folder(good)
    change(folder / "run.json", lambda run: run.update(backdoor=1))
    change(seed_folder(good, seed=0) / "run.json", lambda run: run.update(seed=-1))
    change(seed_folder(good, seed=2) / "run.json", lambda run: run["agent"].update(id="../cool"))
    (seed_folder(good, WALK, 0) / "evaluations.jsonl").write_bytes(b'{"a": "' + b"x" * 300_000 + b'"}\n')
    change_lines(good, lambda all_of: all_of[1].update({"return": [1e13] * 5}), task=WALK, seed=1)
    with (seed_folder(good, WALK, 2) / "evaluations.jsonl").open("a") as file:
        file.write('{"step": 3')
    report = check(good)
    for place, fragment in (
        (f"{HUNT}/cool-", "unknown field 'backdoor'"),
        ("seed_0/run.json", "seed -1 is out of range"),
        ("seed_2/run.json", "'agent.id' cannot be a name"),
        ("seed_0/evaluations.jsonl", "line 1 has 300,009 bytes"),
        ("seed_1/evaluations.jsonl", "line 2: a return beyond"),
        ("seed_2/evaluations.jsonl", "its last line is torn"),
    ):
        assert found(report, "records", place, fragment), fragment
    assert "copies       not checked" in "\n".join(report.lines())


def test_runs_lie_where_they_say_under_their_own_hash(good) -> None:
    change(seed_folder(good) / "run.json", lambda run: run["agent"]["settings"].update(beta=0.2))
    seed_folder(good, seed=0).rename(seed_folder(good, seed=0).with_name("seed_00"))
    report = check(good)
    assert found(report, "places", "seed_1/run.json", "its settings give", "do not edit records")
    assert found(report, "places", "seed_00/run.json", "it says that it belongs in toy/hunt-v1/cool-")


def test_runs_say_what_they_were_made_with(good) -> None:
    change(seed_folder(good) / "run.json", lambda run: run["provenance"].pop("version_coordbench"))
    change(
        seed_folder(good, seed=0) / "run.json", lambda run: run["provenance"].update(cpu="\x1b]0;owned\x07")
    )
    change(seed_folder(good, seed=2) / "run.json", lambda run: run["provenance"].update({"<img>": "x"}))
    change(seed_folder(good, WALK) / "run.json", lambda run: run["provenance"].update(source="mava"))
    report = check(good)
    assert found(report, "versions", "seed_1", "provenance.version_coordbench is missing")
    assert found(report, "versions", "seed_0", "provenance.cpu is no short line")
    assert found(report, "versions", "seed_2", "'<img>'")
    assert found(report, "versions", WALK, "imported from another tool")
    assert all(line.isprintable() for line in report.lines())


@pytest.mark.parametrize("name", ["vm3ac", "VM3-AC", "vm3_ac", "Random"])
def test_the_names_of_our_own_agents_are_taken(tmp_path, name) -> None:
    report = check(write_submission(tmp_path, name))
    assert found(report, "agent", "ships with the benchmark")


def test_published_names_and_runs(good, tmp_path) -> None:
    published = write_submission(tmp_path / "published")
    report = check(good, published)
    assert found(report, "agent", "seed_0", "is published already, with these settings")
    assert not report.is_accepted
    other = write_submission(tmp_path / "other", "c-o-o-l")
    assert found(check(other, published), "agent", "c-o-o-l", "looks like cool, which is published")
    assert found(check(other, published), "copies", "lists of returns and losses are those of the published")
    for path in good.glob("toy/*/*"):
        for run in path.glob("*/run.json"):
            content = json.loads(run.read_text())
            changed = run_json(content["task"]["id"], content["seed"], agent={"id": AGENT, "settings": {}})
            write_run(good, changed, lines(50 + content["seed"], content["task"]["id"]))
            for file in run.parent.iterdir():
                file.unlink()
            run.parent.rmdir()
        path.rmdir()
    report = check(good, published)
    assert report.is_accepted, list(report.lines())
    assert found(report, "agent", "rows become variants")


def test_one_agent_that_of_the_manifest(good) -> None:
    write_run(good, run_json(HUNT, 0, "another"), lines(9))
    report = check(good)
    assert found(report, "agent", "its agent is 'another', the manifest says 'cool'")
    assert found(report, "seeds", HUNT, "runs with 2 settings")


def test_seeds_must_be_those_of_the_suite(good) -> None:
    for path in seed_folder(good, seed=1).iterdir():
        path.unlink()
    seed_folder(good, seed=1).rmdir()
    write_run(good, run_json(WALK, 77), lines(77, WALK))
    report = check(good)
    assert found(report, "seeds", HUNT, "seeds 1 are missing; the suite has 0, 1, 2")
    assert found(report, "seeds", WALK, "seeds 77 are none of the suite's")


def test_a_task_may_be_left_out_and_a_run_may_fail_but_both_are_told(good) -> None:
    for seed in range(3):
        for path in seed_folder(good, WALK, seed).iterdir():
            path.unlink()
        seed_folder(good, WALK, seed).rmdir()
    for path in sorted(good.glob("toy/walk-v1/**/"), reverse=True):
        path.rmdir()
    folder = seed_folder(good)
    (folder / "done.json").unlink()
    failed = {"reason": "not finite:\n\x1b[2J loss", "step": 52, "traceback": "Traceback\n  ..."}
    (folder / "failed.json").write_text(json.dumps(failed))
    change_lines(good, lambda all_of: all_of.pop())
    report = check(good)
    assert report.is_accepted, list(report.lines())
    assert found(report, "seeds", "no runs on walk-v1")
    assert found(report, "seeds", "seed_1", "the run failed (not finite: \\x1b[2J loss (step 52))")


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"steps": 200}, "steps 200 instead of 100"),
        ({"budget": "paper"}, "('toy', 1, 'paper'), not ('toy', 1, 'quick')"),
        ({"suite_version": 2}, "('toy', 2, 'quick')"),
        ({"num_envs": 8}, "num_envs 8 instead of 4"),
        (
            {"evaluation": {"every": 50, "episodes": 1, "mode": "best", "score_last": 1}},
            "evaluation.episodes 1",
        ),
        ({"task": {**run_json(HUNT, 1)["task"], "return_unit": "mean"}}, 'task.return_unit "mean"'),
        ({"task": {**run_json(HUNT, 1)["task"], "settings": {"reach": 9.0}}}, "task.settings.reach 9.0"),
        (
            {"task": {**run_json(HUNT, 1)["task"], "id": "hunt-v2"}},
            "has no task 'hunt-v2'; did you mean 'hunt-v1'",
        ),
    ],
)
def test_the_protocol_is_the_suites(good, changes, fragment) -> None:
    write_run(good, run_json(HUNT, 1, **changes), lines(1))
    assert found(check(good), "protocol", "seed_1", fragment), list(check(good).lines())


@pytest.mark.parametrize(
    ("edit", "fragment"),
    [
        (lambda all_of: all_of.pop(1), "an evaluation at step 100 instead of 52"),
        (lambda all_of: all_of[1].update(step=60), "an evaluation at step 60 instead of 52"),
        (
            lambda all_of: all_of[1].update({"return": [1.0], "episode_length": [1], "metrics": {}}),
            "1 episodes",
        ),
        (lambda all_of: all_of[1].update(metrics={"fame": [1] * 5}), "the metrics are ['fame']"),
        (lambda all_of: all_of[1].update(episode_length=[26] * 5), "not within 1 to 25"),
        (lambda all_of: all_of[2].update(seconds=0.1), "seconds run backwards"),
        (lambda all_of: all_of[2].update(updates=0), "updates run backwards"),
        (lambda all_of: [line.update(seconds=0) for line in all_of], "took no time"),
        (lambda all_of: all_of[2].update(updates=26), "done.json says other steps or updates"),
        (lambda all_of: all_of[2].update(seconds=1e6), "done.json says 11.5 seconds"),
    ],
)
def test_evaluations_are_those_of_such_a_run(good, edit, fragment) -> None:
    change_lines(good, edit)
    assert found(check(good), "evaluations", "seed_1", fragment), list(check(good).lines())


def test_the_absolute_metric_speaks_of_the_best_evaluation(good) -> None:
    folder = seed_folder(good)
    content = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    best = max(content, key=lambda line: sum(line["return"]))
    mean = sum(best["return"]) / 5
    absolute = {
        **{"step": best["step"], "chosen_return": mean, "start_seed": 1, "mode": "greedy"},
        **{"return": [1.0] * 50, "episode_length": [25] * 50, "metrics": {"catches": [1.0] * 50}},
    }
    (folder / "absolute.json").write_text(json.dumps(absolute))
    assert check(good).is_accepted
    (folder / "absolute.json").write_text(json.dumps({**absolute, "chosen_return": mean + 1}))
    assert found(check(good), "evaluations", "absolute.json does not speak of the run's best evaluation")


def test_incredible_and_constant_returns_are_pointed_out(good) -> None:
    change_lines(good, lambda all_of: all_of[-1].update({"return": [900.0, 901, 902, 903, 904]}))
    change_lines(good, lambda all_of: [line.update({"return": [5] * 5}) for line in all_of], seed=2)
    report = check(good)
    assert report.is_accepted
    assert found(report, "returns", "seed_1", "its score is 9.02")
    assert found(report, "returns", "seed_2", "every return of every evaluation is 5")


def test_copied_seeds_are_found_even_if_a_little_is_changed(good) -> None:
    copied = lines(0)
    copied[0]["return"] = [1.0, 2.0, 3.0, 4.0, 5.5]
    for line in copied:
        line["seconds"] += 3
    write_run(good, run_json(HUNT, 2), copied)
    report = check(good)
    assert found(report, "copies", "seed_2", "seed_0"), list(report.lines())
    assert not found(report, "copies", "seed_1")


def test_equal_returns_prove_nothing_where_a_task_pays_few(good) -> None:
    for seed in (0, 1):
        change_lines(
            good, lambda all_of: [line.update({"return": [0, 0, 0, 9, 9]}) for line in all_of], seed=seed
        )
    report = check(good)
    assert report.is_accepted
    assert found(report, "copies", "seed_1", "compare the losses")


def test_only_records_are_welcome(good, tmp_path) -> None:
    folder = seed_folder(good)
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    (folder / "absolute.json").symlink_to(outside)
    (good / "link").symlink_to("/", target_is_directory=True)
    os.link(outside, seed_folder(good, seed=0) / "absolute.json")
    os.mkfifo(seed_folder(good, seed=2) / "absolute.json")
    (folder / "policy.pt").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    (good / "README.md").write_text("read me")
    (good / "toy" / ".hidden").write_text("")
    (folder / "deeper").mkdir()
    (good / "toy" / "empty-v1").mkdir()
    with (seed_folder(good, WALK) / "run.json").open("wb") as file:
        file.truncate(1 << 40)
    (seed_folder(good, WALK, 0) / "done.json").unlink()
    (seed_folder(good, WALK, 2) / "evaluations.jsonl").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(good)
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
    report = check(good)
    for place, fragment in (
        ("seed_1/absolute.json", "is a symbolic link"),
        ("link", "is a symbolic link"),
        ("seed_0/absolute.json", "is a hard link"),
        ("seed_2/absolute.json", "is no file but a device, pipe or socket"),
        ("socket", "is no file but a device, pipe or socket"),
        ("policy.pt", "is no file of a submission"),
        ("README.md", "is no file of a submission"),
        ("toy/.hidden", "is no file of a submission"),
        ("deeper", "is a folder too deep"),
        ("empty-v1", "is an empty folder"),
        ("run.json", "has 1,099,511,627,776 bytes"),
        ("seed_0", "not exactly one of done.json and failed.json"),
        ("evaluations.jsonl", "is missing"),
    ):
        assert found(report, "files", place, fragment), (place, fragment, list(report.lines()))


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("n" * 101, "101 letters"),
        ("a\x1b[31mred", "control, invisible"),
        ("a\nb", "control, invisible"),
        ("exe\u202etxt.nosj", "control, invisible"),
        ("cafe\u0301", "normal form C"),
        ("CON", "Windows cannot"),
        ("aux.json", "Windows cannot"),
        ("dot.", "Windows cannot"),
        ("-rf", "names are letters"),
        ("..\\..\\up", "names are letters"),
        ("$(reboot)", "names are letters"),
        ("<img src=x onerror=alert(1)>", "names are letters"),
        ("TOY", "differs in nothing but capitals"),
    ],
)
def test_names_are_plain(good, name, fragment) -> None:
    (good / name).mkdir()
    report = check(good)
    assert found(report, "names", fragment), list(report.lines())
    assert all(line.isprintable() and len(line) < 900 for line in report.lines())


def test_names_that_are_no_text_are_refused(good) -> None:
    os.mkdir(os.fsencode(good) + b"/\xff\xfe")
    assert found(check(good), "names", "control, invisible")
    assert all(line.isprintable() for line in check(good).lines())


def test_too_many_files_are_not_even_counted(good, monkeypatch) -> None:
    monkeypatch.setattr("coordbench.leaderboard.submissions.files.MOST_ENTRIES", 10)
    assert found(check(good), "files", "more than 10 files and folders")
    assert MOST_ENTRIES > 8 * 50 * 20


def test_the_steps_of_evaluations() -> None:
    assert evaluation_steps(50, 100, 4) == [0, 52, 100]
    assert evaluation_steps(120, 240, 4) == [0, 120, 240]
    assert evaluation_steps(30, 100, 3) == [0, 30, 60, 90, 102]
    assert evaluation_steps(2, 10, 4) == [0, 4, 8, 12]
