import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.plots import learning_curves


def curves(**returns: list[list[float]]) -> Figure:
    """Of each model the moving average of each seed."""
    rows = [
        ("moving_rewards", episode, value, model)
        for model, seeds in returns.items()
        for values in seeds
        for episode, value in enumerate(values)
    ]
    return learning_curves(pd.DataFrame(rows, columns=["metric", "episode", "measurement", "model"]), ("oracle", 20.0))


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
