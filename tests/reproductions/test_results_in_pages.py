"""Tables of results on pages are those of the committed files, to the letter."""

import shutil
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from benchmarks import report
from reproductions.runner import DOCS, RESULTS, read_rows
from reproductions.tables import summarize, table

from reproductions import constraints, exported_policies, planted_gap

STUDIES = [path.stem for path in sorted(RESULTS.glob("*.csv")) if RESULTS.joinpath(f"{path.stem}_curves.csv").exists()]


def on_the_page(name: str) -> str:
    return DOCS.read_text().partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


@pytest.mark.parametrize("name", STUDIES)
def test_reproductions(name: str) -> None:
    study = import_module(f"reproductions.{name}").STUDY
    assert table(summarize(study, read_rows(RESULTS / f"{name}.csv"))) == on_the_page(name)


@pytest.mark.slow
def test_constraints() -> None:
    rows = pd.read_csv(RESULTS / "constraints.csv")
    assert constraints.table(rows, pd.read_csv(constraints.GROUPS)) == on_the_page("constraints")


def test_planted_gap() -> None:
    rows = pd.read_csv(planted_gap.TABLE)
    assert planted_gap.table(planted_gap.summarize(rows)) == on_the_page("planted_gap")


def test_exported_policies() -> None:
    rows = pd.read_csv(exported_policies.TABLE, keep_default_na=False)
    assert exported_policies.table(rows) == on_the_page("exported_policies")


def test_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(report.FOLDER / "README.md", tmp_path)
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    report.update_readme()
    assert (tmp_path / "README.md").read_text() == (Path(report.__file__).parent / "README.md").read_text()


def cells(page: str, first: str) -> list[list[str]]:
    """The rows of a table of a page, by the first heading of the table."""
    text = (DOCS.parent / page).read_text().partition(f"| {first} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_held_out_ratings() -> None:
    found = pd.read_csv(RESULTS / "held_out_ratings.csv")
    found["method"] = found["method"].str.replace("agent ease, feedback likes", "agent ease, --feedback likes")
    tables = [found[found["implementation"].str.startswith(name)].set_index("method") for name in ("py", "lenskit")]
    assert cells("agents.md", "method") == [
        [
            f"agent `{method[6:].replace(', ', '`, `')}`" if method.startswith("agent") else method,
            *(
                f"{each[key][method]:.4f}" if method in each.index else ""
                for each in tables
                for key in ("recall", "ndcg")
            ),
        ]
        for method in tables[0].index
    ]


def test_interval_coverage() -> None:
    names = {
        "lognormal, negative": "lognormal, sigma 1, negative",
        "one seed in five fails, by 10 standard deviations": "one in five fails",
    }
    rows = cells("statistics.md", "scores")
    assert len(rows) == 6
    found = pd.read_csv(RESULTS / "interval_coverage.csv").set_index(["quantity", "distribution", "method", "seeds"])
    for name, *shown in rows:
        distribution = names.get(name, name)
        for text, quantity, method in zip(
            shown, ("interquartile mean", "median"), ("percentile bootstrap", "order statistics"), strict=True
        ):
            kept = found["coverage"][quantity, distribution, method]
            assert text == ", ".join(f"{100 * kept[seeds]:.1f}" for seeds in (3, 5, 10)), name
