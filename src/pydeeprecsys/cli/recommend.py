"""`pydeeprecsys recommend`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pydeeprecsys.cli.common import progress_bars, screen
from pydeeprecsys.cli.users_file import UserRows, number, read_demographics, read_users
from pydeeprecsys.data.releases import SYNTHETIC
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.claimed_folder import ClaimedFolder
from pydeeprecsys.files import whole_file
from pydeeprecsys.serving.exploration import EpsilonGreedy, Softmax
from pydeeprecsys.serving.histories import BatchError
from pydeeprecsys.serving.policy import Policy, Recommendation

_AT_ONCE = 512  # users

Write = Callable[[UserRows, list[Recommendation]], None]


def recommend(path: Path, arguments: dict[str, Any]) -> None:
    """Recommend items by the policy in a folder, or by that of a run, and print or write them."""
    users, out, k = arguments["users"], arguments["out"], arguments["k"]
    form = arguments["form"] or ("csv" if users or out else "table")
    explore, seed = _exploration(arguments["epsilon"], arguments["temperature"]), arguments["seed"]
    options = {
        "k": k,
        "explore": explore,
        "random": np.random.default_rng(seed),
        "skip_unknown": arguments["skip_unknown"],
    }
    policy = _open(path)
    asked = _asked(policy, arguments)
    n_users, n_items, n_short, n_unknown = 0, 0, 0, 0
    with _stream(out) as (stream, advance):
        write = _WRITERS[form](stream, policy, explore is not None)
        for rows, slate in _slates(policy, asked, users, options):
            write(rows, slate)
            n_users, n_items, n_short = n_users + 1, n_items + len(slate), n_short + (len(slate) < k)
            n_unknown += len(policy.unknown_items(rows.history)) if arguments["skip_unknown"] else 0
            advance()
        stream.flush()
    if n_unknown:
        click.echo(f"{n_unknown:,} items of histories are not in the catalogue: they were left out", err=True)
    if n_short:
        click.echo(f"{n_short:,} of {n_users:,} users have fewer than {k} items left", err=True)
    if out:
        screen.print(f"{n_items:,} items for {n_users:,} users in {out}", soft_wrap=True)


def _open(path: Path) -> Policy:
    """The policy of a folder or of a run."""
    if ClaimedFolder(path).is_begun:
        from pydeeprecsys.serving.export import policy_of

        policy: Policy = policy_of(path)
        return policy
    return Policy.load(path)


def _exploration(epsilon: float | None, temperature: float | None) -> EpsilonGreedy | Softmax | None:
    if epsilon is not None:
        return EpsilonGreedy(epsilon)
    return None if temperature is None else Softmax(temperature)


def _asked(policy: Policy, arguments: dict[str, Any]) -> Iterable[UserRows]:
    """The users that are asked for."""
    if arguments["users"]:
        return read_users(arguments["users"])
    if arguments["user"] is not None:
        return [_of_data_set(policy, arguments["user"])]
    facts = _settings("--demographics", arguments["demographics"] or "", "NAME=VALUE,...")
    names = [name for name, _ in facts]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"--demographics has {twice[0]!r} twice; give it once")
    pairs = [
        (item, number(f"the rating of {item}", rating) if rating else None)
        for item, rating in _settings("--history", arguments["history"], "ID=RATING,ID=,...")
    ]
    return [UserRows("", read_demographics(dict(facts)), history=pairs)]


def _settings(option: str, text: str, form: str) -> list[tuple[str, str]]:
    """The names and values of NAME=VALUE,NAME=VALUE."""
    settings = [setting.strip().rpartition("=") for setting in text.split(",")] if text.strip() else []
    if wrong := [value for name, _, value in settings if not name]:
        raise InputError(f"{option} has {wrong[0]!r}, without a name and '='; give {form}")
    return [(name, value) for name, _, value in settings]


def _of_data_set(policy: Policy, user: str) -> UserRows:
    """A user of the data set that the policy was trained on, whose ratings are in the order of time, if it is known."""
    from pydeeprecsys.data.library import read_dataset

    trained_on = policy.contract["trained_on"]
    source = trained_on["dataset"] or SYNTHETIC
    if source.endswith(".world"):
        raise InputError(f"the policy was trained on {source}, which has no table of users; give --history")
    dataset = read_dataset(source)
    if dataset.checksum != trained_on["checksum"]:
        raise InputError(f"{source} is not the data that the policy was trained on; give --history")
    (rows,) = np.nonzero(dataset.users["user_id"].astype(str) == user)
    if not len(rows):
        raise InputError(f"there is no user {user!r} in {source}; give --history '' for a new user")
    facts = dataset.users.iloc[rows[0]][["sex", "age", "occupation", "zip_code"]].dropna().to_dict()
    if "occupation" in facts:
        facts["occupation"] = int(facts["occupation"])
    (theirs,) = np.nonzero(dataset.user_index == rows[0])
    if dataset.timestamps is not None:
        theirs = theirs[np.argsort(dataset.timestamps[theirs], kind="stable")]
    items = dataset.items["item_id"].astype(str).to_numpy()[dataset.item_index[theirs]]
    ratings = dataset.ratings[theirs].clip(*dataset.scale)  # which may be off by a rounding
    return UserRows(user, facts, history=list(zip(items.tolist(), ratings.tolist(), strict=True)))


def _slates(
    policy: Policy, asked: Iterable[UserRows], users: Path | None, options: dict[str, Any]
) -> Iterator[tuple[UserRows, list[Recommendation]]]:
    """The slate of each user, from batches so small that memory does not grow with their number."""
    left = iter(asked)
    while batch := list(islice(left, _AT_ONCE)):
        try:
            facts, histories = [rows.demographics for rows in batch], [rows.history for rows in batch]
            slates = policy.rank_batch(facts, histories, **options)
        except BatchError as error:
            if users is None:
                raise InputError(error.reason) from error
            rows = batch[error.user]
            line = rows.line if error.pair is None else rows.lines[error.pair]
            raise InputError(f"{users}, line {line}: {error.reason}") from error
        yield from zip(batch, slates, strict=True)


@contextmanager
def _stream(out: Path | None) -> Iterator[tuple[TextIO, Callable[[], None]]]:
    """The file to write, which appears whole or not at all, or the screen; and a function to call after each user."""
    if out is None:
        yield sys.stdout, lambda: None
        return
    with whole_file(out) as path, path.open("w", encoding="utf-8", newline="") as file, progress_bars() as progress:
        bar = progress.add_task("recommending to users", total=None)
        yield file, lambda: progress.advance(bar)


def _csv(stream: TextIO, policy: Policy, explored: bool) -> Write:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["user", "rank", "item", "title", "score", "propensity"])

    def write(rows: UserRows, slate: list[Recommendation]) -> None:
        for rank, (item, score, propensity) in enumerate(slate, 1):
            writer.writerow([rows.user, rank, item, policy.items[item].title, _rounded(score), propensity])

    return write


def _json(stream: TextIO, policy: Policy, explored: bool) -> Write:
    def write(rows: UserRows, slate: list[Recommendation]) -> None:
        items = [
            each._asdict() | {"title": policy.items[each.item].title, "score": _rounded(each.score)} for each in slate
        ]
        stream.write(json.dumps({"user": rows.user or None, "items": items}, ensure_ascii=False) + "\n")

    return write


def _table(stream: TextIO, policy: Policy, explored: bool) -> Write:
    def write(rows: UserRows, slate: list[Recommendation]) -> None:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for heading in ("", "item", "title", "categories", "score", *["propensity"] * explored):
            table.add_column(heading, justify="left" if heading in ("item", "title", "categories") else "right")
        for rank, (item, score, propensity) in enumerate(slate, 1):
            facts = policy.items[item]
            cells = [str(rank), item, facts.title, ", ".join(facts.categories), f"{score:.4g}"]
            table.add_row(*cells, *[f"{propensity:.4g}"] * explored)
        screen.print(table)

    return write


def _rounded(score: float) -> float:
    """In the precision of the graph, which is single."""
    return float(f"{score:.7g}")


_WRITERS: dict[str, Callable[[TextIO, Policy, bool], Write]] = {"csv": _csv, "json": _json, "table": _table}
