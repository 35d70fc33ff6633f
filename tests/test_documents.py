"""What README, CONTRIBUTING and docs/ say is so: commands, symbols, tables, and examples that run."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
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
    text = re.sub(r"\\\n\s*", "", text)  # a line that goes on
    lines = re.findall(rf"^    ({program} .*)$", text, re.M) + re.findall(rf"`({program} [^`]*)`", text)
    return [shlex.split(line, comments=True)[1:] for line in lines]


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
    from coordbench.benchmarks.suites.suite_file import read_suite
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


@pytest.mark.parametrize(
    "agent", ["actor_critic:ActorCritic", "shared_reward:SharedReward", "evolution:Evolution"]
)
def test_the_documented_agents_keep_the_contract(agent: str, examples: Path) -> None:
    from coordbench.agents import check_agent, load

    kinds = load(agent).action_kinds
    learned = [line for line in check_agent(agent) if "learns a one-step game" in line]
    assert len(learned) == len(kinds)


def test_the_documented_agent_trains_to_documented_columns(examples: Path, tmp_path: Path) -> None:
    from coordbench.analysis import read_runs
    from coordbench.analysis.curves import COLUMNS
    from coordbench.benchmarks.suites.suite_file import read_suite
    from coordbench.benchmarks.training.train import train
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
