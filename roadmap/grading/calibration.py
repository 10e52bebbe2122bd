"""How slow this machine is, so that wall limits are fair on it: a short measurement, cached for a day."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from pathlib import Path

# Seconds that `_work` takes on the machine where the checks' `seconds` were written down.
REFERENCE_SECONDS = 0.030
_LIFETIME_SECONDS = 24 * 3600.0
_MOST_STRAIN = 6.0


def factor(state: Path) -> float:
    """How many times slower than the reference machine this one is, never below 1. `state` caches the answer."""
    cache = state / "calibration.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(cache.read_text())
        age = time.time() - known["when"]
        if 0 <= age < _LIFETIME_SECONDS and known["reference"] == REFERENCE_SECONDS:
            return max(1.0, float(known["factor"]))
    measured = statistics.median(_work() for _ in range(5)) / REFERENCE_SECONDS
    with contextlib.suppress(OSError):
        state.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(".partial")
        partial.write_text(
            json.dumps({"when": time.time(), "factor": measured, "reference": REFERENCE_SECONDS}), encoding="utf-8"
        )
        partial.replace(cache)
    return max(1.0, measured)


def allowance(state: Path) -> float:
    """By how much wall limits are stretched for a run that starts now: this machine's slowness times its strain."""
    return factor(state) * strain()


def strain() -> float:
    """How many times more is running than this machine has cores, between 1 and `_MOST_STRAIN`.

    A wall limit is for the learner's code, not for what else a busy machine does meanwhile.
    """
    try:
        running = os.getloadavg()[0]
    except (OSError, AttributeError):
        return 1.0
    return min(_MOST_STRAIN, max(1.0, running / (os.cpu_count() or 1)))


def _work() -> float:
    """One unit of what checks are made of: interpreted loops over small objects. No library, so it starts at once."""
    started = time.perf_counter()
    total = 0
    table: dict[int, int] = {}
    for i in range(150_000):
        total += i * i % 7
        table[i % 997] = total
    return time.perf_counter() - started
