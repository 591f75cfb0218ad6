from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters


def test_founding_defaults() -> None:
    parameters = ExperienceReplayBufferParameters()
    assert parameters.max_experiences == 50
    assert parameters.minimum_experiences_to_start_predicting == 32
    assert parameters.batch_size == 32
    assert PERBufferParameters() == PERBufferParameters(beta=0.01, beta_growth=0.001, alpha=0.6, epsilon=0.01)


def test_founding_order() -> None:
    parameters = ExperienceReplayBufferParameters(10000, 1, 1, 0)
    assert parameters == ExperienceReplayBufferParameters(
        max_experiences=10000, minimum_experiences_to_start_predicting=1, batch_size=1, random_state=0
    )


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        ExperienceReplayBufferParameters().batch_size = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        PERBufferParameters().beta = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 33}, r"batch_size\.\.max_experiences, 33\.\.50, it is 32"),
        ({"max_experiences": 31}, r"32\.\.31, it is 32"),
        ({"max_experiences": 1e5}, "max_experiences must be an integer, it is 100000.0"),
        ({"random_state": None}, "random_state must be an integer"),
        ({"random_state": -1}, "random_state must be 0 or more"),
    ],
)
def test_refused_sizes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExperienceReplayBufferParameters(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"beta": -0.1},
        {"beta": 1.1},
        {"beta": float("nan")},
        {"alpha": -0.1},
        {"alpha": 1.1},
        {"beta_growth": -0.1},
        {"beta_growth": float("inf")},
        {"epsilon": 0.0},
        {"epsilon": float("inf")},
    ],
)
def test_refused_priorities(arguments: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(arguments))} must"):
        PERBufferParameters(**arguments)
