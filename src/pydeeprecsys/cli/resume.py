"""`pydeeprecsys resume`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from pydeeprecsys.cli.common import building_bar, screen
from pydeeprecsys.cli.compare import compare_with_progress
from pydeeprecsys.cli.settings import describe
from pydeeprecsys.cli.train import train_with_progress
from pydeeprecsys.cli.tune import tune_with_progress
from pydeeprecsys.data.releases import SYNTHETIC
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.tuning import Tuning

_KINDS: dict[str, type[Settings]] = {each.kind: each for each in (RunConfig, Comparison, Tuning)}


def resume(folder: Path, jobs: int, ray_address: str | None) -> None:
    """Continue the run, comparison or search in a folder."""
    finish(read_settings(folder), folder, jobs, ray_address)


def finish(settings: Settings, out: Path, jobs: int, ray: str | None, *, overwrite: bool = False) -> None:
    """Run, as far as that is not done yet, with progress on screen."""
    if isinstance(settings, Comparison):
        compare_with_progress(settings, out, jobs, ray, overwrite=overwrite)
    elif isinstance(settings, Tuning):
        tune_with_progress(settings, out, jobs, ray, overwrite=overwrite)
    elif isinstance(settings, RunConfig):
        train_with_progress(settings, out, jobs, ray, overwrite=overwrite)


def read_settings(folder: Path) -> Settings:
    """The settings of the run, comparison or search in a folder; its world is opened, and torch's threads are set.

    Raises:
        InputError: the folder is of none of these, or of an earlier version.
    """
    results = RunFolder(folder)
    config = results.config
    results.check_settings([each.name for each in fields(_KINDS[results.kind]) if each.name != "task"])
    return open_settings(config, config["provenance"]["threads"])


def open_settings(config: Mapping[str, Any], threads: int) -> Settings:
    """The settings in a configuration; their world is opened, and torch's threads are set."""
    torch.set_num_threads(threads)
    with building_bar(config.get("dataset") or SYNTHETIC) as progress:
        settings = _KINDS[config["kind"]].from_json(config, progress)
    describe(settings.task)
    now = provenance(settings.task.world)["versions"]
    for package, version in config.get("provenance", {}).get("versions", {}).items():
        if now.get(package) != version:
            screen.print(f"begun with {package} {version}, this is {now.get(package)}: last bits may differ")
    return settings
