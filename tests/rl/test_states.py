"""A state that does not fit is one line, and changes nothing: another agent's, damaged, or no state at all."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from contracts.agents import assert_same_state
from contracts.quick import FEW_SESSIONS, QUICK
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.registry import AGENTS, make_agent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters
from pydeeprecsys.rl.experience_replay.episode_memory import EpisodeMemory
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.n_step import NStepAccumulator
from pydeeprecsys.rl.experience_replay.priority_replay_buffer import PrioritizedExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.rollout_memory import RolloutMemory
from pydeeprecsys.rl.manager import Manager

# Agents whose states hold the same parts: either may continue from the other's.
_ALIKE = [{"linucb", "thompson"}, {"varied", "win-stay"}]
_NO_STATES: list[Any] = [None, 3, "text", [1], np.zeros(2)]


@pytest.fixture(scope="module")
def agents(world: World) -> dict[str, ReinforcementLearning]:
    """Every agent, after some sessions."""
    made = {}
    for name in AGENTS:
        manager = Manager("MovieLensFairness-v0", 0, dataset=world, n_envs=2, observation="items")
        made[name] = make_agent(name, manager, 0, **QUICK.get(name, {}), **FEW_SESSIONS.get(name, {}))
        manager.train(made[name], max_episodes=2, should_print=False)
    return made


def damaged(state: dict[str, Any]) -> list[Any]:
    """Copies of a state, each with a part that is missing or of another type."""
    wrong = [{**state, name: "x" if not isinstance(part, str) else 3} for name, part in state.items()]
    return [*wrong, *({k: v for k, v in state.items() if k != name} for name in state)]


def assert_refused(owner: Any, state: Any) -> None:
    before = deepcopy(owner.state_dict())
    with pytest.raises(InputError) as refused:
        owner.load_state_dict(state)
    assert "\n" not in str(refused.value)
    assert_same_state(owner.state_dict(), before)


@pytest.mark.slow
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_takes_no_state_but_its_own(agents: dict[str, ReinforcementLearning], name: str) -> None:
    agent, own = agents[name], deepcopy(agents[name].state_dict())
    for state in (*_NO_STATES, *damaged(own)):
        assert_refused(agent, state)
    for other, of_other in agents.items():
        state = of_other.state_dict()
        if other != name and {name, other} not in _ALIKE and (own or state):
            assert_refused(agent, state)
    agent.load_state_dict(own)


def test_a_memory_takes_no_state_but_its_own() -> None:
    parameters = ExperienceReplayBufferParameters(8, 2, 2)
    memories: list[Any] = [ExperienceReplayBuffer(parameters), PrioritizedExperienceReplayBuffer(parameters)]
    memories += [EpisodeMemory(), RolloutMemory(), NStepAccumulator(2, 0.9)]
    for memory in memories:
        own = deepcopy(memory.state_dict())
        for state in (*_NO_STATES, *damaged(own), *(other.state_dict() for other in memories if other is not memory)):
            assert_refused(memory, state)
        memory.load_state_dict(own)


def test_an_agent_of_one_s_own_is_left_as_it_was_too() -> None:
    class Own(ReinforcementLearning):
        """Loads the first of its two numbers before it misses the second."""

        def __init__(self) -> None:
            self.a, self.b = 1, 2

        def state_dict(self) -> dict[str, Any]:
            return {"a": self.a, "b": self.b}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.a = state["a"]
            self.b = state["b"]

    agent = Own()
    assert_refused(agent, {"a": 5})
    agent.load_state_dict({"a": 5, "b": 6})
    assert agent.state_dict() == {"a": 5, "b": 6}
