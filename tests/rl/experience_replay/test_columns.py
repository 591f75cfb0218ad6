import numpy as np
import pytest

from pydeeprecsys.rl.experience_replay.columns import Columns, layout_of, layout_of_state
from pydeeprecsys.rl.experience_replay.transition import Transition


def some(n: int, n_actions: int = 20, seed: int = 0) -> Transition:
    """Random transitions with masks, and with flags in two axes."""
    rng = np.random.default_rng(seed)
    states, flags = rng.random((n, 2), dtype=np.float32), rng.random(n) < 0.5
    masks, table = rng.random((n, n_actions)) < 0.5, rng.random((n, 3, 5)) < 0.5
    step = Transition(states, rng.integers(0, 9, n), rng.random(n), flags, ~flags, states + 1)
    return step._replace(action_masks=masks, item_rewards=table)


def assert_equal(a: Transition, b: Transition) -> None:
    assert layout_of(a) == layout_of(b)
    for name, column in a.columns().items():
        np.testing.assert_array_equal(column, getattr(b, name))


@pytest.mark.parametrize("n_actions", [1, 7, 8, 9, 3883])
def test_what_is_written_is_read_again_and_booleans_take_a_bit_each(n_actions: int) -> None:
    given, columns = some(6, n_actions), Columns(10)
    columns.allocate(layout_of(given))
    columns.write(slice(2, 8), given)
    rows = np.array([7, 2, 2])
    assert_equal(columns.read(rows), given.take(rows - 2))
    assert columns.arrays["action_masks"].shape == (10, -(-n_actions // 8))
    assert columns.arrays["item_rewards"].shape == (10, 3, 1)
    assert columns.arrays["terminated"].dtype == np.bool_
    assert sum(array.nbytes for array in columns.arrays.values()) == columns.n_bytes(layout_of(given))


def test_rows_are_given_by_time() -> None:
    given, columns = some(6), Columns(10)
    columns.allocate(layout_of(given))
    columns.write(np.arange(6), given)
    by_time = columns.by_time(3, 2)
    assert by_time.item_rewards is not None
    assert by_time.item_rewards.shape == (3, 2, 3, 5)
    assert_equal(by_time.take(2), given.take(slice(4, 6)))
    assert by_time.observations.base is not None
    columns.move_to_front(np.array([4, 5]))
    assert_equal(columns.read(np.arange(2)), given.take(slice(4, 6)))


def test_room_grows_and_keeps_what_is_written() -> None:
    given, columns = some(3), Columns()
    columns.allocate(layout_of(given))
    for capacity, n in ((3, 3), (6, 4), (6, 6), (20, 20)):
        columns.reserve(n)
        if n == 3:
            columns.write(slice(3), given)
        assert columns.capacity == capacity
        assert {len(array) for array in columns.arrays.values()} == {capacity}
        assert_equal(columns.read(np.arange(3)), given)
    assert not columns.read(np.array([19])).observations.any()


def test_a_state_tells_its_layout() -> None:
    given, columns, other = some(6), Columns(10), Columns(7)
    columns.allocate(layout_of(given))
    columns.write(slice(6), given)
    rows = np.array([5, 1])
    state = columns.state_dict(rows)
    assert layout_of_state(state) == layout_of(given)
    other.allocate(layout_of_state(state))
    other.load_state_dict(slice(2), state)
    columns.write(slice(6), some(6, seed=1))
    assert_equal(other.read(np.arange(2)), given.take(rows))
