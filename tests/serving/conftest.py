from pathlib import Path

import pytest

from contracts.policies import write_policy
from pydeeprecsys.serving.policy import Policy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a policy."""
    return write_policy(tmp_path / "policy")


@pytest.fixture
def policy(folder: Path) -> Policy:
    """A policy of 8 items, a to h, a first; it does not repeat items."""
    return Policy.load(folder)
