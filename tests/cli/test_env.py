"""`pydeeprecsys env`: the options of an environment, in help."""

import re
from dataclasses import fields
from typing import Any

import gymnasium as gym
import pytest

from pydeeprecsys.cli import main
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.options import WorldOptions, defaults
from pydeeprecsys.envs.single import simulated_users
from pydeeprecsys.simulation.movielens.simulator import Simulator


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == code
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


@pytest.mark.parametrize("command", [("train", "random"), ("compare",), ("tune",)])
def test_help_names_the_command_that_shows_the_options_of_an_environment(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, *command, "--help")
    assert "An option of the environment, see 'pydeeprecsys env ENV'" in text
    assert re.search(r"--delta FLOAT Relative .* below 0\. \[default: \(that of the environment\)\]", text)


def test_every_option_is_shown_with_its_type_range_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "env")
    assert text.startswith("Options of MovieLensFairness-v0, each as --env-option NAME=VALUE: slate_size=integer ")
    for name in WorldOptions.__annotations__.keys() - {"version", "dataset", "pool"}:
        assert re.search(rf"\b{name}\b", text)
    assert re.search(r"delta=number Relative change [^=]*in \(-1, 99\][^=]*\[default: 1\.0\] threshold", text)
    assert re.search(r"observation=last\|founding\|history\|items\|affinity [^=]*\[default: last\]", text)
    assert re.search(r"From Python: choice Choice model\. \[default: uniform_choice\]", text)


def test_defaults_are_those_of_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "env", "MovieLensFairness-v1")
    assert re.search(r"observation=\S+ [^=]*\[default: history\]", text)
    assert "patience Patience, which ends sessions in place of session_length. [default: Patience(budget=20.0," in text
    assert re.search(r"session_length=integer Ratings per session, at least 1\. cost=", text)  # patience ends it
    assert "time_budget=number minutes of time at the start of a session. [default: 200.0]" in shown(
        capsys, "env", "InterestEvolution-v0"
    )
    assert "sutton_barto_reward=true|false [default: False]" in shown(capsys, "env", "CartPole-v1")
    assert "did you mean 'MovieLensFairness-v1'?" in shown(capsys, "env", "MovieLensFairnes-v1", code=2)


@pytest.mark.parametrize("version", [0, 1])
def test_options_given_as_their_defaults_change_nothing(world: World, version: int) -> None:
    def simulator(**options: Any) -> Simulator:
        env = gym.make(f"MovieLensFairness-v{version}", dataset=world, **options)
        return simulated_users(env).simulator

    plain = simulator()
    given = {name: value for name, value in defaults(version).items() if value is not None}
    if version == 0:
        assert given.keys() >= {"delta", "threshold", "session_length"}
    for name, value in given.items():
        made = simulator(**{name: value})
        for field in fields(Simulator):
            if field.name not in ("world", "pool"):
                assert getattr(made, field.name) == getattr(plain, field.name), name
        assert (made.pool == plain.pool).all()
