import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from tests.envs.test_vector import assert_same_step, spoil

from pydeeprecsys.data.world import World
from pydeeprecsys.envs.single import MovieLensFairness
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.simulation.choice import MultinomialLogit
from pydeeprecsys.simulation.movielens.dynamics import GenreReinforcement, SatiatingTaste
from pydeeprecsys.simulation.movielens.patience import Patience

ENV = "MovieLensFairness-v1"
N = 5
ALWAYS = MultinomialLogit(-math.inf)
NEVER = MultinomialLogit(1e6)

FaithfulVector = partial(MovieLensFairnessVector, version=1)

Make = Callable[..., MovieLensFairness]


@pytest.fixture
def make(world: World) -> Make:
    return lambda slate_size=1, **options: MovieLensFairness(slate_size, **({"dataset": world, "version": 1} | options))


def allowed_slates(rng: np.random.Generator, masks: Any, k: int) -> Any:
    """Slates of different allowed items: (n,) items for k = 1, else (n, k)."""
    slates = np.argsort(-np.where(masks, rng.random(masks.shape), -1.0), axis=1)[:, :k]
    return slates[:, 0] if k == 1 else slates


def test_it_is_registered_beside_v0_of_which_nobody_is_warned(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        founding = gym.make("MovieLensFairness-v0", dataset=world).unwrapped
        single = gym.make(ENV, dataset=world).unwrapped
    many = gym.make_vec(ENV, 3, "vector_entry_point", dataset=world).unwrapped
    assert founding.simulator.patience is None
    assert single.simulator.patience == many.simulator.patience == Patience()
    assert single.observation_space.shape == many.single_observation_space.shape == (4 + 10 * 21,)
    with pytest.raises(InputError, match="version must be one of 0, 1, it is 2"):
        gym.make(ENV, dataset=world, version=2)


@pytest.mark.parametrize("slate_size", [1, 3])
@pytest.mark.parametrize("observation", ["last", "history", "affinity"])
def test_environment_checkers_have_nothing_to_say(world: World, slate_size: int, observation: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = gym.make(ENV, slate_size=slate_size, dataset=world, observation=observation)
        check_env(made.unwrapped)
        sb3_check_env(made, warn=True)


@pytest.mark.slow
@pytest.mark.parametrize("slate_size", [1, 3, 10])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_batch_is_as_many_single_environments(world: World, mode: AutoresetMode, slate_size: int) -> None:
    # Cut off early, so that sessions end in both ways.
    patience = Patience(budget=6, max_steps=5 if slate_size == 1 else 8)
    options: Any = {"dataset": world, "patience": patience, "lambda_non_violent": 0.2}
    ours = FaithfulVector(N, slate_size, autoreset_mode=mode, **options)
    theirs = SyncVectorEnv([lambda: MovieLensFairness(slate_size, version=1, **options)] * N, autoreset_mode=mode)
    rng, ends = np.random.default_rng(0), np.zeros((2, N))
    results: Any = ours.reset(seed=3), theirs.reset(seed=3)
    assert_same_step(*results)
    for step in range(60):
        masks = results[0][-1]["action_mask"]
        assert masks.any(axis=1).all()
        shown = allowed_slates(rng, masks, slate_size)
        if step % 5 == 0:
            shown = rng.integers(0, 80, shown.shape)  # what was consumed bores, alike
        results = ours.step(shown), theirs.step(shown)
        assert_same_step(*results)
        ends += results[0][2:4]
        assert not (results[0][2] & results[0][3]).any()
        over = results[0][2] | results[0][3]
        leaving = over if mode == AutoresetMode.DISABLED else np.zeros(N, dtype=np.bool_)
        leaving |= (np.arange(N) % 3 == step % 3) & (step in (4, 7))
        if leaving.any():
            results = tuple(e.reset(options={"reset_mask": leaving.copy()}) for e in (ours, theirs))
            assert_same_step(*results)
    assert (ends.sum(axis=1) > 0).all()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("slate_size", [1, 3])
def test_resuming_exactly(world: World, mode: AutoresetMode, slate_size: int) -> None:
    def made() -> MovieLensFairnessVector:
        return FaithfulVector(N, slate_size, autoreset_mode=mode, dataset=world, patience=Patience(5))

    rng = np.random.default_rng(0)
    shown = [rng.integers(0, 80, N if slate_size == 1 else (N, slate_size)) for _ in range(30)]
    envs, other = made(), made()
    envs.reset(seed=8)
    for slates in shown[:11]:
        envs.step(slates)
    saved = envs.state_dict()
    expected = [envs.step(slates) for slates in shown[11:]]
    other.load_state_dict(saved)
    assert data_equivalence([other.step(slates) for slates in shown[11:]], expected, exact=True)
    fresh = [made() for _ in range(2)]
    again = [[env.reset(seed=1)] + [env.step(slates) for slates in shown] for env in fresh]
    assert data_equivalence(again[0], again[1], exact=True)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_what_the_caller_does_to_its_arrays_does_not_reach_the_users(world: World, mode: AutoresetMode) -> None:
    def play(also: Callable[..., None]) -> list[Any]:
        envs = FaithfulVector(3, 2, autoreset_mode=mode, dataset=world, patience=Patience(4))
        rng, seen = np.random.default_rng(0), []
        also(*envs.reset(seed=0))
        for _ in range(15):
            shown = rng.integers(0, 80, (3, 2))
            observations, rewards, terminated, truncated, infos = envs.step(shown)
            seen += [observations.copy(), rewards.copy(), infos["action_mask"].copy(), terminated.copy()]
            if mode == AutoresetMode.DISABLED and terminated.any():
                envs.reset(options={"reset_mask": terminated.copy()})
            also(shown, observations, rewards, terminated, truncated, infos)
            saved = envs.state_dict()
            envs.load_state_dict(saved)
            also(saved)
        return seen

    assert data_equivalence(play(spoil), play(lambda *arrays: None), exact=True)


def test_a_session_told_by_its_own_numbers(make: Make, world: World) -> None:
    """Everything that info and observation tell, recomputed in plain Python from what the docs say."""
    env = make(3, lambda_non_violent=0.3)
    observation, info = env.reset(seed=5)
    left, consumed, entries, chosen_once = 20.0, set[int](), [[0.0] * 21] * 10, False
    rng = np.random.default_rng(1)
    for _ in range(200):
        assert set(np.flatnonzero(~info["action_mask"])) == consumed
        slate = rng.choice(np.flatnonzero(info["action_mask"]), 3, replace=False)
        observation, reward, terminated, truncated, info = env.step(slate)
        ratings, position = info["ratings"], info["chosen_action"]
        assert info["dcg"] == pytest.approx(sum(r / math.log2(i + 2) for i, r in enumerate(ratings)), rel=1e-12)
        assert info["violence"] == pytest.approx(float(world.violence[slate].astype(float).mean()), rel=1e-12)
        if position < 0:
            left -= 2.0
            entry = [0.0] * 21
            assert reward == 0.0
        else:
            chosen_once = True
            item, rating = int(slate[position]), ratings[position]
            consumed.add(item)
            left -= 1 - 0.8 * min(max((rating - 3) / 2, 0), 1)
            entry = [*world.genres[item].astype(float), rating / 5, float(world.violence[item])]
            assert reward == pytest.approx(0.7 * rating / 5 + 0.3 * (1 - float(world.violence[item])), rel=1e-12)
        entries = [entry, *entries[:-1]]
        assert observation[4:].tolist() == pytest.approx([x for e in entries for x in e], abs=1e-6)
        assert terminated == (left <= 0)
        assert not truncated
        if terminated:
            break
    assert terminated
    assert chosen_once


def test_who_is_offered_nothing_good_takes_nothing(make: Make) -> None:
    env = make(choice=NEVER)
    env.reset(seed=0)
    for step in range(10):  # a budget of 20, 2 for each refusal
        observation, reward, terminated, _, info = env.step(7)
        assert (reward, info["chosen_action"]) == (0.0, -1)
        assert terminated == (step == 9)
        assert info["action_mask"].all()
        assert not observation[4:].any()
    assert all(line[0] == " " for line in env.render().splitlines()[1:])


def test_the_choice_is_the_documented_logit(world: World) -> None:
    envs = FaithfulVector(4000, 2, dataset=world, pool="all")
    envs.reset(seed=0)
    *_, infos = envs.step(np.tile([[3, 8]], (4000, 1)))
    weights = np.exp(2 * np.column_stack([infos["ratings"], np.full(4000, 2.5)]))
    expected = (weights / weights.sum(axis=1, keepdims=True)).sum(axis=0)
    counts = np.bincount(infos["chosen_action"] % 3, minlength=3)  # -1 is the last
    assert np.abs(counts - expected).max() < 4 * math.sqrt(1000)


def test_what_was_consumed_bores(make: Make) -> None:
    env = make(choice=ALWAYS)
    env.reset(seed=0)
    _, _, _, _, first = env.step(3)
    assert first["ratings"][0] > 1
    assert not first["action_mask"][3]
    _, reward, _, _, second = env.step(3)
    assert second["ratings"].tolist() == [1.0]
    assert reward == 0.2


def test_what_was_consumed_is_refused(make: Make, world: World) -> None:
    env = make(2, choice=ALWAYS, repeats="refuse")
    env.reset(seed=0)
    *_, info = env.step([3, 4])
    consumed, other = (3, 4) if info["chosen_action"] == 0 else (4, 3)
    before = env.state_dict()
    with pytest.raises(InputError, match=f"item {consumed} at position 1 of user 0 was consumed in this session; keep"):
        env.step([other, consumed])
    assert data_equivalence(env.state_dict(), before, exact=True)
    env.step([other, 9])
    env.reset()
    env.step([3, 4])
    # The action in the step that begins the next session is not shown, so it cannot be refused.
    envs = FaithfulVector(1, dataset=world, choice=ALWAYS, repeats="refuse", patience=None)
    envs.reset(seed=0)
    for item in range(50):
        *_, terminated, _, _ = envs.step([item])
    assert terminated.all()
    envs.step([0])
    envs.step([0])
    with pytest.raises(InputError, match="item 0"):
        envs.step([0])


@pytest.mark.parametrize(("slate_size", "steps"), [(1, 80), (3, 78), (80, 1)])
def test_a_session_ends_where_no_slate_is_left_and_the_mask_is_never_empty(
    make: Make, slate_size: int, steps: int
) -> None:
    env = make(slate_size, choice=ALWAYS, patience=Patience(budget=1e6))
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for step in range(1, steps + 1):
        assert info["action_mask"].sum() == 81 - step
        action = allowed_slates(rng, info["action_mask"][None], slate_size)[0]
        _, _, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (step == steps, False)
    assert info["action_mask"].all()
    with pytest.raises(ResetNeeded):
        env.step(action)
    assert env.reset()[1]["action_mask"].all()


def test_a_hard_cap_truncates(make: Make) -> None:
    env = make(patience=Patience(budget=1000, max_steps=3))
    assert env.max_episode_steps == 3
    env.reset(seed=0)
    assert [env.step(i)[2:4] for i in range(3)] == [(False, False)] * 2 + [(False, True)]
    with pytest.raises(ResetNeeded):
        env.step(4)


def test_each_part_can_be_switched_off(make: Make, world: World) -> None:
    env = make(
        3,
        consumption="slate",
        choice_scale=1.0,
        choice=ALWAYS,
        delta=0.5,
        repeats="allow",
        session_length=6,
        observation="founding",
    )
    assert env.simulator.dynamics == GenreReinforcement(0.5)
    assert env.simulator.patience is None
    assert env.simulator.session_steps == 2
    assert env.observation_space.shape == (25,)
    _, info = env.reset(seed=0)
    assert set(info) == {"user"}
    _, reward, _, _, info = env.step([1, 2, 3])
    assert "action_mask" not in info
    assert reward == pytest.approx(info["ratings"].mean() / 5)
    assert make(session_length=6).simulator.session_steps == 6  # one item a slate is consumed at most
    assert make(3, session_length=6).simulator.session_steps == 6
    assert make(lambda_non_violent=0.5).simulator.reward.non_violent_weight == 0.5  # type: ignore[attr-defined]


def test_the_affinity_observation(make: Make, world: World) -> None:
    env = make(observation="affinity", choice=ALWAYS)
    observation, info = env.reset(seed=2)
    own = world.user_vectors[info["user"], -19:].clip(-2, 2)
    assert observation.tolist() == pytest.approx(
        [*world.demographics[info["user"]], *((own + 2) / 4), *[0.0] * 19], abs=1e-6
    )
    observation, *_ = env.step(6)
    # An exposure, of which 0.9 is left; at most 0.9 / (1 - 0.9) can be.
    share = 0.1 / math.sqrt(world.genres[6].sum())
    assert observation[23:].tolist() == pytest.approx((world.genres[6] * share).tolist(), abs=1e-6)
    for _ in range(12):  # boring, but not for longer than patience lasts
        assert env.observation_space.contains(env.step(6)[0])
    with pytest.raises(InputError, match="needs bounded affinities"):
        make(observation="affinity", delta=1.0)


@pytest.mark.parametrize("length", [1, 4])
def test_a_history_of_one_is_the_founding_observation(make: Make, length: int) -> None:
    envs = [make(2, observation=name, history_length=length) for name in ("last", "founding", "history")]
    for env in envs:
        env.reset(seed=0)
    for step in range(6):
        last, founding, history = (env.step([step, step + 20])[0] for env in envs)
        assert history.shape == (4 + 21 * length,)
        assert history[:25].tolist() == last.tolist() == founding.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": "bored"}, "repeats must be one of allow, bore, refuse, it is 'bored'; did you mean 'bore'"),
        ({"consumption": "all"}, "consumption must be one of slate, chosen, it is 'all'"),
        ({"choice_scale": -1.0}, "choice_scale must be at least 0, it is -1.0"),
        ({"observation": "histroy"}, "observation must be one of .*, it is 'histroy'; did you mean 'history'"),
        ({"history_length": 0}, "history_length must be at least 1, it is 0"),
        ({"session_length": 9, "patience": Patience()}, "session_length and patience exclude each other"),
    ],
)
def test_options_that_cannot_be(make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize("slate_size", [1, 3])
def test_the_oracle_shows_what_is_best_after_satiation_within_the_mask(world: World, slate_size: int) -> None:
    envs = FaithfulVector(4, slate_size, dataset=world, choice=ALWAYS, dynamics=SatiatingTaste(penalty=2.0))
    states, infos = envs.reset(seed=0)
    oracle = OracleAgent(envs)
    taste: Any = envs.simulator.dynamics
    for _ in range(5):
        slates = oracle.top_k_actions_for_states(states, slate_size, action_masks=infos["action_mask"])
        assert envs.state is not None
        vectors = envs.state.vectors.copy()
        vectors[:, -19:] -= taste.penalty * envs.state.satiations
        scores = np.where(infos["action_mask"], vectors @ world.item_vectors.T, -np.inf)
        best = np.argsort(-scores, axis=1)[:, :slate_size]
        assert slates.tolist() == best.tolist()
        ranked = np.argsort(-oracle.scores(states, infos["action_mask"]), axis=1)
        assert ranked[:, :slate_size].tolist() == best.tolist()
        states, _, terminated, _, infos = envs.step(slates[:, 0] if slate_size == 1 else slates)
        assert not terminated.any()


def test_the_oracle_weighs_a_reward_by_how_likely_it_is_taken(world: World) -> None:
    envs = FaithfulVector(6, dataset=world, lambda_non_violent=0.9)
    states, infos = envs.reset(seed=0)
    assert envs.state is not None
    ratings = envs.simulator.scores(envs.state).clip(1, 5)
    rewards = (0.1 * ratings / 5 + 0.9 * (1 - world.violence.astype(float))) / (1 + np.exp(5 - 2 * ratings))
    items = OracleAgent(envs).actions_for_states(states, action_masks=infos["action_mask"])
    assert items.tolist() == rewards.argmax(axis=1).tolist()


def test_the_manager_makes_either_version(world: World) -> None:
    manager = MovieLensFairnessManager(0, 3, version=1, dataset=world)
    assert manager.max_episode_steps == 200
    assert len(manager.execute_episodes(OracleAgent(manager.batch), 3)) == 3
    assert MovieLensFairnessManager(0, dataset=world).env_name == "MovieLensFairness-v0"
    with pytest.raises(InputError, match="no version 2 of MovieLensFairness; give 0 or 1"):
        MovieLensFairnessManager(0, version=2, dataset=world)


def test_longer_sessions_are_those_of_who_is_pleased(world: World) -> None:
    manager = MovieLensFairnessManager(0, version=1, n_envs=20, dataset=world)
    oracle = manager.execute_episodes(OracleAgent(manager.batch), 40)
    envs, rng = FaithfulVector(40, dataset=world), np.random.default_rng(0)
    _, infos = envs.reset(seed=0)
    over, steps, returns = np.zeros(40, dtype=np.bool_), 0, np.zeros(40)
    while not over.all():
        _, rewards, terminated, _, infos = envs.step(allowed_slates(rng, infos["action_mask"], 1))
        steps += int((~over).sum())
        returns += np.where(over, 0.0, rewards)
        over |= terminated
    assert np.mean([episode.timesteps for episode in oracle]) > 1.3 * steps / 40
    assert np.mean([episode.reward_sum for episode in oracle]) > 1.5 * returns.mean()
