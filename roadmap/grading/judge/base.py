"""The judge base: a warm process with oracle libraries and models, forked once for each run of checks.

The base learns nothing about a run. Seeds, hidden checks and report data reach the fork over a socket of its own.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from .. import wire
from ..errors import WireError
from ..reaping import reap
from ..verdict import Stop
from . import models as judge_models


def main() -> NoReturn:
    """Entry of the base process: the first message names what to import and load, the others start judges."""
    control = socket.socket(fileno=int(sys.argv[1]))
    message = wire.decode(wire.receive(control))
    try:
        for name in message["libraries"]:
            importlib.import_module(name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        import pytest  # noqa: F401  warm, like the libraries

        from . import plugin  # noqa: F401

        _load(message["models"])
    except Exception as error:
        wire.send(control, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
        sys.exit(3)
    wire.send(control, wire.encode({"pid": os.getpid()}))
    if message.get("inline"):  # systems without a safe fork: one judge, in this very process
        _, fds = wire.receive_with_fds(control)
        judge(fds)
    while True:
        ready, _, _ = select.select([control], [], [], 0.5)
        reap()
        if not ready:
            continue
        try:
            data, fds = wire.receive_with_fds(control)
        except (wire.Closed, WireError):
            os._exit(0)
        request = wire.decode(data)
        if request["op"] == "judge":
            if os.fork() == 0:
                control.close()
                _end_with_the_base()
                judge(fds)
            for fd in fds:
                os.close(fd)
        else:
            try:
                _load(request["models"])
            except Exception as error:
                wire.send(control, wire.encode({"failed": f"{type(error).__name__}: {error}"}))
                continue
            wire.send(control, wire.encode({"ready": request["models"]}))


def _end_with_the_base() -> None:
    """A judge whose session is gone has nobody to report to."""
    if sys.platform == "linux":
        from ..sandbox import namespaces

        namespaces.die_with_parent()


def _load(names: list[str]) -> None:
    for name in names:
        judge_models.load(name)
    gc.collect()
    gc.freeze()


def judge(fds: list[int]) -> NoReturn:
    """Run one job's checks and report each verdict on the job's socket. `fds`: the job, and the candidates' channel."""
    job_socket = socket.socket(fileno=fds[0])

    def emit(kind: str, value: Any) -> None:
        wire.send(job_socket, wire.encode({"event": kind, "value": value}))

    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session decides when a run ends
        job = wire.decode(wire.receive(job_socket))
        channel = socket.socket(fileno=fds[1]) if len(fds) > 1 else None
        code = run_checks(job, channel, emit)
        emit("done", code)
    except wire.Closed:
        os._exit(0)
    except BaseException as error:
        emit("failed", f"{type(error).__name__}: {error}\n{traceback.format_exc()[-2000:]}")
    os._exit(0)


def run_checks(job: dict[str, Any], channel: socket.socket | None, emit: Any) -> int:
    """Run pytest over the job's checks in this process; returns pytest's exit code."""
    import pytest

    from roadmap.course import Course

    from ..candidate.base import BaseConfig
    from .client import Launcher, Workplace
    from .learner import Desk
    from .plugin import CheckPlugin, StageRun

    root = Path(job["root"])
    sys.path.insert(0, str(root))
    os.chdir(root)
    stage = Course.load(root).stage(job["stage"])
    config = BaseConfig(**job["candidate"])
    desk = Desk(
        Launcher(channel, config),
        Path(job["submission"]),
        Workplace(Path(job["work"])),
        spawned=channel is None,
        factor=job["factor"],
    )
    run = StageRun(
        stage=stage,
        desk=desk,
        seed=job["seed"],
        checks_folder=root / "checks" / stage.name,
        shortcuts=job["shortcuts"],
        hidden=tuple(Path(folder) for folder in job["hidden"]),
    )
    plugin = CheckPlugin(
        lambda folder: run,
        tasks=job["tasks"],
        emit=lambda kind, value: emit(kind, [vars(v) for v in value] if isinstance(value, list) else vars(value)),
        stop_at=job["stop_at"] and Stop(job["stop_at"]),
        first=job["first"],
    )
    arguments = ["-c", str(Path(__file__).with_name("pytest.ini")), "--rootdir", str(root), *job["files"]]
    try:
        return int(pytest.main(arguments, plugins=[plugin]))
    finally:
        desk.close()
