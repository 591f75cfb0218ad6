"""Replay for agents: an n-step accumulator, a buffer, and the number of updates that are due."""

from __future__ import annotations

from typing import Any

from pydeeprecsys.arguments import Count, UnitInterval, checked
from pydeeprecsys.rl.experience_replay.experience_buffer import ExperienceBuffer
from pydeeprecsys.rl.experience_replay.n_step import NStepAccumulator
from pydeeprecsys.rl.experience_replay.transition import Sample, Transition
from pydeeprecsys.rl.states import all_or_nothing


@checked
class ReplayMemory:
    """A buffer behind an n-step accumulator, which counts the updates that are due.

    The number of environment steps per update does not depend on the number of environments.

    Args:
        buffer: Replay buffer.
        n_steps: Steps per transition.
        discount_factor: Discount factor γ; the discounts of a batch include it.
        update_frequency: Environment steps between updates, counted once the buffer is ready.

    Attributes:
        steps: environment steps counted so far.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self, buffer: ExperienceBuffer, n_steps: Count, discount_factor: UnitInterval, update_frequency: Count
    ) -> None:
        self.buffer = buffer
        self.n_steps = NStepAccumulator(n_steps, discount_factor)
        self.update_frequency = update_frequency
        self.steps = 0

    def add(self, transitions: Transition) -> int:
        """Take in one step of every environment, whose observations are stored as float32 vectors.

        Returns:
            The number of updates that are due now.

        Raises:
            FloatingPointError: a reward is NaN or infinite; nothing is stored.
        """
        transitions.check_rewards()
        joined = self.n_steps.add(transitions.flat())
        if len(joined.rewards):
            self.buffer.store_experiences(joined._replace(began=None))  # episodes are separate already
        if not self.buffer.ready_to_predict():
            return 0
        before = self.updates
        self.steps += len(transitions.rewards)
        return self.updates - before

    @property
    def updates(self) -> int:
        """Number of updates that were due so far."""
        return self.steps // self.update_frequency

    @property
    def first_update(self) -> str:
        """The hyperparameters of Q-learning agents that the first update waits for, with their values."""
        return f"buffer_burn_in={self.burn_in}, network_update_frequency={self.update_frequency}"

    @property
    def burn_in(self) -> int:
        """Number of transitions that the buffer must hold before the first update."""
        return self.buffer.parameters.minimum_experiences_to_start_predicting

    def sample(self) -> Sample:
        """Sample a batch; the target of a value is `rewards + discounts · value(next_observations)`."""
        return self.buffer.sample_batch()

    def state_dict(self) -> dict[str, Any]:
        """Copies of what the buffer and the accumulator hold, and the count of steps."""
        return {"buffer": self.buffer.state_dict(), "n_steps": self.n_steps.state_dict(), "steps": self.steps}

    @all_or_nothing
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: it is the state of another memory.
        """
        self.buffer.load_state_dict(state["buffer"])
        self.n_steps.load_state_dict(state["n_steps"])
        self.steps = int(state["steps"])
