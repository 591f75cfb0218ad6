"""What policies do on MovieLens 1M after a liked and a disliked movie: `python -m reproductions.movielens_habits`.

Each agent is trained as in `movielens_tuned`, from seed 0, and evaluated. Printed are the entropy of its policy, the
probability of its most probable movie, and how often the same movie is shown again.
"""

from __future__ import annotations

from itertools import pairwise
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch
from numpy.typing import NDArray

from pydeeprecsys.data.movielens_layouts import GENRES
from pydeeprecsys.envs.observations import DEMOGRAPHICS
from pydeeprecsys.experiments.evaluate_again import load_policy
from pydeeprecsys.experiments.run import run
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from pydeeprecsys.rl.rollout import Step
from reproductions.movielens_rings import EPISODES, SEED, THRESHOLD
from reproductions.movielens_tuned import STUDY

AGENTS = ("reinforce", "actor-critic", "ppo")


def transitions(agent: PolicyGradientAgent | PPOAgent) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(n, 25) states after a movie, in sessions of an evaluation; (n,) whether the next movie was the same again."""
    steps: list[tuple[int, NDArray[np.int64], NDArray[np.float32]]] = []

    def keep(step: Step) -> None:
        steps.append((step.timestep, step.actions, step.observations))

    STUDY.task.manager(SEED, STUDY.evaluation_envs, "test").execute_episodes(agent, EPISODES, on_step=keep)
    # All sessions are of the same length here, so they begin together, with time step 1: before it lies another user.
    pairs = [(last, after) for last, after in pairwise(steps) if after[0] > 1]
    return (
        np.concatenate([states for (_, _, states), _ in pairs]),
        np.concatenate([shown == shown_next for (_, shown, _), (_, shown_next, _) in pairs]),
    )


@click.command(help=__doc__)
@click.option("--agents", default=",".join(AGENTS), show_default=True, help="Agents to train, separated by commas.")
def main(agents: str) -> None:
    """Print what each does after a movie that was liked, and after one that was disliked."""
    claims = {claim.name: claim for claim in STUDY.claims}
    click.echo("| agent | after a movie | share of steps | entropy, nats | most probable | the same again |")
    click.echo("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in agents.split(","):
        config = STUDY.config(claims[name], seed=0)
        torch.set_num_threads(1)
        with TemporaryDirectory() as folder:
            agent = load_policy(config, run(config, folder))
        assert isinstance(agent, PolicyGradientAgent | PPOAgent)
        states, again = transitions(agent)
        liked = states[:, DEMOGRAPHICS + len(GENRES)] >= np.float32(THRESHOLD / 5)
        for kind, rows in (("liked", liked), ("disliked", ~liked)):
            with torch.inference_mode():
                # A tenth of the states is plenty for a mean, and 3,883 probabilities of each fit into memory.
                policy = agent.policy_estimator.action_probabilities(states[rows][::10])
                entropy = torch.special.entr(policy).sum(dim=1).mean().item()
                surest = policy.amax(dim=1).mean().item()
            click.echo(
                f"| {name} | {kind} | {rows.mean():.0%} | {entropy:.2f} | {surest:.2f} | {again[rows].mean():.0%} |"
            )


if __name__ == "__main__":
    main()
