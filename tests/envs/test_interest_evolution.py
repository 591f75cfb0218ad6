import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete, MultiDiscrete
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from pydeeprecsys.envs.interest_evolution import InterestEvolution, InterestEvolutionVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.simulation.choice import Cascade, MultinomialLogit

ENV = "InterestEvolution-v0"
N = 5


def slates(rng: np.random.Generator, n: int = N, slate_size: int = 3) -> NDArray[np.int64]:
    chosen = rng.permuted(np.tile(np.arange(10), (n, 1)), axis=1)[:, :slate_size]
    return chosen[:, 0] if slate_size == 1 else chosen


def assert_same_step(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    """Equal results; of infos, equal masks and equal values where the masks say that there are any."""
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert mine.dtype == other.dtype
        assert mine.tolist() == other.tolist()
    mine, other = ours[-1], theirs[-1]
    for name in ("chosen_action", "quality", "watch_time"):
        mask = other.get(f"_{name}", np.zeros(len(ours[0]), dtype=np.bool_))
        assert mine.get(f"_{name}", np.zeros_like(mask)).tolist() == mask.tolist()
        if mask.any():
            assert mine[name][mask].tolist() == other[name][mask].tolist()
    assert ("final_obs" in mine) == ("final_obs" in other)
    if "final_obs" in other:
        mask = other["_final_obs"]
        assert mine["_final_obs"].tolist() == mask.tolist()
        assert mine["final_obs"][mask].tolist() == [row.tolist() for row in other["final_obs"][mask]]
        assert mine["final_info"]["quality"][mask].tolist() == other["final_info"]["quality"][mask].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("slate_size", [1, 3, 10])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_batch_is_as_many_single_environments(mode: AutoresetMode, slate_size: int) -> None:
    options: Any = {"slate_size": slate_size, "time_budget": 20.0}
    ours = InterestEvolutionVector(N, **options, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: InterestEvolution(**options)] * N, autoreset_mode=mode)
    rng = np.random.default_rng(0)
    assert_same_step(ours.reset(seed=3), theirs.reset(seed=3))
    ends = []
    for _ in range(60):
        shown = slates(rng, N, slate_size)
        results = ours.step(shown), theirs.step(shown)
        assert_same_step(*results)
        terminated = results[0][2]
        ends.append(terminated)
        if mode == AutoresetMode.DISABLED and terminated.any():
            assert_same_step(
                ours.reset(options={"reset_mask": terminated.copy()}),
                theirs.reset(options={"reset_mask": terminated.copy()}),
            )
    assert np.sum(ends, axis=0).min() >= 2
    assert any(terminated.any() and not terminated.all() for terminated in ends)
    assert_same_step(ours.reset(seed=[9, 8, 0, 1, 9]), theirs.reset(seed=[9, 8, 0, 1, 9]))


def test_what_is_observed() -> None:
    envs = InterestEvolutionVector(6, n_candidates=7)
    observations, infos = envs.reset(seed=0)
    assert infos == {}
    assert envs.candidate_shape == (7, 20)
    rng = np.random.default_rng(0)
    for _ in range(30):
        state = envs.state
        assert state is not None
        assert envs.observation_space.contains(observations)
        assert observations.dtype == np.float32
        assert observations[:, :20].tolist() == state.interests.astype(np.float32).tolist()
        candidates = observations[:, 20:].reshape(6, 7, 20)
        assert candidates.tolist() == np.eye(20)[state.topics].tolist()
        scores = envs.choice_scores(observations)
        assert scores.dtype == np.float64
        expected = [[np.float32(state.interests[i, topic]) for topic in state.topics[i]] for i in range(6)]
        assert scores.tolist() == expected
        assert envs.choice_scores(observations[2]).tolist() == scores[2].tolist()
        observations, *_ = envs.step(rng.integers(0, 7, (6, 3)))
    assert envs.single_observation_space.low.tolist() == [-1.0] * 20 + [0.0] * 140


def test_what_is_told_of_a_step() -> None:
    env = gym.make(ENV).unwrapped
    assert isinstance(env, InterestEvolution)
    _, info = env.reset(seed=4)
    assert info == {}
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        state, slate = env.batch.state, slates(rng, 1)[0]
        assert state is not None
        _, reward, terminated, truncated, info = env.step(slate)
        assert set(info) == {"chosen_action", "quality", "watch_time"}
        position = info["chosen_action"]
        seen.add(position)
        assert isinstance(position, int)
        assert isinstance(reward, float)
        assert info["watch_time"] == reward == (0.0 if position < 0 else 4.0)
        assert info["quality"] == (0.0 if position < 0 else state.qualities[0, slate[position]])
        assert not truncated
        assert not terminated
    assert seen == {-1, 0, 1, 2}


def play(policy: Any, n: int = 4000) -> tuple[float, float]:
    """Mean return, and mean quality of what is watched, over one session each of n users."""
    envs = InterestEvolutionVector(n, autoreset_mode=AutoresetMode.DISABLED)
    observations, _ = envs.reset(seed=0)
    running, returns, qualities, watched = np.ones(n, dtype=np.bool_), np.zeros(n), 0.0, 0
    while running.any():
        observations, response = envs.advance(policy(envs, observations))
        returns += response.rewards * running
        qualities += (response.qualities * running).sum()
        watched += ((response.chosen >= 0) & running).sum()
        running &= ~response.terminated
    return returns.mean(), qualities / watched


@pytest.mark.slow
def test_returns_are_the_published_ones() -> None:
    # Ie et al. 2019, table of myopic and long-term policies. A standard error is 0.18 for random, 0.35 for myopic.
    rng = np.random.default_rng(0)
    by_chance, chance_quality = play(lambda envs, observations: slates(rng, len(observations)))
    myopic, myopic_quality = play(
        lambda envs, observations: np.argsort(-envs.choice_scores(observations), axis=1, kind="stable")[:, :3]
    )
    assert by_chance == pytest.approx(159.2, abs=0.7)
    assert chance_quality == pytest.approx(-0.5929, abs=0.01)
    assert myopic == pytest.approx(166.3, abs=1.2)
    assert myopic_quality == pytest.approx(-0.5428, abs=0.02)


def test_an_agent_can_predict_the_choice() -> None:
    n = 20_000
    envs = InterestEvolutionVector(n)
    assert envs.choice == MultinomialLogit(1.0)
    observations, _ = envs.reset(seed=1)
    shown = slates(np.random.default_rng(0), n)
    probabilities = envs.choice(np.take_along_axis(envs.choice_scores(observations), shown, axis=1))
    *_, infos = envs.step(shown)
    for position in range(-1, 3):
        p = probabilities[:, position]
        deviation = ((infos["chosen_action"] == position) - p).sum() / np.sqrt((p * (1 - p)).sum())
        assert abs(deviation) < 3.3


def test_another_choice_model_is_asked() -> None:
    never = Cascade(attention=0.0)
    env = InterestEvolution(choice=never)
    assert env.choice is never
    env.reset(seed=0)
    assert [env.step([0, 1, 2])[1] for _ in range(20)] == [0.0] * 20


def test_a_document_may_stand_twice() -> None:
    n = 5000
    envs = InterestEvolutionVector(n)
    observations, _ = envs.reset(seed=0)
    scores = envs.choice_scores(observations)[:, 4]
    _, _, _, _, infos = envs.step(np.full((n, 3), 4))
    expected = (3 * np.exp(scores) / (3 * np.exp(scores) + np.e)).mean()
    assert (infos["chosen_action"] >= 0).mean() == pytest.approx(expected, abs=0.02)
    assert ((infos["quality"] != 0) == (infos["chosen_action"] >= 0)).all()


def test_seeds() -> None:
    def trajectory(seed: Any, of_constructor: int | None = None) -> list[Any]:
        envs, rng = InterestEvolutionVector(N, time_budget=20, seed=of_constructor), np.random.default_rng(0)
        return [envs.reset(seed=seed), *(envs.step(slates(rng)) for _ in range(30))]

    assert data_equivalence(trajectory(0), trajectory(0), exact=True)
    assert data_equivalence(trajectory(2), trajectory([2, 3, 4, 5, 6]), exact=True)
    assert data_equivalence(trajectory(None, 6), trajectory(6), exact=True)
    assert not data_equivalence(trajectory(0), trajectory(1), exact=True)
    assert not data_equivalence(trajectory(None), trajectory(None), exact=True)
    assert InterestEvolution(seed=3).reset()[0].tolist() == InterestEvolution().reset(seed=3)[0].tolist()


@pytest.mark.parametrize("steps_before", [1, 8, 9, 10, 11])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_resuming_exactly(mode: AutoresetMode, steps_before: int) -> None:
    def made() -> InterestEvolutionVector:
        return InterestEvolutionVector(N, time_budget=16, autoreset_mode=mode)

    def played(envs: InterestEvolutionVector, seed: int, steps: int) -> list[Any]:
        rng = np.random.default_rng(seed)
        return [envs.step(slates(rng)) for _ in range(steps)]

    envs, other = made(), made()
    envs.reset(seed=8)
    played(envs, 0, steps_before)
    saved = envs.state_dict()
    expected = played(envs, 1, 20)
    other.load_state_dict(saved)
    assert data_equivalence(played(other, 1, 20), expected, exact=True)
    envs.load_state_dict(saved)
    assert data_equivalence(played(envs, 1, 20), expected, exact=True)


def test_resuming_one_exactly() -> None:
    env, other = InterestEvolution(time_budget=20), InterestEvolution(time_budget=20)
    env.reset(seed=0)
    env.step([1, 2, 3])
    other.load_state_dict(env.state_dict())
    while True:
        results = env.step([4, 5, 6]), other.step([4, 5, 6])
        assert data_equivalence(*results, exact=True)
        if results[0][2]:
            break
    other = InterestEvolution()
    other.load_state_dict(env.state_dict())
    for ended in (env, other):
        with pytest.raises(ResetNeeded, match="call reset"):
            ended.step([0, 1, 2])
    with pytest.raises(ResetNeeded, match="call reset"):
        InterestEvolution().step([0, 1, 2])


def test_made_by_gymnasium() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for slate_size, space in ((1, Discrete(10)), (3, MultiDiscrete([10] * 3)), (10, MultiDiscrete([10] * 10))):
            env = gym.make(ENV, slate_size=slate_size)
            assert env.action_space == space
            assert env.observation_space.shape == (220,)
            check_env(env.unwrapped)
            sb3_check_env(env, warn=True)
    envs = gym.make_vec(ENV, num_envs=4, vectorization_mode="vector_entry_point", n_candidates=20, slate_size=2)
    assert isinstance(envs.unwrapped, InterestEvolutionVector)
    assert envs.reset(seed=0)[0].shape == (4, 420)
    assert envs.step(envs.action_space.sample())[1].shape == (4,)


@pytest.mark.parametrize("make", [InterestEvolution, InterestEvolutionVector])
def test_options_that_cannot_be(make: Any) -> None:
    with pytest.raises(InputError, match=r"slate_size must be in \[1, 10\], .* it is 11"):
        make(slate_size=11)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ([[0, 1, 10]], "item 10 at position 2 of user 0 is out of range; items are 0 to 9"),
        ([[0, -1, 2]], "item -1 at position 1"),
        ([[0, 1]], "shape"),
        ([0, 1, 2], "shape"),
        ([[0.0, 1.0, 2.0]], "whole numbers"),
    ],
)
def test_actions_that_cannot_be(shown: Any, message: str) -> None:
    envs = InterestEvolutionVector(1)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(shown)
