"""Releases of GroupLens, and how to verify them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydeeprecsys.errors import InputError, did_you_mean

GENOME = "tag-genome"
SYNTHETIC = "synthetic"
"""The generated data set."""
PLANTED_GAP, NO_GAP = "planted-gap", "no-gap"
GENERATED = {
    SYNTHETIC: "generated users, movies and ratings of MovieLens 1M's shape; the default",
    PLANTED_GAP: "generated, with a known gap between the sexes: planted-gap?gap=0.5",
    NO_GAP: "the same, without any gap",
}
"""Data sets that need no fetching, and what they are."""

_GROUPLENS = "https://files.grouplens.org/datasets"
# Byte-identical copies of four releases, kept by the Recommenders project.
_RECOMMENDERS = "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main"
_MIRRORED = ("ml-100k", "ml-1m", "ml-10m", "ml-20m")


@dataclass(frozen=True)
class Release:
    """A data set as GroupLens publishes it.

    Attributes:
        name: here; its file is `name`.zip.
        description: one line.
        urls: addresses, tried in this order.
        checksum: "md5:…" as GroupLens publishes it; None if it publishes none, or changes the file.
        counts: (users, items, ratings) in it; None if they change between editions.
        megabytes: size of the download.
        has_violence: whether it contains a tag genome; the others use the release `GENOME`.
    """

    name: str
    description: str
    urls: tuple[str, ...]
    megabytes: float
    checksum: str | None = None
    counts: tuple[int, int, int] | None = None
    has_violence: bool = False


_CHECKSUMS = {
    "ml-100k": "md5:0e33842e24a9c977be4e0107933c0723",
    "ml-1m": "md5:c4d9eecfca2ab87c1945afe126590906",
    "ml-10m": "md5:ce571fd55effeba0271552578f2648bd",
    "ml-20m": "md5:cd245b17a1ae2cc31bb14903e1204af3",
    "ml-25m": "md5:6b51fb2759a8657d3bfcbfc42b592ada",
    "ml-32m": "md5:d472be332d4daa821edc399621853b57",
}
_COUNTS = {
    "ml-100k": (943, 1_682, 100_000),
    "ml-1m": (6_040, 3_883, 1_000_209),
    # The README says 71,567 users; this many of them have ratings.
    "ml-10m": (69_878, 10_681, 10_000_054),
    "ml-20m": (138_493, 27_278, 20_000_263),
    "ml-25m": (162_541, 62_423, 25_000_095),
    "ml-32m": (200_948, 87_585, 32_000_204),
}


def _movielens(name: str, description: str, megabytes: float, *, has_violence: bool = False) -> Release:
    bases = (f"{_GROUPLENS}/movielens", *((_RECOMMENDERS,) if name in _MIRRORED else ()))
    urls = tuple(f"{base}/{name}.zip" for base in bases)
    checksum, counts = _CHECKSUMS.get(name), _COUNTS.get(name)
    return Release(name, description, urls, megabytes, checksum=checksum, counts=counts, has_violence=has_violence)


RELEASES = {
    release.name: release
    for release in (
        _movielens("ml-100k", "MovieLens 100K (1998): 100,000 ratings, demographics", 4.9),
        _movielens("ml-1m", "MovieLens 1M (2003): 1 million ratings, demographics; what most results here are on", 5.9),
        _movielens("ml-10m", "MovieLens 10M (2009): 10 million ratings", 65.6),
        _movielens("ml-20m", "MovieLens 20M (2015): 20 million ratings, tag genome", 198.7, has_violence=True),
        _movielens("ml-25m", "MovieLens 25M (2019): 25 million ratings, tag genome", 262.0, has_violence=True),
        _movielens("ml-32m", "MovieLens 32M (2024): 32 million ratings", 239.0),
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
"""Releases that can be fetched, by name."""


def is_name(text: str) -> bool:
    """Whether a data set is given by its name; options may follow those of the worlds with a known gap."""
    return text in (*GENERATED, *RELEASES) or text.partition("?")[0] in (PLANTED_GAP, NO_GAP)


def release_of(name: str) -> Release:
    """The release of a name.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    if name not in RELEASES:
        raise InputError(f"there is no data set {name!r} to fetch; {did_you_mean(name, RELEASES)}")
    return RELEASES[name]


def split(text: str) -> tuple[Path, str]:
    """The path, and the options after the question mark; both may hold question marks."""
    marks = [len(text), *(mark.start() for mark in re.finditer(r"\?", text))]
    paths = {mark: Path(text[:mark]).expanduser() for mark in marks}
    end = next((mark for mark in sorted(marks, reverse=True) if paths[mark].exists()), min(marks))
    return paths[end], text[end + 1 :]


def path_of(text: str) -> tuple[Path, str]:
    """The path to ratings of the user's own, and the options after the question mark.

    Raises:
        InputError: there is nothing at the path.
    """
    path, query = split(text)
    if not path.exists():
        raise InputError(
            f"there is no data set {str(path)!r}: give a path, or a name after 'pydeeprecsys data fetch NAME'; "
            + did_you_mean(str(path), [*GENERATED, *RELEASES])
        )
    return path, query
