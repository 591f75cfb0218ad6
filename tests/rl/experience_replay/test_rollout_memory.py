import numpy as np

from contracts.agents import assert_same_state
from pydeeprecsys.rl.experience_replay.rollout_memory import RolloutMemory
from pydeeprecsys.rl.experience_replay.transition import Transition


def step(t: int, n: int = 2, shift: float = 0.0) -> Transition:
    states, no = np.full((n, 1), t + shift, dtype=np.float32), np.zeros(n, dtype=np.bool_)
    return Transition(states, np.arange(n), np.full(n, t), no, no, states + 1)


def test_a_rollout_says_where_episodes_began() -> None:
    memory = RolloutMemory()
    for each in (step(0), step(1), step(2, shift=5), step(3, shift=5)):
        memory.add(each)
    assert len(memory) == 8
    rollout = memory.take()
    assert rollout.columns()["began"].T.tolist() == [[True, False, True, False]] * 2
    assert rollout.rewards.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert len(memory) == 0
    memory.add(step(4))
    assert memory.take().rewards.tolist() == [[4, 4]]


def test_other_environments_start_anew() -> None:
    memory = RolloutMemory()
    memory.add(step(0))
    memory.add(step(1, n=3))
    assert memory.take().rewards.tolist() == [[1, 1, 1]]


def test_it_goes_on_from_its_state() -> None:
    memory, restored = RolloutMemory(), RolloutMemory()
    restored.load_state_dict(memory.state_dict())
    memory.add(step(0))
    restored.load_state_dict(memory.state_dict())
    for of in (memory, restored):
        of.add(step(1))
    assert_same_state(restored.state_dict(), memory.state_dict())
    assert restored.take().columns()["began"].T.tolist() == [[True, False]] * 2
