from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.agents import AgentContract, AgentSmoke, assert_same_state
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics


class TestReinforceContract(AgentContract):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforceAgent:
        return ReinforceAgent(n_actions, state_size, learning_rate=0.01, random_state=seed, device="cpu")


class TestReinforceWithItemFeaturesContract(AgentSmoke):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforceAgent:
        features = np.random.default_rng(0).random((n_actions, 4))
        return ReinforceAgent(
            n_actions,
            state_size,
            learning_rate=0.01,
            entropy_coefficient=0.1,
            entropy_decay=0.9,
            item_features=features,
            standardize_states=True,
            random_state=seed,
            device="cpu",
        )


class Matching:
    """Contexts one of 4; the action of the same number brings 1, the others 0; a session has 5 steps."""

    n_actions, state_size, length = 6, 4, 5

    def __init__(self, n: int) -> None:
        self.n, self.rng, self.time = n, np.random.default_rng(0), 0

    def observe(self) -> NDArray[np.float64]:
        self.context = self.rng.integers(0, 4, self.n)
        return np.eye(4)[self.context]

    def reward(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        return (actions == self.context).astype(float)


class LateReward(Matching):
    """The first of 4 actions decides what the last step brings; the state is the time."""

    n_actions, state_size, length = 3, 4, 4

    def observe(self) -> NDArray[np.float64]:
        return np.eye(4)[np.full(self.n, self.time % self.length)]

    def reward(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        if self.time % self.length == 0:
            self.right = actions == 2
        return np.where(self.time % self.length == self.length - 1, self.right, False).astype(float)


def sessions(agent: ReinforceAgent, env: Matching, n_sessions: int, learn: bool = True) -> float:
    """Mean reward of a session."""
    total = 0.0
    states = env.observe()
    for _ in range(n_sessions * env.length):
        actions = agent.actions_for_states(states, explore=learn)
        rewards = env.reward(actions)
        env.time += 1
        new_states = env.observe()
        ended = np.full(env.n, env.time % env.length == 0)
        if learn:
            agent.store_experiences(Transition(states, actions, rewards, ended, np.zeros_like(ended), new_states))
        states = new_states
        total += rewards.mean()
    return total / n_sessions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "n", "n_sessions", "learning_rate", "chance", "bar"),
    [
        (Matching, 16, 60, 0.03, 5 / 6, 4.5),
        (Matching, 1, 500, 0.01, 5 / 6, 3.5),
        (LateReward, 16, 20, 0.01, 1 / 3, 0.95),
    ],
)
def test_learns(
    environment: type[Matching], n: int, n_sessions: int, learning_rate: float, chance: float, bar: float
) -> None:
    agent = ReinforceAgent(
        environment.n_actions, environment.state_size, learning_rate=learning_rate, random_state=0, device="cpu"
    )
    first = sessions(agent, environment(n), n_sessions // 20)
    assert first < 2 * chance
    sessions(agent, environment(n), n_sessions)
    assert sessions(agent, environment(200), 5, learn=False) > bar


class Scripted:
    """Random episodes of different lengths in n columns; every state is a number of its own."""

    def __init__(self, n: int, length: int) -> None:
        rng = np.random.default_rng(3)
        self.ended = rng.random((length, n)) < 0.25
        self.truncated = self.ended & (rng.random((length, n)) < 0.5)
        self.rewards = rng.normal(size=(length, n)).round(3)
        self.actions = rng.integers(0, 4, (length, n))
        self.states = np.arange(1.0, length * n + 1).reshape(length, n)
        self.new_states = np.vstack([self.states[1:], np.zeros((1, n))])
        # What follows an episode is the start of another one.
        self.new_states[self.ended] *= -1

    def feed(self, agent: ReinforceAgent, start: int = 0, stop: int | None = None) -> None:
        for t in range(*slice(start, stop).indices(len(self.states))):
            agent.store_experiences(
                Transition(
                    self.states[t][:, None],
                    self.actions[t],
                    self.rewards[t],
                    self.ended[t] & ~self.truncated[t],
                    self.truncated[t],
                    self.new_states[t][:, None],
                )
            )

    def expected_updates(self, episodes_per_update: int, discount: float) -> list[dict[float, tuple[int, float]]]:
        """For every update: (action, advantage) of every state, one episode and one step after the other."""
        length, n = self.states.shape
        running: list[list[tuple[float, int, float]]] = [[] for _ in range(n)]
        complete: list[list[tuple[float, int, float]]] = []
        updates = []
        earlier: dict[int, tuple[float, float]] = {}  # by time step, the sum of earlier returns and their weights
        for t in range(length):
            for i in range(n):
                running[i].append((self.states[t, i], int(self.actions[t, i]), self.rewards[t, i]))
                if self.ended[t, i]:
                    complete.append(running[i])
                    running[i] = []
            if len(complete) >= episodes_per_update:
                returns = [
                    [
                        sum(discount**j * reward for j, (_, _, reward) in enumerate(episode[s:]))
                        for s in range(len(episode))
                    ]
                    for episode in complete
                ]
                advantages = []
                for e, episode_returns in enumerate(returns):
                    advantages.append([])
                    for s, g in enumerate(episode_returns):
                        others = [other[s] for o, other in enumerate(returns) if o != e and len(other) > s]
                        total, weight = earlier.get(s, (0.0, 1.0))
                        advantages[-1].append(g - (np.mean(others) if others else total / weight))
                for s in range(max(map(len, returns))):
                    now = [each[s] for each in returns if len(each) > s]
                    total, weight = earlier.get(s, (0.0, 0.0))
                    earlier[s] = (0.95 * total + sum(now), 0.95 * weight + len(now))
                updates.append(
                    {
                        state: (action, advantage)
                        for episode, values in zip(complete, advantages, strict=True)
                        for (state, action, _), advantage in zip(episode, values, strict=True)
                    }
                )
                complete = []
        return updates


@pytest.mark.parametrize(("n", "episodes_per_update"), [(3, None), (3, 1), (3, 7), (1, None), (1, 4), (1, 1)])
def test_updates_are_those_of_a_computation_episode_by_episode(
    n: int, episodes_per_update: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the room that the memory starts with, and some episodes are, too.
    script = Scripted(n, 200)
    if episodes_per_update == 7:
        script.ended[:90, 0] = False
        script.truncated[:90, 0] = False
        script.new_states[:90, 0] = np.abs(script.new_states[:90, 0])
    agent = ReinforceAgent(4, 1, discount_factor=0.9, episodes_per_update=episodes_per_update, device="cpu")
    updates = []

    def record(
        states: NDArray[np.float32],
        advantages: NDArray[np.float64],
        actions: NDArray[np.int64],
        n_episodes: int,
        **options: object,
    ) -> float:
        keys = states[:, 0].tolist()
        pairs = zip(actions.tolist(), advantages.tolist(), strict=True)
        updates.append((n_episodes, dict(zip(keys, pairs, strict=True))))
        assert len(updates[-1][1]) == len(keys)
        return 0.0

    monkeypatch.setattr(agent.policy_estimator, "update", record)
    script.feed(agent)
    expected = script.expected_updates(episodes_per_update or n, 0.9)
    assert len(updates) == len(expected) > 2
    for (_, got), wanted in zip(updates, expected, strict=True):
        assert got.keys() == wanted.keys()
        for state, (action, _) in wanted.items():
            assert got[state][0] == action
        # Centred where some steps are of an earlier policy, all of them with weight 1: no update changed the policy.
        shifts = np.array([advantage - got[state][1] for state, (_, advantage) in wanted.items()])
        assert np.ptp(shifts) < 1e-9
        if abs(shifts[0]) > 1e-9:
            assert n > 1
            assert np.mean([advantage for _, advantage in got.values()]) == pytest.approx(0, abs=1e-9)
    ended_so_far = np.cumsum(script.ended.sum(axis=1))
    assert 0 <= ended_so_far[-1] - sum(n_episodes for n_episodes, _ in updates) < (episodes_per_update or n)


def advantages_of(rewards: list[list[float]], discount: float = 0.9) -> NDArray[np.float64]:
    """(time, episodes) advantages of episodes of one length."""
    r_t = np.array(rewards)
    no = np.zeros(r_t.shape, dtype=np.bool_)
    last, states = no.copy(), np.zeros((*r_t.shape, 1))
    last[-1] = True
    steps = Transition(states, no.astype(np.int64), r_t, last, no, states)
    agent = ReinforceAgent(2, 1, discount_factor=discount, device="cpu")
    return agent._advantages_and_returns(steps, ~no)[0].reshape(r_t.shape)


def test_the_baseline_is_the_mean_of_the_other_episodes_at_the_same_time_step() -> None:
    # Returns 5, 1 and 3, 3 and 1, 2: the means of the others are 3, 2; 4, 1.5; 3, 2.
    advantages = advantages_of([[4.0, 0.0, -1.0], [1.0, 3.0, 2.0]], discount=1.0)
    np.testing.assert_allclose(advantages, [[3.0, 0.0, -3.0], [-1.5, 1.5, 0.0]])


@pytest.mark.parametrize("rewards", [[[0.0], [0.0], [0.0]], [[0.1, 0.1, 0.1], [0.7, 0.7, 0.7]], [[1.0, 1.0]]])
def test_episodes_without_differences_have_no_advantages(rewards: list[list[float]]) -> None:
    np.testing.assert_allclose(advantages_of(rewards), 0, atol=1e-15)


@pytest.mark.parametrize("length", [1, 4])
def test_such_episodes_teach_nothing_and_break_nothing(length: int) -> None:
    agent = ReinforceAgent(4, 1, device="cpu")
    before = agent.policy_estimator.learning_state()["parameters"]
    for step in range(length):
        agent.store_experience(np.zeros(1), 2, 0, step == length - 1, np.zeros(1))
    assert agent.state_dict()["memory"]["lengths"].tolist() == [0]
    assert_same_state(agent.policy_estimator.learning_state()["parameters"], before)


def test_integer_rewards_are_not_truncated() -> None:
    whole, fractional = (ReinforceAgent(4, 1, discount_factor=0.5, device="cpu") for _ in range(2))
    for agent, kind in ((whole, np.int64), (fractional, np.float64)):
        for step in range(3):
            agent.store_experiences(
                Transition(
                    np.full((1, 1), step),
                    np.array([step]),
                    np.array([1], dtype=kind),
                    np.array([step == 2]),
                    np.array([False]),
                    np.full((1, 1), step + 1),
                )
            )
    assert_same_state(whole.state_dict(), fractional.state_dict())


def test_an_episode_that_was_left_is_forgotten() -> None:
    agent, expected = (ReinforceAgent(4, 1, episodes_per_update=2, device="cpu") for _ in range(2))
    script = Scripted(2, 40)
    for t in range(3):
        agent.store_experiences(
            Transition(
                np.full((2, 1), 1000.0 + t),
                np.zeros(2),
                np.ones(2),
                np.zeros(2, bool),
                np.zeros(2, bool),
                np.full((2, 1), 1001.0 + t),
            )
        )
    for each in (agent, expected):
        script.feed(each)
    assert_same_state(agent.state_dict(), expected.state_dict())


def test_another_number_of_environments_starts_anew() -> None:
    agent, expected = (ReinforceAgent(4, 1, device="cpu") for _ in range(2))
    agent.store_experience(np.zeros(1), 0, 1.0, False, np.ones(1))
    for each in (agent, expected):
        Scripted(2, 40).feed(each)
    assert_same_state(agent.state_dict(), expected.state_dict())


def test_every_update_records_its_loss() -> None:
    script = Scripted(3, 100)
    agent = ReinforceAgent(4, 1, device="cpu")
    agent.statistics = LearningStatistics("reinforce")
    script.feed(agent)
    losses = agent.statistics.loss_values
    assert losses is not None
    assert len(losses) == len(script.expected_updates(3, 0.99))
    assert np.isfinite(losses).all()
    assert losses.nunique() > 1


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_broken_rewards_are_told_and_not_learned(broken: float) -> None:
    agent = ReinforceAgent(4, 1, device="cpu")
    before = agent.policy_estimator.learning_state()
    agent.store_experience(np.zeros(1), 0, 1.0, False, np.ones(1))
    with pytest.raises(FloatingPointError, match=f"rewards must be finite numbers, one is {broken}"):
        agent.store_experience(np.ones(1), 1, broken, True, np.ones(1))
    assert_same_state(agent.policy_estimator.learning_state(), before)


def test_entropy_is_worth_less_after_each_update(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = ReinforceAgent(4, 1, entropy_coefficient=0.5, entropy_decay=0.5, device="cpu")
    worth = []
    monkeypatch.setattr(
        agent.policy_estimator, "update", lambda *arrays, **options: worth.append(options["entropy_coefficient"]) or 0.0
    )
    for _ in range(3):
        agent.store_experience(np.zeros(1), 0, 1.0, True, np.ones(1))
    assert worth == [0.5, 0.25, 0.125]


def test_states_that_are_not_numbers_are_told() -> None:
    agent = ReinforceAgent(4, 1, device="cpu")
    agent.store_experience(np.zeros(1), 0, 1.0, False, np.full(1, np.nan))
    with pytest.raises(FloatingPointError, match="observations"):
        agent.store_experience(np.full(1, np.nan), 1, 2.0, True, np.ones(1))


def test_states_of_any_shape_are_flattened() -> None:
    agent = ReinforceAgent(4, 6, device="cpu")
    assert agent.top_k_actions_for_states(np.zeros((5, 2, 3)), 2).shape == (5, 2)
    agent.store_experience(np.zeros((2, 3)), 1, 1.0, True, np.zeros((2, 3)))


def test_default_layers_are_twice_the_state() -> None:
    def sizes(agent: ReinforceAgent) -> list[tuple[int, ...]]:
        return [tuple(p.shape) for p in agent.policy_estimator.parameters() if p.ndim == 2]

    assert sizes(ReinforceAgent(4, 3, device="cpu")) == [(6, 3), (6, 6), (4, 6)]
    assert sizes(ReinforceAgent(4, 3, [5], device="cpu")) == [(5, 3), (4, 5)]
    assert sizes(ReinforceAgent(4, 3, [], device="cpu")) == [(4, 3)]


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="abacus"):
        ReinforceAgent(4, 3, device="abacus")


def test_a_saved_policy_decides_the_same(tmp_path: Path) -> None:
    script = Scripted(3, 100)
    trained, loaded = (ReinforceAgent(4, 1, random_state=seed, device="cpu") for seed in (0, 1))
    script.feed(trained)
    trained.save(tmp_path / "policy")
    states = np.random.default_rng(0).normal(size=(50, 1))
    wanted = trained.top_k_actions_for_states(states, 4, explore=False).tolist()
    assert loaded.top_k_actions_for_states(states, 4, explore=False).tolist() != wanted
    loaded.load(tmp_path / "policy")
    assert loaded.top_k_actions_for_states(states, 4, explore=False).tolist() == wanted


def test_the_state_of_another_architecture_is_refused() -> None:
    with pytest.raises(InputError, match="does not fit"):
        ReinforceAgent(4, 1, device="cpu").load_state_dict(ReinforceAgent(4, 2, device="cpu").state_dict())


def test_advantages_are_centred_by_the_weights_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = ReinforceAgent(4, 1, learning_rate=0.05, episodes_per_update=4, device="cpu")
    update, sums = agent.policy_estimator.update, []

    def spy(states: Any, advantages: Any, actions: Any, **options: Any) -> float:
        before = options["log_probabilities"]
        after = agent.log_probability(states, actions[:, None], options["action_masks"])
        weights = np.exp(np.minimum(np.where(np.isnan(before), 0.0, after - before), 0.0))
        if not np.isnan(before).all():
            sums.append((weights @ advantages, weights.min()))
        return update(states, advantages, actions, **options)

    monkeypatch.setattr(agent.policy_estimator, "update", spy)
    Scripted(3, 200).feed(agent)
    assert len(sums) > 5
    assert min(weight for _, weight in sums) < 0.9
    assert [total for total, _ in sums] == pytest.approx([0.0] * len(sums), abs=1e-6)
