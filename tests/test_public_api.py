"""The package as users import it."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

import pydeeprecsys as pdr

STUB = Path(inspect.getfile(pdr)).with_suffix(".pyi")
HEAVY = ("torch", "pandas", "numba", "matplotlib", "scipy", "optuna", "ray")


def python(code: str) -> str:
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_every_name_of_the_stub_is_there_and_is_itself() -> None:
    imported = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)]
    names = [alias.name for node in imported for alias in node.names]
    assert sorted(names) == sorted(pdr.__all__)
    assert set(names) <= set(dir(pdr))
    for node in imported:
        for alias in node.names:
            found = getattr(pdr, alias.name)
            assert alias.asname == alias.name
            assert found.__name__ == alias.name
            assert found.__module__ == f"pydeeprecsys.{node.module}"


def test_an_agent_meets_users_by_the_public_names_alone() -> None:
    world = pdr.World.from_dataset(pdr.synthetic_dataset(n_users=40, n_items=30, n_ratings=600))
    manager = pdr.MovieLensFairnessManager(seed=0, dataset=world)
    (episode,) = manager.execute_episodes(pdr.RandomAgent(manager.env.action_space))
    assert episode.timesteps == 50


def test_importing_the_package_registers_environments_and_loads_no_heavy_library() -> None:
    code = "import pydeeprecsys, gymnasium, sys; gymnasium.spec('MovieLensFairness-v1'); print(*sys.modules)"
    assert set(python(code).split()).isdisjoint(HEAVY)


@pytest.mark.slow
def test_importing_the_package_takes_hardly_longer_than_gymnasium() -> None:
    # The median over pairs, each in a process of its own, side by side with its peer: machines are noisy.
    code = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
    ratios = []
    for _ in range(9):
        ours, theirs = (float(python(code.format(name))) for name in ("pydeeprecsys", "gymnasium"))
        ratios.append(ours / theirs)
    assert median(ratios) <= 1.2, ratios
