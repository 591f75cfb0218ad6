import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from contracts.agents import assert_same_state
from contracts.environments import Masked
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.rl.agents.agent import RandomAgent, ReinforcementLearning
from pydeeprecsys.rl.agents.baselines import WinStayAgent
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.agents.slate_q import SlateQAgent
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.experience_replay.episode_memory import EpisodeMemory
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.rollout_memory import RolloutMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import (
    CartpoleManager,
    Episode,
    EpisodeOutput,
    HighwayManager,
    LunarLanderManager,
    Manager,
    MovieLensFairnessManager,
)
from pydeeprecsys.rl.rollout import EpisodeLoop, Step


class Spy(RandomAgent):
    """Acts at random and keeps what it is given to act on and to learn from."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stored: list[Transition] = []
        self.slates: list[Any] = []
        self.acted_within: list[Any] = []

    def top_k_actions_for_states(
        self, states: Any, k: int = 1, *, explore: bool = True, action_masks: Any = None
    ) -> Any:
        self.acted_within.append(action_masks)
        self.slates.append(super().top_k_actions_for_states(states, k, explore=explore, action_masks=action_masks))
        return self.slates[-1]

    def store_experiences(self, transitions: Transition) -> None:
        self.stored.append(transitions)


class Corridor(gym.Env[Any, Any]):
    """Pays 1 a step and never ends by itself."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.ones(1, np.float32), 1.0, False, False, {}


class Silent(gym.Env[Any, Any]):
    """Six steps that pay 1, in a state that never changes; it tells what it is made with in the `info` of each step."""

    metadata = {"render_modes": [], "measures": ("hit", "violence", "unmeasured", "novelty", "diversity")}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, *infos: dict[str, Any]) -> None:
        self.infos = infos

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        info = dict(self.infos[self.steps % len(self.infos)]) if self.infos else {}
        return np.zeros(1, np.float32), 1.0, self.steps == 6, False, info


class Broken(Corridor):
    """Its episodes have 5 steps; the fourth step of the third pays NaN."""

    steps = 0

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        reward = math.nan if self.steps == 14 else float(action)
        return np.ones(1, np.float32), reward, self.steps % 5 == 0, False, {}


gym.register("Corridor-v0", Corridor, max_episode_steps=5)
gym.register("Silent-v0", Silent)
gym.register("Broken-v0", Broken)


def test_takes_exactly_one_of_name_and_environment() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Manager()
    with pytest.raises(ValueError, match="exactly one"):
        Manager("CartPole-v1", env=Corridor())
    with pytest.raises(InputError, match="n_envs"):
        Manager(env=Corridor(), n_envs=2)


def test_reads_limit_and_threshold_from_the_environment(world: World) -> None:
    cartpole = CartpoleManager()
    assert (cartpole.max_episode_steps, cartpole.reward_threshold) == (500, 475)
    movielens = MovieLensFairnessManager(slate_size=3, dataset=world)
    assert (movielens.max_episode_steps, movielens.reward_threshold) == (17, math.inf)
    assert Manager(env=Corridor(), max_episode_steps=7).max_episode_steps == 7


def test_overview_names_the_spaces(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    MovieLensFairnessManager(dataset=world).print_overview()
    shown = capsys.readouterr().out
    for fact in ("threshold: inf", "range: (0.0, 1.0)", "steps: 50", f"Discrete({world.n_items})", "(25,)"):
        assert fact in shown


@pytest.mark.parametrize("n_envs", [1, 4])
def test_training_records_each_episode_once(world: World, n_envs: int) -> None:
    manager = MovieLensFairnessManager(seed=0, n_envs=n_envs, dataset=world)
    statistics = LearningStatistics("random")
    manager.train(RandomAgent(manager.env.action_space), statistics, max_episodes=110, should_print=False)
    returns, moving = statistics.episode_rewards, statistics.moving_rewards
    steps = statistics.get_metrics("timestep_rewards")
    assert returns is not None
    assert moving is not None
    assert steps is not None
    assert len(returns) == len(moving) == len(steps) == 110
    assert all(len(rewards) == 50 for rewards in steps)
    np.testing.assert_allclose(returns, [sum(rewards) for rewards in steps], rtol=1e-12)
    np.testing.assert_allclose(moving, [returns[max(0, i - 99) : i + 1].mean() for i in range(110)], rtol=1e-12)
    for measure in ("violence", "dcg", "ndcg"):
        means = statistics.get_metrics(measure)
        assert means is not None
        assert len(means) == 110
    ndcg = statistics.get_metrics("ndcg")
    assert ndcg is not None
    # With slates of one, NDCG is rating / 5, which is the reward.
    np.testing.assert_allclose(ndcg * 50, returns, rtol=1e-12)


def test_a_slate_is_learned_by_the_item_the_user_chose(world: World) -> None:
    manager = MovieLensFairnessManager(seed=0, slate_size=4, dataset=world)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=2, should_print=False)
    assert len(agent.stored) == 26
    for slate, stored in zip(agent.slates, agent.stored, strict=True):
        assert {column.shape for column in stored[1:5]} == {(1,)}
        assert stored.actions[0] in slate[0]
        # The observation tells of the chosen item: its genres must be those of the action that is learned.
        np.testing.assert_array_equal(stored.next_observations[0, 4:23], world.genres[stored.actions[0]])
    assert [bool(stored.terminated[0]) for stored in agent.stored] == ([False] * 12 + [True]) * 2
    assert not any(stored.truncated[0] for stored in agent.stored)


def test_the_last_observation_of_an_episode_is_its_own(world: World) -> None:
    manager = MovieLensFairnessManager(seed=0, n_envs=2, session_length=3, dataset=world)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=4, should_print=False)
    for now, following in zip(agent.stored, agent.stored[1:], strict=False):
        assert (now.next_observations[:, 4:] != 0).any(axis=1).all()
        if now.terminated.all():
            assert (following.observations[:, 4:] == 0).all()
        else:
            np.testing.assert_array_equal(now.next_observations, following.observations)


def test_a_limit_truncates_and_does_not_terminate() -> None:
    manager = Manager(env=Corridor(), max_episode_steps=5)
    agent = Spy(manager.env.action_space)
    statistics = LearningStatistics()
    manager.train(agent, statistics, max_episodes=2, should_print=False)
    assert statistics.episode_rewards is not None
    assert statistics.episode_rewards.tolist() == [5, 5]
    assert [bool(stored.truncated[0]) for stored in agent.stored] == ([False] * 4 + [True]) * 2
    assert not any(stored.terminated[0] for stored in agent.stored)


def test_training_stops_at_the_threshold_once_it_has_a_hundred_episodes(capsys: pytest.CaptureFixture[str]) -> None:
    manager = Manager(env=Corridor(), max_episode_steps=5, reward_threshold=5)
    statistics = LearningStatistics()
    manager.train(RandomAgent(manager.env.action_space), statistics, max_episodes=200)
    assert statistics.episode_rewards is not None
    assert len(statistics.episode_rewards) == 100
    shown = capsys.readouterr().out
    assert "Mean Rewards 5.00" in shown
    assert "threshold reached" in shown
    assert shown.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("n_envs", [1, 3])
def test_the_same_seed_gives_the_same_curve_to_the_bit(world: World, n_envs: int) -> None:
    def curve(seed: int) -> list[float]:
        manager = MovieLensFairnessManager(seed=seed, n_envs=n_envs, dataset=world)
        statistics = LearningStatistics()
        agent = ReinforceAgent(world.n_items, 25, random_state=seed)
        manager.train(agent, statistics, max_episodes=12, should_print=False)
        assert statistics.episode_rewards is not None
        return statistics.episode_rewards.tolist()

    assert curve(0) == curve(0)
    assert curve(0) != curve(1)


def test_setup_reproducibility_seeds_the_next_reset(world: World) -> None:
    manager = MovieLensFairnessManager(dataset=world)
    runs = []
    for _ in range(2):
        generator = manager.setup_reproducibility(0)
        runs.append((generator.random(), manager.execute_episodes(RandomAgent(manager.env.action_space), 3)))
    assert runs[0] == runs[1]
    assert manager.execute_episodes(RandomAgent(manager.env.action_space), 3) != runs[0][1]


@pytest.mark.parametrize("n_envs", [1, 3])
def test_evaluation_leaves_the_agent_as_it_was(world: World, n_envs: int) -> None:
    manager = MovieLensFairnessManager(seed=0, n_envs=n_envs, dataset=world)
    agents: list[ReinforcementLearning] = [
        ReinforceAgent(world.n_items, 25, random_state=0),
        WinStayAgent(world.observed_means(np.arange(world.n_users))),
        RandomAgent(manager.env.action_space),
    ]
    for agent in agents:
        manager.train(agent, max_episodes=4, should_print=False)
        before = repr(agent.state_dict())
        outputs = manager.execute_episodes(agent, 5)
        assert repr(agent.state_dict()) == before
        assert len(outputs) == 5
        assert all(isinstance(output, EpisodeOutput) and output.timesteps == 50 for output in outputs)
        assert all(10 <= output.reward_sum <= 50 for output in outputs)


def test_evaluation_shows_slates_renders_and_prints(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    manager = MovieLensFairnessManager(seed=0, slate_size=10, dataset=world)
    agent = Spy(manager.env.action_space)
    outputs = manager.execute_episodes(agent, 1, should_render=True, should_print=True)
    assert outputs[0].timesteps == 5
    assert all(slate.shape == (1, 10) for slate in agent.slates)
    assert agent.stored == []
    shown = capsys.readouterr().out
    assert shown.count("stars, violence") == 50
    assert "t=5" in shown
    many = MovieLensFairnessManager(n_envs=2, dataset=world)
    with pytest.raises(InputError, match="n_envs=1"):
        many.execute_episodes(RandomAgent(many.env.action_space), should_render=True)


def test_hyperparameter_search_tries_all_combinations_with_fresh_agents(world: World) -> None:
    manager = MovieLensFairnessManager(dataset=world)
    made: list[dict[str, Any]] = []

    def agent(**options: Any) -> ReinforcementLearning:
        made.append(options)
        return ReinforceAgent(world.n_items, 25, **options)

    def seeded(learning_rate: float, discount_factor: float, random_state: int) -> ReinforcementLearning:
        return agent(learning_rate=learning_rate, discount_factor=discount_factor, random_state=random_state)

    params = {"learning_rate": [0.01, 0.001], "discount_factor": [0.5, 0.9]}
    results = manager.hyperparameter_search(seeded, params, {}, episodes=2, runs_per_combination=2, verbose=False)
    assert list(results) == [
        f"learning_rate={rate}, discount_factor={discount}" for rate in (0.01, 0.001) for discount in (0.5, 0.9)
    ]
    assert all(len(returns) == 2 for returns in results.values())
    assert len(made) == 8
    assert [options["random_state"] for options in made] == [0, 1] * 4
    assert results == manager.hyperparameter_search(seeded, params, {}, 2, 2, verbose=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        CartpoleManager,
        lambda seed: CartpoleManager(seed, n_envs=3),
        LunarLanderManager,
        lambda seed: HighwayManager(seed, vehicles=5),
    ],
    ids=["cartpole", "cartpoles", "lunar-lander", "highway"],
)
def test_other_environments_run(make: Any) -> None:
    def play() -> list[EpisodeOutput]:
        manager = make(seed=0)
        agent = RandomAgent(manager.env.action_space)
        manager.train(agent, max_episodes=2, should_print=False)
        return manager.execute_episodes(agent, 2)

    outputs = play()
    assert len(outputs) == 2
    assert all(1 <= output.timesteps <= 1000 for output in outputs)
    assert outputs == play()


def test_the_highway_holds_as_many_vehicles_as_asked_for() -> None:
    assert HighwayManager(seed=0, vehicles=5).env.unwrapped.config["vehicles_count"] == 5


@pytest.mark.parametrize("n_envs", [1, 3])
def test_masks_of_the_environment_reach_acting_and_learning(n_envs: int) -> None:
    manager = Manager("Masked-v0", seed=0, n_envs=n_envs)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=9, should_print=False)
    ends = 0
    for stored, acted in zip(agent.stored, agent.acted_within, strict=True):
        expected, new = Masked.masks_of(stored.observations), Masked.masks_of(stored.next_observations)
        for masks, allowed in ((acted, expected), (stored.action_masks, expected), (stored.next_action_masks, new)):
            assert masks.dtype == np.bool_
            np.testing.assert_array_equal(masks, allowed)
        ends += stored.terminated.sum()
    assert ends >= 9
    agent.acted_within.clear()
    manager.execute_episodes(agent, 2)
    assert all(masks.shape == (n_envs, 4) for masks in agent.acted_within)


def test_where_there_are_no_masks_none_are_passed_on(world: World) -> None:
    agent = Spy(MovieLensFairnessManager(dataset=world).env.action_space)
    MovieLensFairnessManager(seed=0, dataset=world).train(agent, max_episodes=1, should_print=False)
    assert agent.acted_within == [None] * 50
    assert all(stored.action_masks is stored.next_action_masks is None for stored in agent.stored)
    assert len(agent.stored) == 50


def test_masks_at_some_steps_only_are_refused() -> None:
    env = Masked(told_at_resets=False)
    with pytest.raises(InputError, match="action_mask at some steps only"):
        Manager(env=env).train(RandomAgent(env.action_space), should_print=False)


@pytest.mark.parametrize("n_envs", [1, 3])
def test_a_number_that_is_not_finite_stops_training_and_says_when(n_envs: int) -> None:
    manager = Manager("Broken-v0", seed=0, n_envs=n_envs)
    agent = ReinforceAgent(2, 1, episodes_per_update=2)
    statistics = LearningStatistics()
    agent.statistics = statistics
    learned: list[Any] = []

    def keep(*_: Any) -> None:
        learned.append(agent.policy_estimator.learning_state()["parameters"])

    with pytest.raises(DivergenceError) as raised:
        manager.train(agent, statistics, should_print=False, on_episode=keep)
    # 13 steps of every environment were fine; two episodes of each were over.
    when = f"ReinforceAgent stopped at environment step {14 * n_envs}, in episode {2 * n_envs}: rewards must be finite"
    assert str(raised.value).startswith(when)
    assert "\n" not in str(raised.value)
    assert type(raised.value.__cause__) is FloatingPointError
    assert statistics.episode_rewards is not None
    assert len(statistics.episode_rewards) == 2 * n_envs
    kept = agent.policy_estimator.learning_state()["parameters"]
    assert all((kept[name] == learned[-1][name]).all() and np.isfinite(kept[name]).all() for name in kept)


@pytest.mark.parametrize(("n_envs", "steps", "episodes"), [(1, 12, 2), (1, 15, 3), (4, 21, 4), (4, 40, 8)])
def test_training_can_stop_by_environment_steps(n_envs: int, steps: int, episodes: int) -> None:
    manager = Manager("Corridor-v0", n_envs=n_envs)
    agent, statistics = Spy(manager.env.action_space), LearningStatistics()
    manager.train(agent, statistics, max_episodes=None, should_print=False, max_steps=steps)
    # Whole steps of all environments, until there are enough.
    assert len(agent.stored) == -(-steps // n_envs)
    assert statistics.episode_rewards is not None
    assert statistics.episode_rewards.tolist() == [5] * episodes
    manager.train(agent, max_episodes=1, should_print=False, max_steps=10**6)
    assert len(agent.stored) == -(-steps // n_envs) + 5


def test_statistics_know_when_the_agent_learned() -> None:
    class Learner(RandomAgent):
        def store_experiences(self, transitions: Transition) -> None:
            statistics.append_metric("loss", 0.0)

    manager = Manager(env=Corridor(), max_episode_steps=3)
    statistics = LearningStatistics()
    manager.train(Learner(manager.env.action_space), statistics, max_episodes=2, should_print=False)
    frame = statistics.to_frame()
    when = frame[frame["metric"] == "loss"][["episode", "timestep"]].to_numpy().tolist()
    assert when == [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3]]
    returns = frame[frame["metric"] == "episode_rewards"][["episode", "timestep"]].to_numpy().tolist()
    assert returns == [[0, 3], [1, 3]]


@pytest.mark.parametrize("n_envs", [1, 2])
def test_points_of_a_box_go_through_the_loop(n_envs: int) -> None:
    manager = Manager("Pendulum-v1", seed=0, n_envs=n_envs)
    agent = RandomAgent(manager.env.action_space)
    stored: list[Transition] = []
    agent.store_experiences = stored.append  # type: ignore[method-assign]
    manager.train(agent, max_episodes=None, max_steps=20 * n_envs, should_print=False)
    actions = np.array([steps.actions for steps in stored])
    assert actions.shape == (20, n_envs, 1)
    assert np.abs(actions).max() <= 2
    assert len(np.unique(actions)) == 20 * n_envs


def test_an_environment_may_write_over_its_observations() -> None:
    class Rewriting(Corridor):
        state = np.zeros(1, np.float32)

        def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
            return self.state, {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.state += 1
            return self.state, 1.0, False, False, {}

    manager = Manager(env=Rewriting(), max_episode_steps=4)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=1, should_print=False)
    assert [float(stored.observations[0, 0]) for stored in agent.stored] == [0, 1, 2, 3]
    assert [float(stored.next_observations[0, 0]) for stored in agent.stored] == [1, 2, 3, 4]


def test_an_environment_that_was_made_already_may_take_slates(world: World) -> None:
    env = gym.make("MovieLensFairness-v0", slate_size=3, dataset=world)
    agent = Spy(env.action_space)
    Manager(env=env).train(agent, max_episodes=1, should_print=False)
    assert {slate.shape for slate in agent.slates} == {(1, 3)}
    assert {stored.actions.shape for stored in agent.stored} == {(1,)}


def test_slates_of_which_no_choice_is_told_are_refused() -> None:
    class Slates(Corridor):
        action_space = gym.spaces.MultiDiscrete([5, 5])  # type: ignore[assignment]
        slate_size = 2

    manager = Manager(env=Slates(), max_episode_steps=4)
    agent = RandomAgent(manager.env.action_space)
    assert manager.execute_episodes(agent) == [EpisodeOutput(4, 4.0)]
    with pytest.raises(InputError, match="chosen_action"):
        manager.train(agent, should_print=False)


def test_each_item_of_a_slate_reaches_the_agent_with_its_own_reward(world: World) -> None:
    manager = MovieLensFairnessManager(seed=0, slate_size=4, n_envs=2, dataset=world)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=2, should_print=False)
    for stored in agent.stored:
        assert stored.item_rewards is not None
        assert stored.item_rewards.shape == (2, 4)
        np.testing.assert_allclose(stored.item_rewards.mean(axis=1), stored.rewards, rtol=1e-12)
        assert np.ptp(stored.item_rewards, axis=1).min() > 0


@pytest.mark.parametrize("name", ["MovieLensFairness-v1", "InterestEvolution-v0"])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_choices_reach_the_agent_with_slates_of_one_too(name: str, n_envs: int, world: World) -> None:
    users = {"dataset": world} if name == "MovieLensFairness-v1" else {}
    manager = Manager(name, seed=0, n_envs=n_envs, slate_size=1, **users)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_steps=120, should_print=False)
    choices = []
    for shown, stored in zip(agent.slates, agent.stored, strict=True):
        assert stored.slates is not None
        assert stored.choices is not None
        assert (stored.actions[:, None] == stored.slates).all()
        assert (stored.slates == shown).all()
        assert (stored.rewards > 0).tolist() == (stored.choices == 0).tolist()
        choices += stored.choices.tolist()
    assert set(choices) == {-1, 0}


def test_where_no_choice_is_told_single_actions_are_no_slates(world: World) -> None:
    manager = MovieLensFairnessManager(seed=0, dataset=world)
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=1, should_print=False)
    assert {
        (stored.slates is None, stored.choices is None, stored.item_rewards is None) for stored in agent.stored
    } == {(True, True, True)}


@pytest.mark.parametrize(
    ("infos", "message"),
    [
        ([{"chosen_action": 1}], "0 to 0, or -1 for none; it is"),
        ([{"chosen_action": -2}], "0 to 0, or -1 for none; it is"),
        ([{"chosen_action": 0}, {}], r"info\['chosen_action'\] at some steps only"),
        ([{}, {"rewards": np.ones(1)}], r"info\['rewards'\] at some steps only"),
        ([{"rewards": np.ones(2)}], r"of shape \(\d, 1\); it is of shape \(\d, 2\)"),
        ([{"rewards": 1.0}], r"of shape \(\d, 1\); it is of shape \(\d,\)"),
    ],
)
@pytest.mark.parametrize("n_envs", [1, 2])
def test_choices_and_rewards_that_do_not_fit_the_slates_are_refused(
    infos: list[dict[str, Any]], message: str, n_envs: int
) -> None:
    manager = silent(n_envs, *infos)
    with pytest.raises(InputError, match=message):
        manager.train(RandomAgent(manager.env.action_space), max_episodes=1, should_print=False)


@pytest.mark.parametrize(("n_envs", "n_episodes"), [(1, 4), (3, 6), (3, 7), (4, 2)])
def test_evaluation_takes_as_many_episodes_of_each_environment(n_envs: int, n_episodes: int) -> None:
    # Poles fall after 8 to 60 steps: of the first to end, too many would be short.
    manager = CartpoleManager(0, n_envs)
    agent = RandomAgent(manager.env.action_space, 0)
    seen: list[tuple[int, int]] = []
    outputs = manager.execute_episodes(
        agent, n_episodes, on_episode=lambda number, episode: seen.append((number, episode.environment))
    )
    assert len(outputs) == n_episodes
    assert [number for number, _ in seen] == list(range(n_episodes))
    counts = np.bincount([environment for _, environment in seen], minlength=n_envs)
    assert counts.tolist() == [n_episodes // n_envs + (i < n_episodes % n_envs) for i in range(n_envs)]


def test_training_goes_on_where_its_state_was_kept(world: World) -> None:
    def train(manager: MovieLensFairnessManager, statistics: LearningStatistics, episodes: int) -> list[Any]:
        kept: list[Any] = []
        manager.train(
            RandomAgent(manager.env.action_space, 3),
            statistics,
            episodes,
            should_print=False,
            on_episode=lambda number, episode: kept.append((manager.state_dict(), manager.batch.num_envs)),
        )
        return kept

    def made() -> MovieLensFairnessManager:
        return MovieLensFairnessManager(seed=5, n_envs=3, dataset=world)

    whole = LearningStatistics()
    states = [state for state, _ in train(made(), whole, 120)]
    for number in (0, 1, 2, 110):  # in the middle of a batch that ended together, too
        again, agent = made(), RandomAgent(made().env.action_space, 3)
        for _ in range(states[number]["rollout"]["steps"] // 3):
            agent.actions_for_states(np.zeros((3, 25)))  # as far as it had come
        again.load_state_dict(states[number])
        rest = LearningStatistics()
        again.train(agent, rest, 120, should_print=False)
        for metric in ("episode_rewards", "moving_rewards", "timestep_rewards", "violence"):
            expected, reached = whole.get_metrics(metric), rest.get_metrics(metric)
            assert expected is not None
            assert reached is not None
            assert reached.tolist() == expected.tolist()[number + 1 :]


def test_what_cannot_tell_its_state_is_said() -> None:
    manager = CartpoleManager(seed=0)
    with pytest.raises(InputError, match="there is no training whose state could be kept"):
        manager.state_dict()
    for n_envs in (1, 2):
        manager = CartpoleManager(seed=0, n_envs=n_envs)
        manager.train(RandomAgent(manager.env.action_space), max_episodes=1, should_print=False)
        with pytest.raises(InputError, match="has no state_dict, so training in it cannot be resumed"):
            manager.state_dict()


def test_the_agent_is_told_where_episodes_begin() -> None:
    class Told(RandomAgent):
        def __init__(self, space: Any) -> None:
            super().__init__(space)
            self.heard: list[list[bool]] = []

        def begin_episodes(self, rows: Any) -> None:
            self.heard.append(rows.tolist())

    manager = Manager("Masked-v0", seed=0, n_envs=2)
    agent = Told(manager.env.action_space)
    ended: list[int] = []
    manager.train(
        agent, max_steps=40, should_print=False, on_episode=lambda _, episode: ended.append(episode.environment)
    )
    assert agent.heard[0] == [True, True]
    assert [row for heard in agent.heard[1:] for row in np.flatnonzero(heard).tolist()] == ended
    agent.heard.clear()
    manager.execute_episodes(agent, 2)
    assert agent.heard[0] == [True, True]
    agent.heard.clear()
    manager.train(agent, max_steps=2, should_print=False)
    assert agent.heard == [[True, True]]


def test_episodes_left_in_the_middle_are_not_learned_as_one() -> None:
    manager, lengths = Manager(env=Silent()), []

    class Counting(ReinforceAgent):
        def _advantages_and_returns(self, steps: Any, complete: Any) -> Any:
            lengths.append(int(complete.sum()))
            return super()._advantages_and_returns(steps, complete)

    agent = Counting(2, 1, hidden_layers=[4])
    manager.train(agent, max_steps=4, should_print=False)
    manager.train(agent, max_episodes=1, should_print=False)
    assert lengths == [6]


def test_windows_of_several_steps_end_where_training_stopped() -> None:
    manager = Manager(env=Silent())
    options: dict[str, Any] = {"n_steps": 3, "discount_factor": 1.0, "timesteps_to_start_predicting": 1000}
    agent = SoftActorCritic(manager.env.action_space, 1, hidden_layers=[4], **options)
    manager.train(agent, max_steps=4, should_print=False)
    manager.train(agent, max_episodes=1, should_print=False)
    experiences = agent.state_dict()["memory"]["buffer"]["experiences"]["columns"]
    assert experiences["rewards"].tolist() == [3, 3, 2, 1, 3, 3, 3, 3, 2, 1]
    assert experiences["truncated"].tolist() == [False, False, True, True] + [False] * 6


def test_evaluation_in_the_middle_of_an_episode_does_not_forget_it() -> None:
    def learn(evaluate: bool) -> Any:
        manager, judge = (Manager("Silent-v0", seed, n_envs=n) for seed, n in ((0, 2), (1, 3)))
        agent = ReinforceAgent(2, 1, hidden_layers=[4], episodes_per_update=3)

        def on_step(step: Step) -> None:
            if evaluate and step.timestep == 3:
                judge.execute_episodes(agent, 4)

        manager.train(agent, max_episodes=12, should_print=False, on_step=on_step)
        return agent.state_dict()

    assert_same_state(learn(True), learn(False))


def test_evaluation_leaves_an_agent_that_gives_its_own_arrays_as_it_was() -> None:
    class Counting(RandomAgent):
        def __init__(self, action_space: Any) -> None:
            super().__init__(action_space)
            self.counts = np.zeros(1)

        def actions_for_states(self, states: Any, **options: Any) -> Any:
            self.counts += 1
            return super().actions_for_states(states, **options)

        def state_dict(self) -> dict[str, Any]:
            return {**super().state_dict(), "counts": self.counts}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            super().load_state_dict(state)
            self.counts = state["counts"]

    manager = Manager(env=Silent())
    agent = Counting(manager.env.action_space)
    manager.execute_episodes(agent, 2)
    assert agent.counts == 0


@pytest.mark.parametrize("kind", [ReplayMemory, EpisodeMemory, RolloutMemory])
def test_evaluation_copies_no_memory(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    def refuse(memory: Any) -> None:
        raise AssertionError("the memory was copied")

    manager = Manager(env=Silent())
    q_learning: dict[str, Any] = {"buffer_burn_in": 5, "batch_size": 2, "hidden_layers": [4]}
    agents: list[ReinforcementLearning] = [
        SoftActorCritic(manager.env.action_space, 1, hidden_layers=[4], batch_size=2),
        DQNAgent(1, 2, **q_learning),
        RainbowDQNAgent(1, 2, **q_learning | {"hidden_layers": [4] * 4}),
        SlateQAgent(2, 1, **q_learning),
        ReinforceAgent(2, 1),
        PPOAgent(2, 1),
    ]
    for agent in agents:
        manager.train(agent, max_episodes=2, should_print=False)
        with monkeypatch.context() as patched:
            patched.setattr(kind, "state_dict", refuse)
            manager.execute_episodes(agent, 2)


def silent(n_envs: int, *infos: dict[str, Any]) -> Manager:
    """A manager of `Silent` environments that tell these infos."""
    manager = Manager("Silent-v0", n_envs=n_envs)
    for env in manager.batch.envs if n_envs > 1 else [manager.env]:  # type: ignore[attr-defined]
        env.unwrapped.infos = infos
    return manager


def measured(*infos: dict[str, Any], n_envs: int = 1) -> list[dict[str, float]]:
    """The measures of two episodes of each environment; they have six steps."""
    manager = silent(n_envs, *infos)
    episodes: list[Episode] = []
    manager.train(
        RandomAgent(manager.env.action_space), None, 2 * n_envs, False, lambda number, episode: episodes.append(episode)
    )
    return [episode.measures for episode in episodes]


@pytest.mark.parametrize("hit", [1.0, True, np.True_, np.uint8(200), np.int8(100), np.float16(60_000)])
@pytest.mark.parametrize("n_envs", [1, 2])
def test_means_of_measures_are_those_of_real_numbers(hit: Any, n_envs: int) -> None:
    assert measured({"hit": hit}, n_envs=n_envs) == [{"hit": float(hit)}] * 2 * n_envs


@pytest.mark.parametrize("n_envs", [1, 2])
def test_means_of_measures_are_over_the_steps_where_they_are_known(n_envs: int) -> None:
    # Step 1 tells the second, step 2 the third, step 3 the first, and so on.
    told = measured({"violence": 0.5, "hit": True}, {"violence": math.nan}, {"violence": 0.25}, n_envs=n_envs)
    assert told == [{"violence": 0.375, "hit": 1.0}] * 2 * n_envs
    (nothing, *_) = measured({"violence": math.nan, "unmeasured": 1.0}, n_envs=n_envs)
    assert math.isnan(nothing["violence"])
    assert nothing["unmeasured"] == 1


def test_a_measure_that_only_some_environments_tell_is_missing_for_the_others() -> None:
    manager = Manager("Silent-v0", n_envs=2)
    manager.batch.envs[1].unwrapped.infos = ({"novelty": 3.0},)  # type: ignore[attr-defined]
    episodes: list[Episode] = []
    manager.train(
        RandomAgent(manager.env.action_space), None, 2, False, lambda number, episode: episodes.append(episode)
    )
    assert [episode.measures["novelty"] for episode in episodes] == pytest.approx([math.nan, 3.0], nan_ok=True)


def test_numbers_that_the_environment_does_not_declare_are_no_measures() -> None:
    assert measured({"hit": 1.0, "speed": 3.0}) == [{"hit": 1.0}] * 2


@pytest.mark.parametrize("n_envs", [1, 2])
def test_costs_of_the_environment_reach_the_agent(n_envs: int) -> None:
    manager = silent(n_envs, {"cost": 0.25})
    agent = Spy(manager.env.action_space)
    manager.train(agent, max_episodes=1, should_print=False)
    assert [stored.columns()["costs"].tolist() for stored in agent.stored] == [[0.25] * n_envs] * 6
    manager = silent(n_envs)
    manager.train(agent, max_steps=1, should_print=False)
    assert agent.stored[-1].costs is None


@pytest.mark.parametrize(
    ("infos", "message"),
    [
        ([{"cost": math.nan}], "must be a finite number for each environment"),
        ([{"cost": np.ones(2)}], "must be a finite number for each environment"),
        ([{"cost": 1.0}, {}], "at some steps only"),
        ([{}, {"cost": 1.0}], "at some steps only"),
    ],
)
@pytest.mark.parametrize("n_envs", [1, 2])
def test_costs_that_are_not_one_finite_number_at_each_step_are_refused(
    infos: list[dict[str, Any]], message: str, n_envs: int
) -> None:
    manager = silent(n_envs, *infos)
    with pytest.raises(InputError, match=message):
        manager.train(RandomAgent(manager.env.action_space), max_episodes=1, should_print=False)


@pytest.mark.parametrize("info", [{"cost": 1.0}, {"chosen_action": 0}, {"rewards": np.ones(1)}])
def test_columns_of_some_environments_only_are_refused(info: dict[str, Any]) -> None:
    manager = silent(2, info)
    manager.batch.envs[1].unwrapped.infos = ()  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="some of the environments give no info"):
        manager.train(RandomAgent(manager.env.action_space), max_episodes=1, should_print=False)


def test_a_measure_that_is_not_one_number_is_refused() -> None:
    with pytest.raises(InputError, match=r"info\['diversity'\] is of shape \(2,\)"):
        measured({"diversity": np.ones(2)})


def test_a_series_that_info_lacks_is_said() -> None:
    manager = Manager("Corridor-v0")
    loop = EpisodeLoop(RandomAgent(manager.env.action_space), manager.batch, training=False, series=("dcg",))
    with pytest.raises(InputError, match="info lacks 'dcg', which the environment's metadata lists as a series"):
        next(loop)


def test_limit_and_threshold_that_are_given_hold() -> None:
    manager = Manager("CartPole-v1", max_episode_steps=7, reward_threshold=300)
    assert (manager.max_episode_steps, manager.reward_threshold) == (7, 300)
    assert max(episode.timesteps for episode in manager.execute_episodes(RandomAgent(manager.env.action_space), 5)) == 7
    with pytest.raises(InputError, match=r"^max_episode_steps=501 is without effect: episodes end after 500$"):
        Manager("CartPole-v1", max_episode_steps=501)


@pytest.mark.parametrize("wrong", [{"n_envs": 2.0}, {"n_envs": 0}, {"seed": -1}, {"seed": 1.5}, {"seed": "0"}])
def test_seeds_and_numbers_of_environments_are_integers(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="give an integer, at least"):
        Manager("CartPole-v1", **wrong)


def test_a_notebook_shows_its_facts() -> None:
    shown = Manager("CartPole-v1", n_envs=3)._repr_html_()
    assert shown.startswith("<table><caption>Manager of CartPole-v1</caption><tr><th>environments</th><td>3</td></tr>")
    assert "<tr><th>actions</th><td>Discrete(2)</td></tr>" in shown
    assert "<tr><th>longest episode, in steps</th><td>500</td></tr>" in shown
