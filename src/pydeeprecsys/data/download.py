"""Getting the MovieLens releases: from GroupLens or a mirror, or from a file downloaded by hand, always verified."""

from __future__ import annotations

import difflib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import platformdirs
import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pydeeprecsys.data.movielens import check_archive, read_movielens, read_tag_genome
from pydeeprecsys.errors import InputError

GENOME = "tag-genome"
HOME_VARIABLE = "PYDEEPRECSYS_HOME"
MIRROR_VARIABLE = "PYDEEPRECSYS_MIRROR"
TIMEOUT = 30.0

_GROUPLENS = "https://files.grouplens.org/datasets"
# Byte-identical copies of four releases, kept by the Recommenders project.
_RECOMMENDERS = "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main"
_LICENCE = "for research, not for redistribution or commercial use without permission; see its README"


@dataclass(frozen=True)
class Release:
    """A data set as GroupLens publishes it.

    Attributes:
        name: what it is called here; its file is `name`.zip.
        description: one line.
        urls: where it can be had, tried in this order.
        checksum: "md5:…" as GroupLens publishes it; None where it publishes none that lasts.
        counts: (users, items, ratings) in it; None where they change from one edition to the next.
        megabytes: size of the download.
        has_violence: whether it brings its own tag genome; the others take theirs from the release `GENOME`.
        licence: what its README allows.
    """

    name: str
    description: str
    urls: tuple[str, ...]
    megabytes: float
    checksum: str | None = None
    counts: tuple[int, int, int] | None = None
    has_violence: bool = False
    licence: str = _LICENCE


def _movielens(
    name: str,
    description: str,
    megabytes: float,
    checksum: str | None = None,
    counts: tuple[int, int, int] | None = None,
    *,
    has_violence: bool = False,
    mirrored: bool = False,
) -> Release:
    bases = (f"{_GROUPLENS}/movielens", *((_RECOMMENDERS,) if mirrored else ()))
    urls = tuple(f"{base}/{name}.zip" for base in bases)
    return Release(name, description, urls, megabytes, checksum, counts, has_violence)


RELEASES = {
    release.name: release
    for release in (
        _movielens(
            "ml-100k",
            "MovieLens 100K (1998): 100,000 ratings, demographics",
            4.9,
            "md5:0e33842e24a9c977be4e0107933c0723",
            (943, 1_682, 100_000),
            mirrored=True,
        ),
        _movielens(
            "ml-1m",
            "MovieLens 1M (2003): 1 million ratings, demographics; what most results here are on",
            5.9,
            "md5:c4d9eecfca2ab87c1945afe126590906",
            (6_040, 3_883, 1_000_209),
            mirrored=True,
        ),
        _movielens(
            "ml-10m",
            "MovieLens 10M (2009): 10 million ratings",
            65.6,
            "md5:ce571fd55effeba0271552578f2648bd",
            # The README says 71,567 users; this many of them have ratings.
            (69_878, 10_681, 10_000_054),
            mirrored=True,
        ),
        _movielens(
            "ml-20m",
            "MovieLens 20M (2015): 20 million ratings, tag genome",
            198.7,
            "md5:cd245b17a1ae2cc31bb14903e1204af3",
            (138_493, 27_278, 20_000_263),
            has_violence=True,
            mirrored=True,
        ),
        _movielens(
            "ml-25m",
            "MovieLens 25M (2019): 25 million ratings, tag genome",
            262.0,
            "md5:6b51fb2759a8657d3bfcbfc42b592ada",
            (162_541, 62_423, 25_000_095),
            has_violence=True,
        ),
        _movielens(
            "ml-32m",
            "MovieLens 32M (2024): 32 million ratings",
            239.0,
            "md5:d472be332d4daa821edc399621853b57",
            (200_948, 87_585, 32_000_204),
        ),
        _movielens("ml-latest-small", "a small sample of recent ratings (about 100,000), renewed now and then", 1.0),
        _movielens(
            "ml-latest", "all recent ratings (about 33 million), renewed now and then", 350.0, has_violence=True
        ),
        Release(
            GENOME,
            "MovieLens Tag Genome (2012): how much each tag applies to each movie; gives movies their violence",
            (f"{_GROUPLENS}/tag-genome/tag-genome.zip",),
            41.0,
        ),
    )
}
"""What can be fetched, by name."""


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
    """The folder of everything fetched: $PYDEEPRECSYS_HOME, else the user's cache folder. It need not exist yet."""
    given = os.environ.get(HOME_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_cache_dir("pydeeprecsys"))


def fetched() -> list[str]:
    """Names of the releases that were fetched, in the order of `RELEASES`."""
    return [name for name in RELEASES if _path(name).is_file()]


def locate(name: str) -> Path:
    """The zip of a release that was fetched.

    Raises:
        InputError: where there is no such release, or it was not fetched yet.
    """
    release = _release(name)
    if not _path(name).is_file():
        raise InputError(f"{name} is not here yet; get it with 'pydeeprecsys data fetch {release.name}'")
    return _path(name)


def _path(name: str) -> Path:
    return data_home() / f"{name}.zip"


def _release(name: str) -> Release:
    if name not in RELEASES:
        nearest = difflib.get_close_matches(name, RELEASES, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise InputError(f"there is no data set {name!r}; {hint}Known: {', '.join(RELEASES)}")
    return RELEASES[name]


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
        progress: whether to show a progress bar on standard error.
        urls: addresses to try instead of $PYDEEPRECSYS_MIRROR/`name`.zip and those of the release.

    Returns:
        What was got: the release, then the tag genome if it was got with it.

    Raises:
        InputError: for an unknown name, an unusable source, a full disk, or when no address gave the release (the
            message has the cause of each).
    """
    release = _release(name)
    if source is not None:
        got = [_take(release, source)]
    elif _path(name).is_file():
        got = [Fetched(name, _path(name), None, "it was here already")]
    else:
        got = [_download(release, urls, progress)]
    if release.has_violence or name == GENOME or _path(GENOME).is_file():
        return got
    beside = source.with_name(f"{GENOME}.zip") if source else None
    try:
        if beside is None:
            got.append(_download(RELEASES[GENOME], None, progress))
        elif beside.is_file():
            got.append(_take(RELEASES[GENOME], beside))
    except InputError as error:
        raise InputError(f"{name} is here, but its violence scores are not: {error}") from error
    return got


def _take(release: Release, source: Path) -> Fetched:
    if not source.is_file():
        raise InputError(f"{source}: {'a folder; give the zip' if source.is_dir() else 'there is no such file'}")
    with _arriving(release) as part:
        shutil.copyfile(source, part)
        try:
            verified = "its checksum is the published one" if _is_published(release, part) else _read(release, part)
        except InputError as error:
            raise InputError(str(error).replace(str(part), str(source))) from error
    return Fetched(release.name, _path(release.name), str(source), verified)


def _download(release: Release, urls: Sequence[str] | None, progress: bool) -> Fetched:
    if urls is None:
        mirror = os.environ.get(MIRROR_VARIABLE)
        urls = (*((f"{mirror.rstrip('/')}/{release.name}.zip",) if mirror else ()), *release.urls)
    causes = []
    with _arriving(release) as part:
        for url in urls:
            try:
                verified = _download_from(url, release, part, progress)
                break
            except requests.RequestException as error:
                causes.append(f"{url}: {_cause(error)}")
            except InputError as error:
                causes.append(f"{url}: {str(error).removeprefix(f'{part}: ')}")
        else:
            raise InputError(
                f"{release.name} could not be downloaded ({'; '.join(causes)}); download it by hand and give it with "
                f"'pydeeprecsys data fetch {release.name} --from FILE'"
            )
    return Fetched(release.name, _path(release.name), url, verified)


def _download_from(url: str, release: Release, part: Path, progress: bool) -> str:
    if release.checksum is None and not url.startswith("https://"):
        raise InputError("not over https, and there is no published checksum to verify it by")
    with _Bar(release, shown=progress) as bar:
        pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT)(url, str(part), None)
    if _is_published(release, part):
        return "its checksum is the published one"
    if release.checksum is not None:
        raise InputError("wrong checksum")
    return _read(release, part)


def _is_published(release: Release, part: Path) -> bool:
    if release.checksum is None:
        return False
    algorithm, expected = release.checksum.split(":")
    return str(pooch.file_hash(str(part), alg=algorithm)) == expected


def _read(release: Release, part: Path) -> str:
    """Verify by reading; what was found, in a phrase."""
    check_archive(part)
    if release.name == GENOME:
        return f"it is whole, with the violence of {len(read_tag_genome(part)):,} movies"
    dataset = read_movielens(part, name=release.name)
    counts = (len(dataset.users), len(dataset.items), len(dataset.ratings))
    found = list(zip(counts, release.counts or counts, ("users", "items", "ratings"), strict=True))
    wrong = [f"{count:,} {what}, not {expected:,}" for count, expected, what in found if count != expected]
    if wrong:
        raise InputError(f"{part}: this is not {release.name}: wrong checksum and {', '.join(wrong)}")
    return f"it is whole, with {', '.join(f'{count:,} {what}' for count, _, what in found)}"


@contextmanager
def _arriving(release: Release) -> Iterator[Path]:
    """A file beside the release's, which takes its place when the block ends well and else is removed."""
    home = data_home()
    part = home / f".{release.name}.{os.getpid()}.part"
    try:
        home.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(_path(release.name))
        finally:
            part.unlink(missing_ok=True)
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


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    return next((text for kind, text in _CAUSES if isinstance(error, kind)), str(error).splitlines()[0])


class _Bar:
    """A rich progress bar with the face that pooch expects of one (tqdm's)."""

    def __init__(self, release: Release, *, shown: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, disable=not shown, transient=True)
        self._task = self._progress.add_task(release.name, total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def total(self) -> float | None:
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, total: int) -> None:
        # A server that does not say the size gives 0.
        self._progress.update(self._task, total=total or None)

    def update(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.refresh()
