"""Whether exported policies do what their agents do: `python -m reproductions.exported_policies`.

Each agent, with each state encoder, is trained for some sessions on MovieLens 1M and exported. The simulator then asks
the agent and the exported policy for the same 500 sessions of test users, by torch and by ONNX Runtime. Writes
results/exported_policies.csv, to which a later call adds the missing rows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import pandas as pd
import torch

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.evaluate import evaluate
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.files import whole_file
from pydeeprecsys.serving.agent import PolicyAgent
from pydeeprecsys.serving.contract import GRAPH_FILE
from pydeeprecsys.serving.export import export
from pydeeprecsys.serving.policy import Policy
from reproductions.runner import DOCS, RESULTS
from reproductions.tables import update_docs

TABLE = RESULTS / "exported_policies.csv"
SESSIONS = 500
SAME = 1e-6
"""Difference of returns that is no difference."""
CLOSE = 0.01
"""Bar of the difference of mean returns."""
_SETTINGS = "ml-1m, 40 training sessions, 500 test sessions, version 2"

_WORLDS: Mapping[str, Mapping[str, Any]] = {
    "v0": {"env": "MovieLensFairness-v0", "env_options": {"observation": "items"}},
    "v0, genres": {"env": "MovieLensFairness-v0"},
    "v1": {"env": "MovieLensFairness-v1", "env_options": {"slate_size": 10, "observation": "items"}},
    "v1, genres": {"env": "MovieLensFairness-v1", "env_options": {"slate_size": 10, "history_length": 10}},
}


class Case(NamedTuple):
    """An agent with some hyperparameters in a world of `_WORLDS`."""

    agent: str
    world: str = "v1"
    hyperparameters: Mapping[str, Any] = {}

    @property
    def options(self) -> str:
        """The hyperparameters that tell cases apart, as text."""
        return ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items() if name not in _FASTER)


# Training is as short as it can be: what is compared is the export.
_FASTER = {
    "update_frequency",
    "buffer_burn_in",
    "hidden_layers",
    "batch_size",
    "sessions",
    "timesteps_to_start_predicting",
}
_QUICK: Mapping[str, Mapping[str, Any]] = {
    "sac": {"update_frequency": 16, "hidden_layers": [64, 64], "batch_size": 64, "timesteps_to_start_predicting": 64},
    "slate-q": {"buffer_burn_in": 300},
    "dqn": {"buffer_burn_in": 300},
    "rainbow": {"buffer_burn_in": 300},
    "cma-es": {"sessions": 2},
    "es": {"sessions": 2},
}
_LEARNERS = ("reinforce", "actor-critic", "ppo", "dqn", "rainbow", "sac", "slate-q")

CASES = [
    *(Case(agent, "v1, genres") for agent in _LEARNERS),
    *(Case(agent, "v1", {"state_encoder": each}) for each in ("fold-in", "gru", "attention") for agent in _LEARNERS),
    *(Case(agent, "v1", {"state_encoder": "fold-in", "base": "fold-in,diversify=0.6"}) for agent in _LEARNERS[:-1]),
    Case("ppo", "v1", {"state_encoder": "gru", "item_features": "ratings", "vary_slates": True}),
    Case("ppo", "v0, genres", {"item_features": "ratings", "standardize_states": True}),
    Case("dqn", "v0", {"state_encoder": "fold-in", "base": "ease", "cost_limit": 0.3}),
    Case("rainbow", "v0, genres", {"categorical": True, "item_features": "ratings"}),
    Case("sac", "v0, genres", {"item_features": "ratings"}),
    Case("slate-q", "v1", {"state_encoder": "gru", "item_features": "ratings", "serving": "greedy"}),
    Case("linucb", "v0, genres"),
    Case("thompson", "v0, genres", {"item_features": "none"}),
    *(Case(agent, world) for agent in ("cma-es", "es") for world in ("v0", "v1")),
    *(Case(agent, "v1", {"diversify": 0.6}) for agent in ("fold-in", "item-knn", "ease")),
    *(Case(agent, "v0") for agent in ("fold-in", "item-knn", "ease")),
    Case("ease", "v0", {"feedback": "likes"}),
    *(Case(agent, world) for agent in ("popular", "best-rated", "varied", "win-stay") for world in ("v0", "v1")),
    Case("win-stay", "v0, genres"),
    Case("best-constant", "v0"),
]


def row_of(case: Case) -> dict[str, Any]:
    """Train, export, and ask the agent and the exported policy for the same sessions."""
    torch.set_num_threads(1)
    task = Task(dataset="ml-1m", **_WORLDS[case.world])
    config = RunConfig(
        task=task,
        agent=case.agent,
        episodes=40,
        n_envs=20,
        evaluation_episodes=SESSIONS,
        hyperparameters={**_QUICK.get(case.agent, {}), **case.hyperparameters},
    )
    with tempfile.TemporaryDirectory() as folder:
        results = run(config, Path(folder, "run"))
        started = time.monotonic()
        contract = export(results.path, Path(folder, "policy"))
        seconds = time.monotonic() - started
        policy = Policy.load(Path(folder, "policy"))
        size = Path(folder, "policy", GRAPH_FILE).stat().st_size
        expected = results.evaluation["return"]
    options = {name: each for name, each in task.env_options.items() if name != "history_length"}
    manager = config.evaluation_manager(replace(task, env_options={**options, "observation": "items"}))
    layout = manager.env.get_wrapper_attr("history_layout")
    returns = evaluate(PolicyAgent(policy, layout), manager, SESSIONS).episodes["return"]
    difference = (returns - expected).abs()
    return {
        **{"agent": case.agent, "world": case.world, "options": case.options},
        **contract["parity"],
        "agent_return": expected.mean(),
        "policy_return": returns.mean(),
        "same_sessions": int((difference < SAME).sum()),
        "largest_difference": difference.max(),
        **{"seconds": seconds, "megabytes": size / 1e6, "settings": _SETTINGS},
    }


def table(rows: pd.DataFrame) -> str:
    """The rows as a table in Markdown."""
    headings = "agent | world | states | largest difference of scores | equal slates | return of the agent"
    lines = [f"| {headings} | of the policy | equal sessions |", "| --- | --- |" + " ---: |" * 6]
    for row in rows.fillna({"options": ""}).itertuples():
        name = f"{row.agent} ({row.options})" if row.options else row.agent
        parity = f"{row.states} | {row.scores:.1g} | {row.slates}"
        returns = f"{row.agent_return:.4f} | {row.policy_return:.4f} | {row.same_sessions} of {SESSIONS}"
        lines.append(f"| {name} | {row.world} | {parity} | {returns} |")
    return "\n".join(lines) + "\n"


def measure(cases: list[Case], path: Path) -> pd.DataFrame:
    """The rows of some cases; those that a file lacks are added to it."""
    kept = pd.read_csv(path, keep_default_na=False).to_dict("records") if path.exists() else []
    rows = {(row["agent"], row["world"], row["options"]): row for row in kept if row["settings"] == _SETTINGS}
    for case in cases:
        key = case.agent, case.world, case.options
        if key not in rows:
            rows[key] = row_of(case)
            click.echo(rows[key])
            with whole_file(path) as temporary:
                pd.DataFrame([*rows.values()]).to_csv(temporary, index=False)
    return pd.DataFrame([rows[case.agent, case.world, case.options] for case in cases])


@click.command()
@click.option("--agents", help="Only the cases of these agents, separated by commas.")
def main(agents: str | None) -> None:
    """Export every agent with every state encoder, and compare the returns of agent and policy."""
    cases = [case for case in CASES if agents is None or case.agent in agents.split(",")]
    try:
        rows = measure(cases, TABLE)
    except InputError as error:
        raise click.ClickException(str(error)) from error
    click.echo(table(rows))
    if agents is None:
        update_docs("exported_policies", table(rows), DOCS)
    if ((rows["agent_return"] - rows["policy_return"]).abs() > CLOSE).any():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
