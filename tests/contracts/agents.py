"""What every agent must do, whatever it learns."""

import math
import random
from collections.abc import Iterator
from copy import deepcopy
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.experience_replay.transition import Transition

N_ACTIONS = 7
STATE_SIZE = 3


def histories(rng: np.random.Generator, n: int, layout: HistoryLayout) -> NDArray[np.float32]:
    """Observations of random sessions."""
    rows = np.empty((n, layout.size), dtype=np.float32)
    for row in rows:
        t, k = int(rng.integers(0, layout.length + 1)), layout.slate_size
        slates = [rng.choice(layout.n_items, k, replace=False).tolist() for _ in range(t)]
        choices = rng.integers(-1, k, t).tolist()
        stars = [rng.integers(1, 6, layout.n_rated) * (choice >= 0) for choice in choices]
        row[:] = layout.row(rng.random(4).tolist(), slates, choices, ratings=[each.tolist() for each in stars])
    return rows


def observations(rng: np.random.Generator, n: int, layout: HistoryLayout | None) -> NDArray[np.float32]:
    """Random observations: those of a layout, or `STATE_SIZE` numbers."""
    return rng.random((n, STATE_SIZE), dtype=np.float32) if layout is None else histories(rng, n, layout)


def steps(n: int, length: int, seed: int, layout: HistoryLayout | None = None) -> Iterator[Transition]:
    """A walk through random observations, rewards, costs, groups and ends of episodes, whose actions are 0.

    It goes on in a new observation where an episode ended.
    """
    rng, others = np.random.default_rng(seed), np.random.default_rng(seed + 200)
    states = observations(rng, n, layout)
    for _ in range(length):
        terminated, truncated = rng.random((2, n)) < 0.15
        new_states = observations(rng, n, layout)
        step = Transition(states, np.zeros(n, dtype=np.int64), rng.random(n), terminated, truncated, new_states)
        yield step._replace(costs=others.random(n), groups=others.integers(0, 2, n))
        fresh = observations(rng, n, layout)
        states = np.where((terminated | truncated)[:, None], fresh, new_states)


def masked_steps(n: int, length: int, seed: int, layout: HistoryLayout | None = None) -> Iterator[Transition]:
    """A walk with action masks; where an episode terminated, nothing is allowed next."""
    rng = np.random.default_rng(seed + 100)

    def draw() -> NDArray[np.bool_]:
        return np.asarray(rng.permuted(np.tile(np.arange(N_ACTIONS) < 3, (n, 1)), axis=1))

    masks = draw()
    for step in steps(n, length, seed, layout):
        new_masks = draw() & ~step.terminated[:, None]
        yield step._replace(action_masks=masks, next_action_masks=new_masks)
        masks = np.where((step.terminated | step.truncated)[:, None], draw(), new_masks)


def live(agent: ReinforcementLearning, walk: Iterator[Transition]) -> list[list[Any]]:
    """Act and learn along the walk; the actions that were taken."""
    taken = []
    for step in walk:
        actions = agent.actions_for_states(step.observations, action_masks=step.action_masks)
        agent.store_experiences(step._replace(actions=actions))
        taken.append(actions.tolist())
    return taken


def assert_same_state(a: Any, b: Any, path: str = "state") -> None:
    """Two states hold the same, to the bit."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_same_state(a[key], b[key], f"{path}[{key!r}]")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        assert a.shape == b.shape, path
        assert a.tobytes() == b.tobytes(), path
    else:
        assert a == b, path


def assert_plain(state: Any, path: str = "state") -> None:
    """A state consists of numbers, text, arrays of numbers, and dictionaries of them with text as keys."""
    if isinstance(state, dict):
        for key, value in state.items():
            assert isinstance(key, str), path
            assert_plain(value, f"{path}[{key!r}]")
    elif isinstance(state, np.ndarray):
        assert state.dtype.kind in "biuf", path
    else:
        assert isinstance(state, bool | int | float | str), path


def slates_of(k: int, masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(slates, k) all slates of different items that a mask (actions,) allows."""
    return np.array(list(permutations(np.flatnonzero(masks).tolist(), k)))


class AgentSmoke:
    """The smoke set, for further variants of an agent that passes the full `AgentContract`.

    Inherit from it in a test class, and define `make`. A test that cannot hold for an agent is set to None in the
    subclass.
    """

    generators: ClassVar[frozenset[str]] = frozenset({"generator"})
    """Keys, anywhere in the agent's state, under which acting with exploration may change something."""

    has_probabilities: ClassVar[bool] = False
    """Whether `log_probabilities` are known."""

    learns: ClassVar[bool] = True
    """Whether it learns from experience, and so counts its updates."""

    layout: ClassVar[HistoryLayout | None] = None
    """Layout of the observations; None for `STATE_SIZE` numbers."""

    @property
    def state_size(self) -> int:
        """Size of an observation."""
        return STATE_SIZE if self.layout is None else self.layout.size

    def states_of_one(self, n: int) -> NDArray[np.float32]:
        """n times the same observation."""
        return np.tile(observations(np.random.default_rng(1), 1, self.layout), (n, 1))

    varies_slates: ClassVar[bool] = False
    """Whether later items of a slate depend on the first, and so need not have the highest scores."""

    def make(self, n_actions: int, state_size: int, seed: int) -> ReinforcementLearning:
        """A new agent, which learns within a few steps."""
        raise NotImplementedError

    def learned(self, agent: ReinforcementLearning) -> Any:
        """The state of the agent without its generators."""

        def without(state: Any) -> Any:
            if not isinstance(state, dict):
                return state
            return {key: without(value) for key, value in state.items() if key not in self.generators}

        return without(agent.state_dict())

    @pytest.fixture
    def states(self) -> NDArray[np.float32]:
        return observations(np.random.default_rng(5), 20, self.layout)

    @pytest.mark.parametrize("explore", [True, False])
    @pytest.mark.parametrize("k", [1, 2, N_ACTIONS])
    def test_slates_hold_k_different_actions(self, states: NDArray[np.float32], k: int, explore: bool) -> None:
        slates = self.make(N_ACTIONS, self.state_size, 0).top_k_actions_for_states(states, k, explore=explore)
        assert slates.shape == (20, k)
        assert slates.dtype == np.int64
        assert slates.min() >= 0
        assert slates.max() < N_ACTIONS
        assert all(len(set(slate)) == k for slate in slates.tolist())

    def test_a_life_with_masks_is_within_them_and_can_be_restored(self) -> None:
        agent, restored = self.make(N_ACTIONS, self.state_size, 0), self.make(N_ACTIONS, self.state_size, 1)
        walk = list(masked_steps(3, 80, 1, self.layout))
        taken = live(agent, iter(walk[:50]))
        restored.load_state_dict(agent.state_dict())
        after = live(agent, iter(walk[50:]))
        assert after == live(restored, iter(walk[50:]))
        assert_same_state(restored.state_dict(), agent.state_dict())
        for step, actions in zip(walk, taken + after, strict=True):
            assert step.action_masks is not None
            assert step.action_masks[np.arange(3), actions].all()

    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_same_seed_gives_the_same_life(self, seed: int) -> None:
        a, b = (self.make(N_ACTIONS, self.state_size, seed) for _ in range(2))
        assert live(a, steps(3, 60, 1, self.layout)) == live(b, steps(3, 60, 1, self.layout))
        assert_same_state(a.state_dict(), b.state_dict())

    def test_evaluation_changes_nothing_and_repeats_itself(self, states: NDArray[np.float32]) -> None:
        agent = self.make(N_ACTIONS, self.state_size, 0)
        live(agent, steps(3, 30, 1, self.layout))
        before = deepcopy(agent.state_dict())
        first, second = (agent.top_k_actions_for_states(states, 3, explore=False) for _ in range(2))
        assert first.tolist() == second.tolist()
        assert_same_state(agent.state_dict(), before)

    @pytest.mark.parametrize("past", [0, 30])
    def test_without_exploration_the_highest_scores_are_chosen(self, states: NDArray[np.float32], past: int) -> None:
        agent = self.make(N_ACTIONS, self.state_size, 0)
        live(agent, steps(3, past, 1, self.layout))
        some = np.random.default_rng(0).permuted(np.tile(np.arange(N_ACTIONS) < 4, (20, 1)), axis=1)
        for masks in (None, some):
            for k in (1,) if self.varies_slates else (1, 3):
                agent.begin_episodes(np.ones(20, dtype=np.bool_))  # those that remember a session score its start
                slates = agent.top_k_actions_for_states(states, k, explore=False, action_masks=masks)
                scores = agent.scores(states, masks)
                best = -np.sort(-scores, axis=1)[:, :k]
                np.testing.assert_allclose(np.take_along_axis(scores, slates, axis=1), best, rtol=1e-5)

    @pytest.mark.parametrize("past", [0, 30])
    def test_scores_are_finite_where_an_action_is_allowed(self, states: NDArray[np.float32], past: int) -> None:
        agent = self.make(N_ACTIONS, self.state_size, 0)
        live(agent, steps(3, past, 1, self.layout))
        before = deepcopy(agent.state_dict())
        scores, masks = agent.scores(states), np.random.default_rng(0).random((20, N_ACTIONS)) < 0.5
        masks[:, 0] = True
        assert scores.shape == (20, N_ACTIONS)
        assert scores.dtype.kind == "f"
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(np.isfinite(agent.scores(states, masks)), masks)
        assert_same_state(agent.state_dict(), before)

    @pytest.mark.parametrize("past", [0, 30])
    def test_probabilities_of_all_slates_sum_to_1(self, past: int) -> None:
        agent, state = self.make(N_ACTIONS, self.state_size, 0), self.states_of_one(1)
        live(agent, steps(3, past, 1, self.layout))
        if not self.has_probabilities:
            if past:  # some are random before they learn
                with pytest.raises(NotImplementedError, match="no probabilities of slates in closed form"):
                    agent.log_probabilities(state, np.array([[0, 1]]))
            return
        before = deepcopy(agent.state_dict())
        for k, mask in ((1, np.arange(N_ACTIONS) > 2), (2, np.ones(N_ACTIONS, dtype=np.bool_))):
            slates = slates_of(k, mask)
            masks = np.tile(mask, (len(slates), 1))
            logarithms = agent.log_probabilities(np.tile(state, (len(slates), 1)), slates, masks)
            assert logarithms.shape == (len(slates),)
            assert np.exp(logarithms).sum() == pytest.approx(1, abs=1e-5)
        assert_same_state(agent.state_dict(), before)
        forbidden = agent.log_probabilities(state, np.array([[4, 0]]), np.arange(N_ACTIONS)[None] > 2)
        assert forbidden == -np.inf

    @pytest.mark.parametrize("past", [0, 30])
    def test_probabilities_are_those_with_which_it_chooses(self, past: int) -> None:
        if not self.has_probabilities:
            return
        agent, n = self.make(N_ACTIONS, self.state_size, 0), 3000
        live(agent, steps(3, past, 1, self.layout))
        states, mask = self.states_of_one(n), np.arange(N_ACTIONS) > 3
        slates = agent.top_k_actions_for_states(states, 2, action_masks=np.tile(mask, (n, 1)))
        for slate in slates_of(2, mask):
            probability = float(np.exp(agent.log_probabilities(states[:1], slate[None], mask[None]))[0])
            share = (slates == slate).all(axis=1).mean()
            assert share == pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / n) + 1e-6)


class AgentContract(AgentSmoke):
    """The full set: inherit from it in the test class of an agent."""

    @pytest.mark.parametrize("k", [0, N_ACTIONS + 1])
    def test_impossible_slates_are_refused(self, states: NDArray[np.float32], k: int) -> None:
        with pytest.raises(ValueError, match=str(k)):
            self.make(N_ACTIONS, STATE_SIZE, 0).top_k_actions_for_states(states, k)

    @pytest.mark.parametrize("explore", [True, False])
    @pytest.mark.parametrize("k", [1, 2])
    @pytest.mark.parametrize("past", [0, 30])
    def test_only_allowed_actions_are_chosen(
        self, states: NDArray[np.float32], k: int, explore: bool, past: int
    ) -> None:
        agent = self.make(N_ACTIONS, STATE_SIZE, 0)
        live(agent, steps(3, past, seed=1))
        rng = np.random.default_rng(0)
        for n_allowed in (k, 4):
            masks = rng.permuted(np.tile(np.arange(N_ACTIONS) < n_allowed, (20, 1)), axis=1)
            slates = agent.top_k_actions_for_states(states, k, explore=explore, action_masks=masks)
            assert slates.shape == (20, k)
            assert np.take_along_axis(masks, slates, axis=1).all()
            assert all(len(set(slate)) == k for slate in slates.tolist())

    def test_masks_that_allow_too_few_are_refused(self, states: NDArray[np.float32]) -> None:
        masks = np.ones((20, N_ACTIONS), dtype=np.bool_)
        masks[7, 2:] = False
        with pytest.raises(ValueError, match="allows 2 of 7"):
            self.make(N_ACTIONS, STATE_SIZE, 0).top_k_actions_for_states(states, 3, action_masks=masks)

    @pytest.mark.parametrize("explore", [True, False])
    def test_one_state_is_a_batch_of_one(self, states: NDArray[np.float32], explore: bool) -> None:
        single, batch = (self.make(N_ACTIONS, STATE_SIZE, 3) for _ in range(2))
        for state in states:
            action = single.action_for_state(state, explore=explore)
            assert type(action) is int
            assert action == batch.actions_for_states(state[None], explore=explore)[0]
            slate = single.top_k_actions_for_state(state, 2, explore=explore)
            assert slate.tolist() == batch.top_k_actions_for_states(state[None], 2, explore=explore)[0].tolist()

    def test_storing_one_step_is_storing_a_batch_of_one(self) -> None:
        single, batch = (self.make(N_ACTIONS, STATE_SIZE, 3) for _ in range(2))
        for step in steps(1, 60, seed=1):
            action = single.action_for_state(step.observations[0])
            assert action == batch.actions_for_states(step.observations)[0]
            reward, done, truncated = float(step.rewards[0]), bool(step.terminated[0]), bool(step.truncated[0])
            single.store_experience(
                step.observations[0], action, reward, done, step.next_observations[0], truncated=truncated
            )
            batch.store_experiences(step._replace(actions=np.array([action])))
        assert_same_state(single.state_dict(), batch.state_dict())

    def test_other_seeds_give_other_lives(self) -> None:
        lives = [live(self.make(N_ACTIONS, STATE_SIZE, seed), steps(3, 60, seed=1)) for seed in (0, 1, 42)]
        assert lives[0] != lives[1]
        assert lives[0] != lives[2]
        assert lives[1] != lives[2]

    def test_evaluation_in_the_middle_of_a_life_leaves_no_trace(self, states: NDArray[np.float32]) -> None:
        agent, twin = (self.make(N_ACTIONS, STATE_SIZE, 0) for _ in range(2))
        walk = list(steps(3, 80, seed=1))
        for past in (walk[:7], walk[7:50]):  # before the first update, and after some
            assert live(agent, iter(past)) == live(twin, iter(past))
            before = deepcopy(agent.state_dict()) if agent.evaluation_changes_state else None
            for rows in (np.ones(20, dtype=np.bool_), np.arange(20) < 3):
                agent.begin_episodes(rows)
                agent.top_k_actions_for_states(states, 3, explore=False)
                agent.actions_for_states(states, explore=False, action_masks=np.ones((20, N_ACTIONS), dtype=np.bool_))
            if before is not None:
                agent.load_state_dict(before)
            assert_same_state(agent.state_dict(), twin.state_dict())
        assert live(agent, iter(walk[50:])) == live(twin, iter(walk[50:]))
        assert_same_state(agent.state_dict(), twin.state_dict())

    def test_updates_are_counted(self) -> None:
        agent, restored = (self.make(N_ACTIONS, STATE_SIZE, 0) for _ in range(2))
        assert agent.updates == (0 if self.learns else None)
        assert bool(agent.first_update) == self.learns
        live(agent, steps(3, 80, seed=1))
        assert agent.updates is None or agent.updates > 0
        restored.load_state_dict(agent.state_dict())
        assert restored.updates == agent.updates

    def test_acting_does_not_learn(self, states: NDArray[np.float32]) -> None:
        agent = self.make(N_ACTIONS, STATE_SIZE, 0)
        live(agent, steps(3, 30, seed=1))
        before = deepcopy(self.learned(agent))
        for k in (1, 3):
            for _ in range(50):
                agent.top_k_actions_for_states(states, k)
        assert_same_state(self.learned(agent), before)

    def test_storing_leaves_its_arguments_alone(self) -> None:
        agent = self.make(N_ACTIONS, STATE_SIZE, 0)
        for step in masked_steps(3, 30, seed=1):
            assert step.action_masks is not None
            step = step._replace(actions=step.action_masks.argmax(axis=1))
            before = deepcopy(step)
            agent.store_experiences(step)
            for name, column in step.columns().items():
                assert column.tobytes() == getattr(before, name).tobytes()

    @pytest.mark.parametrize("taken_after", [48, *(pytest.param(n, marks=pytest.mark.slow) for n in (46, 47, 49, 50))])
    def test_restored_from_its_state_it_goes_on_identically(self, taken_after: int) -> None:
        original = self.make(N_ACTIONS, STATE_SIZE, 0)
        # Of another seed and with another past, so that whatever the state lacks shows.
        restored = self.make(N_ACTIONS, STATE_SIZE, 1)
        live(restored, steps(3, 25, seed=7))
        walk = list(steps(3, 120, seed=1))
        live(original, iter(walk[:taken_after]))
        state = original.state_dict()
        assert_plain(state)
        taken = deepcopy(state)
        restored.load_state_dict(state)
        assert_same_state(restored.state_dict(), taken)
        assert live(restored, iter(walk[taken_after:])) == live(original, iter(walk[taken_after:]))
        assert_same_state(restored.state_dict(), original.state_dict())
        # Neither life has touched the state that was taken.
        assert_same_state(state, taken)

    def test_global_generators_are_left_alone(self, states: NDArray[np.float32]) -> None:
        def global_state() -> tuple[Any, ...]:
            name, keys, *rest = np.random.get_state()
            return random.getstate(), name, keys.tolist(), rest, torch.get_rng_state().tolist()

        before = global_state()
        agent = self.make(N_ACTIONS, STATE_SIZE, 0)
        live(agent, steps(3, 60, seed=1))
        agent.top_k_actions_for_states(states, 3)
        assert global_state() == before
