import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[..., Path]:
    """Write `files` (name to content) into the zip `name` of the test's own folder, each in `folder`."""

    def make(files: Mapping[str, str | bytes], name: str = "release.zip", folder: str = "release/") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, content in files.items():
                # By ZipInfo, which has a date of its own: the same files are the same bytes whenever they are written.
                archive.writestr(zipfile.ZipInfo(folder + file), content, zipfile.ZIP_DEFLATED)
        return path

    return make
