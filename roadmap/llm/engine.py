"""llama.cpp in this process, spoken to over its own HTTP API on the loopback: tokens in, tokens out.

One engine holds one model file. It starts in under a second, answers several requests at once, and keeps what it has
read of a prompt. Source: llama.cpp's server documentation (`/completion`, `/tokenize`), through the package xllamacpp.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

CONTEXT = 8192  # tokens that SmolLM2 was trained to read


class EngineError(Exception):
    """llama.cpp refused a request, or is gone."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Temperature 0 takes the most probable one.

    `repeat_penalty` divides the scores of tokens that stand among the last 64; 1 does not.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    repeat_penalty: float = 1.0


@dataclass(frozen=True)
class Done:
    """How a completion ended, and what it cost in tokens."""

    reason: Literal["eos", "limit", "word"]
    word: str
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True)
class Step:
    """A token that was drawn: its text, its log-probability before any grammar, and those of the likeliest others.

    A token may end within a character: texts are put together from `data`.
    """

    text: str
    logprob: float
    likeliest: tuple[tuple[str, float], ...]
    data: bytes = b""


class Engine:
    """A model file, loaded and ready. Use as a context manager, or let it live as long as the process.

    `slots` requests are answered side by side, each with the whole context. `threads` are the processor's; one, unless
    nothing else runs: more than the machine has free make it slower by a factor of fifty. `adapter` is a LoRA adapter
    in GGUF, loaded beside the model and used by the requests that ask for it.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        adapter: str | Path | None = None,
        slots: int = 2,
        threads: int = 1,
        context: int = CONTEXT,
    ):
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(model)
        parameters.n_ctx = context * slots
        parameters.n_parallel = slots
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        parameters.port = 0
        parameters.verbosity = -1
        parameters.warmup = False
        # llama.cpp would keep what it knew of earlier prompts, and take it up again without asking whether the adapter
        # was on then: the plain model answered from the tuned one's memory.
        parameters.cache_ram_mib = 0
        if adapter is not None:
            lora = xllamacpp.CommonAdapterLoraInfo()
            lora.path = str(adapter)
            lora.scale = 0.0  # off, unless a request switches it on
            parameters.lora_adapters = [lora]
        self.context = context
        self.has_adapter = adapter is not None
        with _Silent():
            self._server = xllamacpp.Server(parameters)
        self._client = httpx.Client(
            base_url=self._server.listening_address,
            timeout=600,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # llama.cpp hangs up on kept connections as it likes
        )

    @property
    def address(self) -> str:
        """The base URL of llama.cpp's own server."""
        return str(self._server.listening_address)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up and let llama.cpp end."""
        self._client.close()
        del self._server

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text in which nothing is special: `<|im_end|>` in it is ten characters, not an end."""
        answer = self._post("/tokenize", {"content": text, "add_special": False, "parse_special": False})
        return list(answer["tokens"])

    def complete(
        self,
        prompt: Sequence[int],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        sampling: Sampling = Sampling(),
        schema: dict[str, Any] | None = None,
        grammar: str | None = None,
        adapted: bool = False,
    ) -> Iterator[str | Done]:
        """The continuation of a prompt in pieces of text, then one `Done`.

        `schema` or `grammar` (GBNF) allow only tokens that keep the whole within them. A stop string ends the text
        before it and is not part of it. `adapted` switches the adapter on. Raises EngineError.
        """
        body: dict[str, Any] = {
            "prompt": list(prompt),
            "n_predict": max_tokens,
            "stop": list(stop),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k if sampling.temperature > 0 else 1,
            "min_p": 0.0,
            "seed": sampling.seed,
            "repeat_penalty": sampling.repeat_penalty,
            "stream": True,
            "cache_prompt": True,
        }
        if schema is not None:
            body["json_schema"] = schema
        if grammar is not None:
            body["grammar"] = grammar
        body |= self._lora(adapted)
        try:
            with self._client.stream("POST", "/completion", json=body) as response:
                if response.status_code != 200:
                    raise EngineError(_reason(response.read()))
                for line in response.iter_lines():
                    if line.startswith("error: "):
                        raise EngineError(_reason(line.removeprefix("error: ").encode()))
                    if not line.startswith("data: "):
                        continue
                    event = json.loads(line.removeprefix("data: "))
                    if event.get("content"):
                        yield event["content"]
                    if event.get("stop"):
                        tokens = event["tokens_evaluated"], event["tokens_predicted"]
                        yield Done(event["stop_type"], event["stopping_word"], *tokens)
        except httpx.HTTPError as error:
            raise EngineError(f"llama.cpp does not answer: {error}") from None

    def steps(self, prompt: Sequence[int], *, grammar: str, most: int, adapted: bool, likeliest: int = 1) -> list[Step]:
        """The likeliest continuation within a grammar, by tokens, with what the model thought of each without one."""
        answer = self._post(
            "/completion",
            {
                "prompt": list(prompt),
                "n_predict": most,
                "temperature": 0.0,
                "top_k": 1,
                "grammar": grammar,
                "n_probs": likeliest,
                "cache_prompt": True,
                **self._lora(adapted),
            },
        )
        return [
            Step(
                one["token"],
                float(one["logprob"]),
                tuple((other["token"], float(other["logprob"])) for other in one["top_logprobs"]),
                bytes(one["bytes"]),
            )
            for one in answer["completion_probabilities"]
        ]

    def _lora(self, adapted: bool) -> dict[str, Any]:
        return {"lora": [{"id": 0, "scale": 1.0 if adapted else 0.0}]} if self.has_adapter else {}

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        try:
            response = self._client.post(path, json=body)
        except httpx.HTTPError as error:
            raise EngineError(f"llama.cpp does not answer: {error}") from None
        if response.status_code != 200:
            raise EngineError(_reason(response.content))
        return response.json()


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:300].decode("utf-8", "replace")


class _Silent:
    """llama.cpp reports on descriptor 2 whatever its verbosity: keep that from the reader's screen."""

    def __enter__(self) -> None:
        self._kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)
