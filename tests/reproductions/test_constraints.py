from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from reproductions.constraints import (
    CLAIMS,
    FIRST_SEED,
    LEVEL,
    LIMIT,
    OF_FRONTS,
    SEEDS,
    SEEDS_OF_FRONTS,
    STUDY,
    TABLE,
    at_same_cvar,
    measure,
    points,
    table,
)

from reproductions import constraints

CONSTRAINED = f"ppo+cvar-{LIMIT}"
NO_GAPS = pd.DataFrame(columns=["agent", "statistic", "too_small", "figure", "value"])


def row(agent: str, seed: int, rating: float, cvar: float, **more: Any) -> dict[str, Any]:
    figures = {"return": 10 * rating, "violence": cvar - 0.1, "cvar_95": cvar + 0.1, **more}
    return {"agent": agent, "seed": FIRST_SEED + seed, "rating": rating, "cvar": cvar, **figures}


@pytest.fixture
def rows() -> pd.DataFrame:
    """The weight 1 loses 0.4 stars for 0.2 of CVaR, and the bound 0.1 for 0.1; seeds differ by 0.01 stars."""
    reached = {"ppo": (4.8, 0.5), "ppo+weight-1.0": (4.4, 0.3), CONSTRAINED: (4.7, 0.4)}
    return pd.DataFrame(
        [row(agent, seed, rating + 0.01 * seed, cvar) for agent, (rating, cvar) in reached.items() for seed in range(5)]
    )


def test_a_bound_is_compared_with_weights_at_its_own_cvar(rows: pd.DataFrame) -> None:
    difference = at_same_cvar(rows, CONSTRAINED)
    assert difference.difference == pytest.approx(4.7 - 4.6)
    assert (difference.seeds, difference.beyond) == (5, 0)
    (line,) = [line for line in table(rows, NO_GAPS).splitlines() if line.startswith(f"| {CONSTRAINED} |")]
    assert line.startswith(f"| {CONSTRAINED} | 5 | 4.720 [")
    assert "-0.100 [-0.100, -0.100] | +0.100 [" in line


def test_the_worst_groups_have_their_gaps(rows: pd.DataFrame) -> None:
    common = {"agent": "ppo", "statistic": "mean", "column": "sex", "too_small": False}
    gaps = pd.DataFrame(
        [
            {**common, "figure": "rating", "group": "F", "value": 4.5, "gap": -0.2, "p_holm": 0.01},
            {**common, "figure": "rating", "group": "M", "value": 4.7, "gap": 0.2, "p_holm": 0.01},
            {**common, "figure": "violence", "group": "M", "value": 0.4, "gap": 0.1, "p_holm": 0.2},
            {**common, "figure": "rating", "group": "X", "value": 1.0, "gap": -3.0, "p_holm": 0.2, "too_small": True},
        ]
    ).assign(gap_low=-0.3, gap_high=-0.1)
    (line,) = [line for line in table(rows, gaps).splitlines() if line.startswith("| ppo |")]
    assert line.endswith("| sex F: 4.500 (-0.200 [-0.300, -0.100]) | sex M: 0.400 (no claim) |")


def test_points_of_a_line_have_the_value_that_sets_them_apart(rows: pd.DataFrame) -> None:
    drawn = points(rows).groupby("agent")["value"].first()
    assert drawn["ppo+weight"] == 1.0
    assert drawn["ppo+cvar"] == LIMIT
    assert pd.isna(drawn["ppo"])


def test_what_is_kept_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [
        row(name, seed, 4.0, 0.4, settings=STUDY.settings(CLAIMS[name]))
        for name in ("random", "ppo")
        for seed in (0, 1)
    ]
    pd.DataFrame(kept).to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.setattr(constraints, "TABLE", tmp_path / "rows.csv")
    assert len(measure(["random", "ppo"], 2, 1, tmp_path)) == 4  # a training would take minutes
    kept[0]["settings"] = "others"
    pd.DataFrame(kept).to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.setattr(constraints, "SEEDS_OF_FRONTS", 0)
    assert len(measure(["ppo", *OF_FRONTS], 2, 1, tmp_path)) == 3


def test_the_results_that_are_kept_are_of_these_claims_and_hold() -> None:
    rows = pd.read_csv(TABLE)
    for name, theirs in rows.groupby("agent"):
        assert set(theirs["settings"]) == {STUDY.settings(CLAIMS[str(name)])}
        assert len(theirs) == (SEEDS_OF_FRONTS if name in OF_FRONTS else SEEDS), name
    free, bound = (rows[rows["agent"] == name].set_index("seed") for name in ("ppo", CONSTRAINED))
    assert (free["cvar"] > LIMIT).all()
    assert (bound["cvar"] <= LIMIT).all()
    assert 0 < LEVEL < 1
