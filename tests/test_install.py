"""What a base installation can do, and how what is missing from it is named."""

import importlib.metadata as metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pydeeprecsys as pdr
from contracts.policies import write_policy
from pydeeprecsys.errors import InputError, MissingExtraError
from pydeeprecsys.experiments.workers import open_workers
from pydeeprecsys.extras import EXTRAS, naming_extras

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES: dict[str, set[str]] = defaultdict(set)  # by distribution
for module, distributions in metadata.packages_distributions().items():
    for distribution in distributions:
        MODULES[canonicalize_name(distribution)].add(module)

WORKS = ("--help", "--version", "train --help", "train ppo --help", "compare --help", "data --help", "env")
WORKS += ("demo --help",)
ERRORS = ("nosuch", "train nosuch", "train ppo --learning-rate -1", "env --nosuch", "resume nowhere", "report .")
NEEDS_TRAIN = ("train ppo", "train ease", "compare", "tune dqn", "run nowhere.yaml", "env CartPole-v1", "report run")
NEEDS_TRAIN += ("evaluate run", "audit run", "resume run", "train own:Agent", "train ppo --env own:Env-v0", "demo")
NEEDS_TRAIN += ("data list", "data fetch ml-1m", "data describe synthetic")
NEEDS_ONNX = ("export run --out policy",)
IMPORTS = ("pydeeprecsys.rl.agents.ppo", "pydeeprecsys.movielens_fairness_env", "pydeeprecsys.metrics.relevance")
IMPORTS += ("pydeeprecsys.evaluation.plots", "pydeeprecsys.simulation.movielens.simulator", "pydeeprecsys.envs.vector")
COMPLETED = "pydeeprecsys env Movie"

# In place of Python's own finder: one that finds no module of a name in `hidden`.
HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in hidden else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""
ASK = """
import contextlib, importlib, io, json, sys
import pydeeprecsys as pdr
from pydeeprecsys.cli import main
commands, imports = map(json.loads, sys.argv[1:])
answers = {}
for words in commands:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main(words.split())
        except SystemExit as stopped:
            answers[words] = stopped.code, out.getvalue(), errors.getvalue()
for name in [*imports, *pdr.__all__]:
    try:
        importlib.import_module(name) if name in imports else getattr(pdr, name)
        answers[name] = None
    except ImportError as error:
        answers[name] = type(error).__name__, str(error)
print(json.dumps(answers))
"""

RANK = """
import sys
from pydeeprecsys.serving.policy import Policy
try:
    policy = Policy.load(sys.argv[1])
    print([shown.item for shown in policy.rank({"sex": "F"}, [("b", 4.0)], k=2)])
except ImportError as error:
    print(error)
"""


def with_dependencies(names: set[str]) -> set[str]:
    """Distributions and those that they need, without extras."""
    needed = [Requirement(text) for name in names for text in metadata.requires(name) or ()]
    new = {canonicalize_name(each.name) for each in needed if not each.marker or each.marker.evaluate({"extra": ""})}
    return names if new <= names else with_dependencies(names | new)


def base(*extras: str) -> set[str]:
    """The modules of a base installation, besides Python's own, with some extras."""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in PROJECT["optional-dependencies"][extra])]
    names = {canonicalize_name(Requirement(text).name) for text in texts}
    return set().union(*(MODULES[name] for name in with_dependencies(names)), MODULES["pydeeprecsys"])


class AllElseHidden:
    """A base installation with some extras: this one, without the modules of all other distributions."""

    def __init__(self, folder: Path, *extras: str) -> None:
        hidden = set().union(*MODULES.values()) - base(*extras)
        assert {"torch", "numba", "gymnasium", "pandas", "scipy", "matplotlib", "onnx"} <= hidden
        self.folder, self._python = folder, Path(sys.executable)
        self._before, self._path = f"hidden = {hidden}\n{HIDE}", str(ROOT / "src")

    def output(self, code: str, *arguments: str, **variables: str) -> str:
        """What a program prints."""
        command = [self._python, "-c", self._before + code, *arguments]
        variables = os.environ | {"PYTHONPATH": self._path} | variables
        shown = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True)
        assert shown.stderr == ""
        return shown.stdout


class EmptyEnvironment(AllElseHidden):
    """A base installation with some extras, in an environment that holds nothing else."""

    def __init__(self, folder: Path, *extras: str) -> None:
        self._before, self._path = "", ""
        self.folder, source, self._python = folder / "work", folder / "source", folder / "venv" / "bin" / "python"
        self.folder.mkdir()
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        command = [self._python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
        what = f"{source}[{','.join(extras)}]" if extras else source
        subprocess.run([*command, what], check=True, timeout=300)


INSTALLATIONS = [AllElseHidden, pytest.param(EmptyEnvironment, marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=INSTALLATIONS)
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By command, its exit code, output and errors; by module and public name, the error of its import, if any."""
    base = request.param(tmp_path_factory.mktemp("base"))
    (base.folder / "run").mkdir()
    (base.folder / "run" / "config.json").write_text('{"kind": "run", "provenance": {}}')
    shown = base.output(ASK, json.dumps([*WORKS, *ERRORS, *NEEDS_TRAIN, *NEEDS_ONNX]), json.dumps(IMPORTS))
    assert [path.name for path in base.folder.iterdir()] == ["run"]
    completion = {"_PYDEEPRECSYS_COMPLETE": "bash_complete", "COMP_WORDS": COMPLETED, "COMP_CWORD": "2"}
    return {**json.loads(shown), COMPLETED: base.output("from pydeeprecsys.cli import main; main()", **completion)}


def test_a_base_installation_shows_help(answers: dict[str, Any]) -> None:
    for words in WORKS:
        code, out, errors = answers[words]
        assert (code, bool(out), errors) == (0, True, ""), words


def test_a_base_installation_completes_words(answers: dict[str, Any]) -> None:
    assert answers[COMPLETED] == "plain,MovieLensFairness-v0\nplain,MovieLensFairness-v1\n"


def test_a_base_installation_says_what_is_wrong_with_a_command(answers: dict[str, Any]) -> None:
    for words in ERRORS:
        code, out, errors = answers[words]
        assert (code, out, errors.count("\n")) == (2, "", 1), words
        assert "not installed" not in errors


def test_a_command_that_needs_more_names_the_extra_in_one_line(answers: dict[str, Any]) -> None:
    for words in (*NEEDS_TRAIN, *NEEDS_ONNX):
        code, out, errors = answers[words]
        assert (code, out) == (2, ""), words
        extra = "train" if words in NEEDS_TRAIN else "onnx"
        assert re.fullmatch(rf"error: \w+ is not installed: pip install 'pydeeprecsys\[{extra}\]'\n", errors), words


def test_a_public_name_that_needs_more_names_the_extra(answers: dict[str, Any]) -> None:
    assert answers["InputError"] is None
    assert answers["PPOAgent"] == ["MissingExtraError", "torch is not installed: pip install 'pydeeprecsys[train]'"]
    for name in (*IMPORTS, *pdr.__all__):
        if answers[name] is not None:
            kind, message = answers[name]
            assert kind == "MissingExtraError"
            assert re.fullmatch(r"\w+ is not installed: pip install 'pydeeprecsys\[\w+\]'", message), name
    assert all(answers[name] is not None for name in IMPORTS)


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_a_policy_needs_onnx_runtime_alone(installation: type[AllElseHidden], tmp_path: Path) -> None:
    policy = str(write_policy(tmp_path / "policy"))
    assert installation(tmp_path, "serve").output(RANK, policy) == "['a', 'c']\n"


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_recommending_by_a_policy_needs_onnx_runtime_alone(installation: type[AllElseHidden], tmp_path: Path) -> None:
    served = installation(tmp_path, "serve")
    write_policy(served.folder / "policy")
    (served.folder / "run").mkdir()
    (served.folder / "run" / "config.json").write_text("{}")
    (served.folder / "users.csv").write_text("user,item,rating\n1,a,4\n2,,\n")
    works = ("recommend policy --history a=4 -k 1 --format csv", "recommend policy --users users.csv -k 1 --format csv")
    needs_train = ("recommend policy --user 1", "recommend run --history a=4")
    answers = json.loads(served.output(ASK, json.dumps([*works, *needs_train]), "[]"))
    assert [answers[words][0::2] for words in works] == [[0, ""], [0, ""]]
    assert [line.split(",")[2] for words in works for line in answers[words][1].splitlines()[1:]] == ["b", "b", "a"]
    for words in needs_train:
        assert re.fullmatch(r"error: \w+ is not installed: pip install 'pydeeprecsys\[train\]'\n", answers[words][2]), (
            words
        )


def test_a_policy_names_its_extra(tmp_path: Path) -> None:
    shown = AllElseHidden(tmp_path).output(RANK, str(write_policy(tmp_path / "policy")))
    assert shown == "onnxruntime is not installed: pip install 'pydeeprecsys[serve]'\n"


def test_every_package_of_an_extra_is_known_by_its_module() -> None:
    extras = {name: texts for name, texts in PROJECT["optional-dependencies"].items() if name not in ("dev", "docs")}
    named = {(extra, canonicalize_name(Requirement(text).name)) for extra, texts in extras.items() for text in texts}
    others = {each for each in named if each[0] not in {EXTRAS.get(module) for module in MODULES[each[1]]}}
    assert {each for each in others if each[1] != "pydeeprecsys"} == {("envs", "gymnasium"), ("graphs", "setuptools")}
    assert set(EXTRAS.values()) == extras.keys()
    assert base().isdisjoint(EXTRAS)


def test_an_error_about_a_missing_module_names_its_extra_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    line = r"^onnxruntime is not installed: pip install 'pydeeprecsys\[serve\]'$"
    with pytest.raises(MissingExtraError, match=line) as raised, naming_extras():
        import onnxruntime  # noqa: F401
    assert isinstance(raised.value, ImportError)
    assert isinstance(raised.value, InputError)
    assert raised.value.name == "onnxruntime"
    with pytest.raises(MissingExtraError, match="cma is not installed"), naming_extras():
        raise RuntimeError("another library's") from ModuleNotFoundError("no module", name="cma")


@pytest.mark.parametrize("name", ["own_module", "torch.own_module", None])
def test_an_error_about_another_module_stays_as_it_is(name: str | None) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^not there$") as raised, naming_extras():
        raise ModuleNotFoundError("not there", name=name)
    assert type(raised.value) is ModuleNotFoundError


def test_what_needs_another_extra_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("Box2D", "highway_env", "ray"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"^Box2D is .*: pip install 'pydeeprecsys\[envs\]'$"):
        pdr.LunarLanderManager()
    with pytest.raises(InputError, match=r"^highway_env is .*: pip install 'pydeeprecsys\[envs\]'$"):
        pdr.HighwayManager()
    with pytest.raises(InputError, match=r"^ray is .*: pip install 'pydeeprecsys\[ray\]'$"):
        open_workers(None, tmp_path, ray_address="local").__enter__()
