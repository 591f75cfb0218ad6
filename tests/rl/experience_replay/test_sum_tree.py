import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pydeeprecsys.rl.experience_replay.sum_tree import SumTree


def tree_of(*priorities: float) -> SumTree:
    tree = SumTree(len(priorities))
    tree.update(np.arange(len(priorities)), np.array(priorities))
    return tree


@pytest.mark.parametrize("n_leaves", [1, 2, 3, 4, 5, 64, 65])
def test_total_of_any_size(n_leaves: int) -> None:
    tree = tree_of(*range(1, n_leaves + 1))
    assert tree.total == n_leaves * (n_leaves + 1) / 2
    np.testing.assert_array_equal(tree.priorities, np.arange(1, n_leaves + 1))


# Priorities 1, 3, 0, 4 with the sum 8: leaf 0 is [0, 1), leaf 1 is [1, 4), leaf 3 is [4, 8).
@pytest.mark.parametrize(
    ("uniform", "leaf"),
    [(0.0, 0), (0.124, 0), (0.125, 1), (0.499, 1), (0.5, 3), (0.999, 3), (1.0, 3)],
)
def test_single_draw(uniform: float, leaf: int) -> None:
    indices, priorities = tree_of(1, 3, 0, 4).sample(np.array([uniform]))
    assert indices[0] == leaf
    assert priorities[0] == [1, 3, 0, 4][leaf]


def test_stratified_draws() -> None:
    # Four ranges of 2 each; the draws fall at 0 + 0, 2 + 1, 4 + 1.9 and 6 + 0.
    indices, _ = tree_of(1, 3, 0, 4).sample(np.array([0.0, 0.5, 0.95, 0.0]))
    assert indices.tolist() == [0, 1, 3, 3]


def test_equal_priorities_are_each_drawn_once() -> None:
    uniforms = np.random.default_rng(0).random(37)
    indices, _ = tree_of_ones(37).sample(uniforms)
    assert indices.tolist() == list(range(37))


def tree_of_ones(n: int) -> SumTree:
    tree = SumTree(n)
    tree.fill(0, n, 1.0)
    return tree


def test_the_last_of_an_index_that_comes_twice_counts() -> None:
    tree = tree_of(1, 1, 1)
    tree.update(np.array([1, 2, 1]), np.array([5.0, 2.0, 7.0]))
    assert tree.priorities.tolist() == [1, 7, 2]
    assert tree.total == 10


def test_fill_goes_round() -> None:
    tree = tree_of(1, 1, 1, 1, 1)
    tree.fill(3, 3, 4.0)
    assert tree.priorities.tolist() == [4, 1, 1, 4, 4]
    assert tree.total == 14


def test_frequencies_follow_priorities() -> None:
    # One draw at a time is independent of the others, as the statistic takes it.
    priorities = np.array([0.5, 4.0, 0.1, 1.0, 2.5, 0.0, 1.9])
    tree = tree_of(*priorities)
    uniforms = np.random.default_rng(1).random((20_000, 1))
    counts = np.bincount([int(tree.sample(uniform)[0][0]) for uniform in uniforms], minlength=7)
    assert counts[5] == 0
    drawn = priorities > 0
    expected = priorities[drawn] / priorities.sum() * len(uniforms)
    assert chisquare(counts[drawn], expected).pvalue > 0.001


changes = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 10), st.floats(1e-6, 1e6)), min_size=1, max_size=5),
        st.tuples(st.integers(0, 10), st.integers(0, 11), st.floats(1e-6, 1e6)),
    ),
    max_size=20,
)


@given(changes)
def test_after_any_changes_the_tree_is_that_of_its_leaves(steps: list[list[tuple[int, float]]]) -> None:
    tree, leaves = SumTree(11), np.zeros(11)
    for step in steps:
        if isinstance(step, list):
            tree.update(np.array([index for index, _ in step]), np.array([priority for _, priority in step]))
            for index, priority in step:
                leaves[index] = priority
        else:
            start, n, priority = step
            tree.fill(start, n, priority)
            leaves[(start + np.arange(n)) % 11] = priority
    np.testing.assert_array_equal(tree.priorities, leaves)
    np.testing.assert_array_equal(tree._nodes, tree_of(*leaves)._nodes)
    assert tree.smallest == leaves[leaves > 0].min(initial=np.inf)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=20), st.lists(st.floats(0, 0.999), min_size=1, max_size=8))
def test_draws_agree_with_cumulative_sums(priorities: list[float], uniforms: list[float]) -> None:
    indices, drawn = tree_of(*priorities).sample(np.array(uniforms))
    points = (np.arange(len(uniforms)) + uniforms) / len(uniforms) * np.sum(priorities)
    ends = np.cumsum(priorities)
    for index, point in zip(indices, points, strict=True):
        assert ends[index] - priorities[index] <= point * (1 + 1e-9)
        assert point <= ends[index] * (1 + 1e-9)
    np.testing.assert_array_equal(drawn, np.array(priorities)[indices])


def test_rounding_never_leads_to_an_empty_leaf() -> None:
    # A sum of 0.1 and 0.2 that rounds up, before leaves without priority.
    tree = tree_of(0.1, 0.2, 0.0, 0.0, 0.0)
    for n in (1, 3, 7, 1000):
        indices, priorities = tree.sample(np.full(n, np.nextafter(1.0, 0.0)))
        assert indices.max() == 1
        assert (priorities > 0).all()


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_outside_changes_nothing(index: int) -> None:
    tree = tree_of(1, 1, 1)
    with pytest.raises(IndexError):
        tree.update(np.array([0, index]), np.array([9.0, 9.0]))
    assert tree.priorities.tolist() == [1, 1, 1]


def test_refused() -> None:
    tree = tree_of(1, 1, 1)
    with pytest.raises(ValueError, match=r"\(2,\).*\(2, 1\)"):
        tree.update(np.array([0, 1]), np.ones((2, 1)))
    with pytest.raises(IndexError, match="no 4 leaves from 0 on in a tree of 3"):
        tree.fill(0, 4, 1.0)
    with pytest.raises(ValueError, match="all priorities are 0"):
        SumTree(3).sample(np.zeros(1))
