import errno
import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.cli import main
from pydeeprecsys.data import download
from pydeeprecsys.data.library import open_world
from pydeeprecsys.data.releases import RELEASES, Release
from pydeeprecsys.experiments.run_folder import RunFolder

TINY = {
    "ratings.dat": "1::10::5::978300760\n2::20::1::978301968\n2::10::2::978301968\n",
    "movies.dat": "10::One (1990)::Action\n20::Two (1991)::Comedy\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}
GENOME = {"tags.dat": "2\tviolence\t76\n", "tag_relevance.dat": "10\t2\t0.25\n"}
RATINGS = "who,what,stars\n" + "".join(
    f"{user},{item},{1 + (3 * user + item) % 10}\n" for user in range(8) for item in range(8)
)


class Shown(NamedTuple):
    """What a call of the command line left: its exit code and what it printed, with every gap as one space."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error, after seeing that it is the one line that users are promised."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        return self.err


Run = Callable[..., Shown]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Shown:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return Shown(stopped.value.code, " ".join(out.split()), err)

    return call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for data sets, and a working directory to leave results in."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PYDEEPRECSYS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYDEEPRECSYS_MIRROR", raising=False)
    return tmp_path / "home"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def write_zip(path: Path, files: dict[str, str], folder: str = "tiny/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return path


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive of a release "tiny" with its published checksum, a tag genome beside it."""
    archive = write_zip(tmp_path / "tiny.zip", TINY)
    checksum = f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"
    monkeypatch.setitem(RELEASES, "tiny", Release("tiny", "made up", ("https://x/tiny.zip",), 0.1, checksum, (2, 2, 3)))
    write_zip(tmp_path / "tag-genome.zip", GENOME)
    return archive


def test_list_says_what_is_here(run: Run, tiny: Path, home: Path) -> None:
    shown = run("data", "list")
    assert shown.code == 0
    for name in ("synthetic yes", "planted-gap yes", "no-gap yes", "ml-1m no", "tag-genome no", "tiny no"):
        assert name in shown.out
    assert str(home) in shown.out.replace(" ", "")
    run("data", "fetch", "tiny", "--from", tiny)
    shown = run("data", "list")
    for name in ("ml-1m no", "tag-genome yes", "tiny yes"):
        assert name in shown.out


@pytest.mark.slow
def test_fetch_from_a_file_and_describe(run: Run, tiny: Path, home: Path) -> None:
    assert "'pydeeprecsys data fetch tiny'" in run("data", "describe", "tiny").error

    shown = run("data", "fetch", "tiny", "--from", tiny)
    assert (shown.code, shown.err) == (0, "")
    assert "its checksum is the published one" in shown.out
    assert "tag-genome" in shown.out
    assert files_in(home) == ["tag-genome.zip", "tiny.zip"]
    assert (home / "tiny.zip").read_bytes() == tiny.read_bytes()

    for source in ("tiny", tiny):
        shown = run("data", "describe", source)
        assert shown.code == 0
        for text in (
            "users 2, each with 1 to 2 ratings",
            "items 2, each with",
            "ratings 3 from 1 to 5, mean 2.67",
            "density 75.00%",
            "violence measured of 50.0%, mean 0.250; tag genome (1 by movie id)",
            "imputed of 50.0%: 1 items from their genres held-out error of imputation not known",
            "genres known of 100.0%: Action 1, Comedy 1",
            "on 1 held-out ratings",
        ):
            assert text in shown.out


@pytest.mark.slow
def test_synthetic_is_described_and_needs_no_fetching(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'synthetic' needs no fetching" in run("data", "fetch", "synthetic").error
    shown = run("data", "describe", "synthetic")
    assert shown.code == 0
    assert "users 6,040" in shown.out
    assert len(files_in(home / "worlds")) == 1  # the world, which was built to tell its error, is kept


@pytest.mark.slow
def test_a_world_with_a_known_gap_is_described_and_simulated_by_its_name(run: Run, tmp_path: Path) -> None:
    source = "planted-gap?gap=0.25&n_users=200"
    assert "'planted-gap' needs no fetching" in run("data", "fetch", "planted-gap").error
    assert "users 200" in run("data", "describe", source).out
    assert "there is no option 'gpa'" in run("data", "describe", "planted-gap?gpa=0.25").error
    trained = run("train", "popular", "--dataset", source, "--episodes", "2", "--out", tmp_path / "run")
    assert trained.code == 0
    assert RunFolder(tmp_path / "run").config["dataset"] == source
    again = run("run", tmp_path / "run" / "config.json", "--out", tmp_path / "again")
    assert again.code == 0


@pytest.mark.slow
def test_own_ratings_with_options(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(RATINGS)
    (tmp_path / "films.csv").write_text("what,title,violence\n" + "".join(f"{i},Film {i},0.5\n" for i in range(10)))
    source = f"{tmp_path}/own.csv?user_column=who&item_column=what&rating_column=stars&scale=1,10&items=films.csv"
    shown = run("data", "describe", source)
    assert shown.code == 0
    for text in ("own users 8", "items 10, each with 0 to 8", "ratings 64 from 1 to 10", "violence measured of 100.0%"):
        assert text in shown.out

    record = open_world(source).record
    assert f"RMSE {record['held_out_rmse']:.3f} on 6 held-out ratings" in shown.out
    (everything,) = [band for band in record["calibration"] if band["predicted_from"] == 1]
    assert everything["band"] == "5-9"
    means = "{mean_rated:.3f} {mean_predicted:.3f}".format(**everything)
    assert f"all 5-9 times 6 {means}" in shown.out

    shown = run("compare", "--agents", "random", "--dataset", source, "--episodes", 2, "--seeds", 1, "--out", "out")
    assert shown.code == 0
    assert "on the scale 1..10" in shown.out
    assert "data set own: 8 users, 10 items, 64 ratings" in shown.out


@pytest.mark.parametrize("verb", ["fetch", "describe"])
def test_unknown_names_get_the_nearest(run: Run, home: Path, verb: str) -> None:
    error = run("data", verb, "ml1m").error
    assert "no data set 'ml1m'" in error
    assert "did you mean 'ml-1m'?" in error
    assert files_in(home) == []


def test_unknown_verbs_and_options(run: Run) -> None:
    assert "did you mean 'fetch'?" in run("data", "fech").error
    assert "--from" in run("data", "fetch", "ml-1m", "--form", "x.zip").error


BAD_ROWS = [
    ("ratings.dat", "2::20::1", "2::20", "ratings.dat, line 2: expected 4 fields separated by '::'"),
    ("ratings.dat", "2::20::1", "2::20::6", "ratings.dat, line 2: rating 6.0 is outside 1..5"),
    ("ratings.dat", "2::20::1", "2::20::nan", "ratings.dat, line 2: rating nan is outside 1..5"),
    ("ratings.dat", "2::20::1", "2::21::1", "ratings.dat, line 2: item_id 21 is not in movies.dat"),
    ("ratings.dat", "2::20::1", "3::20::1", "ratings.dat, line 2: user_id 3 is not in users.dat"),
    ("ratings.dat", "2::10::2", "2::20::2", "ratings.dat, line 3: user 2 rates movie 20 a second time"),
    ("ratings.dat", TINY["ratings.dat"], "", "ratings.dat has no ratings"),
    ("users.dat", TINY["users.dat"], "", "users.dat is empty"),
    ("movies.dat", "10::One", "x::One", "movies.dat, line 1: item_id should be a whole number, found 'x'"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), BAD_ROWS, ids=[bad[-1][:50] for bad in BAD_ROWS])
def test_bad_archives(
    run: Run, tiny: Path, tmp_path: Path, home: Path, file: str, old: str, new: str, message: str
) -> None:
    assert old in TINY[file]
    source = write_zip(tmp_path / "bad.zip", TINY | {file: TINY[file].replace(old, new)})
    check_refused(run, source, home, message)


def check_refused(run: Run, source: Path, home: Path, message: str) -> None:
    """Every verb that takes ratings refuses `source`, names it, and leaves nothing behind."""
    compare = ("compare", "--agents", "random", "--episodes", 1, "--out", "out", "--dataset")
    for verb in (("data", "fetch", "tiny", "--from"), ("data", "describe"), compare):
        error = run(*verb, source).error
        assert message in error
        assert f"{source}: " in error
        assert files_in(home) == []
        assert not Path("out").exists()


def test_archives_that_are_none(run: Run, tiny: Path, tmp_path: Path, home: Path) -> None:
    whole = tiny.read_bytes()
    broken = tmp_path / "broken.zip"
    for content in (whole[:-30], whole[: len(whole) // 2], b""):
        broken.write_bytes(content)
        check_refused(run, broken, home, "not a whole zip archive")
    broken.write_bytes(whole.replace(b"2::20::1", b"2::20::2"))
    check_refused(run, broken, home, "tiny/ratings.dat'")

    evil = write_zip(tmp_path / "evil.zip", TINY, folder="../../")
    check_refused(run, evil, home, "its entry '../../ratings.dat' points outside the archive's folder")
    assert not list(tmp_path.parent.glob("ratings.dat"))

    foreign = write_zip(tmp_path / "foreign.zip", {"README": "nothing"})
    check_refused(run, foreign, home, "the files of no known release are in it")


def test_missing_files_and_folders_in_place_of_files(run: Run, tiny: Path, tmp_path: Path, home: Path) -> None:
    assert "none.zip: there is no such file" in run("data", "fetch", "tiny", "--from", tmp_path / "none.zip").error
    assert "a folder; give the zip" in run("data", "fetch", "tiny", "--from", tmp_path).error
    assert "there is no data set" in run("data", "describe", tmp_path / "none.csv").error
    assert files_in(home) == []


def test_wrong_contents(run: Run, tiny: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = write_zip(tmp_path / "fewer.zip", TINY | {"ratings.dat": "1::10::5::1\n2::20::1::1\n"})
    error = run("data", "fetch", "tiny", "--from", fewer).error
    assert "fewer.zip: this is not tiny: wrong checksum and 2 ratings, not 3" in error

    def deliver(url: str, part: Path, bars: Any) -> None:
        shutil.copyfile(fewer, part)

    monkeypatch.setattr(download, "_transfer", deliver)
    assert "https://x/tiny.zip: wrong checksum" in run("data", "fetch", "tiny").error
    assert files_in(home) == []


OWN = "user_id,item_id,rating\n1,a,5\n2,b,4\n"
BAD_TABLES = [
    ("", "it is empty"),
    (OWN + "1,b\n", "line 4: expected 3 fields separated by ',', found 2: '1,b'"),
    (
        OWN + "1,b,9\n",
        "line 4: rating should be in 0.5..5 (say which scale they are on, as in 'own.csv?scale=1,10', or",
    ),
    (OWN + "1,b,good\n", "line 4: rating should be a number, found 'good'"),
    (OWN + "1,b,NaN\n", "line 4: rating is missing"),
    (OWN + ",b,3\n", "line 4: user_id is missing"),
    (OWN + "1,a,3\n", "line 4: user 1 rates item a a second time"),
    (OWN.replace("2,b", "1,b"), "own: at least two users are needed, it has 1"),
    (
        OWN.replace("item_id", "thing"),
        "it has no column for the item id; there are: 'user_id', 'thing', 'rating'; give item_column=NAME",
    ),
]


@pytest.mark.parametrize(("content", "message"), BAD_TABLES, ids=[bad[-1][:50] for bad in BAD_TABLES])
def test_bad_tables(run: Run, tmp_path: Path, home: Path, content: str, message: str) -> None:
    (tmp_path / "own.csv").write_text(content)
    for verb in (("data", "describe"), ("compare", "--agents", "random", "--episodes", 1, "--out", "out", "--dataset")):
        assert message in run(*verb, tmp_path / "own.csv").error
    assert files_in(home) == []
    assert not Path("out").exists()


def test_bad_tables_of_items_and_options(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(OWN)
    (tmp_path / "items.csv").write_text("item_id,violence\na,0.5\nc,2\n")
    pd.DataFrame({"item_id": ["c"]}).to_parquet(tmp_path / "items.parquet")
    for options, message in (
        ("items=items.csv", "items.csv, line 3: violence should be in [0, 1] or nothing, found '2.0'"),
        ("items=items.parquet", "items.parquet: it has none of the items rated, such as 'a'; give their table"),
        ("item=items.csv", "there is no option 'item'; there are: items, users, "),
        ("item=items.csv", "did you mean 'items'?"),
        ("users=none.csv", "none.csv: there is no such file, given as users of own.csv"),
    ):
        assert message in run("data", "describe", f"{own}?{options}").error


def test_a_full_disk(run: Run, tiny: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(source: object, part: Path, *more: object) -> None:
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill_up_saving(file: Any, **arrays: object) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", fill_up)
        full.setattr(download, "_transfer", fill_up)
        for more in ((), ("--from", tiny)):
            error = run("data", "fetch", "tiny", *more).error
            assert f"{home}: the disk is full; tiny needs about 0.1 MB there" in error
            assert files_in(home) == []

    monkeypatch.setattr(np, "savez", fill_up_saving)
    (tmp_path / "own.csv").write_text(RATINGS)
    source = f"{tmp_path}/own.csv?user_column=who&item_column=what&rating_column=stars&scale=1,10"
    compare = ("compare", "--agents", "random", "--episodes", 1, "--out", "out", "--dataset", source)
    shown = run(*compare)
    assert shown.code == 0
    assert re.search("^warning: .* cannot be written .*No space left on device.*: it is not kept$", shown.err, re.M)
    assert files_in(home) == []
    assert Path("out/summary.csv").exists()
