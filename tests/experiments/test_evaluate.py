"""What an evaluation counts."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.evaluate import evaluate
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("n_envs", "n_episodes"), [(1, 3), (4, 8), (4, 10), (5, 2)])
@pytest.mark.parametrize("slate_size", [1, 3])
def test_exposure_counts_the_evaluated_sessions_and_no_other(
    world: World, version: int, n_envs: int, n_episodes: int, slate_size: int
) -> None:
    manager = MovieLensFairnessManager(7, slate_size, n_envs, version=version, dataset=world)
    evaluation = evaluate(make_agent("random", manager, 0), manager, n_episodes)
    assert evaluation.exposure is not None
    assert len(evaluation.episodes) == n_episodes
    assert evaluation.exposure["shown"].sum() == evaluation.episodes["steps"].sum() * slate_size


def test_exposure_is_what_the_evaluated_sessions_showed(world: World) -> None:
    # Every evaluated session is recorded where there are as many environments as sessions, and ten at most.
    manager = MovieLensFairnessManager(7, 2, 9, version=1, dataset=world)
    evaluation = evaluate(make_agent("random", manager, 0), manager, 8)
    assert evaluation.exposure is not None
    assert evaluation.sessions is not None
    steps = [step for session in evaluation.sessions["sessions"] for step in session["steps"]]
    shown = pd.Series([item["item"] for step in steps for item in step["shown"]]).value_counts()
    counted = evaluation.exposure.set_index("item_id")["shown"]
    assert counted[counted > 0].to_dict() == shown.to_dict()
    by_user = {session["user"]: len(session["steps"]) for session in evaluation.sessions["sessions"]}
    rows: list[dict[str, Any]] = evaluation.episodes.to_dict("records")
    assert {row["user"]: row["steps"] for row in rows} == by_user


@pytest.mark.parametrize("n_envs", [1, 3])
def test_files_name_users_and_items(world: World, tmp_path: Path, n_envs: int) -> None:
    manager = MovieLensFairnessManager(7, 1, n_envs, dataset=world)
    RunFolder(tmp_path).write_evaluation(evaluate(make_agent("best-rated", manager, 0), manager, 4))
    exposure = pd.read_csv(tmp_path / "exposure.csv", dtype={"item_id": str})
    assert exposure["item"].tolist() == list(range(world.n_items))
    assert exposure["item_id"].tolist() == world.item_ids.tolist()
    evaluation = pd.read_csv(tmp_path / "evaluation.csv", dtype={"user": str})
    # Session j of environment i is of the (j + 1)-th user of its stream; environments take turns.
    streams = manager.batch.unwrapped
    simulator = streams.simulator
    state = simulator.reset(np.arange(7, 7 + n_envs, dtype=np.uint64))
    expected: list[str] = []
    while len(expected) < 4:
        expected += world.user_ids[state.users].tolist()
        state = simulator.next_sessions(state, np.ones(n_envs, dtype=np.bool_))
    assert evaluation["user"].tolist() == expected[:4]


@pytest.mark.parametrize("n_envs", [1, 3])
def test_the_rating_of_a_session_is_the_mean_of_all_that_it_showed(world: World, n_envs: int) -> None:
    # In v0 without a weight of calm, the reward of a step of one item is its rating over 5.
    manager = MovieLensFairnessManager(7, 1, n_envs, dataset=world)
    episodes = evaluate(make_agent("random", manager, 0), manager, 5).episodes
    assert (episodes["rating"] - 5 * episodes["return"] / episodes["steps"]).abs().max() < 1e-9
    calm = MovieLensFairnessManager(7, 1, n_envs, dataset=world, lambda_non_violent=0.5)
    same = evaluate(make_agent("random", calm, 0), calm, 5).episodes
    assert same["rating"].tolist() == episodes["rating"].tolist()
    assert same["return"].tolist() != episodes["return"].tolist()


def test_the_ratings_of_slates_are_those_of_all_items(world: World) -> None:
    manager = MovieLensFairnessManager(7, 3, 4, version=1, dataset=world)
    evaluation = evaluate(make_agent("random", manager, 0), manager, 4)
    assert evaluation.sessions is not None
    by_user = {
        session["user"]: np.mean([item["rating"] for step in session["steps"] for item in step["shown"]])
        for session in evaluation.sessions["sessions"]
    }
    for row in evaluation.episodes.to_dict("records"):
        assert row["rating"] == pytest.approx(by_user[row["user"]], abs=1e-3)
