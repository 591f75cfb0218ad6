"""The search for good hyperparameters of an agent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from pydeeprecsys.experiments.captions import joint_note
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run import check
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.search import ROUND, Outcome, Search
from pydeeprecsys.experiments.trial import Trial, run_trial
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.experiments.workers import open_workers
from pydeeprecsys.rl.callback import Callback


def tune(
    tuning: Tuning,
    out: str | Path,
    on_trial: Callable[[Outcome], None] = lambda outcome: None,
    on_episode: Callable[[int, int], None] = lambda trial, episodes: None,
    *,
    jobs: int = 1,
    stop_if_asked: Callable[[], None] = lambda: None,
    ray_address: str | None = None,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
) -> list[Outcome]:
    """Try hyperparameters, and keep the files in the folder up to date.

    Hyperparameters are proposed in rounds of a fixed size, and a training is pruned when its running return, the mean
    of the last 100 episodes, is below the median of those in earlier rounds after as many episodes. So the numbers are
    the same for any number of processes. Finished trials in the folder are kept, and interrupted
    ones continued, to the same numbers; more trials may be added.

    Args:
        tuning: the settings.
        out: folder of the search; of its trainings there are folders in `runs/`.
        on_trial: called with the outcome of each trial, in order, those done before included.
        on_episode: called after each training episode of this process with the number of the trial and of its episodes
            so far.
        jobs: processes side by side.
        stop_if_asked: called often; it may raise KeyboardInterrupt; results so far are kept.
        ray_address: of a Ray cluster for the trials, see `open_workers`.
        overwrite: remove the search that the folder holds, and begin anew.
        callbacks: of every training, see `compare`; the `on_end` of one that is pruned gets a `Pruned`.

    Returns:
        The outcomes of all trials.

    Raises:
        InputError: an option that cannot be, or the folder holds a search of other settings, or another process is
            using it.
        concurrent.futures.process.BrokenProcessPool: one of several processes was killed; results so far are kept.
    """
    folder = RunFolder(out)
    check(tuning.run(0, {}))

    def report(trial: int, episodes: int) -> None:
        stop_if_asked()
        on_episode(trial, episodes)

    # Workers first: what the folder holds is not removed for an address that was mistyped.
    with (
        open_workers((tuning, folder.path.resolve(), callbacks), folder.path, jobs, ray_address) as workers,
        folder.claimed(overwrite=overwrite),
    ):
        folder.begin(tuning.as_json() | {"provenance": provenance(tuning.task.world)})
        search = Search(folder.study_file, tuning.space, tuning.defaults, tuning.seed)
        outcomes = search.outcomes[: tuning.trials]
        for outcome in outcomes:
            on_trial(outcome)
        while len(outcomes) < tuning.trials:
            begin = len(outcomes) // ROUND * ROUND
            thresholds = _thresholds(outcomes[:begin])
            numbers = range(len(outcomes), min(begin + ROUND, tuning.trials))
            trials = [Trial(number, search.propose(number), thresholds) for number in numbers]
            for outcome in workers.results(run_trial, trials, stop_if_asked=stop_if_asked, report=report):
                search.add(outcome)
                outcomes.append(outcome)
                folder.write_trials(trials_table(outcomes), _best(tuning, outcomes))
                for training in _trainings(tuning, outcome, folder):  # an outcome that is kept needs no checkpoint
                    training.drop_checkpoint()
                on_trial(outcome)
        folder.write_trials(trials_table(outcomes), _best(tuning, outcomes))
    return outcomes


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The trial of the highest mean return, the first of several; None if none was completed."""
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    return max(complete, key=lambda outcome: outcome.mean_return, default=None)


def note_on(tuning: Tuning, outcome: Outcome, out: str | Path) -> str:
    """Which of the trainings of a complete trial never updated, why, and what to change; empty if all did."""
    return joint_note({training.seed: training.note for training in _trainings(tuning, outcome, RunFolder(out))})


def _trainings(tuning: Tuning, outcome: Outcome, folder: RunFolder) -> list[RunFolder]:
    """The folders of the trainings of a trial that have begun."""
    seeds = [tuning.run(index, {}).seed for index in range(tuning.seeds)]
    return [training for seed in seeds if (training := folder.run(f"{outcome.number:03d}", seed)).is_begun]


def _best(tuning: Tuning, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """The content of the file on the best trial."""
    best = best_of(outcomes)
    if best is None:
        return None
    return {
        "agent": tuning.agent,
        "hyperparameters": {**tuning.hyperparameters, **best.hyperparameters},
        "trial": best.number,
        "mean_return": best.mean_return,
        "default_return": None if math.isnan(outcomes[0].mean_return) else outcomes[0].mean_return,
        "of_trials": len(outcomes),
    }


def trials_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per trial: `trial`, `state`, `mean_return`, `note` if it failed, the hyperparameters, lists as JSON."""
    rows = [
        {
            "trial": outcome.number,
            "state": outcome.state,
            "mean_return": outcome.mean_return,
            "note": outcome.note or None,
            **{k: json.dumps(v) if isinstance(v, list) else v for k, v in outcome.hyperparameters.items()},
        }
        for outcome in outcomes
    ]
    return pd.DataFrame(rows)


def _thresholds(outcomes: Sequence[Outcome]) -> dict[int, float]:
    reached: dict[int, list[float]] = {}
    for outcome in outcomes:
        for episodes, running in outcome.running.items():
            reached.setdefault(episodes, []).append(running)
    return {episodes: median(values) for episodes, values in reached.items() if len(values) >= ROUND}
