"""The search: trials in a file that Optuna reads, and proposals of what to try next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import OptunaError
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file
from pydeeprecsys.rl.search_space import Between, OneOf, SearchSpace

ROUND = 4
"""Trials of a round: they are proposed from the outcomes of earlier rounds alone, so they may run side by side."""

_RANDOM = 2 * ROUND  # trials before the sampler makes use of them

_PATIENCE = 20.0  # seconds, for another program that has locked the file

_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial.

    Attributes:
        number: of the trial, from 0, which has the agent's defaults.
        hyperparameters: of the agent, those that are searched for.
        state: complete, pruned, or failed because a training did.
        returns: mean return in evaluation, of each training that was evaluated.
        running: the running return, by the number of episodes so far in all trainings one after the other.
        note: why the trial failed, in one line; empty if it did not.
    """

    number: int
    hyperparameters: Mapping[str, Any]
    state: Literal["complete", "pruned", "failed"]
    returns: list[float]
    running: dict[int, float]
    note: str = ""

    @property
    def mean_return(self) -> float:
        """Over the trainings; NaN unless all were evaluated."""
        return fmean(self.returns) if self.state == "complete" else float("nan")


class Search:
    """Maximizes the mean return by the tree-structured Parzen estimator (Bergstra et al. 2011).

    A proposal depends on the seed, the number of the trial and the outcomes of earlier rounds; neither on when other
    trials ended nor on whether the search was ever stopped.

    Args:
        path: an SQLite file, in which Optuna's own tools find the trials as the study "tune"; made if there is none.
        space: the search space.
        defaults: the hyperparameters of the first trial; they lie in the space.
        seed: of the proposals, 0 or more.

    Raises:
        InputError: the file holds trials of another search space, such as that of an earlier version; or it is damaged
            or locked, then and whenever trials are read or added.
    """

    def __init__(self, path: Path, space: SearchSpace, defaults: Mapping[str, Any], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._defaults, self._seed = space, defaults, seed
        self._distributions = {name: _distribution(domain) for name, domain in space.items()}
        self._path = path
        with _readable(path):
            if not path.exists():
                with whole_file(path) as temporary:
                    storage = _storage(temporary)
                    optuna.create_study(storage=storage, study_name="tune", direction="maximize")
                    storage.engine.dispose()
            elif not path.stat().st_size:  # an empty file is an empty database to SQLite
                raise KeyError("it is empty")
            self._study = optuna.load_study(storage=_storage(path), study_name="tune")
            self.outcomes  # noqa: B018 - all of them can be read
        if any(trial.distributions != self._distributions for trial in self._study.get_trials(deepcopy=False)):
            raise InputError(f"{path} holds trials of another search space; search anew in another folder")

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of all trials that have ended, in order."""
        with _readable(self._path):
            return [_outcome(trial) for trial in self._study.get_trials(deepcopy=False)]

    def propose(self, number: int) -> dict[str, Any]:
        """Hyperparameters for a trial; all rounds before its own have ended."""
        if number == 0:
            return dict(self._defaults)
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        sampler = TPESampler(seed=seed, n_startup_trials=_RANDOM, multivariate=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(self._study.get_trials(deepcopy=False)[: number // ROUND * ROUND])
        drawn = study.ask(self._distributions).params
        return {name: _decoded(domain, drawn[name]) for name, domain in self._space.items()}

    def add(self, outcome: Outcome) -> None:
        """Keep the outcome of a trial; outcomes are added in the order of their numbers."""
        trial = create_trial(
            state=_STATES[outcome.state],
            value=outcome.mean_return if outcome.state == "complete" else None,
            params={name: _encoded(outcome.hyperparameters[name]) for name in self._space},
            distributions=self._distributions,
            intermediate_values=outcome.running,
            user_attrs={"outcome": asdict(outcome)},
        )
        with _readable(self._path):
            self._study.add_trial(trial)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Let whatever a database that is damaged or locked leads to be an InputError."""
    try:
        yield
    except (SQLAlchemyError, OptunaError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        if "locked" in str(error.__cause__ or error):
            raise InputError(f"{path} is locked by another program; end that, and resume {path.parent}") from error
        raise InputError(
            f"{path} is damaged; move it away, and resume {path.parent}: trainings that are done are kept"
        ) from error


def _storage(path: Path) -> optuna.storages.RDBStorage:
    # The URL only names the kind of database: in one, a path could not hold "?" or "%".
    open_it = partial(sqlite3.connect, path, timeout=_PATIENCE, check_same_thread=False)
    return optuna.storages.RDBStorage("sqlite:///study.db", engine_kwargs={"creator": open_it})


def _outcome(trial: FrozenTrial) -> Outcome:
    outcome = dict(trial.user_attrs["outcome"])
    outcome["running"] = {int(k): value for k, value in outcome["running"].items()}  # JSON's keys are text
    return Outcome(**outcome)


def _distribution(domain: Between | OneOf) -> BaseDistribution:
    if isinstance(domain, OneOf):
        return CategoricalDistribution([_encoded(value) for value in domain.values])
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _encoded(value: Any) -> CategoricalChoiceType:
    """As Optuna takes it: a list becomes text."""
    return json.dumps(value) if isinstance(value, list) else value


def _decoded(domain: Between | OneOf, value: Any) -> Any:
    if isinstance(domain, OneOf):
        return next(own for own in domain.values if type(_encoded(own)) is type(value) and _encoded(own) == value)
    # Three digits are as good as seventeen, and can be read.
    return value if domain.whole else min(max(float(f"{value:.3g}"), domain.low), domain.high)
