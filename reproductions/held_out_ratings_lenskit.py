"""LensKit on held-out ratings, in a Python of its own; started by `reproductions.held_out_ratings`.

Imports nothing of ours. Reads split.npz in a folder, and writes lenskit.npz there: metrics of each user by method.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lenskit
import numpy as np
import pandas as pd
from lenskit.basic import PopScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer
from lenskit.metrics import NDCG, Recall
from lenskit.metrics.ranking import LogRankWeight

LIKED = 4.0


def main(folder: Path, k: int, neighbours: int, regularization: float) -> None:
    split = np.load(folder / "split.npz")
    train, history, relevant = (
        pd.DataFrame({name: split[f"{part}_{name}"] for name in ("user_id", "item_id", "rating")})
        for part in ("train", "history", "relevant")
    )
    likes = train[train["rating"] >= LIKED]
    knn = {"max_nbrs": len(train), "save_nbrs": neighbours}  # every rated neighbour counts, of those that are saved
    methods = {
        "popular": (PopScorer(), train),
        "item-knn of ratings": (ItemKNNScorer(**knn), train),
        "item-knn of likes": (ItemKNNScorer(**knn, feedback="implicit"), likes),
        "ease of likes": (EASEScorer(regularization=regularization), likes),
    }
    metrics = {"recall": Recall(n=k), "ndcg": NDCG(n=k, weight=LogRankWeight(offset=1))}
    histories, truths = (dict(list(part.groupby("user_id"))) for part in (history, relevant))
    results = {}
    for method, (scorer, ratings) in methods.items():
        scorer.train(from_interactions_df(ratings))
        items, rows = np.unique(ratings["item_id"]), []
        for user, truth in truths.items():
            had = histories[user]
            candidates = ItemList(item_ids=np.setdiff1d(items, had["item_id"]))
            had = had[had["item_id"].isin(items)]  # ItemKNNScorer fails on others
            if ratings is likes:
                had = had[had["rating"] >= LIKED]
            known = ItemList(item_ids=had["item_id"].to_numpy(), rating=had["rating"].to_numpy())
            query = {} if method == "popular" else {"query": RecQuery(user, known)}
            shown = scorer(items=candidates, **query).top_n(k)
            rows.append([metric.measure_list(shown, ItemList(truth["item_id"])) for metric in metrics.values()])
        results |= {f"{method}/{name}": column for name, column in zip(metrics, np.array(rows).T, strict=True)}
    np.savez(folder / "lenskit.npz", version=np.array(lenskit.__version__), **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
