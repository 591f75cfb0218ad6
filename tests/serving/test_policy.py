"""Policies in use, through real files."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.policies import BASE, DEMOGRAPHICS, ITEMS, contract, graph, write_policy
from pydeeprecsys.arrays import Array
from pydeeprecsys.errors import InputError
from pydeeprecsys.serving.contract import Item
from pydeeprecsys.serving.exploration import EpsilonGreedy, Softmax
from pydeeprecsys.serving.histories import BatchError
from pydeeprecsys.serving.policy import Policy, Recommendation


def names(slate: list[Recommendation]) -> str:
    return "".join(each.item for each in slate)


def test_a_new_user_gets_the_best_items_with_their_scores(policy: Policy) -> None:
    assert policy.rank(k=2) == [("a", 8.0, 1.0), ("b", 7.0, 1.0)]
    assert policy.items["b"] == Item("b", "The b", ("Drama",))


def test_a_slate_may_be_shorter_or_longer_than_those_in_training(policy: Policy) -> None:
    for k in range(1, 9):
        assert names(policy.rank(k=k)) == "abcdefgh"[:k]


def test_demographics_change_the_scores(tmp_path: Path) -> None:
    # 10 · sex is 10 for men, 0 for women and 5 for users of whom it is not known.
    policy = Policy.load(write_policy(tmp_path / "policy", model=graph(sex=10.0)))
    slates = [policy.rank(user, k=8) for user in ({"sex": "M"}, {"sex": "F", "age": 35}, None)]
    assert [names(slate).index("h") for slate in slates] == [0, 7, 3]
    assert [dict((each.item, each.score) for each in slate)["h"] for slate in slates] == [11, 1, 6]  # noqa: C402


def test_consumed_items_are_left_out_and_refused_ones_are_not(policy: Policy) -> None:
    assert names(policy.rank(history=[("a", 1.0), ("b", None), ("c", 5.0)], k=3)) == "bde"


def test_items_consumed_before_the_slates_that_the_graph_reads_are_left_out_too(policy: Policy) -> None:
    history: Any = [("a", 4.0), *[("h", None)] * 4]
    assert policy.contract["history"] == 4
    assert names(policy.rank(history=history, k=3)) == "bcd"
    assert [names(slate) for slate in policy.rank_batch([None, None], [history, []], k=2)] == ["bc", "ab"]


def test_a_policy_that_repeats_items_shows_them_again() -> None:
    def run(inputs: Any) -> dict[str, Array]:
        n = len(inputs["items"])
        return {"scores": np.tile(BASE, (n, 1)), "slate": np.tile(np.arange(3), (n, 1))}

    policy = Policy(contract(repeats=True), ITEMS, run)
    assert names(policy.rank(history=[("a", 4.0)] * 9, k=3)) == "abc"


def test_candidates_are_a_set(policy: Policy) -> None:
    assert names(policy.rank(candidates=["h", "d", "h", "b"], k=3)) == "bdh"
    assert names(policy.rank(candidates=["h", "b"], history=[("b", 2.0)], k=3)) == "h"
    assert policy.rank(candidates=[], k=3) == []
    slates = policy.rank_batch([None] * 3, [[]] * 3, candidates=[["c"], None, ["g", "f"]], k=2)
    assert list(map(names, slates)) == ["c", "ab", "fg"]


def test_where_fewer_items_are_left_the_slate_is_shorter(policy: Policy) -> None:
    history = [(item, 3.0) for item in "abcdef"]
    assert names(policy.rank(history=history, k=8)) == "gh"
    assert names(policy.rank(history=history, k=3)) == "gh"
    assert policy.rank(history=[(item, 3.0) for item in "abcdefgh"], k=3) == []


def test_where_the_graph_has_fewer_items_left_the_slate_is_shorter_too(tmp_path: Path) -> None:
    policy = Policy.load(write_policy(tmp_path / "policy", consumption="slate"))
    history = [[(item, 3.0) for item in items] for items in ("abc", "def")]
    assert names(policy.rank(history=history, k=3)) == "gh"


def test_candidates_of_one_call_do_not_change_the_scores_of_the_next() -> None:
    outputs = {"scores": BASE[None].copy(), "slate": np.array([[0, 1, 2]])}
    policy = Policy(contract(), ITEMS, lambda inputs: outputs)
    assert names(policy.rank(candidates=["h"], history=[("a", 3.0)] * 9, k=3)) == "h"
    assert names(policy.rank(k=8)) == "abcdefgh"


def test_later_items_of_a_varied_slate_are_lowered_by_their_categories() -> None:
    # a, 8, and c, 6, share their categories: after a, the score of c is 6 - 10 · 0.5 = 1, below f, 3.
    outputs = {"scores": BASE[None], "slate": np.array([[0, 1, 2]])}
    outputs |= {"weights": np.array([[10.0]]), "memories": np.zeros((1, 1, 3))}
    policy = Policy(contract(slates={"rule": "varied", "decays": [0.5]}), ITEMS, lambda inputs: outputs)
    assert policy.rank(candidates=["a", "c", "f"], k=3) == [("a", 8, 1), ("f", 3, 1), ("c", 6, 1)]


def test_unknown_items_are_refused_or_left_out_and_named(policy: Policy) -> None:
    history: Any = [("x", 4.0), [("a", 2.0), ("y", None)], ("x", None)]
    with pytest.raises(InputError, match=r"^the item 'x' is not in the catalogue of 8 items$"):
        policy.rank(history=history, k=2)
    assert names(policy.rank(history=history, candidates=["a", "z", "b"], skip_unknown=True, k=2)) == "b"
    assert policy.unknown_items(history) == ["x", "y"]


def test_many_users_get_what_each_gets_alone(policy: Policy) -> None:
    rng = np.random.default_rng(0)
    users: list[Any] = [{"sex": "F"}, None, {"age": 20, "zip_code": "55117"}] * 10
    histories: list[Any] = [
        [(str(item), None if item in "ab" else 3.0) for item in rng.choice(list("abcdefgh"), size)]
        for size in rng.integers(0, 7, size=len(users))
    ]
    together = policy.rank_batch(users, histories, k=4)
    assert together == [policy.rank(*each, k=4) for each in zip(users, histories, strict=True)]
    assert policy.rank_batch([], [], k=4) == []


def test_the_slate_of_the_graph_and_that_of_the_scores_agree(policy: Policy) -> None:
    every = list("abcdefgh")
    for history in ([], [("a", 4.0)], [("b", 2.0), ("d", 1.0)]):
        assert policy.rank(history=history, k=3) == policy.rank(history=history, k=3, candidates=every)


def test_outputs_are_those_of_the_graph(policy: Policy) -> None:
    outputs = policy.outputs([[0, 0.5, 0.5, 0.5]], [[[0, 1]]], [[[True, False]]], [[[4, 0]]])
    assert outputs["scores"].tolist() == [[-np.inf, *BASE[1:].tolist()]]
    assert outputs["slate"].tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("explore", [Softmax(), EpsilonGreedy(0.5)], ids=lambda each: type(each).__name__)
def test_exploration_draws_from_what_is_allowed_and_is_repeatable(policy: Policy, explore: Any) -> None:
    history = [("a", 3.0)]
    slates = [
        policy.rank(history=history, candidates=list("abcd"), k=2, explore=explore, random=np.random.default_rng(seed))
        for seed in [*range(30), 0]
    ]
    assert {each.item for slate in slates for each in slate} == set("bcd")
    assert slates[0] == slates[-1]
    assert all(0 < each.propensity < 1 for slate in slates for each in slate)
    assert all(each.score == BASE["abcdefgh".index(each.item)] for slate in slates for each in slate)
    assert len({names(policy.rank(k=3, explore=explore)) for _ in range(100)}) > 1


def varied_policy(rule: str) -> Policy:
    """A policy of random scores, whose graph does not give the slate: it must come from the scores."""
    rng = np.random.default_rng(0)

    def run(inputs: Any) -> dict[str, Array]:
        n = len(inputs["items"])
        extra = {
            "varied": {"weights": rng.random((n, 2)), "memories": rng.random((n, 2, 3))},
            "choice": {"choice_weights": rng.random((n, 8)), "nothing": rng.random((n, 2))},
        }[rule]
        return {"scores": rng.random((n, 8)), "slate": np.full((n, 3), 7)} | extra

    options = {"varied": {"decays": [0.5, 0.9]}, "choice": {"optimizer": "optimal"}}[rule]
    return Policy(contract(slates={"rule": rule, **options}), ITEMS, run)


@pytest.mark.parametrize(("rule", "shorter"), [("varied", "hh"), ("choice", None)])
def test_a_shorter_slate_is_the_beginning_of_the_graphs_unless_users_choose_from_it(
    rule: str, shorter: str | None
) -> None:
    policy = varied_policy(rule)
    assert names(policy.rank(k=3)) == "hhh"
    assert (names(policy.rank(k=2)) == "hh") == (shorter == "hh")
    assert len(set(names(policy.rank(k=5)))) == 5
    assert len(set(names(policy.rank(k=3, candidates=list("abcd"))) + "efgh")) == 7
    assert len(set(names(policy.rank(k=3, explore=Softmax())))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1, it is 0"),
        ({"k": 2.0}, "k must be an integer, it is 2.0"),
        ({"k": 9}, "k is 9, but the catalogue has 8 items; give at most as many"),
        ({"candidates": ["a", "x"]}, "the item 'x' is not in the catalogue of 8 items"),
        ({"candidates": "abc"}, "candidates are a list of ids, which are text, not 'abc'"),
        ({"candidates": [1193]}, "candidates are a list of ids, which are text, not [1193]"),
        ({"candidates": [["a"]]}, "candidates are a list of ids, which are text, not [['a']]"),
        ({"candidates": 3}, "candidates are a list of ids, which are text, not 3"),
        ({"explore": 0.1}, "explore must be of the type Softmax or EpsilonGreedy, it is 0.1"),
        ({"random": 3}, "random must be of the type Generator, it is 3"),
        ({"skip_unknown": "yes"}, "skip_unknown must be True or False, it is 'yes'"),
        ({"user": "F"}, "a user is a mapping of demographics or None, not 'F'"),
        ({"user": {"sex": "?"}}, "sex must be one of F, M, it is '?'"),
        ({"history": [("a", 6)]}, "the rating 6 of the item 'a' is off the scale, 1 to 5"),
    ],
)
def test_arguments_that_cannot_be_are_one_line(policy: Policy, arguments: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        policy.rank(**{"k": 3} | arguments)
    assert str(caught.value) == message


def test_lists_of_different_lengths_are_one_line(policy: Policy) -> None:
    for arguments in ([[None], []], [[], [[]]]):
        with pytest.raises(
            InputError, match=r"^users, histories and candidates differ in number; give one of each per"
        ):
            policy.rank_batch(*arguments, k=3)
    for histories, candidates in (([[]], []), ([[], []], [None])):
        with pytest.raises(InputError, match="differ in number"):
            policy.rank_batch([None], histories, candidates=candidates, k=3)


@pytest.mark.parametrize("name", ["users", "histories", "candidates"])
def test_what_is_no_list_is_one_line(policy: Policy, name: str) -> None:
    arguments: Any = {"users": [None], "histories": [[]], "candidates": [None], "k": 3} | {name: 3}
    with pytest.raises(InputError, match=f"^{name} must be of the type Sequence, it is 3$"):
        policy.rank_batch(**arguments)


def test_a_fault_in_a_batch_names_its_user(policy: Policy) -> None:
    with pytest.raises(BatchError, match=r"^user 1: the item 'x' is not in the catalogue of 8 items$"):
        policy.rank_batch([None] * 2, [[], []], candidates=[None, ["x"]], k=3)


def test_a_policy_needs_neither_torch_nor_pandas(folder: Path) -> None:
    code = (
        "import sys; from pydeeprecsys.serving.policy import Policy; "
        f"print(Policy.load({str(folder)!r}).rank(k=1)[0].item); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    item, modules = done.stdout.splitlines()
    assert item == "a"
    assert set(modules.split()).isdisjoint({"torch", "numba", "pandas", "scipy", "pyarrow"})


def test_demographics_of_the_contract_are_used() -> None:
    seen = []

    def run(inputs: Any) -> dict[str, Array]:
        seen.append(inputs["demographics"].tolist())
        return {"scores": BASE[None], "slate": np.array([[0, 1, 2]])}

    codes = DEMOGRAPHICS | {"sex": {"W": 0.25}, "unknown": 0.75}
    Policy(contract(demographics=codes), ITEMS, run).rank({"sex": "W"}, k=1)
    assert seen == [[[0.25, 0.75, 0.75, 0.75]]]


def test_many_users_are_ranked_as_each_alone(policy: Policy) -> None:
    histories = [[("abcdefgh"[number % 8], 1.0 + number % 5)] for number in range(150)]
    slates = policy.rank_batch([None] * 150, histories, k=3)
    assert len(slates) == 150
    assert slates == [policy.rank(None, history, k=3) for history in histories]


def test_batches_are_ranked_in_parts_with_the_number_of_each_user(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories: list[Any] = [[("abcdefgh"[number % 8], 3.0)] for number in range(7)]
    whole = policy.rank_batch([None] * 7, histories, k=3)
    monkeypatch.setattr("pydeeprecsys.serving.policy._RANKED_AT_ONCE", 2)
    assert policy.rank_batch([None] * 7, histories, k=3) == whole
    histories[5] = [("nothing", 3.0)]
    with pytest.raises(BatchError, match="user 5: the item 'nothing'") as caught:
        policy.rank_batch([None] * 7, histories, k=3)
    assert caught.value.user == 5


@pytest.mark.parametrize(
    ("user", "history"),
    [
        ({"occupation": "9" * 5000}, []),
        (None, [("a", 10**5000)]),
        (None, [("x" * 5000, 3.0)]),
        (None, ""),
        (None, b""),
        (None, [{"a", 4.0}]),
    ],
)
def test_huge_or_odd_input_is_one_short_line(policy: Policy, user: Any, history: Any) -> None:
    with pytest.raises(InputError) as caught:
        policy.rank(user, history, k=2)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("history", [[(1, 3)], [3], ["a"], 7])
def test_unknown_items_are_asked_of_histories(policy: Policy, history: Any) -> None:
    with pytest.raises(InputError, match="a history is pairs of an item's id and its rating"):
        policy.unknown_items(history)
