"""Getting the MovieLens releases: from GroupLens or a mirror, or from a file downloaded by hand, always verified."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pydeeprecsys.data.delimited import check_archive
from pydeeprecsys.data.movielens import read_movielens, read_tag_genome
from pydeeprecsys.data.releases import GENOME, RELEASES, Release, release_of
from pydeeprecsys.errors import InputError
from pydeeprecsys.files import whole_file
from pydeeprecsys.progress import watched

HOME_VARIABLE = "PYDEEPRECSYS_HOME"
MIRROR_VARIABLE = "PYDEEPRECSYS_MIRROR"
TIMEOUT = 30.0


@dataclass(frozen=True)
class Fetched:
    """What a call of `fetch` got.

    Attributes:
        name: the release.
        path: where it lies now.
        origin: the address or file it came from; None where it was there already.
        verified: how it was checked, one phrase.
    """

    name: str
    path: Path
    origin: str | None
    verified: str


def data_home() -> Path:
    """The folder of everything fetched: $PYDEEPRECSYS_HOME, else the user's cache folder. It need not exist yet.

    For a user without a home folder, as in some containers, it is in the folder for temporary files.
    """
    try:
        return Path(os.environ.get(HOME_VARIABLE) or platformdirs.user_cache_dir("pydeeprecsys")).expanduser()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "pydeeprecsys"


def fetched() -> list[str]:
    """Names of the releases that were fetched, in the order of `RELEASES`."""
    return [name for name in RELEASES if _path(name).is_file()]


def locate(name: str) -> Path:
    """The zip of a release that was fetched.

    Raises:
        InputError: where there is no such release, or it was not fetched yet.
    """
    release = release_of(name)
    if not _path(name).is_file():
        raise InputError(f"{name} is not here yet; get it with 'pydeeprecsys data fetch {release.name}'")
    return _path(name)


def _path(name: str) -> Path:
    return data_home() / f"{name}.zip"


def fetch(
    name: str, *, source: Path | None = None, progress: bool = True, urls: Sequence[str] | None = None
) -> list[Fetched]:
    """Get a release into `data_home`, and the tag genome with it where it brings none of its own.

    A download is taken only with the published checksum; where there is none, only over https and if the archive is
    whole and can be read. A `source` with another checksum (repackaged zips are about) is taken if it is whole, can be
    read and has as many users, items and ratings as the release. A failure leaves nothing behind, and `locate` never
    finds anything half-written.

    Args:
        name: one of `RELEASES`.
        source: a zip downloaded by hand, to copy instead; a `tag-genome.zip` beside it is taken too.
        progress: whether to show progress on standard error: a bar in a terminal, elsewhere a line now and then.
        urls: addresses to try instead of $PYDEEPRECSYS_MIRROR/`name`.zip and those of the release.

    Returns:
        What was got: the release, then the tag genome if it was got with it.

    Raises:
        InputError: for an unknown name, an unusable source, a full disk, or when no address gave the release (the
            message has the cause of each).
    """
    release = release_of(name)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    shown = watched(console, TextColumn("{task.description}"), *columns) if progress else Progress(disable=True)
    with shown as bars:
        if source is not None:
            got = [_take(release, source, bars)]
        elif _path(name).is_file():
            got = [Fetched(name, _path(name), None, "it was here already")]
        else:
            got = [_download(release, urls, bars)]
        if release.has_violence or name == GENOME or _path(GENOME).is_file():
            return got
        beside = source.with_name(f"{GENOME}.zip") if source else None
        try:
            if beside is None:
                got.append(_download(RELEASES[GENOME], None, bars))
            elif beside.is_file():
                got.append(_take(RELEASES[GENOME], beside, bars))
        except InputError as error:
            raise InputError(f"{name} is here, but its violence scores are not: {error}") from error
    return got


def _take(release: Release, source: Path, bars: Progress) -> Fetched:
    if not source.is_file():
        raise InputError(f"{source}: {'a folder; give the zip' if source.is_dir() else 'there is no such file'}")
    bars.add_task(f"checking {source.name}", total=None)
    with _arriving(release) as part:
        verified = _verify(release, source, downloaded=False)
        shutil.copyfile(source, part)
    return Fetched(release.name, _path(release.name), str(source), verified)


def _download(release: Release, urls: Sequence[str] | None, bars: Progress) -> Fetched:
    if urls is None:
        mirror = os.environ.get(MIRROR_VARIABLE)
        urls = (*((f"{mirror.rstrip('/')}/{release.name}.zip",) if mirror else ()), *release.urls)
    causes = []
    with _arriving(release) as part:
        for url in urls:
            try:
                if release.checksum is None and not url.startswith("https://"):
                    raise InputError("not over https, and there is no published checksum to verify it by")
                _transfer(url, part, bars)
                verified = _verify(release, part, downloaded=True)
                break
            except (requests.RequestException, InputError) as error:
                causes.append(f"{url}: {_cause(error).removeprefix(f'{part}: ')}")
        else:
            raise InputError(
                f"{release.name} could not be downloaded ({'; '.join(causes)}); download it by hand and give it with "
                f"'pydeeprecsys data fetch {release.name} --from FILE'"
            )
    return Fetched(release.name, _path(release.name), url, verified)


def _transfer(url: str, part: Path, bars: Progress) -> None:
    with requests.get(url, stream=True, timeout=TIMEOUT) as response, part.open("wb") as file:
        response.raise_for_status()
        # A server need not say the size; the bar then only shows that something comes.
        total = int(response.headers.get("Content-Length", 0)) or None
        task = bars.add_task(url.rpartition("/")[2], total=total, unit="bytes")
        for chunk in response.iter_content(1 << 16):
            file.write(chunk)
            bars.advance(task, len(chunk))


def _verify(release: Release, archive: Path, *, downloaded: bool) -> str:
    """Compare the checksum, or else read all of it and count; how it was verified, in a phrase."""
    if release.checksum is not None:
        algorithm, published = release.checksum.split(":")
        with archive.open("rb") as file:
            checksum = hashlib.file_digest(file, algorithm).hexdigest()
        if checksum == published:
            return "its checksum is the published one"
        if downloaded:
            raise InputError("wrong checksum")
    check_archive(archive)
    if release.name == GENOME:
        return f"it is whole, with the violence of {len(read_tag_genome(archive)):,} movies"
    dataset = read_movielens(archive, name=release.name)
    counts = (len(dataset.users), len(dataset.items), len(dataset.ratings))
    found = list(zip(counts, release.counts or counts, ("users", "items", "ratings"), strict=True))
    wrong = [f"{count:,} {what}, not {expected:,}" for count, expected, what in found if count != expected]
    if wrong:
        raise InputError(f"{archive}: this is not {release.name}: wrong checksum and {', '.join(wrong)}")
    return f"it is whole, with {', '.join(f'{count:,} {what}' for count, _, what in found)}"


@contextmanager
def _arriving(release: Release) -> Iterator[Path]:
    """A file that takes the release's place when the block ends well; what stands in its way is said in one line."""
    home = data_home()
    try:
        with whole_file(_path(release.name)) as part:
            yield part
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{home}: the disk is full; {release.name} needs about {release.megabytes:g} MB there; "
                f"make room, or name another folder in {HOME_VARIABLE}"
            ) from error
        raise InputError(f"{error.filename or home}: {error.strerror or error}") from error


_CAUSES: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.exceptions.SSLError, "its certificate is not valid"),
    (requests.exceptions.Timeout, f"no answer in {TIMEOUT:g} s"),
    (requests.exceptions.ChunkedEncodingError, "the connection was cut"),
    (requests.exceptions.ConnectionError, "no connection"),
)
"""What a failure means; the first that fits."""


def _cause(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    return next((text for kind, text in _CAUSES if isinstance(error, kind)), str(error).splitlines()[0])
