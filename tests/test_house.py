"""The house around the code: packaging, versions, layers and a light start."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("agents", "analysis", "benchmarks", "envs", "leaderboard")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_every_package_is_in_pyproject_and_every_listed_one_exists() -> None:
    packages = {
        "coordbench." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    settings = PYPROJECT["tool"]["setuptools"]
    assert set(settings["packages"]) == packages
    assert settings["package-dir"] == {f"coordbench.{folder}": folder for folder in FOLDERS}
    assert not (ROOT / "__init__.py").exists()


def test_every_data_file_is_packaged() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]
    for folder in FOLDERS:
        assert (ROOT / folder / "py.typed").exists()
        for path in (ROOT / folder).rglob("*"):
            if (
                ROOT / "leaderboard" / "published" in path.parents
            ):  # the project's results, not part of the package
                continue
            if path.suffix not in (".py", ".pyc", ".nbi", ".nbc") and path.is_file():
                nearest = next(place for place in path.parents if (place / "__init__.py").exists())
                package = "coordbench." + ".".join(nearest.relative_to(ROOT).parts)
                assert any(path.match(pattern) for pattern in patterns.get(package, ())), path


def test_versions_agree() -> None:
    stated = PYPROJECT["project"]["version"]
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert citation is not None
    assert citation[1] == stated
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest is not None
    assert newest[1] == stated
    assert version("coordbench") == stated, "run `make setup`: the installed metadata is old"


def test_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[^\w-]", requirement)[0].replace("-", "_").lower() for requirement in wanted}
    pinned = {name.replace("-", "_").lower() for name in pins}
    assert names <= pinned, f"without a pin: {sorted(names - pinned)}"


def test_rliable_imports_with_the_pinned_arch_and_pandas() -> None:
    from rliable import library, metrics

    assert callable(library.get_interval_estimates)
    assert callable(metrics.aggregate_iqm)


def test_listing_imports_nothing_heavy() -> None:
    heavy = {"torch", "numba", "pandas", "scipy", "pettingzoo", "matplotlib", "rliable"}
    done = run_python(
        "import sys\n"
        "from coordbench.benchmarks.cli import main\n"
        "main(['list'], standalone_mode=False)\n"
        f"print('HEAVY', sorted({heavy!r} & set(sys.modules)))\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert "vm3ac" in done.stdout


def test_a_leaderboard_needs_no_torch() -> None:
    done = run_python(
        "import sys, coordbench.leaderboard, coordbench.analysis; print('torch' in sys.modules)"
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("start", [["bench"], [sys.executable, "-m", "coordbench.benchmarks"]])
def test_the_command_starts_both_ways(start: list[str], tmp_path: Path) -> None:
    if start == ["bench"]:
        script = shutil.which("bench", path=str(Path(sys.executable).parent))
        assert script is not None, "the console script is not installed"
        start = [script]
    done = subprocess.run(
        [*start, "--version"], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert PYPROJECT["project"]["version"] in done.stdout


def test_layers() -> None:
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("import-linter is not installed; pip install -e '.[dev]' brings it")
    done = subprocess.run(
        [linter, "--no-cache"], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_nobodys_own_folders_are_named() -> None:
    own = re.compile(r"(?<![\w.~-])/(?:home|root|Users|opt|w[o]rk|farm)/")
    places = [*FOLDERS, "tests", "docs", ".ci"]
    files = [path for place in places for path in (ROOT / place).rglob("*")]
    files += [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".txt", ".cff", ".yaml")]
    read = 0
    for path in [*files, ROOT / "Makefile"]:
        if path.is_file() and path.suffix not in (".pyc", ".nbi", ".nbc", ".npz", ".png"):
            found = own.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)} names {found and found[0]}"
            read += 1
    assert read > 50
