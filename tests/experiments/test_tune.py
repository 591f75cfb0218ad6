import json
import math
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.search import Outcome
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.trial import Trial, run_trial
from pydeeprecsys.experiments.tune import best_of, tune
from pydeeprecsys.experiments.tuning import Tuning

pytestmark = pytest.mark.slow

FILES = {".lock", ".begun.json", "config.json", "trials.csv", "best.json", "study.db", "runs"}
ROUND = 4


def quick(world: World, **changes: Any) -> Tuning:
    # With this seed, trials 7 and 9 would end otherwise if thresholds knew of trials of their own rounds.
    given = {
        "seed": 3,
        "trials": 10,
        "episodes": 12,
        "seeds": 2,
        "evaluation_episodes": 10,
        "checkpoint_every": 0.0,
    } | changes
    return Tuning(task=Task(world=world), agent="reinforce", **given)


@pytest.fixture(scope="module")
def whole(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    """A search that nothing stopped, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, tune(quick(world), folder)


def test_it_leaves_what_it_found(whole: tuple[Path, list[Outcome]], world: World) -> None:
    folder, outcomes = whole
    assert {path.name for path in folder.iterdir()} == FILES
    assert [outcome.number for outcome in outcomes] == list(range(10))
    assert outcomes[0].hyperparameters == quick(world).defaults

    trials = pd.read_csv(folder / "trials.csv")
    assert trials["trial"].tolist() == list(range(10))
    assert trials["state"].tolist() == [outcome.state for outcome in outcomes]
    assert trials["learning_rate"].tolist() == [outcome.hyperparameters["learning_rate"] for outcome in outcomes]

    best = json.loads((folder / "best.json").read_text())
    number = trials["mean_return"].idxmax()
    assert best["agent"] == "reinforce"
    assert best["trial"] == number
    assert best["hyperparameters"] == outcomes[number].hyperparameters
    assert best["mean_return"] == trials["mean_return"].max() == pytest.approx(outcomes[number].mean_return)
    assert best["default_return"] == outcomes[0].mean_return

    assert len(list(folder.glob("runs/*/metrics.csv"))) >= 10
    assert not list(folder.glob("runs/*/checkpoint.safetensors"))


def test_a_trial_is_pruned_when_it_is_below_the_median_of_earlier_rounds(whole: tuple[Path, list[Outcome]]) -> None:
    """Thresholds worked out anew from the outcomes of the trials."""
    _, outcomes = whole
    checks = [*range(4, 12), *range(16, 24)]  # one after each tenth, from a third of the way on; of both trainings
    assert {outcome.state for outcome in outcomes} == {"complete", "pruned"}
    for outcome in outcomes:
        earlier = outcomes[: outcome.number // ROUND * ROUND]
        for k in checks:
            reached = [other.running[k] for other in earlier if k in other.running]
            behind = len(reached) >= ROUND and outcome.running[k] < median(reached)
            assert not behind or (k == max(outcome.running) and outcome.state == "pruned")
            if behind:
                break
        else:
            assert outcome.state == "complete"
            assert len(outcome.returns) == 2


def test_processes_side_by_side_change_nothing(whole: tuple[Path, list[Outcome]], world: World, tmp_path: Path) -> None:
    folder, outcomes = whole
    assert tune(quick(world), tmp_path, jobs=2) == outcomes
    for name in ("trials.csv", "best.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_search_that_was_stopped_goes_on_to_the_same(
    whole: tuple[Path, list[Outcome]], world: World, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    stops = iter([(0, 3), (0, 20), (2, 11), (5, 1), (5, 23), (6, 1), (7, 1), (9, 1)])
    stop = next(stops)

    def on_episode(trial: int, episodes: int) -> None:
        seen.append((trial, episodes))
        if (trial, episodes) >= stop:
            raise KeyboardInterrupt

    while True:
        try:
            outcomes = tune(quick(world), tmp_path, on_episode=on_episode)
        except KeyboardInterrupt:
            stop = next(stops, (100, 0))
        else:
            break
    assert len(set(seen)) > len(seen) - 10  # nothing was done twice but what a stop cut short
    assert outcomes == whole[1]
    assert (tmp_path / "trials.csv").read_bytes() == (whole[0] / "trials.csv").read_bytes()


def test_more_trials_may_be_asked_for_later(whole: tuple[Path, list[Outcome]], world: World, tmp_path: Path) -> None:
    _, outcomes = whole
    assert tune(quick(world, trials=6), tmp_path) == outcomes[:6]
    heard: list[int] = []
    assert tune(quick(world), tmp_path, lambda outcome: heard.append(outcome.number)) == outcomes
    assert heard == list(range(10))


def test_a_training_that_falls_behind_ends(world: World, tmp_path: Path) -> None:
    tuning = quick(world, seeds=1)
    trial = Trial(0, tuning.defaults, {6: 100.0})

    told: list[int] = []
    outcome = run_trial((tuning, tmp_path, []), trial, lambda number, episodes: told.append(episodes))
    assert (outcome.state, outcome.returns, list(outcome.running)) == ("pruned", [], [4, 5, 6])
    assert told == [1, 2, 3, 4, 5, 6]
    assert math.isnan(outcome.mean_return)
    # It was below the threshold before it was killed, and nobody had heard of it.
    assert run_trial((tuning, tmp_path, []), trial, lambda number, episodes: None) == outcome


def test_a_training_that_diverges_is_a_failed_trial(world: World, tmp_path: Path) -> None:
    tuning = quick(world, seeds=1)
    options = tuning.defaults | {"learning_rate": 1e37}
    outcome = run_trial((tuning, tmp_path, []), Trial(0, options, {}), lambda number, episodes: None)
    assert outcome.state == "failed"
    assert best_of([outcome]) is None


def test_a_folder_belongs_to_one_search(world: World, tmp_path: Path) -> None:
    tune(quick(world, trials=1, seeds=1), tmp_path)
    with pytest.raises(InputError, match="its seed is 3, not 5; continue that one with 'pydeeprecsys resume"):
        tune(quick(world, trials=1, seeds=1, seed=5), tmp_path)
    (outcome,) = tune(quick(world, trials=1, seeds=1, seed=5), tmp_path, overwrite=True)
    assert {path.name for path in tmp_path.glob("runs/*")} == {"000-60000"}
    assert outcome.state == "complete"


def test_what_is_given_is_not_looked_for(world: World, tmp_path: Path) -> None:
    tuning = quick(world, trials=2, seeds=1, hyperparameters={"hidden_layers": [5], "learning_rate": 0.01})
    outcomes = tune(tuning, tmp_path)
    assert all("learning_rate" not in outcome.hyperparameters for outcome in outcomes)
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["hyperparameters"]["hidden_layers"] == [5]
    config = json.loads((tmp_path / "runs" / "001-40000" / "config.json").read_text())
    assert config["hyperparameters"]["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("agent", "changes", "match"),
    [
        ("reinforse", {}, "did you mean 'reinforce'"),
        ("win-stay", {}, "has no search space; varied, fold-in, .* have one"),
        ("dqn", {"hyperparameters": {"rate": 1}}, "no option 'rate'"),
        ("dqn", {"trials": 0}, "trials must be at least 1, it is 0"),
        ("dqn", {"seeds": 0}, "seeds must be at least 1, it is 0"),
        ("dqn", {"seed": -1}, "seed must be at least 0, it is -1"),
    ],
)
def test_searches_that_cannot_be(world: World, agent: str, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        Tuning(task=Task(world=world), agent=agent, **changes)
