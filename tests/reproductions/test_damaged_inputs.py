"""Whatever a file or an option holds, it is read or refused in one line, and nothing of the user's is lost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reproductions.damaged_inputs import READ, REFUSED, Runs, attempt, readers, try_all

from pydeeprecsys.data.library import read_dataset

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
in_a_few = st.text(alphabet="uid,;|\t\"'\n\r[]{}:01.5-eNaé\x00 _%&=?", max_size=80)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "label", ["tables", "data frames", "MovieLens releases", "--config", "run folders", "checkpoints"]
)
def test_a_reader_takes_or_refuses_what_is_damaged(runs: Runs, label: str, tmp_path: Path) -> None:
    row = try_all(readers(runs)[label][0], label, 200, tmp_path)
    assert row["failed"] == 0
    assert row[REFUSED] > 0


def test_options_on_the_command_line_are_taken_or_refused(runs: Runs, tmp_path: Path) -> None:
    row = try_all(readers(runs)["--set and --env-option"][0], "--set", 200, tmp_path)
    assert row["failed"] == 0
    assert min(row[READ], row[REFUSED]) > 0


@few
@given(text=in_a_few)
def test_any_text_is_read_as_ratings_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(f"user_id,item_id,rating\n1,1,5\n2,2,4\n{text}", newline="")
    assert attempt(lambda *_: read_dataset(path), (0,), tmp_path / "input") in (READ, REFUSED)


@few
@given(text=in_a_few)
def test_any_options_of_a_table_are_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating\n1,1,5\n2,2,4\n")
    assert attempt(lambda *_: read_dataset(f"{path}?{text}"), (0,), tmp_path / "input") in (READ, REFUSED)


def test_a_failure_and_a_loss_are_seen(tmp_path: Path) -> None:
    def fail(generator: np.random.Generator, folder: Path) -> None:
        raise KeyError("agent")

    def lose(generator: np.random.Generator, folder: Path) -> None:
        (folder / "mine.txt").write_text("ours")

    assert attempt(fail, (0,), tmp_path / "input") == "KeyError: 'agent'"
    assert attempt(lose, (0,), tmp_path / "input") == "a file of the user's is gone"
    assert try_all(fail, "one that fails", 3, tmp_path)["failed"] == 3
