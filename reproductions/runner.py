"""What the claims share: train each agent from each seed, keep its results, and draw and tabulate them.

Agents are trained by `pydeeprecsys.experiments.run`, so a stopped training continues from its last checkpoint. A
row of the results is written when its run is done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch

from pydeeprecsys.data.library import RECIPE
from pydeeprecsys.errors import DivergenceError, InputError, did_you_mean
from pydeeprecsys.evaluation.standings import SIMPLE_POLICIES
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.workers import Report, open_workers
from pydeeprecsys.files import whole_file
from reproductions.tables import draw, summarize, table, update_docs

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "reproductions" / "results"
DOCS = ROOT / "docs" / "reproductions.md"
QUICK = Path("output") / "reproductions"

_POINTS = 100  # on a learning curve
_WINDOW = 0.05  # of the budget: over how much of it a point of the curve goes

Row = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """The return that one agent reaches with these settings.

    Attributes:
        agent: its name, see `registry.AGENTS`.
        steps: environment steps of training.
        bar: mean return in evaluation that every seed has to reach; None if nothing is claimed.
        hyperparameters: of the agent.
        n_envs: environments side by side in training.
        stop_at: mean return of the last 100 training episodes at which training stops early.
        published: what others report, and where.
        env_options: of the environment, for this agent: the observation that it reads.
        variant: distinguishes claims about one agent, as in "ppo+gru".
    """

    agent: str
    steps: int
    bar: float | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    n_envs: int = 1
    stop_at: float | None = None
    published: str = ""
    env_options: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def name(self) -> str:
        """In results and tables."""
        return f"{self.agent}+{self.variant}" if self.variant else self.agent


def simple_claims(steps: int, recommenders: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Claims about the simple policies, for which there is no bar.

    Args:
        steps: of training, in which nothing is learned.
        recommenders: hyperparameters of the recommenders by name; these read the items shown in the session.
    """
    items = {"observation": "items"}
    return [
        Claim(name, steps, hyperparameters=recommenders[name], env_options=items)
        if name in recommenders
        else Claim(name, steps)
        for name in SIMPLE_POLICIES
    ]


@dataclass(frozen=True)
class Study:
    """Claims about one environment.

    Attributes:
        name: of the script and its results.
        env_name: of the environment.
        claims: one for each agent.
        env_options: of the environment.
        dataset: the users' data set, if the environment simulates users of one. Agents are trained on the pool `train`
            and evaluated on the pool `test`.
        evaluation_episodes: of each trained agent, without exploration.
        evaluation_envs: environments side by side in evaluation.
    """

    name: str
    env_name: str
    claims: Sequence[Claim]
    env_options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    evaluation_episodes: int = 100
    evaluation_envs: int = 1

    @cached_property
    def task(self) -> Task:
        """The environment, with its world open."""
        return Task(env=self.env_name, env_options=self.env_options, dataset=self.dataset)

    def config(self, claim: Claim, seed: int) -> RunConfig:
        """The run of a claim from a seed."""
        return RunConfig(
            task=replace(self.task, env_options={**self.env_options, **claim.env_options}),
            agent=claim.agent,
            seed=seed,
            episodes=None,
            steps=claim.steps,
            stop_at=claim.stop_at,
            n_envs=claim.n_envs,
            hyperparameters=claim.hyperparameters,
            evaluation_episodes=self.evaluation_episodes,
            evaluation_envs=self.evaluation_envs,
        )

    def settings(self, claim: Claim) -> str:
        """All that the results of a claim depend on, besides seed and versions, as JSON."""
        facts = {
            "env_name": self.env_name,
            "env_options": {**self.env_options, **claim.env_options},
            "dataset": self.dataset,
            "evaluation_episodes": self.evaluation_episodes,
            "steps": claim.steps,
            "n_envs": claim.n_envs,
            "stop_at": claim.stop_at,
            "options": dict(claim.hyperparameters),
        }
        if self.dataset is not None:
            facts |= {"train_pool": "train", "evaluation_pool": "test", "world_recipe": RECIPE}
        return json.dumps(facts, sort_keys=True)


def measure(study: Study, claim: Claim, seed: int, folder: Path) -> tuple[Row, list[Row]]:
    """Train and evaluate an agent on one thread, or continue that where it was stopped.

    Args:
        study: of the claim.
        claim: about the agent.
        seed: of the training.
        folder: of the run.

    Returns:
        The row of the results, and the points of the learning curve.
    """
    config = study.config(claim, seed)
    torch.set_num_threads(1)  # not before: building a world sets it too
    results = run(config, folder)
    returns, lengths = results.series("episode_rewards"), list(map(len, results.series("timestep_rewards")))
    row = {
        "agent": claim.name,
        "seed": seed,
        "steps": sum(lengths),
        "mean_return": results.result["mean_return"],
        "std_return": float(np.std(results.evaluation["return"])),
        "training_return": float(np.mean(returns[-100:])) if returns else float("nan"),
        "updates": results.result["updates"],
        "seconds": round(results.result["seconds"], 1),
        "settings": study.settings(claim),
        "versions": ", ".join(f"{name} {version}" for name, version in provenance(None)["versions"].items()),
    }
    points = learning_curve(lengths, returns, claim.steps)
    return row, [{"agent": claim.name, "seed": seed, "steps": at, "return": value} for at, value in points]


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
    study: Study, folder: Path, agents: Sequence[str], seeds: int = 5, jobs: int = 1, *, redo: bool = False
) -> pd.DataFrame:
    """Train and evaluate the missing agents and seeds of a study, and keep its files up to date.

    Rows of the results with the very settings of their claims are kept, others are done anew.

    Args:
        study: the claims.
        folder: of `<name>.csv`, `<name>_curves.csv` and `<name>.png`; runs that are not done are kept in `runs/`.
        agents: names of those that are trained now.
        seeds: number of trainings of each agent, from the seeds 0, 1, ...
        jobs: processes side by side; the results are the same for any number.
        redo: do these agents anew, even if their rows could be kept.

    Returns:
        The summary, see `summarize`.
    """
    claims, runs = {claim.name: claim for claim in study.claims}, folder / "runs"
    rows = [row for row in read_rows(folder / f"{study.name}.csv") if _is_current(study, claims, row)]
    if redo:
        rows = [row for row in rows if row["agent"] not in agents]
        shutil.rmtree(runs / study.name, ignore_errors=True)
    done = {(row["agent"], row["seed"]) for row in rows}
    curves = read_rows(folder / f"{study.name}_curves.csv")
    points = [point for point in curves if (point["agent"], point["seed"]) in done]
    cases = [(claims[agent], seed) for seed in range(seeds) for agent in agents if (agent, seed) not in done]
    with open_workers((study, runs), folder, jobs) as workers:
        for row, curve in workers.results(_measure, cases):
            rows, points = [*rows, row], [*points, *curve]
            write_rows(rows, folder / f"{study.name}.csv", list(claims))
            write_rows(points, folder / f"{study.name}_curves.csv", list(claims))
            shutil.rmtree(run_folder(study, runs, claims[row["agent"]], row["seed"]))
            click.echo(f"{row['agent']}, seed {row['seed']}: {row['mean_return']:.2f} in {row['seconds']:.0f} s")
    if points:
        draw(study, pd.DataFrame(points), folder / study.name)
    return summarize(study, rows)


def _measure(shared: tuple[Study, Path], case: tuple[Claim, int], report: Report) -> tuple[Row, list[Row]]:
    study, runs = shared
    return measure(study, *case, run_folder(study, runs, *case))


def run_folder(study: Study, runs: Path, claim: Claim, seed: int) -> Path:
    """The folder of a run that is not done."""
    settings = hashlib.blake2b(study.settings(claim).encode(), digest_size=4).hexdigest()
    return runs / study.name / f"{claim.name}-{seed}-{settings}"


def _is_current(study: Study, claims: Mapping[str, Claim], row: Row) -> bool:
    claim = claims.get(row["agent"])
    return claim is not None and row["settings"] == study.settings(claim)


def read_rows(path: Path) -> list[Row]:
    """The rows of a table; none where there is no file."""
    lines = pd.read_csv(path).to_dict("records") if path.exists() else []
    return [{str(name): value for name, value in line.items()} for line in lines]


def write_rows(rows: Sequence[Row], path: Path, agents: Sequence[str]) -> None:
    """Write rows in the order of the agents and of their seeds."""
    in_order = sorted(rows, key=lambda row: (agents.index(row["agent"]), row["seed"]))
    with whole_file(path) as temporary:
        pd.DataFrame(in_order).to_csv(temporary, index=False)


def quick(study: Study) -> Study:
    """The same study, too small to show anything but that everything runs."""
    claims = [replace(claim, steps=max(200, claim.steps // 50)) for claim in study.claims]
    return replace(study, claims=claims, evaluation_episodes=5)


def main(study: Study) -> None:
    """Run a study from the command line."""
    known = [claim.name for claim in study.claims]

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
                click.echo(table(reproduce(quick(study), QUICK, names, min(seeds, 2), jobs, redo=redo)))
                return
            summary = table(reproduce(study, RESULTS, names, seeds, jobs, redo=redo))
            click.echo(summary)
            update_docs(study.name, summary, DOCS)
        except (InputError, DivergenceError) as error:
            raise click.ClickException(str(error)) from error

    command()
