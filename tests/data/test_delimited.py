import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pydeeprecsys.data import delimited
from pydeeprecsys.data.delimited import (
    FLAG,
    ID,
    NUMBER,
    TEXT,
    File,
    Folder,
    check_archive,
    open_folders,
    shorten,
)
from pydeeprecsys.errors import InputError, did_you_mean

MakeZip = Callable[..., Path]

SCORES = File("scores.csv", ",", {"id": ID, "score": NUMBER}, header="id,score")
NAMES = File("names.dat", "::", {"id": ID, "name": TEXT, "flag": FLAG}, encoding="latin-1")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "scores.csv").write_bytes(b"\xef\xbb\xbfid,score\r\n1,0.5\r\n\r\n2,1e1\r\n3,-1")
    (tmp_path / "names.dat").write_bytes("1::Été::0\n\n2::b:c::1\n".encode("latin-1"))
    return Folder(tmp_path, tmp_path)


@pytest.mark.parametrize("block_bytes", [1, 5, 8, 1 << 24])
def test_rows_and_their_lines(folder: Folder, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block_bytes)
    assert folder.table(NAMES).to_dict("list") == {"id": [1, 2], "name": ["Été", "b:c"], "flag": [False, True]}
    blocks = list(folder.columns(SCORES))
    assert [row for block in blocks for row in block["id"]] == [1, 2, 3]
    assert [row for block in blocks for row in block["score"]] == [0.5, 10, -1]
    for row, line in enumerate((2, 4, 5)):
        assert str(folder.row_error(SCORES, row, "odd")) == f"{folder.path}: scores.csv, line {line}: odd"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,score\n1,0.5\n2,x\n", "line 3: score should be a number, found 'x'"),
        ("id,score\n1,0.5\n2\n", "line 3: expected 2 fields separated by ',', found 1: '2'"),
        ("id,score\n1,0.5\n2_0,1\n", "line 3: id should be a whole number, found '2_0'"),
        ("id,score\n1,0.5\n3000000000,1\n", "line 3: id should be a whole number, found '3000000000'"),
        ("score,id\n1,0.5\n", "line 1: expected the header 'id,score', found 'score,id'"),
    ],
)
@pytest.mark.parametrize("block_bytes", [4, 1 << 24])
def test_the_first_bad_line_is_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, content: str, message: str, block_bytes: int
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block_bytes)
    (folder.path / "scores.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        list(folder.columns(SCORES))
    assert str(caught.value) == f"{folder.path}: scores.csv, {message}"


def test_what_stands_in_errors_is_short_and_on_one_line() -> None:
    assert shorten("a\nb") == r"'a\nb'"
    assert len(shorten("x" * 1000)) == 62
    assert did_you_mean("ratng", ["user", "rating"]) == "there are: user, rating; did you mean 'rating'?"
    assert did_you_mean("zzz", ["user", "rating"]) == "there are: user, rating"
    many = did_you_mean("zzz", [f"column\n{number}" for number in range(1000)])
    assert "\n" not in many
    assert len(many) < 420


@pytest.mark.parametrize("name", ["../evil.dat", "/etc/evil.dat", "a/../../evil.dat", "..\\evil.dat", "C:\\evil.dat"])
def test_entries_that_point_outside_are_refused(make_zip: MakeZip, name: str) -> None:
    path = make_zip({"names.dat": "1::a::0\n"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "evil")
    with pytest.raises(InputError, match="points outside the archive's folder"), open_folders(path):
        pass
    with pytest.raises(InputError, match="points outside the archive's folder"):
        check_archive(path)


def test_an_entry_whose_name_cannot_be_read_is_no_zip(make_zip: MakeZip) -> None:
    path = make_zip({"é.dat": "1"})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xab\xab"))
    with pytest.raises(InputError, match="not a whole zip archive"), open_folders(path):
        pass


def test_truncated_and_foreign_files_are_no_zip(make_zip: MakeZip) -> None:
    path = make_zip({"names.dat": "1::a::0\n"})
    whole = path.read_bytes()
    for content in (*(whole[:size] for size in range(0, len(whole), 9)), b"plain text\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a whole zip archive"), open_folders(path):
            pass


def test_damage_is_named_before_what_it_does_to_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 16)
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        # Long enough that zipfile has not seen the end when the damaged row is parsed.
        archive.writestr("names.dat", "1::a::0\n" + "\n" * 10_000)
    path.write_bytes(path.read_bytes().replace(b"1::a::0", b"1::a::2", 1))
    with pytest.raises(InputError, match=r"Bad CRC-32 for file 'names\.dat'"), open_folders(path) as folders:
        folders[0].table(NAMES)


def test_encrypted_entries_are_refused(make_zip: MakeZip) -> None:
    path = make_zip({"names.dat": "1::a::0\n"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is encrypted"):
        check_archive(path)


def test_check_archive_takes_whole_zips_only(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip({"names.dat": "1::a::0\n"})
    check_archive(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"names.dat") + len("names.dat") + 1] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"its entry 'release/names\.dat' is damaged|not a whole zip archive"):
        check_archive(path)
    with pytest.raises(InputError, match="Is a directory"):
        check_archive(tmp_path)
    with pytest.raises(InputError, match="there is no such file or folder"):
        check_archive(tmp_path / "none.zip")
