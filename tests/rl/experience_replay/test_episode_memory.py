import numpy as np

from contracts.agents import assert_same_state
from pydeeprecsys.rl.experience_replay.episode_memory import EpisodeMemory
from pydeeprecsys.rl.experience_replay.transition import Transition


def step(t: int, ends: list[int], began: list[int] | None = None, start: float = 0.0) -> Transition:
    """Step t of some environments, in state t, with reward t + 1."""
    n = len(ends)
    states, no = np.full((n, 1), start + t, dtype=np.float32), np.zeros(n, dtype=np.bool_)
    terminated = np.array(ends, dtype=np.bool_)
    of_known = None if began is None else np.array(began, dtype=np.bool_)
    return Transition(states, np.arange(n), np.full(n, t + 1.0), terminated, no, states + 1, began=of_known)


def rewards(memory: EpisodeMemory) -> list[list[float]]:
    steps, complete = memory.complete_steps()
    return [steps.rewards[complete[:, row], row].tolist() for row in range(memory.n)]


def test_an_episode_is_forgotten_where_another_begins_in_the_same_state() -> None:
    memory = EpisodeMemory()
    for t, began in enumerate(([1, 1], [0, 1], [0, 0])):
        still = step(t, [t == 2] * 2, began)
        memory.add(still._replace(observations=still.observations * 0, next_observations=still.observations * 0))
    assert rewards(memory) == [[1, 2, 3], [2, 3]]


def test_an_episode_is_forgotten_where_the_observation_is_not_the_expected_one() -> None:
    memory = EpisodeMemory()
    for t in (0, 1):
        memory.add(step(t, [0]))
    memory.add(step(0, [0], start=50))
    memory.add(step(1, [1], start=50))
    assert rewards(memory) == [[1, 2]]


def test_unfinished_episodes_stay_when_complete_ones_are_forgotten() -> None:
    memory, restored = EpisodeMemory(), EpisodeMemory()
    for t, ends in enumerate(([1, 0], [0, 0], [0, 1], [0, 0])):
        memory.add(step(t, ends, began=[t in (0, 1), t in (0, 3)]))
    assert memory.n_complete == 2
    assert rewards(memory) == [[1], [1, 2, 3]]
    memory.forget_complete()
    assert (memory.n_complete, rewards(memory)) == (0, [[], []])
    restored.load_state_dict(memory.state_dict())
    for of in (memory, restored):
        of.add(step(4, [1, 1], began=[0, 0]))
        assert rewards(of) == [[2, 3, 4, 5], [4, 5]]
    assert_same_state(restored.state_dict(), memory.state_dict())


def test_log_probabilities_of_unfinished_episodes_are_recorded_once() -> None:
    memory, restored = EpisodeMemory(), EpisodeMemory()
    unknown = np.full(2, np.nan)
    for t, ends in enumerate(([0, 0], [1, 0], [0, 0])):
        memory.add(step(t, ends, began=[t in (0, 2), t == 0])._replace(log_probabilities=unknown))
    memory.record_log_probabilities(lambda steps: -steps.rewards)
    memory.forget_complete()
    restored.load_state_dict(memory.state_dict())
    for of in (memory, restored):
        of.add(step(3, [0, 0], began=[0, 0])._replace(log_probabilities=unknown))
        of.record_log_probabilities(lambda steps: -100 * steps.rewards)
        of.add(step(4, [1, 1], began=[0, 0])._replace(log_probabilities=unknown))
        of.record_log_probabilities(lambda steps: steps.rewards)  # of none
        steps, complete = of.complete_steps()
        assert steps.log_probabilities is not None
        np.testing.assert_equal(steps.log_probabilities[complete[:, 0], 0], [-3, -400, np.nan])
        np.testing.assert_equal(steps.log_probabilities[complete[:, 1], 1], [-1, -2, -3, -400, np.nan])


def test_other_environments_start_anew() -> None:
    memory = EpisodeMemory()
    memory.add(step(0, [1, 1]))
    memory.add(step(0, [1, 1, 0]))
    assert (memory.n, memory.n_complete, rewards(memory)) == (3, 2, [[1], [1], []])
    costly = step(0, [1, 0, 0])._replace(costs=np.ones(3))
    memory.add(costly)
    assert memory.n_complete == 1


def test_it_grows_with_its_episodes() -> None:
    memory = EpisodeMemory()
    for t in range(300):
        memory.add(step(t, [t == 299, t % 100 == 99], began=[t == 0, t % 100 == 0]))
    assert memory.n_complete == 4
    assert rewards(memory) == [list(range(1, 301))] * 2
