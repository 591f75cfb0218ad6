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
        ({"batch_size": 33}, "must hold, they are 33, 32 and 50"),
        ({"max_experiences": 31}, "must hold, they are 32, 32 and 31"),
    ],
)
def test_refused_sizes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExperienceReplayBufferParameters(**arguments)
