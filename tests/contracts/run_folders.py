"""Folders as `train` and `compare` leave them, small, with numbers of one's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

GENRES = ["Other", "Action", "Drama"]
PROVENANCE = {
    "versions": {"pydeeprecsys": "0.1.0", "numpy": "2.4.6"},
    "dataset_checksum": "sha256:77aa",
    "held_out_rmse": 0.85,
    "git": None,
    "machine": "Linux, 2 cores",
}
SETTINGS = {"env": "MovieLensFairness-v0", "env_options": {"slate_size": 2, "delta": 1.0}, "dataset": "synthetic"}
SETTINGS |= {"episodes": 4, "n_envs": 1, "evaluation_episodes": 3}


def config_of(agent: str, seed: int, **changes: Any) -> dict[str, Any]:
    """The configuration of a run."""
    config = {"kind": "run", "agent": agent, "seed": seed, "hyperparameters": {"learning_rate": 0.01}, **SETTINGS}
    return config | {"provenance": PROVENANCE} | changes


def step(titles: Sequence[str], chosen: int, affinities: Sequence[float], rating: float = 4.0) -> dict[str, Any]:
    """One step of a recorded session, with an item of every title."""
    shown = [
        {"item": f"id {title}", "title": title, "genres": ["Action", "Drama"], "rating": rating}
        | {"violence": 0.25, "measured": True}
        for title in titles
    ]
    return {"shown": shown, "chosen": chosen, "reward": 0.8, "affinities": list(affinities)}


def sessions_of(users: Iterable[str], titles: Sequence[str], n_steps: int = 3) -> dict[str, Any]:
    """Sessions in which the affinity for Action doubles with every step."""
    steps = [step(titles, number % 2, [0.0, 0.5 * 2**number, -0.25]) for number in range(n_steps)]
    return {"genres": GENRES, "sessions": [{"user": user, "steps": steps} for user in users]}


def write_run(
    folder: Path,
    config: Mapping[str, Any],
    *,
    curve: Sequence[float] = (),
    returns: Sequence[float] = (),
    violence: float = 0.25,
    rating: float | None = None,
    shown: Sequence[int] = (4, 2, 0),
    sessions: Mapping[str, Any] | None = None,
    note: str = "",
    day: str = "2026-03-14",
) -> Path:
    """A run that has come as far as there are numbers for, on a day."""
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text(f"{day}T12:00:00+00:00 {config['agent']}, seed {config['seed']}: started\n")
    (folder / "config.json").write_text(json.dumps(config))
    if curve:
        with (folder / "metrics.csv").open("w", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["metric", "measurement", "timestep", "episode", "model", "env"])
            for episode, value in enumerate(curve):
                lines.writerow(
                    ["timestep_rewards", json.dumps([value / 2, value / 2]), 2, episode, config["agent"], "v0"]
                )
                lines.writerow(["moving_rewards", json.dumps(value), 2, episode, config["agent"], "v0"])
    if returns:
        rows = [f"{number},{value},3,{violence},1,1,1,0.5,6" for number, value in enumerate(returns)]
        header = "episode,return,steps,violence,dcg,ndcg,hit,diversity,novelty"
        if rating is not None:
            header, rows = f"{header},rating", [f"{row},{rating}" for row in rows]
        (folder / "evaluation.csv").write_text("\n".join([header, *rows, ""]))
        items = [f"{item},{count}" for item, count in enumerate(shown)]
        (folder / "exposure.csv").write_text("\n".join(["item,shown", *items, ""]))
        result = {"seconds": 1.0, "mean_return": float(np.mean(returns)), "updates": None, "note": note}
        (folder / "result.json").write_text(json.dumps(result))
    if sessions:
        (folder / "sessions.json").write_text(json.dumps(sessions))
    return folder


def write_comparison(
    folder: Path, titles: Sequence[str] = ("The Long Road (1999)", "Night (2001)"), **changes: Any
) -> Path:
    """A comparison of dqn, win-stay, random and the oracle from three seeds, all done."""
    agents = {"random": 30.0, "win-stay": 40.0, "dqn": 44.0, "oracle": 50.0}
    folder.mkdir(parents=True)
    config: dict[str, Any] = {"kind": "compare", "agents": ["random", "win-stay", "dqn"], "seeds": 3, **SETTINGS}
    config |= {"hyperparameters": {"dqn": {"learning_rate": 0.01}}, "provenance": PROVENANCE}
    (folder / "config.json").write_text(json.dumps(config | changes))
    draws = np.random.default_rng(0)
    for agent, level in agents.items():
        for seed in range(3):
            write_run(
                folder / "runs" / f"{agent}-{seed}",
                config_of(agent, seed, **changes),
                curve=[] if agent == "oracle" else [level - 5 + episode + seed for episode in range(4)],
                returns=(level + seed + draws.normal(size=3)).tolist(),
                violence=level / 100,
                sessions=sessions_of([f"{seed}1", f"{seed}2"], titles),
            )
    return folder


def write_sweep(folder: Path, seeds: int = 3, **changes: Any) -> Path:
    """A sweep of the weight of calm over 0, 0.5 and 1: dqn gives up rating for calm, random is the same at all."""
    folder.mkdir(parents=True)
    config: dict[str, Any] = {"kind": "compare", "agents": ["random", "dqn"], "seeds": seeds, **SETTINGS, **changes}
    config |= {"sweep": "lambda_non_violent=0:1:0.5", "hyperparameters": {}, "provenance": PROVENANCE}
    (folder / "config.json").write_text(json.dumps(config))
    for agent, losses in {"random": (0.0, 0.0, 0.0), "dqn": (0.0, 0.25, 1.0), "oracle": (-1.0, -0.75, 0.0)}.items():
        for weight, loss in zip((0.0, 0.5, 1.0), losses, strict=True):
            options = {**config["env_options"], "lambda_non_violent": weight}
            for seed in range(seeds):
                write_run(
                    folder / "runs" / f"{agent}@lambda_non_violent={weight:g}-{seed}",
                    config_of(agent, seed, **changes | {"env_options": options}),
                    curve=[] if agent == "oracle" else [40.0 - loss, 40.0 - loss + seed],
                    returns=[40.0 - loss + seed],
                    rating=4.0 - loss + seed / 10,
                    violence=0.4 if agent == "random" else 0.5 - 0.4 * weight + seed / 100,
                )
    return folder


def write_search(folder: Path, lines: Sequence[str], **changes: Any) -> Path:
    """A search for hyperparameters of dqn, with the lines of its table of trials."""
    folder.mkdir(parents=True)
    config = config_of(
        "dqn", 0, **({"kind": "tune", "trials": 4, "seeds": 2, "evaluation_pool": "evaluation"} | changes)
    )
    (folder / "config.json").write_text(json.dumps(config))
    header = "trial,state,mean_return,learning_rate,hidden_layers,double"
    (folder / "trials.csv").write_text("\n".join([header, *lines, ""]))
    write_run(folder / "runs" / "000-10000", config_of("dqn", 10_000), returns=[30.0])
    return folder
