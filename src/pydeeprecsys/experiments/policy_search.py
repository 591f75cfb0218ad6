"""Policy search on several processes: the candidates of a generation are played side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.registry import agent_class, make_agent
from pydeeprecsys.experiments.workers import Report, open_workers
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.generations import Candidate, Play, Played
from pydeeprecsys.rl.manager import Manager


class _Players:
    """The environments and the base policy of a run; each process makes them once.

    Args:
        config: the settings of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    @cached_property
    def manager(self) -> Manager:
        """The environments."""
        return self.config.training_manager()

    @cached_property
    def agent(self) -> PolicySearch:
        """The search, of which the base alone is used."""
        config = self.config
        agent = make_agent(config.agent, self.manager, config.seed, **config.hyperparameters)
        assert isinstance(agent, PolicySearch)
        return agent


def _play(players: _Players, candidate: Candidate, report: Report) -> Played:
    return next(players.manager.play(players.agent, [candidate]))


@contextmanager
def open_players(
    config: RunConfig,
    folder: Path,
    jobs: int = 1,
    ray_address: str | None = None,
    *,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> Iterator[Play | None]:
    """Give what plays the candidates of a run; None if its own environments do.

    Args:
        config: the settings of the run.
        folder: of the run.
        jobs: processes side by side; the numbers are the same for any.
        ray_address: of a Ray cluster, see `open_workers`.
        stop_if_asked: called often; if it raises, running sessions are ended.

    Raises:
        InputError: several processes or a cluster, though the agent searches no policy; or see `open_workers`.
    """
    if jobs == 1 and ray_address is None:
        yield None
    elif not issubclass(agent_class(config.agent), PolicySearch):
        raise InputError(
            f"{config.agent} trains in one process: leave jobs and Ray out; they are for comparisons, for searches of "
            "hyperparameters and for agents that search a policy"
        )
    else:
        with open_workers(_Players(config), folder, jobs, ray_address) as workers:
            # To the end: results that are left before it end the processes.
            yield lambda candidates: list(workers.results(_play, candidates, stop_if_asked=stop_if_asked))
