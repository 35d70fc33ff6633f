"""`bench claims` as a user types it: planted truths, mistakes, and the claims that are shipped."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from coordbench import agents
from coordbench.analysis.claims.file import claims_names, read_claims
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.suites.suite_file import read_suite
from record_factory import write_cell

RECORDS = Path(__file__).parents[3] / "leaderboard" / "published" / "records"
TASK = "predator_prey_2-v1"
LOW = [120.0, 90.0, 100.0, 140.0, 130.0, 110.0, 150.0]
HIGH = [value + 200 for value in LOW]
HEAD = 'title = "mine"\n'
CLAIM = """
[[claims]]
id = "{id}"
text = "{better} does better than {worse}"
suite = "coordination"
task = "predator_prey_2-v1"
better = "{better}"
worse = "{worse}"
"""


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["claims", *map(str, arguments)])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """vm3ac far above ma_ac; ma_sac among ma_ac; maddpg with four seeds; quick but for one agent."""
    folder = tmp_path / "results"
    shuffled = [111.0, 119.0, 101.0, 91.0, 149.0, 129.0, 138.0]
    for agent, values in (("vm3ac", HIGH), ("ma_ac", LOW), ("ma_sac", shuffled), ("maddpg", LOW[:4])):
        write_cell(folder, agent, {TASK: values}, suite="coordination")
    write_cell(folder, "si_moa", {TASK: LOW}, suite="coordination", budget="paper")
    return folder


def claims_file(folder: Path, *pairs: tuple[str, str]) -> Path:
    path = folder / "mine.toml"
    parts = [CLAIM.format(id=f"{one}-{other}", better=one, worse=other) for one, other in pairs]
    path.write_text(HEAD + "".join(parts))
    return path


def test_planted_truths_come_out_of_the_command(results: Path, tmp_path: Path) -> None:
    pairs = [
        ("vm3ac", "ma_ac"),
        ("ma_ac", "vm3ac"),
        ("ma_sac", "ma_ac"),
        ("vm3ac", "maddpg"),
        ("vm3ac", "si_moa"),
    ]
    file = claims_file(tmp_path, *pairs)
    out = tmp_path / "out"
    options = ("--results", results, "--file", file, "--repetitions", 2000, "--out", out)
    done = bench(*options, "--budget", "quick")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out / "claims.csv").set_index("claim")
    assert list(table["verdict"]) == ["supported", "contradicted", "undecided", "supported", "not testable"]
    assert table.loc["vm3ac-maddpg", "reason"] == "maddpg: 3 missing"
    assert (table.loc["vm3ac-maddpg", "seeds_better"], table.loc["vm3ac-maddpg", "seeds_worse"]) == (7, 4)
    assert set(table.loc[table["verdict"] != "not testable", "tests"]) == {4}
    assert "5 claims: 2 supported, 1 contradicted, 1 undecided, 1 not testable" in done.output
    assert f"no runs of si_moa on {TASK} at budget quick" in " ".join(done.output.split())
    page = (out / "CLAIMS.md").read_text()
    assert f"--results {results} --out {out} --file {file} --budget quick --repetitions 2000" in page

    agrees = bench(*options, "--budget", "quick", "--check")
    assert (agrees.exit_code, "agrees with the records" in agrees.output) == (0, True)
    (out / "claims.csv").write_text((out / "claims.csv").read_text().replace(",supported,", ",undecided,"))
    differs = bench(*options, "--budget", "quick", "--check")
    assert differs.exit_code == 1
    assert (
        "claims.csv: line 2, claim_verdict: published 'undecided', the records give 'supported'"
        in differs.output
    )
    assert bench("--check").exit_code == 2

    assert bench(*options).exit_code == 0
    found = [pd.read_csv(path).set_index("claim") for path in sorted(out.glob("*/claims.csv"))]
    assert [set(table["budget"]) for table in found] == [{"paper"}, {"quick"}]
    assert set(found[0]["verdict"]) == {"not testable"}
    pd.testing.assert_frame_equal(found[1], table)


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the published records are not part of the package")
def test_published_claims_agree_with_the_published_records() -> None:
    done = bench("--results", RECORDS, "--budget", "quick", "--out", RECORDS.parent / "tables", "--check")
    assert done.exit_code == 0, done.output


def test_mistakes_are_one_line_and_status_2(results: Path, tmp_path: Path) -> None:
    file = claims_file(tmp_path, ("vm3ac", "ma_ca"))
    text = file.read_text()
    options = ("--results", results, "--file", file)
    for changed, said in (
        (text, "unknown agent 'ma_ca'; did you mean 'ma_ac'?"),
        (text.replace("prey_2-v1", "pray_2-v1"), f"did you mean '{TASK}'?"),
        (text.replace('"coordination"', '"cordination"'), "did you mean 'coordination'?"),
        (text.replace("worse", "worst"), "unknown key 'worst'; did you mean 'worse'?"),
        (
            text.replace("ma_ca", "ma_ac") + 'measure = "scor"',
            "unknown measure 'scor'; did you mean 'score'?",
        ),
    ):
        file.write_text(changed)
        done = bench(*options)
        assert done.exit_code == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert "did you mean 'vm3ac_2023'" in bench("--file", "vm3ac").stderr
    assert "it has: paper, quick" in bench("--results", results, "--budget", "smoke").stderr


def test_an_agent_of_ones_own_and_a_suite_of_ones_own_need_records_only(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    for agent, values in (("mine", HIGH), ("vm3ac", LOW)):
        write_cell(folder, agent, {"field-v1": values}, suite="fields")
    text = CLAIM.format(id="c", better="mine", worse="vm3ac").replace('"coordination"', '"fields"')
    file = tmp_path / "mine.toml"
    file.write_text(HEAD + text.replace(TASK, "field-v1") + 'measure = "return"')
    done = bench("--results", folder, "--file", file, "--repetitions", 500)
    assert done.exit_code == 0, done.output
    assert "1 claim: 1 supported" in done.output


@pytest.mark.parametrize("name", claims_names())
def test_shipped_claims_speak_of_tasks_agents_and_settings_of_shipped_suites(name: str) -> None:
    done = bench("--list", "--file", name)
    assert done.exit_code == 0, done.output
    cells: dict[str, list] = {}
    for claim in read_claims(name).claims:
        assert claim.id in done.output
        suite = read_suite(claim.suite)
        found = cells.setdefault(claim.suite, suite.cells("paper"))
        for side in {side.label: side for pair in claim.pairs for side in pair}.values():
            assert side.agent in suite.agents
            assert side.settings.keys() <= {
                field.name for field in fields(agents.load(side.agent).config_class)
            }
            for task in claim.tasks:
                fitting = [
                    cell
                    for cell in found
                    if (cell.task, cell.agent) == (task, side.agent)
                    and all(cell.agent_settings[key] == value for key, value in side.settings.items())
                ]
                assert len(fitting) == 1, f"{claim.id}: {side.label} on {task} names {len(fitting)} cells"


def test_the_example_in_the_documentation_is_read_and_names_what_exists(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "claims.md").read_text()
    example = guide.split("```toml\n")[1].split("```")[0]
    assert len(tomllib.loads(example)["claims"]) == 3
    (tmp_path / "mine.toml").write_text(example)
    done = bench("--list", "--file", tmp_path / "mine.toml")
    assert done.exit_code == 0, done.output
    assert "vm3ac = vm3ac (score_shared_seed)" in done.output
