import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydeeprecsys.data import delimited
from pydeeprecsys.data.delimited import check_archive
from pydeeprecsys.data.movielens import read_movielens, read_tag_genome
from pydeeprecsys.data.movielens_layouts import canonical_genres
from pydeeprecsys.errors import InputError

Files = dict[str, str | bytes]
MakeZip = Callable[..., Path]


ML_100K: Files = {
    "u.data": "1\t1\t5\t881250949\n2\t1\t3\t891717742\n2\t2\t1\t878887116\n",
    "u.item": (
        "1|Bell, The (1990)|01-Jan-1990||http://x|0|1|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n"
        "2|Été (1991)|||http://x|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    ).encode("latin-1"),
    "u.user": "1|24|M|technician|85711\n2|53|F|librarian|T8H1N\n",
}
ML_1M: Files = {
    "ratings.dat": "1::10::5::978300760\n1::30::3::978302109\n2::10::1::978301968\n",
    "movies.dat": (
        "10::Bell: Part II (1990)::Action|Drama\n20::Été (1991)::Comedy\n30::Third (1992)::Film-Noir\n"
    ).encode("latin-1"),
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072-2117\n",
}
ML_10M: Files = {
    "ratings.dat": "7::10::4.5::838985046\n3::20::0.5::838983525\n",
    "movies.dat": "10::Bell (1990)::Action\n20::Été (1991)::IMAX|Children\n",
}
ML_CSV: Files = {
    "ratings.csv": "userId,movieId,rating,timestamp\n9,20,3.5,1\n9,10,4.0,2\n4,10,0.5,3\n",
    "movies.csv": (
        'movieId,title,genres\n10,"Bell, The (1990)",Action|Drama\n20,"""Quoted"" (1991)",(no genres listed)\n'
    ),
}
TAG_GENOME: Files = {
    "tags.dat": "1\tquiet\t9\n2\tviolence\t76\n",
    "tag_relevance.dat": "10\t1\t0.9\n10\t2\t0.25\n30\t1\t0.8\n30\t2\t0.5\n",
    "movies.dat": "10\tBell, The (1990)\t5\n30\tÉté (1991)\t4\n",
}
GENOME_CSV: Files = {
    "genome-tags.csv": "tagId,tag\n1,quiet\n2,violence\n",
    "genome-scores.csv": "movieId,tagId,relevance\n10,1,0.1\n10,2,0.75\n20,1,0.2\n",
}


def test_movielens_1m_as_published(shared_data: Path) -> None:
    start = time.perf_counter()
    dataset = read_movielens(shared_data / "ml-1m.zip", tag_genome=shared_data / "tag-genome.zip")
    elapsed = time.perf_counter() - start

    assert (len(dataset.users), len(dataset.items), len(dataset.ratings)) == (6_040, 3_883, 1_000_209)
    assert dataset.name == "ml-1m"
    assert dataset.scale == (1.0, 5.0)
    assert dataset.ratings.dtype == np.float32
    assert dataset.ratings.mean(dtype=np.float64) == pytest.approx(3.581564, abs=1e-6)
    assert dataset.items["violence"].notna().sum() == 3_492
    assert tuple(dataset.items.iloc[0]) == (1, "Toy Story (1995)", "Animation|Children's|Comedy", np.float32(0.243))
    assert dataset.users.iloc[0].to_dict() == {
        "user_id": 1,
        "sex": "F",
        "age": 1,
        "occupation": 10,
        "zip_code": "48067",
    }
    # The first line of ratings.dat: 1::1193::5::978300760
    assert dataset.users["user_id"][dataset.user_index[0]] == 1
    assert dataset.items["item_id"][dataset.item_index[0]] == 1193
    assert dataset.ratings[0] == 5
    # Measured at 0.55 s on two cores; the bar leaves room for a busy machine.
    assert elapsed < 5


def test_movielens_100k_as_published(shared_data: Path) -> None:
    dataset = read_movielens(shared_data / "ml-100k.zip", tag_genome=shared_data / "tag-genome.zip")
    assert (len(dataset.users), len(dataset.items), len(dataset.ratings)) == (943, 1_682, 100_000)
    assert dataset.ratings.mean(dtype=np.float64) == pytest.approx(3.52986)
    assert dataset.users["occupation"].value_counts()[4] == 196
    assert dataset.items["genres"][0] == "Animation|Children's|Comedy"
    assert dataset.items["genres"][266] == ""
    assert dataset.genres.sum(axis=0)[[0, 8, 18]].tolist() == [2, 725, 27]


def test_tag_genome_as_shared(shared_data: Path) -> None:
    violence = read_tag_genome(shared_data / "tag-genome.zip")
    assert len(violence) == 3_492
    assert violence[1] == np.float32(0.243)
    assert violence.between(0, 1).all()


def test_100k(make_zip: MakeZip) -> None:
    genome = make_zip(TAG_GENOME, "genome.zip")
    dataset = read_movielens(make_zip(ML_100K), tag_genome=genome)
    assert dataset.items["title"].tolist() == ["Bell, The (1990)", "Été (1991)"]
    assert dataset.items["genres"].tolist() == ["Action|Drama", ""]
    assert dataset.genres_known.tolist() == [True, False]
    # By title, since ids differ from the genome's.
    assert dataset.items["violence"].tolist() == [0.25, 0.5]
    assert dataset.users["occupation"].tolist() == [17, 1]
    assert dataset.users["sex"].tolist() == ["M", "F"]
    assert dataset.users["zip_code"].tolist() == ["85711", "T8H1N"]
    assert dataset.user_index.tolist() == [0, 1, 1]
    assert dataset.item_index.tolist() == [0, 0, 1]
    assert dataset.ratings.tolist() == [5, 3, 1]


def test_100k_finds_titles_as_another_release_writes_them(make_zip: MakeZip) -> None:
    written = TAG_GENOME | {"movies.dat": "10\tThe Bell (1990)\t5\n30\tETE (1991)\t4\n"}
    dataset = read_movielens(make_zip(ML_100K), tag_genome=make_zip(written, "genome.zip"))
    assert dataset.items["violence"].tolist() == [0.25, 0.5]
    assert dataset.violence_source == "tag genome (2 by title and year)"


def test_100k_takes_the_titles_of_a_release_where_the_genome_lists_none(make_zip: MakeZip) -> None:
    untitled = make_zip({name: text for name, text in TAG_GENOME.items() if name != "movies.dat"}, "genome.zip")
    csv = make_zip(ML_CSV, "csv.zip")
    dataset = read_movielens(make_zip(ML_100K), tag_genome=untitled, genome_titles=csv)
    np.testing.assert_array_equal(dataset.violence, np.float32([0.25, np.nan]))
    without = read_movielens(make_zip(ML_100K), tag_genome=untitled)
    assert without.violence_source.startswith("tag genome (without titles: fetch ml-1m")
    with pytest.raises(InputError, match="its movie ids are not those of the tag genome"):
        read_movielens(make_zip(ML_100K), tag_genome=untitled, genome_titles=make_zip(ML_100K))


def test_the_csv_genome_lists_titles_too(make_zip: MakeZip) -> None:
    dataset = read_movielens(make_zip(ML_100K), tag_genome=make_zip(ML_CSV | GENOME_CSV, "csv.zip"))
    np.testing.assert_array_equal(dataset.violence, np.float32([0.75, np.nan]))


def test_csv_releases_find_by_title_what_no_id_matches(make_zip: MakeZip) -> None:
    # Of another 11 the title is the same as of 10, which has an id of its own; 20 is 30 in the genome.
    movies = 'movieId,title,genres\n10,"Bell, The (1990)",Drama\n11,The Bell (1990),Drama\n20,Été (1991),\n'
    ratings = "userId,movieId,rating,timestamp\n9,20,3.5,1\n9,10,4.0,2\n4,10,0.5,3\n"
    release = make_zip({"movies.csv": movies, "ratings.csv": ratings})
    dataset = read_movielens(release, tag_genome=make_zip(TAG_GENOME, "genome.zip"))
    np.testing.assert_array_equal(dataset.violence, np.float32([0.25, np.nan, 0.5]))
    assert dataset.violence_source == "tag genome (1 by movie id, 1 by title and year)"


def test_most_of_movielens_100k_is_measured(shared_data: Path) -> None:
    dataset = read_movielens(
        shared_data / "ml-100k.zip",
        tag_genome=shared_data / "tag-genome.zip",
        genome_titles=shared_data / "ml-1m.zip",
    )
    assert dataset.items["violence"].notna().sum() == 1_555
    measured = dataset.items.set_index("title")["violence"]
    assert measured["Star Wars (1977)"] == read_tag_genome(shared_data / "tag-genome.zip")[260]


def test_100k_has_no_violence_where_titles_are_shared_or_absent(make_zip: MakeZip) -> None:
    release = make_zip(ML_100K)
    ambiguous = TAG_GENOME | {"movies.dat": "10\tBell, The (1990)\t5\n30\tBell, The (1990)\t4\n"}
    without = {name: content for name, content in TAG_GENOME.items() if name != "movies.dat"}
    for files in (ambiguous, without):
        assert read_movielens(release, tag_genome=make_zip(files, "genome.zip")).items["violence"].isna().all()


def test_1m(make_zip: MakeZip) -> None:
    dataset = read_movielens(make_zip(ML_1M), tag_genome=make_zip(TAG_GENOME, "genome.zip"), name="mine")
    assert dataset.name == "mine"
    assert dataset.scale == (1.0, 5.0)
    assert dataset.items["title"].tolist() == ["Bell: Part II (1990)", "Été (1991)", "Third (1992)"]
    np.testing.assert_array_equal(dataset.items["violence"], np.float32([0.25, np.nan, 0.5]))
    assert dataset.item_index.tolist() == [0, 2, 0]
    assert dataset.demographics[1].tolist() == pytest.approx([1, 1, 0.8, 70072 / 99999])


def test_10m(make_zip: MakeZip) -> None:
    dataset = read_movielens(make_zip(ML_10M))
    assert dataset.scale == (0.5, 5.0)
    assert dataset.items["title"].tolist() == ["Bell (1990)", "Été (1991)"]
    assert dataset.users["user_id"].tolist() == [3, 7]
    assert dataset.user_index.tolist() == [1, 0]
    assert np.isnan(dataset.demographics).all()
    assert dataset.items["violence"].isna().all()


def test_csv_releases(make_zip: MakeZip) -> None:
    dataset = read_movielens(make_zip(ML_CSV | GENOME_CSV))
    assert dataset.items["title"].tolist() == ["Bell, The (1990)", '"Quoted" (1991)']
    assert dataset.genres[1].nonzero()[0].tolist() == [0]
    assert dataset.users["user_id"].tolist() == [4, 9]
    assert dataset.user_index.tolist() == [1, 1, 0]
    assert dataset.ratings.tolist() == [3.5, 4.0, 0.5]
    np.testing.assert_array_equal(dataset.items["violence"], np.float32([0.75, np.nan]))


def test_a_genome_of_its_own_goes_before_one_given(make_zip: MakeZip) -> None:
    dataset = read_movielens(make_zip(ML_CSV | GENOME_CSV), tag_genome=make_zip(TAG_GENOME, "genome.zip"))
    assert dataset.items["violence"][0] == 0.75


def test_genome_as_csv(make_zip: MakeZip) -> None:
    assert read_tag_genome(make_zip(GENOME_CSV)).to_dict() == {10: 0.75}


@pytest.mark.parametrize("files", [ML_100K, ML_1M, ML_10M, ML_CSV])
@pytest.mark.parametrize("inner", [".", "inner"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_folder_reads_as_the_zip(make_zip: MakeZip, tmp_path: Path, files: Files, inner: str, newline: bytes) -> None:
    folder = tmp_path / "extracted"
    (folder / inner).mkdir(parents=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / inner / name).write_bytes(data.replace(b"\n", newline))
    dataset = read_movielens(folder)
    assert dataset.name == "extracted"
    assert dataset.checksum == read_movielens(make_zip(files)).checksum
    assert dataset.checksum == read_movielens(make_zip(files, folder="")).checksum


def test_blocks_join(make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(ML_1M)
    whole = read_movielens(path)
    for size in (1, 7, 20, 33):
        monkeypatch.setattr(delimited, "BLOCK_BYTES", size)
        assert read_movielens(path).checksum == whole.checksum


# What is wrong: the release, the file, what replaces what in it, and what the error says.
BAD: list[tuple[Files, str, str, str, str]] = [
    (
        ML_1M,
        "ratings.dat",
        "1::30::3::978302109",
        "1::30::3",
        "ratings.dat, line 2: expected 4 fields separated by '::', found 3: '1::30::3'",
    ),
    (
        ML_1M,
        "ratings.dat",
        "1::30::3::978302109",
        "1::30::3::4::5",
        "line 2: expected 4 fields separated by '::', found 5",
    ),
    (ML_1M, "ratings.dat", "1::30::3::", "1\t30::3::", "line 2: expected 4 fields separated by '::', found 3"),
    (ML_1M, "ratings.dat", "1::30::3::", "1::30::three::", "line 2: rating should be a number, found 'three'"),
    (ML_1M, "ratings.dat", "1::30::3::", "1::30::nan::", "line 2: rating nan is outside 1..5"),
    (ML_1M, "ratings.dat", "1::30::3::", "1::30::::", "line 2: rating should be a number, found ''"),
    (ML_1M, "ratings.dat", "1::30::3::", "1::30::6::", "line 2: rating 6.0 is outside 1..5"),
    (ML_1M, "ratings.dat", "1::30::3::", "1::x::3::", "line 2: item_id should be a whole number, found 'x'"),
    (ML_1M, "ratings.dat", "1::30::3::", "1.5::30::3::", "line 2: user_id should be a whole number, found '1.5'"),
    (ML_1M, "ratings.dat", "1::30::3::", "\n1::31::3::", "line 3: item_id 31 is not in movies.dat"),
    (ML_1M, "ratings.dat", "1::30::3::", "3000000::30::3::", "line 2: user_id 3000000 is not in users.dat"),
    (ML_1M, "ratings.dat", "2::10::1::", "1::10::1::", "line 3: user 1 rates movie 10 a second time"),
    (
        ML_1M,
        "ratings.dat",
        "1::10::5::978300760\n1::30::3::978302109\n2::10::1::978301968\n",
        "",
        "ratings.dat has no ratings",
    ),
    (ML_1M, "movies.dat", "20::", "10::", "movies.dat, line 2: item_id 10 stands already on line 1"),
    (ML_1M, "movies.dat", "20::", "20:", "movies.dat, line 2: expected 3 fields separated by '::', found 2"),
    (ML_1M, "users.dat", "2::M", "2::X", "users.dat, line 2: sex should be F or M, found 'X'"),
    (
        ML_1M,
        "users.dat",
        "2::M::56::16",
        "2::M::56::21",
        "users.dat, line 2: occupation should be an occupation code, 0..20",
    ),
    (ML_1M, "users.dat", "2::M", "1::M", "users.dat, line 2: user_id 1 stands already on line 1"),
    (ML_1M, "users.dat", "1::F::1::10::48067\n2::M::56::16::70072-2117\n", "", "users.dat is empty"),
    (ML_100K, "u.user", "librarian", "dragon slayer", "u.user, line 2: occupation should be one of administrator, "),
    (ML_100K, "u.item", "|1|0|0|0|0|0|0|1|", "|2|0|0|0|0|0|0|1|", "u.item, line 1: Action should be 0 or 1, found '2'"),
    (ML_10M, "ratings.dat", "::4.5::", "::0.25::", "ratings.dat, line 1: rating 0.25 is outside 0.5..5"),
    (ML_10M, "ratings.dat", "3::20", "7::20", "at least two users are needed, it has 1"),
    (
        ML_CSV,
        "ratings.csv",
        "userId,movieId",
        "movieId,userId",
        "ratings.csv, line 1: expected the header 'userId,movieId,rating,timestamp'",
    ),
    (ML_CSV, "ratings.csv", "9,10,4.0", "9,10,4.1.0", "ratings.csv, line 3: rating should be a number, found '4.1.0'"),
    (ML_CSV, "ratings.csv", "9,10,4.0", "9,11,4.0", "ratings.csv, line 3: item_id 11 is not in movies.csv"),
    (ML_CSV, "ratings.csv", "9,10,4.0", "9,20,4.0", "ratings.csv, line 3: user 9 rates movie 20 a second time"),
    (ML_CSV, "movies.csv", '(1990)",', "(1990),", "movies.csv, line 2: cannot be read as utf-8 text"),
]


@pytest.mark.parametrize(("files", "file", "old", "new", "message"), BAD, ids=[bad[-1][:40] for bad in BAD])
@pytest.mark.parametrize("block_bytes", [16, 1 << 24])
def test_bad_rows(
    make_zip: MakeZip,
    monkeypatch: pytest.MonkeyPatch,
    files: Files,
    file: str,
    old: str,
    new: str,
    message: str,
    block_bytes: int,
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block_bytes)
    content = files[file].decode("latin-1") if isinstance(files[file], bytes) else files[file]
    assert old in content
    path = make_zip(files | {file: content.replace(old, new).encode("latin-1")})
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_movielens(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tags.dat", "1\tquiet\t9\n", "tags.dat should have the tag 'violence' exactly once"),
        (
            "tag_relevance.dat",
            "10\t2\t0.5\n30\t2\t1.5\n",
            "line 2: the relevance of 'violence' to movie 30 is 1.5, outside",
        ),
        (
            "tag_relevance.dat",
            "10\t2\t0.5\n30\t2\tnan\n",
            "line 2: the relevance of 'violence' to movie 30 is nan, outside",
        ),
        (
            "tag_relevance.dat",
            "10\t2\t0.5\n10\t2\t0.5\n",
            "line 2: the relevance of 'violence' to movie 10 stands twice",
        ),
        ("tag_relevance.dat", "10\t2\t0.5\n10\t2\n", "line 2: expected 3 fields"),
    ],
)
def test_bad_genome(make_zip: MakeZip, file: str, content: str, message: str) -> None:
    path = make_zip(TAG_GENOME | {file: content})
    with pytest.raises(InputError, match=re.escape(message)):
        read_tag_genome(path)


def test_not_utf8(make_zip: MakeZip) -> None:
    movies = ML_10M["movies.dat"]
    assert isinstance(movies, str)
    path = make_zip(ML_10M | {"movies.dat": movies.encode("latin-1")})
    with pytest.raises(InputError, match=r"movies\.dat, line 2: cannot be read as utf-8 text"):
        read_movielens(path)


def test_long_rows_are_shortened(make_zip: MakeZip) -> None:
    path = make_zip(ML_1M | {"ratings.dat": "1::10" + "9" * 5000 + "\n"})
    with pytest.raises(InputError, match=r"…'$") as caught:
        read_movielens(path)
    assert len(str(caught.value)) < 300


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.zip: there is no such file or folder"):
        read_movielens(tmp_path / "nothing.zip")


def test_no_release_inside(make_zip: MakeZip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no known release.*u\.data, u\.item, u\.user; or ratings\.dat"):
        read_movielens(make_zip({"README": "nothing"}))
    with pytest.raises(InputError, match="no known release"):
        read_movielens(tmp_path)
    with pytest.raises(InputError, match=r"tag_relevance\.dat"):
        read_movielens(make_zip(ML_1M, "ml-1m.zip"), tag_genome=make_zip({"README": "nothing"}))


@pytest.mark.parametrize("new", [b"1::10::4", b"1::10::9", b"1::10::x", b"1::11::5"])
@pytest.mark.parametrize("block_bytes", [16, 1 << 24])
def test_damage_is_named_before_what_it_does_to_rows(
    make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch, new: bytes, block_bytes: int
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block_bytes)
    path = make_zip({})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in ("movies.dat", "users.dat"):
            archive.writestr(name, ML_1M[name])
        # Long enough that zipfile has not seen the end when the damaged row is parsed.
        archive.writestr("ratings.dat", str(ML_1M["ratings.dat"]) + "\n" * 10_000)
    path.write_bytes(path.read_bytes().replace(b"1::10::5", new, 1))
    with pytest.raises(InputError, match=r"Bad CRC-32 for file 'ratings\.dat'"):
        read_movielens(path)
    with pytest.raises(InputError, match=r"'ratings\.dat' is damaged \(bad CRC\)"):
        check_archive(path)


def test_genres_are_told_in_one_spelling() -> None:
    told = pd.Series(["Children|Drama", "Children's", "(no genres listed)", "unknown", None, "IMAX|Film-Noir"])
    spelt = ["Children's|Drama", "Children's", "", "", "", "IMAX|Film-Noir"]
    assert canonical_genres(told).tolist() == spelt
