import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.looks import looks
from pydeeprecsys.rl.learning_statistics import COLUMNS, LearningStatistics

mpl.use("Agg")


@pytest.fixture
def statistics() -> LearningStatistics:
    """Two models of two episodes each, in one environment and one of them in a second."""
    statistics = LearningStatistics()
    for model, env, rewards in (("a", "x", [1.0, 3.0]), ("b", "x", [10.0, 20.0]), ("b", "y", [7.0])):
        statistics.model_name, statistics.env_name = model, env
        for episode, reward in enumerate(rewards):
            statistics.episode, statistics.timestep = episode, 2
            statistics.append_metric("episode_rewards", reward)
            statistics.append_metric("timestep_rewards", [reward - 1, 1])
    return statistics


def test_a_measurement_carries_when_and_where_it_was_taken() -> None:
    statistics = LearningStatistics("dqn", "CartPole-v1")
    statistics.append_metric("loss", 0.5)
    statistics.timestep, statistics.episode = 3, 7
    statistics.append_metric("loss", np.float32(0.25))
    statistics.append_metric("timestep_rewards", np.array([1, 2]))
    common = {"model": "dqn", "env": "CartPole-v1"}
    assert statistics.collected_metrics == [
        {"metric": "loss", "measurement": 0.5, "timestep": 0, "episode": 0, **common},
        {"metric": "loss", "measurement": 0.25, "timestep": 3, "episode": 7, **common},
        {"metric": "timestep_rewards", "measurement": [1, 2], "timestep": 3, "episode": 7, **common},
    ]
    assert tuple(statistics.to_frame().columns) == COLUMNS
    assert pd.DataFrame(statistics.collected_metrics).equals(statistics.to_frame())


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [1, 3, 10, 20, 7]),
        ({"model": "a"}, [1, 3]),
        ({"model": "b"}, [10, 20, 7]),
        ({"env": "x"}, [1, 3, 10, 20]),
        ({"model": "b", "env": "y"}, [7]),
        ({"model": "a", "env": "y"}, None),
        ({"model": "c"}, None),
    ],
)
def test_get_metrics_filters_by_what_is_given(
    statistics: LearningStatistics, filters: dict[str, str], expected: list[float] | None
) -> None:
    found = statistics.get_metrics("episode_rewards", **filters)
    assert (None if found is None else found.tolist()) == expected


def test_a_metric_that_was_not_recorded_is_none(statistics: LearningStatistics) -> None:
    assert statistics.get_metrics("loss") is None
    assert statistics.epsilon_values is None


def test_series_of_the_usual_metrics() -> None:
    statistics = LearningStatistics("model")
    names = {"episode_rewards": 1.0, "moving_rewards": 2.0, "epsilon_values": 3.0, "loss": 4.0}
    for name, value in names.items():
        statistics.append_metric(name, value)
    series = (
        statistics.episode_rewards,
        statistics.moving_rewards,
        statistics.epsilon_values,
        statistics.loss_values,
    )
    assert [None if one is None else one.tolist() for one in series] == [[1.0], [2.0], [3.0], [4.0]]


def test_aggregate_by_model(statistics: LearningStatistics) -> None:
    table = statistics.aggregate("episode_rewards")
    assert table.columns.tolist() == ["count", "mean", "std", "min", "max"]
    assert table.index.tolist() == ["a", "b"]
    np.testing.assert_allclose(table.loc["a"], [2, 2, 2**0.5, 1, 3])
    np.testing.assert_allclose(table.loc["b", ["count", "mean", "min", "max"]].astype(float), [3, 37 / 3, 7, 20])


@pytest.mark.parametrize(
    ("by", "means"),
    [
        ("env", {"x": 8.5, "y": 7.0}),
        ("episode", {0: 6.0, 1: 11.5}),
        ("timestep", {2: 8.2}),
        (["model", "env"], {("a", "x"): 2.0, ("b", "x"): 15.0, ("b", "y"): 7.0}),
    ],
)
def test_aggregate_by_other_levels(
    statistics: LearningStatistics, by: str | list[str], means: dict[object, float]
) -> None:
    assert statistics.aggregate("episode_rewards", by)["mean"].to_dict() == pytest.approx(means)


def test_sequences_count_as_one_measurement_a_time_step(statistics: LearningStatistics) -> None:
    table = statistics.aggregate("timestep_rewards", ["model", "timestep"])
    assert table["mean"].to_dict() == pytest.approx({("a", 1): 1.0, ("a", 2): 1.0, ("b", 1): 34 / 3, ("b", 2): 1.0})
    assert table["count"].tolist() == [2, 2, 3, 3]


def test_aggregate_without_names_of_models() -> None:
    statistics = LearningStatistics()
    statistics.append_metric("loss", 2.0)
    statistics.append_metric("loss", 4.0)
    assert statistics.aggregate("loss")["mean"].tolist() == [3.0]


def test_aggregate_refuses_what_is_not_there(statistics: LearningStatistics) -> None:
    with pytest.raises(InputError, match=r"'losss'.*only: episode_rewards, timestep_rewards"):
        statistics.aggregate("losss")
    with pytest.raises(InputError, match=r"'user'.*timestep, episode, model, env"):
        statistics.aggregate("episode_rewards", by=["model", "user"])
    with pytest.raises(InputError, match="only: none"):
        LearningStatistics().aggregate("loss")


def test_csv(statistics: LearningStatistics, tmp_path: Path) -> None:
    path = tmp_path / "new" / "all_metrics.csv"
    statistics.save_csv(path)
    read = pd.read_csv(path)
    assert tuple(read.columns) == COLUMNS
    rewards = read[read["metric"] == "episode_rewards"]
    assert rewards["measurement"].astype(float).tolist() == [1, 3, 10, 20, 7]
    assert rewards["model"].tolist() == ["a", "a", "b", "b", "b"]
    assert list(path.parent.iterdir()) == [path]


def test_a_csv_that_fails_leaves_the_old_one(
    statistics: LearningStatistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "all_metrics.csv"
    path.write_text("old")

    def full_disk(self: pd.DataFrame, file: Path, **kwargs: object) -> None:
        file.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    with pytest.raises(OSError, match="No space"):
        statistics.save_csv(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_state_goes_on_where_it_was_taken(statistics: LearningStatistics) -> None:
    statistics.append_metric("loss", 0.1 + 0.2)
    statistics.append_metric("loss", float("nan"))
    state = statistics.state_dict()
    assert all(isinstance(value, int | str) for value in state.values())
    restored = LearningStatistics("b", "y")
    restored.load_state_dict(state)
    for each in (statistics, restored):
        each.append_metric("episode_rewards", 5.0)
    assert repr(restored.collected_metrics) == repr(statistics.collected_metrics)


def test_plots_of_nothing_say_so() -> None:
    import matplotlib.pyplot as plt

    statistics = LearningStatistics()
    for figure in (statistics.plot_rewards(), statistics.plot_learning_stats()):
        assert all([text.get_text() for text in axes.texts] == ["not recorded"] for axes in figure.axes)
        plt.close(figure)


def test_plots_show_what_was_recorded() -> None:
    import matplotlib.pyplot as plt

    statistics = LearningStatistics("dqn", "CartPole-v1")
    for episode in range(5):
        statistics.append_metric("episode_rewards", episode)
        statistics.append_metric("moving_rewards", episode / 2)
        statistics.append_metric("loss", 1 / (episode + 1))
    figure = statistics.plot_learning_stats(recorded_only=True)
    shown = {
        (axes.get_xlabel(), axes.get_ylabel()): [line.get_ydata().tolist() for line in axes.lines]
        for axes in figure.axes
    }
    assert shown == {  # and no empty panel for what was not
        ("Episode", "Return"): [[0, 1, 2, 3, 4]],
        ("Episode", "Return, moving average"): [[0, 0.5, 1, 1.5, 2]],
        ("Update", "Loss"): [[1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]],
    }
    assert figure.get_suptitle() == "dqn, CartPole-v1"
    colour = looks({"dqn": "dqn"})["dqn"].colour
    assert {line.get_color() for axes in figure.axes for line in axes.lines} == {colour}
    plt.close(figure)
    figure = statistics.plot_rewards()
    (axes,) = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0, 1, 2, 3, 4], [0, 0.5, 1, 1.5, 2]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["episode", "average"]
    plt.close(figure)


@pytest.mark.parametrize("n_recorded", [1, 2, 3, 4])
def test_there_are_as_many_panels_as_were_recorded(n_recorded: int) -> None:
    import matplotlib.pyplot as plt

    statistics = LearningStatistics()
    for metric in ("episode_rewards", "moving_rewards", "loss", "epsilon_values")[:n_recorded]:
        statistics.append_metric(metric, 1.0)
    figure = statistics.plot_learning_stats("an agent on some_$data$, seed 1", recorded_only=True)
    assert [len(axes.lines) for axes in figure.axes] == [1] * n_recorded
    assert figure.get_suptitle() == "an agent on some_$data$, seed 1"
    plt.close(figure)
    figure = statistics.plot_learning_stats()
    assert [len(axes.lines) for axes in figure.axes] == [1] * n_recorded + [0] * (4 - n_recorded)
    plt.close(figure)


def test_importing_it_does_not_import_matplotlib() -> None:
    code = "import sys, pydeeprecsys.rl.learning_statistics; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_notebook_shows_number_mean_and_last() -> None:
    statistics = LearningStatistics("<DQN>", "CartPole-v1")
    for rewards in ([1.0, 2.0], [6.0]):
        statistics.append_metric("timestep_rewards", rewards)
        statistics.append_metric("episode_rewards", sum(rewards))
    statistics.append_metric("timestep_ndcg", [])
    shown = statistics._repr_html_()
    assert shown.startswith("<table><caption>LearningStatistics in CartPole-v1: &lt;DQN&gt;</caption>")
    assert "<tr><th>timestep_rewards</th><td>3</td><td>3</td><td>6</td></tr>" in shown
    assert "<tr><th>episode_rewards</th><td>2</td><td>4.5</td><td>6</td></tr>" in shown
    assert LearningStatistics()._repr_html_().startswith("<table><caption>LearningStatistics</caption>")


def test_a_notebook_shows_a_figure_once(statistics: LearningStatistics, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bytes] = []
    display: Any = types.ModuleType("IPython.display")
    display.display, display.Image = shown.append, lambda picture: picture
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    for draw in (statistics.plot_rewards, statistics.plot_learning_stats):
        figure: Any = draw()
        assert plt.fignum_exists(figure.number)  # for scripts, which show all open figures at the end
        figure._ipython_display_()
        assert not plt.fignum_exists(figure.number)
        assert shown.pop().startswith(b"\x89PNG")
    assert not shown
