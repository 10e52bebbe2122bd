"""The cache folder: where artifacts lie, how they get there whole or not at all, and how they are verified.

<root>/artifacts/<name>/...                     the files of an artifact
<root>/artifacts/<name>/roadmap-manifest.json   their sizes and hashes, written last
<root>/stamps/<name>.json                       what the files looked like when they were last hashed
<root>/locks/<name>.lock                        held by the process that fetches the artifact
<root>/tmp/<name>/...                           work in progress; anything there may be removed by the lock's holder
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from roadmap.artifacts import registry
from roadmap.artifacts.errors import ArtifactBusy, ArtifactDamaged, ArtifactMissing, FetchFailed
from roadmap.artifacts.registry import Artifact, Member

MANIFEST = "roadmap-manifest.json"
SCHEMA = "roadmap.artifact/1"

LOCK_SECONDS = 900.0


def root() -> Path:
    """The cache folder: `ROADMAP_HOME`, or the user's cache folder of this system."""
    chosen = os.environ.get("ROADMAP_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("llm-engineer-roadmap", appauthor=False)


def location(artifact: Artifact) -> Path:
    """The folder of an artifact, whether or not it is there."""
    return root() / "artifacts" / artifact.name


def sha256_of_file(file: Path) -> str:
    """The sha256 of a file as hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def needs_fetch(artifact: Artifact) -> str:
    """The sentence that tells what to do about a missing artifact."""
    return f"Run: roadmap fetch {artifact.name}"


# ---- verification


def members(artifact: Artifact) -> list[Member]:
    """The files that an artifact in the cache must have: the registry's, or for a converted one its manifest's.

    Raises:
        ArtifactMissing: there is no such folder.
        ArtifactDamaged: the manifest is missing, unreadable, or of another version of the artifact.
    """
    folder = location(artifact)
    if not folder.is_dir():
        raise ArtifactMissing(f"{artifact.name} is not in the cache. {needs_fetch(artifact)}")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        made_from = (manifest["schema"], manifest["name"], manifest["source_sha256"], manifest["converter"])
        listed = [Member(**entry) for entry in manifest["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(artifact, "it was not written to the end") from error
    if made_from != (SCHEMA, artifact.name, registry.source_sha256(artifact), artifact.converter):
        raise _damaged(artifact, "it was made for another version of the course")
    return list(artifact.members) or listed


def check(artifact: Artifact, *, full: bool = False) -> list[Member]:
    """Verify an artifact in the cache, and return its files.

    A file is hashed when its size, times or inode differ from those of the last time that it was hashed, so the usual
    check costs a few `stat` calls, and a changed byte is found even if the size is the same. `full` hashes every file.

    Raises:
        ArtifactMissing: it is not in the cache.
        ArtifactDamaged: a file is missing, cut short or changed, or there is one more than there should be.
    """
    folder, expected = location(artifact), members(artifact)
    surplus = _files_below(folder) - {member.path for member in expected} - {MANIFEST}
    if surplus:
        raise _damaged(artifact, f"{min(surplus)} does not belong there")
    stamp = {} if full else _read_stamp(artifact)
    seen: dict[str, Any] = {}
    for member in expected:
        file = folder / member.path
        if not file.is_file() or file.is_symlink():
            raise _damaged(artifact, f"{member.path} is missing")
        if file.stat().st_size != member.size:
            raise _damaged(artifact, f"{member.path} has {file.stat().st_size} bytes instead of {member.size}")
        # Taken before hashing: a write during the hash changes the times, and the next check hashes again.
        look = [*_look(file), member.sha256]
        if stamp.get(member.path) != look and sha256_of_file(file) != member.sha256:
            raise _damaged(artifact, f"the bytes of {member.path} have changed")
        seen[member.path] = look
    if seen != stamp:
        _write_stamp(artifact, seen)
    return expected


def is_present(artifact: Artifact) -> bool:
    """Whether an artifact is in the cache and verified."""
    try:
        check(artifact)
    except ArtifactMissing:
        return False
    return True


def _damaged(artifact: Artifact, how: str) -> ArtifactDamaged:
    return ArtifactDamaged(f"{artifact.name} in the cache cannot be used: {how}. {needs_fetch(artifact)}")


def _files_below(folder: Path) -> set[str]:
    # Names with a leading dot are what file managers leave behind; no loader reads them.
    paths = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return {path.relative_to(folder).as_posix() for path in paths if not path.name.startswith(".")}


def _look(file: Path) -> list[int]:
    # The change time is there because the modification time can be set back by whoever changed the bytes.
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _stamp_file(artifact: Artifact) -> Path:
    return root() / "stamps" / f"{artifact.name}.json"


def _read_stamp(artifact: Artifact) -> dict[str, Any]:
    try:
        stamp = json.loads(_stamp_file(artifact).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(artifact: Artifact, stamp: dict[str, Any]) -> None:
    # A cache that cannot be written (a classroom's, a sandbox's) still loads: it is hashed every time.
    file = _stamp_file(artifact)
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(stamp), encoding="utf-8")
        os.replace(part, file)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)


# ---- writing


@contextmanager
def lock(artifact: Artifact, *, waiting: Callable[[], None] = lambda: None, seconds: float = -1.0) -> Iterator[None]:
    """Hold the lock of an artifact; `waiting` is called once if another process holds it.

    The system frees the lock of a process that dies. By default the wait is `LOCK_SECONDS`; 0 does not wait.

    Raises:
        ArtifactBusy: the other process has not let go after `seconds`.
        FetchFailed: the cache folder cannot be written.
    """
    file = root() / "locks" / f"{artifact.name}.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(file)
        try:
            held.acquire(timeout=0)
        except filelock.Timeout:
            waiting()
            held.acquire(timeout=LOCK_SECONDS if seconds < 0 else seconds)
    except filelock.Timeout as error:
        raise ArtifactBusy(
            f"Another process is working on {artifact.name}. Wait for it to end, or end it, and run the command again."
        ) from error
    except OSError as error:
        raise unwritable(error) from error
    try:
        yield
    finally:
        held.release()


def unwritable(error: OSError) -> FetchFailed:
    """The message for a cache folder that cannot be written."""
    reason = error.strerror or str(error)
    return FetchFailed(
        f"The cache folder {root()} cannot be written ({reason}). Make room or set ROADMAP_HOME to another folder."
    )


@contextmanager
def staging(artifact: Artifact) -> Iterator[Path]:
    """A new folder on the cache's own disk, removed at the end. Hold the lock while using it."""
    parent = root() / "tmp" / artifact.name
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_if_empty(parent)


def publish(artifact: Artifact, folder: Path) -> None:
    """Verify the files in `folder`, write the manifest, and move the folder into its place in one step.

    What stood there before is moved aside first, so that a reader finds the old artifact, none, or the new one, and
    never a mixture. Hold the lock.

    Raises:
        FetchFailed: the files are not those of the registry.
    """
    names = sorted(_files_below(folder))
    files = [Member(name, (folder / name).stat().st_size, sha256_of_file(folder / name)) for name in names]
    if artifact.members and set(files) != set(artifact.members):
        raise FetchFailed(f"{artifact.name} is not what the registry promises. {needs_fetch(artifact)}")
    manifest = {
        "schema": SCHEMA,
        "name": artifact.name,
        "kind": artifact.kind,
        "licence": artifact.licence,
        "source_sha256": registry.source_sha256(artifact),
        "converter": artifact.converter,
        "files": [vars(member) for member in files],
    }
    for name in names:
        # Some writers make files that only their owner can read; a sandboxed process may have another user id.
        (folder / name).chmod(0o644)
        _flush(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    _flush(folder / MANIFEST)
    target = location(artifact)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove(artifact)
    os.rename(folder, target)
    _write_stamp(artifact, {member.path: [*_look(target / member.path), member.sha256] for member in files})


def remove(artifact: Artifact) -> bool:
    """Take an artifact out of the cache, and say whether there was one. Hold the lock."""
    target = location(artifact)
    _stamp_file(artifact).unlink(missing_ok=True)
    if not os.path.lexists(target):
        return False
    with staging(artifact) as trash:
        os.rename(target, trash / "old")
    return True


def sweep(artifact: Artifact) -> int:
    """Remove what an interrupted fetch left behind, and return its bytes. Hold the lock."""
    leftovers = root() / "tmp" / artifact.name
    size = size_of(leftovers)
    shutil.rmtree(leftovers, ignore_errors=True)
    _remove_if_empty(leftovers.parent)
    return size


def size_of(folder: Path) -> int:
    """The bytes of all files below a folder; 0 if there is none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:  # it went away while we looked
            continue
    return total


def _flush(file: Path) -> None:
    # The rename must never reach the disk before the bytes: a power cut would leave a whole name over half a file.
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
