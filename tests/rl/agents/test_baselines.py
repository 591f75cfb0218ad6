import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from contracts.agents import AgentContract, AgentSmoke
from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.rl.agents.baselines import BestConstantAgent, BestRatedAgent, PopularAgent, VariedAgent, WinStayAgent

RATINGS = np.array([3.0, 4.5, 2.0, 4.5, 5.0, 1.0, 4.0])
GENRES = np.array([[1, 0], [1, 1], [0, 1], [1, 0], [1, 0], [0, 0], [0, 1]])


class TestRandomAgent(AgentContract):
    has_probabilities = True
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


class TestPopularAgent(AgentSmoke):
    learns = False
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> PopularAgent:
        return PopularAgent([3, 40, 0, 5, 5, 1, 7])


class TestBestConstantAgent(AgentSmoke):
    learns = False
    test_other_seeds_give_other_lives = None  # there is no chance to it

    def make(self, n_actions: int, state_size: int, seed: int) -> BestConstantAgent:
        return BestConstantAgent([3, 1, 0, 5, 4, 2, 6])


class TestVariedAgent(AgentContract):
    learns = False
    generators = frozenset({"positions"})
    test_other_seeds_give_other_lives = None  # there is no chance to it
    # Where it stands in its list follows from how often it was asked, training or not.
    test_evaluation_changes_nothing_and_repeats_itself = None

    def make(self, n_actions: int, state_size: int, seed: int) -> VariedAgent:
        return VariedAgent(RATINGS, GENRES)


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


def test_popular_shows_the_most_rated_first() -> None:
    assert PopularAgent([2, 9, 0, 9, 30]).top_k_actions_for_states(np.zeros((1, 25)), 4).tolist() == [[4, 1, 3, 0]]


def test_best_constant_keeps_to_its_order() -> None:
    agent = BestConstantAgent([2, 0, 1])
    masks = np.array([[True, True, False], [True, True, True]])
    assert agent.top_k_actions_for_states(np.zeros((2, 25)), 2, action_masks=masks).tolist() == [[0, 1], [2, 0]]


FIVE = {"mean_ratings": [5.0, 4.9, 4.6, 4.0, 3.9], "genres": [[1, 0], [1, 0], [1, 1], [0, 1], [0, 0]]}
ORDER = [0, 3, 1, 4, 2]  # with weight 2 and decay 0.5: tests/rl/ops/test_variety.py works it out


def test_varied_walks_along_its_list_and_starts_again_with_the_session() -> None:
    agent = VariedAgent(**FIVE, weight=2.0, decay=0.5)
    states = np.zeros((2, 25), np.float32)
    agent.begin_episodes(np.array([True, True]))
    slates = [agent.top_k_actions_for_states(states, 2).tolist() for _ in range(2)]
    assert slates == [[[0, 3]] * 2, [[1, 4]] * 2]
    agent.begin_episodes(np.array([False, True]))
    slates = [agent.top_k_actions_for_states(states, 2).tolist() for _ in range(2)]
    assert slates == [[[2, 0], [0, 3]], [[3, 1], [1, 4]]]  # after the end comes the front
    assert VariedAgent(**FIVE, weight=0.0).order.tolist() == [0, 1, 2, 3, 4]


def test_varied_shows_the_first_items_that_masks_leave() -> None:
    agent = VariedAgent(**FIVE, weight=2.0, decay=0.5)
    masks = np.ones((2, 5), dtype=np.bool_)
    masks[0, [0, 1]] = False
    for _ in range(2):  # what was shown and not consumed may well be shown again
        slates = agent.top_k_actions_for_states(np.zeros((2, 25)), 2, action_masks=masks)
        assert slates.tolist() == [[3, 4], [0, 3]]


def test_one_state_at_a_time_varied_goes_on_until_it_is_told_of_an_episode() -> None:
    agent = VariedAgent(**FIVE, weight=2.0, decay=0.5)
    assert [agent.action_for_state(np.zeros(25)) for _ in range(7)] == [*ORDER, *ORDER[:2]]
    agent.begin_episodes(np.array([True]))
    assert agent.action_for_state(np.zeros(25)) == 0
    assert agent.top_k_actions_for_states(np.zeros((3, 25)), 1).tolist() == [[0]] * 3  # another batch begins anew


def test_win_stay_shifts_only_after_a_low_rating() -> None:
    agent = WinStayAgent(RATINGS, candidates=3, rating_index=0)
    shown = [agent.actions_for_states(np.array([[r]], np.float32)).item() for r in (0, 0.9, 0.86, 0.85, 0.2, 0.2, 1)]
    assert shown == [4, 4, 4, 1, 3, 4, 4]
    other = WinStayAgent(RATINGS, candidates=3, rating_index=0)
    rows = np.array([[0.0], [0.0]], np.float32)
    other.actions_for_states(rows)
    assert other.actions_for_states(np.array([[0.5], [0.95]], np.float32)).tolist() == [1, 4]


def test_win_stay_tells_a_refusal_from_a_new_session() -> None:
    agent = WinStayAgent(RATINGS, candidates=3, rating_index=0)
    nothing_rated = np.zeros((2, 1), np.float32)
    agent.begin_episodes(np.array([True, True]))
    assert agent.actions_for_states(nothing_rated).tolist() == [4, 4]
    assert agent.actions_for_states(nothing_rated).tolist() == [1, 1]  # nothing was chosen: it shifts
    agent.begin_episodes(np.array([True, False]))
    assert agent.actions_for_states(nothing_rated).tolist() == [4, 3]


def test_win_stay_slates_shift_as_a_whole() -> None:
    agent = WinStayAgent(RATINGS, candidates=5, rating_index=0)
    slates = [agent.top_k_actions_for_states(np.array([[r]], np.float32), 2).tolist()[0] for r in (0, 0.9, 0.1, 0.1)]
    assert slates == [[4, 1], [4, 1], [3, 6], [0, 4]]
    with pytest.raises(ValueError, match="6"):
        agent.top_k_actions_for_states(np.zeros((1, 1), np.float32), 6)
