from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pydeeprecsys.data import library
from pydeeprecsys.data.library import open_world, read_dataset
from pydeeprecsys.errors import InputError

RATINGS = "who,what,stars\n" + "".join(
    f"{user},{item},{1 + (3 * user + item) % 10}\n" for user in range(8) for item in range(8)
)
ITEMS = "what,title,violence\n" + "".join(f"{item},Film {item},0.5\n" for item in range(9))
OPTIONS = "user_column=who&item_column=what&rating_column=stars&scale=1,10"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYDEEPRECSYS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(RATINGS)
    (tmp_path / "items & more.csv").write_text(ITEMS)
    return path


def test_options_follow_a_path(ratings: Path) -> None:
    dataset = read_dataset(f"{ratings}?{OPTIONS}")
    assert (len(dataset.users), len(dataset.items), dataset.scale) == (8, 8, (1, 10))
    assert dataset.name == "ratings"

    dataset = read_dataset(f"{ratings}?{OPTIONS}&items=items %26 more.csv&name=50%25")
    assert dataset.items["title"].tolist() == [f"Film {item}" for item in range(9)]
    assert dataset.name == "50%"


GENOME = {"tags.dat": "2\tviolence\t76\n", "tag_relevance.dat": "30\t2\t0.75\n10\t2\t0.25\n"}
RELEASE = {
    "movies.csv": 'movieId,title,genres\n10,Third (1990),Drama\n30,"Bell, The (1990)",Drama\n',
    "ratings.csv": "userId,movieId,rating,timestamp\n",
}


def test_own_movies_take_the_scores_of_the_genome(ratings: Path, home: Path, make_zip: Callable[..., Path]) -> None:
    titles = ["The Bell (1990)", "Third", *(f"Film {item} (1990)" for item in range(2, 9))]
    text = "what,title\n" + "".join(f"{item},{title}\n" for item, title in enumerate(titles))
    (ratings.parent / "movies.csv").write_text(text)
    source = f"{ratings}?{OPTIONS}&items=movies.csv"
    assert np.isnan(read_dataset(source).violence).all()
    assert "tag_genome" not in library._reader(source)[2]

    make_zip(GENOME, "tag-genome.zip")  # beside the ratings, as the release whose titles it takes
    make_zip(RELEASE, "ml-32m.zip")
    expected = np.float32([0.75, *[np.nan] * 8])  # "Third" has no year
    np.testing.assert_array_equal(read_dataset(source).violence, expected)
    np.testing.assert_array_equal(read_dataset(f"{source}&tag_genome=tag-genome.zip").violence, expected)
    home.mkdir()
    make_zip(GENOME | {"tag_relevance.dat": "30\t2\t0.5\n"}, "home/tag-genome.zip")  # fetched: it goes first
    assert read_dataset(source).violence[0] == 0.5
    assert read_dataset(f"{source}&tag_genome=tag-genome.zip").violence[0] == 0.75

    # A column of violence is what counts where there is one.
    assert (read_dataset(f"{ratings}?{OPTIONS}&items=items %26 more.csv").violence == 0.5).all()
    for options, message in (
        ("items=items %26 more.csv&tag_genome=tag-genome.zip", "is for items with titles and without violence; leave"),
        ("tag_genome=tag-genome.zip", "tag_genome is for items with titles"),
        ("genome_titles=ml-32m.zip", "genome_titles are those of a tag_genome"),
        ("items=movies.csv&tag_genome=none.zip", "there is no such file, given as tag_genome"),
    ):
        with pytest.raises(InputError, match=message):
            read_dataset(f"{ratings}?{OPTIONS}&{options}")


def test_a_path_may_hold_a_question_mark(ratings: Path) -> None:
    odd = ratings.with_name("what?.csv")
    odd.write_text("user_id,item_id,rating\n1,1,5\n2,2,4\n")
    assert len(read_dataset(odd).ratings) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "user_colum=who",
            r"ratings\.csv: there is no option 'user_colum'; there are: .*; did you mean 'user_column'\?",
        ),
        ("scale=10", r"scale should be two numbers, such as 1,10, found '10'"),
        ("scale=1,ten", r"scale should be two numbers"),
        ("scale=10,1", r"the scale goes from 10 to 1"),
        ("name", r"give the option name once, with a value, as in '\?name=\.\.\.'"),
        ("name=a&name=b", r"give the option name once"),
        ("items=none.csv", r"none\.csv: there is no such file, given as items of ratings\.csv"),
        ("user_column=whom", r"it has no column 'whom'; there are: who, what, stars; did you mean 'who'\?"),
    ],
)
def test_bad_options(ratings: Path, home: Path, options: str, message: str) -> None:
    for use in (read_dataset, open_world):
        with pytest.raises(InputError, match=message) as caught:
            use(f"{ratings}?{options}")
        assert "\n" not in str(caught.value)
    assert not home.exists()


def test_options_are_for_tables_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"options after '\?' are for tables of your own"):
        read_dataset(f"{tmp_path}?scale=1,10")
    with pytest.raises(InputError, match=r"there is no data set 'ml1m'.* did you mean 'ml-1m'\?"):
        read_dataset("ml1m?scale=1,10")


@pytest.mark.slow
def test_a_world_is_kept_for_each_way_of_reading(ratings: Path, home: Path) -> None:
    def kept() -> int:
        return len(list((home / "worlds").glob("*.world")))

    first = open_world(f"{ratings}?{OPTIONS}")
    assert open_world(f"{ratings}?{OPTIONS}") is first
    assert kept() == 1

    with_items = f"{ratings}?{OPTIONS}&items=items %26 more.csv"
    assert open_world(with_items).n_items == 9
    assert kept() == 2
    # The content of each table counts, and every option.
    ratings.with_name("items & more.csv").write_text(ITEMS + "9,Film 9,0\n")
    assert open_world(with_items).n_items == 10
    assert open_world(f"{ratings}?{OPTIONS.replace('1,10', '1,11')}").record != first.record
    assert kept() == 4


def test_a_folder_counts_by_what_is_read_of_it(tmp_path: Path, home: Path) -> None:
    inner = tmp_path / "mine" / "inner"
    inner.mkdir(parents=True)
    (inner / "movies.dat").write_text("".join(f"{item}::Film {item}::Drama\n" for item in range(8)))
    pairs = [(user, item) for user in range(8) for item in range(8)]
    (inner / "ratings.dat").write_text("".join(f"{u}::{i}::{1 + (3 * u + i) % 5}::1\n" for u, i in pairs))
    first = open_world(tmp_path / "mine")
    (inner / "README").write_text("of no matter")
    assert open_world(tmp_path / "mine") is first
    (inner / "movies.dat").write_text("".join(f"{item}::Film {item}::War\n" for item in range(8)))
    assert open_world(tmp_path / "mine").genres[:, -2].all()
    assert len(list((home / "worlds").glob("*.world"))) == 2
