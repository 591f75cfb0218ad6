"""A folder of results: its configuration, its lock, and which of its files may be removed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, Self

from pydeeprecsys.errors import BusyError, InputError, shortened
from pydeeprecsys.experiments.earlier_versions import with_todays_names, with_todays_values
from pydeeprecsys.experiments.sweep import Sweep
from pydeeprecsys.files import UNFINISHED, read_object, remove_leftovers, whole_file

_CONFIG, _LOCK, _LOG = "config.json", ".lock", "log.txt"
_BEGUN = ".begun.json"  # the configuration again: a folder without it is not proven to be ours
_RUNS, _EVALUATIONS, AUDITS = "runs", "evaluations", "audits"
# The settings that may change by kind of folder, besides those that are no part of its identity.
_MAY_CHANGE = {
    "run": {"episodes", "steps"},
    "compare": {"agents", "seeds", "episodes", "sweep"},
    "tune": {"trials"},
    "evaluation": {"pool", "episodes", "env_options"},
    "audit": {"pool", "sessions", "groups", "alpha", "threshold", "columns", "notes", "runs"},
}
NO_IDENTITY = {"checkpoint_every", "provenance", "dataset"}
"""Settings by which folders do not differ: the same ratings may lie elsewhere, and provenance has their checksum."""
_OF_ONE_RUN = {"kind", "provenance", "agent", "seed", "episodes", "hyperparameters"}
_OF_ONE_RUN |= {"checkpoint_every", "evaluate_every"}
_BANDITS = ("linucb", "thompson")
_INNER = {"run": (_EVALUATIONS, AUDITS), "compare": (_RUNS, AUDITS), "tune": (_RUNS,)}
_KIND_OF = {_RUNS: "run", _EVALUATIONS: "evaluation", AUDITS: "audit"}


class ClaimedFolder:
    """A folder that belongs to one run, one comparison, one search, one later evaluation or one audit.

    Args:
        path: of the folder; it is made with the first file.
    """

    results: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Patterns of the files that may be in a folder of each kind besides its configuration, its log and its lock."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def is_begun(self) -> bool:
        """Whether it has a configuration, of whatever kind."""
        return (self.path / _CONFIG).is_file()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of a run, comparison, search, evaluation or audit; empty if it is none of these."""
        config = with_todays_names(self._written)
        given = config.get("hyperparameters")
        if isinstance(given, dict):
            if config.get("kind") == "compare":  # bandits had the world's features by default
                given = {agent: {"item_features": True} for agent in _BANDITS if self._had_switch(agent)} | given
            config["hyperparameters"] = with_todays_values(given)
        return config if str(config.get("kind")) in _MAY_CHANGE and isinstance(config.get("provenance"), dict) else {}

    @property
    def kind(self) -> str:
        """What it is of: "run", "compare" or "tune".

        Raises:
            InputError: it is of none of these.
        """
        kind = str(self.config.get("kind"))
        if kind not in _INNER:
            raise InputError(
                f"{self.path} has no config.json of a run; give the folder that train, compare or tune wrote to"
            )
        return kind

    @property
    def _written(self) -> dict[str, Any]:
        """The configuration as it is written; empty if there is none."""
        return read_object(self.path / _CONFIG)

    @property
    def begun(self) -> dict[str, Any]:
        """The configuration that its results are of, also if `config` was edited; empty before, and if not known."""
        return read_object(self.path / _BEGUN)

    @property
    def outer(self) -> Self | None:
        """The folder whose run, evaluation or audit this is; None if there is none."""
        path = self.path.absolute()
        outer = type(self)(path.parent.parent)
        return outer if path.parent.name in _INNER.get(str(outer.config.get("kind")), ()) else None

    def _had_switch(self, agent: str) -> bool:
        return self.run(agent, 0)._written.get("hyperparameters", {}).get("item_features") is True

    def begin(self, config: Mapping[str, Any], on_change: Callable[[], None] = lambda: None) -> None:
        """Write the configuration; or, if there is one already, check that it is the same, but for what may change.

        Args:
            config: the settings, and the `provenance` of the numbers.
            on_change: called before a configuration is written that differs from the one before.

        Raises:
            InputError: the folder was begun with other settings, or other ratings, or by an earlier version; or it
                holds a file that results would be written over.
        """
        files = [_CONFIG, _BEGUN]
        may_change = _MAY_CHANGE[config["kind"]]
        if self.is_begun:
            if not self.config:
                raise InputError(f"{self.path / _CONFIG} is not that of a run; give another folder")
            self.check_settings(config.keys())
            self.check_data(config["provenance"])
            now = {name: value for name, value in config.items() if name not in NO_IDENTITY}
            if found := difference(self.config, now, ignore=may_change):
                raise InputError(
                    f"{self.path} holds another run: its {found}; "
                    f"continue that one with 'pydeeprecsys resume {self.path}', or give another folder"
                )
            if not difference(self.begun or self.config, {name: config[name] for name in may_change & config.keys()}):
                return
            on_change()
            if not self.begun:  # of an earlier version
                files.remove(_BEGUN)
        else:
            if taken := sorted(filter(self._is_result(config["kind"]), self.files)):
                raise InputError(f"{self.path} holds {shortened(taken)}, not of a run; give another folder")
            files.reverse()  # a folder with a configuration alone is of an earlier version
        for name in files:
            with whole_file(self.path / name) as temporary:
                temporary.write_text(json.dumps(config, indent=2))

    def check_settings(self, names: Collection[str]) -> None:
        """Raise an InputError unless the configuration has settings of all these names, and was not edited."""
        config = self.config
        ignore = {"checkpoint_every", "dataset", "versions", *_MAY_CHANGE[config["kind"]]}
        if self.begun and (found := difference(self._written, dict.fromkeys(self._written) | self.begun, ignore)):
            raise InputError(
                f"{self.path / _CONFIG} was edited: {found} as the folder was begun; change it back, or begin in "
                "another folder"
            )
        if missing := [name for name in names if name not in config]:
            version = config["provenance"].get("versions", {}).get("pydeeprecsys", "of another version")
            raise InputError(
                f"{self.path} was begun by pydeeprecsys {version}, before there were settings for "
                f"{', '.join(missing)}; train it again in another folder"
            )

    def check_data(self, provenance: Mapping[str, Any]) -> None:
        """Raise an InputError if the folder was begun with other ratings than those of a `provenance`."""
        if self.config["provenance"].get("dataset_checksum") != provenance.get("dataset_checksum"):
            raise InputError(f"the ratings are not those that {self.path} was begun with; give another folder")

    @contextmanager
    def claimed(self, *, overwrite: bool = False) -> Iterator[Callable[[str], None]]:
        """Lock the folder, and give a function that writes a line to its log.

        Args:
            overwrite: remove what the folder holds, once it is locked.

        Raises:
            BusyError: another process is using it.
            InputError: it is to be overwritten and holds files that are not of a run; nothing was removed.
        """
        if overwrite:
            if (outer := self.outer) is not None:
                raise InputError(f"{self.path} belongs to {outer.path}; nothing was removed; give another --out")
            self._check_ours()  # a lock would be one more file among the user's own
        with self._locked():
            if overwrite:
                self._clear()
            remove_leftovers(self.path)

            def log(line: str) -> None:
                with (self.path / _LOG).open("a", encoding="utf-8") as file:
                    file.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}\n")

            yield log

    @property
    def files(self) -> list[str]:
        """The names of its files and folders, without hidden ones."""
        return sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))

    @property
    def days(self) -> list[str]:
        """The days, as YYYY-MM-DD, of the lines of its log, in order."""
        path = self.path / _LOG
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return sorted({line[:10] for line in lines if re.match(r"\d{4}-\d\d-\d\dT", line)})

    @property
    def runs(self) -> list[Self]:
        """The runs of a comparison or a search that have begun; of a run, the run itself."""
        if self.config.get("kind") == "run":
            return [self]
        return [run for path in sorted(self.path.glob(f"{_RUNS}/*/")) if (run := type(self)(path)).config]

    def run(self, name: str, seed: int) -> Self:
        """The folder of a run: of an agent, in a sweep of a name of `Sweep.names`; in a search of a trial's number."""
        return type(self)(self.path / _RUNS / f"{name.replace(':', '.')}-{seed}")

    def again(self, label: str) -> Self:
        """The folder of a later evaluation of the run."""
        return type(self)(self.path / _EVALUATIONS / label)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import filelock

        self.path.mkdir(parents=True, exist_ok=True)
        # The operating system releases the lock when a process ends, however it ends.
        lock = filelock.FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise BusyError(f"another process is using {self.path}; wait for it, or give another folder") from error
        try:
            yield
        finally:
            lock.release()

    def _check_ours(self) -> None:
        if foreign := sorted(self._foreign()):
            raise InputError(
                f"{self.path} holds what is not proven to be of a run: {shortened(foreign)}; nothing was removed; give "
                "another --out, or continue a run with 'pydeeprecsys resume'"
            )

    def _foreign(self) -> Iterator[str]:
        """Names of what is in the folder and not of the run, comparison, search or evaluation that began it."""
        config = self.config if self.begun else {}
        inner, is_result = _INNER.get(str(config.get("kind")), ()), self._is_result(config.get("kind"))
        for path in self.path.iterdir() if self.path.exists() else ():
            if path.name in inner and path.is_dir() and not path.is_symlink():
                yield from (f"{path.name}/{one.name}" for one in path.iterdir() if not self._holds(type(self)(one)))
            elif path.name not in (_LOCK, _BEGUN) and (path.is_dir() or not is_result(path.name)):
                yield path.name

    def _is_result(self, kind: str | None) -> Callable[[str], bool]:
        """Whether a name is that of a file that a folder of a kind may hold, but for its lock."""
        ours = [] if kind is None else [_CONFIG, _LOG, f"{UNFINISHED}*", *self.results.get(kind, ())]
        return lambda name: any(fnmatchcase(name, pattern) for pattern in ours)

    def _holds(self, inner: Self) -> bool:
        """Whether a folder within this one is one of its runs, evaluations or audits, or of nothing yet."""
        if inner.path.is_symlink() or not inner.path.is_dir() or any(inner._foreign()):
            return False
        config, own = self.config, inner.config
        kind = _KIND_OF[inner.path.parent.name]
        if not own or kind != "run":
            return not own or bool(own["kind"] == kind)
        sweep = Sweep.parse(config["sweep"]) if config.get("sweep") else None
        differing = {name for name in config.keys() & own.keys() if config[name] != own[name]}
        fits: bool = own["kind"] == kind and differing <= _OF_ONE_RUN | ({"env_options"} if sweep else set())
        name = sweep.name(own) if sweep else own["agent"]
        return fits and (config["kind"] == "tune" or inner.path == self.run(name, own["seed"]).path)

    def _clear(self) -> None:
        """Remove what a locked folder holds, if nothing else is in it and no process is using it."""
        self._check_ours()
        with ExitStack() as stack:
            for inner in _KIND_OF:
                for folder in sorted(self.path.glob(f"{inner}/*")):
                    stack.enter_context(type(self)(folder)._locked())
            for inner in _KIND_OF:
                shutil.rmtree(self.path / inner, ignore_errors=not (self.path / inner).exists())
            # The configuration last: without it, what is left after a kill would be taken for the user's own.
            for path in sorted(self.path.iterdir(), key=lambda path: path.name in (_CONFIG, _BEGUN)):
                if path.name != _LOCK:
                    path.unlink()


def difference(before: Mapping[str, Any], now: Mapping[str, Any], ignore: Collection[str] = (), at: str = "") -> str:
    """The first value of `now` that differs from the one before, with its name; empty if there is none."""
    for name in sorted(now.keys() - set(ignore)):
        old, new = before.get(name), now[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if inner := difference(old, {**dict.fromkeys(old), **new}, ignore, f"{at}{name}."):
                return inner
        elif old != new:
            return "{}{} is {}, not {}".format(at, name, *(shorten(str(value), 60) for value in (old, new)))
    return ""
