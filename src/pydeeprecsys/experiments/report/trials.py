"""The trials of a search for hyperparameters, as the report shows them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pydeeprecsys.experiments.captions import task_name
from pydeeprecsys.experiments.report.settings import flat
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.looks import looks

_FACTS = ["trial", "state", "mean_return", "note"]
_DECADES = 30.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


class SearchResults:
    """What a search reached.

    Args:
        folder: of the search; it has trials.

    Attributes:
        config: the settings of the search.
        trials: columns `trial`, `state`, `mean_return` (NaN unless complete), and the hyperparameters as text; best
            first, then the others in order.
        names: of the hyperparameters.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.config = folder.config
        trials = folder.trials
        self.trials = trials.sort_values("mean_return", ascending=False, kind="stable", ignore_index=True)
        self.names = [str(name) for name in trials.columns if name not in _FACTS]

    def section(self) -> dict[str, Any]:
        """The values of the search in the template."""
        config, states = self.config, self.trials["state"]
        complete = self.trials[states == "complete"]
        defaults = complete.loc[complete["trial"] == 0, "mean_return"]
        task = task_name(config["env"], config["dataset"], config["env_options"].get("slate_size", 1))
        return {
            "agent": config["agent"],
            "title": f"Search for hyperparameters of {config['agent']}: {task}",
            "counts": ", ".join(f"{(states == name).sum()} {name}" for name in ("complete", "pruned", "failed")),
            "best": complete.iloc[0].to_dict() if len(complete) else None,
            "defaults": next(iter(defaults), None),
            "fixed": flat(config["hyperparameters"]),
            "names": self.names,
            "rows": self.trials.to_dict("records"),
            "seeds": config["seeds"],
            "episodes": config["episodes"],
            "pool": config.get("evaluation_pool"),
            "varied": self._varied(complete),
        }

    def data(self) -> dict[str, Any]:
        """What its charts draw: the return of each trial, and of complete ones by each hyperparameter that varies."""
        agent = self.config["agent"]
        complete = self.trials[self.trials["state"] == "complete"]
        returns, numbers = complete["mean_return"].tolist(), complete["trial"].tolist()
        return {
            "look": looks({agent: agent})[agent].as_json(),
            "trials": complete.sort_values("trial")[["trial", "mean_return"]].to_numpy().tolist(),
            "best": numbers[0] if numbers else None,
            "parameters": [
                {"name": name, **self._axis(complete[name]), "returns": returns, "trials": numbers}
                for name in self._varied(complete)
            ],
        }

    def _varied(self, complete: pd.DataFrame) -> list[str]:
        return [name for name in self.names if complete[name].nunique() > 1]

    @staticmethod
    def _axis(texts: pd.Series) -> dict[str, Any]:
        numbers = pd.to_numeric(texts, errors="coerce")
        if numbers.isna().any():
            return {"values": texts.replace("", "none").tolist(), "type": "category"}
        wide = numbers.min() > 0 and numbers.max() / numbers.min() >= _DECADES
        return {"values": numbers.tolist(), "type": "log" if wide else "linear"}
