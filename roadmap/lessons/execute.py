"""Running a notebook in a fresh kernel, watched: its time, its memory, no network."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap.lessons import kernel

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from roadmap.lessons.nursery import Nursery

SECONDS = 120.0
MEMORY = 4 * 2**30  # bytes
_POLL = 0.25  # seconds between two looks at the memory

# What a lesson must not see: a key would let it reach a service that the next reader has not.
_SECRETS = re.compile(r"(_API_KEY|_TOKEN|_SECRET|_PASSWORD)$|^ROADMAP_LLM_")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Execution:
    """What a run took and how it ended.

    `seconds` is wall time with the kernel's start, `peak_bytes` the resident memory of the kernel and all it started.
    `fault` says what stopped the run and `cell` where (an index); None: nothing.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    isolated: bool = False
    fault: str | None = None
    cell: int | None = None
    appended: Any = None  # what the appended code handed back


def execute(
    notebook: NotebookNode,
    root: Path,
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    append: str | None = None,
    nursery: Nursery | None = None,
) -> Execution:
    """Run every cell of `notebook` in place, in a fresh kernel whose working directory is a temporary folder.

    `append` is code that is run afterwards in the same kernel, within the same limits but outside the figures; what it
    prints as JSON on its last line comes back as `appended`. Never raises for what the notebook does. `nursery`: where
    the kernel is forked, where kernels without a network are possible; without it a new interpreter starts.
    """
    import nbclient
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    result = Execution(isolated=kernel.can_isolate())
    module = "roadmap.lessons.kernel" if result.isolated else "ipykernel_launcher"
    argv = [sys.executable, "-m", module, "-f", "{connection_file}"]

    class OneKernel(KernelSpecManager):
        """This interpreter, whatever kernels the machine has registered."""

        def get_kernel_spec(self, name: str) -> Any:
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    def remaining(_: Any = None) -> float:
        return max(0.1, started + seconds - time.monotonic())

    with tempfile.TemporaryDirectory(prefix="lesson-", ignore_cleanup_errors=True) as folder:
        work = Path(folder, "work")
        work.mkdir()
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=OneKernel(),
            connection_file=str(Path(folder, "k.json")),
            # A network of one's own cannot be entered from outside; a socket in the file system can.
            transport="ipc" if result.isolated else "tcp",
        )
        if nursery is not None and result.isolated:
            from roadmap.lessons.nursery import ForkProvisioner

            manager.provisioner = ForkProvisioner(nursery, kernel_spec=manager.kernel_spec, parent=manager)
        client = nbclient.NotebookClient(
            notebook,
            km=manager,
            timeout_func=remaining,
            startup_timeout=int(max(seconds, 60)),
            shutdown_kernel="immediate",
            record_timing=False,
            resources={"metadata": {"path": str(work)}},
        )
        started = time.monotonic()
        watch: _Watch | None = None
        index = 0
        try:
            with client.setup_kernel(cleanup_kc=True, env=environment(root, Path(folder))):
                provisioner: Any = manager.provisioner
                watch = _Watch(provisioner.pid, memory)
                for index, cell in enumerate(notebook.cells):
                    if cell.cell_type == "code":
                        client.execute_cell(cell, index)
                result.seconds = time.monotonic() - started
                if append is not None:
                    result.appended = _append(client, notebook, append)
        except CellTimeoutError:
            result.fault, result.cell = f"it ran longer than {seconds:g} s and was stopped", index
        except DeadKernelError:
            result.fault, result.cell = "the kernel died", index
        except CellExecutionError as error:
            result.fault = f"{error.ename}: {_COLOURS.sub('', error.evalue)}".strip().rstrip(":")
            result.cell = index if index < len(notebook.cells) else None
        except (OSError, RuntimeError, ValueError) as error:
            result.fault, result.cell = f"the kernel did not start: {error}", None
        finally:
            if watch is not None:
                result.peak_bytes = watch.stop()
        result.seconds = result.seconds or time.monotonic() - started
        if watch is not None and watch.over:
            result.fault = f"it used more than {memory / 2**30:.3g} GiB and was stopped"
            result.cell = index
    return result


def environment(root: Path, folder: Path) -> dict[str, str]:
    """What a lesson's kernel finds around it: quiet threads, no hub, no keys, the course on the path."""
    kept = {name: value for name, value in os.environ.items() if not _SECRETS.search(name)}
    kit = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(dict.fromkeys([str(root), str(kit), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))
    return {
        **kept,
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": quiet(os.environ.get("PYTHONWARNINGS")),
        "PYTHONPATH": path.rstrip(os.pathsep),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(folder / "ipython"),
        "NO_COLOR": "1",
        "ROADMAP_COURSE": str(root),
        "ROADMAP_LESSON_RUN": "1",
    }


def quiet(given: str | None) -> str:
    """PYTHONWARNINGS for a kernel: what was `given`, and no word about the widgets that a progress bar would like."""
    return ",".join(filter(None, [given, "ignore:IProgress not found"]))


def _append(client: Any, notebook: NotebookNode, code: str) -> Any:
    import nbformat

    cell = nbformat.v4.new_code_cell(code)
    notebook.cells.append(cell)
    try:
        client.execute_cell(cell, len(notebook.cells) - 1)
    finally:
        notebook.cells.pop()
    printed = "".join(out["text"] for out in cell.outputs if out.get("name") == "stdout").strip()
    return json.loads(printed.splitlines()[-1]) if printed else None


class _Watch:
    """Looks at a process and its children until told to stop; ends them all above the limit."""

    def __init__(self, pid: int, limit: int) -> None:
        self.pid, self.limit = pid, limit
        self.peak, self.over = 0, False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.peak

    def _run(self) -> None:
        import psutil

        while not self._stop.wait(_POLL):
            try:
                process = psutil.Process(self.pid)
                tree = [process, *process.children(recursive=True)]
            except psutil.Error:
                return
            total = 0
            for member in tree:
                with contextlib.suppress(psutil.Error):
                    total += member.memory_info().rss
            self.peak = max(self.peak, total)
            if total > self.limit:
                self.over = True
                for member in tree:
                    with contextlib.suppress(psutil.Error):
                        member.kill()
                return
