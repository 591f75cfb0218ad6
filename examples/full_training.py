"""REINFORCE, Actor-Critic and Rainbow trained three times, each from its own seed: python examples/full_training.py

Every metric of an agent's trainings goes to output/<class>_optimized_results.csv.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.agents.actor_critic import ActorCriticAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import MovieLensFairnessManager

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--trainings", type=int, default=3)
parser.add_argument("--episodes", type=int, default=100)
parser.add_argument("--dataset", default="synthetic", help="or ml-1m, once fetched")
arguments = parser.parse_args()

env = MovieLensFairnessManager(dataset=arguments.dataset).env
torch.set_num_threads(1)
n_actions, state_size = env.action_space.n, env.observation_space.shape[0]
agents = {
    ReinforceAgent: {
        "n_actions": n_actions,
        "state_size": state_size,
        "hidden_layers": [128, 128],
        "discount_factor": 0.9,
        "learning_rate": 0.001,
    },
    ActorCriticAgent: {
        "n_actions": n_actions,
        "state_size": state_size,
        "actor_hidden_layers": [128, 128],
        "critic_hidden_layers": [128, 64],
        "discount_factor": 0.99,
        "actor_learning_rate": 0.001,
        "critic_learning_rate": 0.0001,
    },
    RainbowDQNAgent: {
        "output_size": n_actions,
        "input_size": state_size,
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
    },
}
for agent_class, options in agents.items():
    frames = []
    for training in range(arguments.trainings):
        manager = MovieLensFairnessManager(seed=training, dataset=arguments.dataset)
        statistics = LearningStatistics(agent_class.__name__, manager.env_name)
        agent = agent_class(**options, random_state=training)
        agent.statistics = statistics
        manager.train(agent, statistics, max_episodes=arguments.episodes)
        frames.append(statistics.to_frame().assign(training=training))
    path = Path("output") / f"{agent_class.__name__}_optimized_results.csv"
    with whole_file(path) as temporary:
        pd.concat(frames).to_csv(temporary, index=False)
    print(f"see {path}")
