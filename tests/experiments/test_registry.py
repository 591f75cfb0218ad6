import inspect

import numpy as np
import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_options, make_agent
from pydeeprecsys.rl.manager import MovieLensFairnessManager


@pytest.mark.parametrize("name", AGENTS)
def test_every_option_is_documented_and_has_a_default(name: str) -> None:
    for option in agent_options(name):
        assert option.help, option
        assert option.default is not inspect.Parameter.empty, option


@pytest.mark.parametrize("slate_size", [1, 3])
@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_is_made_and_shows_items_of_the_catalogue(world: World, name: str, slate_size: int) -> None:
    manager = MovieLensFairnessManager(seed=0, slate_size=slate_size, n_envs=4, dataset=world)
    states, _ = manager.batch.reset(seed=0)
    slates = make_agent(name, manager, seed=0).top_k_actions_for_states(states, slate_size)
    assert slates.shape == (4, slate_size)
    assert all(len(set(slate)) == slate_size and set(slate) <= set(range(world.n_items)) for slate in slates.tolist())


def test_options_and_seed_reach_the_agent(world: World) -> None:
    manager = MovieLensFairnessManager(dataset=world)
    agent = make_agent("reinforce", manager, seed=5, learning_rate=0.5, hidden_layers=[3])
    twin, other = (make_agent("reinforce", manager, seed=seed, hidden_layers=[3]) for seed in (5, 6))
    weights = [repr(a.state_dict()["policy_estimator"]) for a in (agent, twin, other)]
    assert weights[1] != weights[2]
    assert agent.policy_estimator.optimizer.param_groups[0]["lr"] == 0.5
    states = np.random.default_rng(0).random((50, 25), dtype=np.float32)
    assert agent.actions_for_states(states).tolist() == twin.actions_for_states(states).tolist()


def test_unknown_names_are_answered_with_the_nearest(world: World) -> None:
    with pytest.raises(InputError, match="did you mean 'reinforce'"):
        agent_class("reinforse")
    with pytest.raises(InputError, match="random, best-rated"):
        agent_class("xyz")
    manager = MovieLensFairnessManager(dataset=world)
    with pytest.raises(InputError, match="did you mean 'learning_rate'"):
        make_agent("reinforce", manager, 0, learningrate=1.0)
    with pytest.raises(InputError, match="there are: none"):
        make_agent("random", manager, 0, learning_rate=1.0)
    with pytest.raises(InputError, match="no option 'n_actions'"):
        make_agent("reinforce", manager, 0, n_actions=3)
