"""What a release consists of beside its code: versions, citation, changelog, workflows and forms."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import pydeeprecsys as pdr

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path: Path) -> dict[str, Any]:
    """A file of YAML; the `on` of a workflow is the key True."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(values, dict)
    return values


def jobs(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The jobs of a workflow, each with its matrix."""
    for job in read(path)["jobs"].values():
        yield job, job.get("strategy", {}).get("matrix", {})


def commands(path: Path) -> Iterator[str]:
    """What the jobs of a workflow run, with each value of their matrices."""
    for job, matrix in jobs(path):
        for step in job["steps"]:
            found = re.findall(r"\$\{\{ matrix\.(\w+) \}\}", step.get("run", ""))
            for value in matrix[found[0]] if found and found[0] in matrix else [""]:
                yield re.sub(r"\$\{\{ matrix\.\w+ \}\}", value, step.get("run", ""))


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == pdr.__version__ == read(ROOT / "CITATION.cff")["version"]


def test_the_citation_has_what_its_schema_requires() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert all(isinstance(citation[name], str) for name in ("message", "title", "version", "abstract"))
    assert all(isinstance(word, str) for word in citation["keywords"])


def test_the_changelog_is_in_the_form_that_it_names() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.*)$", text, flags=re.M)
    assert sections[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", section) for section in sections[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, flags=re.M)) <= kinds
    version = PROJECT["version"]
    assert f"\nTo be {version}, " in text or any(section.startswith(f"{version} - ") for section in sections)


def test_the_changelog_names_every_command() -> None:
    from pydeeprecsys.cli import cli

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [name for name in cli.commands if f"`{name}`" not in text] == []


def test_the_policy_states_the_formats_of_today() -> None:
    from pydeeprecsys.data import library, world
    from pydeeprecsys.experiments import item_estimates
    from pydeeprecsys.rl import checkpoint
    from pydeeprecsys.serving import contract

    text = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
    for stated in (
        f'| world: `"{world.FORMAT}"` |',
        f"| recipe of worlds: {library.RECIPE} |",
        f"| recipe of item estimates: {item_estimates._RECIPE} |",
        f'| checkpoint: `"{checkpoint._NAME} {checkpoint._VERSION}"` |',
        f'| policy: `"{contract.FORMAT}"` |',
    ):
        assert stated in text


@each_workflow
def test_a_workflow_has_triggers_jobs_and_least_permissions(path: Path) -> None:
    workflow = read(path)
    assert workflow.keys() <= {"name", True, "permissions", "concurrency", "env", "jobs"}
    assert workflow[True]
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job, _ in jobs(path):
        assert job["timeout-minutes"] > 0
        assert job.get("permissions", {}) in ({}, {"contents": "read"}, {"id-token": "write"})
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])
        assert set(job.get("needs", "").split()) <= workflow["jobs"].keys()


@each_workflow
def test_actions_are_pinned_by_their_major_version(path: Path) -> None:
    used = [step["uses"] for job, _ in jobs(path) for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@(release/)?v\d+", name)] == []


@each_workflow
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    for command in commands(path):
        assert "${{" not in command
        for targets in re.findall(r"\bmake ([^\n]*)", command):
            assert {word for word in targets.split() if "=" not in word} <= TARGETS, command
        for file in re.findall(r"tests/[\w/]+\.py", command):
            assert (ROOT / file).exists(), command
        for file, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", command):
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), command
        for extras in re.findall(r"\[([\w,]+)\]", command):
            assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys(), command


def test_python_versions_agree() -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    supported = SpecifierSet(PROJECT["requires-python"])
    assert next(f"3.{n}" for n in range(30) if f"3.{n}" in supported) == named[0]
    matrix = [versions["python"] for _, versions in jobs(ROOT / ".github/workflows/ci.yml") if "python" in versions]
    assert matrix == [named]
    assert f"Python {named[0]} to {named[-1]}" in (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
    for path in WORKFLOWS:
        for job, versions in jobs(path):
            single = [step.get("with", {}).get("python-version") for step in job["steps"]]
            assert {*versions.get("python", ())} | {each for each in single if each and "$" not in each} <= {*named}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_for_something(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys() <= {"name", "description", "labels", "body"}
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["type"] == "textarea" and field["attributes"]["label"] for field in form["body"])
    assert any(field.get("validations", {}).get("required") for field in form["body"])
