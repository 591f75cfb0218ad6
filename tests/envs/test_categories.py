"""A world whose categories are its own, not the genres of MovieLens."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.evaluate import evaluate
from pydeeprecsys.experiments.item_estimates import world_features
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.simulation.movielens.dynamics import SatiatingTaste

MUSIC = ("Other", "Jazz", "Folk", "Pop")


@pytest.fixture(scope="module")
def songs() -> World:
    """40 songs in four categories, of which every tenth is in none that is known."""
    movies = synthetic_dataset(30, 40, 500, seed=1)
    genres = [None if item % 10 == 0 else "|".join(MUSIC[1 + item % 3 : 3 + item % 2]) for item in range(40)]
    items = movies.items.assign(genres=pd.Series(genres, dtype=object))
    return World.from_dataset(replace(movies, name="songs", items=items, categories=MUSIC))


def test_a_world_takes_its_categories_from_the_data_set(songs: World, tmp_path: Path) -> None:
    assert songs.genres.shape == (40, 4)
    assert songs.genre_names(0) == []
    assert songs.genre_names(1) == ["Folk", "Pop"]
    assert songs.affinities(songs.user_vectors).tolist() == songs.user_vectors[:, -4:].tolist()
    songs.save(tmp_path / "songs.world")
    assert World.load(tmp_path / "songs.world").categories == MUSIC


@pytest.mark.slow
@pytest.mark.parametrize(("version", "size"), [(0, 4 + 6), (1, 4 + 10 * 6)])
@pytest.mark.parametrize("slate_size", [1, 3])
def test_agents_train_and_are_evaluated_in_it(songs: World, version: int, size: int, slate_size: int) -> None:
    features: dict[str, Any] = {"item_features": "ratings"}
    for name, options in (("reinforce", {}), ("dqn", features), ("linucb", {}), ("varied", {}), ("best-constant", {})):
        manager = MovieLensFairnessManager(0, slate_size, n_envs=3, version=version, dataset=songs)
        assert manager.env.observation_space.shape == (size,)
        agent = make_agent(name, manager, 0, **options)
        manager.train(agent, max_episodes=4, should_print=False)
        assert len(manager.execute_episodes(agent, 4)) == 4
    for name in ("win-stay", "oracle"):
        manager = MovieLensFairnessManager(0, slate_size, n_envs=3, version=version, dataset=songs)
        recorded = evaluate(make_agent(name, manager, 0), manager, 3).sessions
        assert recorded is not None
    assert recorded["genres"] == list(MUSIC)
    step = recorded["sessions"][0]["steps"][0]
    assert len(step["affinities"]) == 4
    assert all(set(item["genres"]) <= set(MUSIC) for item in step["shown"])
    assert world_features(songs, np.arange(30)).shape[1] == 4 + 1 + songs.item_vectors.shape[1]
    text = manager.env.reset(seed=0) and manager.env.unwrapped.render()  # type: ignore[attr-defined]
    assert sum(name in text for name in MUSIC) == 3  # the three that the user likes best


def test_the_agent_that_reads_the_last_rating_is_told_where_it_stands(songs: World, world: World) -> None:
    for data, options, index in (
        (songs, {}, 8),
        (world, {}, 23),
        (songs, {"observation": "history", "observe_time": True}, 8),
    ):
        manager = MovieLensFairnessManager(0, dataset=data, **options)
        assert make_agent("win-stay", manager, 0).rating_index == index  # type: ignore[attr-defined]
    manager = MovieLensFairnessManager(0, dataset=songs, dynamics=SatiatingTaste(), observation="affinity")
    with pytest.raises(InputError, match="reads the last rating, which the observation lacks; give observation='last'"):
        make_agent("win-stay", manager, 0)


def test_hidden_affinities_of_four_categories(songs: World) -> None:
    manager = MovieLensFairnessManager(0, version=1, dataset=songs, observation="affinity")
    observation, info = manager.env.reset(seed=0)
    own = songs.affinities(songs.user_vectors)[info["user"]].clip(-2, 2)
    assert observation[4:].tolist() == pytest.approx([*((own + 2) / 4), 0.0, 0.0, 0.0, 0.0], abs=1e-6)
