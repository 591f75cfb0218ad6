"""`pydeeprecsys tune`."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import click
import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pydeeprecsys.cli.common import (
    RAY_OPTION,
    WORLD_OPTIONS,
    choose_out,
    open_world_with_progress,
    pool_options,
    progress_bars,
    say_who_is_met,
    screen,
    stop_between_episodes,
    world_options,
)
from pydeeprecsys.experiments.registry import agent_class
from pydeeprecsys.experiments.run_folder import holds_run
from pydeeprecsys.experiments.search import Outcome
from pydeeprecsys.experiments.tune import BEST, best_of, note_on, tune
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.simulation.movielens.simulator import Pool


@click.command("tune")
@click.argument("agent", metavar="AGENT")
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Options to try; the first are the agent's defaults.",
)
@click.option("--seeds", type=click.IntRange(1), default=2, show_default=True, help="Trainings of each trial.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the search.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes side by side; the numbers are the same for any.",
)
def command(
    agent: str,
    trials: int,
    seeds: int,
    seed: int,
    jobs: int,
    ray: str | None,
    dataset: str,
    episodes: int,
    evaluation_episodes: int,
    n_envs: int,
    slate_size: int,
    threads: int,
    checkpoint_every: float,
    out: Path | None,
    overwrite: bool,
    train_pool: Pool,
    evaluation_pool: Pool,
    **world: Any,
) -> None:
    """Look for good options of AGENT: try some, and ever better ones.

    What is tried, where, is declared with each agent; trials are proposed by a tree-structured Parzen estimator, and
    stopped where they fall behind. Writes best.json, which 'pydeeprecsys train AGENT --config' and 'compare --config'
    take, trials.csv, and a folder for each training. Stopped or killed, the same command with its --out goes on, and so
    it does with more --trials.
    """
    torch.set_num_threads(threads)
    agent_class(agent)  # said before a world is built
    goes_on = out is not None and holds_run(out)
    out = choose_out(out, overwrite or goes_on, f"tune-{agent}")
    tuning = Tuning(
        world=open_world_with_progress(dataset),
        agent=agent,
        trials=trials,
        episodes=episodes,
        seeds=seeds,
        seed=seed,
        slate_size=slate_size,
        n_envs=n_envs,
        evaluation_episodes=evaluation_episodes,
        world_options=world_options(**world),
        dataset=dataset,
        checkpoint_every=checkpoint_every,
        train_pool=train_pool,
        evaluation_pool=evaluation_pool,
    )
    tune_with_progress(tuning, out, jobs, ray, overwrite=overwrite)


command.params.extend([RAY_OPTION, *WORLD_OPTIONS, *pool_options("evaluation")])


def tune_with_progress(
    tuning: Tuning, out: Path, jobs: int = 1, ray_address: str | None = None, *, overwrite: bool = False
) -> None:
    """Look for good options with a bar on screen, and print the best beside the defaults."""
    say_who_is_met(tuning.train_pool, tuning.evaluation_pool)
    try:
        with stop_between_episodes() as stop_if_asked, progress_bars() as progress:
            task = progress.add_task("trials", total=tuning.trials)
            done: list[Outcome] = []

            def on_trial(outcome: Outcome) -> None:
                before = best_of(done)
                done.append(outcome)
                best = best_of(done)
                if best is not before and best is not None:
                    screen.print(f"trial {best.number}: return {best.mean_return:.2f}, the best so far")
                progress.update(task, completed=len(done))

            def on_episode(trial: int, episodes: int) -> None:
                share = episodes / tuning.episodes / tuning.seeds
                progress.update(task, completed=trial + share, description=f"trial {trial}")

            outcomes = tune(tuning, out, on_trial, on_episode, jobs, stop_if_asked, ray_address, overwrite)
    except KeyboardInterrupt:
        screen.print(f"stopped; what was done is in {out}; go on with: pydeeprecsys resume {out}", soft_wrap=True)
        raise
    except BrokenProcessPool as error:
        raise click.ClickException(
            f"a process was killed, perhaps for want of memory; what was done is in {out}; "
            f"go on with fewer: pydeeprecsys resume {out} --jobs 1"
        ) from error
    best = best_of(outcomes)
    if best is None:
        raise click.ClickException(f"no trial was completed; see {out / 'trials.csv'}")
    screen.print(_table(tuning, outcomes[0], best))
    if note := note_on(tuning, best, out):
        screen.print(f"trial {best.number}: {note}", soft_wrap=True)
    states = [outcome.state for outcome in outcomes]
    screen.print(
        f"{len(outcomes)} trials: {states.count('complete')} complete, {states.count('pruned')} stopped early, "
        f"{states.count('failed')} failed; use the best with: pydeeprecsys train {tuning.agent} --config {out / BEST}",
        soft_wrap=True,
    )


def _table(tuning: Tuning, default: Outcome, best: Outcome) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"{tuning.agent}: return judged without exploration, mean of {tuning.seeds} trainings",
        caption="the best of many looks better than it is: compare it on other seeds",
    )
    for heading in ("", "default", f"trial {best.number}"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_row("return", f"{default.mean_return:.2f}", f"{best.mean_return:.2f}", end_section=True)
    for name, value in best.options.items():
        table.add_row(name, _text(default.options[name]), _text(value))
    return table


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None else f"{value}"
