"""The example packages: built, installed, tested and run as somebody else's would be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of an agent, as `installed` leaves it."""
    return installed("coordbench-iddpg", tmp_path_factory.mktemp("package"))


def installed(example: str, folder: Path) -> Path:
    """The folder, with a copy of the package in `source` and what pip installs of it in `site`."""
    shutil.copytree(
        EXAMPLES / example,
        folder / "source",
        ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
    )
    options = "--quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index"
    source, site = str(folder / "source"), str(folder / "site")
    pip = [sys.executable, "-m", "pip", "install", *options.split(), "--target", site, source]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "elsewhere").mkdir()
    return folder


def python(package: Path, *arguments: str | Path) -> str:
    """What Python prints, run in an empty folder with the installed package on its path."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=package / "elsewhere",
        env=os.environ | {"PYTHONPATH": str(package / "site"), "OMP_NUM_THREADS": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def output_of_own_tests(package: Path, module: str) -> str:
    """What the tests of an installed package print."""
    assert {path.name for path in (package / "site").glob("*.py")} == {f"{module}.py"}
    test = package / "elsewhere" / f"test_{module}.py"
    shutil.copy(package / "source" / test.name, test)
    return python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", test)


def test_it_installs_one_module_and_its_own_tests_pass(package: Path) -> None:
    assert "3 passed" in output_of_own_tests(package, "coordbench_iddpg")


def test_its_name_is_known_and_trains(package: Path) -> None:
    bench = ("-m", "coordbench.benchmarks")
    assert "iddpg" in python(package, *bench, "list", "agents")
    run = "run --agents iddpg --tasks cooperative_navigation_3-v1 --budget smoke --seeds 0 --workers 1"
    out = python(package, *bench, *run.split(), "--results", "results")
    assert "1 runs, 0 done; 1 to train" in out
    (table,) = (package / "elsewhere").rglob("leaderboard.csv")
    assert "iddpg" in table.read_text()


def test_the_agent_is_short() -> None:
    assert len((EXAMPLES / "coordbench-iddpg" / "coordbench_iddpg.py").read_text().splitlines()) < 120


def test_the_example_of_a_task_keeps_its_promises_and_trains_recurrent_agents(tmp_path: Path) -> None:
    package = installed("coordbench-foraging", tmp_path)
    assert "5 passed" in output_of_own_tests(package, "coordbench_foraging")
    shutil.copy(package / "source" / "foraging.toml", package / "elsewhere")
    run = "run --suite foraging.toml --budget smoke --seeds 0 --agents qmix,vdac --workers 1"
    out = python(package, "-m", "coordbench.benchmarks", *run.split())
    assert "2 runs, 0 done; 2 to train" in out
    (table,) = (package / "elsewhere").rglob("leaderboard.csv")
    assert "vdac" in table.read_text()
