"""Look for good options of an agent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import pandas as pd

from pydeeprecsys.experiments.record import record_of
from pydeeprecsys.experiments.run import check, joint_note
from pydeeprecsys.experiments.run_folder import CHECKPOINT, RESULT, claimed, keep_config
from pydeeprecsys.experiments.search import ROUND, Outcome, Search
from pydeeprecsys.experiments.trial import Trial, try_out
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.experiments.workers import open_workers
from pydeeprecsys.files import whole_file

BEST, TRIALS, STUDY = "best.json", "trials.csv", "study.db"


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
        overwrite: remove the search that the folder holds, and begin anew.

    Returns:
        The outcomes of all trials.

    Raises:
        InputError: an option that cannot be, or the folder holds a search of other settings, or another
            process is at work in it.
        BrokenProcessPool: a process of several was killed; what was done is kept.
    """
    check(tuning.run(0, {}), tuning.world)

    def tell(trial: int, episodes: int) -> None:
        stop_if_asked()
        on_episode(trial, episodes)

    # Workers first: what the folder holds is not removed for an address that was mistyped.
    with (
        open_workers((tuning, out.resolve()), out, jobs, ray_address) as workers,
        claimed(out, overwrite=overwrite),
    ):
        keep_config(out, tuning.as_json() | {"record": record_of(tuning.world)}, may_change={"trials"})
        search = Search(out / STUDY, tuning.space, tuning.defaults, tuning.seed)
        outcomes = search.outcomes[: tuning.trials]
        for outcome in outcomes:
            on_trial(outcome)
        while len(outcomes) < tuning.trials:
            begin = len(outcomes) // ROUND * ROUND
            bars = _bars(outcomes[:begin])
            numbers = range(len(outcomes), min(begin + ROUND, tuning.trials))
            trials = [Trial(number, search.propose(number), bars) for number in numbers]
            for outcome in workers.results(try_out, trials, stop_if_asked=stop_if_asked, tell=tell):
                search.add(outcome)
                outcomes.append(outcome)
                _write(tuning, outcomes, out)
                for index in range(tuning.seeds):  # what is kept needs no checkpoint
                    (tuning.folder(out, outcome.number, index) / CHECKPOINT).unlink(missing_ok=True)
                on_trial(outcome)
        _write(tuning, outcomes, out)
    return outcomes


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The trial of the highest mean return, the first of several; none where none was completed."""
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    return max(complete, key=lambda outcome: outcome.mean_return, default=None)


def note_on(tuning: Tuning, outcome: Outcome, out: Path) -> str:
    """Which of the trainings of a complete trial never updated, why, and what to change; empty where all did."""
    folders = {tuning.run(index, {}).seed: tuning.folder(out, outcome.number, index) for index in range(tuning.seeds)}
    files = {seed: folder / RESULT for seed, folder in folders.items()}
    return joint_note({s: json.loads(file.read_text()).get("note", "") for s, file in files.items() if file.exists()})


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
