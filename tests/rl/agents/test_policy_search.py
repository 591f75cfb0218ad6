import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.agents import AgentContract, assert_same_state
from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.baselines import PopularAgent, VariedAgent
from pydeeprecsys.rl.agents.cma_es import CMAESAgent
from pydeeprecsys.rl.agents.evolution_strategies import EvolutionStrategiesAgent
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.search_space import Between

RATINGS = np.array([3.0, 4.5, 2.0, 4.5, 5.0, 1.0, 4.0])
GENRES = np.array([[1, 0], [1, 1], [0, 1], [1, 0], [1, 0], [0, 0], [0, 1]])
SEARCHES = [CMAESAgent, EvolutionStrategiesAgent]


class Shelf(ReinforcementLearning):
    """A policy of two numbers, which does nothing else."""

    parameter_space: ClassVar[Mapping[str, Between]] = {"height": Between(1.0, 5.0), "width": Between(1.0, 100.0, True)}

    def __init__(self, height: float = 2.0, width: float = 1.0) -> None:
        self.height, self.width, self.n_actions = height, width, 3


def learned(search: PolicySearch, generations: int) -> PolicySearch:
    """Learn on a quadratic whose best height is 4 and whose best width is 10."""
    for _ in range(generations):
        shelves = [search.base.with_parameters(parameters) for parameters in search.candidates]
        search.learn(np.array([-((s.height - 4.0) ** 2) - np.log(s.width / 10.0) ** 2 for s in shelves]))
    return search


class SearchContract(AgentContract):
    learns = False  # from transitions
    generators = frozenset({"positions"})
    # The base has no chance to it, and learning needs whole sessions.
    test_other_seeds_give_other_lives = None
    test_updates_are_counted = None
    test_evaluation_changes_nothing_and_repeats_itself = None


class TestCMAESAgent(SearchContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> CMAESAgent:
        return CMAESAgent(VariedAgent(RATINGS, GENRES), random_state=seed)


class TestEvolutionStrategiesAgent(SearchContract):
    def make(self, n_actions: int, state_size: int, seed: int) -> EvolutionStrategiesAgent:
        return EvolutionStrategiesAgent(VariedAgent(RATINGS, GENRES), random_state=seed)


@pytest.mark.parametrize("kind", SEARCHES)
def test_the_optimum_of_a_quadratic_is_found(kind: type[PolicySearch]) -> None:
    search = learned(kind(Shelf()), 60)
    assert search.parameters == pytest.approx({"height": 4.0, "width": 10.0}, rel=0.1)
    assert search.updates == 60
    assert search.parameters == {name: getattr(search.policy, name) for name in ("height", "width")}
    assert (search.base.height, search.base.width) == (2.0, 1.0)


@pytest.mark.parametrize("kind", SEARCHES)
def test_before_the_first_generation_the_policy_is_the_base(kind: type[PolicySearch]) -> None:
    base = Shelf(0.1 + 0.2 + 1.0, 7.0)
    search = kind(base)
    assert search.policy is base
    search.load_state_dict(search.state_dict())
    assert search.parameters == {"height": base.height, "width": base.width}


@pytest.mark.parametrize("kind", SEARCHES)
def test_the_same_seed_gives_the_same_candidates_and_a_restored_search_goes_on_with_them(
    kind: type[PolicySearch],
) -> None:
    whole, twin, other = (learned(kind(Shelf(), random_state=seed), 7) for seed in (3, 3, 4))
    assert whole.candidates.tobytes() == twin.candidates.tobytes() == whole.candidates.tobytes()
    assert whole.candidates.tobytes() != other.candidates.tobytes()
    restored = kind(Shelf(), random_state=3)
    restored.load_state_dict(learned(kind(Shelf(), random_state=3), 4).state_dict())
    assert restored.updates == 4
    assert_same_state(learned(restored, 3).state_dict(), whole.state_dict())
    assert restored.candidates.tobytes() == whole.candidates.tobytes()
    assert restored.parameters == whole.parameters


@pytest.mark.parametrize("kind", SEARCHES)
def test_saved_parameters_are_those_of_the_policy(kind: type[PolicySearch], tmp_path: Path) -> None:
    search, other = learned(kind(Shelf()), 3), kind(Shelf())
    search.save(tmp_path / "agent.safetensors")
    other.load(tmp_path / "agent.safetensors")
    assert other.parameters == search.parameters
    with pytest.raises(InputError, match=r"does not fit this .*Agent: parameters is of shape \(2,\) there and \(1,\)"):
        kind(OneNumber()).load(tmp_path / "agent.safetensors")


class OneNumber(Shelf):
    parameter_space: ClassVar[Mapping[str, Between]] = {"height": Between(1.0, 5.0)}


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_single_parameter_is_searched(kind: type[PolicySearch]) -> None:
    assert learned(kind(OneNumber()), 60).parameters == pytest.approx({"height": 4.0}, rel=0.1)


@pytest.mark.parametrize("kind", SEARCHES)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_returns_that_are_not_finite_are_refused_and_change_nothing(kind: type[PolicySearch], wrong: float) -> None:
    search = learned(kind(Shelf()), 2)
    before, returns = search.state_dict(), np.zeros(len(search.candidates))
    returns[1] = wrong
    with pytest.raises(FloatingPointError, match="the return of a candidate is NaN or infinite"):
        search.learn(returns)
    assert_same_state(search.state_dict(), before)


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_base_without_parameters_is_refused(kind: type[PolicySearch]) -> None:
    with pytest.raises(InputError, match="PopularAgent has no parameters to search; give a base with a parameter_sp"):
        kind(PopularAgent([1, 2, 3]))


@pytest.mark.parametrize("kind", SEARCHES)
def test_equal_returns_of_all_candidates_are_no_error(kind: type[PolicySearch]) -> None:
    search = kind(Shelf())
    for _ in range(5):
        search.learn(np.ones(len(search.candidates)))
    assert np.isfinite(search.mean).all()


def test_the_library_reads_and_writes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text("{'popsize': nonsense}")
    learned(CMAESAgent(Shelf()), 3)
    assert os.listdir(tmp_path) == ["cma_signals.in"]


class Line(ReinforcementLearning):
    """Pushes the cart to the side of a weighted sum of the observation: a linear network of five weights."""

    n_actions = 2

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights

    def get_parameters(self) -> NDArray[np.float64]:
        return self.weights

    def with_parameters(self, parameters: NDArray[np.float64]) -> "Line":
        return Line(parameters)

    def choose(self, states: NDArray[np.float32], k: int, explore: bool, action_masks: object) -> NDArray[np.int64]:
        return ((states @ self.weights[:4] + self.weights[4]) > 0).astype(np.int64)[:, None]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEARCHES)
def test_weights_of_a_network_are_searched_too(kind: type[PolicySearch]) -> None:
    from pydeeprecsys.rl.manager import CartpoleManager

    search = kind(Line(np.zeros(5)), sessions=2)
    manager = CartpoleManager(seed=0, n_envs=2)
    manager.train(search, max_episodes=600, should_print=False)
    assert search.parameters == {}
    judged = CartpoleManager(seed=1_000, n_envs=10).execute_episodes(search, 20)
    assert np.mean([output.reward_sum for output in judged]) > 300  # zero weights last for 9 steps; 500 is the limit
