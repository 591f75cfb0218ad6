"""What is built once and kept on disk."""

import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import sleep

import pytest

from pydeeprecsys.errors import InputError
from pydeeprecsys.files import kept, whole_file


def load(path: Path) -> str:
    text = path.read_text()
    if not text.startswith("built"):
        raise InputError("damaged")
    return text


def save(text: str, path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text)


def build_slowly(path: Path) -> str:
    def build() -> str:
        with (path.parent.parent / "log").open("a") as log:
            log.write("built\n")
        sleep(0.5)
        return "built"

    return kept(path, load=load, build=build, save=save)


def test_processes_that_start_together_build_it_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        found = list(pool.map(build_slowly, [tmp_path / "home" / "kept.txt"] * 4))
    assert found == ["built"] * 4
    assert (tmp_path / "log").read_text() == "built\n"


def test_what_is_damaged_is_replaced_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("half")
    with pytest.warns(UserWarning, match=f"^{path} is damaged or of an older format: it is replaced$"):
        assert kept(path, load=load, build=lambda: "built anew", save=save) == "built anew"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept(path, load=load, build=lambda: "built again", save=save) == "built anew"


@pytest.mark.parametrize("place", ["file/kept.txt", "full/kept.txt"])
def test_what_cannot_be_written_is_built_all_the_same(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("no folder")

    def no_space(text: str, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.warns(UserWarning, match="cannot be written .*: it is not kept$"):
        found = kept(tmp_path / place, load=load, build=lambda: "built", save=save if "file" in place else no_space)
    assert found == "built"
