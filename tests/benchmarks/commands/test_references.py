"""The reference scores: fixed numbers, a version that rises when they change."""

from __future__ import annotations

import numpy as np
import pytest
from coordbench import agents, envs
from coordbench.analysis.scores import reference_scores
from coordbench.benchmarks.commands.references import measure, update
from coordbench.benchmarks.suites.suite import SuiteTask
from coordbench.benchmarks.suites.suite_file import read_suite, suite_names
from coordbench.benchmarks.training.evaluate import evaluate

NAVIGATION = SuiteTask("cooperative_navigation_3-v1")
PREY = SuiteTask("predator_prey_2-v1", evaluation_settings={"start_jitter": 0.02})


def test_measuring_again_gives_the_same_numbers() -> None:
    first = measure(PREY, episodes=60)
    assert first == measure(PREY, episodes=60)
    assert first.evaluation_settings == {"start_jitter": 0.02}
    assert first.reference > 300 > first.random > 0


def test_references_play_the_episodes_of_evaluations() -> None:
    team_env = envs.make(NAVIGATION.id, num_envs=20)
    episodes = evaluate(team_env, agents.make("reference", team_env.team, (5,)))
    assert measure(NAVIGATION, episodes=20).reference == round(float(np.mean(episodes.returns)), 3)


def test_the_version_rises_when_a_number_changes(tmp_path) -> None:
    path = tmp_path / "references.json"
    update(path, [NAVIGATION], episodes=20)
    assert reference_scores(path).version == 1
    update(path, [NAVIGATION], episodes=20)
    assert reference_scores(path).version == 1
    before = reference_scores(path).tasks[NAVIGATION.id]
    update(path, [PREY], episodes=20)
    after = reference_scores(path)
    assert after.version == 2
    assert after.tasks[NAVIGATION.id] == before
    assert set(after.tasks) == {NAVIGATION.id, PREY.id}


@pytest.mark.parametrize(
    "task", [task for suite in suite_names() for task in read_suite(suite).tasks], ids=lambda task: task.id
)
def test_the_package_has_references_for_every_task_of_every_suite(task: SuiteTask) -> None:
    found = reference_scores().tasks[task.id]
    assert found.evaluation_settings == {**task.settings, **task.evaluation_settings}
    rigid_bodies = task.id.startswith("multiwalker")  # slow, and its returns spread little
    again = measure(task, episodes=4 if rigid_bodies else 2000)
    tolerance = (0.2 if rigid_bodies else 0.05) * (found.reference - found.random)
    assert abs(again.random - found.random) < tolerance
    assert abs(again.reference - found.reference) < tolerance
