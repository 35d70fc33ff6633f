"""Results folders: whose they are, what a suite's version means in them, what else lies there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fake_training as fake
import pytest
from coordbench.analysis.records import RecordError
from coordbench.benchmarks.errors import SuiteError
from coordbench.benchmarks.suites.suite_file import parse_suite
from coordbench.benchmarks.sweeps.results_folder import (
    check_results_folder,
    check_suite,
    other_settings,
    prepare_results_folder,
)
from coordbench.benchmarks.sweeps.standing import Standing


def suite(old: str = "", new: str = ""):
    return parse_suite(fake.TINY.replace(old, new), "tiny.toml")


def test_a_folder_of_ours_a_new_and_an_empty_one_are_welcome(tmp_path: Path) -> None:
    check_results_folder(tmp_path / "new")
    check_results_folder(tmp_path)
    fake.start(fake.cells()[0], 0, tmp_path)
    (tmp_path / "notes").mkdir()
    check_results_folder(tmp_path)
    prepare_results_folder(suite(), tmp_path / "new" / "folder")
    check_results_folder(tmp_path / "new" / "folder")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RecordError, match=r"cannot use the results folder .*; choose another"):
            check_results_folder(place)
    (tmp_path / "home" / "music" / "songs").mkdir(parents=True)
    with pytest.raises(RecordError, match=r"holds folders that are no records, e\.g\. music; .*--results"):
        check_results_folder(tmp_path / "home")
    with pytest.raises(RecordError, match=r"cannot write into the results folder .*--results"):
        prepare_results_folder(suite(), tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("steps = 240", "steps = 480", r"budget short differs \(steps 240 there, 480 here\)"),
        ("num_envs = 4", "num_envs = 8", r"num_envs differs \(4 there, 8 here\)"),
        ("start_jitter = 0.02", "start_jitter = 0.5", r"task predator_prey_2-v1 differs \(evaluation start_"),
    ],
)
def test_two_suites_of_one_name_do_not_mix(tmp_path: Path, old: str, new: str, what: str) -> None:
    prepare_results_folder(suite(), tmp_path)
    check_suite(suite(), tmp_path)
    with pytest.raises(SuiteError, match=rf"another suite 'tiny', version 1: its {what}.*raise its version"):
        check_suite(suite(old, new), tmp_path)
    check_suite(replace(suite(old, new), version=2), tmp_path)


def test_a_suite_may_grow(tmp_path: Path) -> None:
    prepare_results_folder(suite(), tmp_path)
    more = suite("[budgets.short]", '[[tasks]]\nid = "ridge-v1"\n\n[budgets.short]')
    grown = replace(more, agents=("vm3ac", "random"), seeds=(0, 1, 2, 3))
    check_suite(grown, tmp_path)
    prepare_results_folder(grown, tmp_path)
    check_suite(suite(), tmp_path)
    noted = json.loads((tmp_path / "tiny" / "suite.json").read_text())["versions"]["1"]
    assert sorted(noted["tasks"]) == ["predator_prey_2-v1", "ridge-v1"]


def test_a_damaged_note_is_one_line(tmp_path: Path) -> None:
    prepare_results_folder(suite(), tmp_path)
    (tmp_path / "tiny" / "suite.json").write_text("{")
    with pytest.raises(RecordError, match=r"suite\.json is damaged; remove it"):
        check_suite(suite(), tmp_path)


def test_runs_with_other_settings_are_mentioned(tmp_path: Path) -> None:
    cells = fake.cells()
    fake.finish(cells[0], 0, tmp_path)
    assert list(other_settings(cells, tmp_path, Standing(tmp_path, "tiny"))) == []
    changed = [replace(cell, steps=480) for cell in cells]
    (line,) = other_settings(changed, tmp_path, Standing(tmp_path, "tiny"))
    assert line.startswith("note: 1 cell of these agents with other settings lies here too, e.g. predator")
    other_budget = [replace(cell, budget="long") for cell in cells]
    assert list(other_settings(other_budget, tmp_path, Standing(tmp_path, "tiny"))) == []
