"""Words of strangers: what is shown of them, and which records are refused for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coordbench.analysis import RecordError, read_runs
from coordbench.analysis.schema import extra_fields
from coordbench.analysis.words import harmless, one_line, visible
from record_factory import evaluation_content, run_content, write_run


def test_signs_that_cannot_be_seen_are_written_out() -> None:
    assert visible("ma_sac β ≈ 日本") == "ma_sac β ≈ 日本"
    assert visible("\x1b[31m") == r"\x1b[31m"
    assert visible("exe\u202etxt\u200b") == r"exe\u202etxt\u200b"
    assert visible("half \udcff") == r"half \udcff"
    assert one_line(" a\n\tb\r\n ") == "a b"
    assert one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1"])  # noqa: RUF001
def test_formulas_are_text_in_a_spreadsheet(text) -> None:
    assert str(harmless(text)).startswith("'")
    assert harmless(f"a{text}") in (f"a{text}", visible(f"a{text}"))


def test_numbers_are_left_alone() -> None:
    assert harmless(-1.5) == -1.5


def spoiled(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """A results folder with one run whose ``run.json`` has been edited."""
    path = write_run(folder, run_content()).path / "run.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("edit", "fragment"),
    [
        (lambda run: run.update(budget="../../up"), "'budget' cannot be a name"),
        (lambda run: run.update(budget=""), "'budget' cannot be a name"),
        (lambda run: run.update(suite_version="C:up"), "'suite_version' cannot be a name"),
        (lambda run: run["task"].update(id="..\\up"), "'task.id' cannot be a name"),
        (lambda run: run["agent"].update(id=".hidden"), "'agent.id' cannot be a name"),
        (lambda run: run["agent"].update(id="beta"), "it says that it belongs in toy/navigation-v1/beta-"),
        (lambda run: run["agent"]["settings"].update({"x\x1b": 1}), r"cannot be seen in 'x\\x1b'"),
        (lambda run: run["task"].update(return_unit="a\u202eb"), r"cannot be seen in 'a\\u202eb'"),
        (lambda run: run.update(steps=10**400), "out of all range"),
    ],
)
def test_records_with_dangerous_names_or_numbers_are_refused(tmp_path, edit, fragment) -> None:
    with pytest.raises(RecordError, match=fragment) as refusal:
        read_runs(spoiled(tmp_path, edit))
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ('{"step": ' + "[" * 100_000, "nested too deep"),
        (json.dumps({**evaluation_content(50, 1.0), "return": [10**400, 1]}), "finite numbers"),
        (json.dumps({**evaluation_content(50, 1.0), "training": {"\x07": 1}}), "cannot be seen"),
    ],
)
def test_evaluations_with_dangerous_content_are_refused(tmp_path, line, fragment) -> None:
    path = write_run(tmp_path, run_content()).path / "evaluations.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(RecordError, match=fragment):
        read_runs(tmp_path)


def test_a_failure_is_told_on_one_visible_line(tmp_path) -> None:
    write_run(tmp_path, run_content(), ending="running").fail("lost\n\x1b[2J it", 50)
    (run,) = read_runs(tmp_path)
    assert run.failure == r"lost \x1b[2J it (step 50)"


def test_fields_that_records_have_not_are_found(tmp_path) -> None:
    path = write_run(tmp_path, run_content()).path / "run.json"
    content = json.loads(path.read_text())
    assert extra_fields("run.json", content) == []
    content["task"]["more"] = content["less"] = 1
    assert extra_fields("run.json", content) == ["less", "task.more"]
    assert extra_fields("evaluations.jsonl", evaluation_content(50, 1.0)) == []
