"""`roadmap doctor`: what is wrong with this machine's set-up, and what to do about it.

Each row is a small function that looks at one thing and imports nothing heavy: a broken torch must not stop the doctor.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from roadmap.artifacts import registry, store
from roadmap.artifacts.errors import ArtifactMissing
from roadmap.cli.console import console

OK, WARNING, PROBLEM = "ok", "warning", "problem"

OLDEST_PYTHON = (3, 11)
ROOM_TO_WORK = 2_000_000_000
"""Bytes of disk beside the models: reports, copies of submissions, notebooks' output."""

MEMORY_NEEDED = 2_000_000_000
MEMORY_WANTED = 4_000_000_000
"""Bytes. A judge and a candidate each hold the model as float32 (0.54 GB) and their libraries."""

_STYLES = {OK: "green", WARNING: "yellow", PROBLEM: "bold red"}


@dataclass(frozen=True)
class Row:
    """One finding: what was looked at, how it stands, and what to do if it does not stand well."""

    what: str
    status: str
    says: str
    do: str = ""


def doctor() -> int:
    """Look at python, pip, disk, memory, torch, isolation, models and proxies. Exit code 1 if there is a problem."""
    findings = examine()
    output = console()
    width = max(len(row.what) for row in findings)
    for row in findings:
        line = Text.assemble((f"{row.status:<8}", _STYLES[row.status]), f"{row.what:<{width}}  {row.says}")
        output.print(line, soft_wrap=True)
        if row.do:
            output.print(Text(" " * (10 + width) + row.do), soft_wrap=True)
    problems = sum(row.status == PROBLEM for row in findings)
    warnings = sum(row.status == WARNING for row in findings)
    print(f"\n{_count(problems, 'problem')}, {_count(warnings, 'warning')}.")
    return 1 if problems else 0


def examine() -> list[Row]:
    """All rows. A row that fails to look is a warning, never an end."""
    looks: list[Callable[[], Row | Iterable[Row]]] = [
        python, pip, disk, memory, torch, isolation, cache, models, mirror, proxies,
    ]  # fmt: skip
    findings: list[Row] = []
    for look in looks:
        try:
            found = look()
            findings.extend([found] if isinstance(found, Row) else found)
        except Exception as error:
            says = f"could not be examined ({type(error).__name__}: {error})."
            findings.append(Row(look.__name__, WARNING, says, "Report this line to the course."))
    return findings


# ---- the rows


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Row:
    """Whether this Python is new enough."""
    says = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}, {sys.executable}"
    if version[:2] >= OLDEST_PYTHON:
        return Row("python", OK, says)
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Row("python", PROBLEM, says, f"Make the environment with Python {wanted} or newer.")


def pip() -> Row:
    """Whether `roadmap fetch` has a pip to download with."""
    if importlib.util.find_spec("pip") is None:
        return Row("pip", PROBLEM, "is not in this environment.", f"Run: {sys.executable} -m ensurepip")
    return Row("pip", OK, importlib.metadata.version("pip"))


def disk() -> Row:
    """Whether the disk of the cache has room for what is still to be fetched."""
    artifacts = registry.needed_now()
    missing = [artifact for artifact in artifacts if not store.location(artifact).is_dir()]
    need = sum(artifact.size for artifact in missing) + max((2 * each.wheel_size for each in missing), default=0)
    free = shutil.disk_usage(_existing(store.root())).free
    says = f"{_bytes(free)} free where the cache is, {_bytes(need)} needed for models"
    remedy = "Make room, or set ROADMAP_HOME to a folder on another disk."
    if free < need:
        return Row("disk", PROBLEM, says, remedy)
    return Row("disk", WARNING, says, remedy) if free < need + ROOM_TO_WORK else Row("disk", OK, says)


def memory() -> Row:
    """Whether there is memory for a judge and a candidate."""
    free = available_memory()
    if free is None:
        return Row("memory", OK, "cannot be told on this system")
    says = f"{_bytes(free)} available, {_bytes(MEMORY_WANTED)} wanted"
    remedy = "Close other programs, or give the container or virtual machine more memory."
    if free < MEMORY_NEEDED:
        return Row("memory", PROBLEM, says, remedy)
    return Row("memory", WARNING, says, remedy) if free < MEMORY_WANTED else Row("memory", OK, says)


def torch() -> Row:
    """Which build of torch is installed, and how large it is."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return Row("torch", PROBLEM, "is not installed.", "Install the course as its README shows.")
    folder = Path(next(iter(spec.submodule_search_locations)))
    facts = runpy.run_path(str(folder / "version.py"))
    accelerator = next((name for name in ("cuda", "hip", "xpu") if facts.get(name)), "")
    # The CUDA libraries are packages of their own, in a folder beside torch.
    size = store.size_of(folder) + (store.size_of(folder.parent / "nvidia") if accelerator == "cuda" else 0)
    says = f"{facts['__version__']}, {accelerator or 'cpu'} build, {_bytes(size)} installed"
    if accelerator == "cuda" and not has_nvidia():
        remedy = "There is no NVIDIA GPU here. README shows how to install the CPU build, which is much smaller."
        return Row("torch", WARNING, says, remedy)
    return Row("torch", OK, says)


def isolation() -> list[Row]:
    """Which layers of the grader's sandbox this system offers."""
    try:
        from roadmap.grading import sandbox

        layers = sandbox.describe()
    except (ImportError, AttributeError):
        return [Row("isolation", WARNING, "cannot be told: the grader is not there.", "Install the course again.")]
    rows = []
    for layer, available, note in layers:
        says = f"{layer}: {note}" if note else str(layer)
        remedy = (
            "" if available else "`roadmap check` works without it; `roadmap grade` asks for --allow-weak-isolation."
        )
        rows.append(Row("isolation", OK if available else WARNING, says, remedy))
    return rows


def cache() -> Row:
    """Whether the cache folder can be written."""
    folder = store.root()
    if os.access(_existing(folder), os.W_OK | os.X_OK):
        return Row("cache", OK, str(folder))
    remedy = "What is in it can be loaded; to fetch, set ROADMAP_HOME to a folder that can be written."
    return Row("cache", WARNING, f"{folder} cannot be written.", remedy)


def models() -> list[Row]:
    """Whether the models that are needed, and any others in the cache, are there and verified."""
    needed = registry.needed_now()
    rows = []
    for artifact in registry.all_artifacts():
        if artifact not in needed and not store.location(artifact).exists():
            continue
        try:
            store.check(artifact)
        except ArtifactMissing as error:
            says, _, remedy = str(error).removeprefix(artifact.name).strip().partition(". ")
            status = PROBLEM if artifact in needed else WARNING
            rows.append(Row("model", status, f"{artifact.name} {says}.", remedy))
        else:
            rows.append(Row("model", OK, f"{artifact.name}, verified"))
    return rows


def mirror() -> list[Row]:
    """Whether the mirror of wheels, if one is named, is there."""
    folder = os.environ.get("ROADMAP_ARTIFACTS")
    if not folder:
        return []
    if Path(folder).expanduser().is_dir():
        return [Row("mirror", OK, folder)]
    return [Row("mirror", PROBLEM, f"{folder} is not a folder.", "Correct or unset ROADMAP_ARTIFACTS.")]


def proxies() -> Row:
    """Which proxies are set, without passwords, and whether the course's own servers would be sent through them."""
    found = {
        name.upper(): value
        for name, value in sorted(os.environ.items())
        if name.lower() in {"http_proxy", "https_proxy", "all_proxy", "no_proxy"} and value
    }
    exempt = found.pop("NO_PROXY", "")
    if not found:
        return Row("proxy", OK, "none is set")
    says = ", ".join(f"{name}={re.sub(r'//[^/@]*@', '//***@', value)}" for name, value in found.items())
    local = {entry.strip() for entry in exempt.split(",")}
    if "*" in local or {"localhost", "127.0.0.1"} <= local:
        return Row("proxy", OK, says)
    remedy = "The course's local servers must not go through it. Set NO_PROXY=localhost,127.0.0.1"
    return Row("proxy", WARNING, says, remedy)


# ---- what they look at


def available_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that programs can still take: of the machine, or of the container if that is less. None if unknown."""
    if meminfo.is_file():
        match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
        free = int(match[1]) * 1024 if match else None
    else:
        try:
            free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # macOS: what the machine has
        except (ValueError, OSError, AttributeError):
            free = None
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return free
    if not (limit.isdigit() and used.isdigit()):
        return free
    left = max(int(limit) - int(used), 0)
    return left if free is None else min(free, left)


def has_nvidia() -> bool:
    """Whether an NVIDIA driver shows itself."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
