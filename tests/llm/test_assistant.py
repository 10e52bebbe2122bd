"""The capstone's reference talks to whichever server the environment names: here `roadmap model serve`, on its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = ("ANTHROPIC_API_KEY", "ROADMAP_LLM_BASE_URL", "ROADMAP_LLM_MODEL", "ROADMAP_LLM_API_KEY")
pytestmark = pytest.mark.slow


def environment(**more: str) -> dict[str, str]:
    """No key and no endpoint but those of the test; the package is the reference."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    path = os.pathsep.join((str(ROOT / "solutions"), str(ROOT)))
    return {**kept, "PYTHONPATH": path, "ROADMAP_COURSE": str(ROOT), **more}


def ask(question: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stage2_prompting_tools", question, "--json"]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**more), timeout=300)


@pytest.fixture(scope="module")
def server(fetched: None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A second local server, in a process of its own, and its address."""
    command = [sys.executable, "-m", "roadmap", "model", "serve", "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment())
    assert running.stdout is not None
    found = None
    for line in running.stdout:
        found = found or re.search(r"ANTHROPIC_BASE_URL=(\S+)", line)
        if "Ctrl-C" in line:
            break
    assert found, "The server did not say where it is."
    yield running, found[1]
    running.kill()
    running.wait()


def test_the_program_talks_to_the_server_that_is_named(server: tuple[subprocess.Popen[str], str]) -> None:
    running, url = server
    question = "What is the weather in Seattle today?"
    done = ask(question, ROADMAP_LLM_BASE_URL=url, ROADMAP_LLM_API_KEY="any")
    said = json.loads(done.stdout)
    assert [(call["name"], call["arguments"].get("city")) for call in said["tools"]] == [("get_weather", "Seattle")]
    assert said["sources"] == [json.loads(said["tools"][0]["content"])["source"]]

    running.send_signal(signal.SIGINT)  # and to no other: without it there is no answer
    assert running.wait(timeout=60) == 0
    gone = ask(question, ROADMAP_LLM_BASE_URL=url, ROADMAP_LLM_API_KEY="any")
    assert (gone.returncode, "ROADMAP_LLM_BASE_URL" in gone.stderr) == (1, True), gone.stderr
