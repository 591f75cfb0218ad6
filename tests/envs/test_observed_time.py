from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.simulation.movielens.dynamics import SatiatingTaste
from pydeeprecsys.simulation.movielens.patience import Patience

KINDS: list[dict[str, Any]] = [
    {"observation": "founding"},
    {"observation": "history", "history_length": 3},
    {"observation": "affinity", "dynamics": SatiatingTaste()},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["observation"])
def test_the_time_comes_last_and_changes_nothing_before_it(world: World, kind: dict[str, Any]) -> None:
    plain, timed = (
        MovieLensFairnessVector(2, dataset=world, session_length=4, observe_time=observe_time, **kind)
        for observe_time in (False, True)
    )
    size = plain.observation.size
    assert timed.single_observation_space.shape == (size + 1,)
    without, observation = plain.reset(seed=0)[0], timed.reset(seed=0)[0]
    # Four steps, the reset of Gymnasium's next-step mode, and the next session.
    for step, time in enumerate([0.0, 0.25, 0.5, 0.75, 1.0, 0.0, 0.25]):
        assert observation.dtype == np.float32
        assert observation[:, size].tolist() == [time, time]
        assert observation[:, :size].tolist() == without.tolist()
        without, observation = (env.step([step, 9 + step])[0] for env in (plain, timed))


@pytest.mark.parametrize(
    ("make", "slate_size", "expected"),
    [
        # 50 ratings, four a slate, are 13 slates.
        (MovieLensFairnessVector, 4, 1 / 13),
        (partial(MovieLensFairnessVector, version=1), 1, 1 / 200),
        (lambda *a, **o: MovieLensFairnessVector(*a, version=1, patience=Patience(max_steps=8), **o), 4, 1 / 8),
    ],
)
def test_the_time_is_in_parts_of_the_longest_session(
    make: Callable[..., MovieLensFairnessVector], slate_size: int, expected: float, world: World
) -> None:
    env = make(1, slate_size, dataset=world, observe_time=True)
    env.reset(seed=0)
    observation, *_ = env.step(np.arange(slate_size)[None] if slate_size > 1 else np.array([3]))
    assert observation[0, -1] == np.float32(expected)


def test_one_user_sees_what_a_batch_sees_and_goes_on_from_a_state(world: World) -> None:
    options: dict[str, Any] = {"dataset": world, "session_length": 6, "observe_time": True}
    single = MovieLensFairness(**options)
    check_env(single, skip_render_check=True)
    batch = MovieLensFairnessVector(1, autoreset_mode=AutoresetMode.DISABLED, **options)
    assert single.reset(seed=3)[0].tolist() == batch.reset(seed=3)[0][0].tolist()
    for item in range(3):
        assert single.step(item)[0].tolist() == batch.step([item])[0][0].tolist()
    restored = MovieLensFairness(**options)
    restored.load_state_dict(single.state_dict())
    observation = restored.step(7)[0]
    assert observation.tolist() == single.step(7)[0].tolist()
    assert observation[-1] == np.float32(4 / 6)
