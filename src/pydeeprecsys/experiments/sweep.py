"""Sweeps: one numeric option of the environment or of an agent, at several values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from pydeeprecsys.arguments import Argument
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import catalogue
from pydeeprecsys.experiments.environments import env_option

_MOST = 100  # values
_FORM = "NAME=FROM:TO:STEP or NAME=VALUE,VALUE,..., such as lambda_non_violent=0:1:0.125"


class Sweep(NamedTuple):
    """An option at several values.

    Attributes:
        agent: whose hyperparameter it is; None for an option of the environment.
        option: its name.
        values: at least two, all different.
    """

    agent: str | None
    option: str
    values: Sequence[float]

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """The sweep that a text stands for: NAME=FROM:TO:STEP, both ends included, or NAME=VALUE,VALUE,...

        Raises:
            InputError: it is not of this form, the step does not lead from one end to the other, a value is given
                twice, or there are fewer than two or more than 100 values.
        """
        target, _, given = text.partition("=")
        agent, _, option = target.strip().rpartition(".")
        try:
            values = _range(*given.split(":")) if ":" in given else [*map(Decimal, given.split(","))]
            numbers = [_number(value) for value in values]
        except (ArithmeticError, TypeError):
            numbers = []
        if not option or not numbers:
            raise InputError(f"a sweep is {_FORM}, not {text!r}")
        if len(numbers) == 1:
            raise InputError(f"the sweep {text!r} has one value; give two or more, or set the option without a sweep")
        if len(numbers) > _MOST:
            raise InputError(f"the sweep {text!r} has more than {_MOST} values; give fewer")
        if twice := [number for i, number in enumerate(numbers) if number in numbers[:i]]:
            raise InputError(f"the sweep {text!r} has the value {_text(twice[0])} twice; give each value once")
        return cls(agent or None, option.replace("-", "_"), numbers)

    @classmethod
    def read(cls, text: str, env: str) -> Sweep:
        """The sweep that a text stands for, in an environment.

        Raises:
            InputError: see `parse`; or there is no such option, it is no number, or a value is out of its range.
        """
        sweep = cls.parse(text)
        try:
            argument = sweep._argument(env)
            # Agents and environments of the user need not give types.
            ours = argument.help != ""
            if argument.type not in (int, float) and (ours or argument.type is not Any):
                raise InputError(f"{sweep.option} is no number")
            if sweep.option == "pool_seed":
                raise InputError("with another pool_seed other users are evaluated; give one, without a sweep")
            for value in sweep.values:
                argument.check(value)
        except InputError as error:
            raise InputError(f"the sweep {text!r} cannot be: {error}") from error
        return sweep._replace(values=[float(value) if argument.type is float else value for value in sweep.values])

    def _argument(self, env: str) -> Argument:
        if self.agent is not None:
            return catalogue.agent_option(self.agent, self.option)
        return env_option(env, self.option)

    @property
    def target(self) -> str:
        """The option as it is written, NAME or AGENT.NAME."""
        return ".".join(filter(None, [self.agent, self.option]))

    def named(self, agent: str, value: float) -> str:
        """The name of the trainings of an agent at a value: the agent's own if the option is another agent's."""
        return agent if self.agent not in (None, agent) else f"{agent}@{self.option}={_text(value)}"

    def names(self, agents: Sequence[str]) -> dict[str, tuple[str, float]]:
        """The trainings of some agents by name: the agent, and its value; that of another agent's option is ignored."""
        return {self.named(agent, value): (agent, value) for value in self.values for agent in agents}

    def name(self, config: Mapping[str, Any]) -> str:
        """The name of the trainings that a run is one of, by its configuration."""
        value = self.value(config)
        return config["agent"] if value is None else self.named(config["agent"], value)

    def value(self, config: Mapping[str, Any]) -> float | None:
        """The value that a run has, by its configuration; None if the option is another agent's."""
        options = config["env_options"] if self.agent is None else config["hyperparameters"]
        value: float | None = options.get(self.option) if self.agent in (None, config["agent"]) else None
        return value

    def settings(self, agent: str, value: float) -> dict[str, dict[str, float]]:
        """The settings of a training at a value: `env_options` or `hyperparameters` to add, empty as for `named`."""
        if self.agent not in (None, agent):
            return {}
        return {"env_options" if self.agent is None else "hyperparameters": {self.option: value}}


def _range(first: str, last: str, step: str) -> list[Decimal]:
    """The numbers from the first to the last, in decimals: 0:1:0.1 holds 0.3; one more than are allowed at most."""
    begin, stride = Decimal(first), Decimal(step)
    if not stride or (steps := (Decimal(last) - begin) / stride) < 0:
        raise InputError(f"the step {step} of a sweep does not lead from {first} to {last}; give another STEP")
    return [begin + i * stride for i in range(int(min(steps, Decimal(_MOST))) + 1)]


def _number(value: Decimal) -> float:
    """A whole number as such."""
    number = float(value)
    if not math.isfinite(number):
        raise ArithmeticError(f"{value} is not finite")
    return int(number) if number.is_integer() else number


def _text(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
