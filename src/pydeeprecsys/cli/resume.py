"""`pydeeprecsys resume`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import torch

from pydeeprecsys.cli.common import building_bar, screen
from pydeeprecsys.cli.compare import compare_with_progress
from pydeeprecsys.cli.settings import describe
from pydeeprecsys.cli.train import train_with_progress
from pydeeprecsys.cli.tune import tune_with_progress
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.config import RunConfig, Settings
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.tuning import Tuning

_KINDS: dict[str, type[Settings]] = {each.kind: each for each in (RunConfig, Comparison, Tuning)}


def resume(folder: Path, jobs: int, ray_address: str | None) -> None:
    """Continue the run, comparison or search in a folder."""
    settings = read_settings(folder)
    if isinstance(settings, Comparison):
        compare_with_progress(settings, folder, jobs, ray_address)
    elif isinstance(settings, Tuning):
        tune_with_progress(settings, folder, jobs, ray_address)
    elif isinstance(settings, RunConfig):
        train_with_progress(settings, folder, jobs, ray_address)


def read_settings(folder: Path) -> Settings:
    """The settings of the run, comparison or search in a folder; its world is opened, and torch's threads are set.

    Raises:
        InputError: the folder is of none of these, or of an earlier version.
    """
    results = RunFolder(folder)
    config = results.config
    kind = _KINDS[results.kind]
    results.check_settings([each.name for each in fields(kind) if each.name != "task"])
    torch.set_num_threads(config["provenance"]["threads"])
    with building_bar(str(config["dataset"])) as progress:
        settings = kind.from_json(config, progress)
    describe(settings.task)
    now = provenance(settings.task.world)["versions"]
    for package, version in config["provenance"]["versions"].items():
        if now.get(package) != version:
            screen.print(f"begun with {package} {version}, this is {now.get(package)}: last bits may differ")
    return settings
