"""The same movie in two data sets, found by title and year."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

_YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\D*$")
_ALSO_KNOWN_AS = re.compile(r"^a\.?k\.?a\.?\s+", re.IGNORECASE)
# MovieLens writes a leading article last: "Matrix, The (1999)".
_ARTICLES = re.compile(r"the|an?|l[aeo]s?|l'|les|el|il?|gli|d[aeo]s|de[rnt]?|die|en|[oa]s?|une?|una|eine?")


def match_titles(titles: Sequence[str], listed: Iterable[tuple[str, int]]) -> list[int | None]:
    """Find each title among those that are listed, by title and year.

    Case, accents, punctuation, "&" for "and" and the place of the article make no difference: "Matrix, The (1999)" is
    "The Matrix (1999)". Where the main title is not listed, other titles in parentheses are tried, then parts between
    colons or dashes: "Star Wars (1977)" is "Star Wars: Episode IV - A New Hope (1977)". The year must be the same.

    Args:
        titles: each with its year in parentheses; the same title twice is the same movie.
        listed: title and id; an id may have several titles.

    Returns:
        For each title the id; None without a year, where nothing is found, and where the match is ambiguous: several
        listed ids, or several other titles, fit equally well.
    """
    ids: list[dict[tuple[str, str], set[int]]] = [defaultdict(set) for _ in range(3)]
    for title, number in listed:
        for known, names in zip(ids, _names(title), strict=False):
            for name in names:
                known[name].add(number)
    found: dict[str, tuple[int, int]] = {}  # by title: how it was found, lower is better, and the id
    for title in dict.fromkeys(titles):
        for rank, names in enumerate(_names(title)):
            fitting = set[int]().union(*(ids[rank].get(name, ()) for name in names))
            if fitting:
                if len(fitting) == 1:
                    found[title] = (rank, fitting.pop())
                break
    claims: dict[int, dict[int, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for title, (rank, number) in found.items():
        claims[number][rank] |= _names(title)[0]
    best = {number: min(ranks) for number, ranks in claims.items()}
    sure = {(rank, number) for number, rank in best.items() if len(claims[number][rank]) == 1}
    return [found[title][1] if found.get(title) in sure else None for title in titles]


def _names(title: str) -> list[set[tuple[str, str]]]:
    """Names with the year: the main title; all titles; all titles and their parts. Empty without a year."""
    year = _YEAR.search(title)
    if year is None:
        return []
    text = title[: year.start()]
    main = re.sub(r"\([^()]*\)", "", text)
    all_titles = [main, *(_ALSO_KNOWN_AS.sub("", other.strip()) for other in re.findall(r"\(([^()]*)\)", text))]
    parts = [part for name in all_titles for part in re.split(r": | - ", name)]
    named = [{(_normal(name), year[1]) for name in names} for names in ([main], all_titles, [*all_titles, *parts])]
    return [{name for name in names if name[0]} for names in named]


def _normal(name: str) -> str:
    """Lower case, without accents and punctuation, its article first."""
    name = unicodedata.normalize("NFKD", name.casefold().replace("’", "'").replace("&", " and ")).strip()
    body, _, last = name.rpartition(", ")
    if body and _ARTICLES.fullmatch(last):
        name = last + body if last.endswith("'") else f"{last} {body}"
    letters = "".join(letter for letter in name if not unicodedata.combining(letter) and letter != "'")
    return " ".join(re.findall(r"\w+", letters))
