import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
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


WHOLE = HistoryLayout(n_items=20, slate_size=1, n_rated=1, length=2, whole_session=True)


def some_sessions() -> Transition:
    """Three users who consumed item 3, nothing and item 19 before, and item 5, item 3 and item 0 now."""
    user = [0.5] * 4
    slates, ratings = ([3], [7], [19]), ([4.0], [0.0], [1.0])
    before = np.stack([WHOLE.row(user, [s], [0 if r[0] else -1], [r]) for s, r in zip(slates, ratings, strict=True)])
    now = [([[5], [3]], [[2.0], [4.0]]), ([[3], [7]], [[3.0], [0.0]]), ([[0], [19]], [[5.0], [1.0]])]
    after = np.stack([WHOLE.row(user, s, [0 if r[0] else -1 for r in stars], stars) for s, stars in now])
    ends = np.array([False, True, False])
    masks, next_masks = np.ones((2, 3, 20), dtype=np.bool_)
    masks[0, 3] = masks[2, 19] = False
    next_masks[[0, 0, 1, 2, 2], [3, 5, 3, 19, 0]] = False
    step = Transition(before, np.array([5, 3, 0]), np.ones(3), ends, ~ends, after)
    return step._replace(action_masks=masks, next_action_masks=next_masks)


def test_masks_that_follow_from_the_observations_are_derived() -> None:
    given = some_sessions()
    columns, other = (Columns(5, WHOLE) for _ in range(2))
    columns.allocate(layout_of(given))
    columns.write(slice(3), given)
    assert columns.arrays.keys() == given.columns().keys() - {"action_masks", "next_action_masks"}
    assert sum(array.nbytes for array in columns.arrays.values()) == columns.n_bytes(layout_of(given))
    assert_equal(columns.read(np.array([2, 0])), given.take([2, 0]))
    by_time = columns.by_time(3, 1)
    assert by_time.next_action_masks is not None
    assert by_time.next_action_masks.shape == (3, 1, 20)
    state = columns.state_dict(slice(3))
    assert layout_of_state(state) == layout_of(given)
    other.allocate(layout_of_state(state))
    other.load_state_dict(slice(3), state)
    assert_equal(other.read(np.arange(3)), given)


def test_masks_are_stored_where_the_history_does_not_hold_the_session() -> None:
    given, columns = some_sessions(), Columns(5, HistoryLayout(20, 1, n_rated=1, length=2))
    columns.allocate(layout_of(given))
    columns.write(slice(3), given)
    assert columns.arrays.keys() == given.columns().keys()
    assert_equal(columns.read(np.arange(3)), given)


@pytest.mark.parametrize("name", ["action_masks", "next_action_masks"])
def test_masks_that_do_not_follow_are_refused_unless_nobody_acts_on_them(name: str) -> None:
    given = some_sessions()
    for row, refused in ((1, False), (0, True)):  # the session of row 1 is over
        masks = getattr(given, name).copy()
        masks[row, 11] = False
        columns = Columns(5, WHOLE)
        columns.allocate(layout_of(given))
        if refused:
            with pytest.raises(InputError, match="forbids other items than those consumed"):
                columns.write(slice(3), given._replace(**{name: masks}))
        else:
            columns.write(slice(3), given._replace(**{name: masks}))
