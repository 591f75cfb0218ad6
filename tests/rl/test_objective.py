from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.constraint import LARGEST_MULTIPLIER, Constraint, constraint_of
from pydeeprecsys.rl.experience_replay.transition import Transition
from pydeeprecsys.rl.objective import Objective
from pydeeprecsys.rl.ops.returns import discounted_returns

NO = np.zeros((4, 2), dtype=np.bool_)
COSTS = np.array([[0.2, 0.0], [0.6, 0.4], [0.5, 0.9], [0.1, 0.3]])


def rollout(costs: NDArray[np.float64] = COSTS, ended: Any = ((1, 0), (1, 1), (3, 0)), **columns: Any) -> Transition:
    """Four steps of two environments; sessions end at the given steps of the given environments."""
    states, terminated, began = np.zeros((4, 2, 1)), NO.copy(), NO.copy()
    began[0] = True
    for step, row in ended:
        terminated[step, row] = True
        began[(step + 1) % 4, row] = True
    return Transition(
        states, NO.astype(np.int64), np.ones((4, 2)), terminated, NO, states, began=began, costs=costs, **columns
    )


def test_the_charges_of_a_tail_add_up_to_its_excess() -> None:
    # Sessions cost 0.4, 0.3 and 0.4, in two, two and four steps.
    constraint, steps = Constraint(0.25, 0.5), rollout(ended=[(1, 0), (3, 0), (3, 1)])
    Objective(constraint).read(steps)
    assert (constraint.value_at_risk, constraint.length) == (0.4, pytest.approx(8 / 3))
    constraint.value_at_risk = 0.1
    charges = Objective(constraint).read(steps).amounts
    for rows, column, cost in ((slice(2), 0, 0.4), (slice(2, 4), 0, 0.3), (slice(4), 1, 0.4)):
        np.testing.assert_allclose(charges[rows, column].sum(), constraint.length * (cost - 0.1) / 0.5)


def test_a_step_is_charged_with_what_it_adds_to_the_excess() -> None:
    constraint = Constraint(0.25, 0.5)
    constraint.value_at_risk, constraint.length = 0.3, 4.0
    steps = rollout(ended=[(3, 0), (3, 1)])
    # Costs less v of the first: -0.1, 0.3, 0.2, -0.2, over 4 steps and half of the sessions.
    np.testing.assert_allclose(Objective(constraint).read(steps).amounts[:, 0], np.array([0, 0.2, 0.2, -0.2]) / 0.5)


def test_sessions_go_on_over_rollouts_and_are_charged_alike() -> None:
    whole, parts = Constraint(0.25, 0.5), Constraint(0.25, 0.5)
    for constraint in (whole, parts):
        constraint.value_at_risk, constraint.length = 0.3, 4.0
    steps = rollout(ended=[(3, 0), (3, 1)])
    objective = Objective(parts)
    in_parts = [objective.read(steps.take(rows)).amounts for rows in (slice(0, 1), slice(1, 4))]
    np.testing.assert_allclose(np.concatenate(in_parts), Objective(whole).read(steps).amounts)


def test_critics_know_the_excess_so_far_and_the_time() -> None:
    constraint = Constraint(0.25, 0.5)
    constraint.value_at_risk, constraint.length = 0.3, 4.0
    charges = Objective(constraint).read(rollout(ended=[(3, 0), (3, 1)]))
    np.testing.assert_allclose(charges.before[:, 0], np.array([[0, 0], [-0.1, 1], [0.2, 2], [0.4, 3]]) / 4, atol=1e-12)
    np.testing.assert_allclose(charges.after[:-1], charges.before[1:], atol=1e-12)
    np.testing.assert_allclose(charges.after[-1, 0], [0.2 / 4, 1])


def test_the_cost_of_a_session_is_the_mean_of_its_steps_and_moves_the_multiplier() -> None:
    objective, logged = Objective(Constraint(0.2, multiplier_rate=10.0)), dict[str, float]()
    assert objective.read(rollout()).amounts.tolist() == COSTS.tolist()
    objective.update(logged.__setitem__)
    # (0.4 + 0.2 + 0.3) / 3 = 0.3 exceeds 0.2 by 0.1.
    assert logged == {"session_cost": pytest.approx(0.3), "multiplier": pytest.approx(1.0)}
    objective.update(logged.__setitem__)  # no session has ended since
    assert objective.constraint is not None
    assert objective.constraint.multiplier == pytest.approx(1.0)


def test_returns_are_lowered_by_those_of_the_charges() -> None:
    constraint = Constraint(0.2)
    constraint.multiplier = 3.0
    steps, everywhere = rollout(ended=[(1, 0), (3, 0), (3, 1)]), ~NO
    ended = np.where(steps.terminated, 0.0, 0.5)
    expected = discounted_returns(steps.rewards - 3 * COSTS, ended)
    np.testing.assert_allclose(Objective(constraint).returns(steps, 0.5, everywhere), expected)


def test_a_bound_on_the_tail_weighs_all_steps_of_a_session_as_published() -> None:
    # Singh et al. 2020: the return to go, less λ/(1 - α) · max(0, C - v), up to a baseline of what went before.
    constraint = Constraint(0.25, 0.5)
    constraint.value_at_risk, constraint.length, constraint.multiplier = 0.3, 2.0, 5.0
    steps = rollout(costs=np.full((4, 2), 0.7), ended=[(1, 0), (1, 1), (3, 0), (3, 1)])
    weights = Objective(constraint).returns(steps, 1.0, ~NO)
    np.testing.assert_allclose(weights[0], 2 - 5 * (0.7 - 0.3) / 0.5)
    np.testing.assert_allclose(weights[1], 1 - 5 * (0.4 - 0.2) / 0.5)


def test_advantages_are_those_of_the_rewards_less_those_of_the_costs() -> None:
    constraint = Constraint(0.2)
    constraint.multiplier = 3.0
    steps = rollout(ended=[(3, 0), (3, 1)])
    values = np.zeros((4, 2, 2)), np.zeros((4, 2, 2))
    advantages, targets = Objective(constraint).advantages(
        steps, steps.terminated, values, charges=COSTS, discount_factor=0.5, lambda_=1.0
    )
    discounts = np.where(steps.terminated, 0.0, 0.5)
    np.testing.assert_allclose(targets[..., 0], discounted_returns(steps.rewards, discounts))
    np.testing.assert_allclose(targets[..., 1], discounted_returns(COSTS, discounts))
    np.testing.assert_allclose(advantages, targets[..., 0] - 3 * targets[..., 1])


def test_steps_of_unfinished_episodes_are_left_out() -> None:
    objective = Objective(Constraint(0.2))
    complete = np.array([[1, 1], [1, 1], [1, 0], [1, 0]], dtype=bool)
    objective.read(rollout(ended=[(1, 0), (1, 1), (3, 0), (3, 1)]), complete)
    logged = dict[str, float]()
    objective.update(logged.__setitem__)
    assert logged["session_cost"] == pytest.approx((0.4 + 0.2 + 0.3) / 3)


def test_groups_count_by_their_weights() -> None:
    objective, logged = Objective(worst_group_rate=0.1), dict[str, float]()
    groups = np.array([[0, 1]] * 4)
    steps = rollout(ended=[(3, 0), (3, 1)], groups=groups)._replace(rewards=np.array([[1.0, 0.0]] * 4))
    # Equal weights, and a third of the rows are of the first group.
    rows = np.array([0, 1, 1])
    np.testing.assert_allclose(objective.weigh(np.ones(3), rows), [1.5, 0.75, 0.75])
    objective.read(steps)
    objective.update(logged.__setitem__)
    # Returns 4 and 0, 2 on average.
    expected = np.exp([-0.2, 0.2]) / np.exp([-0.2, 0.2]).sum()
    np.testing.assert_allclose(objective.group_weights, expected)
    assert logged["largest_group_weight"] == pytest.approx(expected[1])
    objective.weigh(np.ones(1), np.array([3]))  # a group that was not met before
    np.testing.assert_allclose(objective.group_weights, [expected[0] / 2, expected[1] / 2, 0.25, 0.25])


def test_without_constraint_and_groups_nothing_changes() -> None:
    objective, advantages = Objective(), np.arange(3.0)
    assert objective.weigh(advantages, np.array([0, 1, 1])) is advantages
    assert (objective.columns, objective.n_values, objective.state_dict(), objective.note) == ([], 1, {}, "")


def test_a_constraint_that_cannot_be_met_is_said() -> None:
    constraint = Constraint(0.1, multiplier_rate=0.1)
    assert constraint.note == ""
    for cost in (0.3, 0.5, 0.05, 0.7, 0.5, 0.5, 0.6):
        constraint.update(np.array([cost]))
    said = "the cost is 0.45 over the last 7 updates, above cost_limit=0.1, and its multiplier has grown to 0.245"
    assert said in constraint.note
    for _ in range(500):
        constraint.update(np.array([0.6]))
    assert "the cost is 0.6 over the last 100 updates" in constraint.note


def test_nothing_is_said_of_a_constraint_whose_multiplier_has_found_its_value() -> None:
    constraint = Constraint(0.1, multiplier_rate=1.0)
    for cost in (0.5, 0.05):  # 0.275 on average, and λ falls from 0.4 to 0.35
        constraint.update(np.array([cost]))
    assert constraint.note == ""
    constraint = Constraint(0.1, multiplier_rate=1.0)
    for cost in (0.11, 0.08):
        constraint.update(np.array([cost]))
    assert constraint.note == ""


def test_the_multiplier_stops_at_its_bound() -> None:
    constraint = Constraint(0.1, multiplier_rate=1e6)
    constraint.update(np.array([0.3]))
    assert constraint.multiplier == LARGEST_MULTIPLIER
    assert "the constraint is not met in training" in constraint.note


@pytest.mark.parametrize("cost", [-0.1, 1.5])
def test_costs_beyond_the_unit_interval_have_no_tail(cost: float) -> None:
    with pytest.raises(InputError, match=rf"costs of sessions are in \[0, 1\].*one is {cost:g}: scale info\['cost'\]"):
        Constraint(0.5, 0.9).update(np.array([0.5, cost]))
    assert Constraint(0.5).update(np.array([cost])) == cost  # an expectation is bounded of any cost


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 0.9, None, None), "cvar_level is of a constraint: give cost_limit too, or leave it out"),
        ((None, None, 1.0, None), "multiplier_rate is of a constraint: give cost_limit too, or leave it out"),
        ((None, None, None, 1.0), "quantile_rate is of a constraint: give cost_limit too, or leave it out"),
        ((0.5, None, None, 1.0), "quantile_rate is of a bound on the CVaR: give cvar_level too, or leave it out"),
    ],
)
def test_options_without_effect_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        constraint_of(*arguments)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Objective(Constraint(0.2)), r"cost_limit bounds info\['cost'\], which the environment does not give"),
        (Objective(None, 0.1), r"worst_group_rate is of groups, info\['group'\], which the environment does not give"),
    ],
)
def test_columns_that_are_missing_are_named(objective: Objective, message: str) -> None:
    with pytest.raises(InputError, match=message):
        objective.check(rollout()._replace(costs=None))


def test_the_state_of_another_objective_is_refused() -> None:
    constrained = Objective(Constraint(0.2)).state_dict()
    for other in (Objective(), Objective(None, 0.1)):
        with pytest.raises(InputError):
            other.load_state_dict(constrained)
