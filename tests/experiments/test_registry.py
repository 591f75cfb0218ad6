import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from contracts import environments  # noqa: F401 - registers Masked-v0
from contracts.quick import QUICK, world_options
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.item_estimates import item_estimates, world_features
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_options, make_agent, read_base
from pydeeprecsys.rl.agents.slate_q import SlateQAgent
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import (
    CartpoleManager,
    HighwayManager,
    LunarLanderManager,
    Manager,
    MovieLensFairnessManager,
)
from pydeeprecsys.rl.ops.ridge import ItemRegression, JointRegression
from pydeeprecsys.simulation.movielens.simulator import Pool, user_pool


@pytest.mark.parametrize("name", AGENTS)
def test_every_option_is_documented_and_has_a_default(name: str) -> None:
    for option in agent_options(name):
        assert option.help, option
        assert option.default is not inspect.Parameter.empty, option


@pytest.mark.slow
@pytest.mark.parametrize("slate_size", [1, 3])
@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_is_made_and_shows_items_of_the_catalogue(world: World, name: str, slate_size: int) -> None:
    manager = MovieLensFairnessManager(0, slate_size, 4, dataset=world, **world_options(name))
    states, _ = manager.batch.reset(seed=0)
    slates = make_agent(name, manager, seed=0).top_k_actions_for_states(states, slate_size)
    assert slates.shape == (4, slate_size)
    assert all(len(set(slate)) == slate_size and set(slate) <= set(range(world.n_items)) for slate in slates.tolist())


def test_options_and_seed_reach_the_agent(world: World) -> None:
    manager = MovieLensFairnessManager(dataset=world)
    agent = make_agent("reinforce", manager, seed=5, learning_rate=0.5, hidden_layers=[3])
    twin, other = (make_agent("reinforce", manager, seed=seed, hidden_layers=[3]) for seed in (5, 6))
    weights = [repr(a.state_dict()["networks"]) for a in (agent, twin, other)]
    assert weights[1] != weights[2]
    assert agent.policy_estimator.optimizer.param_groups[0]["lr"] == 0.5
    states = np.random.default_rng(0).random((50, 25), dtype=np.float32)
    assert agent.actions_for_states(states).tolist() == twin.actions_for_states(states).tolist()


def test_unknown_names_are_answered_with_the_nearest(world: World) -> None:
    with pytest.raises(InputError, match="did you mean 'reinforce'"):
        agent_class("reinforse")
    with pytest.raises(InputError, match="random, popular, best-rated"):
        agent_class("xyz")
    manager = MovieLensFairnessManager(dataset=world)
    with pytest.raises(InputError, match="did you mean 'learning_rate'"):
        make_agent("reinforce", manager, 0, learningrate=1.0)
    with pytest.raises(InputError, match="there are: none"):
        make_agent("random", manager, 0, learning_rate=1.0)
    with pytest.raises(InputError, match="no option 'n_actions'"):
        make_agent("reinforce", manager, 0, n_actions=3)


def test_what_is_given_otherwise_is_no_option() -> None:
    for name in AGENTS:
        names = {option.name for option in agent_options(name)}
        assert not names & {
            "n_actions",
            "output_size",
            "state_size",
            "input_size",
            "action_space",
            "random_state",
            "statistics",
            "buffer_parameters",
            "per_parameters",
            "priority_weigth_growth",
        }
        assert (name in QUICK) == ({"device", "item_features"} <= names)


def _learn(name: str, manager: Manager, seed: int, n_steps: int, **options: Any) -> LearningStatistics:
    statistics = LearningStatistics(name)
    agent = make_agent(name, manager, seed, statistics=statistics, **QUICK[name], **options)
    manager.train(agent, statistics, max_episodes=None, should_print=False, max_steps=n_steps)
    manager.execute_episodes(agent)
    return statistics


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("where", ["cartpole", "slates", "users at once"])
def test_the_same_seed_gives_the_same_curve_to_the_bit(world: World, where: str, name: str) -> None:
    makers: dict[str, Callable[[], Manager]] = {
        "cartpole": CartpoleManager,
        "slates": lambda: MovieLensFairnessManager(slate_size=3, dataset=world, version=int(name == "slate-q")),
        "users at once": lambda: MovieLensFairnessManager(n_envs=4, dataset=world),
    }

    def curve(seed: int) -> list[dict[str, Any]]:
        manager = makers[where]()
        manager.setup_reproducibility(seed)
        statistics = _learn(name, manager, seed, 200)
        assert statistics.episode_rewards is not None
        assert statistics.loss_values is not None
        return statistics.collected_metrics

    assert curve(0) == curve(0)
    assert curve(0) != curve(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize(
    ("make", "n_steps"),
    [
        (lambda: LunarLanderManager(seed=0), 150),
        (lambda: HighwayManager(seed=0, vehicles=2), 25),
        (lambda: Manager("Masked-v0", seed=0), 60),
        (lambda: Manager("Masked-v0", seed=0, n_envs=3), 60),
    ],
    ids=["lunar-lander", "highway", "masked", "several-masked"],
)
def test_every_agent_learns_where_actions_are_numbered(make: Callable[[], Manager], n_steps: int, name: str) -> None:
    manager = make()
    statistics = _learn(name, manager, 0, n_steps)
    # Those that learn from whole episodes may not have seen the end of one.
    assert statistics.loss_values is not None or name in ("reinforce", "actor-critic")


@pytest.mark.parametrize("n_envs", [1, 2])
def test_soft_actor_critic_moves_a_pendulum(n_envs: int) -> None:
    manager = Manager("Pendulum-v1", seed=0, n_envs=n_envs)
    losses = _learn("sac", manager, 0, 60).loss_values
    assert losses is not None
    assert np.isfinite(losses).all()
    for name in QUICK.keys() - {"sac"}:
        with pytest.raises(InputError, match="are neither numbered nor slates of 1"):
            make_agent(name, manager, 0)
    with pytest.raises(InputError, match="no simulated world"):
        make_agent("best-rated", manager, 0)


def test_the_features_of_the_world_by_hand(world: World) -> None:
    users = np.arange(0, world.n_users, 2)
    features = world_features(world, users)
    assert features.shape == (world.n_items, 20 + world.item_vectors.shape[1])
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features[:, :19], world.genres)
    np.testing.assert_array_equal(features[:, 19], world.observed_means(users))
    np.testing.assert_array_equal(features[:, 20:], world.item_vectors)


@pytest.mark.parametrize("name", QUICK)
def test_item_features_reach_agents_that_are_asked_to_use_them(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (option,) = (option for option in agent_options(name) if option.name == "item_features")
    assert (get_args(option.type), option.default) == (("none", "ratings", "world"), "none")
    assert "an upper bound" in option.help
    given: list[Any] = []
    make = AGENTS[name].__init__

    @functools.wraps(make)
    def keep(self: Any, *arguments: Any, item_features: Any = None, **others: Any) -> None:
        given.append(item_features)
        make(self, *arguments, item_features=item_features, **others)

    monkeypatch.setattr(AGENTS[name], "__init__", keep)
    manager = MovieLensFairnessManager(seed=0, dataset=world)
    for asked in ("none", "ratings", "world"):
        make_agent(name, manager, 0, **QUICK[name], item_features=asked)
    everybody = np.arange(world.n_users)
    assert given[0] is None
    np.testing.assert_array_equal(given[1], item_estimates(world, everybody).features)
    np.testing.assert_array_equal(given[2], world_features(world, everybody))
    with pytest.raises(InputError, match="no simulated world"):
        make_agent(name, CartpoleManager(), 0, item_features="ratings")
    with pytest.raises(InputError, match="item_features must be one of none, ratings, world, it is True"):
        make_agent(name, manager, 0, item_features=True)


@pytest.mark.parametrize("name", ["linucb", "thompson"])
def test_bandits_look_at_the_user_unless_told_otherwise(world: World, name: str) -> None:
    (option,) = (option for option in agent_options(name) if option.name == "item_features")
    assert option.default == "ratings"
    manager = MovieLensFairnessManager(dataset=world)
    by_default, without = make_agent(name, manager, 0), make_agent(name, manager, 0, item_features="none")
    assert isinstance(by_default.regression, JointRegression)
    assert isinstance(without.regression, ItemRegression)
    # Where nothing is told of the actions, there are no features to take.
    assert isinstance(make_agent(name, CartpoleManager(), 0).regression, ItemRegression)
    with pytest.raises(InputError, match="no simulated world"):
        make_agent(name, CartpoleManager(), 0, item_features="ratings")


@pytest.mark.parametrize("name", ["popular", "best-rated", "varied", "win-stay"])
def test_what_agents_are_told_of_items_comes_from_the_pool_of_their_manager(world: World, name: str) -> None:
    def ranking(world: World, pool: Pool) -> list[int]:
        manager = MovieLensFairnessManager(dataset=world, pool=pool)
        return make_agent(name, manager, 0).top_k_actions_for_state(np.zeros(25), 20).tolist()

    theirs = np.isin(world.rating_users, user_pool(world.n_users, "train"))
    others_changed = replace(world, rating_stars=np.where(theirs, world.rating_stars, 6 - world.rating_stars))
    others_gone = replace(
        world, **{f: getattr(world, f)[theirs] for f in ("rating_users", "rating_items", "rating_stars")}
    )
    assert ranking(world, "train") == ranking(others_changed, "train") == ranking(others_gone, "train")
    assert ranking(world, "train") != ranking(world, "all")


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_agents_that_score_items_by_features_learn(world: World, name: str) -> None:
    losses = _learn(name, MovieLensFairnessManager(seed=0, dataset=world), 0, 100, item_features="ratings").loss_values
    assert losses is not None
    assert np.isfinite(losses).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(AGENTS.keys() - {"sac"}))
@pytest.mark.parametrize("slate_size", [1, 3])
def test_every_agent_learns_in_the_faithful_world(world: World, name: str, slate_size: int) -> None:
    # Users leave when they like, choose nothing, and have fewer and fewer items left.
    manager = MovieLensFairnessManager(0, slate_size, 3, version=1, dataset=world, **world_options(name))
    agent = make_agent(name, manager, 0, **QUICK.get(name, {}))
    lengths: list[int] = []
    manager.train(
        agent, None, 12, should_print=False, on_episode=lambda i, episode: lengths.append(len(episode.rewards))
    )
    assert len(set(lengths)) > 1
    judged = manager.execute_episodes(agent, 4)
    assert all(output.reward_sum >= 0 for output in judged)


@pytest.mark.parametrize("name", ["slate-q", "ppo", "random"])
def test_agents_learn_of_candidates_that_change(name: str) -> None:
    manager = Manager("InterestEvolution-v0", 0, n_envs=2)
    agent = make_agent(name, manager, 0, **QUICK.get(name, {}))
    manager.train(agent, None, None, should_print=False, max_steps=60)
    if isinstance(agent, SlateQAgent):
        assert agent.network.candidate_features == 20
        states = manager.batch.reset(seed=0)[0]
        assert agent.choice_scores is not None
        logits = agent.choice_scores(states)
        assert logits.shape == (2, 11)
        assert logits[:, -1].tolist() == [1.0, 1.0]
    assert len(manager.execute_episodes(agent, 3)) == 3


@pytest.mark.parametrize(
    "agent", [name for name in AGENTS if "state_encoder" in inspect.signature(AGENTS[name]).parameters]
)
def test_state_encoders_read_the_history_and_start_at_the_item_estimates(world: World, agent: str) -> None:
    manager = MovieLensFairnessManager(dataset=world, observation="items", pool="train")
    states, _ = manager.batch.reset(seed=0)
    made = make_agent(agent, manager, 0, state_encoder="gru")
    encoder = next(iter(made.networks.values())).encoder  # type: ignore[attr-defined]
    vectors = item_estimates(world, user_pool(world.n_users, "train")).vectors
    scale = np.sqrt(np.square(vectors).mean())
    np.testing.assert_allclose(encoder.reader.vectors.detach(), vectors / scale, rtol=1e-5)
    assert made.top_k_actions_for_states(states, 1).shape == (1, 1)


@pytest.mark.parametrize("encoder", ["fold-in", "gru", "attention"])
def test_a_state_encoder_that_the_environment_does_not_feed(world: World, encoder: str) -> None:
    for manager in (MovieLensFairnessManager(dataset=world), CartpoleManager()):
        with pytest.raises(InputError, match=f"^state_encoder '{encoder}' reads .* with observation='items'$"):
            make_agent("ppo", manager, 0, state_encoder=encoder)


def test_nothing_is_estimated_for_agents_that_make_no_use_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimated(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("pydeeprecsys.experiments.registry.item_estimates", estimated)
    manager = MovieLensFairnessManager(dataset=world, observation="items")
    assert make_agent("ppo", manager, 0).policy_estimator.encoder.out_size == manager.env.observation_space.shape[0]  # type: ignore[attr-defined]


def with_items(world: World, **options: Any) -> MovieLensFairnessManager:
    return MovieLensFairnessManager(0, dataset=world, observation="items", **options)


def test_a_base_is_made_with_its_options(world: World) -> None:
    manager = with_items(world, slate_size=4, version=1, n_envs=16)
    base = make_agent("fold-in", manager, seed=0, diversify=0.7)
    agent = make_agent("ppo", manager, seed=0, base="fold-in,diversify=0.7", state_encoder="fold-in")
    states, infos = manager.batch.reset(seed=0)
    for _ in range(3):
        slates, same = (
            each.top_k_actions_for_states(states, 4, explore=False, action_masks=infos["action_mask"])
            for each in (base, agent)
        )
        assert slates.tolist() == same.tolist()
        states, *_, infos = manager.batch.step(slates)
    assert read_base("fold-in,diversify=0.7,noise=2") == ("fold-in", {"diversify": 0.7, "noise": 2.0})
    assert read_base("contracts.own:TooVaried") == ("contracts.own:TooVaried", {})


@pytest.mark.parametrize("name", ["item-knn", "ease"])
def test_every_recommender_is_a_base(world: World, name: str) -> None:
    manager = with_items(world, pool="train", n_envs=8)
    states, _ = manager.batch.reset(seed=0)
    expected, found = (
        agent.actions_for_states(states, explore=False).tolist()
        for agent in (make_agent(name, manager, seed=0), make_agent("dqn", manager, seed=0, base=name))
    )
    assert found == expected


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("popular", "base must be of the type Scorer, it is of the type PopularAgent"),
        ("foldin", "there is no agent 'foldin'.*did you mean 'fold-in'"),
        ("fold-in,diversity=1", "has no option 'diversity'.*did you mean 'diversify'"),
        ("fold-in,diversify=-1", "diversify must be at least 0, it is -1"),
        ("fold-in,diversify", "has an option without a value; write name,option=value"),
    ],
)
def test_a_base_that_is_none_is_refused_in_one_line(world: World, base: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        make_agent("ppo", with_items(world), seed=0, base=base)
    assert "\n" not in str(error.value)


def test_a_base_needs_the_observation_of_items(world: World) -> None:
    with pytest.raises(InputError, match="give MovieLensFairness with observation='items'"):
        make_agent("ppo", MovieLensFairnessManager(dataset=world), seed=0, base="fold-in")
