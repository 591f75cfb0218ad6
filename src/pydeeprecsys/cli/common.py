"""What the verbs share: options of the simulated world, folders for results, and progress on screen."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pydeeprecsys.data.library import SYNTHETIC, open_world
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.run_folder import holds_run
from pydeeprecsys.simulation.movielens.simulator import Pool

screen = Console(highlight=False, markup=False)

WORLD_OPTIONS: list[click.Parameter] = [
    click.Option(
        ["--dataset"],
        default=SYNTHETIC,
        show_default=True,
        help="'synthetic', the name of a fetched data set (see 'pydeeprecsys data list'), or a path to ratings: "
        "a MovieLens zip or folder, a CSV or Parquet file; what its columns are called and the like may follow it, "
        "in quotes, as in 'ratings.csv?user_column=who&scale=1,10&items=movies.csv' (items beside the ratings).",
    ),
    click.Option(["--episodes"], type=click.IntRange(1), default=300, show_default=True, help="Sessions to train for."),
    click.Option(
        ["--evaluation-episodes"],
        type=click.IntRange(1),
        default=500,
        show_default=True,
        help="Sessions that each trained agent is evaluated in, without exploration.",
    ),
    click.Option(["--n-envs"], type=click.IntRange(1), default=1, show_default=True, help="Users simulated at once."),
    click.Option(
        ["--slate-size"], type=click.IntRange(1), default=1, show_default=True, help="Movies shown at a time."
    ),
    click.Option(
        ["--world-version", "version"],
        type=click.IntRange(0, 1),
        default=0,
        show_default=True,
        help="0 for the founding world; 1 for users who choose or leave, tire of what they have had, and go when they "
        "have had enough.",
    ),
    click.Option(
        ["--delta"],
        type=float,
        show_default="1.0 in world 0; in world 1 a taste that tires",
        help="How a liked movie moves the user's taste for its genres: above 0 addiction, down to -1 boredom.",
    ),
    click.Option(
        ["--observe-time"],
        is_flag=True,
        default=None,
        help="Tell agents the time within the session, as one number more in the observation.",
    ),
    click.Option(
        ["--lambda-non-violent"],
        type=float,
        default=0.0,
        show_default=True,
        help="Weight in the reward of showing no violence, from 0 to 1.",
    ),
    click.Option(
        ["--threads"],
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Threads of torch. More may be faster for many users on an idle machine; other numbers, other last bits.",
    ),
    click.Option(
        ["--checkpoint-every"],
        type=click.FloatRange(0),
        default=60.0,
        show_default=True,
        help="Seconds between two checkpoints, from which 'pydeeprecsys resume' goes on.",
    ),
    click.Option(
        ["--out"],
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the results; a new one under runs/ when not given.",
    ),
    click.Option(
        ["--overwrite"],
        is_flag=True,
        help="Delete the run, comparison or search in --out and start over; refused if it holds anything else.",
    ),
]


def pool_options(evaluation_pool: Pool) -> list[click.Parameter]:
    """The options for the users of training and evaluation; the latter's default is given."""
    pools = click.Choice(get_args(Pool))
    return [
        click.Option(
            ["--train-pool"], type=pools, default="train", show_default=True, help="Users that agents are trained on."
        ),
        click.Option(
            ["--evaluation-pool"],
            type=pools,
            default=evaluation_pool,
            show_default=True,
            help="Users that trained agents are evaluated on.",
        ),
    ]


def say_who_is_met(train_pool: Pool, evaluation_pool: Pool) -> None:
    """Print a line where users of the evaluation are met in training."""
    if train_pool == evaluation_pool or "all" in (train_pool, evaluation_pool):
        screen.print(
            f"agents are evaluated on users that they may have met in training: the pools are {train_pool!r} and "
            f"{evaluation_pool!r}",
            soft_wrap=True,
        )


RAY_OPTION = click.Option(
    ["--ray"],
    metavar="ADDRESS|local",
    help="Carry out the trainings on a Ray cluster: HOST:PORT of its head, or 'local' for all cores of this machine. "
    "All machines see the --out folder under the same path. The numbers are the same.",
)


def world_options(**options: Any) -> dict[str, Any]:
    """Of the options of the simulated world those that were given: the others are left to the world."""
    return {name: value for name, value in options.items() if value is not None}


def choose_out(out: Path | None, overwrite: bool, label: str) -> Path:
    """The folder for results, made with the first file: the one asked for, or a free one of `runs/<label>-1`, `-2`, ...

    Raises:
        InputError: the folder holds something and is not to be overwritten.
    """
    if out is None:
        return next(free for n in itertools.count(1) if not (free := Path("runs") / f"{label}-{n}").exists())
    if not overwrite and out.exists() and any(out.iterdir()):
        advice = f"go on with its run by 'pydeeprecsys resume {out}', or " if holds_run(out) else ""
        raise InputError(f"{out} exists; {advice}give another --out")
    return out


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Progress bars with time spent and time left, that vanish when all is done; none where nobody watches."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        yield progress


@contextmanager
def stop_between_episodes() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt once Ctrl-C was pressed, and hold the interrupt back until then.

    Raised anywhere, it could come out of compiled code as another error, or leave statistics half appended.
    """
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))

    def stop_if_asked() -> None:
        if asked:
            raise KeyboardInterrupt

    try:
        yield stop_if_asked
    finally:
        signal.signal(signal.SIGINT, before)


def open_world_with_progress(dataset: str) -> World:
    """Open a world, with a bar while a new one is built, and say in a line which it is."""
    with progress_bars() as progress:
        task = progress.add_task(f"building the world of {dataset}", total=None)
        world = open_world(dataset, lambda done, total: progress.update(task, completed=done, total=total))
    screen.print(
        f"data set {world.name}: {world.n_users:,} users, {world.n_items:,} items, "
        f"{world.record['ratings']:,} ratings, held-out RMSE {world.record['held_out_rmse']:.3f} "
        f"on the scale {'..'.join(f'{end:g}' for end in world.record['scale'])}",
        soft_wrap=True,
    )
    if dataset == SYNTHETIC:
        screen.print(
            "it is generated, in MovieLens 1M's shape; 'pydeeprecsys data list' names real ones", soft_wrap=True
        )
    return world
