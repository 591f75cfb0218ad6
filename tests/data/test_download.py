import errno
import hashlib
import io
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pydeeprecsys.data import download
from pydeeprecsys.data.download import data_home, fetch, fetched, locate
from pydeeprecsys.data.movielens import read_movielens
from pydeeprecsys.data.releases import GENOME, RELEASES, Release
from pydeeprecsys.errors import InputError

MakeZip = Callable[..., Path]


TINY = {
    "ratings.dat": "1::10::5::978300760\n2::20::1::978301968\n2::10::2::978301968\n",
    "movies.dat": "10::One (1990)::Action\n20::Two (1991)::Comedy\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}
GENOME_FILES = {"tags.dat": "2\tviolence\t76\n", "tag_relevance.dat": "10\t2\t0.25\n"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.server.asked.append(name)  # type: ignore[attr-defined]
        content, announced = self.server.files.get(name, (None, 0))  # type: ignore[attr-defined]
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, tuple[bytes, int]] = {}
        self.asked: list[str] = []

    def offer(self, name: str, content: bytes, announced: int | None = None) -> str:
        """Serve `content` as `name`, and give its address; where `announced` is more, the connection is cut early."""
        self.files[name] = (content, len(content) if announced is None else announced)
        return self.url(name)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYDEEPRECSYS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYDEEPRECSYS_MIRROR", raising=False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "home"


def add_release(monkeypatch: pytest.MonkeyPatch, name: str, archive: Path, urls: tuple[str, ...], **more: Any) -> None:
    checksum = f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"
    release = Release(name, "made up", urls, 0.1, checksum, (2, 2, 3), has_violence=True)
    monkeypatch.setitem(RELEASES, name, replace(release, **more))


@pytest.fixture
def tiny(make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """The archive of a release "tiny", which `server` does not offer yet."""
    archive = make_zip(TINY, "tiny-original.zip")
    add_release(monkeypatch, "tiny", archive, (server.url("first/tiny.zip"), server.url("second/tiny.zip")))
    return archive


def left_behind(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def test_the_table_of_releases() -> None:
    assert list(RELEASES) == [
        *("ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "ml-latest"),
        "tag-genome",
    ]
    for name, release in RELEASES.items():
        assert release.name == name
        assert all(url.startswith("https://") and url.endswith(f"/{name}.zip") for url in release.urls)
        assert release.checksum is None or re.fullmatch("md5:[0-9a-f]{32}", release.checksum)


def test_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert data_home() == home
    monkeypatch.delenv("PYDEEPRECSYS_HOME")
    assert data_home().name == "pydeeprecsys"


def test_download(server: Server, tiny: Path, home: Path) -> None:
    url = server.offer("first/tiny.zip", tiny.read_bytes())
    assert fetched() == []
    (got,) = fetch("tiny", progress=False)
    assert (got.name, got.path, got.origin) == ("tiny", home / "tiny.zip", url)
    assert got.verified == "its checksum is the published one"
    assert locate("tiny").read_bytes() == tiny.read_bytes()
    assert fetched() == ["tiny"]
    assert left_behind(home) == ["tiny.zip"]

    (again,) = fetch("tiny", progress=False)
    assert again.origin is None
    assert server.asked == ["first/tiny.zip"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_is_for_terminals(
    server: Server, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.offer("first/tiny.zip", tiny.read_bytes())
    fetch("tiny")
    assert capsys.readouterr() == ("", "")
    locate("tiny").unlink()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fetch("tiny")
    assert capsys.readouterr().out == ""
    err = terminal.getvalue()
    assert "tiny.zip" in err
    assert "bytes" in err


@pytest.mark.parametrize("bad", ["wrong checksum", "404 Not Found", "the connection was cut"])
def test_the_next_mirror_is_tried(server: Server, tiny: Path, home: Path, bad: str) -> None:
    whole = tiny.read_bytes()
    if bad == "wrong checksum":
        server.offer("first/tiny.zip", whole + b"x")
    if bad == "the connection was cut":
        server.offer("first/tiny.zip", whole[:100], announced=len(whole))
    with pytest.raises(InputError, match=f"first/tiny.zip: {bad}; .*second/tiny.zip: 404 Not Found") as caught:
        fetch("tiny", progress=False)
    assert "--from FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_behind(home) == []

    server.offer("second/tiny.zip", whole)
    (got,) = fetch("tiny", progress=False)
    assert got.origin == server.url("second/tiny.zip")
    assert locate("tiny").read_bytes() == whole
    assert left_behind(home) == ["tiny.zip"]


def test_no_server(server: Server, tiny: Path, home: Path) -> None:
    with Server() as closed:
        url = closed.url("tiny.zip")
    with pytest.raises(InputError, match=r"tiny\.zip: no connection\)"):
        fetch("tiny", urls=[url], progress=False)
    assert left_behind(home) == []


def test_the_users_mirror_comes_first(server: Server, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDEEPRECSYS_MIRROR", server.url("mine/"))
    server.offer("first/tiny.zip", tiny.read_bytes())
    assert fetch("tiny", progress=False)[0].origin == server.url("first/tiny.zip")
    assert server.asked == ["mine/tiny.zip", "first/tiny.zip"]


def test_plain_http_needs_a_checksum(server: Server, tiny: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    url = server.offer("open.zip", tiny.read_bytes())
    add_release(monkeypatch, "open", tiny, (url,), checksum=None)
    with pytest.raises(InputError, match=r"open\.zip: not over https, and there is no published checksum"):
        fetch("open", progress=False)
    assert server.asked == []
    assert left_behind(home) == []


def test_a_download_without_a_checksum_is_read(
    tiny: Path, make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    add_release(monkeypatch, "open", tiny, ("https://x/open.zip",), checksum=None)
    content = tiny.read_bytes()[:-30]
    monkeypatch.setattr(download, "_transfer", lambda url, part, bars: part.write_bytes(content))
    with pytest.raises(InputError, match=r"\(https://x/open\.zip: not a whole zip archive") as caught:
        fetch("open")
    assert str(home) not in str(caught.value)
    assert left_behind(home) == []

    content = tiny.read_bytes()
    assert fetch("open")[0].verified == "it is whole, with 2 users, 2 items, 3 ratings"


def test_the_genome_comes_along(
    server: Server, tiny: Path, make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    add_release(monkeypatch, "tiny", tiny, (server.offer("tiny.zip", tiny.read_bytes()),), has_violence=False)
    genome = make_zip(GENOME_FILES, "genome-original.zip")
    add_release(monkeypatch, GENOME, genome, (server.url("genome.zip"),))
    with pytest.raises(InputError, match=r"tiny is here, but its violence scores are not: .*404"):
        fetch("tiny", progress=False)
    assert fetched() == ["tiny"]

    server.offer("genome.zip", genome.read_bytes())
    assert [got.name for got in fetch("tiny", progress=False)] == ["tiny", GENOME]
    assert read_movielens(locate("tiny"), tag_genome=locate(GENOME)).items["violence"][0] == 0.25
    assert left_behind(home) == ["tag-genome.zip", "tiny.zip"]


def test_from_a_file(tiny: Path, home: Path) -> None:
    (got,) = fetch("tiny", source=tiny)
    assert got.origin == str(tiny)
    assert got.verified == "its checksum is the published one"
    assert locate("tiny").read_bytes() == tiny.read_bytes()


def test_from_a_repackaged_file(tiny: Path, make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    add_release(monkeypatch, "tiny", tiny, (), has_violence=False)
    source = make_zip(TINY, "repackaged.zip", folder="elsewhere/")
    (got,) = fetch("tiny", source=source)
    assert got.verified == "it is whole, with 2 users, 2 items, 3 ratings"

    make_zip(GENOME_FILES, "tag-genome.zip")
    got = fetch("tiny", source=source)[1]
    assert (got.name, got.verified) == (GENOME, "it is whole, with the violence of 1 movies")
    assert left_behind(home) == ["tag-genome.zip", "tiny.zip"]
    # The genome is here now: it is not taken again.
    assert len(fetch("tiny", source=source)) == 1


def test_bad_files_are_refused(tiny: Path, make_zip: MakeZip, tmp_path: Path, home: Path) -> None:
    fetch("tiny", source=tiny)
    fewer = make_zip(TINY | {"ratings.dat": "1::10::5::978300760\n2::20::1::978301968\n"}, "fewer.zip")
    unsafe = make_zip(TINY, "unsafe.zip", folder="../")
    truncated = tmp_path / "truncated.zip"
    truncated.write_bytes(tiny.read_bytes()[:-30])
    # Damage where the reader does not look.
    damaged = make_zip(TINY | {"README": "read me"}, "damaged.zip")
    content = bytearray(damaged.read_bytes())
    content[content.index(b"README") + len("README") + 1] ^= 0xFF
    damaged.write_bytes(content)
    for source, message in (
        (fewer, r"fewer\.zip: this is not tiny: wrong checksum and 2 ratings, not 3$"),
        (unsafe, r"unsafe\.zip: refused, its entry '\.\./.*' points outside"),
        (truncated, r"truncated\.zip: not a whole zip archive"),
        (damaged, r"damaged\.zip: (its entry 'release/README' is damaged|not a whole zip archive)"),
        (tmp_path / "none.zip", r"none\.zip: there is no such file"),
        (tmp_path, "a folder; give the zip"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            fetch("tiny", source=source)
        assert str(home) not in str(caught.value)
        # What was there before is still there, and nothing else.
        assert left_behind(home) == ["tiny.zip"]
        assert locate("tiny").read_bytes() == tiny.read_bytes()


@pytest.mark.parametrize("downloading", [True, False])
def test_full_disk(server: Server, tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch, downloading: bool) -> None:
    server.offer("first/tiny.zip", tiny.read_bytes())

    def fill_up(source: object, part: Path, *more: Any) -> None:
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fill_up)
    monkeypatch.setattr(download, "_transfer", fill_up)
    with pytest.raises(InputError, match=r"the disk is full; tiny needs about 0\.1 MB there"):
        fetch("tiny", source=None if downloading else tiny, progress=False)
    assert left_behind(home) == []


def test_home_that_cannot_be_made(tiny: Path, home: Path) -> None:
    home.write_text("a file stands in the way")
    with pytest.raises(InputError, match="home: File exists"):
        fetch("tiny", source=tiny)


def test_an_interrupt_leaves_nothing(tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch("tiny", source=tiny)
    assert left_behind(home) == []


def test_unknown_and_absent_names() -> None:
    for use in (fetch, locate):
        with pytest.raises(
            InputError, match=r"no data set 'ml1m' to fetch; there are: ml-100k, .*; did you mean 'ml-1m'\?"
        ):
            use("ml1m")
    with pytest.raises(InputError, match="get it with 'pydeeprecsys data fetch ml-1m'"):
        locate("ml-1m")


def test_shared_archives_are_taken(home: Path, shared_data: Path) -> None:
    assert [got.name for got in fetch("ml-1m", source=shared_data / "ml-1m.zip")] == ["ml-1m", "tag-genome"]
    assert [got.name for got in fetch("ml-100k", source=shared_data / "ml-100k.zip")] == ["ml-100k"]
    assert fetched() == ["ml-100k", "ml-1m", "tag-genome"]
    with pytest.raises(InputError, match="1,000,209 ratings, not 10,000,054"):
        fetch("ml-10m", source=shared_data / "ml-1m.zip")
