"""The commands that use trained policies. What they run is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pydeeprecsys.cli.groups import HomePath, SummarizedCommand
from pydeeprecsys.cli.options import check_kind
from pydeeprecsys.errors import InputError
from pydeeprecsys.extras import need


@click.command(cls=SummarizedCommand)
@click.argument("folder", metavar="RUN", type=HomePath(exists=True, file_okay=False))
@click.option("--out", type=HomePath(), required=True, help="Folder for the policy.")
@click.option("--overwrite", is_flag=True, help="Replace the policy in --out; refused if it holds anything else.")
def export(folder: Path, out: Path, overwrite: bool) -> None:
    """Export the policy of the run in the folder RUN to ONNX.

    Writes policy.onnx, contract.json and items.jsonl, from which 'pydeeprecsys recommend' and Policy.load recommend
    without torch. Fails unless ONNX Runtime gives the scores and the slates of the agent in 256 states.
    """
    check_kind(folder)
    need("onnx", "onnxscript", "onnxruntime")  # before torch, which the extra that is named brings as well
    from pydeeprecsys.cli.export import export

    export(folder, out, overwrite)


@click.command(cls=SummarizedCommand)
@click.argument("policy", metavar="POLICY|RUN", type=HomePath(exists=True, file_okay=False))
@click.option(
    "--history",
    metavar="ID=RATING,...",
    help="Items that a user has had, oldest first, such as 1193=4,661=2,914= with an empty rating for an item that was "
    "shown and refused; empty for a new user.",
)
@click.option(
    "--demographics",
    metavar="NAME=VALUE,...",
    help="Demographics of the user of --history: any of sex, age, occupation, zip_code, such as sex=F,age=35.",
)
@click.option("--user", metavar="ID", help="A user of the data set that the policy was trained on.")
@click.option(
    "--users",
    type=HomePath(exists=True, dir_okay=False),
    metavar="FILE",
    help="A CSV file of many users with the columns user, item, rating and, as far as known, sex, age, occupation, "
    "zip_code; rows of a user stand together, oldest first. Neighbouring rows with the same value of a column slate "
    "were shown together.",
)
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="Items per user.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    help="By default a table for one user, and csv for --users or --out; json has a line per user.",
)
@click.option("--out", type=HomePath(dir_okay=False), metavar="FILE", help="The file to write; by default the screen.")
@click.option("--overwrite", is_flag=True, help="Replace the file --out.")
@click.option("--epsilon", type=float, help="Explore: draw a random slate with this probability.")
@click.option("--temperature", type=float, help="Explore: draw items in proportion to exp(score / temperature).")
@click.option("--seed", type=click.IntRange(0), help="Seed of the exploration; a new one by default.")
@click.option("--skip-unknown", is_flag=True, help="Leave out items of histories that are not in the catalogue.")
def recommend(policy: Path, **arguments: Any) -> None:
    """Recommend items by an exported policy, or by that of a run, to one user or to all users of a file.

    Give one of --history, --user and --users. With exploration, the propensity of each item is its probability given
    the items before it, as evaluation from logs needs it; without, it is 1.
    """
    _check(arguments)
    from pydeeprecsys.cli.recommend import recommend

    recommend(policy, arguments)


def _check(arguments: dict[str, Any]) -> None:
    """Raise an InputError for options that do not go together."""
    given = {name for name, value in arguments.items() if value is not None and value is not False}
    out = arguments["out"]
    if len(given & {"history", "user", "users"}) != 1:
        raise InputError("give one of --history, --user and --users; --history '' is a new user")
    if "demographics" in given and "history" not in given:
        raise InputError("--demographics is without effect without --history; leave it out")
    if arguments["form"] == "table" and given & {"users", "out"}:
        raise InputError("a table is for one user on the screen; give --format csv or json")
    if "overwrite" in given and not out:
        raise InputError("--overwrite is without effect without --out; leave it out")
    if out and out.exists() and "overwrite" not in given:
        raise InputError(f"{out} exists; give another --out, or --overwrite to replace it")
    if {"epsilon", "temperature"} <= given:
        raise InputError("--epsilon and --temperature are two ways to explore; give one of them")
    if "seed" in given and not given & {"epsilon", "temperature"}:
        raise InputError("--seed is without effect without --epsilon or --temperature; leave it out")
