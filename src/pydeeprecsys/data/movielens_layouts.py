"""The files, genres and rating scales of the MovieLens releases and of the tag genome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from pydeeprecsys.data.delimited import FLAG, ID, NUMBER, SECONDS, TEXT, File, Folder, Kind
from pydeeprecsys.errors import InputError

# fmt: off
GENRES = (
    "Other", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)
# fmt: on
"""The categories of movies, in the order of every genre axis."""

_SPELLINGS = {r"\bChildren\b(?!')": "Children's", r"\(no genres listed\)|\bunknown\b": ""}
"""Later releases say "Children"; the others stand in place of genres that are not known."""

WHOLE_STARS, HALF_STARS = (1.0, 5.0), (0.5, 5.0)
"""Rating scales of the releases."""

VIOLENCE_TAG = "violence"

# fmt: off
OCCUPATIONS = {
    "administrator": 3, "artist": 2, "doctor": 6, "educator": 1, "engineer": 17, "entertainment": 2, "executive": 7,
    "healthcare": 6, "homemaker": 9, "lawyer": 11, "librarian": 1, "marketing": 14, "none": 19, "other": 0,
    "programmer": 12, "retired": 13, "salesman": 14, "scientist": 15, "student": 4, "technician": 17, "writer": 20,
}
# fmt: on
"""As MovieLens 1M's codes; entertainers and librarians, which 1M has no code for, go where the Standard Occupational
Classification has them: with artists and with educators."""

# fmt: off
OCCUPATION_NAMES = (
    "other", "educator", "artist", "clerical", "college student", "customer service", "health care", "executive",
    "farmer", "homemaker", "K-12 student", "lawyer", "programmer", "retired", "sales", "scientist", "self-employed",
    "engineer", "tradesman", "unemployed", "writer",
)
# fmt: on
"""What MovieLens 1M's codes of occupations stand for, 0 to 20."""

SEX = Kind("F or M", {"F": "F", "M": "M"}.__getitem__)
OCCUPATION_CODE = Kind("an occupation code, 0..20", {str(code): code for code in range(21)}.__getitem__)
OCCUPATION_NAME = Kind(f"one of {', '.join(OCCUPATIONS)}", OCCUPATIONS.__getitem__)


@dataclass(frozen=True)
class Layout:
    """The files of a release. `genome_ids`: whether its movies have the ids of the tag genome."""

    ratings: File
    items: File
    scale: tuple[float, float]
    users: File | None = None
    genome_ids: bool = True

    @property
    def files(self) -> tuple[File, ...]:
        """The files that tell the release from the others."""
        return (self.ratings, self.items, *((self.users,) if self.users else ()))


@dataclass(frozen=True)
class GenomeLayout:
    """The files of a tag genome; `titles` may be absent."""

    scores: File
    tags: File
    titles: File

    @property
    def files(self) -> tuple[File, ...]:
        """The files that tell the genome from the others."""
        return (self.scores, self.tags)


_RATING = {"user_id": ID, "item_id": ID, "rating": NUMBER, "timestamp": SECONDS}
_ITEM = {"item_id": ID, "title": TEXT, "genres": TEXT}
_FLAGS = dict.fromkeys(GENRES, FLAG)
_ITEM_100K = {"item_id": ID, "title": TEXT, "released": TEXT, "video": TEXT, "url": TEXT} | _FLAGS
_USER_100K = {"user_id": ID, "age": ID, "sex": SEX, "occupation": OCCUPATION_NAME, "zip_code": TEXT}
_USER_1M = {"user_id": ID, "sex": SEX, "age": ID, "occupation": OCCUPATION_CODE, "zip_code": TEXT}
_RATINGS_CSV = File("ratings.csv", ",", _RATING, header="userId,movieId,rating,timestamp")
_MOVIES_CSV = File("movies.csv", ",", _ITEM, header="movieId,title,genres")
_SCORE = {"item_id": ID, "tag_id": ID, "relevance": NUMBER}

LAYOUTS = (
    # MovieLens 100K
    Layout(
        ratings=File("u.data", "\t", _RATING),
        items=File("u.item", "|", _ITEM_100K, encoding="latin-1"),
        users=File("u.user", "|", _USER_100K, encoding="latin-1"),
        scale=WHOLE_STARS,
        genome_ids=False,
    ),
    # MovieLens 1M
    Layout(
        ratings=File("ratings.dat", "::", _RATING),
        items=File("movies.dat", "::", _ITEM, encoding="latin-1"),
        users=File("users.dat", "::", _USER_1M, encoding="latin-1"),
        scale=WHOLE_STARS,
    ),
    # MovieLens 10M: as 1M, without users
    Layout(ratings=File("ratings.dat", "::", _RATING), items=File("movies.dat", "::", _ITEM), scale=HALF_STARS),
    # MovieLens 20M, 25M, 32M, latest, latest-small
    Layout(ratings=_RATINGS_CSV, items=_MOVIES_CSV, scale=HALF_STARS),
)
"""The first whose files are all there is the format of a release."""

GENOME_LAYOUTS = (
    GenomeLayout(
        scores=File("tag_relevance.dat", "\t", _SCORE),
        tags=File("tags.dat", "\t", {"tag_id": ID, "tag": TEXT, "popularity": ID}),
        titles=File("movies.dat", "\t", {"item_id": ID, "title": TEXT, "popularity": ID}),
    ),
    GenomeLayout(
        scores=File("genome-scores.csv", ",", _SCORE, header="movieId,tagId,relevance"),
        tags=File("genome-tags.csv", ",", {"tag_id": ID, "tag": TEXT}, header="tagId,tag"),
        titles=_MOVIES_CSV,
    ),
)

FILE_NAMES = frozenset(
    file.name for layout in (*LAYOUTS, *GENOME_LAYOUTS) for file in vars(layout).values() if isinstance(file, File)
)
"""All that is read of a release's folder, and of the folders in it."""

_L = TypeVar("_L", Layout, GenomeLayout)


def find_layout(layouts: Iterable[_L], folders: list[Folder]) -> tuple[_L, Folder] | None:
    """The first layout whose files are all in one of the folders, and that folder."""
    found = ((layout, folder) for layout in layouts for folder in folders if all(map(folder.has, layout.files)))
    return next(found, None)


def require_layout(layouts: Iterable[_L], folders: list[Folder]) -> tuple[_L, Folder]:
    """`find_layout`; InputError if there is none."""
    found = find_layout(layouts, folders)
    if found is None:
        known = "; or ".join(", ".join(file.name for file in layout.files) for layout in layouts)
        raise InputError(f"{folders[0].path}: the files of no known release are in it; it should hold {known}")
    return found


def canonical_genres(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Genres joined by "|" in the spelling of `GENRES`, without the texts that stand for unknown ones."""
    return texts.fillna("").replace(_SPELLINGS, regex=True)
