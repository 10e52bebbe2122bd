"""`roadmap model serve`: the local model behind the Messages API, until Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from enum import StrEnum
from typing import Annotated

import typer

from roadmap.course.errors import UsageError


class Action(StrEnum):
    """What can be done with the model."""

    SERVE = "serve"


def model(
    action: Annotated[Action, typer.Argument(metavar="serve", help="What to do.")],
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.")] = 8765,
    threads: Annotated[int, typer.Option("--threads", metavar="N", min=1, help="Processor threads of the model.")] = 1,
) -> int:
    """Serve SmolLM2 on the loopback: the Messages API, and llama.cpp's own server with the OpenAI shape.

    Exit code: 0 when it is ended, 2 when it cannot start.
    """
    absent = [name for name in ("xllamacpp", "starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(
            f"The local endpoint needs {', '.join(absent)}, not installed here.",
            "Install the course with its extra `llm`: pip install -c constraints.txt -e '.[llm]'",
        )
    from roadmap.llm import adapter_file
    from roadmap.llm.local import MODEL, TOOLS_MODEL, LocalModel, start
    from roadmap.llm.messages.app import application
    from roadmap.llm.serving import serve

    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be used: {os.strerror(error.errno or 0)}.",
            "Name another one with --port, or 0 for a free one.",
        ) from None
    with (
        listening,
        start(threads=threads) as engine,
        serve(application(LocalModel(engine)), listening) as url,
    ):
        if engine.has_adapter:
            print(f"Served: {TOOLS_MODEL} (taught to call tools) and {MODEL} (as published).")
        else:
            print(f"Served: {MODEL}. For tool calls the course's adapter is missing: {adapter_file.PLACE.as_posix()}")
        print(f"  Messages API      {url}/v1/messages      ANTHROPIC_BASE_URL={url}")
        print(f"  OpenAI's shape    {engine.address}/v1/chat/completions")
        print("Any API key will do. Ctrl-C ends this.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("Ended.")
    return 0
