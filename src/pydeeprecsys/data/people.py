"""Demographics of the user's own users, in the words of their table."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pydeeprecsys.arrays import Floats
from pydeeprecsys.data.columns import MISSING, read_texts
from pydeeprecsys.data.movielens_layouts import OCCUPATIONS
from pydeeprecsys.data.table_files import TableFile

_SEXES = dict.fromkeys(("f", "female", "w", "woman", "women", "girl"), "F") | dict.fromkeys(
    ("m", "male", "man", "men", "boy"), "M"
)
_AGE = re.compile(
    r"(?:under|below|<=?) *\d+"  # its lowest age is 0
    r"|(\d+) *(?:-|–|to) *\d+"
    r"|(?:over|above|>=?)? *(\d+(?:\.\d+)?) *(?:\+|and over|or more)?"
)


def read_sex(column: pa.ChunkedArray, words: tuple[str, str] | None) -> tuple[pd.Series[Any], list[str]]:
    """(users,) "F", "M" or None, and the words that stand for neither.

    Args:
        column: of any words.
        words: for female and male; None for the usual English ones.
    """
    meanings = dict(zip((word.strip().lower() for word in words), "FM", strict=True)) if words else _SEXES
    return _translated(column, meanings)


def read_occupation(column: pa.ChunkedArray) -> tuple[pd.Series[Any], list[str]]:
    """(users,) one of MovieLens 1M's codes 0..20, or None, and the values that stand for none."""
    return _translated(column, OCCUPATIONS | {str(code): code for code in range(21)})


def read_age(file: TableFile, name: str, column: pa.ChunkedArray) -> Floats:
    """(users,) ages in years, NaN where they are missing; of a band such as "25-34", the lowest, of "under 18", 0.

    Raises:
        InputError: a value is no age, 0 to 150, and no band.
    """
    texts = _in_lower_case(column)
    texts = texts.mask(texts.isin(MISSING), None)
    found = [None if text is None else _AGE.fullmatch(text) for text in texts]
    ages = np.array([np.nan if match is None else float(match[1] or match[2] or 0) for match in found])
    file.require(
        (texts.isna().to_numpy(np.bool_) | ((ages >= 0) & (ages <= 150))),
        f"{name} should be in years, 0..150, or a band such as 25-34, or nothing",
        texts,
    )
    return ages


def _in_lower_case(column: pa.ChunkedArray) -> pd.Series[Any]:
    texts = read_texts(column)
    return texts.str.lower() if texts.notna().any() else texts


def _translated(column: pa.ChunkedArray, meanings: dict[str, Any]) -> tuple[pd.Series[Any], list[str]]:
    """Texts by their meanings, None for others, and the others."""
    texts = _in_lower_case(column)
    return texts.map(meanings), sorted(set(texts.dropna()) - {*meanings, *MISSING})
