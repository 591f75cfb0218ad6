"""The report, and a page of the site, in a real browser: Chromium without a window."""

import itertools
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait
from selenium_axe_python import Axe
from sphinx.application import Sphinx

from contracts.audits import audited_comparison
from contracts.run_folders import config_of, sessions_of, write_comparison, write_run, write_search, write_sweep
from pydeeprecsys.experiments.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]  # one browser for all

HOSTILE = "<script>document.title = 'taken'</script>"
SCREENS = [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]


class Browser:
    """Chromium, with a screen to choose."""

    def __init__(self, chromium: str, driver: str) -> None:
        options = ChromeOptions()
        options.binary_location = chromium
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.chrome = Chrome(options, ChromeService(driver))
        self.page = Path()

    def open(self, width: int, height: int, scheme: str, page: Path | None = None) -> None:
        """Open a page, that of four agents by default, on such a screen, and wait for its charts."""
        self.show_on(width, height)
        self.prefer(scheme)
        self.chrome.get((page or self.page).as_uri())
        self.until(
            lambda: self.ask("[...document.querySelectorAll('.chart')].every((one) => one.querySelector('svg'))")
        )

    def show_on(self, width: int, height: int) -> None:
        """Give the page a screen of that size."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def prefer(self, scheme: str) -> None:
        """Let the screen be light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def all(self, selector: str) -> list[WebElement]:
        """All elements that a selector finds."""
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first of them."""
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def ask(self, script: str) -> Any:
        """What a line of JavaScript gives."""
        return self.chrome.execute_script(f"return {script}")  # type: ignore[no-untyped-call]

    def until(self, condition: Any) -> None:
        """Wait for something to become so."""
        WebDriverWait(self.chrome, 10, poll_frequency=0.05).until(lambda chrome: condition())

    def choose(self, name: str, text: str) -> None:
        """Choose in the session explorer."""
        Select(self.one(f"select[name={name}]")).select_by_visible_text(text)

    @property
    def titles(self) -> list[str]:
        """The titles in the table of steps."""
        return [cell.get_property("textContent") for cell in self.all(".steps tbody td:nth-child(2)")]  # type: ignore[misc]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without a page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        complaint = "the report is tested in Chromium; install chromium and chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(complaint)
        pytest.skip(complaint)
    browser = Browser(chromium, driver)
    try:
        yield browser
    finally:
        browser.chrome.quit()


@pytest.fixture(scope="module")
def browser(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A page of four agents, one of which, <b>odd</b>, showed what has a hostile title."""
    folder = write_comparison(tmp_path_factory.mktemp("browser") / "compared")
    shutil.rmtree(folder / "runs" / "dqn-2")  # not begun
    for seed in range(2):
        sessions = sessions_of(["u1", "u2", "u3"], [HOSTILE, "Night (2001)"], n_steps=4)
        write_run(
            folder / "runs" / f"odd-{seed}", config_of("<b>odd</b>", seed), returns=[38.0, 39.0], sessions=sessions
        )
    write_report([folder], folder / "report.html")
    chromium.page = folder / "report.html"
    return chromium


@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_everything_is_drawn_on_every_screen(browser: Browser, width: int, height: int, scheme: str) -> None:
    browser.open(width, height, scheme)
    for chart, mark, least in [
        ("curves", ".scatterlayer .trace .js-line", 4),
        ("profiles", ".scatterlayer .trace .js-line", 5),
        ("scatter", ".scatterlayer .trace .point", 2 * 5),
        ("session", ".scatterlayer .trace .point", 2 * 3),
        ("session", ".heatmaplayer image", 1),
    ]:
        drawn = browser.all(f"[data-chart={chart}] {mark}")
        assert len(drawn) >= least, chart
        assert all(max(mark.size.values()) > 0 for mark in drawn), chart
    for chart in browser.all(".chart"):
        inner = chart.find_element(By.CSS_SELECTOR, ".main-svg")
        assert 250 < inner.size["width"] <= chart.size["width"] <= width
    assert browser.ask("document.documentElement.scrollWidth") <= width  # tables scroll inside their frames
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (int(background[4:].split(",")[0]) > 128) == (scheme == "light")
    assert browser.chrome.title == "PyDeepRecSys report"
    assert browser.chrome.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_charts_follow_when_it_gets_dark_or_narrow(browser: Browser) -> None:
    browser.open(*SCREENS[0])
    ink = "getComputedStyle(document.querySelector('[data-chart=scatter] .textpoint text')).fill"
    in_light = browser.ask(ink)
    browser.prefer("dark")
    browser.until(lambda: browser.ask(ink) != in_light)
    browser.show_on(390, 844)
    browser.until(lambda: all(chart.size["width"] < 390 for chart in browser.all(".chart .main-svg")))


@pytest.mark.parametrize("screen", [SCREENS[0], SCREENS[3]])
def test_the_explorer_shows_the_session_that_is_chosen(browser: Browser, screen: tuple[int, int, str]) -> None:
    browser.open(*screen)
    browser.choose("agent", "dqn")
    assert [option.text for option in Select(browser.one("select[name=seed]")).options] == ["0", "1"]
    assert browser.titles == ["The Long Road (1999)", "Night (2001)"] * 3
    assert "User 01, dqn, seed 0: 3 steps" in browser.one(".about").text
    browser.choose("agent", "<b>odd</b>")
    assert browser.titles == [HOSTILE, "Night (2001)"] * 4
    assert len(browser.all("[data-chart=session] .scatterlayer .trace .point")) == 2 * 4
    browser.choose("seed", "1")
    browser.choose("session", "u2")
    assert "User u2, <b>odd</b>, seed 1: 4 steps, return 3.2" in browser.one(".about").text
    # The first step chose the first item, the second the second; both liked, Action doubles.
    cells = [
        [cell.get_property("textContent") for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in browser.all(".steps tbody tr")
    ]
    assert [row[0] for row in cells] == ["1", "", "2", "", "3", "", "4", ""]
    assert [row[5] for row in cells[:4]] == ["✓ chosen", "", "", "✓ chosen"]
    assert [row[6] for row in cells[:4]] == ["Action 0.5 → 1", "", "", "Action 1 → 2"]
    assert cells[-1][6] == ""  # nobody looked after the last step
    forth, back = browser.one("button[name=next]"), browser.one("button[name=previous]")
    forth.click()
    assert "User u3" in browser.one(".about").text
    assert not forth.is_enabled()
    back.click()
    back.send_keys(Keys.ENTER)
    assert "User u1" in browser.one(".about").text
    assert not back.is_enabled()
    assert browser.chrome.title == "PyDeepRecSys report"  # the film's script is text
    assert browser.chrome.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_the_legend_hides_an_agent_by_keyboard(browser: Browser) -> None:
    browser.open(*SCREENS[0])
    lines = "[data-chart=profiles] .scatterlayer .trace .js-line"
    before = len(browser.all(lines))
    button = next(button for button in browser.all(".legend button") if button.accessible_name == "dqn")
    assert button.get_attribute("aria-pressed") == "true"
    button.send_keys(Keys.SPACE)
    assert button.get_attribute("aria-pressed") == "false"
    browser.until(lambda: len(browser.all(lines)) == before - 2)  # its line and its band
    button.send_keys(Keys.SPACE)
    browser.until(lambda: len(browser.all(lines)) == before)


def test_text_of_the_data_is_text_in_charts_too(browser: Browser) -> None:
    browser.open(*SCREENS[0])
    labels = browser.ask(
        "[...document.querySelectorAll('[data-chart=scatter] .textpoint')].map((one) => one.textContent)"
    )
    assert sorted(labels) == ["<b>odd</b>", "dqn", "oracle", "random", "win-stay"]


def test_readers_of_all_kinds_find_their_way(browser: Browser) -> None:
    browser.open(*SCREENS[2])
    controls = browser.all("button, select, summary")
    assert all(control.accessible_name for control in controls)
    assert all(control.size["height"] >= 30 for control in controls)  # for a thumb
    assert all(chart.accessible_name and chart.aria_role == "image" for chart in browser.all(".chart"))
    assert "dqn: violence 0.44, return 44." in browser.one("[data-chart=scatter]").accessible_name
    headings = browser.ask("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    # Lines are told apart without colour: by dash and marker.
    looks = browser.ask(
        "[...document.querySelectorAll('[data-chart=curves] .scatterlayer .trace')]"
        ".filter((line) => line.querySelector('.point')).map((line) => "
        "line.querySelector('.js-line').style.strokeDasharray + line.querySelector('.point').getAttribute('d'))"
    )
    assert len(looks) == len(set(looks)) == 5


LONG = "recommenders_of_the_house.contextual.policies:ConservativeAgent"


@pytest.fixture(scope="module")
def crowded(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> tuple[Browser, Path]:
    """A page of long names and paths, alike returns, and sessions of 40 slates of 8 items."""
    folder = tmp_path_factory.mktemp("crowded")
    dataset = f"/{'a_folder_whose_name_has_no_end/' * 6}ratings.csv"
    titles = [f"An article of the shop with a title of the usual length, number {item}" for item in range(8)]
    changes = {"dataset": dataset, "hyperparameters": {"learning_rate": 0.001}}
    for agent in ("random", "oracle", "win-stay", "dqn", LONG):
        for seed in range(2):
            level = {"random": 30.0, "oracle": 50.0}.get(agent, 40.0)
            write_run(
                folder / f"{agent.replace(':', '.')}-{seed}",
                config_of(agent, seed, **changes),
                curve=[level, level + 1],
                returns=[level, level + seed / 10],
                sessions=sessions_of(["u1"], titles, n_steps=40),
            )
    write_run(folder / "dqn-other", config_of("dqn", 0, **changes | {"hyperparameters": {}}), returns=[40.0])
    write_report(sorted(folder.iterdir()), folder / "page.html")
    return chromium, folder / "page.html"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen_or_without_an_end(crowded: tuple[Browser, Path], width: int) -> None:
    browser, page = crowded
    browser.open(width, 900, "light", page)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("document.documentElement.scrollHeight") < 10_000
    wide = "[...document.querySelectorAll('main *, header *')].filter((one) => !one.closest('.scroll, svg')"
    assert browser.ask(f"{wide} && one.getBoundingClientRect().right > {width}).map((one) => one.outerHTML)") == []


@pytest.mark.parametrize("width", [390, 1280])
def test_names_of_agents_break_after_their_signs_only(crowded: tuple[Browser, Path], width: int) -> None:
    browser, page = crowded
    browser.open(width, 900, "light", page)
    # Of each part of a name between signs: on how many lines it stands.
    lines = browser.ask(
        "[...document.querySelectorAll('.summary .name')].flatMap((name) => [...name.childNodes].flatMap((node) => {"
        " if (node.nodeType !== 3) return []; const range = document.createRange();"
        " return [...node.textContent.matchAll(/[^\\s]+/g)].map((part) => { range.setStart(node, part.index);"
        " range.setEnd(node, part.index + part[0].length); return [part[0], range.getClientRects().length]; }); }))"
    )
    assert {part for part, _ in lines} >= {"win-", "stay", "ConservativeAgent", "dqn,", "0.001,"}
    assert [part for part, count in lines if count > 1] == []


def test_markers_of_the_legend_are_whole(crowded: tuple[Browser, Path]) -> None:
    browser, page = crowded
    browser.open(390, 844, "light", page)
    boxes = browser.ask(
        "[...document.querySelectorAll('.legend svg')].map((svg) => [svg, svg.querySelector('path')]"
        ".map((one) => one.getBoundingClientRect()).map((box) => [box.top, box.bottom, box.height]))"
    )
    assert len(boxes) == 6
    for (top, bottom, _), (upper, lower, height) in boxes:
        assert top <= upper < lower <= bottom
        assert height > 6


def test_labels_of_points_do_not_collide(crowded: tuple[Browser, Path]) -> None:
    browser, page = crowded
    for width in (390, 1280):
        browser.open(width, 900, "light", page)
        boxes = browser.ask(
            "[...document.querySelectorAll('[data-chart=scatter] .textpoint text')].map((one) =>"
            " one.getBoundingClientRect()).map((box) => [box.left, box.right, box.top, box.bottom])"
        )
        assert boxes
        for (left, right, top, bottom), (start, end, upper, lower) in itertools.combinations(boxes, 2):
            assert right <= start or end <= left or bottom <= upper or lower <= top


@pytest.mark.parametrize("width", [390, 1280])
def test_long_sessions_are_shown_some_steps_at_a_time(crowded: tuple[Browser, Path], width: int) -> None:
    browser, page = crowded
    browser.open(width, 900, "light", page)
    earlier, later = browser.one("button[name=earlier]"), browser.one("button[name=later]")
    said = browser.one(".pages span")
    assert (len(browser.titles), said.text, earlier.is_enabled()) == (24, "steps 1 to 3 of 40", False)
    for _ in range(13):
        later.click()
    assert (len(browser.titles), said.text, later.is_enabled()) == (8, "steps 40 to 40 of 40", False)
    earlier.click()
    assert said.text == "steps 37 to 39 of 40"
    browser.choose("seed", "1")
    assert said.text == "steps 1 to 3 of 40"


def test_paper_is_white_and_wide_enough(crowded: tuple[Browser, Path]) -> None:
    browser, page = crowded
    browser.open(1280, 900, "dark", page)
    ink = "getComputedStyle(document.querySelector('[data-chart=curves] .xtick text')).fill"
    wide = "Math.max(...[...document.querySelectorAll('.chart .main-svg')].map((one) => one.clientWidth))"
    dark, screen = browser.ask(ink), browser.ask(wide)
    browser.chrome.execute_script("window.dispatchEvent(new Event('beforeprint'))")  # type: ignore[no-untyped-call]
    assert browser.ask("getComputedStyle(document.documentElement).getPropertyValue('--paper')") == "#fcfbf8"
    assert browser.ask(ink) != dark
    assert browser.ask(wide) <= 700 < screen
    browser.chrome.execute_script("window.dispatchEvent(new Event('afterprint'))")  # type: ignore[no-untyped-call]
    browser.until(lambda: browser.ask(ink) == dark and browser.ask(wide) == screen)


def test_what_was_not_known_has_no_panel(chromium: Browser, tmp_path: Path) -> None:
    recorded = sessions_of(["u1"], ["a"])
    for one in recorded["sessions"][0]["steps"]:
        one["shown"][0]["violence"] = None
    folder = write_run(
        tmp_path / "blind", config_of("dqn", 0), curve=[1.0], returns=[1.0], violence=math.nan, sessions=recorded
    )
    write_report([folder], tmp_path / "page.html")
    chromium.open(1280, 900, "light", tmp_path / "page.html")
    titles = (
        "[...document.querySelectorAll('[data-chart=session] .ytitle, .y2title, .y3title')].map((t) => t.textContent)"
    )
    assert chromium.ask(titles) == ["Rating"]
    assert chromium.ask("getComputedStyle(document.querySelector('.steps td:nth-child(5)')).display") == "none"
    assert "violence" not in chromium.one(".about").text
    assert chromium.chrome.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_a_search_is_drawn(chromium: Browser, tmp_path: Path, width: int) -> None:
    trials = ["0,complete,30.0,0.001,,False", '1,complete,42.5,0.1,"[32, 32]",True', "2,pruned,,0.01,,False"]
    folder = write_search(tmp_path / "tuned", trials)
    write_report([folder], tmp_path / "page.html")
    chromium.open(width, 900, "dark", tmp_path / "page.html")
    points = [len(chart.find_elements(By.CSS_SELECTOR, ".point")) for chart in chromium.all(".chart")]
    assert points == [2, 2, 2, 2]
    names = [chart.accessible_name for chart in chromium.all(".chart")]
    assert names[1:] == [
        f"Return of complete trials by {name}" for name in ("learning_rate", "hidden_layers", "double")
    ]
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    assert chromium.chrome.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def swept(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> tuple[Browser, Path]:
    """A page of a sweep of three values."""
    folder = write_sweep(tmp_path_factory.mktemp("swept") / "swept")
    write_report([folder], folder / "report.html")
    return chromium, folder / "report.html"


@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_fronts_are_drawn_on_every_screen(swept: tuple[Browser, Path], width: int, height: int, scheme: str) -> None:
    browser, page = swept
    browser.open(width, height, scheme, page)
    for chart in ("violence", "cvar"):
        lines = browser.all(f"section.front [data-chart={chart}] .scatterlayer .trace .js-line")
        assert len(lines) == 3
        assert len(browser.all(f"section.front [data-chart={chart}] .scatterlayer .trace .point")) == 3 * 3
        # A cross per point of dqn and the oracle; random has an interval of the rating alone.
        assert len(browser.all(f"section.front [data-chart={chart}] .xerror")) >= 6
        assert len(browser.all(f"section.front [data-chart={chart}] .yerror")) >= 9
        (inner,) = {each.size["width"] for each in browser.all(f"section.front [data-chart={chart}] .main-svg")}
        assert 250 < inner <= width
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.chrome.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_the_legend_of_a_front_hides_a_line_and_its_chart_says_what_it_shows(swept: tuple[Browser, Path]) -> None:
    browser, page = swept
    browser.open(*SCREENS[0], page)
    chart = browser.one("section.front [data-chart=cvar]")
    assert "dqn: 0.51 with a rating of 4.10, 0.31 with a rating of 3.85, 0.11" in chart.accessible_name
    next(one for one in browser.all("section.front .legend button") if one.accessible_name == "dqn").click()
    browser.until(lambda: "dqn" not in chart.accessible_name)
    assert len(browser.all("section.front [data-chart=violence] .scatterlayer .trace .js-line")) == 2
    worlds = "section.world [data-chart=curves] .scatterlayer .trace .js-line"
    assert len(browser.all(worlds)) >= 3  # the legend of a front hides nothing elsewhere
    headings = browser.ask("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


@pytest.fixture(scope="module")
def audited(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a comparison with an audit."""
    folder = audited_comparison(tmp_path_factory.mktemp("audited") / "compared")
    write_report([folder], folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_an_audit_is_drawn_on_every_screen(
    chromium: Browser, audited: Path, width: int, height: int, scheme: str
) -> None:
    chromium.open(width, height, scheme, audited)
    for chart, mark, least in [
        ("worst", ".scatterlayer .trace .point", 3),
        ("worst", ".scatterlayer .errorbar .xerror", 3),
        ("worst", ".scatterlayer .errorbar .yerror", 3),
        ("cvar", ".scatterlayer .trace .point", 3),
        ("exposure", ".barlayer .point", 4),
        ("exposure", ".scatterlayer .trace .point", 3 * 4),
        ("tastes", ".scatterlayer .trace .point", 3 * 4),
        ("steps", ".scatterlayer .trace .js-line", 3),
    ]:
        drawn = chromium.all(f".audit [data-chart={chart}] {mark}")
        assert len(drawn) >= least, chart
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    assert chromium.chrome.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_gaps_exposure_and_lines_are_those_that_are_chosen(chromium: Browser, audited: Path) -> None:
    chromium.open(*SCREENS[0], audited)

    def choose(form: str, name: str, text: str) -> None:
        Select(chromium.one(f".{form} select[name={name}]")).select_by_visible_text(text)

    def rows() -> list[list[str]]:
        cells = [row.find_elements(By.CSS_SELECTOR, "th, td") for row in chromium.all(".gaps tbody tr")]
        return [[cell.text for cell in row] for row in cells]

    choose("gaps-of", "agent", "popular")
    choose("gaps-of", "figure", "rating")
    choose("gaps-of", "column", "sex")
    women, men = rows()
    assert women[:2] == ["F", "100"]
    assert women[3].startswith("-0.5")
    assert " to -0." in women[3]
    assert women[5] == men[5] == "below 0.001"
    assert len(chromium.all(".gaps td.main")) == 4
    choose("gaps-of", "column", "sex and age")
    assert "Too small for a claim, under 30 users: F, under 18 (" in chromium.one(".small-groups").text
    choose("gaps-of", "agent", "random")
    choose("gaps-of", "column", "age")
    assert rows()[0][0] == "18-24"
    assert chromium.all(".gaps td.main") == []
    choose("exposure-by", "by", "violence")
    chromium.until(lambda: "0 to 0.2" in chromium.one(".audit [data-chart=exposure] .yaxislayer-above").text)
    choose("steps-of", "figure", "rating")
    choose("steps-of", "group", "sex: F")
    chromium.until(lambda: "Rating" in chromium.one(".audit [data-chart=steps] .infolayer").text)


@pytest.fixture(scope="module")
def pages(browser: Browser, swept: tuple[Browser, Path], audited: Path) -> dict[str, Path]:
    """Pages that together have everything a report can have."""
    folder = write_search(audited.parent / "tuned", ["0,complete,30.0,0.001,,False", "1,pruned,,0.1,,True"])
    write_report([folder], folder / "page.html")
    return {"compared": browser.page, "swept": swept[1], "audited": audited, "tuned": folder / "page.html"}


@pytest.mark.parametrize("screen", [SCREENS[0], SCREENS[3]])
@pytest.mark.parametrize("name", ["compared", "swept", "audited", "tuned"])
def test_axe_finds_no_obstacle(
    chromium: Browser, pages: dict[str, Path], name: str, screen: tuple[int, int, str]
) -> None:
    chromium.open(*screen, pages[name])
    chromium.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for button in chromium.all(".legend button")[:1]:
        button.click()  # what is hidden is read, too
    found = violations(chromium, "{exclude: ['.main-svg']}")  # inside of images, whose names say what they show
    assert found == []


def violations(browser: Browser, where: str = "document") -> list[str]:
    """What axe finds on the open page; minor findings are left out."""
    axe = Axe(browser.chrome)
    axe.inject()
    found = axe.run(where)
    assert len(found["passes"]) > 20
    return [axe.report([each]) for each in found["violations"] if each["impact"] != "minor"]


PAGE = """# A page

```{toctree}
:caption: Guides
self
```

```sh
pydeeprecsys %s
```

```{eval-rst}
.. autofunction:: pydeeprecsys.standings
```
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a caption, a command wider than a phone, and a signature of several lines, made as those of docs."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.md").write_text(PAGE % ("--option " * 20))
    docs = Path(__file__).parents[2] / "docs"
    Sphinx(folder, docs, folder / "out", folder / "trees", "html", status=None, parallel=1).build()
    return folder / "out" / "index.html"


@pytest.mark.parametrize("screen", [SCREENS[0], SCREENS[3]])
def test_axe_finds_no_obstacle_on_the_site(chromium: Browser, site: Path, screen: tuple[int, int, str]) -> None:
    chromium.open(*screen, site)
    assert violations(chromium) == []
