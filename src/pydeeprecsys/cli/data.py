"""`pydeeprecsys data`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from pydeeprecsys.cli.common import progress_bars, screen
from pydeeprecsys.data.dataset import USER_COLUMNS, Dataset
from pydeeprecsys.data.download import data_home, fetch, fetched
from pydeeprecsys.data.library import open_world, read_dataset
from pydeeprecsys.data.releases import GENERATED, RELEASES
from pydeeprecsys.data.world import World


def list_releases() -> None:
    """List the data sets there are, and which are here."""
    here = fetched()
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "here", "MB", "what it is"):
        table.add_column(heading, justify="right" if heading == "MB" else "left")
    for name, description in GENERATED.items():
        table.add_row(name, "yes", "", description)
    for name, release in RELEASES.items():
        table.add_row(name, "yes" if name in here else "no", f"{release.megabytes:g}", release.description)
    screen.print(table)
    screen.print(f"they are kept in {data_home()}; get one with 'pydeeprecsys data fetch NAME'", soft_wrap=True)


def fetch_release(name: str, source: Path | None) -> None:
    """Get a data set, from its address or from a zip that is here."""
    for got in fetch(name, source=source):
        origin = f" from {got.origin}" if got.origin else ""
        screen.print(f"{got.name}{origin}: {got.verified}; now at {got.path}", soft_wrap=True)


def describe(name: str) -> None:
    """Describe a data set by its name or path; its world is built, and kept."""
    with progress_bars() as progress:
        progress.add_task(f"reading {name}", total=None)
        dataset = read_dataset(name)
        task = progress.add_task(f"building the world of {name}", total=None)
        world = open_world(name, lambda done, total: progress.update(task, completed=done, total=total))
    record = world.record
    users, items, ratings = len(dataset.users), len(dataset.items), len(dataset.ratings)
    low, high = dataset.scale
    by_user = np.bincount(dataset.user_index, minlength=users)
    by_item = np.bincount(dataset.item_index, minlength=items)
    flags = dataset.genres & dataset.genres_known[:, None]
    counts = ", ".join(f"{genre} {n:,}" for genre, n in zip(dataset.categories, flags.sum(axis=0), strict=True) if n)
    known = np.isfinite(dataset.demographics).mean(axis=0)
    rows = [
        ("users", f"{users:,}, each with {by_user.min()} to {by_user.max():,} ratings, median {np.median(by_user):g}"),
        ("items", f"{items:,}, each with {by_item.min()} to {by_item.max():,} ratings, median {np.median(by_item):g}"),
        ("ratings", f"{ratings:,} from {low:g} to {high:g}, mean {dataset.ratings.mean():.2f}"),
        ("density", f"{ratings / users / items:.2%} of all pairs"),
        *_times(dataset),
        *((column, f"known of {share:.1%}") for column, share in zip(USER_COLUMNS[1:], known, strict=True)),
        *_violence(world),
        (
            "genres",
            ": ".join(filter(None, [f"known of {dataset.genres_known.mean():.1%}", counts])),
        ),
        ("RMSE", f"{record['held_out_rmse']:.3f} on {record['held_out_ratings']:,} held-out ratings"),
        ("checksum", dataset.checksum),
    ]
    table = Table(title=dataset.name, title_justify="left", show_header=False, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    screen.print(table)
    screen.print(_calibration(record["calibration"], low))


def _calibration(records: list[dict[str, Any]], low: float) -> Table:
    """Mean ratings and predictions, by how often the item was rated; differences with their standard error."""
    table = Table(title="Calibration on the held-out ratings", title_justify="left", box=None, pad_edge=False)
    for heading in ("predicted", "item rated", "ratings", "mean rating", "mean prediction", "difference ± error"):
        table.add_column(heading, justify="left" if heading == "predicted" else "right")
    for band in records:
        predicted, error = band["predicted_from"], band["standard_error"]
        row = [
            "all" if predicted == low else f"{predicted:g} or more",
            f"{band['band']} times",
            f"{band['ratings']:,}",
            f"{band['mean_rated']:.3f}",
            f"{band['mean_predicted']:.3f}",
            f"{band['mean_predicted'] - band['mean_rated']:+.3f} ± {'?' if error is None else f'{error:.3f}'}",
        ]
        table.add_row(*row)
    return table


def _times(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """The days of the first and of the last rating."""
    if dataset.timestamps is not None and np.isfinite(dataset.timestamps).any():
        first, last = (f"{pd.Timestamp(end(dataset.timestamps), unit='s'):%Y-%m-%d}" for end in (np.nanmin, np.nanmax))
        yield "times", f"{first} to {last}"


def _violence(world: World) -> Iterator[tuple[str, str]]:
    """Measured violence of the items, and the error of the imputed rest."""
    measured, record = world.violence_measured, world.record["violence"]
    if not measured.any():
        yield "violence", f"not known: {record['source']}"
        return
    yield (
        "violence",
        f"measured of {measured.mean():.1%}, mean {world.violence[measured].mean():.3f}; {record['source']}",
    )
    if measured.all():
        return
    by_genres = int((~measured & world.genres_known).sum())
    by_mean = int((~measured).sum()) - by_genres
    ways = [f"{by_genres:,} items from their genres"] * (by_genres > 0) + [f"{by_mean:,} by the mean"] * (by_mean > 0)
    yield "", f"imputed of {(~measured).mean():.1%}: {', '.join(ways)}"
    if record["held_out_rmse"] is None:
        yield "", "held-out error of imputation not known: too few items are measured"
    else:
        errors = f"{record['held_out_rmse']:.3f}, of their mean {record['rmse_of_the_mean']:.3f}"
        yield "", f"held-out RMSE of imputation {errors} (10-fold cross-validation)"
