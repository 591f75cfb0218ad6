"""The section of the report about fairness and safety."""

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from contracts.audits import audited_comparison
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.report import write_report

pytestmark = pytest.mark.slow  # by the audit


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison in a world with a planted gap, audited."""
    return audited_comparison(tmp_path_factory.mktemp("audited") / "compared")


def page_of(folder: Path) -> tuple[str, Any]:
    """The section as text, and the data of its charts."""
    write_report([folder], folder.parent / "page.html")
    page = (folder.parent / "page.html").read_text()
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    found = re.search(r'<section class="audit".*?</section>', page, re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]*>", " ", found[0] if found else ""))
    return " ".join(text.split()), json.loads(data[1])["audits"]


def test_the_section_says_who_is_worst_off_with_which_agent(audited: Path) -> None:
    text, _ = page_of(audited)
    assert "Fairness and safety: planted-gap, MovieLensFairness-v0, one item at a time" in text
    best = r"The highest return, next to the oracle, is that of random , \S+; worst off with it: (sex|age) \S+, \S+\."
    assert re.search(best, text)
    assert re.search(r"popular 2\.\d+ \S+ to \S+ sex F ", text)
    assert "800 sessions, 2 of each of the 400 users of the pool 'all'." in text
    assert re.search(r"\d+ of \d+ gaps remain after Holm's correction\.", text)
    assert "crossings aside. CVaR is the mean violence of the worst 5 % of sessions" in text


def test_the_charts_have_every_agent_with_its_intervals(audited: Path) -> None:
    _, (data,) = page_of(audited)
    assert [entry["label"] for entry in data["entries"]] == ["oracle", "random", "popular"]
    for entry in data["entries"]:
        for name in ("return", "worst"):
            value, low, high = entry[name]
            assert low <= value <= high
        assert entry["worst"][0] <= entry["return"][0]
        assert len(entry["cvar"]) == 3
    women = next(row for row in data["gaps"]["rows"]["popular"]["rating"]["sex"] if row[0] == "F")
    users, value, _, _, gap, gap_low, gap_high, _, corrected = women[1:]
    assert users >= 30
    assert gap_low < gap < gap_high < 0 < value
    assert corrected < 0.001
    assert data["gaps"]["columns"] == ["sex", "age", "sex and age"]
    assert all(users < 30 for groups in data["gaps"]["small"].values() for _, users in groups)
    assert set(data["exposure"]) == {"category", "popularity", "violence"}
    assert sum(data["exposure"]["category"]["shares"]["random"]) == pytest.approx(1, abs=1e-3)
    assert set(data["steps"]["lines"]) == {"everybody", "sex", "age"}
    assert data["steps"]["lines"]["everybody"]["everybody"]["random"]["step"] == [1, 2, 3, 4, 5]


def test_a_folder_without_audits_has_no_section(audited: Path, tmp_path: Path) -> None:
    shutil.copytree(audited, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "audits")
    text, data = page_of(tmp_path / "bare")
    assert text == ""
    assert data == []


def test_an_audit_of_a_shorter_training_is_said_to_be_one(audited: Path, tmp_path: Path) -> None:
    folder = tmp_path / "longer"
    shutil.copytree(audited, folder)
    compare(Comparison.from_json(json.loads((folder / "config.json").read_text()) | {"seeds": 3}), folder)
    text, _ = page_of(folder)
    assert "trained since this audit: oracle-2, popular-2, random-2; audit again to include them" in text
