"""Recorded sessions in few bytes, for the session explorer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydeeprecsys.experiments.run_folder import RunFolder

BUDGET = 700_000
"""Bytes of JSON: with plotly's 5 MB the page stays below 6."""


class Packer:
    """Packs sessions: each item is described once, and of the affinities only changes are kept.

    Attributes:
        genres: names of the affinities, and of the genres of items.
        items: for each item shown in any session its title, the numbers of its genres, its violence (null if it is not
            known), and whether that was measured.
    """

    def __init__(self) -> None:
        self.genres: list[str] = []
        self.items: list[list[Any]] = []
        self._numbers: dict[str, int] = {}

    def session(self, session: Mapping[str, Any], genres: Sequence[str]) -> dict[str, Any]:
        """One session.

        Args:
            session: as in `sessions.json`.
            genres: names of its affinities.

        Returns:
            `user`; `affinities` at the begin, numbers of genres and values; `steps`, each a list of the items' numbers,
            their ratings, the position of the chosen one or -1, the reward, and the affinities that had moved before
            it, number of genre and new value in turn.
        """
        numbers = [self._genre(name) for name in genres]
        begin = [_short(affinity) for affinity in session["steps"][0]["affinities"]]
        steps, before = [], begin
        for step in session["steps"]:
            now = [_short(affinity) for affinity in step["affinities"]]
            moved: list[float] = []
            for number, old, new in zip(numbers, before, now, strict=True):
                if new != old:
                    moved += [number, new]
            before, shown = now, step["shown"]
            items, ratings = [self._item(item) for item in shown], [round(item["rating"], 2) for item in shown]
            steps.append([items, ratings, step["chosen"], round(step["reward"], 3), moved])
        return {"user": str(session["user"]), "affinities": [numbers, begin], "steps": steps}

    def _genre(self, name: str) -> int:
        if name not in self.genres:
            self.genres.append(name)
        return self.genres.index(name)

    def _item(self, item: Mapping[str, Any]) -> int:
        key = str(item["item"])
        if key not in self._numbers:
            self._numbers[key] = len(self.items)
            genres = [self._genre(name) for name in item["genres"]]
            violence = None if item["violence"] is None else round(item["violence"], 2)
            self.items.append([item["title"], genres, violence, item.get("measured")])
        return self._numbers[key]


def pack(runs: Sequence[tuple[str, RunFolder]], budget: int = BUDGET) -> dict[str, Any]:
    """Pack the recorded sessions of runs of one task, as many as there is room for.

    Sessions of the same seed and place are of the same user, and are kept or left out together, the last ones first.

    Args:
        runs: each with the label of its agent.
        budget: bytes of JSON.

    Returns:
        `genres` and `items`, see `Packer`; `runs`, each with `label`, `seed` and `sessions`, those without any left
        out; `leftOut`, how many sessions there was no room for.
    """
    packer = Packer()
    packed: list[dict[str, Any]] = [{"label": label, "seed": run.seed, "sessions": []} for label, run in runs]
    recorded = [run.sessions["sessions"] for _, run in runs]
    places = {(place, run.seed) for (_, run), own in zip(runs, recorded, strict=True) for place in range(len(own))}
    for place, seed in sorted(places):
        there = [i for i, (_, run) in enumerate(runs) if run.seed == seed and place < len(recorded[i])]
        known = len(packer.items)
        together = [packer.session(recorded[i][place], runs[i][1].sessions["genres"]) for i in there]
        budget -= len(json.dumps([together, packer.items[known:]], separators=(",", ":")))
        if budget < 0:
            del packer.items[known:]
            break
        for i, session in zip(there, together, strict=True):
            packed[i]["sessions"].append(session)
    kept = sum(len(run["sessions"]) for run in packed)
    return {
        "genres": packer.genres,
        "items": packer.items,
        "runs": [run for run in packed if run["sessions"]],
        "leftOut": sum(map(len, recorded)) - kept,
    }


def _short(number: float) -> float:
    """Three digits: a colour shows no more."""
    return float(f"{number:.3g}")
