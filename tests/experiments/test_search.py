import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.search import Outcome, Search
from pydeeprecsys.rl.search_space import Between, OneOf

SPACE = {"rate": Between(1e-4, 1.0, log=True), "layers": OneOf(None, [8], [8, 8]), "steps": Between(1, 5)}
DEFAULTS = {"rate": 1e-3, "layers": None, "steps": 1}


def begin(path: Path, seed: int = 0) -> Search:
    return Search(path, SPACE, DEFAULTS, seed)


def try_out(number: int, options: dict[str, Any]) -> Outcome:
    """Best at a rate of 0.1 and two layers; the third trial of each round does not get far."""
    if number % 4 == 3:
        return Outcome(number, options, "pruned", [], {10: 0.5})
    score = -abs(math.log10(options["rate"]) + 1) + len(options["layers"] or [])
    return Outcome(number, options, "complete", [score, score + 1], {10: score, 20: score})


def search(trials: int, path: Path, seed: int = 0, stops: tuple[int, ...] = ()) -> list[Outcome]:
    found = begin(path, seed)
    for begun in range(0, trials, 4):
        proposed = [found.propose(number) for number in range(begun, begun + 4)]
        for number, options in enumerate(proposed, begun):
            if number in stops:
                found = begin(path, seed)
                options = found.propose(number)
            found.add(try_out(number, options))
    return found.outcomes


def test_trials_of_another_search_space_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    search(4, path)
    with pytest.raises(InputError, match=r"study\.db holds trials of another search space; search anew"):
        Search(path, SPACE | {"layers": OneOf(None, [4])}, DEFAULTS, 0)


@pytest.mark.slow
def test_it_finds_what_is_best(tmp_path: Path) -> None:
    outcomes = search(60, tmp_path / "study.db")
    assert outcomes[0].hyperparameters == DEFAULTS
    assert outcomes[0].mean_return == pytest.approx(-2 + 0.5)
    late = [outcome.mean_return for outcome in outcomes[-20:] if outcome.state == "complete"]
    early = [outcome.mean_return for outcome in outcomes[1:12] if outcome.state == "complete"]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.5
    assert max(late) > 2  # of 2.5


@pytest.mark.slow
def test_a_search_that_was_stopped_proposes_the_same(tmp_path: Path) -> None:
    whole = search(24, tmp_path / "whole.db")
    assert search(24, tmp_path / "parts.db", stops=(6, 8, 21)) == whole
    assert search(24, tmp_path / "other.db", seed=1) != whole


def test_optuna_finds_the_trials(tmp_path: Path) -> None:
    outcomes = search(8, tmp_path / "study.db")
    study = optuna.load_study(storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="tune")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3 + ["PRUNED"] + ["COMPLETE"] * 3 + ["PRUNED"]
    assert study.best_value == max(outcome.mean_return for outcome in outcomes if outcome.state == "complete")
    assert study.trials[3].intermediate_values == {10: 0.5}
    with sqlite3.connect(tmp_path / "study.db") as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]


@pytest.mark.slow
def test_a_failed_trial_is_kept_and_has_no_return(tmp_path: Path) -> None:
    found = begin(tmp_path / "study.db")
    found.add(Outcome(0, DEFAULTS, "failed", [1.0], {10: 1.0}))
    (failed,) = begin(tmp_path / "study.db").outcomes
    assert failed == Outcome(0, DEFAULTS, "failed", [1.0], {10: 1.0})
    assert math.isnan(failed.mean_return)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b""), lambda path: path.write_text("no database"), cut]
)
def test_a_damaged_database_is_one_line(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    search(4, tmp_path / "study.db")
    damage(tmp_path / "study.db")
    with pytest.raises(InputError, match=r"^\S+study\.db is damaged; move it away, and resume \S+: trainings") as told:
        begin(tmp_path / "study.db")
    assert "\n" not in str(told.value)


def test_a_locked_database_is_one_line_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydeeprecsys.experiments.search._PATIENCE", 0.1)
    found = begin(tmp_path / "study.db")
    outcome = try_out(0, found.propose(0))
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match=r"study\.db is locked by another program; end that, and resume "):
        found.add(outcome)
    with pytest.raises(InputError, match=r"study\.db is locked by another program; end that, and resume "):
        begin(tmp_path / "study.db")
    other.close()
    found.add(outcome)
    assert begin(tmp_path / "study.db").outcomes == [outcome]
