"""What a judgement counts."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.judge import judge
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("n_envs", "n_episodes"), [(1, 3), (4, 8), (4, 10), (5, 2)])
@pytest.mark.parametrize("slate_size", [1, 3])
def test_exposure_counts_the_judged_sessions_and_no_other(
    world: World, version: int, n_envs: int, n_episodes: int, slate_size: int
) -> None:
    manager = MovieLensFairnessManager(7, slate_size, n_envs, version=version, dataset=world)
    judgement = judge(make_agent("random", manager, 0), manager, world, n_episodes)
    assert len(judgement.evaluation) == n_episodes
    assert judgement.exposure.sum() == judgement.evaluation["steps"].sum() * slate_size


def test_exposure_is_what_the_judged_sessions_showed(world: World) -> None:
    # Every judged session is recorded where there are as many environments as sessions, and ten at most.
    manager = MovieLensFairnessManager(7, 2, 9, version=1, dataset=world)
    judgement = judge(make_agent("random", manager, 0), manager, world, 8)
    steps = [step for session in judgement.sessions for step in session["steps"]]
    shown = pd.Series([item["item"] for step in steps for item in step["shown"]]).value_counts()
    counted = pd.Series(judgement.exposure, index=judgement.item_ids)
    assert counted[counted > 0].to_dict() == shown.to_dict()
    by_user = {session["user"]: len(session["steps"]) for session in judgement.sessions}
    rows: list[dict[str, Any]] = judgement.evaluation.to_dict("records")
    assert {row["user"]: row["steps"] for row in rows} == by_user


@pytest.mark.parametrize("n_envs", [1, 3])
def test_files_name_users_and_items(world: World, tmp_path: Path, n_envs: int) -> None:
    manager = MovieLensFairnessManager(7, 1, n_envs, dataset=world)
    judge(make_agent("best-rated", manager, 0), manager, world, 4).write(tmp_path)
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
