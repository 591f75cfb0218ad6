"""Slates of 10: Random against Rainbow, five seeds of 500 sessions each: python examples/slates.py

DCG and NDCG of every step go to output/slates/relevance_metrics.csv, their description to
relevance_metrics_describe.csv beside it.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.task import Task

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seeds", type=int, default=5)
parser.add_argument("--episodes", type=int, default=500)
parser.add_argument("--dataset", default="synthetic", help="or ml-1m, once fetched")
arguments = parser.parse_args()

task = Task(dataset=arguments.dataset, env_options={"slate_size": 10})
torch.set_num_threads(1)
comparison = Comparison(
    task=task,
    agents=["random", "rainbow"],
    episodes=arguments.episodes,
    seeds=arguments.seeds,
    train_pool="all",
    evaluation_pool="all",
    hyperparameters={
        "rainbow": {
            "network_update_frequency": 3,
            "network_sync_frequency": 300,
            "priority_importance": 0.4,
            "priority_weight_growth": 0.01,
            "buffer_size": 10_000,
            "buffer_burn_in": 1000,
            "batch_size": 32,
            "noise_sigma": 0.017,
            "discount_factor": 0.95,
            "learning_rate": 0.001,
            "hidden_layers": [512, 512, 128, 128],
        }
    },
)
out = Path("output/slates")
print(compare(comparison, out).to_string(index=False))
print(pd.read_csv(out / "relevance_metrics_describe.csv", index_col=0).to_string())
