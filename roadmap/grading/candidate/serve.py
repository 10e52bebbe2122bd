"""Inside the sandbox: answer the judge's calls with plain data, for as long as the judge asks.

This code shares its process with the learner's: nothing it says is trusted, and only the values it carries earn points.
"""

from __future__ import annotations

import contextlib
import importlib
import linecache
import os
import runpy
import socket
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, NoReturn

from .. import wire
from ..errors import WireError

_MESSAGE_LIMIT = 4000
_FRAME_LIMIT = 12


class Learner:
    """The learner's package: its modules are attributes, imported at first use."""

    def __init__(self, package: str):
        self._package = package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return importlib.import_module(f"{self._package}.{name}")


class _JudgeFailed(BaseException):
    """The judge could not answer a callback; the call ends here."""


class Server:
    """Serves calls on `sock`. `root` holds the learner's package; `models` loads what a probe may ask for."""

    def __init__(self, sock: socket.socket, package: str, root: str, models: Callable[[], dict[str, Any]]):
        self._sock = sock
        self._package = package
        self._root = root
        self._models = models
        self._probes: dict[str, dict[str, Any]] = {}
        self._request = 0
        self._answered = 0  # a function of the judge's is good until the call that brought it is answered
        self._speaking = threading.Lock()  # the learner's threads may ask the judge, one at a time

    def forever(self) -> NoReturn:
        """Answer until the judge hangs up."""
        while True:
            try:
                request = wire.decode(wire.receive(self._sock), callback=self._callback)
            except (wire.Closed, OSError):
                os._exit(0)
            self._request = request["id"]
            answer = self._answer(request)
            with contextlib.suppress(BaseException):  # the stream is the learner's to break
                sys.stdout.flush()
            with self._speaking:  # a thread that still asks is answered first; later ones ask nobody
                self._answered += 1
                self._reply(answer)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            value = self._call(request) if request["op"] == "call" else self._run(request)
        except _JudgeFailed:
            os._exit(0)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the learner's, too
            return {"error": self._describe(error)}
        return {"value": value}

    def _reply(self, answer: dict[str, Any]) -> None:
        answer["id"] = self._request
        for stream in (sys.stdout, sys.stderr):  # what a call printed belongs to that call's report
            with contextlib.suppress(BaseException):
                stream.flush()
        try:
            data = wire.encode(answer)
        except WireError as error:
            data = wire.encode({"id": self._request, "unsendable": str(error)[:_MESSAGE_LIMIT]})
        except BaseException as error:  # an object that fights being read
            data = wire.encode({"id": self._request, "error": self._describe(error)})
        self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            wire.send(self._sock, data)
        except (wire.Closed, OSError):
            os._exit(0)

    def _call(self, request: dict[str, Any]) -> Any:
        module, _, path = request["target"].partition(".")
        target: Any = importlib.import_module(f"{self._package}.{module}")
        for part in path.split("."):
            target = getattr(target, part)
        return target(*request["args"], **request["kwargs"])

    def _run(self, request: dict[str, Any]) -> Any:
        source = request["source"]
        namespace = self._probes.get(source)
        if namespace is None:
            module = types.ModuleType("probes")
            sys.modules["probes"] = module  # dataclasses look their module up
            namespace = vars(module)
            exec(compile(source, "<probes>", "exec", dont_inherit=True), namespace)
            self._probes[source] = namespace
        probe = namespace[request["name"]]
        data = dict(request["data"])
        code = probe.__code__
        if "models" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            data["models"] = self._models()
        return probe(Learner(self._package), **data)

    def _callback(self, number: int) -> Callable[..., Any]:
        answered = self._answered

        def judge(*args: Any, **kwargs: Any) -> Any:
            with self._speaking:
                if answered != self._answered:
                    raise RuntimeError("the call that this function belongs to has ended")
                message = {"id": self._request, "callback": number, "args": list(args), "kwargs": kwargs}
                self._send(wire.encode(message))
                answer = wire.decode(wire.receive(self._sock), callback=self._callback)
            if "raise" in answer:
                raise ValueError(answer["raise"])
            if "value" not in answer:
                raise _JudgeFailed
            return answer["value"]

        return judge

    def _describe(self, error: BaseException) -> dict[str, Any]:
        try:
            message = str(error)
        except BaseException:
            message = "(its message cannot be read)"
        frames = []
        if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(self._root):
            message = error.msg
            frames.append(self._frame(error.filename, error.lineno or 0, "", (error.text or "").strip()))
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename.startswith(self._root):
                line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
                frames.append(self._frame(code.co_filename, trace.tb_lineno, code.co_name, line))
            trace = trace.tb_next
        return {
            "type": type(error).__name__,
            "bases": [base.__name__ for base in type(error).__mro__],
            "message": message[:_MESSAGE_LIMIT],
            "frames": frames[-_FRAME_LIMIT:],
        }

    def _frame(self, path: str, line: int, function: str, source: str) -> dict[str, Any]:
        name = os.path.relpath(path, os.path.join(self._root, self._package))
        return {"file": name, "line": line, "function": function, "source": source[:200]}


def run_program(package: str, argv: list[str]) -> NoReturn:
    """Be `python -m package argv` in this process, and end with its exit code."""
    sys.argv = [package, *argv]
    code = 0
    try:
        runpy.run_module(package, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int) or end.code is None:
            code = end.code or 0
        else:
            print(end.code, file=sys.stderr)
            code = 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    os._exit(code & 0xFF)
