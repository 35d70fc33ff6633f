"""LaTeX, figures, escaping, and the check of published tables."""

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from coordbench.analysis import RecordError
from coordbench.leaderboard import Bootstrap, Leaderboard, differences, leaderboards, write_leaderboards
from coordbench.leaderboard.figures import FIGURES, figures
from coordbench.leaderboard.latex import escape, latex
from PIL import Image
from record_factory import HUNT, NAVIGATION, REFERENCES, run_content, write_cell, write_run

HOSTILE = '<script>alert("x")</script> | =cmd() \\input{/etc/passwd} $x_1$ ](http://bad) ~^&%#'


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    write_cell(folder, "alpha", {NAVIGATION: (-22.0, -21.0, -23.0), HUNT: (150.0, 160.0, 140.0)})
    write_cell(folder, "beta", {NAVIGATION: (-22.5, -21.5, -23.0), HUNT: (20.0,)})
    write_run(folder, run_content("beta", HUNT, 1), (33.0,), "running").fail(HOSTILE, 50)
    for name in ("one", "two"):
        write_cell(folder, "odd", {NAVIGATION: (-30.0, -31.0, -32.0)}, settings={"note": HOSTILE + name})
    return folder


@pytest.fixture
def board(results: Path) -> Leaderboard:
    (found,) = leaderboards(results, references=REFERENCES, bootstrap=Bootstrap(7, 200))
    return found


def test_latex_marks_the_best_and_the_tied(board: Leaderboard) -> None:
    text = latex(board, "bench leaderboard")
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    assert r"\textbf{$-$22.0} {\scriptsize $[-23.0, -21." in text
    assert r"$-22.3^{\approx}$" in text
    assert r"beta $^{\dagger}$" in text
    assert "% Command: `bench leaderboard`" in text
    for line in text.splitlines():
        if line.endswith(r"\\") and line.startswith(("alpha", "beta")):
            assert line.replace(r"\&", "").count("&") in (2, 6)


def test_latex_compiles(board: Leaderboard, tmp_path: Path) -> None:
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("there is no pdflatex")
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        + latex(board, "bench leaderboard --suite a_b")
        + "\\end{document}\n"
    )
    done = subprocess.run(
        [program, "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 10_000


def test_latex_escapes_every_sign() -> None:
    assert escape("a_b 5% \\x{y}") == r"a\_b 5\% \textbackslash{}x\{y\}"
    assert escape("aé\nb") == "a? b"
    assert r"\input" not in escape(HOSTILE)


def test_hostile_words_stay_words(board: Leaderboard, tmp_path: Path) -> None:
    write_leaderboards([board], tmp_path, "bench")
    page = (tmp_path / "LEADERBOARD.md").read_text()
    assert "<script>" not in page
    assert "](http" not in page
    assert "&lt;script>" in page
    tex = (tmp_path / "leaderboard.tex").read_text()
    assert r"\input{/etc" not in tex
    frame = pd.DataFrame({"agent": ["=1+1", "@x", "-y", "fine"], "n": [-1.5, 2, 3, 4]})
    from coordbench.leaderboard.tables import csv_text

    assert csv_text(frame).splitlines()[1:] == ["'=1+1,-1.5", "'@x,2", "'-y,3", "fine,4"]


def test_figures_are_whole_repeatable_and_say_how_they_were_made(board: Leaderboard, tmp_path: Path) -> None:
    made = figures(board, "bench leaderboard --out $HOME")
    assert set(made) == {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    for name, content in made.items():
        path = tmp_path / name
        path.write_bytes(content)
        if name.endswith(".png"):
            with Image.open(path) as image:
                assert min(image.size) > 200
                assert len(image.getcolors(1 << 20) or []) > 3
        else:
            words = " ".join(
                "".join(element.itertext()) for element in ElementTree.fromstring(content).iter()
            )
            for piece in ("seeds 0-2", "budget quick", "2 episodes", "bootstrap seed 7", "200 repetitions"):
                assert piece in words, (name, piece)
            assert "--out $HOME" in words
    assert figures(board, "bench leaderboard --out $HOME")["profiles.svg"] == made["profiles.svg"]


def test_footers_are_beside_the_csv_files(board: Leaderboard, tmp_path: Path) -> None:
    write_leaderboards([board], tmp_path, "bench x")
    about = json.loads((tmp_path / "about.json").read_text())
    assert about["Command"] == "`bench x`"
    assert {"Suite", "Budget", "Seeds", "Evaluation", "Intervals", "Tables made with"} <= set(about)


def test_the_check_finds_one_changed_number(board: Leaderboard, tmp_path: Path) -> None:
    write_leaderboards([board], tmp_path, "bench x")
    assert differences([board], tmp_path) == []
    path = tmp_path / "tasks.csv"
    text = path.read_text()
    assert ",-22," in text
    path.write_text(text.replace(",-22,", ",-21.9,", 1))
    (found,) = differences([board], tmp_path)
    assert "tasks.csv: line 6, return: published '-21.9', the records give '-22'" in found
    path.write_text(text)
    page = tmp_path / "LEADERBOARD.md"
    page.write_text(page.read_text().replace("**-22.0**", "**-21.0**"))
    (found,) = differences([board], tmp_path)
    assert found.endswith("differs")
    assert "LEADERBOARD.md line" in found
    (tmp_path / "pairs.csv").unlink()
    with pytest.raises(RecordError, match=r"pairs\.csv"):
        differences([board], tmp_path)
