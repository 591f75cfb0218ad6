import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.plots import learning_curves
from pydeeprecsys.looks import looks


def curves(**returns: list[list[float]]) -> Figure:
    """Of each model the moving average of each seed."""
    rows = [
        ("moving_rewards", episode, value, model)
        for model, seeds in returns.items()
        for values in seeds
        for episode, value in enumerate(values)
    ]
    metrics = pd.DataFrame(rows, columns=["metric", "episode", "measurement", "model"])
    return learning_curves(metrics, ("oracle", 20.0), "dqn on $data$")


def test_a_curve_is_the_median_with_its_interval() -> None:
    dqn = [[1.0, 2.0], [2.0, 4.0], [3.0, 9.0], [4.0, 4.0], [10.0, 5.0]]
    axes = curves(dqn=dqn, random=[[3.0, 3.0], [4.0, 5.0]]).axes[0]
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), [3.0, 4.0])
    bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
    corners = [np.asarray(path.vertices) for band in bands for path in band.get_paths()]
    low, high = median_interval(dqn)
    assert len(corners) == 1  # two seeds of random have none
    for episode in (0, 1):
        ends = corners[0][corners[0][:, 0] == episode, 1]
        assert (ends.min(), ends.max()) == pytest.approx((low[episode], high[episode]))
    bottom, top = axes.get_ylim()
    assert 0 < bottom < 1  # that of single seeds, and of the line across
    assert 20 < top < 22


def test_a_figure_says_what_it_shows_in_the_colours_of_the_page() -> None:
    points = {"dqn": [[1.0, 2.0]], "random": [[3.0, 3.0]], "_own:$Agent$": [[4.0, 5.0]]}
    figure = curves(**points)
    (axes,) = figure.axes
    look = looks({name: name for name in points})
    lines = dict(zip(points, axes.get_lines(), strict=False))
    for name, line in lines.items():
        assert line.get_color() == look[name].colour
        assert line.get_marker() == look[name].as_line()["marker"]
    assert len({line.get_linestyle() + str(line.get_marker()) for line in lines.values()}) == 3
    assert axes.get_lines()[-1].get_color() == looks({"oracle": "oracle"})["oracle"].colour
    assert lines["dqn"].get_linewidth() > lines["random"].get_linewidth()  # which does not learn
    assert figure.get_suptitle() == "dqn on $data$"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Episode", "Return, moving average (100)")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*points, "oracle"]
    figure.canvas.draw()  # names are no formulas
