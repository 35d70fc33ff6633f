"""The pages of tasks say what the code says."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from coordbench import envs
from coordbench.benchmarks.commands import task_pages
from coordbench.benchmarks.commands.task_pages import COMMAND, GUIDE, LIST, PAGES, ROOT, guide, page, sections
from coordbench.benchmarks.errors import SuiteError
from coordbench.envs.registry import task_class


@pytest.mark.parametrize("task", envs.names())
def test_pages_are_fresh(task: str) -> None:
    path = PAGES / f"{task}.md"
    assert path.exists(), f"{path} is missing; make it: {COMMAND} {task}"
    assert path.read_text(encoding="utf-8") == page(task), f"{path} is stale; renew it: {COMMAND} {task}"
    picture = PAGES / "img" / f"{task}.png"
    assert picture.exists(), f"{picture} is missing; make it: {COMMAND} {task}"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 40_000
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (PAGES / target).exists(), f"{path}: {target}"


@pytest.mark.parametrize("task", envs.names())
def test_pages_explain_every_setting_and_number(task: str) -> None:
    text, team = page(task), envs.spec(task)
    for field in fields(task_class(task).settings_type):
        assert f"| `{field.name}` | " in text
    for name in team.metrics:
        assert f"``{name}``" in text, f"{task}: the docstring does not explain the metric {name!r}"
    assert f"| State | {team.state_size} numbers |" in text


def test_the_list_of_tasks_is_fresh() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert text == guide(text), f"the list of tasks in {GUIDE} is stale; renew it: {COMMAND}"


def test_no_page_is_left_over() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(envs.names())
    assert {path.stem for path in (PAGES / "img").iterdir()} == set(envs.names())


def test_reference_scores_stand_on_the_page() -> None:
    assert "| Reference scores | random 62.171 (score 0), reference 625.15 (score 1); " in page(
        "predator_prey_2-v1"
    )
    assert "not measured yet; `bench references` does it" in page("cooperative_navigation_7-v1")


def test_presets_stand_in_the_table_of_settings() -> None:
    assert "| `n_coop` | int | `2` | predators that must touch" in page("predator_prey_4-v1")
    assert "| `n_coop` | int | `1` | predators that must touch" in page("predator_prey_3-v1")
    assert "| `team_reward` | `'mean'` or `'individual'` | `'mean'` |" in page("cooperative_navigation_3-v1")


def test_a_docstring_without_the_headings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("mine", "A title.\n\nTask\n    Do it.\nReward\n    Some.\n")
    monkeypatch.setattr(task_pages.inspect, "getmodule", lambda _: module)
    with pytest.raises(
        SuiteError, match=r"must have the headings Task, Observation, .*; it has Task, Reward"
    ):
        sections("predator_prey_2-v1")


def test_a_setting_without_an_explanation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Silent:
        """Says little.

        Attributes:
            n_agents: N.
        """

        n_agents: int = 2
        speed: float = 1.0

    team = envs.spec("predator_prey_2-v1")
    monkeypatch.setattr(task_class("predator_prey_2-v1"), "settings_type", Silent)
    monkeypatch.setattr(task_pages.envs, "spec", lambda _: team)
    with pytest.raises(SuiteError, match="the docstring of Silent does not explain 'speed'"):
        page("predator_prey_2-v1")


def test_a_guide_without_its_list_is_refused() -> None:
    with pytest.raises(SuiteError, match="has no lines"):
        guide("# Environments\n")
    assert guide(f"a\n{LIST[0]}old\n{LIST[1]}b\n").startswith(f"a\n{LIST[0]}\n| Task |")


def test_an_installed_package_makes_no_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(task_pages, "GUIDE", tmp_path / "environments.md")
    with pytest.raises(SuiteError, match="not in an installed package"):
        task_pages.main([])
    assert (ROOT / "pyproject.toml").exists()
