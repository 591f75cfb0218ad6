"""Steps in, batches out: what every agent that learns from replayed experiences does with them."""

from __future__ import annotations

from typing import Any

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.experience_replay.experience_buffer import Batch, ExperienceReplayBuffer
from pydeeprecsys.rl.experience_replay.n_step import NStepAccumulator
from pydeeprecsys.rl.steps import Steps


class ReplayMemory:
    """A buffer behind an n-step accumulator, that counts how many updates are due.

    As many steps a update are taken whatever the number of environments. The states of its batches carry their action
    masks, where there were any: see `rl.ops.masks.split_masks`.

    Args:
        buffer: where experiences are kept.
        n_steps: steps joined to one experience, at least 1.
        discount_factor: what a reward is worth one step earlier, in 0..1; the discounts of a batch hold it.
        update_frequency: environment steps between updates, at least 1, counted once the buffer is ready.

    Attributes:
        steps: environment steps counted so far.

    Raises:
        InputError: for an argument out of its range.
    """

    def __init__(
        self, buffer: ExperienceReplayBuffer, n_steps: int, discount_factor: float, update_frequency: int
    ) -> None:
        if update_frequency < 1:
            raise InputError(f"updates must be at least 1 step apart, they are {update_frequency} apart")
        self.buffer = buffer
        self.n_steps = NStepAccumulator(n_steps, discount_factor)
        self.update_frequency = update_frequency
        self.steps = 0

    def add(self, steps: Steps) -> int:
        """Take in one step of every environment.

        Returns:
            How many updates are due now.

        Raises:
            FloatingPointError: where a reward is NaN or infinite; nothing is stored.
        """
        steps.check_rewards()
        experiences = self.n_steps.add(
            steps.rows, steps.actions, steps.rewards, steps.terminated, steps.truncated, steps.new_rows, steps.began
        )
        if len(experiences.rewards):
            self.buffer.store_experiences(*experiences)
        if not self.buffer.ready_to_predict():
            return 0
        before = self.updates
        self.steps += len(steps.states)
        return self.updates - before

    @property
    def updates(self) -> int:
        """How many updates were due so far."""
        return self.steps // self.update_frequency

    @property
    def first_update(self) -> str:
        """The hyperparameters of Q-learning agents that the first update waits for, with their values."""
        return f"buffer_burn_in={self.burn_in}, network_update_frequency={self.update_frequency}"

    @property
    def burn_in(self) -> int:
        """How many experiences the buffer must hold before the first update."""
        return self.buffer.parameters.minimum_experiences_to_start_predicting

    def sample(self) -> Batch:
        """Draw a batch; the target of a value is `rewards + discounts · value(new_states)`."""
        return self.buffer.sample_batch()

    def state_dict(self) -> dict[str, Any]:
        """Copies of what the buffer and the accumulator hold, and the count of steps."""
        return {"buffer": self.buffer.state_dict(), "n_steps": self.n_steps.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InputError: where it is the state of another memory.
        """
        self.buffer.load_state_dict(state["buffer"])
        self.n_steps.load_state_dict(state["n_steps"])
        self.steps = int(state["steps"])
