import io
import json
import pickle
import re
import time
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.data import world as world_module
from pydeeprecsys.data.observed import damped_means
from pydeeprecsys.data.synthetic import synthetic_dataset
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError

ARRAYS = [field.name for field in fields(World) if field.name not in ("name", "categories", "record")]


def assert_same(first: World, second: World) -> None:
    assert (first.name, first.categories, first.record) == (second.name, second.categories, second.record)
    for name in ARRAYS:
        mine, other = getattr(first, name), getattr(second, name)
        assert mine.dtype == other.dtype, name
        np.testing.assert_array_equal(mine, other, err_msg=name)


@pytest.fixture
def saved(world: World, tmp_path: Path) -> Path:
    world.save(tmp_path / "small.world")
    return tmp_path / "small.world"


def rewrite(path: Path, **members: Any) -> None:
    """Change some arrays of a saved world; None takes one out."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays |= members
    with path.open("wb") as out:
        np.savez(out, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.slow
def test_a_world_holds_what_its_data_set_says() -> None:
    dataset = synthetic_dataset(30, 40, 500, seed=2, name="thirty")
    made = World.from_dataset(dataset)
    assert (made.name, made.n_users, made.n_items) == ("thirty", 30, 40)
    assert made.categories == dataset.categories
    np.testing.assert_array_equal(made.genres, dataset.genres)
    np.testing.assert_array_equal(made.violence, dataset.violence)
    np.testing.assert_array_equal(made.demographics, dataset.demographics)
    assert made.user_ids.tolist() == [str(number) for number in range(1, 31)]
    assert made.titles.tolist() == [f"Movie {number}" for number in range(1, 41)]
    assert made.rating_counts.tolist() == [int((dataset.item_index == item).sum()) for item in range(40)]
    assert made.record["dataset_checksum"] == dataset.checksum
    assert (made.record["users"], made.record["items"], made.record["ratings"]) == (30, 40, len(dataset.ratings))
    assert made.record["violence"]["measured"] == 1.0
    assert 0 < made.record["held_out_rmse"] < 3
    assert made.record["scale"] == [1, 5]
    assert made.rating_stars.tolist() == dataset.ratings.tolist()
    half = dataset.items.assign(violence=dataset.items["violence"].where(dataset.items.index < 10))
    made = World.from_dataset(replace(dataset, items=half))
    told = {"measured": 0.25, "method": "ridge regression on genres", "held_out_rmse": None, "rmse_of_the_mean": None}
    assert made.record["violence"] == told | {"source": "the data set's own"}
    assert made.violence_measured.nonzero()[0].tolist() == list(range(10))
    assert np.isfinite(made.violence).all()


def test_a_world_in_which_nothing_was_measured_knows_no_violence() -> None:
    dataset = synthetic_dataset(30, 40, 500, seed=2)
    made = World.from_dataset(replace(dataset, items=dataset.items.assign(violence=np.nan)))
    assert np.isnan(made.violence).all()
    assert not made.violence_measured.any()
    assert made.record["violence"]["measured"] == 0.0
    assert made.record["violence"]["method"] is None


def test_what_users_have_rated_is_theirs_alone(world: World) -> None:
    users = np.array([3, 7, 11])
    rows = [row for row, user in enumerate(world.rating_users.tolist()) if user in (3, 7, 11)]
    items, stars = world.rating_items[rows], world.rating_stars[rows]
    assert world.observed_counts(users).tolist() == [int((items == item).sum()) for item in range(world.n_items)]
    np.testing.assert_array_equal(world.observed_means(users), damped_means(items, stars, world.n_items))
    assert world.observed_counts(np.arange(world.n_users)).tolist() == world.rating_counts.tolist()


def test_a_world_rates_in_stars_whatever_the_scale_of_the_data_set() -> None:
    dataset = synthetic_dataset(30, 40, 500, seed=2)
    tens = World.from_dataset(replace(dataset, ratings=(dataset.ratings - 1) * 2.5, scale=(0, 10)))
    stars = World.from_dataset(dataset)
    assert tens.record["scale"] == [0, 10]
    np.testing.assert_allclose(tens.rating_stars, stars.rating_stars, rtol=1e-6)
    np.testing.assert_allclose(
        tens.user_vectors @ tens.item_vectors.T, stars.user_vectors @ stars.item_vectors.T, atol=1e-4
    )


def test_what_is_saved_is_loaded(world: World, saved: Path) -> None:
    assert_same(World.load(saved), world)
    assert_same(World.load(str(saved)), world)


def test_a_saved_world_of_movielens_1m_size_loads_at_once(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    big = replace(
        world,
        user_vectors=rng.normal(size=(6040, 37)),
        item_vectors=rng.normal(size=(3883, 37)),
        genres=rng.random((3883, 19)) < 0.1,
        genres_known=np.ones(3883, dtype=np.bool_),
        violence=rng.random(3883, dtype=np.float32),
        violence_measured=np.ones(3883, dtype=np.bool_),
        demographics=rng.random((6040, 4), dtype=np.float32),
        user_ids=np.arange(6040).astype(np.str_),
        item_ids=np.arange(3883).astype(np.str_),
        titles=np.array([f"A title of some length, number {i} (2000)" for i in range(3883)]),
        rating_users=rng.integers(6040, size=1_000_209, dtype=np.int32),
        rating_items=rng.integers(3883, size=1_000_209, dtype=np.int32),
        rating_stars=rng.integers(1, 6, size=1_000_209).astype(np.float32),
    )
    big.save(tmp_path / "big.world")
    start = time.perf_counter()
    loaded = World.load(tmp_path / "big.world")
    assert time.perf_counter() - start < 1.0  # 0.02 s on an idle machine; the aim is 0.3 s
    assert_same(loaded, big)


def test_nothing_in_the_file_is_pickled(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert sorted(archive.namelist()) == sorted(f"{name}.npy" for name in (*ARRAYS, "header"))
    with np.load(saved, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file)
        assert set(json.loads(str(file["header"]))) == {"format", "name", "categories", "record"}


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_loading_runs_no_code(saved: Path, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    rewrite(saved, titles=np.array([Trap(sprung)] * 80, dtype=object))
    with pytest.raises(InputError, match=r"small\.world is not a saved world or it is damaged; build it anew"):
        World.load(saved)
    saved.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(InputError, match="is not a saved world"):
        World.load(saved)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [b"", b"ratings", b"PK\x03\x04", b"\x93NUMPY\x01\x00", bytes(5000)])
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.world"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"foreign\.world is not a saved world or it is damaged; build it anew"):
        World.load(path)


def test_other_things_than_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no world at .*none\.world"):
        World.load(tmp_path / "none.world")
    with pytest.raises(InputError, match="is not a saved world"):
        World.load(tmp_path)


def test_an_array_alone_and_an_archive_of_other_arrays(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "array.world").write_bytes(buffer.getvalue())
    with (tmp_path / "arrays.world").open("wb") as file:
        np.savez(file, user_vectors=np.zeros((3, 3)))
    for name in ("array.world", "arrays.world"):
        with pytest.raises(InputError, match=f"{name} is not a saved world"):
            World.load(tmp_path / name)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"titles": None}, "is not a saved world or it is damaged"),
        ({"header": np.array("no json")}, "is not a saved world or it is damaged"),
        ({"header": np.array("[]")}, "is not a saved world or it is damaged"),
        ({"header": np.array('{"format": "pydeeprecsys world 3"}')}, "is not a saved world or it is damaged"),
        ({"header": np.array('{"format": "pydeeprecsys world 2"}')}, "of the format 'pydeeprecsys world 2'"),
        ({"violence": np.zeros(79, dtype=np.float32)}, r"violence has shape \(79,\), not \(80,\); build it anew"),
        ({"demographics": np.zeros((60, 5), dtype=np.float32)}, r"demographics has shape \(60, 5\), not \(60, 4\)"),
        ({"genres": np.zeros((80, 18), dtype=np.bool_)}, r"genres has shape \(80, 18\), not \(80, 19\)"),
        ({"rating_users": np.zeros(3, dtype=np.int32)}, r"rating_users has shape \(3,\)"),
        ({"rating_items": np.full(1, 80, dtype=np.int32)}, "build it anew"),
        ({"user_vectors": np.zeros((60, 7))}, r"user_vectors has shape \(60, 7\)"),
        ({"user_vectors": np.zeros(60)}, r"user_vectors has shape \(60,\)"),
        ({"user_vectors": np.array(1.0)}, "build it anew"),
        ({"item_vectors": np.array(1.0)}, "build it anew"),
    ],
)
def test_files_that_are_not_quite_a_world(saved: Path, members: dict[str, Any], message: str) -> None:
    rewrite(saved, **members)
    with pytest.raises(InputError, match=message):
        World.load(saved)


def test_a_truncated_file(saved: Path) -> None:
    content = saved.read_bytes()
    for length in range(0, len(content), 199):
        saved.write_bytes(content[:length])
        with pytest.raises(InputError, match="is not a saved world or it is damaged"):
            World.load(saved)


@pytest.mark.slow
def test_a_damaged_file_is_refused_or_does_no_harm(world: World, saved: Path) -> None:
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    # What describes the arrays: near each signature of the archive.
    starts = [match.start() for match in re.finditer(b"PK", content)]
    structure = [position for start in starts for position in range(start, min(start + 128, len(content)))]
    refused = 0
    for position, bit in zip(rng.choice(structure, 400), rng.integers(0, 8, 400), strict=True):
        damaged = bytearray(content)
        damaged[position] ^= 1 << bit
        saved.write_bytes(damaged)
        try:
            loaded = World.load(saved)
        except InputError:
            refused += 1
        else:
            assert_same(loaded, world)
    assert refused > 150


def test_saving_that_fails_leaves_what_was_there(world: World, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(file: Any, **arrays: Any) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world_module.np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        replace(world, name="new").save(saved)
    with pytest.raises(OSError, match="No space left"):
        world.save(saved.with_name("other.world"))
    assert_same(World.load(saved), world)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_saving_replaces_and_makes_folders(world: World, saved: Path) -> None:
    replace(world, name="new").save(saved)
    assert World.load(saved).name == "new"
    world.save(saved.parent / "a" / "b" / "deep.world")
    assert_same(World.load(saved.parent / "a" / "b" / "deep.world"), world)


def test_a_notebook_shows_its_facts(world: World) -> None:
    shown = replace(world, name="<mine>")._repr_html_()
    assert shown.startswith("<table><caption>World of &lt;mine&gt;</caption>")
    for name, value in (("users", "60"), ("items", "80"), ("ratings", f"{len(world.rating_stars):,}")):
        assert f"<tr><th>{name}</th><td>{value}</td></tr>" in shown
    assert f"<td>{world.record['held_out_rmse']:.3f}</td>" in shown
    assert len(shown) < 2000
    bare = replace(world, categories=tuple(map(str, range(10_000))), record={})
    assert len(bare._repr_html_()) < 2000
