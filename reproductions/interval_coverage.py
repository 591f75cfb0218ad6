"""How often intervals over few seeds hold the true value: `python -m reproductions.interval_coverage`.

Tables of scores are drawn from known distributions; an interval's coverage is the share of tables in which it holds the
population value of the statistic that it stands beside. Writes results/interval_coverage.csv.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from scipy import stats

from pydeeprecsys.evaluation.intervals import Floats, median_interval, proportion_interval
from pydeeprecsys.files import whole_file

RESULTS = Path(__file__).parent / "results" / "interval_coverage.csv"
SEEDS = (3, 5, 10)
MORE_SEEDS = (4, 6, 7, 20)  # of what tables print
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
Interval = Callable[[Floats, np.random.Generator], tuple[Floats, Floats]]  # of (seeds, tables): (tables,) and (tables,)


def failing(share: float, fall: float = 10.0) -> Draw:
    """Normal returns of which a share fails: these are lower by a number of standard deviations."""
    return lambda generator, size: generator.normal(size=size) - fall * (generator.random(size) < share)


DISTRIBUTIONS: Mapping[str, Draw] = {
    "normal": lambda generator, size: generator.normal(size=size),
    "uniform": lambda generator, size: generator.random(size),
    "t, 3 degrees of freedom": lambda generator, size: generator.standard_t(3, size),
    "exponential": lambda generator, size: generator.exponential(size=size),
    "exponential, negative": lambda generator, size: -generator.exponential(size=size),
    "lognormal, sigma 1": lambda generator, size: generator.lognormal(size=size),
    "lognormal, sigma 1, negative": lambda generator, size: -generator.lognormal(size=size),
    "normal, cut at +0.5": lambda generator, size: np.minimum(generator.normal(size=size), 0.5),
    "one in ten fails": failing(0.1),
    "one in five fails": failing(0.2),
    "one in five fails by 3": failing(0.2, 3.0),
    "three in ten fail": failing(0.3),
    "half fail": failing(0.5),
    "normal, rounded": lambda generator, size: np.round(2 * generator.normal(size=size)) / 2,
    "one in five fails, paired with normal": lambda generator, size: (
        failing(0.2)(generator, size) - generator.normal(size=size)
    ),
}
REQUIRED = tuple(name for name in DISTRIBUTIONS if name.startswith(("normal", "exp", "logn", "one in five")))

# Two agents: what each draws from.
PAIRS: Mapping[str, tuple[Draw, Draw]] = {
    "equal": (DISTRIBUTIONS["normal"], DISTRIBUTIONS["normal"]),
    **{
        f"normal, {shift:g} above": (lambda generator, size, d=shift: d + generator.normal(size=size), failing(0))  # type: ignore[misc]
        for shift in (0.5, 1.0, 2.0, 3.0, 20.0)
    },
    "normal, 1 above a constant": (
        lambda generator, size: 1 + generator.normal(size=size),
        lambda generator, size: np.zeros(size),
    ),
    "one in five fails, 5 above": (failing(0.2), lambda generator, size: generator.normal(size=size) - 5),
    "one in five fails, equal": (failing(0.2), failing(0.2)),
    "exponential, 0.7 above": (
        lambda generator, size: 0.7 + generator.exponential(size=size),
        DISTRIBUTIONS["exponential"],
    ),
    "ties": (
        lambda generator, size: (generator.random(size) < 0.8) * 1.0,
        lambda generator, size: (generator.random(size) < 0.5) * 1.0,
    ),
}


def trimmed_mean(scores: Floats) -> Floats:
    """Interquartile mean over the first axis."""
    means: Floats = stats.trim_mean(scores, 0.25, axis=0)
    return means


def bootstrap(scores: Floats, generator: np.random.Generator, resamples: int = 200) -> tuple[Floats, Floats]:
    """Percentile bootstrap of the interquartile mean."""
    seeds, ends = len(scores), []
    for tables in np.array_split(scores, max(1, scores.shape[1] // 500), axis=1):
        drawn = generator.integers(seeds, size=(seeds, resamples, tables.shape[1]))
        means = trimmed_mean(np.take_along_axis(tables[:, None], drawn, axis=0))
        ends.append(np.quantile(means, [0.025, 0.975], axis=0))
    low, high = np.concatenate(ends, axis=1)
    return low, high


def student(scores: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Student's t, of the mean."""
    half = stats.t.ppf(0.975, len(scores) - 1) * scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
    return scores.mean(axis=0) - half, scores.mean(axis=0) + half


def trimmed_t(scores: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Tukey & McLaughlin 1963: t of the interquartile mean, with the winsorised variance."""
    ordered, seeds = np.sort(scores, axis=0), len(scores)
    cut = seeds // 4
    kept = seeds - 2 * cut
    winsorised = np.clip(ordered, ordered[cut], ordered[seeds - 1 - cut])
    error = winsorised.std(axis=0, ddof=1) * np.sqrt((seeds - 1) / (kept * (kept - 1)))
    half, means = stats.t.ppf(0.975, kept - 1) * error, trimmed_mean(scores)
    return means - half, means + half


def printed(scores: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """What tables print: `median_interval`."""
    low, high = median_interval(scores)
    return low, high


def median(scores: Floats) -> Floats:
    """Median over the first axis."""
    medians: Floats = np.median(scores, axis=0)
    return medians


PRINTED = "order statistics"
METHODS: Mapping[str, tuple[str, Callable[[Floats], Floats], Interval]] = {
    "percentile bootstrap": ("interquartile mean", trimmed_mean, bootstrap),
    "Student's t": ("mean", partial(np.mean, axis=0), student),
    "trimmed t": ("interquartile mean", trimmed_mean, trimmed_t),
    PRINTED: ("median", median, printed),
}


def coverage(method: str, distribution: str, seeds: int, tables: int, generator: np.random.Generator) -> dict[str, Any]:
    """Coverage of an interval, its median width in those of Student's t, and the share of tables it is given in.

    Args:
        method: of `METHODS`.
        distribution: of `DISTRIBUTIONS`.
        seeds: scores in a table.
        tables: how many are drawn.
        generator: draws them; the true value is that of a million draws of a generator of its own.
    """
    statistic, function, interval = METHODS[method]
    truth = function(DISTRIBUTIONS[distribution](np.random.default_rng(1), (1_000_000,)))
    scores = DISTRIBUTIONS[distribution](generator, (seeds, tables))
    low, high = interval(scores, generator)
    told = ~np.isnan(low)
    held = (low[told] <= truth) & (truth <= high[told])
    low_t, high_t = student(scores, generator)
    return {
        "quantity": statistic,
        "method": method,
        "distribution": distribution,
        "seeds": seeds,
        "coverage": held.mean(),
        "width": np.median(high[told] - low[told]) / np.median(high_t - low_t),
        "told": told.mean(),
    }


def improvement_coverage(
    pair: str, seeds: int, tables: int, generator: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """The same of the probability of improvement: of its bootstrap, and of what tables print."""
    ours, theirs = PAIRS[pair]
    truth = _wins(ours, theirs, 1, 2_000_000, np.random.default_rng(1)).mean()
    wins = _wins(ours, theirs, seeds, tables, generator)
    times = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=(2, 200, tables)).astype(float)
    resampled = np.einsum("rtn,nmt,rtm->rt", times[0], wins, times[1], optimize=True) / seeds**2
    intervals = {
        "percentile bootstrap": np.quantile(resampled, [0.025, 0.975], axis=0),
        "Clopper-Pearson": proportion_interval(wins.mean(axis=(0, 1)) * seeds, seeds),
    }
    for method, (low, high) in intervals.items():
        yield {
            "quantity": "probability of improvement",
            "method": method,
            "distribution": pair,
            "seeds": seeds,
            "coverage": ((low <= truth) & (truth <= high)).mean(),
            "width": np.median(high - low),
            "told": 1.0,
        }


def _wins(ours: Draw, theirs: Draw, seeds: int, tables: int, generator: np.random.Generator) -> Floats:
    size = seeds, tables
    return (1 + np.sign(ours(generator, size)[:, None] - theirs(generator, size)[None])) / 2


@click.command()
@click.option("--tables", type=click.IntRange(1), default=10_000, show_default=True, help="Tables per row.")
def main(tables: int) -> None:
    """Measure the coverage of all intervals, and keep it."""
    generator = np.random.default_rng(0)
    rows = [
        coverage(method, distribution, seeds, tables, generator)
        for method, distribution in itertools.product(METHODS, DISTRIBUTIONS)
        for seeds in (*SEEDS, *(MORE_SEEDS if method == PRINTED else ()))
    ]
    for pair, seeds in itertools.product(PAIRS, SEEDS):
        rows += improvement_coverage(pair, seeds, tables, generator)
    table = pd.DataFrame(rows).round(4)
    with whole_file(RESULTS) as path:
        table.to_csv(path, index=False)
    click.echo(table.to_string())


if __name__ == "__main__":
    main()
