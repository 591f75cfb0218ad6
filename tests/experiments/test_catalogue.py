import json
from typing import Any

import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import catalogue
from pydeeprecsys.experiments.registry import AGENTS, agent_options


def test_the_file_holds_what_the_classes_declare() -> None:
    told = json.loads(catalogue.FILE.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(catalogue.described()))
    assert told == now, "the arguments changed: run python -m pydeeprecsys.experiments.catalogue"


@pytest.mark.parametrize("name", AGENTS)
def test_arguments_are_read_from_the_file_as_they_were_declared(name: str) -> None:
    assert list(catalogue.agent(name).arguments.values()) == agent_options(name)


def test_agents_of_the_user_are_described_from_their_class() -> None:
    own = catalogue.agent("contracts.own:TooVaried")
    assert list(own.arguments.values()) == agent_options("contracts.own:TooVaried")


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [("delta", "0.5", 0.5), ("slate_size", "3", 3), ("repeats", "bore", "bore"), ("observe_time", "true", True)],
)
def test_options_of_an_environment_are_read_by_their_declared_type(option: str, text: str, value: Any) -> None:
    environment = catalogue.environment("MovieLensFairness-v1")
    assert environment is not None
    assert environment.arguments[option].read(text) == value


def test_an_option_that_no_text_stands_for_names_its_type() -> None:
    environment = catalogue.environment("MovieLensFairness-v0")
    assert environment is not None
    with pytest.raises(InputError, match="dynamics must be of the type Dynamics or Taste, it is 'boring'"):
        environment.arguments["dynamics"].read("boring")
    assert environment.arguments["patience"].read("none") is None
