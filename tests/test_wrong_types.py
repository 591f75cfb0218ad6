"""Arguments of a wrong type, given from Python, end in one line that names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic


def world(**options: Any) -> Any:
    return gym.make("MovieLensFairness-v1", **options)


def run(**settings: Any) -> Any:
    return RunConfig(**{"task": Task(env="CartPole-v1"), "agent": "ppo", **settings})


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: world(patience=3), "^patience must be of the type Patience, it is 3$"),
        (lambda: world(choice=3), "^choice must be of the type Choice, it is 3$"),
        (lambda: world(dynamics=3), "^dynamics must be of the type Dynamics or Taste, it is 3$"),
        (lambda: world(reward=3), "^reward must be of the type Reward, it is 3$"),
        (lambda: world(delta="much"), "^delta must be a number"),
        (lambda: run(task=3), "^task must be of the type Task, it is 3$"),
        (lambda: run(agent=3), "^agent must be text, it is 3$"),
        (lambda: run(hyperparameters=3), "^hyperparameters must be of the type Mapping, it is 3$"),
        (
            lambda: Comparison(task=Task(env="CartPole-v1"), agents="ppo"),
            "^agents must be a list of texts, it is 'ppo'$",
        ),
        (lambda: Comparison(task=Task(env="CartPole-v1"), agents=[PPOAgent]), "^agents must be a list of texts"),  # type: ignore[list-item]
        (lambda: Task(env=3), "^env must be text, it is 3$"),  # type: ignore[arg-type]
        (lambda: Task(env_options=3), "^env_options must be of the type Mapping, it is 3$"),  # type: ignore[arg-type]
        (lambda: PPOAgent(3, 2, history=3), "^history must be of the type HistoryLayout, it is 3$"),
        (lambda: PPOAgent(3, 2, item_estimates=3), "^item_estimates must be of the type ItemEstimates, it is 3$"),
        (lambda: PPOAgent(3, 2, base=3), "^base must be of the type Scorer, it is 3$"),
        (lambda: PPOAgent(3, 2, item_features="ratings"), "^item_features must be finite numbers"),
        (lambda: PPOAgent(3, 2, item_features=[1.0, 2.0, 3.0]), r"^item_features must be finite numbers .*\(3,\)$"),
        (lambda: SoftActorCritic(3, 2), "^action_space must be of the type Space, it is 3$"),
        (lambda: PPOAgent(3, 2, random_state=None), "^random_state must be an integer, it is None$"),  # type: ignore[arg-type]
        (lambda: PPOAgent(3, 2, device="mps"), "^there is no training on the device 'mps'; give 'cpu'"),
        (lambda: PPOAgent(3, 2, device="meta"), "^there is no training on the device 'meta'; give 'cpu'"),
    ],
)
def test_a_wrong_type_is_one_line(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        make()


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path} is a folder; give the path of a file$"):
        PPOAgent(3, 2).save(tmp_path)
    assert not list(tmp_path.iterdir())
