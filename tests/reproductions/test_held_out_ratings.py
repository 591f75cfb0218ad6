import numpy as np
import pandas as pd
from reproductions.held_out_ratings import RESULTS, measure, split

from pydeeprecsys.arrays import Floats
from pydeeprecsys.data.world import World
from pydeeprecsys.history import History


def test_no_rating_is_on_both_sides_of_the_split(world: World) -> None:
    data = split(world, seed=0)
    test_users = np.setdiff1d(np.arange(world.n_users), data.train_users)
    assert len(test_users) == world.n_users // 5
    assert np.isin(data.train.users, data.train_users).all()
    user, position = np.nonzero(data.history.items >= 0)
    assert not data.relevant[user, data.history.items[user, position]].any()
    assert data.relevant.any(axis=1).all()
    assert split(world, seed=0).train == data.train
    assert split(world, seed=1).train != data.train


def test_the_known_items_of_a_user_are_not_ranked(world: World) -> None:
    data = split(world, seed=0)

    def relevance(seen: History) -> Floats:
        scores = np.zeros((len(seen.items), world.n_items))
        user, position = np.nonzero(seen.items >= 0)
        scores[user, seen.items[user, position]] = 9.0
        return scores

    def nothing(seen: History) -> Floats:
        return np.zeros((len(seen.items), world.n_items))

    np.testing.assert_array_equal(measure(relevance, data)["recall"], measure(nothing, data)["recall"])


def test_the_kept_results_are_those_of_lenskit() -> None:
    kept = pd.read_csv(RESULTS)
    theirs = kept[kept["implementation"].str.startswith("lenskit")].set_index("method")
    assert set(theirs.index) == {"popular", "item-knn of ratings", "item-knn of likes", "ease of likes"}
    assert theirs[["recall_ours_less_theirs", "ndcg_ours_less_theirs"]].abs().max(axis=None) < 0.001
