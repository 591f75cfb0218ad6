"""`pydeeprecsys resume`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from pydeeprecsys.cli.common import building_bar, screen
from pydeeprecsys.cli.compare import compare_with_progress
from pydeeprecsys.cli.settings import describe
from pydeeprecsys.cli.train import train_with_progress
from pydeeprecsys.cli.tune import tune_with_progress
from pydeeprecsys.data.releases import SYNTHETIC
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.tuning import Tuning

_KINDS: dict[str, type[Settings]] = {each.kind: each for each in (RunConfig, Comparison, Tuning)}


def resume(folder: Path, budget: Mapping[str, int], jobs: int, ray_address: str | None) -> None:
    """Continue the run, comparison or search in a folder, with a larger budget if one is given."""
    settings = read_settings(folder)
    if budget:
        settings = _longer(settings, RunFolder(folder), budget)
    finish(settings, folder, jobs, ray_address)


def finish(settings: Settings, out: Path, jobs: int, ray: str | None, *, overwrite: bool = False) -> None:
    """Run, as far as that is not done yet, with progress on screen."""
    if isinstance(settings, Comparison):
        compare_with_progress(settings, out, jobs, ray, overwrite=overwrite)
    elif isinstance(settings, Tuning):
        tune_with_progress(settings, out, jobs, ray, overwrite=overwrite)
    elif isinstance(settings, RunConfig):
        train_with_progress(settings, out, jobs, ray, overwrite=overwrite)


def _longer(settings: Settings, folder: RunFolder, budget: Mapping[str, int]) -> Settings:
    """The settings with a larger budget.

    Raises:
        InputError: they have no such budget, or it is not larger, or the folder belongs to another.
    """
    if isinstance(settings, Tuning):
        raise InputError(f"{folder.path} is a search: give 'pydeeprecsys tune' more --trials, and this --out")
    if (outer := folder.outer) is not None:
        raise InputError(f"{folder.path} belongs to {outer.path}; resume that with more episodes")
    (name, given), *others = budget.items()
    before = getattr(settings, name, None)
    if others or before is None:
        unit = "episodes" if getattr(settings, "steps", None) is None else "steps"
        raise InputError(f"the budget of {folder.path} is in {unit} alone; give --{unit}")
    if given <= before and (folder.is_done or isinstance(settings, Comparison)):
        raise InputError(f"{folder.path} has a budget of {before} {name} already; give more, or leave --{name} out")
    longer: dict[str, Any] = {name: given}
    return replace(settings, **longer)


def read_settings(folder: Path) -> Settings:
    """The settings of the run, comparison or search in a folder; its world is opened, and torch's threads are set.

    Raises:
        InputError: the folder is of none of these, or of an earlier version.
    """
    results = RunFolder(folder)
    config = results.config
    results.check_settings([each.name for each in fields(_KINDS[results.kind]) if each.name != "task"])
    return open_settings(config, config["provenance"].get("threads", 1))


def open_settings(config: Mapping[str, Any], threads: int) -> Settings:
    """The settings in a configuration; their world is opened, and torch's threads are set."""
    try:
        torch.set_num_threads(threads)
        with building_bar(config.get("dataset") or SYNTHETIC) as progress:
            settings = _KINDS[config["kind"]].from_json(config, progress)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"the settings are damaged ({error!r})") from error
    describe(settings.task)
    now = provenance(settings.task.world)["versions"]
    for package, version in config.get("provenance", {}).get("versions", {}).items():
        if now.get(package) != version:
            screen.print(f"begun with {package} {version}, this is {now.get(package)}: last bits may differ")
    return settings
