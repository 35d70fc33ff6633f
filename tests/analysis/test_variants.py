"""Labels of agents with several settings."""

from pathlib import Path

from coordbench.analysis import read_runs
from coordbench.analysis.variants import variant_labels
from record_factory import HUNT, NAVIGATION, run_content, write_run


def labels(results: Path) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for (task, agent, _), label in variant_labels(read_runs(results)).items():
        found.setdefault((task, agent), []).append(label)
    return {key: sorted(value) for key, value in found.items()}


def test_one_setting_a_task_keeps_the_plain_name(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(task=NAVIGATION, settings={"beta": 0.1}))
    write_run(tmp_path, run_content(task=HUNT, settings={"beta": 0.05}))
    assert labels(tmp_path) == {(NAVIGATION, "alpha"): ["alpha"], (HUNT, "alpha"): ["alpha"]}


def test_variants_are_named_by_what_differs_on_every_task(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(settings={"beta": 0.1, "hidden": [64, 64]}))
    write_run(tmp_path, run_content(settings={"beta": 0.2, "hidden": [64, 64]}))
    write_run(tmp_path, run_content(task=HUNT, settings={"beta": 0.2, "hidden": [64, 64]}))
    write_run(tmp_path, run_content("other"))
    assert labels(tmp_path) == {
        (NAVIGATION, "alpha"): ["alpha [beta=0.1]", "alpha [beta=0.2]"],
        (HUNT, "alpha"): ["alpha [beta=0.2]"],
        (NAVIGATION, "other"): ["other"],
    }


def test_other_steps_and_task_settings_are_differences_too(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(steps=100))
    write_run(tmp_path, run_content(steps=200))
    assert labels(tmp_path)[NAVIGATION, "alpha"] == ["alpha [steps=100]", "alpha [steps=200]"]


def test_the_hash_tells_variants_apart_when_no_setting_does(tmp_path: Path) -> None:
    first = run_content()
    write_run(tmp_path, first)
    write_run(tmp_path, first | {"settings_hash": "0123456789"})
    expected = sorted(["alpha [0123456789]", f"alpha [{first['settings_hash']}]"])
    assert labels(tmp_path)[NAVIGATION, "alpha"] == expected
