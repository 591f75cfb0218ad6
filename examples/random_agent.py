"""A random agent for 200 sessions, and the four panels of what it went through: python examples/random_agent.py"""

from pathlib import Path

from pydeeprecsys.evaluation.plots import save_figure
from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import MovieLensFairnessManager

manager = MovieLensFairnessManager(seed=0, slate_size=1)
manager.print_overview()
agent = RandomAgent(manager.env.action_space)
statistics = LearningStatistics("random", manager.env_name)
manager.train(agent, statistics, max_episodes=200)
save_figure(statistics.plot_learning_stats(), Path("output/random_agent"), [".png"])
print("see output/random_agent.png")
