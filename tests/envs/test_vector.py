import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError

N = 5
Make = Callable[..., MovieLensFairnessVector]


@pytest.fixture
def make(world: World) -> Make:
    return lambda n=N, slate_size=1, **options: MovieLensFairnessVector(n, slate_size, dataset=world, **options)


def actions(rng: np.random.Generator, slate_size: int, n: int = N) -> NDArray[np.int64]:
    return rng.integers(0, 80, n if slate_size == 1 else (n, slate_size))


def assert_same_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Equal wherever the masks say that there is something, and equal masks."""
    for name in theirs:
        if name.startswith("_"):
            assert ours[name].tolist() == theirs[name].tolist(), name
        elif isinstance(theirs[name], dict):
            assert_same_infos(ours[name], theirs[name])
        else:
            mask = theirs[f"_{name}"]
            assert [np.asarray(value).tolist() for value in ours[name][mask]] == [
                np.asarray(value).tolist() for value in theirs[name][mask]
            ], name
    for name in set(ours) - set(theirs):
        assert name.startswith("_") or not ours[f"_{name}"].any(), name


def assert_same_step(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert mine.dtype == other.dtype
        assert mine.tolist() == other.tolist()
    assert_same_infos(ours[-1], theirs[-1])


@pytest.mark.slow
@pytest.mark.parametrize("slate_size", [1, 3, 10])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_batch_is_as_many_single_environments(make: Make, world: World, mode: AutoresetMode, slate_size: int) -> None:
    options = {"session_length": 12 * slate_size - 1, "delta": 0.5, "lambda_non_violent": 0.2}
    ours = make(N, slate_size, autoreset_mode=mode, **options)
    theirs = SyncVectorEnv([lambda: MovieLensFairness(slate_size, dataset=world, **options)] * N, autoreset_mode=mode)
    rng = np.random.default_rng(0)
    assert_same_step(ours.reset(seed=3), theirs.reset(seed=3))
    ends = []

    def reset_both(mask: NDArray[np.bool_]) -> None:
        assert_same_step(
            ours.reset(options={"reset_mask": mask.copy()}), theirs.reset(options={"reset_mask": mask.copy()})
        )

    for step in range(80):
        shown = actions(rng, slate_size)
        results = ours.step(shown), theirs.step(shown)
        assert_same_step(*results)
        terminated = results[0][2]
        ends.append(terminated)
        if mode == AutoresetMode.DISABLED and terminated.any():
            reset_both(terminated)
        if step in (4, 7, 30):  # some users leave early, so that sessions are out of phase
            reset_both(np.arange(N) % 3 == step % 3)
    assert np.sum(ends, axis=0).min() >= 4
    assert any(terminated.any() and not terminated.all() for terminated in ends)
    assert_same_step(ours.reset(seed=[9, 8, 0, 1, 9]), theirs.reset(seed=[9, 8, 0, 1, 9]))
    assert_same_step(ours.reset(), theirs.reset())


def test_how_many_are_in_a_batch_does_not_matter(make: Make) -> None:
    many, few = make(40, 3), make(3, 3)
    many.reset(seed=0)
    few.reset(seed=[0, 17, 39])
    rng = np.random.default_rng(0)
    for _ in range(30):
        shown = actions(rng, 3, 40)
        of_many, of_few = many.step(shown), few.step(shown[[0, 17, 39]])
        for mine, other in zip(of_many[:-1], of_few[:-1], strict=True):
            assert mine[[0, 17, 39]].tolist() == other.tolist()


def test_next_step_mode_gives_one_step_to_the_reset(make: Make) -> None:
    envs = make(2, session_length=2)
    envs.reset(seed=0)
    envs.step([0, 1])
    last, rewards, terminated, _, infos = envs.step([2, 3])
    assert terminated.all()
    assert (rewards > 0).all()
    first, rewards, terminated, truncated, infos = envs.step([4, 5])
    assert (first[:, 4:] == 0).all()
    assert (last[:, 4:] != 0).any()
    assert rewards.tolist() == [0.0, 0.0]
    assert not terminated.any()
    assert not truncated.any()
    assert infos["_user"].all()
    assert not infos["_ratings"].any()


def test_same_step_mode_keeps_the_last_observation(make: Make) -> None:
    envs, reference = make(2, session_length=2, autoreset_mode="SameStep"), make(2, session_length=2)
    envs.reset(seed=0)
    reference.reset(seed=0)
    for shown in ([0, 1], [2, 3]):
        observations, rewards, terminated, _, infos = envs.step(shown)
        last, expected, *_ = reference.step(shown)
    assert terminated.all()
    assert rewards.tolist() == expected.tolist()
    assert infos["final_obs"].tolist() == last.tolist()
    assert infos["final_info"]["ratings"].shape == (2, 1)
    assert (observations[:, 4:] == 0).all()


@pytest.mark.parametrize("slate_size", [1, 3])
def test_without_autoreset_a_step_after_the_end_is_refused(make: Make, slate_size: int) -> None:
    envs = make(3, slate_size, session_length=slate_size, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    assert envs.step(actions(rng, slate_size, 3))[2].all()
    envs.reset(options={"reset_mask": np.array([True, True, False])})
    with pytest.raises(ResetNeeded, match="reset_mask"):
        envs.step(actions(rng, slate_size, 3))
    envs.reset(options={"reset_mask": np.array([False, False, True])})
    envs.step(actions(rng, slate_size, 3))


def test_a_step_before_the_first_reset(make: Make) -> None:
    envs = make()
    with pytest.raises(ResetNeeded, match="call reset before step"):
        envs.step([0] * N)
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.arange(N) > 2})


@pytest.mark.parametrize("slate_size", [1, 3])
def test_the_same_seed_is_the_same_trajectory(make: Make, slate_size: int) -> None:
    def trajectory(seed: int | list[int] | None, of_constructor: int | None = None) -> list[Any]:
        envs, rng = make(N, slate_size, seed=of_constructor, session_length=10), np.random.default_rng(0)
        return [envs.reset(seed=seed), *(envs.step(actions(rng, slate_size)) for _ in range(25))]

    for seed in (0, 1, 2**63):
        assert data_equivalence(trajectory(seed), trajectory(seed), exact=True)
    assert data_equivalence(trajectory(0), trajectory([0, 1, 2, 3, 4]), exact=True)
    assert data_equivalence(trajectory(None, 6), trajectory(6), exact=True)
    assert not data_equivalence(trajectory(0), trajectory(1), exact=True)
    assert not data_equivalence(trajectory(None), trajectory(None), exact=True)


def test_different_seeds_are_different_users(make: Make) -> None:
    def users(seed: Any) -> list[list[int]]:
        envs = make()
        return [envs.reset(seed=seed if i == 0 else None)[1]["user"].tolist() for i in range(8)]

    assert users(0) == users(0)
    assert users(0) != users(N)
    assert len({tuple(column) for column in zip(*users(0), strict=True)}) == N
    some_drawn = users([3, None, 3, None, 3])
    assert len({tuple(row) for row in zip(*some_drawn, strict=True)}) == 3


@pytest.mark.parametrize("seed", [[1, 2], [1] * 6])
def test_a_wrong_number_of_seeds(make: Make, seed: list[int]) -> None:
    with pytest.raises(ValueError, match=f"{len(seed)} seeds for 5 users"):
        make().reset(seed=seed)


@pytest.mark.parametrize("slate_size", [1, 3])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("steps_before", [1, 3, 4, 6])
def test_resuming_exactly(make: Make, slate_size: int, mode: AutoresetMode, steps_before: int) -> None:
    def made() -> MovieLensFairnessVector:
        return make(N, slate_size, session_length=4 * slate_size, autoreset_mode=mode)

    def play(envs: VectorEnv[Any, Any, Any], steps: int) -> list[Any]:
        return [envs.step(actions(rng, slate_size)) for _ in range(steps)]

    rng = np.random.default_rng(0)
    envs, other = made(), made()
    envs.reset(seed=8)
    play(envs, 1)
    envs.reset(options={"reset_mask": np.arange(N) < 2})
    play(envs, steps_before)
    saved, position = envs.state_dict(), rng.bit_generator.state
    expected = play(envs, 12)
    rng.bit_generator.state = position
    other.load_state_dict(saved)
    assert data_equivalence(play(other, 12), expected, exact=True)
    rng.bit_generator.state = position
    envs.load_state_dict(saved)
    assert data_equivalence(play(envs, 12), expected, exact=True)


@pytest.mark.parametrize(
    ("slate_size", "shown", "message"),
    [
        (1, [0, 80], "item 80 at position 0 of user 1 is out of range; items are 0 to 79"),
        (1, [-1, 0], "item -1 at position 0 of user 0 is out of range"),
        (3, [[0, 1, 2], [3, 4, 99]], "item 99 at position 2 of user 1 is out of range; items are 0 to 79"),
        (1, [0.0, 1.0], "whole numbers"),
        (1, [np.nan, 1.0], "whole numbers"),
        (1, [True, False], "whole numbers"),
        (1, [0], r"shape \(1,\); 2 users and slates of 1"),
        (1, [0, 1, 2], "shape"),
        (1, [[0, 1], [2, 3]], "shape"),
        (3, [0, 1], r"shape \(2,\); 2 users and slates of 3 need \(2, 3\)"),
        (3, [[0, 1], [2, 3]], "shape"),
        (3, [[[0, 1, 2]], [[3, 4, 5]]], "shape"),
    ],
)
def test_actions_that_cannot_be(make: Make, slate_size: int, shown: Any, message: str) -> None:
    envs, reference = make(2, slate_size), make(2, slate_size)
    envs.reset(seed=0)
    reference.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(shown)
    following = actions(np.random.default_rng(0), slate_size, 2)
    assert_same_step(envs.step(following), reference.step(following))


def spoil(*values: Any) -> None:
    """Overwrite every array that can be written."""
    for value in values:
        if isinstance(value, dict):
            spoil(*value.values())
        elif isinstance(value, np.ndarray) and value.flags.writeable:
            value[...] = ~value if value.dtype == np.bool_ else 1 - value


@pytest.mark.parametrize("slate_size", [1, 3])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_what_the_caller_does_to_its_arrays_does_not_reach_the_users(
    make: Make, mode: AutoresetMode, slate_size: int
) -> None:
    def play(also: Callable[..., None]) -> list[Any]:
        envs, rng = make(3, slate_size, session_length=4 * slate_size, autoreset_mode=mode), np.random.default_rng(0)
        observations, infos = envs.reset(seed=0)
        seen = [observations.copy()]
        also(observations, infos)
        for step in range(14):
            shown = actions(rng, slate_size, 3)
            observations, rewards, terminated, truncated, infos = envs.step(shown)
            seen += [observations.copy(), rewards.copy(), terminated.copy(), deepcopy(infos)]
            leaving = (np.arange(3) == step) | (terminated if mode == AutoresetMode.DISABLED else False)
            also(shown, observations, rewards, terminated, truncated, infos)
            if leaving.any():
                observations, infos = envs.reset(options={"reset_mask": leaving})
                seen += [observations.copy(), deepcopy(infos)]
                also(observations, infos, leaving)
            saved = deepcopy(envs.state_dict())
            envs.load_state_dict(saved)
            also(saved, envs.state_dict())
        return seen

    assert data_equivalence(play(spoil), play(lambda *arrays: None), exact=True)


def test_the_global_generators_are_left_alone(make: Make) -> None:
    numpy_state, python_state = np.random.get_state(), random.getstate()
    envs, rng = make(N, 3), np.random.default_rng(0)
    for seed in (None, 0):
        envs.reset(seed=seed)
        for _ in range(40):
            envs.step(actions(rng, 3))
    assert data_equivalence(np.random.get_state(), numpy_state)
    assert random.getstate() == python_state


@pytest.mark.parametrize("slate_size", range(1, 21))
def test_a_slate_of_fives_has_an_ndcg_of_exactly_1(make: Make, slate_size: int) -> None:
    envs = make(1, slate_size)
    envs.reset(seed=0)
    _, response = envs.advance(np.arange(slate_size)[None])
    fives = response._replace(ratings=np.full((1, slate_size), 5.0))
    assert envs.step_info(fives)["ndcg"].tolist() == [1.0]


def test_a_reset_may_choose_some_of_the_users() -> None:
    batch = MovieLensFairnessVector(4, seed=0, autoreset_mode="Disabled", version=1, observation="items")
    batch.reset(options={"users": np.array([5, 6, 7, 8])})
    assert batch.state is not None
    before = batch.state
    batch.step(np.array([1, 2, 3, 4]))
    moved = batch.state
    mask = np.array([True, False, False, True])
    _, infos = batch.reset(options={"reset_mask": mask, "users": np.array([7, 0, 0, 6])})
    assert batch.state.users.tolist() == [7, 6, 7, 6]
    np.testing.assert_array_equal(batch.state.vectors[[0, 3]], before.vectors[[2, 1]])
    np.testing.assert_array_equal(batch.state.vectors[1:3], moved.vectors[1:3])
    np.testing.assert_array_equal(infos["user"][[0, 3]], [7, 6])
    with pytest.raises(InputError, match="one per session of 4"):
        batch.reset(options={"users": [1, 2]})
    with pytest.raises(InputError, match="reset takes no option 'user'"):
        batch.reset(options={"user": 1})
