"""A random agent for 200 sessions, and a figure of what it went through: python examples/random_agent.py"""

import argparse
from pathlib import Path

from pydeeprecsys.evaluation.plots import save_figure
from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import MovieLensFairnessManager

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--episodes", type=int, default=200)
parser.add_argument("--dataset", default="synthetic", help="or ml-1m, once fetched")
arguments = parser.parse_args()

manager = MovieLensFairnessManager(seed=0, slate_size=1, dataset=arguments.dataset)
manager.print_overview()
agent = RandomAgent(manager.env.action_space)
statistics = LearningStatistics("random", manager.env_name)
manager.train(agent, statistics, max_episodes=arguments.episodes)
save_figure(statistics.plot_learning_stats(), Path("output/random_agent"), [".png"])
print("see output/random_agent.png")
