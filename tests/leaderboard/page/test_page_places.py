"""The page in a real browser: several budgets, served beside a sweep, as large as it gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from chromium import NAMES, Browser, names
from coordbench.leaderboard import Bootstrap, leaderboards
from coordbench.leaderboard.page.build import page, write_page
from coordbench.leaderboard.page.server import PageServer
from large_board import large_board
from record_factory import HUNT, NAVIGATION, REFERENCES, write_cell

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason=chromium.WHY_NOT)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def test_budgets_are_tables_of_one_page(tab: Browser, tmp_path: Path) -> None:
    for budget, value in (("paper", -12.0), ("quick", -22.0)):
        returns = {NAVIGATION: (value, value + 1)}
        write_cell(tmp_path / "results", "alpha", returns, budget=budget)
    write_cell(tmp_path / "results", "beta", {NAVIGATION: (-30.0, -31.0)}, budget="quick")
    boards = leaderboards(tmp_path / "results", references=REFERENCES, bootstrap=Bootstrap(7, 20))
    tab.troubles.clear()
    tab.open(write_page(boards, tmp_path, "bench leaderboard").as_uri())
    assert tab.eval("document.querySelector('h1').textContent") == "toy, budget paper"
    assert names(tab, ".ranking") == ["alpha"]
    choose = "byId('board').value = '1'; byId('board').dispatchEvent(new Event('change'))"
    tab.eval(choose)
    tab.wait("document.querySelector('h1').textContent === 'toy, budget quick'")
    tab.wait(NAMES.format(".ranking") + ".length === 2")
    links = tab.eval("[...document.querySelectorAll('.files a')].map(a => a.getAttribute('href'))")
    assert "./quick/pairs.csv" in links
    assert tab.eval("location.hash") == "#table=1"
    assert tab.troubles == []


def test_a_served_page_loads_itself_anew_and_stays_where_it_was(tab: Browser, tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_cell(results, "alpha", {NAVIGATION: (-22.0, -21.0), HUNT: (150.0, 160.0)})

    def build() -> dict[str, str]:
        boards = leaderboards(results, references=REFERENCES, bootstrap=Bootstrap(7, 20))
        return {"index.html": page(boards, "bench leaderboard", is_live=True)}

    server = PageServer(build, results, 0)
    thread = threading.Thread(target=server.serve, args=(0.1,), daemon=True)
    thread.start()
    try:
        tab.troubles.clear()
        tab.open(f"{server.url}#task={HUNT}")
        assert names(tab, ".returns") == ["alpha"]
        write_cell(results, "beta", {NAVIGATION: (-12.0, -11.0), HUNT: (50.0, 60.0)})
        tab.wait("document.querySelector('.returns') && " + NAMES.format(".returns") + ".length === 2")
        assert tab.eval("document.body.dataset.shown") == HUNT
        assert tab.troubles == []
    finally:
        tab.open("about:blank", is_waiting=False)
        server.close()
        thread.join(10)


@pytest.mark.slow
def test_fifty_agents_on_fifty_tasks_fit_and_sort(tab: Browser, tmp_path: Path) -> None:
    board = large_board(50, 50, 7)
    path = write_page([board], tmp_path, "bench leaderboard")
    assert path.stat().st_size < 5_000_000
    tab.troubles.clear()
    tab.open(path.as_uri())
    assert len(names(tab, ".ranking")) == 50
    tab.click(".ranking thead th:nth-child(3) button")
    cells = "[...document.querySelectorAll('.ranking tbody td:nth-child(3) > span')]"
    texts = tab.eval(cells + ".map(cell => cell.firstChild.data)")
    shown = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
    assert shown == sorted(shown, reverse=True)
    tab.click("#tab-50")
    tab.wait("document.body.dataset.shown === 'task_49-v1' && document.querySelector('.chart canvas')")
    assert "evaluations are drawn" in tab.eval("document.querySelector('#panel').textContent")
    assert tab.troubles == []
