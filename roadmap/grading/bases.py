"""Starting the two bases: by exec, with an environment that holds nothing a learner may not see."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import __file__ as _kit_file
from . import wire
from .candidate.base import BaseConfig
from .errors import GraderError, WireError
from .sandbox import requested_mode

KIT = Path(_kit_file).resolve().parent
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "ROADMAP_HOME")
_BOOT = "import sys; sys.path.insert(0, {kit!r}); from {module} import main; main()"
_START_SECONDS = 180.0


def clean_environment() -> dict[str, str]:
    """The environment of every process of the grader: threads tamed, hubs offline, no secret."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if "ROADMAP_HOME" not in environment:
        from ..artifacts import store

        environment["ROADMAP_HOME"] = str(store.root())
    return environment | {
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "NO_COLOR": "1",
        "SSL_CERT_FILE": str(Path(__file__).with_name("authorities.pem")),  # a client need not read the system's
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # huge pages where the system has them: forks copy fewer entries
    }


class Process:
    """A process of the grader with a socket to it. `log` receives what it prints."""

    def __init__(self, module: str, log: Path | None):
        self.socket, theirs = socket.socketpair()
        output: Any = subprocess.DEVNULL if log is None else log.open("ab")
        with theirs:
            self.child = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-X",
                    "utf8",
                    "-B",
                    "-c",
                    _BOOT.format(kit=str(KIT.parent), module=module),
                    str(theirs.fileno()),
                ],
                env=clean_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        if log is not None:
            output.close()
        self._log = log

    def say(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        """Send one message."""
        wire.send(self.socket, wire.encode(message), fds)

    def hear(self, seconds: float = _START_SECONDS) -> dict[str, Any]:
        """Wait for one message; a failure to answer is a GraderError that carries what the process printed last."""
        import time

        try:
            answer = wire.decode(wire.receive(self.socket, time.monotonic() + seconds))
        except (wire.Closed, wire.Timeout, WireError) as error:
            raise GraderError(f"A grader process did not start ({type(error).__name__}). {self.last_words()}") from None
        if "failed" in answer:
            raise GraderError(f"A grader process could not start: {answer['failed']}")
        return dict(answer)

    def close(self) -> None:
        """Hang up and make sure that the process ends."""
        self.socket.close()
        try:
            self.child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def last_words(self) -> str:
        """The last line that the process printed, for an error message."""
        if self._log is None or not self._log.exists():
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def candidate_config(
    package: str, *, blocked: Iterable[str], forbidden: Iterable[str], hide: Iterable[Path], libraries: Iterable[str]
) -> BaseConfig:
    """The configuration of a stage's candidate base."""
    return BaseConfig(
        package=package,
        kit=str(KIT),
        libraries=tuple(libraries),
        blocked=tuple(blocked),
        forbidden=tuple(forbidden),
        hide=tuple(str(path) for path in hide),
        mode=requested_mode(),
    )


def start_candidate_base(config: BaseConfig, models: Iterable[str], log: Path | None = None) -> Process:
    """Start a candidate base; `hear()` its hello before use, so that two bases can warm up side by side."""
    process = Process("roadmap.grading.candidate.base", log)
    process.say({"config": dataclasses.asdict(config), "models": list(models)})
    return process
