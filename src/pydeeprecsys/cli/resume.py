"""`pydeeprecsys resume`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import torch

from pydeeprecsys.cli.common import RAY_OPTION, open_world_with_progress, screen
from pydeeprecsys.cli.compare import compare_with_progress
from pydeeprecsys.cli.train import train_with_progress
from pydeeprecsys.cli.tune import tune_with_progress
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.compare import Comparison
from pydeeprecsys.experiments.record import record_of
from pydeeprecsys.experiments.run import RunConfig
from pydeeprecsys.experiments.run_folder import CONFIG, holds_run
from pydeeprecsys.experiments.tuning import Tuning

_SETTINGS: dict[str, type[RunConfig | Comparison | Tuning]] = {"run": RunConfig, "compare": Comparison, "tune": Tuning}


@click.command("resume")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes side by side.")
def command(folder: Path, jobs: int, ray: str | None) -> None:
    """Go on with what was stopped or killed in FOLDER, to the same numbers as if it had not been.

    Takes what 'train', 'compare' and 'tune' have begun, with the settings, the data and the number of threads that it
    was begun with. What is done already is kept.
    """
    config = _read(folder)
    record = config["record"]
    torch.set_num_threads(record["threads"])
    world = open_world_with_progress(config["dataset"])
    now = record_of(world)["versions"]
    for package, version in record["versions"].items():
        if now.get(package) != version:
            screen.print(f"begun with {package} {version}, this is {now.get(package)}: last bits may differ")
    if config["kind"] == "compare":
        compare_with_progress(Comparison.from_json(config, world), folder, jobs, ray)
    elif config["kind"] == "tune":
        tune_with_progress(Tuning.from_json(config, world), folder, jobs, ray)
    else:
        train_with_progress(RunConfig.from_json(config), world, folder)


command.params.append(RAY_OPTION)


def _read(folder: Path) -> dict[str, Any]:
    if not holds_run(folder):
        raise InputError(f"{folder} has no {CONFIG} of a run; give the folder that train, compare or tune wrote to")
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    settings = _SETTINGS[config["kind"]].__dataclass_fields__
    missing = [name for name in settings if name not in config and name != "world"]
    if missing:
        version = config["record"].get("versions", {}).get("pydeeprecsys", "of another version")
        raise InputError(
            f"{folder} was begun by pydeeprecsys {version}, before there were settings for {', '.join(missing)}; "
            "train it again in another folder"
        )
    if config["dataset"] is None:
        raise InputError(f"{folder} was begun from Python, with a world of its own: go on by the same call")
    return config
