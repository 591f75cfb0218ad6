import numpy as np
import pytest

from pydeeprecsys.data.planted import CATEGORIES, planted_gap
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.baselines import PopularAgent
from pydeeprecsys.scale import MAX_RATING, MIN_RATING


def world_of(gap: float, seed: int = 0) -> World:
    dataset, factors = planted_gap(gap, n_users=400, n_items=40, seed=seed)
    return World.from_dataset(dataset, factors=factors)


@pytest.fixture(scope="module")
def fair() -> World:
    return world_of(0.0)


@pytest.fixture(scope="module")
def biased() -> World:
    return world_of(0.3)


def test_women_rate_the_last_category_higher_by_the_gap_and_others_lower_and_men_rate_as_without(
    fair: World, biased: World
) -> None:
    women = fair.demographics[:, 0] == 0
    planted = fair.genres[:, -1]
    changes = biased.user_vectors @ biased.item_vectors.T - fair.user_vectors @ fair.item_vectors.T
    expected = np.where(women[:, None], np.where(planted, 0.3, -0.3), 0.0)
    np.testing.assert_allclose(changes, expected, atol=1e-12)
    assert women.mean() == pytest.approx(0.28, abs=0.06)
    assert planted.mean() == 0.5


def test_without_a_gap_ratings_do_not_depend_on_groups(fair: World) -> None:
    scores = (fair.user_vectors @ fair.item_vectors.T).mean(axis=1)
    women = fair.demographics[:, 0] == 0
    error = scores.std() * np.sqrt(1 / women.sum() + 1 / (~women).sum())
    assert abs(scores[women].mean() - scores[~women].mean()) < 3 * error


def test_no_rating_reaches_the_ends_of_the_scale_with_the_largest_gap() -> None:
    for seed in range(5):
        world = world_of(1.0, seed)
        scores = world.user_vectors @ world.item_vectors.T
        assert scores.min() > MIN_RATING
        assert scores.max() < MAX_RATING


def test_users_of_the_simulator_rate_so_through_a_whole_session_with_delta_0(biased: World) -> None:
    env = MovieLensFairnessVector(5, seed=0, dataset=biased, delta=0.0)
    users, scores = env.reset()[1]["user"], biased.user_vectors @ biased.item_vectors.T
    for item in range(20):
        infos = env.step(np.full(5, item))[-1]
        np.testing.assert_allclose(infos["ratings"][:, 0], scores[users, item], atol=1e-12)


def test_the_popular_items_are_not_of_the_last_category(biased: World) -> None:
    first_half = PopularAgent(biased.rating_counts).order[:20]
    assert not biased.genres[first_half, -1].any()


def test_the_ratings_of_the_data_set_are_those_of_its_users_with_noise() -> None:
    dataset, factors = planted_gap(0.5, n_users=400, n_items=40)
    assert dataset.categories == CATEGORIES
    assert set(dataset.ratings) == {1, 2, 3, 4, 5}
    assert factors.record["held_out_rmse"] == pytest.approx(np.hypot(0.8, np.sqrt(1 / 12)), abs=0.1)
    assert factors.record["train_ratings"] + factors.record["held_out_ratings"] == len(dataset.ratings)


def test_a_seed_gives_one_population() -> None:
    checksums = [planted_gap(n_users=100, n_items=8, seed=seed)[0].checksum for seed in (0, 0, 1)]
    assert checksums[0] == checksums[1] != checksums[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"gap": 1.1}, "gap must be in"), ({"n_users": 99}, "n_users must be in"), ({"n_items": 1}, "n_items")],
)
def test_sizes_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planted_gap(**arguments)  # type: ignore[arg-type]
