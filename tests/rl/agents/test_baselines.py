import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from contracts.agents import AgentContract
from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.rl.agents.baselines import BestRatedAgent, WinStayAgent

RATINGS = np.array([3.0, 4.5, 2.0, 4.5, 5.0, 1.0, 4.0])


class TestRandomAgent(AgentContract):
    generators = frozenset({"random", "space"})
    learns = False
    test_evaluation_changes_nothing_and_repeats_itself = None  # there is nothing to it but chance

    def make(self, n_actions: int, state_size: int, seed: int) -> RandomAgent:
        return RandomAgent(Discrete(n_actions), seed)


class TestBestRatedAgent(AgentContract):
    learns = False
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> BestRatedAgent:
        return BestRatedAgent(RATINGS)


class TestWinStayAgent(AgentContract):
    learns = False
    test_other_seeds_give_other_lives = None  # there is no chance to it
    # Where it stands among the candidates follows from what it sees, training or not.
    test_evaluation_changes_nothing_and_repeats_itself = None
    test_acting_does_not_learn = None

    def make(self, n_actions: int, state_size: int, seed: int) -> WinStayAgent:
        return WinStayAgent(RATINGS, rating_index=1)


def test_random_slates_are_uniform_over_ordered_sets() -> None:
    agent = RandomAgent(MultiDiscrete([4, 4]), 0)
    slates = agent.top_k_actions_for_states(np.zeros((24_000, 1)), 2)
    counts = np.bincount(slates[:, 0] * 4 + slates[:, 1], minlength=16).reshape(4, 4)
    assert (counts.diagonal() == 0).all()
    # 12 ordered pairs, 2,000 expected of each, standard deviation 43.
    assert abs(counts[~np.eye(4, dtype=bool)] - 2000).max() < 4.5 * 43


def test_random_slates_within_masks_are_uniform_over_ordered_sets() -> None:
    agent = RandomAgent(MultiDiscrete([6, 6]), 0)
    masks = np.tile([True, False, True, True, False, True], (24_000, 1))
    slates = agent.top_k_actions_for_states(np.zeros((24_000, 1)), 2, action_masks=masks)
    counts = np.bincount(slates[:, 0] * 6 + slates[:, 1], minlength=36).reshape(6, 6)[masks[0]][:, masks[0]]
    assert (counts.diagonal() == 0).all()
    # As above.
    assert abs(counts[~np.eye(4, dtype=bool)] - 2000).max() < 4.5 * 43


def test_random_actions_respect_where_the_space_starts() -> None:
    actions = RandomAgent(Discrete(3, start=5), 0).actions_for_states(np.zeros((100, 1)))
    assert set(actions.tolist()) == {5, 6, 7}


def test_random_does_not_seed_the_space_of_others() -> None:
    space = Discrete(100, seed=1)
    before = space.np_random.bit_generator.state
    RandomAgent(space, 0).actions_for_states(np.zeros((10, 1)))
    assert space.np_random.bit_generator.state == before


def test_random_samples_boxes_but_has_no_slates_of_them() -> None:
    agent = RandomAgent(Box(-1, 1, (2,)), 0)
    assert agent.actions_for_states(np.zeros((3, 1))).shape == (3, 2)
    with pytest.raises(TypeError, match="slate"):
        agent.top_k_actions_for_states(np.zeros((3, 1)), 2)


def test_best_rated_shows_the_best_first() -> None:
    assert BestRatedAgent(RATINGS).top_k_actions_for_states(np.zeros((2, 25)), 4).tolist() == [[4, 1, 3, 6]] * 2


def test_win_stay_shifts_only_after_a_low_rating() -> None:
    agent = WinStayAgent(RATINGS, candidates=3, rating_index=0)
    shown = [agent.actions_for_states(np.array([[r]], np.float32)).item() for r in (0, 0.9, 0.86, 0.85, 0.2, 0.2, 1, 0)]
    assert shown == [4, 4, 4, 1, 3, 4, 4, 4]
    other = WinStayAgent(RATINGS, candidates=3, rating_index=0)
    rows = np.array([[0.0], [0.0]], np.float32)
    other.actions_for_states(rows)
    assert other.actions_for_states(np.array([[0.5], [0.95]], np.float32)).tolist() == [1, 4]


def test_win_stay_slates_shift_as_a_whole() -> None:
    agent = WinStayAgent(RATINGS, candidates=5, rating_index=0)
    slates = [agent.top_k_actions_for_states(np.array([[r]], np.float32), 2).tolist()[0] for r in (0, 0.9, 0.1, 0.1)]
    assert slates == [[4, 1], [4, 1], [3, 6], [0, 4]]
    with pytest.raises(ValueError, match="6"):
        agent.top_k_actions_for_states(np.zeros((1, 1), np.float32), 6)
