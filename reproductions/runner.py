"""What the claims share: train every agent from every seed, judge it, keep what came out, and draw and tabulate it.

A row of the results is written as soon as an agent was judged; started again, the runner goes on where it was stopped.
"""

from __future__ import annotations

import itertools
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch

import pydeeprecsys
from pydeeprecsys.data.library import RECIPE
from pydeeprecsys.errors import DivergenceError, InputError, did_you_mean
from pydeeprecsys.evaluation.plots import line_across, median_curves, save_figure
from pydeeprecsys.evaluation.standings import standings
from pydeeprecsys.experiments.compare import ORACLE
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.manager import Manager
from pydeeprecsys.rl.rollout import Episode

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "reproductions" / "results"
DOCS = ROOT / "docs" / "reproductions.md"
QUICK = Path("output") / "reproductions"

TRAIN_POOL, EVALUATION_POOL = "train", "test"  # of users, where an environment has pools of them
_EVALUATION_SEED = 1_000_000_007  # far from the training seeds 0, 1, 2, ...
_POINTS = 100  # on a learning curve
_WINDOW = 0.05  # of the budget: over how much of it a point of the curve goes

Row = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """What one agent, with these settings, is to reach.

    Attributes:
        agent: its name, see `registry.AGENTS`.
        steps: environment steps of training.
        bar: mean return that every seed has to reach when judged; None where nothing is claimed.
        options: of the agent: keyword arguments of its constructor.
        n_envs: environments side by side in training.
        stop_at: mean return of the last 100 training episodes at which training stops early.
        published: what others report, and where.
    """

    agent: str
    steps: int
    bar: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    n_envs: int = 1
    stop_at: float = math.inf
    published: str = ""


@dataclass(frozen=True)
class Study:
    """Claims about one environment.

    Attributes:
        name: of the script and its results.
        env_name: of the environment.
        claims: one for each agent.
        env_options: of the environment.
        dataset: the data set that its users are made from, where it has such. Agents are then trained on the pool
            `train` and evaluated on `test`, users that they have not met.
        evaluation_episodes: that each trained agent is judged in, without exploration.
        evaluation_envs: environments side by side in evaluation.
    """

    name: str
    env_name: str
    claims: Sequence[Claim]
    env_options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    evaluation_episodes: int = 100
    evaluation_envs: int = 1

    def manager(self, seed: int, n_envs: int, *, training: bool) -> Manager:
        """Environments with the random streams seed, seed + 1, ..., that do not stop by a threshold of their own.

        Where there is a data set its users are those of the pool for training, or of the one for evaluation.
        """
        users: dict[str, Any] = {}
        if self.dataset is not None:
            users = {"dataset": self.dataset, "pool": TRAIN_POOL if training else EVALUATION_POOL}
        manager = Manager(self.env_name, seed, n_envs=n_envs, **users, **self.env_options)
        manager.reward_threshold = math.inf
        return manager

    def settings(self, claim: Claim) -> str:
        """All that decides what comes out, besides seed and versions, as JSON."""
        facts = {
            "env_name": self.env_name,
            "env_options": dict(self.env_options),
            "dataset": self.dataset,
            "evaluation_episodes": self.evaluation_episodes,
            "steps": claim.steps,
            "n_envs": claim.n_envs,
            "stop_at": None if claim.stop_at == math.inf else claim.stop_at,
            "options": dict(claim.options),
        }
        if self.dataset is not None:
            facts |= {"train_pool": TRAIN_POOL, "evaluation_pool": EVALUATION_POOL, "world_recipe": RECIPE}
        return json.dumps(facts, sort_keys=True)


def train(
    study: Study, claim: Claim, seed: int, on_episode: Callable[[int, Episode], None] | None = None
) -> ReinforcementLearning:
    """Train the agent of a claim from a seed, on one thread.

    Args:
        on_episode: called after each episode with its number from 0.
    """
    # Environment i of a seed has the stream seed + i: streams of different seeds must not meet.
    manager = study.manager(seed * claim.n_envs, claim.n_envs, training=True)
    manager.reward_threshold = claim.stop_at
    torch.set_num_threads(1)  # not before: building a world sets it too
    agent = make_agent(claim.agent, manager, seed, **claim.options)
    manager.train(agent, max_episodes=None, max_steps=claim.steps, should_print=False, on_episode=on_episode)
    return agent


def train_and_judge(study: Study, claim: Claim, seed: int) -> tuple[Row, list[Row]]:
    """Train an agent from a seed, and judge it without exploration on fresh seeds.

    Returns:
        The row of the results, and those of the learning curve.
    """
    judge = study.manager(_EVALUATION_SEED + seed * study.evaluation_envs, study.evaluation_envs, training=False)
    lengths: list[int] = []
    returns: list[float] = []

    def on_episode(number: int, episode: Episode) -> None:
        timesteps, reward_sum = episode.output
        lengths.append(timesteps)
        returns.append(reward_sum)

    start = time.perf_counter()
    agent = train(study, claim, seed, on_episode)
    seconds = time.perf_counter() - start
    if claim.agent == ORACLE:  # it reads the users' minds, so it has to know whose
        agent = make_agent(claim.agent, judge, seed, **claim.options)
    judged = [output.reward_sum for output in judge.execute_episodes(agent, study.evaluation_episodes)]
    row = {
        "agent": claim.agent,
        "seed": seed,
        "steps": sum(lengths),
        "mean_return": float(np.mean(judged)),
        "std_return": float(np.std(judged)),
        "training_return": float(np.mean(returns[-100:])) if returns else math.nan,
        "updates": agent.updates,
        "seconds": round(seconds, 1),
        "settings": study.settings(claim),
        "versions": _versions(),
    }
    points = learning_curve(lengths, returns, claim.steps)
    return row, [{"agent": claim.agent, "seed": seed, "steps": at, "return": value} for at, value in points]


def learning_curve(lengths: Sequence[int], returns: Sequence[float], steps: int) -> list[tuple[int, float]]:
    """Return of training episodes against steps.

    Args:
        lengths: of the episodes, in the order in which they ended.
        returns: of the same.
        steps: budget of the training: the curve has a point at each hundredth of it.

    Returns:
        Steps taken, and the mean return of the episodes that ended in the twentieth of the budget before, or of the
        last one that did; nothing before the first end or after the last.
    """
    ends = np.cumsum(lengths)
    points = []
    for at in (steps * (i + 1) // _POINTS for i in range(_POINTS)):
        last = int(np.searchsorted(ends, at, side="right"))
        first = int(np.searchsorted(ends, at - _WINDOW * steps, side="right"))
        if last and at - steps // _POINTS <= ends[-1]:
            points.append((at, round(float(np.mean(returns[min(first, last - 1) : last])), 4)))
    return points


def reproduce(
    study: Study, folder: Path, agents: Sequence[str], seeds: int = 5, jobs: int = 1, redo: bool = False
) -> pd.DataFrame:
    """Do what has not been done yet of a study, and keep its files up to date with it.

    Rows of the results with the very settings of their claims are kept, others are done anew.

    Args:
        study: what is to be shown.
        folder: of `<name>.csv`, `<name>_curves.csv` and `<name>.png`.
        agents: names of those that are trained now.
        seeds: trainings of each agent, with the seeds 0, 1, ...
        jobs: processes side by side; the results are the same for any number.
        redo: do these agents anew even where their rows could be kept.

    Returns:
        The summary, see `summarize`.
    """
    claims = {claim.agent: claim for claim in study.claims}
    rows = [row for row in _read(folder / f"{study.name}.csv") if _is_current(study, claims, row)]
    if redo:
        rows = [row for row in rows if row["agent"] not in agents]
    done = {(row["agent"], row["seed"]) for row in rows}
    points = [point for point in _read(folder / f"{study.name}_curves.csv") if (point["agent"], point["seed"]) in done]
    tasks = [(study, claims[agent], seed) for seed in range(seeds) for agent in agents if (agent, seed) not in done]
    for row, curve in _results(tasks, jobs):
        rows, points = [*rows, row], [*points, *curve]
        _write(rows, folder / f"{study.name}.csv", list(claims))
        _write(points, folder / f"{study.name}_curves.csv", list(claims))
        click.echo(f"{row['agent']}, seed {row['seed']}: {row['mean_return']:.2f} in {row['seconds']:.0f} s")
    if points:
        _draw(study, pd.DataFrame(points), folder / study.name)
    return summarize(study, rows)


def _is_current(study: Study, claims: Mapping[str, Claim], row: Row) -> bool:
    claim = claims.get(row["agent"])
    return claim is not None and row["settings"] == study.settings(claim)


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    lines = pd.read_csv(path).to_dict("records")
    return [{str(name): value for name, value in line.items()} for line in lines]


def _write(rows: Sequence[Row], path: Path, agents: Sequence[str]) -> None:
    # In an order of their own, for processes end in any.
    in_order = sorted(rows, key=lambda row: (agents.index(row["agent"]), row["seed"]))
    with whole_file(path) as temporary:
        pd.DataFrame(in_order).to_csv(temporary, index=False)


def _results(tasks: Sequence[tuple[Study, Claim, int]], jobs: int) -> Iterator[tuple[Row, list[Row]]]:
    if jobs == 1:
        yield from itertools.starmap(train_and_judge, tasks)
        return
    waiting = iter(tasks)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        # No more than can be worked on is handed over: Ctrl-C stops what runs, and nothing is left that starts after.
        running = {pool.submit(train_and_judge, *task) for task in itertools.islice(waiting, jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(train_and_judge, *task) for task in itertools.islice(waiting, len(done))}
            for future in done:
                yield future.result()


def summarize(study: Study, rows: Sequence[Row]) -> pd.DataFrame:
    """Put all seeds of each agent together.

    Returns:
        One row per agent that has results, in the order of the claims: `agent`, `bar`, all columns of `standings`,
        `worst` seed, `passed` seeds that reach the bar, `training_return` (median over seeds of that of the last 100
        training episodes), `steps`, `published`.
    """
    returns: dict[str, dict[int, float]] = {}
    for row in rows:
        returns.setdefault(row["agent"], {})[row["seed"]] = row["mean_return"]
    stands = {row["agent"]: row for row in standings(returns).to_dict("records")}
    summary = []
    for claim in study.claims:
        own = [row for row in rows if row["agent"] == claim.agent]
        if not own:
            continue
        reached = list(returns[claim.agent].values())
        summary.append(
            {
                **stands[claim.agent],
                "bar": claim.bar,
                "worst": min(reached),
                "passed": None if claim.bar is None else sum(value >= claim.bar for value in reached),
                "training_return": np.median([row["training_return"] for row in own]),
                "untrained": any(row.get("updates") == 0 for row in own),
                "steps": claim.steps,
                "published": claim.published,
            }
        )
    return pd.DataFrame(summary)


def table(summary: pd.DataFrame) -> str:
    """The summary as a table in Markdown; without a policy that does not learn, without the differences to the best."""
    reference = next(iter(summary["reference"].dropna()), None)
    against = [] if reference is None else [f"vs {reference} [95 %]"]
    headings = [
        "agent",
        "bar",
        "median [95 %]",
        *against,
        "worst seed",
        "all pass?",
        "in training",
        "steps",
        "published",
    ]
    rules = {"agent": "---", "all pass?": "---", "published": "---"}
    lines: list[Sequence[str]] = [headings, [rules.get(heading, "---:") for heading in headings]]
    for row in summary.to_dict("records"):
        has_bar = pd.notna(row["bar"])
        median = f"{row['median']:.2f} [not from {row['seeds']} seed{'s' * (row['seeds'] > 1)}]"
        if pd.notna(row["median_low"]):
            median = f"{row['median']:.2f} [{row['median_low']:.2f}, {row['median_high']:.2f}]"
        difference = ""
        if pd.notna(row["difference"]):
            difference = f"{row['difference']:+.2f} [{row['difference_low']:.2f}, {row['difference_high']:.2f}]"
        verdict = "yes" if has_bar and row["passed"] == row["seeds"] else "NO"
        lines.append(
            (
                row["agent"] + " (a seed never updated)" * row["untrained"],
                f"{row['bar']:g}" if has_bar else "",
                median,
                *(difference for _ in against),
                f"{row['worst']:.2f}",
                f"{verdict}, {row['passed']:.0f} of {row['seeds']}" if has_bar else "",
                f"{row['training_return']:.2f}",
                f"{row['steps']:,}",
                row["published"],
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def update_docs(name: str, text: str, path: Path) -> None:
    """Put a text between the markers `<!-- name -->` and `<!-- /name -->` of a file.

    Raises:
        InputError: the file lacks them.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found_begin, rest = path.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise InputError(f"{path} lacks the line {begin.strip()} or, after it, {end}; the table goes between them")
    with whole_file(path) as temporary:
        temporary.write_text(f"{before}{begin}{text}{end}{after}")


def lines_across(study: Study, points: pd.DataFrame) -> pd.DataFrame:
    """The curves, but of agents with far fewer steps than others, which learn nothing, their mean as a line across."""
    longest = max(claim.steps for claim in study.claims)
    short = points["agent"].isin([claim.agent for claim in study.claims if 10 * claim.steps < longest])
    means = points[short].groupby(["agent", "seed"], sort=False, as_index=False)["return"].mean()
    return pd.concat([means.assign(steps=0), means.assign(steps=longest), points[~short]], ignore_index=True)


def _draw(study: Study, points: pd.DataFrame, path: Path) -> None:
    import matplotlib.pyplot as plt
    import seaborn as sns

    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.2):
        figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
        median_curves(axes, lines_across(study, points), "steps", "return", "agent")
        for bar in sorted({claim.bar for claim in study.claims if claim.bar is not None}):
            line_across(axes, bar, f"bar {bar:g}")
        axes.set(xlabel="Environment steps", ylabel="Return of training episodes", title=study.env_name)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    plt.close(figure)
    save_figure(figure, path, [".png"])


def _versions() -> str:
    packages = ("gymnasium", "numpy", "torch")
    others = [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in packages)]
    return ", ".join([f"pydeeprecsys {pydeeprecsys.__version__}", *others])


def quick(study: Study) -> Study:
    """The same study, too small to show anything: that everything runs."""
    claims = [replace(claim, steps=max(200, claim.steps // 50)) for claim in study.claims]
    return replace(study, claims=claims, evaluation_episodes=5)


def main(study: Study) -> None:
    """Run a study from the command line."""
    known = [claim.agent for claim in study.claims]

    @click.command(help=f"Reproduce the claims about {study.env_name}.", context_settings={"show_default": True})
    @click.option("--agents", default=",".join(known), help="Agents to train, separated by commas.")
    @click.option("--seeds", type=click.IntRange(1), default=5, help="Trainings of each agent.")
    @click.option("--jobs", type=click.IntRange(1), default=1, help="Processes side by side, of one thread each.")
    @click.option("--quick", "is_quick", is_flag=True, help=f"A small run that shows nothing, kept in {QUICK}.")
    @click.option("--redo", is_flag=True, help="Do anew what has been done.")
    def command(agents: str, seeds: int, jobs: int, is_quick: bool, redo: bool) -> None:
        names = agents.split(",")
        for name in names:
            if name not in known:
                raise click.ClickException(f"nothing is claimed of {name!r}; {did_you_mean(name, known)}")
        try:
            if is_quick:
                click.echo(table(reproduce(quick(study), QUICK, names, min(seeds, 2), jobs, redo)))
                return
            summary = table(reproduce(study, RESULTS, names, seeds, jobs, redo))
            click.echo(summary)
            update_docs(study.name, summary, DOCS)
        except (InputError, DivergenceError) as error:
            raise click.ClickException(str(error)) from error

    command()
