"""Claims against record folders with a known truth: which runs speak, which do not, and why."""

import math
from pathlib import Path

import pytest
from claim_factory import HIGH, LOW, claim, only, reports, write
from coordbench.analysis.claims.claim import ClaimError
from coordbench.leaderboard.claims.markdown import claims_markdown, write_claims
from record_factory import HUNT, NAVIGATION, folder_of, run_content, write_cell, write_run


def test_planted_truths_come_out(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    write(tmp_path, "beta", LOW)
    write(tmp_path, "twin", [21.0, 23.0, 25.0, 27.0, 29.0, 19.0, 25.5])
    verdict, row = only(tmp_path, claim())
    assert verdict == "supported"
    assert row["difference"] == pytest.approx(0.3)  # 60 of a span of 200
    assert (row["seeds_better"], row["seeds_worse"], row["budget"]) == (7, 7, "quick")
    assert row["low"] > 0.2
    assert only(tmp_path, claim(better="beta", worse="alpha"))[0] == "contradicted"
    assert only(tmp_path, claim(better="beta", worse="twin"))[0] == "undecided"
    assert only(tmp_path, claim(margin=0.35))[0] == "contradicted"
    assert (
        only(tmp_path, claim(better=None, worse=None, equal=["beta", "twin"], margin=0.1))[0] == "supported"
    )
    assert (
        only(tmp_path, claim(better=None, worse=None, equal=["beta", "alpha"], margin=0.1))[0]
        == "contradicted"
    )


def test_agents_trained_elsewhere_are_named_as_such(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    for seed, value in enumerate(LOW):
        content = run_content("beta", HUNT, seed)
        content["provenance"] = {"source": "elsewhere"}
        write_run(tmp_path, content, (value, value))
    assert only(tmp_path, claim())[1]["reason"] == f"no runs of beta on {HUNT} at budget quick"
    assert only(tmp_path, claim(worse="beta (external)"))[0] == "supported"


def test_runs_that_are_missing_short_or_failed_are_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    write(tmp_path, "beta", LOW[:5])
    verdict, row = only(tmp_path, claim())
    assert (verdict, row["seeds_worse"], row["reason"]) == ("supported", 5, "beta: 2 missing")
    folder_of(tmp_path, run_content("beta", HUNT, 0)).path.joinpath("done.json").unlink()
    _, row = only(tmp_path, claim())
    assert (row["seeds_worse"], row["reason"]) == (4, "beta: 1 short, 2 missing")
    for seed in range(5):
        folder = folder_of(tmp_path, run_content("beta", HUNT, seed))
        folder.path.joinpath("done.json").unlink(missing_ok=True)
    verdict, row = only(tmp_path, claim())
    assert verdict == "not testable"
    assert row["reason"] == f"no complete run of beta on {HUNT} at budget quick: 5 short, 2 missing"
    assert math.isnan(row["difference"])


def test_what_is_not_there_is_not_testable_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    for changes, reason in (
        ({}, f"no runs of beta on {HUNT} at budget quick"),
        ({"task": NAVIGATION}, f"no runs on {NAVIGATION} at budget quick"),
        ({"suite": "other"}, "no records of the suite other at budget quick"),
        (
            {"worse": {"agent": "alpha", "settings": {"beta": 0.2}}},
            f"no runs of alpha [beta=0.2] on {HUNT} at budget quick, but of alpha",
        ),
        ({"worse": {"agent": "alpha", "settings": {"zeta": 1}}}, "no run of alpha has the setting zeta"),
    ):
        verdict, row = only(tmp_path, claim(**changes))
        assert (verdict, row["reason"]) == ("not testable", reason)
        assert row["verdict"] == row["claim_verdict"] == "not testable"
    for name in ("btea", "betta"):
        with pytest.raises(
            ClaimError, match=f"f.toml: c: alpha has no setting '{name}'; did you mean 'beta'"
        ):
            only(tmp_path, claim(worse={"agent": "alpha", "settings": {name: 1}}))
    write_cell(tmp_path, "alpha", {"plain-v1": HIGH})
    write_cell(tmp_path, "beta", {"plain-v1": LOW})
    verdict, row = only(tmp_path, claim(task="plain-v1"))
    assert row["reason"] == "alpha on plain-v1: the task has no reference score"
    assert only(tmp_path, claim(task="plain-v1", measure="return"))[0] == "supported"


def test_one_rival_that_is_missing_keeps_a_claim_from_being_supported(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    write(tmp_path, "beta", LOW)
    assert only(tmp_path, claim(worse=["beta", "gamma"]))[0] == "undecided"
    assert only(tmp_path, claim(better=["beta"], worse=["alpha", "gamma"]))[0] == "contradicted"


def test_variants_are_told_apart_by_settings(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH, settings={"beta": 1, "size": [64, 64]})
    write(tmp_path, "alpha", LOW, settings={"beta": 0.1, "size": [64, 64]})
    verdict, row = only(tmp_path, claim(worse={"agent": "alpha", "settings": {"beta": 0.1}}))
    assert verdict == "not testable"
    assert row["reason"] == (
        f"alpha is not one agent on {HUNT}: name settings that tell apart alpha [beta=0.1], alpha [beta=1]"
    )
    sides = [{"agent": "alpha", "settings": {"beta": beta, "size": [64, 64]}} for beta in (1.0, 0.1)]
    assert only(tmp_path, claim(better=sides[0], worse=sides[1]))[0] == "supported"
    assert only(tmp_path, claim(better=sides[1], worse=sides[0]))[0] == "contradicted"


def test_budgets_versions_and_protocols_are_never_mixed(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    write(tmp_path, "beta", LOW, budget="paper")
    both = reports(tmp_path, claim())
    assert [report.budget for report in both] == ["paper", "quick"]
    assert [report.verdicts["c"] for report in both] == ["not testable", "not testable"]
    assert [report.budget for report in reports(tmp_path, claim(), budget="paper")] == ["paper"]

    versions = tmp_path / "versions"
    write(versions, "alpha", HIGH)
    write(versions, "beta", LOW, suite_version="2", settings={"beta": 0.3})
    verdict, row = only(versions, claim())
    assert (verdict, row["reason"]) == ("not testable", f"no runs of alpha on {HUNT} at budget quick")
    (report,) = reports(versions, claim())
    assert report.notes == ("records of version 1 of the suite toy are left out: there are newer",)

    steps = tmp_path / "steps"
    write(steps, "alpha", HIGH)
    write(steps, "gamma", HIGH)
    write(steps, "beta", LOW, steps=50)
    verdict, row = only(steps, claim())
    assert verdict == "not testable"
    assert "7 apart; not comparable: steps 50 instead of 100" in row["reason"]


def test_the_page_says_all_and_strange_words_stay_words(tmp_path: Path) -> None:
    write(tmp_path, "alpha", HIGH)
    write(tmp_path, "beta", LOW)
    text = "alpha | <script> [x](http://y)"
    (report,) = found = reports(tmp_path, claim(text=text, source="=1+1"), claim(id="d", worse="gamma"))
    page = claims_markdown(report, "bench claims")
    assert "2 claims: 1 supported, 0 contradicted, 0 undecided, 1 not testable." in page
    assert "| alpha > beta | 0.42 : 0.12 | 0.30 [" in page
    assert f"- no runs of gamma on {HUNT} at budget quick: d" in page
    for part in (
        "seed 0",
        "500 repetitions",
        "quick, 100 environment steps",
        "`bench claims`",
        "0, 1, 2, 3, 4, 5, 6",
    ):
        assert part in page.split("## How this was made")[1]
    assert "<script>" not in page
    assert "](http" not in page
    paths = write_claims(found, tmp_path / "out", "bench claims")
    assert [path.name for path in paths] == ["CLAIMS.md", "claims.csv"]
    assert ",'=1+1," in paths[1].read_text()
