"""Kernels from a fork: a process that has loaded what most lessons load gives each its kernel, new and ready.

Loading torch and transformers takes six seconds a lesson and teaches nothing. A forked kernel has a process and a
namespace of its own like any other, and a lesson still imports what it uses; only the files are read once. What a
lesson does to a library's state ends with its kernel.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from roadmap.grading import wire
from roadmap.grading.reaping import reap
from roadmap.lessons.kernel import leave_network

# Not matplotlib: it chooses its backend when it is loaded. Neither pandas nor datasets: pyarrow starts threads, which a
# fork loses.
LIBRARIES = (
    "ipykernel.kernelapp", "IPython.core.completer", "numpy", "scipy.stats", "torch", "transformers",
    "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
)  # fmt: skip


class Nursery:
    """A context that starts the process, and ends it with all its kernels. Kernels may be asked for from any thread.

    `environment` is what the process starts with; the variables that Python reads once, at its start, are those of all
    kernels.
    """

    def __init__(self, environment: dict[str, str]):
        self._environment = environment
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=self._environment,
                cwd=Path(__file__).resolve().parents[2],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return self

    @property
    def pid(self) -> int:
        """The process that forks."""
        return self._process.pid

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.wait()

    def fork(self, arguments: list[str], environment: dict[str, str], folder: str) -> Forked:
        """A kernel, started with these arguments in this folder. Raises RuntimeError when the process has failed."""
        request = {"arguments": arguments, "environment": environment, "folder": folder}
        try:
            with self._asking:
                wire.send(self._socket, wire.encode(request))
                data, (pidfd,) = wire.receive_with_fds(self._socket)
        except (wire.Closed, OSError, ValueError) as error:
            raise RuntimeError(f"the process that forks kernels has ended ({type(error).__name__})") from None
        return Forked(wire.decode(data)["pid"], pidfd)


class Forked:
    """A process that another one has forked, in the words of `subprocess.Popen`. Its exit code is not known: 0."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, pidfd: int):
        self.pid, self._pidfd = pid, pidfd

    def poll(self) -> int | None:
        """None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if self._ended(None if timeout is None else 1000 * timeout) is None:
            raise subprocess.TimeoutExpired("kernel", timeout or 0)
        return 0

    def _ended(self, milliseconds: float | None) -> int | None:
        if self._pidfd < 0:
            return 0
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        if not poller.poll(milliseconds):
            return None
        os.close(self._pidfd)
        self._pidfd = -1
        return 0

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkProvisioner(LocalProvisioner):
    """Starts Jupyter's kernels from a nursery."""

    process: Any

    def __init__(self, nursery: Nursery, **traits: Any):
        super().__init__(**traits)
        self._nursery = nursery

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork, with what would have followed `python -m MODULE`."""
        environment = {**kwargs["env"], "JPY_PARENT_PID": str(self._nursery.pid)}
        self.process = self._nursery.fork(cmd[3:], environment, str(kwargs["cwd"]))
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs["cwd"]
        return self.connection_info


def main() -> NoReturn:
    """The process: load, then fork for each request until the other end hangs up."""
    control = socket.socket(fileno=int(sys.argv[1]))
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is loaded, and ends with this process
    gc.disable()
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.enable()
    gc.freeze()
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        raise SystemExit(f"A library has started threads ({threads}): a fork would lose them. Take it from LIBRARIES.")
    while True:
        ready, _, _ = select.select([control], [], [], 1.0)
        reap()
        if not ready:
            continue
        try:
            request = wire.decode(wire.receive(control))
        except wire.Closed:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            control.close()
            _become_kernel(request)
        pidfd = os.pidfd_open(pid)
        wire.send(control, wire.encode({"pid": pid}), (pidfd,))
        os.close(pidfd)


def _become_kernel(request: dict[str, Any]) -> NoReturn:
    from roadmap.grading.sandbox import namespaces

    namespaces.die_with_parent()
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    if "numpy" in sys.modules:  # unseeded numbers would be the same in all kernels
        sys.modules["numpy"].random.seed()
    leave_network()
    sys.argv = ["ipykernel_launcher", *request["arguments"]]
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
