"""Resource limits of a candidate: what the kernel enforces for each process by itself."""

from __future__ import annotations

import resource
from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What a candidate may use. `memory_mb` counts beyond what the base process already holds."""

    memory_mb: int = 1024
    file_mb: int = 64
    scratch_mb: int = 256
    open_files: int = 256
    processes: int = 64  # what the kernel refuses beyond, threads included
    most_processes: int = 32  # what the keeper ends a candidate for: a bomb that is only refused goes on burning
    cpu_seconds: int = 600

    def apply(self) -> None:
        """Set the limits for the calling process and all that it starts; they cannot be raised again."""
        # Relative to what the base has mapped: an absolute number would forbid what torch already holds.
        _lower(resource.RLIMIT_AS, _mapped_bytes() + (self.memory_mb + 1024) * MEGABYTE)
        _lower(resource.RLIMIT_FSIZE, self.file_mb * MEGABYTE)
        _lower(resource.RLIMIT_NOFILE, self.open_files)
        _lower(resource.RLIMIT_NPROC, self.processes)
        _lower(resource.RLIMIT_CPU, self.cpu_seconds)
        _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _mapped_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 16 * 1024 * MEGABYTE
