import numpy as np
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.many import holm


def test_the_smallest_p_value_is_multiplied_by_all_the_next_by_one_less_and_none_falls_below_a_smaller_one() -> None:
    # 0.01 · 4, 0.02 · 3, 0.025 · 2 = 0.05, raised to 0.06, and 0.9 · 1.
    assert holm([0.02, 0.9, 0.01, 0.025]) == pytest.approx([0.06, 0.9, 0.04, 0.06])


def test_corrected_p_values_stay_at_most_1() -> None:
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def test_what_is_not_tested_stays_unknown_and_is_not_counted() -> None:
    assert holm([np.nan, 0.02, 0.03]) == pytest.approx([np.nan, 0.04, 0.04], nan_ok=True)
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("p_values", [[1.1], [-0.1], [[0.1]]])
def test_other_numbers_are_refused(p_values: object) -> None:
    with pytest.raises(InputError, match="in \\[0, 1\\]"):
        holm(p_values)  # type: ignore[arg-type]
