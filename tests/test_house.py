"""The house around the code: packaging, layers, light start, and documents that say what is so."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("agents", "analysis", "benchmarks", "envs", "leaderboard")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
}
GUIDES = {name: text for name, text in DOCUMENTS.items() if name != "CHANGELOG.md"}


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(text: str, program: str) -> list[list[str]]:
    """Arguments of every call of a program that stands in an indented block or between backticks."""
    lines = re.findall(rf"^    ({program} .*)$", text, re.M) + re.findall(rf"`({program} [^`]*)`", text)
    return [shlex.split(line, comments=True)[1:] for line in lines]


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
            if path.suffix not in (".py", ".pyc", ".nbi", ".nbc") and path.is_file():
                assert any(path.match(pattern) for pattern in patterns[f"coordbench.{folder}"]), path


def test_versions_agree() -> None:
    stated = PYPROJECT["project"]["version"]
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert citation is not None
    assert citation[1] == stated
    newest = re.search(r"^## \[(.+?)\]", DOCUMENTS["CHANGELOG.md"], re.M)
    assert newest is not None
    assert newest[1] == stated
    assert version("coordbench") == stated, "run `make setup`: the installed metadata is old"


def test_constraints_pin_every_dependency_and_run_here() -> None:
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


@pytest.mark.parametrize("name", GUIDES)
def test_documented_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for arguments in commands(GUIDES[name], "make"):
        for word in arguments:
            assert "=" in word or word in targets, f"{name}: make {' '.join(arguments)}"
    if name == "README.md":
        assert commands(GUIDES[name], "make")[:2] == [["run"], ["test"]], "the two commands come first"


@pytest.mark.parametrize("name", GUIDES)
def test_documented_bench_commands_and_options_exist(name: str) -> None:
    from coordbench.benchmarks.cli import main

    for command, *arguments in commands(GUIDES[name], "bench"):
        assert command in main.commands, f"{name}: bench {command}"
        options = {option for parameter in main.commands[command].params for option in parameter.opts}
        for word in arguments:
            assert not word.startswith("--") or word in options, f"{name}: bench {command} {word}"


@pytest.mark.parametrize("name", GUIDES)
def test_documented_symbols_exist(name: str) -> None:
    text = GUIDES[name]
    imported = [
        (module, symbol.strip())
        for module, symbols in re.findall(r"^from (coordbench[\w.]*) import (.+)$", text, re.M)
        for symbol in symbols.split(",")
    ]
    quoted = re.findall(r"`(coordbench\.\w+)\.(\w+)`", text)
    assert name != "README.md" or quoted
    for module, symbol in imported + quoted:
        if module == "coordbench" or (module, symbol) == ("coordbench.agents", "streams"):
            import_module(f"{module}.{symbol}")
        else:
            assert hasattr(import_module(module), symbol), f"{name}: {module}.{symbol}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", DOCUMENTS[name]):
        if not target.startswith("http"):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_documents_name_all_tasks_agents_settings_and_budgets() -> None:
    from coordbench import agents, envs
    from coordbench.benchmarks.suite_file import read_suite
    from coordbench.envs.registry import task_class

    for task in envs.names():
        team = envs.spec(task)
        row = f"| `{task}` | {team.n_agents} | {team.horizon} | {team.observation_size} |"
        assert row in GUIDES["docs/environments.md"], row
        assert team.return_unit in GUIDES["docs/environments.md"]
        for setting in fields(task_class(task).settings_type):
            assert f"`{setting.name}`" in GUIDES["docs/environments.md"], f"{task}: {setting.name}"
        assert f"`{task}`" in GUIDES["README.md"]
    for agent in agents.names():
        assert f"| `{agent}` |" in GUIDES["docs/agents.md"]
        assert f"`{agent}`" in GUIDES["README.md"]
    for name, budget in read_suite("coordination").budgets.items():
        steps, every = (f"{n:,}".replace(",", " ") for n in (budget.steps, budget.evaluation.every))
        row = re.search(rf"^\| `{name}` \| {steps}( \(.*?\))? \| {every} \|", GUIDES["README.md"], re.M)
        assert row, f"README's row of budget {name}"
        assert budget.evaluation.episodes == 20, "README says 20 episodes"


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the documents tell the reader to write, importable."""
    for text in GUIDES.values():
        for block in blocks(text, "python"):
            if found := re.match(r"# (\w+\.py)\n", block):
                (tmp_path / found[1]).write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_documented_task_keeps_the_contract(examples: Path) -> None:
    (block,) = (text for text in blocks(GUIDES["docs/environments.md"], "python") if "check_env" in text)
    exec(compile(block, "docs/environments.md", "exec"), {})


def test_the_documented_use_of_environments_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (text for text in blocks(GUIDES["docs/environments.md"], "python") if "catches" in text)
    exec(compile(block, "docs/environments.md", "exec"), {})
    assert float(capsys.readouterr().out) > 10, "the reference policy catches preys"


def test_readme_python_runs() -> None:
    names: dict[str, object] = {}
    (block,) = blocks(GUIDES["README.md"], "python")
    exec(compile(block, "README.md", "exec"), names)
    assert names["observation"].shape == (64, 3, 18)  # type: ignore[attr-defined]


def test_the_documented_agent_trains_to_documented_columns(examples: Path, tmp_path: Path) -> None:
    from coordbench.analysis import read_runs
    from coordbench.analysis.curves import COLUMNS
    from coordbench.benchmarks.suite_file import read_suite
    from coordbench.benchmarks.train import train
    from coordbench.leaderboard import leaderboards

    suite = read_suite("coordination")
    (cell,) = suite.cells("smoke", ["cooperative_navigation_3-v1"], ["evolution:Evolution"])
    train(replace(cell, steps=500), (0, 1), tmp_path / "pair")
    train(replace(cell, steps=500), (1,), tmp_path / "alone")
    pair, alone = read_runs(tmp_path / "pair"), read_runs(tmp_path / "alone")
    assert [(run.seed, run.status) for run in pair] == [(0, "done"), (1, "done")]
    returns = [[evaluation.mean_return for evaluation in run.evaluations] for run in (*pair, *alone)]
    assert returns[1] == returns[2], "a seed's result depends on its stack"
    assert returns[0][0] == returns[1][0], "all start from zero weights"
    assert returns[0][-1] != returns[1][-1], "nothing was learned"

    (board,) = leaderboards(tmp_path / "pair")
    for column in (*board.agents.columns, *board.tasks.columns, *COLUMNS):
        stem = re.sub("_(low|high)$", "", column)
        assert f"`{stem}`" in GUIDES["docs/results.md"], column


def test_nobodys_own_folders_are_named() -> None:
    own = re.compile(r"(?<![\w.~-])/(?:home|root|Users|opt|w[o]rk|farm)/")
    places = [*FOLDERS, "tests", "docs", ".ci"]
    files = [path for place in places for path in (ROOT / place).rglob("*")]
    files += [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".txt", ".cff", ".yaml")]
    read = 0
    for path in [*files, ROOT / "Makefile"]:
        if path.is_file() and path.suffix not in (".pyc", ".nbi", ".nbc"):
            found = own.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)} names {found and found[0]}"
            read += 1
    assert read > 50
