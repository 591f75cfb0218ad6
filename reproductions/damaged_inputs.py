"""Damaged and odd inputs get one line and lose nothing: `python -m reproductions.damaged_inputs`.

Each of 100,000 inputs is made from a right one by changing bytes, fields, names and options, and read in this process;
200 more are given to the real command. An input may be read, or refused by one line (`InputError`); anything else is a
failure, and so is a file of the user's that is changed or gone. One row per reader is written when it is done.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd
import torch

from pydeeprecsys.cli.agent_options import read_options
from pydeeprecsys.data.library import read_dataset, table_options
from pydeeprecsys.data.tables import read_tables
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.environments import read_env_option
from pydeeprecsys.experiments.registry import AGENTS, agent_option, agent_options
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.checkpoint import load_checkpoint

RESULTS = Path(__file__).parent / "results" / "damaged_inputs.csv"
SEED = 0
READ, REFUSED = "read", "refused"

Files = dict[str, bytes]
Attempt = Callable[[np.random.Generator, Path], object]

# What breaks readers: quotes, separators, ends of lines, numbers that are none, marks, brackets.
TOKENS = (
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"|",
        b"::",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(
        b"NaN",
        b"inf",
        b"-1",
        b"1e999",
        b"1e-400",
        b"9" * 40,
        b"1_0",
        b"0x1",
        b"1,5",
        b"True",
        b"null",
        b"[",
        b"{",
        b"]}",
    ),
    *(b"\xc3\xa9", b"\xe2\x80\xa8", b"../", b"%s", b"{}", b"<b>", b"=1+1", b" " * 50, b"a" * 300),
)

USERS, ITEMS = 12, 10


def tables(generator: np.random.Generator) -> Files:
    """Ratings, items and users that are right, in one of their forms."""
    users, items = np.divmod(generator.permutation(USERS * ITEMS)[:60], ITEMS)
    ratings = pd.DataFrame({"user_id": users, "item_id": items, "rating": generator.integers(1, 6, 60) / 1.0})
    ratings["timestamp"] = 978_300_000 + generator.integers(0, 1000, 60)
    rows = pd.DataFrame({"item_id": range(ITEMS), "title": [f"T{i} ({1990 + i})" for i in range(ITEMS)]})
    rows["genres"] = ["Action|Drama", "Comedy"] * (ITEMS // 2)
    rows["violence"] = generator.random(ITEMS).round(2)
    people = pd.DataFrame({"user_id": range(USERS), "sex": "F", "age": 25, "occupation": 3, "zip_code": "02139"})
    return {
        "ratings.csv": written(ratings, generator),
        "items.csv": written(rows, generator),
        "users.csv": written(people, generator),
        "mine.txt": b"not yours",
    }


def written(frame: pd.DataFrame, generator: np.random.Generator) -> bytes:
    """The bytes of a table, in one of the forms that are read."""
    form = int(generator.integers(8))
    if form < 4:
        text = frame.to_csv(index=False, sep=",;\t|"[form])
        return text.encode(str(generator.choice(["utf-8", "utf-8-sig", "utf-16"], p=[0.8, 0.1, 0.1])))
    if form == 4:
        return frame.to_csv(index=False).replace(",", "::").encode()
    if form == 5:
        return frame.to_json(orient="records", lines=True).encode()
    stream = io.BytesIO()
    if form == 6:
        frame.to_parquet(stream)
    else:
        frame.to_csv(stream, index=False, compression="gzip")
    return stream.getvalue()


def changed(content: bytes, generator: np.random.Generator) -> bytes:
    """The content with one to four changes of its bytes."""
    for _ in range(int(generator.integers(1, 5))):
        at, length = (int(generator.integers(len(content) + 1)) for _ in range(2))
        end = min(len(content), at + length % 40)
        token = TOKENS[int(generator.integers(len(TOKENS)))]
        change = int(generator.integers(7))
        middle = [token, token + content[at:end], b"", content[at:end] * 2, bytes([int(generator.integers(256))])]
        if change < 5:
            content = content[:at] + middle[change] + content[end:]
        elif change == 5:
            content = content[:at]
        else:
            content = content[at:end] + content[:at] + content[end:]
    return content


def option(generator: np.random.Generator) -> str:
    """An option of a table with some value."""
    names = [*table_options(), "nothing", ""]
    values = [
        "",
        "1,10",
        "10,1",
        "a,b",
        "counts",
        "binary",
        "last",
        "mean",
        "latin-1",
        "utf-9",
        "items.csv",
        "%",
        "%zz",
    ]
    values += ["user_id", "title", ",", "::", "user,item,rating,time", "NaN,inf", "users.csv", "none.csv", "é", " "]
    return f"{generator.choice(names)}{generator.choice(['=', '=', '=', ''])}{generator.choice(values)}"


def read_table(generator: np.random.Generator, folder: Path) -> None:
    """A table of ratings, items and users, some of them damaged, with options."""
    files = tables(generator)
    for name in list(files)[:3]:
        if generator.random() < 0.3:
            files[name] = changed(files[name], generator)
    write(files, folder)
    options = [f"{name}={name}.csv" for name in ("items", "users") if generator.random() < 0.7]
    options += [option(generator) for _ in range(int(generator.choice(3, p=[0.6, 0.3, 0.1])))]
    read_dataset(f"{folder}/ratings.csv{'?' if options else ''}{'&'.join(options)}")


def read_frame(generator: np.random.Generator, folder: Path) -> None:
    """Data frames whose cells are of any type."""
    cells: list[Any] = [
        1,
        2.5,
        "1",
        "",
        None,
        np.nan,
        np.inf,
        -1,
        True,
        b"x",
        [1],
        ["A"],
        {"name": "A"},
        10**30,
        "é\x00",
    ]
    cells += [pd.Timestamp(0), np.float32(3), np.int8(1), complex(1, 2), (1, 2), object]
    columns = ["user_id", "item_id", "rating", "timestamp", "title", "genres", "violence", "sex", "age", "occupation"]

    def frame(needed: Sequence[str]) -> pd.DataFrame:
        more = [str(name) for name in generator.choice(columns, 3)]
        right = {"user_id": list(range(8)), "item_id": list("abcdefgh"), "rating": [4.0, 1, 2, 3, 5, 1, 2, 3]}
        data = {}
        for name in dict.fromkeys([*needed, *more]):
            values = [*right.get(name, [1, 2, 3, 1, 2, 3, 1, 2])]
            if generator.random() < 0.3:
                values[int(generator.integers(8))] = cells[int(generator.integers(len(cells)))]
            data[name] = pd.Series(values, dtype=object)
        return pd.DataFrame(data)

    items = frame(["item_id"]) if generator.random() < 0.5 else None
    users = frame(["user_id"]) if generator.random() < 0.5 else None
    read_tables(frame(["user_id", "item_id", "rating"]), items=items, users=users, duplicates="last")


def read_release(generator: np.random.Generator, folder: Path) -> None:
    """A MovieLens release, as a zip or a folder, with damaged bytes in the archive or in a file."""
    ratings = "".join(f"{u}::{i}::{generator.integers(1, 6)}::97830{u}{i}\n" for u in range(1, 6) for i in range(1, 5))
    files = {
        "ratings.dat": ratings.encode(),
        "movies.dat": b"".join(b"%d::Film %d (1990)::Action|Drama\n" % (i, i) for i in range(1, 5)),
        "users.dat": b"".join(b"%d::F::25::4::02139\n" % u for u in range(1, 6)),
    }
    if generator.random() < 0.7:
        name = str(generator.choice(list(files)))
        files[name] = changed(files[name], generator)
    if generator.random() < 0.5:
        write(files, folder / "ml")
        read_dataset(folder / "ml")
        return
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"ml/{name}", content)
    content = stream.getvalue()
    (folder / "ml.zip").write_bytes(changed(content, generator) if generator.random() < 0.7 else content)
    read_dataset(folder / "ml.zip")


def read_set(generator: np.random.Generator, folder: Path) -> None:
    """A hyperparameter or an option of the environment as text, as --set and --env-option give it."""
    agent = str(generator.choice(list(AGENTS)))
    argument = str(generator.choice([each.name for each in agent_options(agent)] or ["nothing"]))
    values = [
        "1",
        "-1",
        "0.5",
        "1e-3",
        "true",
        "none",
        "nan",
        "inf",
        "[32,32]",
        "32,",
        ",",
        "",
        "ratings",
        "x",
        "1e999",
    ]
    text = str(generator.choice(values))
    if generator.random() < 0.7:
        text = changed(text.encode(), generator).decode(errors="replace")
    if generator.random() < 0.2:
        argument = changed(argument.encode(), generator).decode(errors="replace")
    if generator.random() < 0.7:
        agent_option(agent, argument).read(text)
    else:
        env = str(generator.choice(["MovieLensFairness-v0", "MovieLensFairness-v1", "CartPole-v1"]))
        name = str(generator.choice(["slate_size", "delta", "observation", "choice", "nothing", ""]))
        read_env_option(env, f"{name}={text}")


def read_config(generator: np.random.Generator, folder: Path) -> None:
    """A file of hyperparameters, as --config takes it."""
    config = {"agent": "dqn", "hyperparameters": {"learning_rate": 0.001, "hidden_layers": [32, 32], "double": True}}
    text = json.dumps(config).encode()
    (folder / "best.json").write_bytes(changed(text, generator) if generator.random() < 0.9 else text)
    read_options(folder / "best.json")


class Runs:
    """A run that is done and one that was stopped, of which copies are damaged."""

    def __init__(self, folder: Path) -> None:
        generator = np.random.default_rng(SEED)
        files = tables(generator)
        write({"ratings.csv": files["ratings.csv"], "items.csv": files["items.csv"]}, folder)
        task = Task(dataset=f"{folder}/ratings.csv?items=items.csv")
        config = RunConfig(task=task, agent="reinforce", episodes=20, seed=0, evaluation_episodes=5)
        self.done, self.stopped = folder / "done", folder / "stopped"
        run(config, self.done)

        def stop(number: int, episode: object) -> None:
            if number == 14:
                raise KeyboardInterrupt

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = RunConfig(task=task, agent="reinforce", episodes=20, seed=0, checkpoint_every=5)
            with suppress(KeyboardInterrupt):
                run(config, self.stopped, on_episode=stop)

    def damage(self, generator: np.random.Generator, folder: Path) -> Path:
        """A copy with one damaged file."""
        copy = folder / "run"
        shutil.copytree(self.done if generator.random() < 0.5 else self.stopped, copy)
        file = Path(str(generator.choice(sorted(path for path in copy.iterdir() if path.is_file()))))
        file.write_bytes(changed(file.read_bytes(), generator))
        return copy

    def read(self, generator: np.random.Generator, folder: Path) -> None:
        """All that commands read of a run's folder."""
        results = RunFolder(self.damage(generator, folder))
        assert isinstance(results.config, dict)
        for read in ("statistics", "curve", "sessions", "evaluation", "measures", "result"):
            if results.is_done:
                getattr(results, read)
        for best in (False, True):
            results.load_checkpoint(best=best)

    def read_checkpoint(self, generator: np.random.Generator, folder: Path) -> None:
        """A checkpoint."""
        path = folder / "checkpoint.safetensors"
        path.write_bytes(changed((self.stopped / path.name).read_bytes(), generator))
        load_checkpoint(path)


def write(files: Files, folder: Path) -> None:
    """Write files in a new folder."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    """All files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def attempt(read: Attempt, seed: Sequence[int], folder: Path) -> str:
    """Read one input, and say what came of it: "read", "refused", or the failure."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "mine.txt").write_bytes(b"not yours")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(np.random.default_rng(seed), folder)
    except InputError as error:
        outcome = REFUSED if "\n" not in str(error) else f"an error of several lines: {error}"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    else:
        outcome = READ
    return outcome if (folder / "mine.txt").read_bytes() == b"not yours" else "a file of the user's is gone"


def commands(runs: Runs) -> Attempt:
    """Give a damaged input to the real command; whatever it says must be one error in a line, or none."""

    def call(generator: np.random.Generator, folder: Path) -> None:
        files = tables(generator)
        files["ratings.csv"] = changed(files["ratings.csv"], generator)
        write(files, folder)
        (folder / "best.json").write_bytes(changed(b'{"agent": "dqn", "hyperparameters": {}}', generator))
        copy = runs.damage(generator, folder)
        text = changed(b"0.5", generator).decode(errors="replace").replace("\0", "")
        small = ["--dataset", f"{folder}/ratings.csv", "--evaluation-episodes", "2", "--out", f"{folder}/new"]
        choices = [
            ["data", "describe", f"{folder}/ratings.csv?{option(generator)}".replace("\0", "")],
            ["train", "dqn", "--config", f"{folder}/best.json", "--episodes", "2", "--out", f"{folder}/new"],
            [*("compare", "--agents", "random,dqn", "--set", f"dqn.discount_factor={text}", "--episodes", "2"), *small],
            ["resume", str(copy)],
            ["evaluate", str(copy), "--sessions", "2"],
            ["report", str(copy)],
        ]
        arguments = choices[int(generator.integers(len(choices)))]
        before = contents(folder)
        done = subprocess.run(
            [sys.executable, "-m", "pydeeprecsys.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=300,
        )
        if "Traceback" in done.stderr or done.returncode not in (0, 1, 2):
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
        ours = {name: content for name, content in before.items() if not name.startswith("run/")}
        after = contents(folder)
        lost = [name for name, content in ours.items() if after.get(name) != content]
        lost += [name for name in before if name not in after and "checkpoint" not in name]
        if lost:
            raise RuntimeError(f"{' '.join(arguments)} changed or removed {', '.join(lost)}")
        if done.returncode == 2:
            raise InputError(done.stderr.strip().splitlines()[-1])

    return call


def readers(runs: Runs) -> dict[str, tuple[Attempt, int]]:
    """Each reader, and how many inputs it gets."""
    return {
        "tables": (read_table, 40_000),
        "data frames": (read_frame, 10_000),
        "MovieLens releases": (read_release, 15_000),
        "--set and --env-option": (read_set, 15_000),
        "--config": (read_config, 5_000),
        "run folders": (runs.read, 10_000),
        "checkpoints": (runs.read_checkpoint, 5_000),
        "the real command": (commands(runs), 200),
    }


def try_all(read: Attempt, label: str, n: int, folder: Path) -> dict[str, Any]:
    """The row of a reader: how many inputs were read, refused, and failed."""
    started = time.perf_counter()
    outcomes = [attempt(read, (SEED, number), folder / "input") for number in range(n)]
    failures = [
        f"input {number}: {outcome}" for number, outcome in enumerate(outcomes) if outcome not in (READ, REFUSED)
    ]
    for failure in failures[:20]:
        click.echo(f"{label}, {failure[:400]}")
    return {
        "reader": label,
        "seed": SEED,
        "inputs": n,
        READ: outcomes.count(READ),
        REFUSED: outcomes.count(REFUSED),
        "failed": len(failures),
        "seconds": round(time.perf_counter() - started, 1),
    }


@click.command()
@click.option(
    "--share", type=click.FloatRange(0, 1), default=1.0, help="Share of the inputs; the results are kept only of all."
)
@click.option("--only", help="One reader.")
def main(share: float, only: str | None) -> None:
    """Read damaged inputs, and write how many were read, refused and failed."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = []
        for label, (read, n) in readers(Runs(folder)).items():
            if only in (None, label):
                rows.append(try_all(read, label, max(1, int(share * n)), folder))
                click.echo(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1))
                if share == 1:
                    known = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame(columns=list(rows[-1]))
                    table = pd.concat([known[known["reader"] != label], pd.DataFrame(rows[-1:])])
                    with whole_file(RESULTS) as path:
                        table.to_csv(path, index=False)
    if any(row["failed"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
