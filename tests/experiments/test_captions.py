import pytest

from pydeeprecsys.experiments.captions import data_name, figure_title, in_words, task_name


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("ml-1m", "ml-1m"),
        ("synthetic", "synthetic"),
        ("/a/long path/ratings.csv", "ratings.csv"),
        ("/a/ratings.csv?user_column=who&items=../items/all.csv", "ratings.csv"),
        ("/what?/ratings.csv", "ratings.csv"),
        ("ml-latest/", "ml-latest"),
        ("/", "/"),
    ],
)
def test_a_data_set_is_called_by_its_file(dataset: str, name: str) -> None:
    assert data_name(dataset) == name


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([3], "3"), ([1, 0], "0 and 1"), ([0, 1, 2, 2], "0 to 2"), ([0, 2, 5], "0, 2 and 5"), ([7, 7], "7")],
)
def test_seeds_in_words(numbers: list[int], words: str) -> None:
    assert in_words(numbers) == words


def test_a_task_is_called_by_its_data_environment_and_slates() -> None:
    assert task_name("CartPole-v1", None, 1) == "CartPole-v1"
    assert task_name("MovieLensFairness-v1", "ml-1m", 1) == "ml-1m, MovieLensFairness-v1, one item at a time"
    assert task_name("MovieLensFairness-v0", "/x/y.csv", 5) == "y.csv, MovieLensFairness-v0, slates of 5"


def test_the_title_of_a_figure_has_agents_data_and_seeds() -> None:
    config = {"env": "MovieLensFairness-v1", "dataset": "ml-1m", "env_options": {"slate_size": 5}}
    task = "ml-1m, MovieLensFairness-v1, slates of 5"
    assert figure_title(["dqn", "ppo", "dqn"], config, [0, 1]) == f"dqn, ppo\n{task}; seeds 0 and 1"
    assert figure_title(["dqn"], config, [4]) == f"dqn\n{task}; seed 4"
    assert figure_title(map(str, range(7)), config, [4]).startswith("7 agents\n")
    long = figure_title([f"package.of_agents:Agent{i}" for i in range(6)], config, [0])
    assert max(map(len, long.split("\n"))) <= 90
