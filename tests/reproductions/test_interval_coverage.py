import numpy as np
import pandas as pd
import pytest
from reproductions.interval_coverage import (
    PAIRS,
    PRINTED,
    REQUIRED,
    RESULTS,
    SEEDS,
    coverage,
    improvement_coverage,
)

LEAST = 0.93
TABLES = (
    2_000  # a coverage of 0.945, the least expected, has a standard error of 0.005 in them: three below it is LEAST
)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("distribution", REQUIRED)
def test_what_is_printed_holds_the_true_value(distribution: str, seeds: int) -> None:
    measured = coverage(PRINTED, distribution, seeds, TABLES, np.random.default_rng(7))
    assert measured["coverage"] >= LEAST
    assert measured["told"] >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("seeds", SEEDS)
def test_the_printed_probability_of_improvement_holds_the_true_one(pair: str, seeds: int) -> None:
    _, printed = improvement_coverage(pair, seeds, TABLES, np.random.default_rng(7))
    assert printed["coverage"] >= LEAST


def test_the_measurement_finds_intervals_that_do_not_hold() -> None:
    generator = np.random.default_rng(7)
    assert 0.70 < coverage("percentile bootstrap", "normal", 3, TABLES, generator)["coverage"] < 0.78
    assert coverage("Student's t", "one in five fails", 5, TABLES, generator)["coverage"] < 0.75
    bootstrap, _ = improvement_coverage("normal, 3 above", 3, TABLES, generator)
    assert bootstrap["coverage"] < 0.2


def test_the_kept_measurements_say_so_too() -> None:
    kept = pd.read_csv(RESULTS)
    printed = kept[kept["method"].isin([PRINTED, "Clopper-Pearson"]) & kept["distribution"].isin([*REQUIRED, *PAIRS])]
    assert set(SEEDS) < set(printed["seeds"])
    assert printed["coverage"].min() >= LEAST
