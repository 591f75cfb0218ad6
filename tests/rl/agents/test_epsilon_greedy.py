import pytest

from contracts.agents import assert_plain
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_so_many_explore(probability: float) -> None:
    explores = DecayingEpsilonGreedy(probability, minimum_exploration_probability=0.0).explores(20_000)
    assert explores.shape == (20_000,)
    assert explores.mean() == pytest.approx(probability, abs=0.01)


def test_the_probability_decays_to_its_minimum() -> None:
    exploration = DecayingEpsilonGreedy(0.8, decay_rate=0.5, minimum_exploration_probability=0.15)
    seen = []
    for _ in range(4):
        seen.append(exploration.epsilon)
        exploration.decay()
    assert seen == [0.8, 0.4, 0.2, 0.15]
    assert exploration.epsilon == 0.15


def test_it_decays_only_when_told_to() -> None:
    exploration = DecayingEpsilonGreedy(0.8, decay_rate=0.5)
    exploration.explores(10)
    assert exploration.epsilon == 0.8


def test_the_founding_defaults() -> None:
    exploration = DecayingEpsilonGreedy()
    exploration.decay()
    assert exploration.epsilon == 0.2
    assert exploration.minimum_exploration_probability == 0.01


def test_seeds_and_states() -> None:
    a, b, c = (DecayingEpsilonGreedy(0.5, 0.9, random_state=seed) for seed in (1, 1, 2))
    assert a.explores(50).tolist() == b.explores(50).tolist() != c.explores(50).tolist()
    a.decay()
    state = a.state_dict()
    assert_plain(state)
    c.load_state_dict(state)
    assert c.epsilon == 0.45
    assert c.explores(50).tolist() == a.explores(50).tolist()


def test_a_minimum_above_the_initial_probability_is_refused() -> None:
    with pytest.raises(InputError, match=r"must be at most initial_exploration_probability, 0\.2, it is 0\.21"):
        DecayingEpsilonGreedy(minimum_exploration_probability=0.21)
