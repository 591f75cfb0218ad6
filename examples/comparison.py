"""Rainbow, Random, REINFORCE and Actor-Critic side by side for 300 sessions: python examples/comparison.py

All metrics go to output/comparison/all_metrics.csv, the learning curves to learning_curves.pdf beside it.
"""

import argparse
from pathlib import Path

import torch

from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.task import Task

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--episodes", type=int, default=300)
parser.add_argument("--dataset", default="synthetic", help="or ml-1m, once fetched")
arguments = parser.parse_args()

task = Task(dataset=arguments.dataset)
torch.set_num_threads(1)
comparison = Comparison(
    task=task,
    agents=["rainbow", "random", "reinforce", "actor-critic"],
    episodes=arguments.episodes,
    seeds=arguments.seeds,
    train_pool="all",
    evaluation_pool="all",
    hyperparameters={
        "rainbow": {
            "network_update_frequency": 5,
            "network_sync_frequency": 250,
            "batch_size": 32,
            "learning_rate": 0.00025,
            "discount_factor": 0.9,
            "buffer_size": 10_000,
            "buffer_burn_in": 32,
        },
        "reinforce": {"discount_factor": 0.95, "learning_rate": 0.001},
        "actor-critic": {"discount_factor": 0.99},
    },
)
print(compare(comparison, Path("output/comparison")).to_string(index=False))
