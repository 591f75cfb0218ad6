"""`pydeeprecsys run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydeeprecsys.cli.resume import finish, open_settings
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.run import check


def run_experiment(file: Path, experiment: Mapping[str, Any], arguments: Mapping[str, Any], out: Path) -> None:
    """Run what a file describes, with the arguments of the command.

    Raises:
        InputError: it has a provenance, and the ratings are not those.
    """
    before = experiment.get("provenance", {})
    settings = open_settings(experiment, arguments["threads"] or before.get("threads", 1))
    if before and before.get("dataset_checksum") != provenance(settings.task.world).get("dataset_checksum"):
        raise InputError(f"the ratings are not those that {file} was run with; give them, or leave out its provenance")
    if isinstance(settings, RunConfig):
        check(settings)
    finish(settings, out, arguments["jobs"], arguments["ray"], overwrite=arguments["overwrite"])
