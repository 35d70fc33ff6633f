"""The example package: built, installed, tested and run as somebody else's would be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "coordbench-iddpg"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package in `source` and what pip installs of it in `site`."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(
        EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
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


def test_it_installs_one_module_and_its_own_tests_pass(package: Path) -> None:
    installed = {path.name for path in (package / "site").glob("*.py")}
    assert installed == {"coordbench_iddpg.py"}
    test = package / "elsewhere" / "test_coordbench_iddpg.py"
    shutil.copy(package / "source" / "test_coordbench_iddpg.py", test)
    assert "3 passed" in python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", test)


def test_its_name_is_known_and_trains(package: Path) -> None:
    bench = ("-m", "coordbench.benchmarks")
    assert "iddpg" in python(package, *bench, "list", "agents")
    run = "run --agents iddpg --tasks cooperative_navigation_3-v1 --budget smoke --seeds 0 --workers 1"
    out = python(package, *bench, *run.split(), "--results", "results")
    assert "1 runs, 0 done; 1 to train" in out
    (table,) = (package / "elsewhere").rglob("leaderboard.csv")
    assert "iddpg" in table.read_text()


def test_the_agent_is_short() -> None:
    assert len((EXAMPLE / "coordbench_iddpg.py").read_text().splitlines()) < 120
