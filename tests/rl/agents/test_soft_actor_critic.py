import random
from copy import deepcopy
from math import log
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from numpy.typing import NDArray

from contracts.agents import AgentContract, assert_plain, assert_same_state, live, steps
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.proto_action_policy import ProtoActionPolicy
from pydeeprecsys.rl.agents.soft_actor_critic import SoftActorCritic
from pydeeprecsys.rl.agents.soft_policies import BoxPolicy, CategoricalPolicy
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import CartpoleManager, Manager, MovieLensFairnessManager

# Learns after few steps, and differently with each of them.
QUICK: dict[str, Any] = {
    "timesteps_to_start_predicting": 20,
    "learning_rate": 0.01,
    "soft_target_update_rate": 0.1,
    "hidden_layers": [8],
    "buffer_size": 40,
    "batch_size": 8,
    "update_frequency": 3,
    "device": "cpu",
}
FEATURES = np.random.default_rng(0).random((7, 3))
BOX = Box(np.array([-2.0, 10.0], dtype=np.float32), np.array([2.0, 11.0], dtype=np.float32))


class TestDiscreteContract(AgentContract):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> SoftActorCritic:
        return SoftActorCritic(Discrete(n_actions), state_size, **QUICK, random_state=seed)


@pytest.mark.slow
class TestPrioritizedMultiStepContract(AgentContract):
    has_probabilities = True

    def make(self, n_actions: int, state_size: int, seed: int) -> SoftActorCritic:
        return SoftActorCritic(
            MultiDiscrete([n_actions] * 2), state_size, **QUICK, prioritized=True, n_steps=3, random_state=seed
        )


@pytest.mark.slow
class TestItemsContract(AgentContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> SoftActorCritic:
        return SoftActorCritic(
            Discrete(n_actions), state_size, **QUICK, item_features=FEATURES, n_candidates=3, random_state=seed
        )


def make_box(seed: int = 0, space: Box = BOX, **options: Any) -> SoftActorCritic:
    return SoftActorCritic(space, 3, **(QUICK | options), random_state=seed)


class TestBox:
    """What the contract asks, of actions that are points."""

    @pytest.fixture
    def states(self) -> NDArray[np.float32]:
        return np.random.default_rng(5).random((20, 3), dtype=np.float32)

    @pytest.mark.parametrize("explore", [True, False])
    @pytest.mark.parametrize("past", [0, 40])
    def test_actions_are_points_of_the_box(self, states: NDArray[np.float32], explore: bool, past: int) -> None:
        agent = make_box()
        live(agent, steps(3, past, seed=1))
        actions = agent.actions_for_states(states, explore=explore)
        assert actions.shape == (20, 2)
        assert actions.dtype == np.float32
        assert all(BOX.contains(action) for action in actions)
        assert agent.action_for_state(states[0], explore=explore).shape == (2,)

    def test_boxes_of_other_shapes(self, states: NDArray[np.float32]) -> None:
        space = Box(-1, 1, (2, 3))
        agent = make_box(space=space)
        live(agent, steps(3, 20, seed=1))
        assert agent.updates > 0
        for explore in (True, False):
            actions = agent.actions_for_states(states, explore=explore)
            assert actions.shape == (20, 2, 3)
            assert all(space.contains(action) for action in actions)

    def test_the_same_seed_gives_the_same_life(self) -> None:
        lives = [live(make_box(seed), steps(3, 40, seed=1)) for seed in (0, 0, 1)]
        assert lives[0] == lives[1]
        assert lives[0] != lives[2]

    def test_evaluation_changes_nothing_and_repeats_itself(self, states: NDArray[np.float32]) -> None:
        agent = make_box()
        live(agent, steps(3, 30, seed=1))
        before = deepcopy(agent.state_dict())
        first, second = (agent.actions_for_states(states, explore=False).tolist() for _ in range(2))
        assert first == second
        assert first != agent.actions_for_states(states).tolist()
        agent.load_state_dict(before)
        assert_same_state(agent.state_dict(), before)

    @pytest.mark.parametrize("options", [{}, {"prioritized": True, "n_steps": 3}])
    @pytest.mark.parametrize("taken_after", [5, 30, 31, 32])
    def test_restored_from_its_state_it_goes_on_identically(self, taken_after: int, options: dict[str, Any]) -> None:
        original, restored = make_box(0, **options), make_box(1, **options)
        live(restored, steps(3, 25, seed=7))
        walk = list(steps(3, 60, seed=1))
        live(original, walk[:taken_after])
        state = original.state_dict()
        assert_plain(state)
        restored.load_state_dict(deepcopy(state))
        assert_same_state(restored.state_dict(), state)
        assert live(restored, walk[taken_after:]) == live(original, walk[taken_after:])
        assert_same_state(restored.state_dict(), original.state_dict())

    def test_global_generators_are_left_alone(self, states: NDArray[np.float32]) -> None:
        def global_state() -> tuple[Any, ...]:
            name, keys, *rest = np.random.get_state()
            return random.getstate(), name, keys.tolist(), rest, torch.get_rng_state().tolist()

        before = global_state()
        agent = make_box()
        live(agent, steps(3, 40, seed=1))
        agent.actions_for_states(states, explore=False)
        assert global_state() == before

    def test_there_are_no_slates_of_points(self, states: NDArray[np.float32]) -> None:
        with pytest.raises(TypeError, match="no slate"):
            make_box().top_k_actions_for_states(states, 1)
        with pytest.raises(TypeError, match="no slate"):
            make_box().top_k_actions_for_state(states[0], 2)

    def test_there_are_no_masks_of_points(self, states: NDArray[np.float32]) -> None:
        masks = np.ones((20, 2), dtype=np.bool_)
        with pytest.raises(InputError, match="no masks"):
            make_box().actions_for_states(states, action_masks=masks)
        flags = np.zeros(20, dtype=np.bool_)
        with pytest.raises(InputError, match="no masks"):
            make_box().store_experiences(
                Transition(
                    states,
                    np.zeros((20, 2)),
                    np.zeros(20),
                    flags,
                    flags,
                    states,
                    action_masks=masks,
                    next_action_masks=masks,
                )
            )


def test_the_action_space_and_the_features_decide_the_policy() -> None:
    def policy(space: gym.Space[Any], **options: Any) -> type:
        return type(SoftActorCritic(space, 3, **QUICK, **options).policy)

    assert policy(BOX) is BoxPolicy
    for space in (Discrete(7), MultiDiscrete([7, 7])):
        assert policy(space) is CategoricalPolicy
        assert policy(space, item_features=FEATURES) is ProtoActionPolicy


@pytest.mark.parametrize("features", [None, FEATURES])
def test_actions_that_do_not_start_at_0(features: NDArray[np.float64] | None) -> None:
    from_0, from_5 = (
        SoftActorCritic(Discrete(7, start=start), 3, **QUICK, item_features=features, random_state=0)
        for start in (0, 5)
    )
    for step in steps(3, 40, seed=1):
        actions = from_5.actions_for_states(step.observations)
        assert actions.tolist() == (from_0.actions_for_states(step.observations) + 5).tolist()
        for agent, taken in ((from_0, actions - 5), (from_5, actions)):
            agent.store_experiences(step._replace(actions=taken))
    assert_same_state(from_0.state_dict()["networks"], from_5.state_dict()["networks"])


@pytest.mark.parametrize("space", [BOX, Discrete(7)])
def test_it_acts_at_random_until_it_starts_to_learn(space: gym.Space[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    agent = SoftActorCritic(space, 3, **(QUICK | {"update_frequency": 1}))
    act, asked = agent.policy.act, []
    monkeypatch.setattr(agent.policy, "act", lambda *given: asked.append(given) or act(*given))
    for n_steps, step in enumerate(steps(1, 30, seed=0)):
        asked.clear()
        agent.actions_for_states(step.observations)
        assert len(asked) == (n_steps >= 20)
        agent.actions_for_states(step.observations, explore=False)
        assert len(asked) == 1 + (n_steps >= 20)
        live(agent, [step])
        assert agent.updates == max(0, n_steps - 18)


@pytest.mark.parametrize("features", [None, FEATURES])
@pytest.mark.parametrize("explore", [True, False])
def test_impossible_slates_are_refused_past_the_start_too(features: NDArray[np.float64] | None, explore: bool) -> None:
    agent = SoftActorCritic(
        Discrete(7), 3, **(QUICK | {"timesteps_to_start_predicting": 0}), item_features=features, n_candidates=3
    )
    states, masks = np.zeros((2, 3)), np.array([[True] * 7, [True, False, True] + [False] * 4])
    for k, given, message in ((0, None, "slate of 0"), (8, None, "slate of 8"), (3, masks, "allows 2 of 7")):
        with pytest.raises(InputError, match=message):
            agent.top_k_actions_for_states(states, k, explore=explore, action_masks=given)


def test_the_first_actions_are_uniform_within_their_masks() -> None:
    agent = SoftActorCritic(Discrete(7), 3, **QUICK)
    masks = np.tile(np.arange(7) % 2 == 0, (4000, 1))
    shares = np.bincount(agent.actions_for_states(np.zeros((4000, 3)), action_masks=masks), minlength=7) / 4000
    np.testing.assert_allclose(shares, [0.25, 0, 0.25, 0, 0.25, 0, 0.25], atol=0.03)


def test_learning_waits_for_the_buffer_too() -> None:
    agent = SoftActorCritic(
        Discrete(7),
        3,
        timesteps_to_start_predicting=0,
        buffer_parameters=ExperienceReplayBufferParameters(40, 30, 8),
        device="cpu",
    )
    for n_steps, step in enumerate(steps(1, 32, seed=0), start=1):
        live(agent, [step])
        assert agent.updates == max(0, n_steps - 29)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "update_frequency", "expected"), [(1, 1, 53), (1, 4, 13), (3, 4, 43), (8, 1, 480)])
def test_as_many_updates_a_step_whatever_the_number_of_environments(
    n: int, update_frequency: int, expected: int
) -> None:
    options = QUICK | {"update_frequency": update_frequency, "timesteps_to_start_predicting": 0, "batch_size": 8}
    agent = SoftActorCritic(Discrete(7), 3, **options)
    live(agent, steps(n, 60, seed=0))
    # Counted from the step that makes the buffer hold a batch.
    assert agent.updates == expected
    assert agent.timesteps == 60 * n


def test_targets_follow_the_critics_at_their_interval() -> None:
    agent = make_box(target_update_interval=3, soft_target_update_rate=0.25, update_frequency=1)
    live(agent, steps(1, 19, seed=0))
    assert agent.updates == 0
    for step in steps(1, 12, seed=1):
        old = [parameter.clone() for parameter in agent.target_critic.parameters()]
        live(agent, [step])
        new, online = agent.target_critic.parameters(), agent.critic.parameters()
        rate = 0.25 if agent.updates % 3 == 0 else 0.0
        for before, after, source in zip(old, new, online, strict=True):
            torch.testing.assert_close(after, before + rate * (source - before))
    assert agent.updates == 12


def test_the_temperature_learns_or_stays() -> None:
    for target, rises in ((2.0, True), (-5.0, False)):
        agent = SoftActorCritic(Discrete(7), 3, **QUICK, entropy_coefficient=0.5, target_entropy=target)
        assert agent.temperature.value.item() == pytest.approx(0.5)
        live(agent, steps(3, 40, seed=0))
        assert (agent.temperature.value.item() > 0.5) == rises
    fixed = SoftActorCritic(Discrete(7), 3, **QUICK, entropy_coefficient=0.5, automatic_entropy_coefficient=False)
    live(fixed, steps(3, 40, seed=0))
    assert fixed.updates > 0
    assert fixed.temperature.value.item() == pytest.approx(0.5)


def test_statistics_get_the_loss_and_the_temperature_of_every_update() -> None:
    agent = make_box()
    agent.statistics = LearningStatistics()
    live(agent, steps(3, 40, seed=0))
    assert agent.updates > 10
    for name in ("loss", "temperature"):
        values = agent.statistics.get_metrics(name)
        assert values is not None
        assert len(values) == agent.updates
        assert np.isfinite(values).all()
    assert values.iloc[-1] == agent.temperature.value.item()


def with_soft_values(n_actions: int, value: float, **options: Any) -> SoftActorCritic:
    """An agent whose policy is uniform, and whose target critics give every action this value."""
    agent = SoftActorCritic(Discrete(n_actions), 1, **(QUICK | options), random_state=0)
    with torch.no_grad():
        for network, bias in ((agent.actor, 0.0), (agent.target_critic, value)):
            for name, parameter in network.named_parameters():
                parameter.fill_(bias if name.startswith("model.0.bias") else 0.0)
    return agent


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_soft_values_are_the_same_over_any_number_of_steps(n_steps: int) -> None:
    # One state, two equal actions, no reward, a temperature of 1: the soft value is γ · log 2 / (1 − γ) = 6.24. Without
    # the entropies of the steps in between, γ³ · log 2 / (1 − γ³) = 1.86 would be that of three steps.
    value = 0.9 * log(2) / 0.1
    agent = with_soft_values(2, value, hidden_layers=[], discount_factor=0.9, n_steps=n_steps)
    no, states = np.zeros(2, dtype=np.bool_), np.ones((2, 1), dtype=np.float32)
    for _ in range(6):
        agent.store_experiences(Transition(states, agent.actions_for_states(states), np.zeros(2), no, no, states))
    sample = agent.memory.sample().transitions
    assert (sample.entropies is None) == (n_steps == 1)
    assert agent.policy.targets(sample, torch.ones(())).tolist() == pytest.approx([value] * 8)


def test_a_three_step_target_by_hand() -> None:
    # Five, two, three and then four actions are allowed; the policy is uniform, also during the first random steps.
    agent = with_soft_values(6, 8.0, hidden_layers=[], discount_factor=0.5, n_steps=3, batch_size=1)
    masks = np.arange(6) < np.array([5, 2, 3, 4])[:, None]
    for t, reward in enumerate((1.0, 2.0, 4.0)):
        step = Transition.of_one(np.array([t]), 0, reward, False, new_state=np.array([t + 1]))
        agent.store_experiences(step._replace(action_masks=masks[[t]], next_action_masks=masks[[t + 1]]))
    expected = 1 + 0.5 * (2 + 2 * log(2)) + 0.25 * (4 + 2 * log(3)) + 0.125 * (8 + 2 * log(4))
    targets = agent.policy.targets(agent.memory.sample().transitions, torch.tensor(2.0))
    assert targets.tolist() == pytest.approx([expected])


class TestPriorities:
    def agent(self, **options: Any) -> SoftActorCritic:
        return make_box(update_frequency=1, timesteps_to_start_predicting=0, **options)

    def test_given_parameters_are_used(self) -> None:
        agent = self.agent(per_parameters=PERBufferParameters(alpha=1.0, beta=0.5, beta_growth=0.1))
        assert isinstance(agent.memory.buffer, PrioritizedExperienceReplayBuffer)
        assert agent.memory.buffer.beta == 0.5
        assert not isinstance(self.agent().memory.buffer, PrioritizedExperienceReplayBuffer)
        assert isinstance(self.agent(prioritized=True).memory.buffer, PrioritizedExperienceReplayBuffer)

    def test_they_are_the_root_mean_square_of_the_critics_errors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        agent = self.agent(per_parameters=PERBufferParameters(), discount_factor=0.0)
        live(agent, steps(1, 7, seed=0))
        drawn: list[Any] = []
        sample = agent.memory.sample
        monkeypatch.setattr(agent.memory, "sample", lambda: drawn.append(sample()) or drawn[-1])
        updated: list[Any] = []
        monkeypatch.setattr(agent.memory.buffer, "update_priorities", lambda *given: updated.append(given))
        before = deepcopy(agent.critic)
        live(agent, steps(1, 1, seed=1))
        (sample,), ((indices, errors),) = drawn, updated
        assert indices.tolist() == sample.indices.tolist()
        batch = sample.transitions
        points = (batch.actions - [0.0, 10.5]) / [2.0, 0.5]
        q = before(torch.from_numpy(batch.observations), torch.from_numpy(points.astype(np.float32))).detach()[..., 0]
        expected = np.sqrt(((q.numpy() - batch.rewards) ** 2).mean(axis=0))
        np.testing.assert_allclose(errors, expected, rtol=1e-4)

    @pytest.mark.parametrize("part", ["critic", "actor"])
    def test_weights_count_in_both_losses(self, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
        agents = [self.agent(), self.agent()]
        seen = []
        for agent, weight in zip(agents, (1.0, 0.25), strict=True):
            live(agent, steps(1, 7, seed=0))
            sample = agent.memory.sample
            monkeypatch.setattr(
                agent.memory, "sample", lambda s=sample, w=weight: (b := s())._replace(weights=b.weights * w)
            )
            network, losses = getattr(agent, part), []
            back = network.run_backpropagation
            monkeypatch.setattr(network, "run_backpropagation", lambda x, b=back, s=losses: s.append(x.item()) or b(x))
            live(agent, steps(1, 1, seed=1))
            seen.append(losses)
        assert seen[1] == pytest.approx([0.25 * loss for loss in seen[0]])
        assert len(seen[0]) == 1


def test_given_buffer_parameters_are_honoured() -> None:
    given = ExperienceReplayBufferParameters(77, 20, 9, 5)
    assert SoftActorCritic(BOX, 3, buffer_parameters=given, device="cpu").memory.buffer.parameters == given
    own = SoftActorCritic(BOX, 3, buffer_size=88, batch_size=11, device="cpu").memory.buffer.parameters
    assert (own.max_experiences, own.batch_size) == (88, 11)
    default = SoftActorCritic(BOX, 3, device="cpu").memory.buffer.parameters
    assert (default.max_experiences, default.batch_size) == (100_000, 256)


@pytest.mark.parametrize("bad", ["rewards", "observations", "next_observations"])
@pytest.mark.parametrize("space", [BOX, Discrete(7)])
def test_nan_stops_it_before_anything_changes(space: gym.Space[Any], bad: str) -> None:
    agent = SoftActorCritic(space, 3, **(QUICK | {"update_frequency": 1, "batch_size": 20}))
    live(agent, steps(1, 30, seed=0))
    before = deepcopy(agent.state_dict()["networks"])
    parameters = {name: dict(network["parameters"]) for name, network in before.items()}
    step = next(steps(1, 1, seed=1))
    step = step._replace(actions=agent.actions_for_states(step.observations))
    step = step._replace(**{bad: np.full_like(getattr(step, bad), np.nan)})

    def store_until_it_is_drawn() -> None:
        for _ in range(10):
            agent.store_experiences(step)

    with pytest.raises(FloatingPointError, match="nan"):
        store_until_it_is_drawn()
    after = agent.state_dict()["networks"]
    assert_same_state({name: after[name]["parameters"] for name in parameters}, parameters)


@pytest.mark.parametrize(
    ("space", "features"), [(BOX, None), (Discrete(7), None), (Discrete(7), FEATURES), (MultiDiscrete([7, 7]), None)]
)
def test_saved_and_loaded_it_acts_the_same(
    space: gym.Space[Any], features: NDArray[np.float64] | None, tmp_path: Path
) -> None:
    saved, loaded = (SoftActorCritic(space, 3, **QUICK, item_features=features, random_state=s) for s in (0, 1))
    live(saved, steps(3, 40, seed=0))
    states = np.random.default_rng(0).normal(0, 3, (200, 3))
    expected = saved.actions_for_states(states, explore=False).tolist()
    assert loaded.actions_for_states(states, explore=False).tolist() != expected
    saved.save(tmp_path / "agent.safetensors")
    loaded.load(tmp_path / "agent.safetensors")
    assert loaded.actions_for_states(states, explore=False).tolist() == expected
    assert loaded.temperature.value.item() == saved.temperature.value.item()
    for own, other in zip(loaded.target_critic.parameters(), saved.target_critic.parameters(), strict=True):
        assert torch.equal(own, other)


def test_another_agents_file_is_refused(tmp_path: Path) -> None:
    SoftActorCritic(Discrete(7), 3, **QUICK).save(tmp_path / "agent")
    agent = make_box()
    before = deepcopy(agent.state_dict())
    with pytest.raises(InputError, match="does not fit"):
        agent.load(tmp_path / "agent")
    assert_same_state(agent.state_dict(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"buffer_size": 7}, "must hold, they are 8, 8 and 7"),
        ({"device": "abacus"}, "not a device"),
        ({"action_space": MultiBinary(2)}, "no soft actor-critic for the action space"),
        ({"action_space": BOX, "item_features": FEATURES}, "no items"),
        ({"item_features": FEATURES[:5]}, "5 rows, there are 7 actions"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    given = {"action_space": Discrete(7), "state_size": 3, **QUICK} | options
    with pytest.raises(InputError, match=message) as caught:
        SoftActorCritic(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("with_features", [False, True])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_slates_of_the_movie_world(
    world: World, with_features: bool, n_envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = MovieLensFairnessManager(seed=0, slate_size=3, dataset=world, n_envs=n_envs)
    features = world.item_vectors if with_features else None
    agent = SoftActorCritic(manager.env.action_space, 25, **QUICK, item_features=features)
    stored: list[Any] = []
    store = agent.memory.buffer.store_experiences
    monkeypatch.setattr(
        agent.memory.buffer, "store_experiences", lambda given: stored.extend(given.actions) or store(given)
    )
    manager.train(agent, max_episodes=6, should_print=False)
    assert agent.updates > 20
    assert np.shape(stored[0]) == ()
    assert 0 <= min(stored) <= max(stored) < 80
    assert [output.timesteps for output in manager.execute_episodes(agent, 2)] == [17, 17]
    for explore in (True, False):
        slates = agent.top_k_actions_for_states(np.random.default_rng(0).random((50, 25)), 3, explore=explore)
        assert all(len(set(slate)) == 3 for slate in slates.tolist())


class Preference(gym.Env[NDArray[np.float32], np.int64]):
    """One step an episode: of items on a line, one mood likes those near 0.2, the other those near 0.9."""

    observation_space = Box(0, 1, (2,))
    action_space = Discrete(50)
    items = np.random.default_rng(1).permutation(np.linspace(0, 1, 50))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.mood = int(self.np_random.integers(2))
        return np.eye(2, dtype=np.float32)[self.mood], {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        reward = 1 - abs(float(self.items[action]) - (0.2, 0.9)[self.mood])
        return np.zeros(2, dtype=np.float32), reward, True, False, {}


@pytest.mark.slow
@pytest.mark.parametrize("with_features", [False, True])
def test_it_learns_what_each_mood_likes(with_features: bool) -> None:
    manager = Manager(env=Preference(), seed=0)
    agent = SoftActorCritic(
        Preference.action_space,
        2,
        learning_rate=3e-3,
        hidden_layers=[32, 32],
        batch_size=32,
        n_candidates=5,
        item_features=Preference.items[:, None] if with_features else None,
        device="cpu",
    )
    before = np.mean([output.reward_sum for output in manager.execute_episodes(agent, 50)])
    manager.train(agent, max_episodes=800, should_print=False)
    after = np.mean([output.reward_sum for output in manager.execute_episodes(agent, 50)])
    assert before < 0.85
    assert after > 0.96


@pytest.mark.slow
def test_it_learns_to_hold_a_pendulum() -> None:
    manager = Manager("Pendulum-v1", seed=0)
    agent = SoftActorCritic(
        manager.env.action_space,
        3,
        learning_rate=2e-3,
        target_update_interval=1,
        hidden_layers=[64, 64],
        batch_size=128,
        random_state=0,
        device="cpu",
    )
    manager.train(agent, max_episodes=30, should_print=False)
    returns = [output.reward_sum for output in manager.execute_episodes(agent, 20)]
    assert np.mean(returns) >= -400


@pytest.mark.slow
def test_it_learns_to_balance_a_pole() -> None:
    manager = CartpoleManager(seed=0)
    agent = SoftActorCritic(
        manager.env.action_space,
        4,
        learning_rate=1e-3,
        target_update_interval=1,
        hidden_layers=[64, 64],
        batch_size=128,
        n_steps=3,
        update_frequency=2,
        random_state=0,
        device="cpu",
    )
    while agent.timesteps < 6_000:
        manager.train(agent, max_episodes=10, should_print=False)
    returns = [output.reward_sum for output in manager.execute_episodes(agent, 20)]
    assert np.mean(returns) >= 150
