from typing import Any

import pytest

from pydeeprecsys.rl.search_space import Between, OneOf


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Between(1, 5), [1, 5, 3], [0, 6, 2.5, "3", None]),
        (Between(0.1, 1.0, log=True), [0.1, 1, 0.5], [0.0, 1.1, None]),
        (OneOf(None, [64], [128, 64]), [None, [64]], [[128], 64, False]),
        (OneOf(False, True), [False, True], [0, 1, None]),
    ],
)
def test_what_a_domain_holds(domain: Between | OneOf, inside: list[Any], outside: list[Any]) -> None:
    assert all(value in domain for value in inside)
    assert not any(value in domain for value in outside)
    assert all(corner in domain for corner in domain.corners())


def test_domains_without_a_choice_are_refused() -> None:
    with pytest.raises(ValueError, match="is empty: high must be above low"):
        Between(1.0, 1.0)
    with pytest.raises(ValueError, match="is empty: high must be above low"):
        Between(0.0, 1.0, log=True)
    with pytest.raises(ValueError, match="at least two values, there are 1"):
        OneOf(1)
