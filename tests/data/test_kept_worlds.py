from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.data import library
from pydeeprecsys.data import world as world_module
from pydeeprecsys.data.library import open_world, read_dataset
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError

MakeZip = Callable[..., Path]

RATINGS = "".join(f"{user}::{item}::{1 + (user * item) % 5}::0\n" for user in range(1, 9) for item in range(1, 7))
MOVIES = "".join(f"{item}::Movie {item} (2000)::Drama\n" for item in range(1, 8))
USERS = "".join(f"{user}::F::25::{user}::12345\n" for user in range(1, 9))
FILES = {"ratings.dat": RATINGS, "movies.dat": MOVIES, "users.dat": USERS}


def genome(relevance: float) -> dict[str, str]:
    return {"tags.dat": "2\tviolence\t76\n", "tag_relevance.dat": f"3\t2\t{relevance}\n"}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYDEEPRECSYS_HOME", str(tmp_path / "home"))
    library._load.cache_clear()
    return tmp_path / "home"


@pytest.fixture
def factorized(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the data sets that are factorized."""
    names: list[str] = []
    original = world_module.factorize

    def counting(dataset: Any, *rest: Any) -> Any:
        names.append(dataset.name)
        return original(dataset, *rest)

    monkeypatch.setattr(world_module, "factorize", counting)
    return names


def test_a_world_is_factorized_once(make_zip: MakeZip, factorized: list[str], own_home: Path) -> None:
    path = make_zip(FILES)
    first = open_world(path)
    library._load.cache_clear()  # as in another process
    second = open_world(str(path))
    assert len(factorized) == 1
    assert second.user_vectors.tobytes() == first.user_vectors.tobytes()
    assert open_world(path) is second  # environments of one process share it
    assert len(list((own_home / "worlds").glob("*.world"))) == 1


def test_progress_is_told_only_when_something_is_done(make_zip: MakeZip) -> None:
    path, calls = make_zip(FILES), []
    open_world(path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(sweep, 12) for sweep in range(1, 13)]
    open_world(path, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == 12


def test_a_changed_file_is_another_world(make_zip: MakeZip, factorized: list[str]) -> None:
    before = open_world(make_zip(FILES))
    after = open_world(make_zip(FILES | {"movies.dat": MOVIES.replace("Movie 3", "Movie III")}))
    assert len(factorized) == 2
    assert (before.titles[2], after.titles[2]) == ("Movie 3 (2000)", "Movie III (2000)")
    open_world(make_zip(FILES))
    assert len(factorized) == 2  # the first is still kept


def test_a_changed_folder_is_another_world(tmp_path: Path, factorized: list[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    open_world(folder)
    open_world(folder)
    assert len(factorized) == 1
    (folder / "users.dat").write_text(USERS.replace("F", "M"))
    assert open_world(folder).demographics[0, 0] == 1.0
    assert len(factorized) == 2


def test_a_changed_tag_genome_is_another_world(make_zip: MakeZip, factorized: list[str], own_home: Path) -> None:
    path = make_zip(FILES)
    assert np.isnan(open_world(path).violence[2])
    make_zip(genome(0.25), name="tag-genome.zip")
    assert open_world(path).violence[2] == 0.25
    make_zip(genome(0.75), name="tag-genome.zip")
    assert open_world(path).violence[2] == 0.75
    assert len(factorized) == 3
    # The one that was fetched goes before the one beside the file.
    own_home.mkdir(exist_ok=True)
    make_zip(genome(0.5), name="home/tag-genome.zip")
    assert open_world(path).violence[2] == 0.5


def test_a_kept_world_of_another_recipe_is_passed_over(
    make_zip: MakeZip, factorized: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(FILES)
    open_world(path)
    monkeypatch.setattr(library, "RECIPE", library.RECIPE + 1)
    open_world(path)
    assert len(factorized) == 2


def test_the_synthetic_world_is_the_default_and_kept(factorized: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "synthetic_dataset", lambda: synthetic_dataset(20, 30, 200))
    assert open_world().n_items == open_world("synthetic").n_items == 30
    assert factorized == ["synthetic"]
    assert len(read_dataset("synthetic").users) == 20


def test_worlds_and_data_sets_are_taken_as_they_are(world: World, factorized: list[str], tmp_path: Path) -> None:
    assert open_world(world) is world
    world.save(tmp_path / "mine.world")
    assert open_world(tmp_path / "mine.world").user_vectors.tobytes() == world.user_vectors.tobytes()
    assert factorized == []
    assert open_world(synthetic_dataset(20, 30, 200, name="given")).name == "given"
    assert factorized == ["given"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("source", ["ml-1z", "some/where.csv", "ml-1m", Path("none.zip")])
def test_a_data_set_that_is_not_there(source: Any, own_home: Path) -> None:
    for use in (open_world, read_dataset):
        with pytest.raises(InputError, match=str(source)) as caught:
            use(source)
        assert "\n" not in str(caught.value)
    assert not own_home.exists()


def test_a_build_that_fails_keeps_nothing(make_zip: MakeZip, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    path = make_zip(FILES)
    with pytest.raises(KeyboardInterrupt):
        open_world(path, progress=interrupted)
    monkeypatch.setattr(world_module.np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_world(path)
    monkeypatch.undo()
    monkeypatch.setenv("PYDEEPRECSYS_HOME", str(own_home))
    assert not own_home.exists() or not list(own_home.rglob("*.world"))
    assert open_world(path).n_users == 8


def test_a_damaged_kept_world_is_built_anew(make_zip: MakeZip, own_home: Path) -> None:
    path = make_zip(FILES)
    open_world(path)
    library._load.cache_clear()
    (kept,) = (own_home / "worlds").glob("*.world")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-100])
    with pytest.warns(UserWarning, match=f"^{kept} is damaged or of an older format: it is replaced$"):
        assert open_world(path).n_users == 8
    assert World.load(kept).n_users == 8


def test_worlds_with_a_known_gap_are_opened_by_name_and_kept_without_factorizing(
    factorized: list[str], own_home: Path
) -> None:
    biased = open_world("planted-gap?gap=0.25&n_users=200&n_items=8")
    fair = open_world("no-gap?n_users=200&n_items=8")
    wider = open_world("planted-gap?gap=0.5&n_users=200&n_items=8")
    library._load.cache_clear()
    again = open_world("planted-gap?n_items=8&gap=0.25&n_users=200")
    assert factorized == []
    assert [biased.name, fair.name] == ["planted-gap", "no-gap"]
    assert biased.user_vectors.tobytes() == again.user_vectors.tobytes() != fair.user_vectors.tobytes()
    assert wider.user_vectors.tobytes() != biased.user_vectors.tobytes()
    assert len(list((own_home / "worlds").glob("*.world"))) == 3
    assert biased.record["dataset_checksum"] == read_dataset("planted-gap?gap=0.25&n_users=200&n_items=8").checksum


def test_the_options_of_a_world_with_a_known_gap_are_checked(own_home: Path) -> None:
    for source, message in {
        "planted-gap?gpa=0.5": "planted-gap: there is no option 'gpa'; .* did you mean 'gap'",
        "planted-gap?gap=2": r"gap must be in \[0, 1\], it is 2.0",
        "planted-gap?gap=0.1&gap=0.2": "give the option gap once",
        "planted-gap?": "there is no option ''",
        "planted-gap?name=other": "there is no option 'name'",
        "no-gap?gap=0.5": "there is no option 'gap'",
        "planted_gap": "did you mean 'planted-gap'",
    }.items():
        with pytest.raises(InputError, match=message):
            open_world(source)
        with pytest.raises(InputError, match=message):
            read_dataset(source)


def test_a_name_with_options_is_no_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planted-gap").touch()
    assert library.absolute("planted-gap?gap=0.5") == "planted-gap?gap=0.5"
