"""The registry of artifacts: what the course may load, where it comes from, and the hashes that prove it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from roadmap.artifacts.errors import UnknownArtifact

REGISTRY_FILE = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True)
class Member:
    """One file of an artifact: its path inside the artifact, its size in bytes and its sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """One entry of the registry. Sizes are bytes; `members` is empty for a converted artifact."""

    name: str
    kind: str
    licence: str
    size: int
    purpose: str
    stages: tuple[int, ...]
    package: str = ""
    version: str = ""
    wheel: str = ""
    wheel_size: int = 0
    wheel_sha256: str = ""
    root: str = ""
    members: tuple[Member, ...] = ()
    source: str = ""
    converter: int = 0


@dataclass(frozen=True)
class Registry:
    """All entries by name, and the stages whose artifacts are fetched when none is named."""

    artifacts: dict[str, Artifact]
    present_stages: tuple[int, ...]


@cache
def read(file: Path) -> Registry:
    """Read a registry file."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    artifacts = {}
    for entry in data["artifact"]:
        members = tuple(Member(**member) for member in entry.pop("member", []))
        artifact = Artifact(**(entry | {"members": members, "stages": tuple(entry["stages"])}))
        artifacts[artifact.name] = artifact
    return Registry(artifacts, tuple(data["present_stages"]))


def all_artifacts() -> list[Artifact]:
    """Every artifact, in the order of the registry file."""
    return list(read(REGISTRY_FILE).artifacts.values())


def needed_now() -> list[Artifact]:
    """The artifacts that the present stages need."""
    present = set(read(REGISTRY_FILE).present_stages)
    return [artifact for artifact in all_artifacts() if present & set(artifact.stages)]


def find(name: str) -> Artifact:
    """The artifact called `name`.

    Raises:
        UnknownArtifact: the registry has no such name.
    """
    artifacts = read(REGISTRY_FILE).artifacts
    if name not in artifacts:
        raise UnknownArtifact(f"{name!r} is not an artifact of this course. The names are: {', '.join(artifacts)}.")
    return artifacts[name]


def source_sha256(artifact: Artifact) -> str:
    """The hash that an artifact is made from: its wheel's, or for a converted one the source file's."""
    if not artifact.source:
        return artifact.wheel_sha256
    return find(artifact.source).members[0].sha256
