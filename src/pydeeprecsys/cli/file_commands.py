"""The commands that run what a file describes. What they run is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pydeeprecsys.cli.groups import HomePath, SummarizedCommand
from pydeeprecsys.cli.options import JOBS, OUT, OVERWRITE, RAY


@click.command(cls=SummarizedCommand)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting in place of the demo's, such as episodes=500 or dataset=ml-1m; may be repeated.",
)
@click.option("--jobs", type=JOBS.type, default=2, show_default=True, help=JOBS.help)
def demo(changes: tuple[str, ...], out: Path | None, jobs: int) -> None:
    """Compare ordinary recommenders and a learned one on generated data, and write the report.

    The users of MovieLensFairness-v1 are shown slates of ten movies; nothing is downloaded. Each agent is trained from
    three seeds and evaluated on other users. The report is one HTML page, to be opened in a browser.
    """
    from pydeeprecsys.experiments.experiment_file import DEMO, read_experiment

    experiment = read_experiment(DEMO, changes)
    from pydeeprecsys.cli.common import choose_out

    out = choose_out(out, False, "demo")
    from pydeeprecsys.cli.report import report
    from pydeeprecsys.cli.run import run_experiment

    run_experiment(DEMO, experiment, {"threads": 1, "jobs": jobs, "ray": None, "overwrite": False}, out)
    report([out], None)


demo.params.append(OUT)


@click.command(cls=SummarizedCommand)
@click.argument("file", type=HomePath())
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting in place of the file's, such as seed=1, env_options.slate_size=3 or "
    "hyperparameters.learning_rate=0.01; may be repeated.",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of torch; by default those of the config.json, otherwise 1."
)
def run(file: Path, changes: tuple[str, ...], **arguments: Any) -> None:
    """Run the whole experiment that FILE describes: a run, a comparison or a search, in a new folder.

    FILE is YAML, or the config.json of any run, comparison or search, whose numbers are repeated to the bit. Its paths
    are relative to the working directory.
    """
    from pydeeprecsys.experiments.experiment_file import read_experiment

    experiment = read_experiment(file, changes)
    from pydeeprecsys.cli.common import choose_out

    kind, agent = experiment["kind"], experiment.get("agent")
    label = "-".join(filter(None, [kind if kind != "run" else "", agent]))
    out = choose_out(arguments["out"], arguments["overwrite"], label)
    from pydeeprecsys.cli.run import run_experiment

    run_experiment(file, experiment, arguments, out)


run.params.extend([JOBS, RAY, OUT, OVERWRITE])
