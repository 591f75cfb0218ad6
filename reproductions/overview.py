"""The picture of the README: learned agents beside ordinary recommenders: `python -m reproductions.overview`.

It is drawn from the committed results and trains nothing.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from pydeeprecsys.evaluation.standings import ORACLE, SIMPLE_POLICIES
from pydeeprecsys.files import whole_file
from pydeeprecsys.looks import NEUTRAL, looks
from reproductions import movielens_faithful_slates, movielens_tuned
from reproductions.runner import RESULTS, ROOT, Study, read_rows
from reproductions.tables import summarize, table

PICTURE = ROOT / "docs" / "results.png"
PANELS = {
    "One movie at a time, v0": movielens_tuned.STUDY,
    "Slates of 10 in the more faithful world, v1": movielens_faithful_slates.STUDY,
}


def summary(study: Study) -> pd.DataFrame:
    """The committed results of a study, best agent first: the columns of `summarize`."""
    return summarize(study, read_rows(RESULTS / f"{study.name}.csv")).sort_values("median", ascending=False)


def source() -> str:
    """All that the picture is drawn from, as text that is kept in its file."""
    return "".join(table(summary(study)) for study in PANELS.values())


def draw() -> Figure:
    """One panel per study: the median return of each agent over its seeds, with its 95 % confidence interval."""
    import seaborn as sns

    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.25):
        figure = Figure(figsize=(11, 6), layout="constrained")
        for axes, (title, study) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            _panel(axes, study)
            axes.set_title(title, loc="left", fontweight="bold")
        figure.supxlabel("Return of users not met in training: median over seeds, 95 % interval", fontsize="medium")
        marks = [Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor=face) for face in (NEUTRAL, "white")]
        across = Line2D([], [], color="black", linewidth=1, linestyle=":")
        names = ["learns; bold: better than the line", "does not learn", "best that does not learn"]
        figure.legend([*marks, across], names, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _panel(axes: Axes, study: Study) -> None:
    rows = summary(study)
    agents = {claim.name: claim.agent for claim in study.claims}
    look = looks({name: agents[name] for name in rows["agent"]})
    for height, row in enumerate(rows.to_dict("records")):
        style = look[row["agent"]].as_line(learns=_learns(agents[row["agent"]])) | {"linestyle": "-"}
        interval = [row["median_low"], row["median_high"]]
        axes.plot(interval, [height] * 2, **style | {"marker": "", "linewidth": 2.5})
        axes.plot(row["median"], height, markersize=7, markeredgewidth=1.5, **style | _open(style))
    axes.set(yticks=range(len(rows)), yticklabels=rows["agent"], ylim=(len(rows) - 0.4, -0.6))
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MultipleLocator(5))
    for label, better in zip(axes.get_yticklabels(), rows["difference_low"] > 0, strict=True):
        learns = _learns(agents[label.get_text()])
        label.set(fontweight="bold" if better and learns else "normal", fontstyle="normal" if learns else "italic")
    best = rows[~rows["agent"].map(agents).map(_learns) & (rows["agent"] != ORACLE)].iloc[0]
    axes.axvline(best["median"], color="black", linewidth=1, linestyle=":", zorder=0)


def _learns(agent: str) -> bool:
    return agent not in (*SIMPLE_POLICIES, ORACLE)


def _open(style: dict[str, Any]) -> dict[str, Any]:
    """An open marker hides the line behind it."""
    return {"markerfacecolor": "white"} if style["markerfacecolor"] == "none" else {}


def main() -> None:
    """Draw the picture."""
    with whole_file(PICTURE) as temporary:
        draw().savefig(temporary, dpi=150, metadata={"Description": source()})


if __name__ == "__main__":
    main()
