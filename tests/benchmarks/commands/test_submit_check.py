"""A stranger's way: train, export, fill in the manifest, check; and a hostile submission that is planted."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from coordbench.analysis.records import RunFolder
from coordbench.analysis.scores import reference_scores
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.commands.submission import suite_rules
from coordbench.benchmarks.suites.suite_file import parse_suite
from coordbench.benchmarks.training.train import train
from coordbench.leaderboard.submissions.copies import check_copies
from coordbench.leaderboard.submissions.files import survey
from coordbench.leaderboard.submissions.records import read_submitted, recorded_hash
from coordbench.leaderboard.submissions.report import Report
from coordbench.leaderboard.submissions.rules import check_evaluations, check_protocol, check_returns
from fake_training import TINY

PUBLISHED = Path(__file__).parents[3] / "leaderboard" / "published" / "records"
TASK, OTHER = "predator_prey_2-v1", "cooperative_navigation_3-v1"
AGENT = "plain_agent:PlainAgent"
SUITE = TINY.replace("[budgets.short]", f'[[tasks]]\nid = "{OTHER}"\n\n[budgets.short]')
ABOUT = {
    **{"description": "regression on good actions", "submitter": "A. Stranger", "licence": "MIT"},
    "source": "https://example.org/plain",
}


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def trained(suite: Path) -> Path:
    """Records of a stranger's agent."""
    results = suite.parent / "results"
    for cell in parse_suite(SUITE, "tiny.toml").cells(agent_names=[AGENT]):
        train(cell, (0, 1), results)
    return results


@pytest.fixture
def good(trained: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "submission"
    result = bench(
        "export", "--results", trained, "--format", "submission", "--agents", AGENT, "--out", folder
    )
    assert result.exit_code == 0, result.output
    assert "4 runs; fill in its submission.toml" in result.output
    manifest = folder / "submission.toml"
    text = manifest.read_text()
    for name, value in ABOUT.items():
        text = text.replace(f'{name} = ""', f'{name} = "{value}"')
    manifest.write_text(text)
    return folder


def test_a_trained_agent_is_exported_and_accepted(good, suite) -> None:
    assert not list(good.rglob("*.safetensors"))
    assert f"bench run --suite tiny --budget short --agents {AGENT}" in (good / "submission.toml").read_text()
    result = bench("submit-check", good, "--suite", suite)
    assert result.exit_code == 0, result.output
    assert "accepted (0 wrong, " in result.output.splitlines()[-1]
    # it joins published records, and then it is there
    published = good.parent / "published"
    shutil.copytree(good / "tiny", published / "tiny")
    again = bench("submit-check", good, "--suite", suite, "--published", published)
    assert again.exit_code == 1
    assert "is published already, with these settings, and so are 3 more" in again.output


def test_an_unfinished_manifest_and_a_strange_suite_are_refused(good, suite) -> None:
    path = good / "submission.toml"
    path.write_text(path.read_text().replace("A. Stranger", ""))
    result = bench("submit-check", good, "--suite", suite)
    assert result.exit_code == 1
    assert "REFUSED  manifest     submission.toml: submitter is empty" in result.output
    result = bench("submit-check", good)
    assert "unknown suite 'tiny'; known:" in result.output
    assert bench("submit-check", good / "nowhere").exit_code == 2
    path.write_text(path.read_text().replace('suite = "tiny"', f'suite = "{suite}"'))
    assert f"unknown suite '{suite}'" in bench("submit-check", good).output


def test_an_export_is_one_agent_and_a_new_folder(trained, good, tmp_path) -> None:
    options = ["--results", trained, "--format", "submission", "--agents", AGENT]
    result = bench("export", *options, "--out", good)
    assert result.exit_code == 2
    assert "is in use; choose another --out folder" in result.output
    mixed = tmp_path / "mixed"
    shutil.copytree(trained, mixed)
    (run,) = mixed.glob(f"tiny/{TASK}/*/seed_0/run.json")
    content = json.loads(run.read_text())
    content["agent"]["id"] = "other"
    content["settings_hash"] = recorded_hash(content)
    folder = RunFolder(mixed / "tiny" / TASK / f"other-{content['settings_hash']}" / "seed_0")
    folder.start(content)
    folder.finish(240, 1, 1.0)
    result = bench("export", "--results", mixed, "--format", "submission", "--out", tmp_path / "new")
    assert result.exit_code == 2
    assert (
        "a submission is one agent on one suite and budget, not other tiny 1 short; plain_agent"
        in result.output
    )


def test_every_suite_that_ships_has_rules_for_every_task() -> None:
    from coordbench.benchmarks.suites.suite_file import read_suite, suite_names

    for name in suite_names():
        suite = read_suite(name)
        rules = suite_rules(name, suite.default_budget)
        assert set(rules.tasks) == {task.id for task in suite.tasks}
        assert rules.seeds == suite.seeds


def test_the_recorded_hash_is_that_of_the_cell() -> None:
    from coordbench import envs
    from coordbench.benchmarks.training.recording import run_record

    for cell in parse_suite(SUITE, "tiny.toml").cells():
        content = json.loads(json.dumps(run_record(cell, 0, envs.spec(cell.task, cell.task_settings))))
        assert recorded_hash(content) == cell.settings_hash


class Bomb:
    """What a pickle can do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


def spoil(folder: Path, boom: Path) -> dict[str, tuple[str, ...]]:
    """Plants attacks in a submission; attack to the rule and the words that must refuse it."""
    cell = next(folder.glob(f"tiny/{TASK}/*"))
    original = cell / "seed_0"

    def copied(seed: int, **changes: Any) -> Path:
        place = cell / f"seed_{seed}"
        shutil.copytree(original, place)
        (place / "absolute.json").unlink(missing_ok=True)
        content = json.loads((place / "run.json").read_text())
        (place / "run.json").write_text(json.dumps({**content, "seed": seed, **changes}))
        return place

    (folder / "escape").symlink_to("/", target_is_directory=True)
    secret = boom.parent / "secret.json"
    secret.write_text("{}")
    (copied(10) / "absolute.json").symlink_to(secret)
    os.link(secret, copied(11) / "absolute.json")
    os.mkfifo(copied(12) / "absolute.json")
    for name in ("conftest.py", "sitecustomize.py", "plain_agent.py"):
        (folder / name).write_text(f"open({str(boom)!r}, 'w')")
    for name in (
        "\x1b]0;owned\x07",
        "exe\u202etxt",
        "..\\..\\up",
        "=cmd()|calc",
        "<img src=x onerror=alert(1)>",
    ):
        (folder / name).mkdir()
    with (copied(13) / "evaluations.jsonl").open("wb") as file:
        file.truncate(1 << 42)
    (copied(14) / "evaluations.jsonl").write_bytes(b"[" * 1_000_000)
    (copied(15) / "run.json").write_bytes(b'{"format": ' + b"[" * 30_000 + b"]" * 30_000 + b"}")
    (copied(16) / "done.json").write_text('{"steps": 240, "updates": 9, "seconds": NaN}')
    (copied(17) / "done.json").write_text('{"steps": 240, "steps": 1, "updates": 9, "seconds": 1}')
    (copied(18) / "done.json").write_text('{"steps": ' + "9" * 4000 + ', "updates": 9, "seconds": 1}')
    (copied(19) / "done.json").write_text('{"steps": 240, "updates": 9, "seconds": 1e999}')
    copied(20, suite="../../../etc")
    copied(21, agent={"id": "../../vm3ac", "settings": {}})
    copied(22, agent={"id": "vm3\u200bac", "settings": {}})
    copied(23, settings_hash="0123456789")
    copied(24, provenance={"version_coordbench": "\x1b[2J\x1b[H", "python": "3", "platform": "x"})
    copied(25)
    copied(26, steps=10**15)
    (original / "policy.pt").write_bytes(pickle.dumps(Bomb(boom)))
    deep = original
    for level in range(60):
        deep = deep / f"d{level}"
    deep.mkdir(parents=True)
    return {
        "a link to a folder": ("files", "escape: is a symbolic link"),
        "a link to a file": ("files", "seed_10/absolute.json: is a symbolic link"),
        "a hard link": ("files", "seed_11/absolute.json: is a hard link"),
        "a pipe": ("files", "seed_12/absolute.json: is no file but a device"),
        "a pickle": ("files", "policy.pt: is no file of a submission"),
        **{f"code {name}": ("files", f"{name}.py: is no file") for name in ("conftest", "sitecustomize")},
        "a terminal's name": ("names", r"\x1b]0;owned\x07: control"),
        "a name from right to left": ("names", r"exe\u202etxt: control"),
        "a name that climbs": ("names", "..\\..\\up: names are letters"),
        "a formula's name": ("names", "=cmd()|calc: names are letters"),
        "a name of HTML": ("names", "<img src=x onerror=alert(1)>: names are letters"),
        "a deep tree": ("files", "seed_0/d0: is a folder too deep"),
        "a huge file": ("files", "seed_13/evaluations.jsonl: has 4,398,046,511,104 bytes"),
        "a long line": ("records", "seed_14/evaluations.jsonl", "its last line is torn"),
        "deep JSON": ("records", "seed_15/run.json", "levels"),
        "NaN": ("records", "seed_16/done.json", "NaN is not JSON"),
        "a name twice": ("records", "seed_17/done.json", "'steps' stands twice"),
        "a huge number": ("records", "seed_18/done.json", "out of range"),
        "infinity": ("records", "seed_19/done.json", "out of range"),
        "a suite that climbs": ("records", "seed_20/run.json", "field 'suite' cannot be a name"),
        "an agent that climbs": ("records", "seed_21/run.json", "field 'agent.id' cannot be a name"),
        "an invisible sign": ("records", "seed_22/run.json", "cannot be seen in 'vm3\\u200bac'"),
        "another hash": ("places", "seed_23/run.json", "its settings give"),
        "a terminal's version": ("versions", "seed_24/run.json", r"\x1b[2J"),
        "a copied seed": ("copies", "seed_25", "of its lists of returns and losses are those of"),
        "seeds beyond the suite's": ("seeds", "are none of the suite's; the suite has 0, 1"),
        "edited steps": ("places", "seed_26/run.json", "its settings give"),
    }


def test_a_hostile_submission_is_refused_attack_by_attack(good, suite, tmp_path) -> None:
    boom = tmp_path / "boom"
    attacks = spoil(good, boom)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    result = bench("submit-check", good, "--suite", suite)
    assert result.exit_code == 1
    refusals = [line for line in result.output.splitlines() if line.startswith("REFUSED")]
    for attack, (rule, *words) in attacks.items():
        assert any(line.split()[1] == rule and all(word in line for word in words) for line in refusals), (
            f"{attack}: {result.output}"
        )
    assert all(line.isprintable() and len(line) < 900 for line in result.output.splitlines())
    assert "Traceback" not in result.output
    assert not boom.exists()
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    assert (tmp_path / "secret.json").read_text() == "{}"


HOSTILE_SETTING = "\\input{passwd}$x_1$ %&#^~ ../../up"
HOSTILE_AGENTS = (
    "<img src=x onerror=alert(1)><script>alert(1)<",
    '=HYPERLINK("http:evil","x")',
    "@SUM(1+1)*cmd|' 'A0",
    "[a](javascript:alert(1)) **best** `x` | y",
    "[bold red]rich[",
)


@pytest.fixture
def forced(trained: Path, tmp_path: Path) -> Path:
    """Records under hostile names, as if nobody had checked them."""
    results = tmp_path / "forced"
    shutil.copytree(trained, results)
    agents = [(name, {}) for name in HOSTILE_AGENTS]
    agents += [("odd", {"note": HOSTILE_SETTING + end}) for end in "ab"]
    for number, (name, settings) in enumerate(agents):
        for run in sorted(results.glob(f"tiny/*/{AGENT.replace(':', '.')}-*/seed_*/run.json")):
            content = json.loads(run.read_text()) | {"settings_hash": f"{number:010}"}
            content["agent"] = {"id": name, "settings": settings}
            content["provenance"]["cpu"] = f"\x1b[31m{name}"
            cell = f"{name.replace(':', '.')}-{content['settings_hash']}"
            place = results / "tiny" / content["task"]["id"] / cell / run.parent.name
            shutil.copytree(run.parent, place)
            (place / "run.json").write_text(json.dumps(content))
            if number == 0:
                (place / "done.json").unlink()
                failed = {"reason": f"\x1b[2J{name}\n| x |", "step": 120, "traceback": ""}
                (place / "failed.json").write_text(json.dumps(failed))
    return results


class Elements(HTMLParser):
    """Counts elements and collects attributes that run code."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.events: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.events += [name for name, value in attrs if name.startswith("on") or "javascript:" in str(value)]


def elements(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    found.close()
    return found


def test_hostile_names_that_got_through_are_only_words_in_every_output(forced, trained, tmp_path) -> None:
    options = ["--no-figures", "--html", "--repetitions", "50"]
    plain = bench("leaderboard", "--results", trained, "--out", tmp_path / "plain", *options)
    assert plain.exit_code == 0, plain.output
    result = bench("leaderboard", "--results", forced, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert all(line.isprintable() for line in result.output.splitlines())
    assert "[bold red]rich[" in re.sub(r"\s+", "", result.output).replace("boldred", "bold red")

    page = (tmp_path / "out" / "index.html").read_text()
    usual = elements((tmp_path / "plain" / "index.html").read_text())
    found = elements(page)
    assert found.events == usual.events == []
    assert set(found.tags) == set(usual.tags)
    for tag in ("img", "iframe", "a"):
        assert found.tags.count(tag) == usual.tags.count(tag)
    assert "\x1b" not in page

    markdown = (tmp_path / "out" / "LEADERBOARD.md").read_text()
    assert not elements(markdown).tags
    assert not re.search(r"(?<!\\)\]\((?!\\)", markdown)
    assert r"\*\*best\*\* \`x\` \| y" in markdown
    assert all(line.isprintable() for line in markdown.splitlines())
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in rows}
    assert widths <= {7, 8, 9, 12}, widths

    latex = (tmp_path / "out" / "leaderboard.tex").read_text()
    body = "\n".join(line for line in latex.splitlines() if not line.startswith("%"))
    assert r"\input{" not in body
    assert r"\textbackslash{}input\{passwd\}\$x\_1\$ \%\&\#\textasciicircum{}\textasciitilde{}" in body
    assert all(line.isprintable() for line in latex.splitlines())

    for path in (tmp_path / "out").glob("*.csv"):
        text = path.read_text()
        table = list(csv.reader(io.StringIO(text)))
        assert {len(row) for row in table} == {len(table[0])}
        for row in table:
            for cell in row:
                assert re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?|-?inf", cell) or not cell.startswith(
                    tuple("=+-@\t\r")
                ), cell
                assert cell.isprintable()
    agents = {row["agent_id"] for row in csv.DictReader((tmp_path / "out" / "leaderboard.csv").open())}
    assert "'" + HOSTILE_AGENTS[1] in agents
    assert "'" + HOSTILE_AGENTS[2] in agents
    everywhere = bench("export", "--results", forced, "--format", "csv", "--out", tmp_path / "long.csv")
    assert everywhere.exit_code == 0, everywhere.output
    with (tmp_path / "long.csv").open() as file:
        assert all(not row["agent"].startswith(("=", "@")) for row in csv.DictReader(file))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_hostile_names_compile(forced, tmp_path) -> None:
    bench(
        "leaderboard", "--results", forced, "--out", tmp_path / "out", "--no-figures", "--repetitions", "50"
    )
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        + (tmp_path / "out" / "leaderboard.tex").read_text()
        + "\\end{document}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode == 0


def test_a_refused_record_is_told_on_one_visible_line(forced, tmp_path) -> None:
    (run,) = forced.glob(f"tiny/{TASK}/odd-*6/seed_0/run.json")
    content = json.loads(run.read_text())
    content["agent"]["id"] = "od\u202ed\x1b[2J"
    run.write_text(json.dumps(content))
    result = bench("leaderboard", "--results", forced, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert result.output.strip().isprintable()
    assert r"cannot be seen in 'od\u202ed\x1b[2J'" in result.output


needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="published records are no part of the wheel"
)


@needs_published
def test_published_tables_agree_with_the_published_records() -> None:
    done = bench("leaderboard", "--results", PUBLISHED, "--out", PUBLISHED.parent / "tables", "--check")
    assert done.exit_code == 0, done.output


@needs_published
def test_published_records_keep_the_rules_themselves() -> None:
    report = Report()
    rules = suite_rules("coordination", "quick")
    runs = read_submitted(PUBLISHED, survey(PUBLISHED, report), report)
    mine = [one for one in runs if (one.run.suite, one.run.budget) == (rules.suite, rules.budget)]
    assert len(mine) >= 140
    assert check_protocol(mine, rules, reference_scores(), report) == mine
    check_evaluations(mine, report)
    check_returns(mine, reference_scores(), report)
    check_copies(mine, [], report)
    rules_on_runs = ("records", "places", "versions", "protocol", "evaluations", "returns", "copies")
    assert [one for one in report.findings if one.rule in rules_on_runs and one.is_error] == []
