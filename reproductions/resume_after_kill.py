"""No kill loses anything: `python -m reproductions.resume_after_kill`.

Every agent learns on the embedded data, is killed with SIGKILL 20 times at random moments, resumed each time, and ends
with the same state as undisturbed: weights, optimizers, memories, generators, environment, measurements, to the bit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd
import safetensors.numpy
import torch

from pydeeprecsys.errors import did_you_mean
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.registry import AGENTS
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.files import whole_file

RESULTS = Path(__file__).parent / "results" / "resume_after_kill.csv"

# What would take an hour otherwise; the others learn with their defaults.
_OPTIONS: dict[str, dict[str, Any]] = {
    "sac": {"hidden_layers": [32], "batch_size": 32, "update_frequency": 20},
    "slate-q": {"network_update_frequency": 20},
    "ppo": {"steps_per_update": 200, "minibatch_size": 50},
}
# Sessions that take some seconds to learn from.
_EPISODES = {"dqn": 60, "rainbow": 40, "sac": 40, "slate-q": 60, "ppo": 200, "linucb": 200, "thompson": 200}
_EPISODES |= {"reinforce": 400, "actor-critic": 400, "oracle": 500}

# A process that has imported everything already makes those that are killed: they begin at once. The first optimizer
# would import torch._dynamo, which takes longer than all the rest.
_processes = get_context("forkserver")
_processes.set_forkserver_preload(["pydeeprecsys.experiments.run", "torch._dynamo", "torch.utils.tensorboard"])


def _run(config: RunConfig, folder: Path) -> None:
    torch.set_num_threads(1)
    run(config, folder)


def kill_and_go_on(config: RunConfig, folder: Path, kills: int, longest: float, generator: np.random.Generator) -> int:
    """Start a run repeatedly, kill it after at most `longest` seconds each time, and at last let it finish.

    Returns:
        How often it was killed: fewer than `kills` where it was done before.
    """
    for number in range(kills + 1):
        process = _processes.Process(target=_run, args=(config, folder))
        process.start()
        process.join(None if number == kills else generator.uniform(0, longest))
        if process.exitcode == 0:
            return number
        if process.exitcode is not None:
            raise click.ClickException(f"{config.agent} ended by itself, with code {process.exitcode}")
        process.kill()
        process.join()
    raise AssertionError("the last one is not killed")


def differences(one: Path, other: Path) -> list[str]:
    """What differs between the folders of two runs, besides the clock."""
    folders = [RunFolder(path) for path in (one, other)]
    found = [
        name for name in folders[0].files if name.endswith((".csv", "sessions.json")) and not _alike(name, folders)
    ]
    states = [(folder.load_checkpoint() or {}) | {"seconds": 0} for folder in folders]
    found += _differences(states[0], states[1], "checkpoint")
    if folders[0].agent_file.exists():
        weights = [safetensors.numpy.load_file(folder.agent_file) for folder in folders]
        found += _differences(weights[0], weights[1], "agent")
    return found


def _alike(name: str, folders: list[RunFolder]) -> bool:
    one, other = (folder.path / name for folder in folders)
    return other.exists() and one.read_bytes() == other.read_bytes()


def _differences(one: Any, other: Any, name: str) -> list[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        return [found for key in one for found in _differences(one[key], other[key], f"{name}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for i, (a, b) in pairs for found in _differences(a, b, f"{name}.{i}")]
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        alike = (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    else:
        alike = type(one) is type(other) and one == other
    return [] if alike else [name]


def prove(agent: str, kills: int, folder: Path) -> dict[str, Any]:
    """Train an agent twice, once undisturbed, and tell in a row whether that makes a difference."""
    episodes = _EPISODES.get(agent, 2000)
    slates = Task(env="MovieLensFairness-v1", env_options={"slate_size": 3})
    config = RunConfig(
        task=slates if agent == "slate-q" else Task(),
        agent=agent,
        seed=0,
        episodes=episodes,
        n_envs=4,
        evaluation_episodes=100,
        hyperparameters=_OPTIONS.get(agent, {}),
        checkpoint_every=0.2,
    )
    torch.set_num_threads(1)
    begun = time.monotonic()
    run(config, folder / "whole")
    longest = 1.0 + (time.monotonic() - begun) / 4  # a second to begin
    generator = np.random.default_rng(sum(agent.encode()))
    killed = tries = went_on = 0
    found: list[str] = []
    while killed < kills:  # one that is done before it was killed often enough is done once more
        parts = folder / f"parts-{tries}"
        tries += 1
        killed += kill_and_go_on(config, parts, kills - killed, longest, generator)
        found += differences(folder / "whole", parts)
        went_on += (parts / "log.txt").read_text().count("resumed after")
    return {
        "agent": agent,
        "kills": killed,
        "went_on_from_a_checkpoint": went_on,
        "episodes": episodes,
        "same_bits": not found,
        "differences": " ".join(sorted(set(found))),
    }


@click.command(help=__doc__)
@click.option("--agents", default=",".join(AGENTS), help="Agents, separated by commas.")
@click.option("--kills", type=click.IntRange(1), default=20, show_default=True, help="Kills per agent.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=RESULTS, show_default=False, help="File of the results."
)
def main(agents: str, kills: int, out: Path) -> None:
    """Kill every agent's training, and write what came of it."""
    rows = []
    for agent in agents.split(","):
        if agent not in AGENTS:
            raise click.ClickException(f"there is no agent {agent!r}; {did_you_mean(agent, AGENTS)}")
        with TemporaryDirectory() as folder:
            rows.append(prove(agent, kills, Path(folder)))
        click.echo(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
        with whole_file(out) as path:
            pd.DataFrame(rows).to_csv(path, index=False)
    if not all(row["same_bits"] for row in rows):
        raise click.ClickException("a killed run ended with other bits")


if __name__ == "__main__":
    main()
