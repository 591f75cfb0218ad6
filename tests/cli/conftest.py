from pathlib import Path

import pytest

from pydeeprecsys.data.world import World


@pytest.fixture
def small(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory of its own with a small world in it."""
    monkeypatch.chdir(tmp_path)
    world.save(tmp_path / "small.world")
