"""Look for good options of an agent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Self

import pandas as pd

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.experiments.metrics_file import read_metrics
from pydeeprecsys.experiments.record import record_of
from pydeeprecsys.experiments.registry import AGENTS, agent_class, agent_option, agent_options
from pydeeprecsys.experiments.run import CHECKPOINT, CONFIG, RUNS, RunConfig, carry_out, check, check_same, forget
from pydeeprecsys.experiments.search import ROUND, Outcome, Search
from pydeeprecsys.experiments.workers import open_workers
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.manager import MOVING_AVERAGE, Episode
from pydeeprecsys.rl.search_space import SearchSpace

BEST, TRIALS, STUDY = "best.json", "trials.csv", "study.db"

# Trainings are of other seeds than those of `train` and `compare`, which judge what is found.
_FIRST_SEED = 10_000


@dataclass(frozen=True)
class Tuning:
    """What is looked for, and how.

    Attributes:
        world: the users and items.
        agent: its name, see `registry.AGENTS`; its class says where to look, in `search_space`.
        trials: how many options are tried; the first are the agent's defaults.
        episodes: training episodes of each.
        seeds: trainings of each, from as many seeds.
        seed: of the search, 0 or more.
        slate_size: items shown at a time.
        n_envs: users at once.
        evaluation_episodes: sessions in which each trained agent is judged.
        world_options: of the simulated world, see `WorldOptions`; its `version`, 0 or 1, is among them.
        options: of the agent, which are not looked for but stay like this.
        dataset: what `open_world` finds the world by; None where that is not known.
        checkpoint_every: seconds between two checkpoints of a training.

    Raises:
        InputError: an unknown agent or option, an agent with nothing to look for, or numbers too small.
    """

    world: World
    agent: str
    trials: int = 30
    episodes: int = 300
    seeds: int = 2
    seed: int = 0
    slate_size: int = 1
    n_envs: int = 1
    evaluation_episodes: int = 500
    world_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    checkpoint_every: float = 60.0

    def __post_init__(self) -> None:
        for option in self.options:
            agent_option(self.agent, option)
        if not self.space:
            learners = ", ".join(name for name in AGENTS if AGENTS[name].search_space)
            raise InputError(f"the agent {self.agent!r} has no options to look for; those that have: {learners}")
        for name in ("trials", "episodes", "seeds", "n_envs", "evaluation_episodes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; give 0 or more")

    @property
    def space(self) -> SearchSpace:
        """Where to look."""
        whole = agent_class(self.agent).search_space
        return {name: domain for name, domain in whole.items() if name not in self.options}

    @property
    def defaults(self) -> dict[str, Any]:
        """What the options are that are looked for, when nothing is given."""
        return {option.name: option.default for option in agent_options(self.agent) if option.name in self.space}

    @property
    def checks(self) -> list[int]:
        """After how many episodes a training is stopped where it falls behind: not in the first third."""
        return list(range(math.ceil(self.episodes / 3), self.episodes, max(1, self.episodes // 10)))

    def run(self, index: int, options: Mapping[str, Any]) -> RunConfig:
        """One of the trainings of a trial."""
        return RunConfig(
            self.agent,
            _FIRST_SEED * (1 + self.seed) + index,
            self.dataset,
            self.episodes,
            self.n_envs,
            self.slate_size,
            self.evaluation_episodes,
            self.world_options,
            {**self.options, **options},
            self.checkpoint_every,
        )

    def as_json(self) -> dict[str, Any]:
        """Everything but the world, as JSON has it."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "world"}
        as_json: dict[str, Any] = json.loads(json.dumps(told | {"kind": "tune"}, default=repr))
        return as_json

    @classmethod
    def from_json(cls, config: Mapping[str, Any], world: World) -> Self:
        """What `as_json` told."""
        return cls(world, **{name: config[name] for name in cls.__dataclass_fields__ if name != "world"})


class _Trial(NamedTuple):
    """Options to try, and what the running return should have reached after how many episodes."""

    number: int
    options: Mapping[str, Any]
    bars: dict[int, float]


def tune(
    tuning: Tuning,
    out: Path,
    on_trial: Callable[[Outcome], None] = lambda outcome: None,
    on_episode: Callable[[int, int], None] = lambda trial, episodes: None,
    jobs: int = 1,
    stop_if_asked: Callable[[], None] = lambda: None,
    ray_address: str | None = None,
    overwrite: bool = False,
) -> list[Outcome]:
    """Try options, keeping the files in `out` up to date with what is done.

    Options are proposed in rounds of a fixed size, and a training is stopped where its running return, the mean of the
    last 100 episodes, is below the median of those in earlier rounds at the same time. So the numbers are the same for
    any number of processes. What was done already in the same folder is kept, and what was begun goes on, to the same
    numbers; more trials may be asked for then.

    Args:
        tuning: what is looked for, and how.
        out: folder of `config.json`, `trials.csv`, `best.json`, `study.db`, see `Search`, and of a folder for each
            training, `runs/<trial>-<seed>`, see `carry_out`.
        on_trial: called with the outcome of each trial, in their order, those done before included.
        on_episode: called after each training episode that this process carries out, with the number of the trial and
            the episodes it has trained for.
        jobs: processes side by side, of as many threads of torch each as this one has.
        stop_if_asked: called often; it may raise KeyboardInterrupt, and what was done is then kept.
        ray_address: of a Ray cluster that does the trials, see `open_workers`.
        overwrite: begin anew, whatever the folder holds.

    Returns:
        The outcomes of all trials.

    Raises:
        InputError: an option that cannot be, or the folder holds a search of other settings.
        BrokenProcessPool: a process of several was killed; what was done is kept.
    """
    check(tuning.run(0, {}), tuning.world)
    if overwrite:
        forget(out)
        for name in (BEST, TRIALS, STUDY):
            (out / name).unlink(missing_ok=True)
    _write_config(tuning, out)
    search = Search(out / STUDY, tuning.space, tuning.defaults, tuning.seed)
    outcomes = search.outcomes[: tuning.trials]
    for outcome in outcomes:
        on_trial(outcome)

    def tell(trial: int, episodes: int) -> None:
        stop_if_asked()
        on_episode(trial, episodes)

    with open_workers((tuning, out.resolve()), out, jobs, ray_address) as workers:
        while len(outcomes) < tuning.trials:
            begin = len(outcomes) // ROUND * ROUND
            bars = _bars(outcomes[:begin])
            numbers = range(len(outcomes), min(begin + ROUND, tuning.trials))
            trials = [_Trial(number, search.propose(number), bars) for number in numbers]
            for outcome in workers.results(_try, trials, stop_if_asked=stop_if_asked, tell=tell):
                search.add(outcome)
                outcomes.append(outcome)
                _write(tuning, outcomes, out)
                for index in range(tuning.seeds):  # what is kept needs no checkpoint
                    (_folder(out, tuning, outcome.number, index) / CHECKPOINT).unlink(missing_ok=True)
                on_trial(outcome)
    _write(tuning, outcomes, out)
    return outcomes


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The trial of the highest mean return, the first of several; none where none was completed."""
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    return max(complete, key=lambda outcome: outcome.mean_return, default=None)


def _write_config(tuning: Tuning, out: Path) -> None:
    told = tuning.as_json() | {"record": record_of(tuning.world)}
    path = out / CONFIG
    if path.exists():
        check_same(json.loads(path.read_text()), {name: told[name] for name in told if name != "trials"}, out)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2))


def _write(tuning: Tuning, outcomes: Sequence[Outcome], out: Path) -> None:
    with whole_file(out / TRIALS) as path:
        trials_table(outcomes).to_csv(path, index=False)
    best = best_of(outcomes)
    if best is None:
        return
    told = {
        "agent": tuning.agent,
        "options": {**tuning.options, **best.options},
        "trial": best.number,
        "mean_return": best.mean_return,
        "default_return": None if math.isnan(outcomes[0].mean_return) else outcomes[0].mean_return,
        "of_trials": len(outcomes),
    }
    with whole_file(out / BEST) as path:
        path.write_text(json.dumps(told, indent=2))


def trials_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row a trial: `trial`, `state`, `mean_return`, and the options; lists as JSON."""
    rows = [
        {
            "trial": outcome.number,
            "state": outcome.state,
            "mean_return": outcome.mean_return,
            **{k: json.dumps(v) if isinstance(v, list) else v for k, v in outcome.options.items()},
        }
        for outcome in outcomes
    ]
    return pd.DataFrame(rows)


def _bars(outcomes: Sequence[Outcome]) -> dict[int, float]:
    reached: dict[int, list[float]] = {}
    for outcome in outcomes:
        for episodes, running in outcome.running.items():
            reached.setdefault(episodes, []).append(running)
    return {episodes: median(values) for episodes, values in reached.items() if len(values) >= ROUND}


def _folder(out: Path, tuning: Tuning, trial: int, index: int) -> Path:
    return out / RUNS / f"{trial:03d}-{tuning.run(index, {}).seed}"


class _FellBehind(Exception):
    """A training is not worth going on with."""


class _Watch:
    """Follows the running return of a training, and stops it where it is below a bar.

    Args:
        folder: of the training.
        checks: after how many of its episodes it is looked at.
        before: episodes of the trial's trainings before this one.
        bars: what the running return should be, by the episodes of all trainings.
        running: takes what it was.
    """

    def __init__(
        self, folder: Path, checks: list[int], before: int, bars: Mapping[int, float], running: dict[int, float]
    ) -> None:
        self._folder, self._checks, self._before = folder, checks, before
        self._bars, self._running = bars, running
        self._returns: list[float] = []

    def see(self, number: int, episode: Episode) -> None:
        """Take in an episode; the first to come may be one in the middle, of a training that goes on."""
        if len(self._returns) < number:
            rows = read_metrics(self._folder / "metrics.csv")
            self._returns = [r["measurement"] for r in rows if r["metric"] == "episode_rewards"][:number]
        self._returns.append(episode.output.reward_sum)
        self.look(self._returns)

    def look(self, returns: Sequence[float]) -> None:
        """Raise _FellBehind where the running return of these is below a bar."""
        while self._checks and self._checks[0] <= len(returns):
            k = self._checks.pop(0)
            last = returns[max(0, k - MOVING_AVERAGE) : k]
            running = self._running[self._before + k] = math.fsum(last) / len(last)
            if running < self._bars.get(self._before + k, -math.inf):
                raise _FellBehind


def _try(shared: tuple[Tuning, Path], trial: _Trial, tell: Callable[..., None]) -> Outcome:
    tuning, out = shared
    returns: list[float] = []
    running: dict[int, float] = {}
    for index in range(tuning.seeds):
        folder, before = _folder(out, tuning, trial.number, index), index * tuning.episodes
        watch = _Watch(folder, tuning.checks, before, trial.bars, running)

        def on_episode(number: int, episode: Episode, watch: _Watch = watch, before: int = before) -> None:
            tell(trial.number, before + number + 1)
            watch.see(number, episode)

        try:
            run = carry_out(tuning.run(index, trial.options), tuning.world, folder, on_episode=on_episode)
            done = run.statistics.get_metrics("episode_rewards")
            assert done is not None
            watch.look(done.tolist())  # for a training that was done before
        except _FellBehind:
            return Outcome(trial.number, trial.options, "pruned", returns, running)
        except DivergenceError:
            return Outcome(trial.number, trial.options, "failed", returns, running)
        returns.append(float(run.evaluation["return"].mean()))
    return Outcome(trial.number, trial.options, "complete", returns, running)
