"""The search spaces that are declared with the agents."""

import itertools

import numpy as np
import pytest

from contracts.quick import world_options
from pydeeprecsys.data.world import World
from pydeeprecsys.experiments.catalogue import learners
from pydeeprecsys.experiments.registry import AGENTS, agent_options, make_agent
from pydeeprecsys.experiments.search import Search
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.rl.manager import MovieLensFairnessManager

# `win-stay` has options that are as the reference returns have them; the others have none.
NOTHING_TO_LOOK_FOR = {"random", "popular", "best-rated", "best-constant", "win-stay", "oracle"}


def test_every_agent_with_something_to_look_for_has_one() -> None:
    assert set(learners()) == AGENTS.keys() - NOTHING_TO_LOOK_FOR


@pytest.mark.parametrize("agent", learners())
def test_it_names_options_and_holds_their_defaults(agent: str) -> None:
    defaults = {option.name: option.default for option in agent_options(agent)}
    for name, domain in AGENTS[agent].search_space.items():
        assert defaults[name] in domain, name


@pytest.mark.slow
@pytest.mark.parametrize("agent", learners())
def test_agents_can_be_made_anywhere_in_it(world: World, agent: str) -> None:
    manager = MovieLensFairnessManager(seed=0, dataset=world, **world_options(agent))
    states, _ = manager.batch.reset(seed=0)
    space = AGENTS[agent].search_space
    corners = {name: domain.corners() for name, domain in space.items()}
    # Every corner of every option, and the others' corners drawn beside it.
    random = np.random.default_rng(0)
    for name, value in itertools.chain.from_iterable(((n, v) for v in vs) for n, vs in corners.items()):
        options = {other: values[random.integers(len(values))] for other, values in corners.items()} | {name: value}
        made = make_agent(agent, manager, 0, **options)
        assert made.top_k_actions_for_states(states, 1).shape == (1, 1), options


@pytest.mark.slow
@pytest.mark.parametrize("agent", learners())
def test_what_is_proposed_lies_in_it(world: World, agent: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    tuning = Tuning(task=Task(world=world), agent=agent)
    search = Search(tmp_path_factory.mktemp("search") / "study.db", tuning.space, tuning.defaults, seed=0)
    first, *others = [search.propose(number) for number in range(4)]
    assert first == tuning.defaults
    for options in others:
        assert options.keys() == tuning.space.keys()
        assert all(options[name] in domain for name, domain in tuning.space.items()), options
    assert others[0] != others[1]
