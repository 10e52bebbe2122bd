"""Which model answers: the local one, one behind any Messages-compatible address, or the real service.

The same program talks to all three through the real SDK; the environment decides. Importing this imports no SDK and no
engine: a program that only asks for help must start at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anthropic

BASE_URL, MODEL, KEY, SERVICE_KEY = (
    "ROADMAP_LLM_BASE_URL",
    "ROADMAP_LLM_MODEL",
    "ROADMAP_LLM_API_KEY",
    "ANTHROPIC_API_KEY",
)
SERVICE_MODEL = "claude-haiku-4-5"  # a name that the installed SDK knows; a test holds it to that
_ANY_KEY = "local"  # servers without accounts take any


class EndpointError(Exception):
    """No model can be reached with these settings. `do` is what to do about it."""

    def __init__(self, what: str, do: str):
        super().__init__(f"{what} {do}")
        self.what = what
        self.do = do


@dataclass(frozen=True)
class Endpoint:
    """A client of the SDK, the model's name for its requests, and a name for people."""

    client: anthropic.Anthropic
    model: str
    name: str


@contextlib.contextmanager
def connect(environ: Mapping[str, str] = os.environ, *, timeout: float = 120.0) -> Iterator[Endpoint]:
    """The endpoint that the environment names, for as long as the block runs.

    - `ROADMAP_LLM_BASE_URL`: any server with the Messages API. `ROADMAP_LLM_MODEL` names the model, else it is the
      first that the server lists; `ROADMAP_LLM_API_KEY` is its key, if it wants one.
    - else `ANTHROPIC_API_KEY`: the real service, with `ROADMAP_LLM_MODEL` or a small model of it.
    - else the local model, served in this process: `smollm2-135m-tools` where the course's adapter is there, else the
      plain model. `ROADMAP_LLM_MODEL` names the other one.

    `timeout` is in seconds, for one request. The key of the real service is never sent to another address. Raises
    EndpointError.
    """
    import anthropic

    if base := environ.get(BASE_URL, "").strip():
        client = anthropic.Anthropic(base_url=base, api_key=environ.get(KEY) or _ANY_KEY, timeout=timeout)
        with client:
            yield Endpoint(client, environ.get(MODEL) or _first_model(client, base), base)
    elif key := environ.get(SERVICE_KEY, "").strip():
        with anthropic.Anthropic(api_key=key, timeout=timeout) as client:
            yield Endpoint(client, environ.get(MODEL) or SERVICE_MODEL, "the Messages API")
    else:
        with _local(timeout, environ.get(MODEL, "").strip()) as endpoint:
            yield endpoint


def _first_model(client: anthropic.Anthropic, base: str) -> str:
    import anthropic

    try:
        listed = [model.id for model in client.models.list()]
    except anthropic.APIConnectionError:
        raise EndpointError(
            f"Nothing answers at {base}.",
            f"Start the server, or correct {BASE_URL}; without it the local model answers.",
        ) from None
    except anthropic.APIError as error:
        raise EndpointError(f"{base} does not list its models ({error}).", f"Name one in {MODEL}.") from None
    if not listed:
        raise EndpointError(f"{base} serves no model.", f"Load one there, or name one in {MODEL}.")
    return listed[0]


@contextlib.contextmanager
def _local(timeout: float, wanted: str) -> Iterator[Endpoint]:
    import anthropic

    absent = [name for name in ("xllamacpp", "starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if absent:
        raise EndpointError(
            f"The local model needs {', '.join(absent)}, not installed here.",
            f"Install the course with its extra `llm`, or set {BASE_URL} or {SERVICE_KEY}.",
        )
    from roadmap import artifacts

    from .local import LocalModel
    from .messages.app import application
    from .serving import serve

    try:
        model = LocalModel()
    except artifacts.ArtifactError as error:
        raise EndpointError(str(error), f"Or set {BASE_URL} or {SERVICE_KEY}.") from None
    served = model.models()
    if wanted and wanted not in served:
        model.close()
        raise EndpointError(
            f"The local endpoint serves no model `{wanted}`.",
            f"Unset {MODEL}, or name {' or '.join(served)} in it.",
        )
    with (
        model,
        serve(application(model)) as url,
        anthropic.Anthropic(
            base_url=url,
            api_key=_ANY_KEY,
            timeout=timeout,
            http_client=anthropic.DefaultHttpxClient(trust_env=False),  # no proxy stands before this process
        ) as client,
    ):
        yield Endpoint(client, wanted or served[0], "the local model")
