"""What holds for every agent that learns action values from replayed experiences."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from contracts.agents import assert_same_state, live, steps
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.dqn import DQNAgent
from pydeeprecsys.rl.agents.q_learning import QLearningAgent
from pydeeprecsys.rl.agents.rainbow import RainbowDQNAgent
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.replay_memory import ReplayMemory
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.neural_networks.deep_q_network import DeepQNetwork
from pydeeprecsys.rl.ops.values import td_losses

AGENTS = [DQNAgent, RainbowDQNAgent]
SMALL: dict[type[QLearningAgent], dict[str, Any]] = {
    DQNAgent: {"hidden_layers": [16]},
    RainbowDQNAgent: {"hidden_layers": [16, 16, 8, 8]},
}


def make(agent: type[QLearningAgent], n_actions: int = 4, state_size: int = 3, **options: Any) -> QLearningAgent:
    """An agent that is ready after 8 steps, learns every second one, and syncs every fifth."""
    defaults = {
        "network_update_frequency": 2,
        "network_sync_frequency": 5,
        "buffer_size": 64,
        "buffer_burn_in": 8,
        "batch_size": 4,
        "random_state": 0,
        "device": "cpu",
    }
    return agent(state_size, n_actions, **{**SMALL[agent], **defaults, **options})


def store(agent: QLearningAgent, n: int, ended: bool = False, state: float = 0.5, reward: float = 1.0) -> None:
    """One environment takes n steps, each from one state to itself."""
    for _ in range(n):
        agent.store_experience(np.full(3, state), 1, reward, ended, np.full(3, state))


def count_updates(agent: QLearningAgent, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps counted at each update from now on."""
    updates: list[int] = []
    monkeypatch.setattr(agent, "_learn", lambda: updates.append(agent.memory.steps))
    return updates


@pytest.mark.parametrize("agent_class", AGENTS)
def test_it_acts_at_random_until_its_memory_is_ready(agent_class: type[QLearningAgent]) -> None:
    options = {"noise_sigma": 0.0} if agent_class is RainbowDQNAgent else {"initial_exploration_probability": 0.0}
    agent = make(agent_class, **options, **({} if "noise_sigma" in options else {"minimum_exploration_probability": 0}))
    states = np.full((4000, 3), 0.5, dtype=np.float32)
    store(agent, 7)
    drawn = agent.actions_for_states(states)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, 0.25, atol=0.03)
    assert len(set(agent.actions_for_states(states, explore=False).tolist())) == 1
    store(agent, 1)
    assert agent.actions_for_states(states).tolist() == agent.actions_for_states(states, explore=False).tolist()


@pytest.mark.parametrize("agent_class", AGENTS)
@pytest.mark.parametrize("n_envs", [1, 3, 10])
def test_updates_and_syncs_are_so_many_steps_apart(
    agent_class: type[QLearningAgent], n_envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make(agent_class)
    updates = count_updates(agent, monkeypatch)
    syncs: list[int] = []
    monkeypatch.setattr(agent.target_network, "soft_parameter_update", lambda source, rate: syncs.append(rate))
    live(agent, steps(n_envs, 240 // n_envs, seed=0))
    # Counted from the step on that made it ready.
    counted = agent.memory.steps
    assert 240 - 8 <= counted <= 240 - 8 + n_envs
    assert len(updates) == counted // 2
    assert len(syncs) == (counted // 5 if n_envs <= 5 else counted // n_envs)
    assert set(syncs) == {1.0}


@pytest.mark.parametrize("agent_class", AGENTS)
def test_the_target_network_is_a_copy_that_lags_behind(agent_class: type[QLearningAgent]) -> None:
    def parameters(network: Any) -> list[Any]:
        return [parameter.tolist() for parameter in network.parameters()]

    agent = make(agent_class, network_sync_frequency=20)
    first = parameters(agent.network)
    assert parameters(agent.target_network) == first
    store(agent, 7 + 19)
    assert parameters(agent.target_network) == first != parameters(agent.network)
    store(agent, 1)
    assert parameters(agent.target_network) == parameters(agent.network) != first
    assert not any(parameter.requires_grad for parameter in agent.target_network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("agent_class", AGENTS)
@pytest.mark.parametrize(("terminated", "value"), [(True, 1.0), (False, 2.0)])
def test_values_count_what_follows_unless_the_episode_terminated(
    agent_class: type[QLearningAgent], terminated: bool, value: float
) -> None:
    # Where it is cut off at every step, a reward of 1 for ever is worth 1 / (1 − γ).
    agent = make(agent_class, 1, discount_factor=0.5, learning_rate=0.02)
    for _ in range(800):
        agent.store_experience(np.full(3, 0.5), 0, 1.0, terminated, np.full(3, 0.5), truncated=not terminated)
    agent.network.silence_noise()
    learned = agent.network(agent.network.as_tensor(np.full((1, 3), 0.5)))
    assert learned.item() == pytest.approx(value, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("agent_class", AGENTS)
def test_values_count_only_what_is_allowed_next(agent_class: type[QLearningAgent]) -> None:
    # From state 0 to state 1, where action 0 brings 1 and action 1 brings nothing; both end.
    worth = {}
    for allowed in (0, 1):
        agent = make(agent_class, 2, 2, discount_factor=0.5, learning_rate=0.02)
        masks = np.array([[True, True], [allowed == 0, allowed == 1]])
        for step in range(200):
            # All actions are tried, whatever is allowed.
            states = np.eye(2)
            agent.store_experiences(
                Transition(
                    states,
                    np.array([0, step % 2]),
                    np.array([0.0, 1.0 - step % 2]),
                    np.array([False, True]),
                    np.array([True, False]),
                    states[[1, 0]],
                    action_masks=masks,
                    next_action_masks=masks[[1, 0]] & np.array([[True], [False]]),
                )
            )
        agent.network.silence_noise()
        worth[allowed] = agent.network(agent.network.as_tensor(np.eye(2)[:1]))[0, 0].item()
    assert worth[0] == pytest.approx(0.5, abs=0.1)
    assert worth[1] == pytest.approx(0.0, abs=0.1)


ONLINE = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
TARGET = [[10.0, 20.0, 30.0], [60.0, 50.0, 40.0]]


def table(values: list[list[float]]) -> DeepQNetwork:
    """Values of 3 actions in 2 states, which are unit vectors."""
    layer = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(values).T)
    return DeepQNetwork(0.1, layer, device="cpu")


def tables(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[QLearningAgent, list[Any]]:
    """An agent that learns from its two last steps, of values ONLINE and of target values TARGET; and its errors."""
    parameters = ExperienceReplayBufferParameters(2, 2, 2, 0)
    agent = QLearningAgent(
        n_actions=3,
        state_size=2,
        network=table(ONLINE),
        target_network=table(ONLINE),
        memory=ReplayMemory(ExperienceReplayBuffer(parameters), 1, 0.9, 2),
        network_sync_frequency=1000,
        exploration=None,
        random_state=0,
        **options,
    )
    agent.target_network.load_state_dict(table(TARGET).state_dict())
    errors: list[Any] = []
    monkeypatch.setattr(
        agent.memory.buffer, "update_priorities", lambda rows, found: errors.extend(found[rows.argsort()])
    )
    return agent, errors


def two_steps(masks: Any = None, rewards: Any = (0.5, 0.5), terminated: Any = (False, True)) -> Transition:
    """From state 0, where action 1 is worth 2, to state 1."""
    eye = np.eye(2, dtype=np.float32)
    return Transition(
        observations=eye[[0, 0]],
        actions=np.array([1, 1]),
        rewards=np.array(rewards),
        terminated=np.array(terminated),
        truncated=np.zeros(2, dtype=np.bool_),
        next_observations=eye[[1, 1]],
        next_action_masks=None if masks is None else np.array(masks),
    )


@pytest.mark.parametrize(
    ("double", "mask", "error"),
    [
        (False, None, 0.5 + 0.9 * 60 - 2),
        (False, [False, True, True], 0.5 + 0.9 * 50 - 2),
        (True, None, 0.5 + 0.9 * 40 - 2),
        (True, [True, True, False], 0.5 + 0.9 * 50 - 2),
        (True, [True, False, False], 0.5 + 0.9 * 60 - 2),
    ],
)
def test_an_update_by_hand(double: bool, mask: Any, error: float, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, errors = tables(monkeypatch, double=double, td_losses=partial(td_losses, loss="squared"))
    agent.statistics = LearningStatistics()
    # The second episode terminates, after which nothing may be allowed.
    agent.store_experiences(two_steps(None if mask is None else [mask, [False] * 3]))
    assert errors == pytest.approx([error, 0.5 - 2], rel=1e-6)
    assert agent.statistics.loss_values is not None
    assert agent.statistics.loss_values.tolist() == pytest.approx([(error**2 + 1.5**2) / 4])
    # Adam's first step is the learning rate, whatever the size of the gradient, here of one value.
    np.testing.assert_allclose(agent.network(torch.eye(2)).detach(), [[1, 2.1, 3], [4, 5, 6]], rtol=1e-5)
    assert agent.target_network(torch.eye(2)).tolist() == TARGET


def test_importance_weights_count_in_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, _ = tables(monkeypatch)
    agent.statistics = LearningStatistics()
    sample = agent.memory.sample

    def weighted() -> Any:
        drawn = sample()
        return drawn._replace(weights=np.where(drawn.transitions.rewards > 2, 0.5, 1.0))

    monkeypatch.setattr(agent.memory, "sample", weighted)
    # Errors −0.4 and 10: Huber 0.08 and 9.5.
    agent.store_experiences(two_steps(rewards=(1.6, 12.0), terminated=(True, True)))
    assert agent.statistics.loss_values is not None
    assert agent.statistics.loss_values.tolist() == pytest.approx([(0.08 + 4.75) / 2])


def test_both_networks_have_new_noise_for_each_update() -> None:
    agent = make(RainbowDQNAgent)
    store(agent, 7)
    seen = set()
    for _ in range(5):
        store(agent, 2)
        seen |= {network.generator.get_state().numpy().tobytes() for network in (agent.network, agent.target_network)}
    assert len(seen) == 10


class Chain:
    """Five places in a row. One action goes on, to 1 at the end; the other gets out, for 0.2 at once."""

    n_actions, state_size, length = 2, 5, 5
    goes_on = np.array([0, 1, 1, 0, 1])

    def __init__(self, n: int) -> None:
        self.place = np.zeros(n, dtype=np.int64)

    def observe(self) -> NDArray[np.float32]:
        return np.eye(5, dtype=np.float32)[self.place]

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float32]]:
        on = actions == self.goes_on[self.place]
        arrived = on & (self.place == 4)
        self.place = np.minimum(self.place + on, 4)
        new_states = self.observe()
        self.place = np.where(on & ~arrived, self.place, 0)
        return np.where(on, arrived, 0.2), ~on | arrived, new_states


class Matching:
    """The state is one of four; the action of the same number brings 1, others 0; every step is an episode."""

    n_actions, state_size, length = 6, 4, 1

    def __init__(self, n: int) -> None:
        self.rng = np.random.default_rng(0)
        self.context = self.rng.integers(0, 4, n)

    def observe(self) -> NDArray[np.float32]:
        return np.eye(4, dtype=np.float32)[self.context]

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float32]]:
        rewards = (actions == self.context).astype(float)
        self.context = self.rng.integers(0, 4, len(actions))
        return rewards, np.ones(len(actions), dtype=np.bool_), self.observe()


def play(agent: QLearningAgent, world: Chain | Matching, n_steps: int, learn: bool = True) -> float:
    """Mean reward of an episode."""
    total, n_episodes = 0.0, 0
    for _ in range(n_steps):
        states = world.observe()
        actions = agent.actions_for_states(states, explore=learn)
        rewards, ended, new_states = world.step(actions)
        if learn:
            agent.store_experiences(Transition(states, actions, rewards, ended, np.zeros_like(ended), new_states))
        total += rewards.sum()
        n_episodes += np.count_nonzero(ended)
    return total / max(n_episodes, 1)


ALL_SIX = {"n_steps": 3, "categorical": True, "v_max": 1.0, "n_atoms": 21, "noise_sigma": 0.5}
NONE_OF_THEM = {"double": False, "dueling": False, "noisy": False, "prioritized": False}


@pytest.mark.slow
@pytest.mark.parametrize("world", [Chain, Matching])
@pytest.mark.parametrize(
    ("agent_class", "options"),
    [
        (DQNAgent, {}),
        (DQNAgent, {"double": True, "n_steps": 3}),
        (RainbowDQNAgent, {"noise_sigma": 0.5}),
        (RainbowDQNAgent, ALL_SIX),
        (RainbowDQNAgent, NONE_OF_THEM),
    ],
)
def test_learns(
    agent_class: type[QLearningAgent], options: dict[str, Any], world: type[Chain] | type[Matching]
) -> None:
    agent = make(
        agent_class,
        world.n_actions,
        world.state_size,
        network_update_frequency=4,
        network_sync_frequency=64,
        buffer_size=2000,
        buffer_burn_in=400,
        batch_size=32,
        discount_factor=0.9,
        learning_rate=5e-3,
        **options,
    )
    play(agent, world(8), 25)
    assert play(agent, world(200), 5, learn=False) < 0.9
    play(agent, world(8), 250)
    # To get out of the chain at once brings 0.2; to match by chance, 1 in 6.
    assert play(agent, world(200), world.length, learn=False) > 0.98


@pytest.mark.parametrize("agent_class", AGENTS)
def test_every_update_records_its_loss(agent_class: type[QLearningAgent]) -> None:
    agent = make(agent_class)
    assert agent.statistics is None
    agent.statistics = LearningStatistics("q")
    store(agent, 7 + 21)
    losses = agent.statistics.loss_values
    assert losses is not None
    assert len(losses) == 10
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("agent_class", AGENTS)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_broken_rewards_are_told_and_not_learned(agent_class: type[QLearningAgent], broken: float) -> None:
    agent = make(agent_class)
    store(agent, 30)
    before = agent.state_dict()
    with pytest.raises(FloatingPointError, match=f"rewards must be finite numbers, one is {broken}"):
        store(agent, 1, reward=broken)
    assert_same_state(agent.state_dict(), before)


@pytest.mark.parametrize("agent_class", AGENTS)
def test_states_that_are_not_numbers_are_told_and_not_learned(agent_class: type[QLearningAgent]) -> None:
    agent = make(agent_class)
    store(agent, 7, state=np.nan)
    before = agent.network.learning_state()["parameters"]
    with pytest.raises(FloatingPointError, match="observations"):
        store(agent, 2, state=np.nan)
    assert_same_state(agent.network.learning_state()["parameters"], before)


@pytest.mark.parametrize("agent_class", AGENTS)
def test_states_of_any_shape_are_flattened(agent_class: type[QLearningAgent]) -> None:
    agent = make(agent_class, 4, 6)
    for _ in range(12):
        slates = agent.top_k_actions_for_states(np.zeros((5, 2, 3)), 2)
        assert slates.shape == (5, 2)
        agent.store_experience(np.zeros((2, 3)), int(slates[0, 0]), 1.0, True, np.zeros((2, 3)))


@pytest.mark.parametrize("agent_class", AGENTS)
def test_saved_and_loaded_it_decides_the_same(agent_class: type[QLearningAgent], tmp_path: Path) -> None:
    trained, loaded = make(agent_class, random_state=0), make(agent_class, random_state=1)
    live(trained, steps(3, 40, seed=0))
    trained.save(tmp_path / "agent")
    states = np.random.default_rng(0).normal(size=(50, 3))
    wanted = trained.top_k_actions_for_states(states, 4, explore=False).tolist()
    assert loaded.top_k_actions_for_states(states, 4, explore=False).tolist() != wanted
    loaded.load(tmp_path / "agent")
    assert loaded.top_k_actions_for_states(states, 4, explore=False).tolist() == wanted
    for own, other in zip(loaded.target_network.parameters(), trained.target_network.parameters(), strict=True):
        assert own.tolist() == other.tolist()


def test_states_and_files_of_other_agents_are_refused(tmp_path: Path) -> None:
    dqn, rainbow = make(DQNAgent), make(RainbowDQNAgent)
    with pytest.raises(InputError, match="explores in another way"):
        dqn.load_state_dict(rainbow.state_dict())
    with pytest.raises(InputError, match="does not fit"):
        dqn.load_state_dict(make(DQNAgent, hidden_layers=[5]).state_dict())
    dqn.save(tmp_path / "agent")
    with pytest.raises(InputError, match="does not fit"):
        rainbow.load(tmp_path / "agent")


@pytest.mark.parametrize("agent_class", AGENTS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"buffer_burn_in": 3}, "batch_size <= buffer_burn_in .* <= buffer_size .* must hold, they are 4, 3 and 64"),
        ({"buffer_burn_in": 65}, "must hold, they are 4, 65 and 64"),
        ({"item_features": np.ones((3, 2))}, "3 rows, there are 4 actions"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    agent_class: type[QLearningAgent], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make(agent_class, **arguments)
