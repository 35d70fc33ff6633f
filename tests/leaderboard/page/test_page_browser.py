"""The page in a real browser: sorting, filtering, tabs, keyboard, curves, themes, hostile names."""

from __future__ import annotations

import json
from collections.abc import Iterator

import chromium
import pytest
from chromium import Browser, names
from coordbench.leaderboard import Bootstrap, leaderboards
from coordbench.leaderboard.page.build import write_page
from coordbench.leaderboard.page.pictures import Picture
from PIL import Image
from record_factory import HUNT, NAVIGATION, REFERENCES, run_content, write_cell, write_run

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason=chromium.WHY_NOT)

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    results = folder / "results"
    write_cell(results, "alpha", {NAVIGATION: (-22.0, -21.0, -23.0), HUNT: (150.0, 160.0, 140.0)})
    write_cell(results, "beta", {NAVIGATION: (-12.5, -11.5, -13.0), HUNT: (20.0, 25.0, 22.0)})
    write_cell(results, "gamma", {NAVIGATION: (-32.5, -31.5, -33.0)})
    write_run(results, run_content("gamma", HUNT, 1), (33.0,), "running").fail(HOSTILE, 50)
    for worse, note in enumerate((HOSTILE, "plain")):
        values = (-40.0 - worse, -41.0 - worse, -42.0 - worse)
        write_cell(results, "odd", {NAVIGATION: values}, settings={"note": note})
    picture = folder / "picture.png"
    Image.new("RGB", (60, 40), "red").save(picture)
    pictures = {
        HUNT: [
            Picture(picture.read_bytes(), "image/png"),
            Picture(picture.read_bytes(), "image/png", "alpha"),
        ]
    }
    boards = leaderboards(results, references=REFERENCES, bootstrap=Bootstrap(7, 200))
    return write_page(boards, folder, "bench leaderboard", pictures).as_uri()


@pytest.fixture
def shown(tab: Browser, url: str) -> Iterator[Browser]:
    """The page freshly opened; it must have asked for nothing and complained of nothing."""
    tab.troubles.clear()
    tab.requests.clear()
    tab.open(url)
    tab.eval("sessionStorage.clear()")
    tab.open(url)
    yield tab
    assert tab.troubles == []
    assert set(tab.requests) <= {url} | {one for one in tab.requests if one.startswith(url + "#")}
    assert tab.eval("document.title") == "toy, quick: leaderboard"


def test_columns_sort_by_mouse_and_keyboard(shown: Browser) -> None:
    ranks = shown.eval(
        "data.boards[0].agents.filter(row => row.rank !== null).map(row => [row.rank, row.agent])"
    )
    ranked = [agent for _, agent in sorted(ranks)]
    assert len(ranked) > 1
    assert names(shown, ".ranking")[: len(ranked)] == ranked
    head = ".ranking thead th:nth-child(1)"
    shown.click(f"{head} button")
    assert shown.eval(f"document.querySelector('{head}').getAttribute('aria-sort')") == "ascending"
    assert names(shown, ".ranking")[:3] == ["alpha", "beta", "gamma"]
    shown.eval(f"document.querySelector('{head} button').focus()")
    shown.key("Enter", 13, "\r")
    assert shown.eval(f"document.querySelector('{head}').getAttribute('aria-sort')") == "descending"
    assert names(shown, ".ranking")[-3:] == ["gamma", "beta", "alpha"]
    shown.click(".ranking thead th:nth-child(3) button")
    scores = dict(shown.eval("data.boards[0].agents.map(row => [row.agent, row.iqm])"))
    sorted_scores = [scores[name] for name in names(shown, ".ranking")]
    assert sorted_scores == sorted(scores.values(), reverse=True)
    shown.click(".ranking thead th:nth-child(2) button")
    assert names(shown, ".ranking")[: len(ranked)] == ranked
    shown.click(".ranking thead th:nth-child(2) button")
    assert names(shown, ".ranking")[: len(ranked)] == ranked[::-1]


def test_the_filter_holds_in_every_view(shown: Browser) -> None:
    shown.click("#filter")
    shown.type("ALPHA, gam")
    assert names(shown, ".ranking") == ["alpha", "gamma"]
    assert shown.eval("document.querySelector('#news').textContent") == "2 of 5 agents shown"
    shown.click("#tab-1")
    shown.wait(f"document.body.dataset.shown === {json.dumps(HUNT)}")
    assert sorted(names(shown, ".returns")) == ["alpha", "gamma"]
    shown.eval("byId('filter').value = ''; applyFilter()")
    assert len(names(shown, ".returns")) == 5


def test_tabs_move_with_the_arrows_and_stay_in_the_address(shown: Browser, url: str) -> None:
    shown.eval("document.querySelector('#tab-0').focus()")
    shown.key("ArrowDown", 40)
    shown.wait(f"document.body.dataset.shown === {json.dumps(HUNT)}")
    assert shown.eval("document.activeElement.getAttribute('aria-selected')") == "true"
    assert shown.eval("document.querySelector('#panel h2').textContent") == HUNT
    assert shown.eval("location.hash") == f"#task={HUNT}"
    shown.key("End", 35)
    shown.wait(f"document.body.dataset.shown === {json.dumps(NAVIGATION)}")
    assert (
        shown.eval("[...document.querySelectorAll('[role=tab]')].filter(t => t.tabIndex === 0).length") == 1
    )
    shown.open(f"{url}#task={HUNT}")
    assert shown.eval("document.body.dataset.shown") == HUNT
    assert shown.eval(
        "[...document.querySelectorAll('figure img')].every(i => i.alt && i.naturalWidth === 60)"
    )
    assert shown.eval("document.querySelectorAll('figure').length") == 2
    assert names(shown, ".returns")[:2] == ["alpha", "beta"]


def test_hovering_tells_exact_values(shown: Browser) -> None:
    shown.hover('.ranking tr[data-agent="alpha"] svg.interval')
    told = shown.eval("byId('tip').hidden ? '' : byId('tip').textContent")
    exact = shown.eval("String(data.boards[0].agents.find(row => row.agent === 'alpha').iqm)")
    assert f"IQM {exact}" in told
    shown.key("Escape", 27)
    assert shown.eval("byId('tip').hidden")


def test_curves_show_seeds_on_demand_and_have_a_table(shown: Browser, url: str) -> None:
    shown.open(f"{url}#task={HUNT}")
    shown.wait("document.querySelector('.chart canvas')")
    drawn = "[...charts].filter(c => c.box.isConnected && c.plot)[0].plot.series.length"
    before = shown.eval(drawn)
    shown.click("#with-seeds")
    shown.wait(f"document.querySelector('.chart canvas') && {drawn} > {before}")
    seeds = shown.eval("unpack('task-0-0').then(v => v.curves.reduce((n, c) => n + c.seeds.length, 0))")
    assert shown.eval(drawn) == before + seeds
    shown.hover(".chart .u-over")
    assert shown.wait("!byId('tip').hidden && byId('tip').textContent").startswith(("50", "100"))
    shown.click(".chart + details summary")
    shown.wait("document.querySelector('.chart + details table')")
    cells = shown.eval(
        "[...document.querySelectorAll('.chart + details tbody tr:last-child > *')].map(c => c.textContent)"
    )
    assert cells[0] == "100"
    assert "150.0" in cells[1]
    shown.click(".chips input:not([hidden]) ~ .dot")
    shown.wait(f"{drawn} < {before + seeds}")


def test_a_row_tells_more_and_its_command(shown: Browser) -> None:
    button = '.ranking tr[data-agent="alpha"] button.more'
    shown.eval(f"document.querySelector('{button}').focus()")
    shown.key("Enter", 13, "\r")
    assert shown.eval(f"document.querySelector('{button}').getAttribute('aria-expanded')") == "true"
    said = shown.eval("document.querySelector('.ranking tr.detail').textContent")
    assert "bench run --suite toy --budget quick --agents alpha --seeds 0-2" in said
    shown.key("Enter", 13, "\r")
    assert shown.eval("document.querySelector('.ranking tr.detail')") is None


def test_hostile_words_are_only_words(shown: Browser) -> None:
    assert shown.eval("document.querySelector('.ranking').textContent.includes('</script><script>')")
    assert shown.eval("document.querySelectorAll('#panel script, #panel img').length") == 0
    shown.click("details summary:not(.chart + details summary)")
    for _ in range(2):
        shown.eval("[...document.querySelectorAll('details')].forEach(d => { d.open = true; })")
    shown.wait("document.querySelector('.holes')")
    assert shown.eval("document.querySelector('.holes').textContent.includes('onerror=')")
    assert shown.eval("document.title") == "toy, quick: leaderboard"


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_themes_have_enough_contrast(shown: Browser, url: str, is_dark: bool) -> None:
    shown.open(url, is_dark=is_dark)
    ratio = """(name, under) => {
      const linear = (x) => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
      const light = (text) => {
        const [r, g, b] = text.match(/[0-9a-f]{2}/gi).map(x => linear(parseInt(x, 16) / 255));
        return .2126 * r + .7152 * g + .0722 * b;
      };
      const [a, b] = [light(ink(name)), light(ink(under))].sort((x, y) => y - x);
      return (a + .05) / (b + .05); }"""
    for name in ("--ink", "--soft", "--accent", "--good", "--bad"):
        for under in ("--paper", "--sunk"):
            assert shown.eval(f"({ratio})('{name}', '{under}')") >= 4.5, (name, under)
    for place in range(10):
        assert shown.eval(f"({ratio})('--c{place}', '--paper')") >= 3.0, place
    background = shown.eval("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is not is_dark
    shown.click("#theme")
    assert shown.eval("document.documentElement.dataset.theme") == "dark"


def test_a_telephone_scrolls_only_downwards(shown: Browser, url: str) -> None:
    for place in ("", f"#task={HUNT}"):
        shown.open(url + place, width=360, height=740)
        assert shown.eval("document.documentElement.scrollWidth") == 360
        assert shown.eval("document.querySelector('svg.interval').getBoundingClientRect().right") <= 360
    shown.open(url)


@pytest.mark.parametrize("width", [1280, 1200, 1000, 390])
def test_rankings_fit_from_a_telephone_to_a_desk(shown: Browser, url: str, width: int) -> None:
    is_small = width < 600
    for place, table in (("", ".ranking"), (f"#task={HUNT}", ".returns")):
        shown.open(url + place, width=width, height=800)
        beyond = "(t => t.scrollWidth - t.clientWidth)(document.querySelector('{}').parentNode)"
        assert shown.eval(beyond.format(table)) == 0
        assert shown.eval("document.documentElement.scrollWidth") == width
        columns = f"[...document.querySelectorAll('{table} thead th')].filter(t => t.offsetWidth).length"
        assert (shown.eval(columns) == 4 - (place != "")) is is_small
    shown.open(url, width=width, height=800)
    lacking = shown.eval("document.querySelector('tr[data-agent=gamma] .narrow').offsetWidth > 0")
    assert lacking is is_small  # what its missing column would say
    shown.click('.ranking tr[data-agent="alpha"] button.more')
    assert "Optimality gap" in shown.eval("document.querySelector('.ranking tr.detail').textContent")
    shown.open(url)


def test_csv_files_come_out_of_the_page(shown: Browser) -> None:
    text = shown.eval("unpackText('csv-0-leaderboard.csv')")
    assert text.startswith("agent,agent_id,suite,")
    links = shown.eval("[...document.querySelectorAll('.files a')].map(a => a.getAttribute('href'))")
    assert "./pairs.csv" in links
    assert len(links) == 6


def test_everything_that_is_pressed_has_a_name(shown: Browser) -> None:
    nameless = shown.eval(
        "[...document.querySelectorAll('button, input, select, a, [role=region], [role=img]')].filter(e =>"
        " !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length"
    )
    assert nameless == 0
    shown.eval("document.activeElement.blur()")
    shown.key("Tab", 9)
    assert shown.eval("document.activeElement.textContent") == "Skip to the tables"
