"""The file of a whole experiment: YAML, or the `config.json` of a run, a comparison or a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import Any

from pydeeprecsys.arguments import Argument
from pydeeprecsys.data.releases import is_name, path_of
from pydeeprecsys.errors import InputError, did_you_mean
from pydeeprecsys.experiments import catalogue
from pydeeprecsys.experiments.environments import DEFAULT_ENV, described, env_option
from pydeeprecsys.experiments.plain_values import read_values
from pydeeprecsys.experiments.sweep import Sweep

DEMO = Path(__file__).with_name("demo.yaml")
"""The experiment of `pydeeprecsys demo`."""

KINDS = ["run", "compare", "tune"]
"""What a file can describe."""

_CONTAINERS = {
    name: Argument(name, kind, optional=False, range=None, default=Parameter.empty, help="")
    for name, kind in {
        "env_options": Mapping[str, Any],
        "agents": Sequence[str],
        "hyperparameters": Mapping[str, Any],
    }.items()
}
"""Settings that no option of the command line stands for."""


def read_experiment(path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read the settings of a run, a comparison or a search, and check them as far as no world is needed.

    They have the names of `config.json`, and are read by `Settings.from_json`. All but `kind` and the agents may be
    left out, for their defaults; a `config.json`, which has a `provenance`, is complete.

    Args:
        path: of YAML, see `read_values`, or of JSON if the name ends in .json.
        changes: NAME=VALUE each, VALUE in YAML: settings in place of the file's. A NAME may have parts, as in
            env_options.slate_size or hyperparameters.dqn.learning_rate.

    Raises:
        InputError: it is no such file; or a setting is unknown, missing or of a wrong type.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file, such as its config.json")
    try:
        text = path.read_text("utf-8-sig")
    except ValueError as error:
        raise InputError(f"{path} is no text in UTF-8: {error}") from error
    experiment = read_values(text, str(path), is_json=path.suffix == ".json")
    try:
        if not isinstance(experiment, dict):
            raise InputError("it holds no settings; write NAME: VALUE, such as kind: compare")
        for change in changes:
            _change(experiment, change)
        _check(experiment)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return experiment


def _change(experiment: dict[str, Any], change: str) -> None:
    target, equals, text = change.partition("=")
    first, *rest = target.split(".")
    if not equals or not all([first, *rest]):
        raise InputError(f"--set takes NAME=VALUE, such as env_options.slate_size=3, not {change!r}")
    # The name of an agent of your own may have dots itself.
    names = [first, *([".".join(rest[:-1])] if rest[1:] else []), *rest[-1:]]
    inner: Any = experiment
    for name in names[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {change}: {name} has no parts")
    inner[names[-1]] = read_values(text, f"--set {change}")


def _check(experiment: Mapping[str, Any]) -> None:
    kind = experiment.get("kind")
    if kind not in KINDS:
        raise InputError(f"the kind must be one of {', '.join(KINDS)}, it is {kind!r}")
    known = {**catalogue.settings("task"), **catalogue.settings(kind), **_CONTAINERS}
    if kind != "compare":
        del known["agents"]
    known["env"].check(env := experiment.get("env", DEFAULT_ENV))
    options = described(env).arguments
    for name, value in experiment.items():
        if name in known:
            known[name].check(value)
        elif name not in ("kind", "provenance"):
            of_env = f"it is one of {env}: write it below env_options" if name in options else ""
            raise InputError(f"a {kind} has no setting {name!r}; {of_env or did_you_mean(name, known)}")
    if "provenance" in experiment and not _is_provenance(experiment["provenance"]):
        raise InputError("its provenance is not that of a config.json; leave it out")
    # What a config.json lacks, its version had no name for, and perhaps another value than today's default.
    complete = [name for name in known if name != "sweep"]  # before there were sweeps there was none
    needed = complete if "provenance" in experiment else [name for name in known if name in ("agent", "agents")]
    if missing := [name for name in needed if name not in experiment]:
        raise InputError(f"there is no setting of {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}")
    dataset: str | None = experiment.get("dataset")
    if dataset is not None and not is_name(dataset):
        path_of(dataset)
    for name, value in experiment.get("env_options", {}).items():
        env_option(env, name).check(value)
    if experiment.get("sweep") is not None:
        Sweep.read(experiment["sweep"], env)
    given = experiment.get("hyperparameters", {})
    by_agent = given if kind == "compare" else {experiment["agent"]: given}
    for agent in (*experiment.get("agents", ()), *by_agent):
        catalogue.agent(agent)
    for agent, hyperparameters in by_agent.items():
        known["hyperparameters"].check(hyperparameters)
        for name, value in hyperparameters.items():
            catalogue.agent_option(agent, name).check(value)


def _is_provenance(given: Any) -> bool:
    if not isinstance(given, dict) or not isinstance(given.get("versions"), dict):
        return False
    return type(given.get("threads")) is int and given["threads"] > 0
