"""The arguments of all agents and their parts: ranges, messages, help texts and search spaces, from the signatures."""

from __future__ import annotations

import inspect
import math
from typing import Any, Literal, get_origin

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from contracts.recommenders import drawn_ratings
from pydeeprecsys.arguments import Argument, arguments_of
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.catalogue import learners
from pydeeprecsys.experiments.registry import AGENTS
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.agents.baselines import VariedAgent
from pydeeprecsys.rl.agents.epsilon_greedy import DecayingEpsilonGreedy
from pydeeprecsys.rl.experience_replay.buffer_parameters import ExperienceReplayBufferParameters, PERBufferParameters
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.noisy_layer import NoisyLayer

CLASSES: list[type] = [
    *AGENTS.values(),
    DecayingEpsilonGreedy,
    ExperienceReplayBufferParameters,
    PERBufferParameters,
    NoisyLayer,
]
REQUIRED = {
    "action_space": Discrete(3),
    "n_actions": 3,
    "output_size": 3,
    "state_size": 2,
    "input_size": 2,
    "in_features": 2,
    "out_features": 3,
    "mean_ratings": np.ones(3),
    "genres": np.ones((3, 2), dtype=np.bool_),
    "base": VariedAgent(np.ones(3), np.ones((3, 2))),
    "history": HistoryLayout(n_items=3, slate_size=1, n_rated=1, length=2),
    "categories": np.ones((3, 2), dtype=np.bool_),
    "ratings": drawn_ratings(n_items=3),
    "item_estimates": ItemEstimates(
        vectors=np.ones((3, 1)),
        offsets=np.ones(3),
        prior_mean=np.zeros(1),
        prior_covariance=np.ones((1, 1)),
        noise=1.0,
        mean_ratings=np.ones(3),
        counts=np.ones(3, dtype=np.int64),
        categories=np.ones((3, 2), dtype=np.bool_),
    ),
}
UNCHECKED = {"action_space", "item_features", "choice_scores", "device", "statistics", "buffer_parameters",
             "per_parameters", "generator", "rating_counts", "mean_ratings", "genres", "simulated_order",
             "env", "base", "history", "item_estimates", "categories", "ratings"}  # fmt: skip


ARGUMENTS = [
    pytest.param(owner, argument, id=f"{owner.__name__}-{argument.name}")
    for owner in CLASSES
    for argument in arguments_of(owner).values()
    if argument.name not in UNCHECKED
]


def refused(argument: Argument) -> list[Any]:
    """Values just outside the range, not finite, and of other types."""
    if get_origin(argument.type) is Literal:
        return ["no such choice", 0.5]
    if argument.type is bool:
        return [2, "yes"]
    assert argument.range is not None
    low, high = argument.range.low, argument.range.high
    if argument.type is int:
        return [low - 1, 1.5, math.nan, math.inf, True, "1"]
    if argument.type == list[int]:
        return [[4, low - 1], [math.nan], [math.inf], 4, "44"]
    below = [low if argument.range.open_low else math.nextafter(low, -math.inf)] if math.isfinite(low) else []
    above = [high if argument.range.open_high else math.nextafter(high, math.inf)] if math.isfinite(high) else []
    return [*below, *above, math.nan, math.inf, -math.inf, True, "1"]


@pytest.mark.parametrize(("owner", "argument"), ARGUMENTS)
def test_values_out_of_range_are_refused_by_name(owner: type, argument: Argument) -> None:
    given = {
        name: REQUIRED[name] for name, each in arguments_of(owner).items() if each.default is inspect.Parameter.empty
    }
    for value in [*refused(argument), *([] if argument.optional else [None])]:
        with pytest.raises(InputError, match=f"^{argument.name} must be .*, it is ") as caught:
            owner(**(given | {argument.name: value}))
        assert "\n" not in str(caught.value)
        if argument.range and isinstance(value, (int, float)) and math.isfinite(value) and argument.type is type(value):
            assert str(caught.value) == f"{argument.name} must be {argument.range}, it is {value}"


@pytest.mark.parametrize(
    ("names", "allowed", "outside"),
    [
        (
            ["discount_factor", "gae_lambda", "priority_importance", "alpha", "soft_target_update_rate"],
            [0, 1],
            [-0.1, 1.1],
        ),
        (["initial_exploration_probability", "minimum_exploration_probability", "beta"], [0, 1], [-0.1, 1.1]),
        (["decay_rate", "entropy_decay"], [1e-9, 1], [0, 1.1]),
        (["learning_rate", "actor_learning_rate", "critic_learning_rate", "clip_range"], [1e-9, 10], [0, -1]),
        (["regularization", "epsilon", "target_kl"], [1e-9, 10], [0, -1]),
        (["exploration_scale", "noise_sigma", "sigma", "priority_weight_growth", "beta_growth"], [0, 2.5], [-0.1]),
        (["buffer_size", "buffer_burn_in", "batch_size", "n_steps", "n_actions", "input_size"], [1], [0, -1]),
        (["network_update_frequency", "network_sync_frequency", "epochs", "minibatches"], [1], [0, -1]),
        (["random_state", "timesteps_to_start_predicting"], [0, 2**40], [-1]),
        (["n_atoms"], [2], [1]),
        (["hidden_layers", "actor_hidden_layers", "critic_hidden_layers"], [[], [1], None], [[0], [64, -1]]),
        (["v_min", "v_max", "target_entropy"], [-1e9, 0, 1e9], [math.inf]),
    ],
)
def test_the_ranges_are_those_of_the_literature(names: list[str], allowed: list[Any], outside: list[Any]) -> None:
    for name in names:
        of_that_name = [arguments_of(owner)[name] for owner in CLASSES if name in arguments_of(owner)]
        assert of_that_name
        for argument in of_that_name:
            for value in allowed:
                argument.check(value)
            for value in outside:
                with pytest.raises(InputError, match=f"^{name} must be"):
                    argument.check(value)


@pytest.mark.parametrize(("owner", "argument"), ARGUMENTS)
def test_defaults_lie_within_the_range(owner: type, argument: Argument) -> None:
    if argument.default is not inspect.Parameter.empty:
        argument.check(argument.default)


@pytest.mark.parametrize("owner", CLASSES)
def test_the_docstring_lists_every_argument_and_its_range(owner: type) -> None:
    listed = " ".join(str(inspect.getdoc(owner)).split())
    for argument in arguments_of(owner).values():
        assert f"{argument.name}: {argument.help}" in listed
        assert argument.help.endswith("."), argument
        assert argument.help[0].isupper() or argument.help.startswith("("), argument
        assert not argument.range or str(argument.range) in argument.help


@pytest.mark.parametrize("agent", learners())
def test_search_spaces_lie_within_the_ranges(agent: str) -> None:
    arguments = arguments_of(AGENTS[agent])
    for name, domain in AGENTS[agent].search_space.items():
        for corner in domain.corners():
            if name != "item_features":  # a choice there, see `agent_options`
                arguments[name].check(corner)
