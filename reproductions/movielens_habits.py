"""What policies do on MovieLens 1M after a liked and a disliked movie: `python -m reproductions.movielens_habits`.

Each agent is trained as in `movielens_tuned`, from seed 0, and judged. Told is how sure its policy is of what it shows
next, and how often that is a movie of the very genres of the last, all of them and no others.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from pydeeprecsys.data.dataset import GENRES
from pydeeprecsys.envs.observations import DEMOGRAPHICS
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.policy_gradient import PolicyGradientAgent
from pydeeprecsys.rl.agents.ppo import PPOAgent
from reproductions.movielens_rings import EPISODES, SEED, THRESHOLD
from reproductions.movielens_tuned import STUDY

AGENTS = ("reinforce", "actor-critic", "ppo")

Policy = PolicyGradientAgent | PPOAgent


class Watched(ReinforcementLearning):
    """An agent as it is, whose decisions are kept; it learns nothing."""

    def __init__(self, agent: Policy) -> None:
        self.agent = agent
        self.states: list[NDArray[np.float32]] = []
        self.movies: list[NDArray[np.int64]] = []

    def top_k_actions_for_states(
        self,
        states: NDArray[Any],
        k: int = 1,
        *,
        explore: bool = True,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """What the agent shows in (n, 25) states: (n, k)."""
        shown = self.agent.top_k_actions_for_states(states, k, explore=explore, action_masks=action_masks)
        self.states.append(states.copy())
        self.movies.append(shown[:, 0])
        return shown


def trained(name: str) -> Policy:
    """The agent after the steps that its claim gives it, from seed 0."""
    (claim,) = (claim for claim in STUDY.claims if claim.agent == name)
    manager = STUDY.manager(0, claim.n_envs)
    torch.set_num_threads(1)
    agent = make_agent(name, manager, 0, **claim.options)
    assert isinstance(agent, Policy)
    manager.train(agent, max_episodes=None, max_steps=claim.steps, should_print=False)
    return agent


@click.command(help=__doc__)
@click.option("--agents", default=",".join(AGENTS), show_default=True, help="Agents to train, separated by commas.")
def main(agents: str) -> None:
    """Print what each does in the states before which a movie was liked, or disliked."""
    click.echo("| agent | after a movie | share of steps | entropy, nats | most probable | of the same genres |")
    click.echo("| --- | --- | ---: | ---: | ---: | ---: |")
    judge = STUDY.manager(SEED, STUDY.evaluation_envs)
    genres: NDArray[np.bool_] = judge.env.get_wrapper_attr("simulator").world.genres
    for name in agents.split(","):
        watched = Watched(trained(name))
        judge.execute_episodes(watched, EPISODES)
        states, movies = np.concatenate(watched.states), np.concatenate(watched.movies)
        last, rating = states[:, DEMOGRAPHICS : DEMOGRAPHICS + len(GENRES)] > 0.5, states[:, DEMOGRAPHICS + len(GENRES)]
        liked = rating >= np.float32(THRESHOLD / 5)
        for kind, rows in (("liked", liked), ("disliked", ~liked & (rating > 0))):
            with torch.inference_mode():
                # A tenth of the states is plenty for a mean, and 3,883 probabilities of each fit into memory.
                policy = watched.agent.policy_estimator.action_probabilities(states[rows][::10])
                entropy = torch.special.entr(policy).sum(dim=1).mean().item()
                surest = policy.amax(dim=1).mean().item()
            again = (genres[movies[rows]] == last[rows]).all(axis=1).mean()
            click.echo(f"| {name} | {kind} | {rows.mean():.0%} | {entropy:.2f} | {surest:.2f} | {again:.0%} |")


if __name__ == "__main__":
    main()
