"""Which model answers: what the environment names, and what is said when it cannot be reached."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import get_args

import pytest
from anthropic.types.model import Model

from roadmap.llm import EndpointError, connect
from roadmap.llm.endpoint import SERVICE_MODEL
from roadmap.llm.messages.app import application
from roadmap.llm.scripted import Reply, ScriptedModel
from roadmap.llm.serving import serve


def test_any_compatible_server_by_its_address() -> None:
    model = ScriptedModel([Reply.of("Hello.")], models=["one", "two"])
    with (
        serve(application(model, key="mine")) as url,
        connect({"ROADMAP_LLM_BASE_URL": url, "ROADMAP_LLM_API_KEY": "mine", "ANTHROPIC_API_KEY": "secret"}) as here,
    ):
        assert (here.model, here.name) == ("one", url)
        answer = here.client.messages.create(
            model=here.model, max_tokens=10, messages=[{"role": "user", "content": "Hi"}]
        )
    assert answer.content[0].text == "Hello."


def test_the_services_key_goes_to_no_other_address() -> None:
    with connect(
        {"ROADMAP_LLM_BASE_URL": "http://127.0.0.1:9", "ROADMAP_LLM_MODEL": "m", "ANTHROPIC_API_KEY": "secret"}
    ) as here:
        assert (here.client.api_key, here.client.auth_token, here.model) == ("local", None, "m")


def test_the_real_service_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    with connect({"ANTHROPIC_API_KEY": "secret"}) as here:
        assert (here.client.api_key, here.model) == ("secret", SERVICE_MODEL)
        assert here.client.base_url.host.endswith("anthropic.com")
    assert SERVICE_MODEL in get_args(get_args(Model)[0])
    with connect({"ANTHROPIC_API_KEY": "secret", "ROADMAP_LLM_MODEL": "other"}) as here:
        assert here.model == "other"


def test_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(EndpointError, match=rf"Nothing answers at http://127.0.0.1:{port}\. Start the server"):
        connect({"ROADMAP_LLM_BASE_URL": f"http://127.0.0.1:{port}"}).__enter__()


def test_a_server_without_a_model() -> None:
    with (
        serve(application(ScriptedModel([], models=[]))) as url,
        pytest.raises(EndpointError, match="serves no model"),
        connect({"ROADMAP_LLM_BASE_URL": url}),
    ):
        pass


def test_asking_for_help_imports_no_sdk() -> None:
    code = "import roadmap.llm, sys; print([n for n in ('anthropic', 'xllamacpp', 'torch') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_local_model_needs_nothing() -> None:
    with connect({}) as here:
        answer = here.client.messages.create(
            model=here.model, max_tokens=20, messages=[{"role": "user", "content": "What is the capital of Japan?"}]
        )
    assert "Tokyo" in answer.content[0].text
