"""The commands and their options. What they run is imported when it runs: help and errors need not wait for torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from pydeeprecsys.cli.agent_options import Agents, read_hyperparameters
from pydeeprecsys.cli.data_commands import data
from pydeeprecsys.cli.file_commands import demo, run
from pydeeprecsys.cli.groups import HomePath, SuggestingGroup
from pydeeprecsys.cli.options import (
    BY_DEFAULT,
    ENV_OPTION,
    JOBS,
    RAY,
    check_kind,
    complete_agents,
    complete_environments,
    complete_hyperparameters,
    complete_learners,
    read_environment,
    settings_options,
)
from pydeeprecsys.cli.serving_commands import export, recommend
from pydeeprecsys.experiments import catalogue
from pydeeprecsys.experiments.environments import DEFAULT_ENV

_RESULTS = HomePath(exists=True, file_okay=False)


@click.group(cls=SuggestingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pydeeprecsys")
def cli() -> None:
    """Recommender systems that learn by reinforcement, compared on simulated users built from real ratings.

    Start with:  pydeeprecsys demo
    """


cli.add_command(demo)
cli.add_command(data)


@cli.command()
@click.argument("env", default=DEFAULT_ENV, shell_complete=complete_environments)
def env(env: str) -> None:
    """Show the options of the environment ENV: their types, ranges and defaults.

    ENV is a Gymnasium id, by default MovieLensFairness-v0; others of this package are MovieLensFairness-v1 and
    InterestEvolution-v0.
    """
    from pydeeprecsys.cli.env import show_options

    show_options(env)


@cli.group(cls=Agents)
def train() -> None:
    """Train one agent, by default on simulated users.

    Each has its own options: 'pydeeprecsys train AGENT --help'. An agent of your own is package.module:Class.
    """


@cli.command()
@click.option(
    "--agents",
    shell_complete=complete_agents,
    show_default=f"{','.join(BY_DEFAULT)}, those that can act in the environment",
    help=f"Agents to compare, separated by commas, of: {', '.join(catalogue.agent_names())}; or your own, as "
    "package.module:Class.",
)
@click.option(
    "--config",
    "configs",
    type=HomePath(exists=True, dir_okay=False),
    multiple=True,
    help="An agent's hyperparameters, as 'pydeeprecsys tune' finds them: its best.json; may be repeated.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="AGENT.OPTION=VALUE",
    shell_complete=complete_hyperparameters,
    help="Set a hyperparameter of an agent, such as reinforce.learning_rate=0.003; may be repeated.",
)
def compare(agents: str | None, configs: tuple[Path, ...], changes: tuple[str, ...], **arguments: Any) -> None:
    """Train several agents, by default on simulated users, and put them side by side.

    Writes all_metrics.csv, summary.csv, learning_curves.png and learning_curves.pdf, and a folder for each run; for
    slates also DCG and NDCG of every training step, relevance_metrics.csv, and their description,
    relevance_metrics_describe.csv. Continue a stopped or killed comparison with 'pydeeprecsys resume'.

    With --sweep, such as lambda_non_violent=0:1:0.125, agents are compared at each value of an option, and front.csv
    and front.png hold the front: the rating of what is shown against its violence.
    """
    names = agents.split(",") if agents is not None else None
    hyperparameters = read_hyperparameters(configs, changes)
    for name in (*(names or ()), *hyperparameters):
        catalogue.agent(name)
    env, _ = read_environment(arguments)
    from pydeeprecsys.cli.common import choose_out
    from pydeeprecsys.experiments.sweep import Sweep

    if arguments["sweep"] is not None:
        Sweep.read(arguments["sweep"], env)

    out = choose_out(arguments["out"], arguments["overwrite"], "compare")
    from pydeeprecsys.cli.compare import compare_agents

    compare_agents(names, hyperparameters, arguments, out)


compare.params.extend([JOBS, RAY, *settings_options("compare")])


@cli.command()
@click.argument("agent", metavar="AGENT", shell_complete=complete_learners)
def tune(agent: str, **arguments: Any) -> None:
    """Search for good hyperparameters of AGENT.

    Each agent declares its search space; trials are proposed by a tree-structured Parzen estimator, and pruned when
    they fall behind the median. Writes best.json, which 'pydeeprecsys train AGENT --config' and 'compare --config'
    take, trials.csv, and a folder for each training. The same command with its --out
    continues a stopped search, also with more --trials.
    """
    if "tuned" not in catalogue.agent(agent).traits:
        raise catalogue.not_tuned(agent)
    read_environment(arguments)
    from pydeeprecsys.cli.common import choose_out
    from pydeeprecsys.experiments.claimed_folder import ClaimedFolder

    out, overwrite = arguments["out"], arguments["overwrite"]
    goes_on = out is not None and bool(ClaimedFolder(out).config)
    out = choose_out(out, overwrite or goes_on, f"tune-{agent}")
    from pydeeprecsys.cli.tune import tune_agent

    tune_agent(agent, arguments, out)


tune.params.extend([JOBS, RAY, *settings_options("tune")])
cli.add_command(run)


@cli.command()
@click.argument("folder", metavar="RUN", type=_RESULTS)
@click.option(
    "--pool",
    type=click.Choice(get_args(catalogue.settings("run")["evaluation_pool"].type)),
    help="Pool of users; by default that of the run's evaluation.",
)
@click.option("--sessions", type=click.IntRange(1), help="Number of episodes; by default as in the run.")
def evaluate(folder: Path, pool: Any, sessions: int | None, env_option: tuple[str, ...]) -> None:
    """Evaluate the policy in the folder RUN again, on other users, in more sessions or with other options.

    RUN is the folder of a run that is done, or of a comparison, of which all runs that are done are evaluated. The
    results of the run stay as they are: the files of the evaluation go to RUN/evaluations.
    """
    check_kind(folder)
    from pydeeprecsys.cli.evaluate import evaluate

    evaluate(folder, pool, sessions, env_option)


evaluate.params.append(ENV_OPTION)


cli.add_command(export)
cli.add_command(recommend)


@cli.command()
@click.argument("folder", metavar="RUN|COMPARISON", type=_RESULTS)
@click.option(
    "--sessions",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Number of sessions; every user of the pool has as many, but for a remainder drawn at random.",
)
@click.option(
    "--pool",
    type=click.Choice(get_args(catalogue.settings("run")["evaluation_pool"].type)),
    help="Pool of users; by default that of the runs' evaluation.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="COLUMN",
    help="A column of the table of users to group them by, with cut points if it is a number, as in age:18,35,50; may "
    "be repeated, then also by pairs of columns. By default sex, age and occupation, as far as they are known.",
)
@click.option("--alpha", type=float, default=0.95, show_default=True, help="Level of the CVaR of a session's violence.")
@click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    help="Mean violence of a session beyond which it counts as harmful.",
)
def audit(folder: Path, groups: tuple[str, ...], **arguments: Any) -> None:
    """Audit who gets less and who is shown the most violence, by the policies of a run or a comparison.

    The policies of the runs that are done act, without exploration, in the same sessions of held-out users. Tables go
    to audits in the folder, and its report, which is written anew, gets a section: gaps per group of users, with
    intervals and corrected for many comparisons; exposure of items; harm. The results of the runs stay as they are.
    """
    check_kind(folder)
    from pydeeprecsys.cli.audit import audit

    audit(folder, list(groups), arguments)


@cli.command()
@click.argument("folder", type=_RESULTS)
@click.option("--episodes", type=click.IntRange(1), help="Train for longer: training episodes in all.")
@click.option("--steps", type=click.IntRange(1), help="Train for longer: training steps in all, for a budget in steps.")
def resume(folder: Path, episodes: int | None, steps: int | None, jobs: int, ray: str | None) -> None:
    """Continue the stopped or killed run, comparison or search in FOLDER, to the same numbers as without the stop.

    It uses the settings, the data and the number of threads of the first start. Finished runs are kept, or with
    --episodes trained for longer, to the same numbers as if they had been begun with as many.
    """
    check_kind(folder)
    from pydeeprecsys.cli.resume import resume

    budget = {name: given for name, given in (("episodes", episodes), ("steps", steps)) if given is not None}
    resume(folder, budget, jobs, ray)


resume.params.extend([JOBS, RAY])


@cli.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=_RESULTS)
@click.option(
    "--out",
    type=HomePath(dir_okay=False),
    help="The page to write; by default report.html in the first DIR.",
)
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML page from the results of train, compare or tune in each DIR, done or not.

    For runs and comparisons it has a table of the agents' returns with intervals, learning curves, performance
    profiles, reward against violence, and recorded sessions step by step; for a sweep its front; for a search its
    trials, with their hyperparameters and returns; for all the settings, those that differ first. It needs no network.
    """
    for folder in folders:
        check_kind(folder)
    from pydeeprecsys.cli.report import report

    report(folders, out)
