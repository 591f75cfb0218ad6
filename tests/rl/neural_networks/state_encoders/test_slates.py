import numpy as np
import pytest
import torch

from contracts.agents import histories
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.neural_networks.state_encoders.slates import in_time, read_slates, sessions_of

CHOSEN = HistoryLayout(n_items=7, slate_size=2, n_rated=1, length=5)
WHOLE = HistoryLayout(n_items=7, slate_size=2, n_rated=2, length=5)
SINGLE = HistoryLayout(n_items=7, slate_size=1, n_rated=1, length=5)


@pytest.mark.parametrize("layout", [CHOSEN, WHOLE, SINGLE])
def test_tensors_tell_what_the_layout_reads(layout: HistoryLayout) -> None:
    states = histories(np.random.default_rng(0), 100, layout)
    history = layout.read(states)
    slates, steps = in_time(layout, torch.from_numpy(states))
    read = read_slates(layout, slates)
    np.testing.assert_array_equal(steps, history.steps)
    consumed, ratings = (column.reshape(100, layout.length, -1) for column in (history.items, history.ratings))
    for row, t in enumerate(history.steps):
        for step in range(t):
            ago = t - 1 - step
            np.testing.assert_array_equal(read.items[row, step], history.slates[row, ago])
            assert read.chosen[row, step] == (history.choices[row, ago] >= 0)
            eaten = read.consumed[row, step]
            np.testing.assert_array_equal(read.items[row, step][eaten], consumed[row, ago][consumed[row, ago] >= 0])
            np.testing.assert_array_equal(read.ratings[row, step][eaten], ratings[row, ago][ratings[row, ago] > 0])
            assert not read.ratings[row, step][~eaten].any()


@pytest.mark.parametrize(
    ("place", "number", "match"),
    [(0, 8, "the item 7; items are 0 to 6"), (2, 0.5, r"a rating of 0\.5"), (2, 6, "a rating of 6"),
     (3, 3, "a choice out of a slate of 2"), (0, -1, "the item -2")],
)  # fmt: skip
def test_histories_that_cannot_be(place: int, number: float, match: str) -> None:
    states = CHOSEN.row([0.5] * 4, [[3, 4]] * 2, [0] * 2, ratings=[[4]] * 2)[None]
    states[0, 4 + 4 + place] = number
    with pytest.raises(InputError, match=match):
        in_time(CHOSEN, torch.from_numpy(states))


def test_states_of_another_size() -> None:
    with pytest.raises(InputError, match=r"takes \(n, 24\)"):
        in_time(CHOSEN, torch.zeros(2, 23))


def test_histories_of_one_session_are_found() -> None:
    users = torch.tensor([[0.0], [0.0], [0.0], [1.0], [0.0], [0.0]])
    #                      first   second: the second user's slate differs, the fourth is another user, the last empty
    slates = torch.tensor([[5, 1], [5, 2], [5, 1], [5, 1], [7, 7], [0, 0]])[:, :, None].float()
    steps = torch.tensor([2, 2, 1, 1, 1, 0])
    longest, session = sessions_of(users, slates, steps)
    of = longest[session].tolist()
    assert of[3:] == [3, 4, 5]
    assert of[2] in (0, 1)
    assert sorted({of[0], of[1]}) == [0, 1]


def test_nothing_was_shown_yet() -> None:
    longest, session = sessions_of(torch.zeros(3, 4), torch.zeros(3, 0, 4), torch.zeros(3, dtype=torch.int64))
    assert longest.tolist() == session.tolist() == [0, 1, 2]
