"""A comparison with an audit."""

from pathlib import Path

from pydeeprecsys.experiments.audit import audit
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.task import Task


def audited_comparison(folder: Path) -> Path:
    """Policies of two seeds in a world where the ratings of women are lower by half a star with `popular`."""
    task = Task(dataset="planted-gap?n_users=400&n_items=40", env_options={"session_length": 5, "delta": 0.0})
    compare(Comparison(task=task, agents=["popular"], episodes=1, seeds=2, evaluation_episodes=4), folder)
    audit(folder, sessions=800, pool="all", groups=["sex", "age"])
    return folder
