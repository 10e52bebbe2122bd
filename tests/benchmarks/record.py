"""Result files of benchmarks: what was measured, with the command, the commit and the machine that measured it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(name: str, data: dict[str, Any]) -> Path:
    """Write `results/<name>.json` and return its path."""
    import torch

    path = RESULTS / f"{name}.json"
    RESULTS.mkdir(exist_ok=True)
    record = {
        "command": " ".join(["python -m", (sys.modules["__main__"].__spec__ or _NoSpec).name, *sys.argv[1:]]),
        "commit": commit(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "load": [round(value, 2) for value in os.getloadavg()],
        },
        **data,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def read(name: str) -> dict[str, Any]:
    """Read `results/<name>.json`."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def exists(name: str) -> bool:
    """Whether `results/<name>.json` is there."""
    return (RESULTS / f"{name}.json").exists()


class _NoSpec:
    name = "?"


def commit() -> str:
    """The commit that is measured, marked when the working tree differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=RESULTS.parent).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
