"""What every test may rely on."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from roadmap.artifacts import is_present, registry
from roadmap.course import parsing

# A shell that starts the tests in the background leaves Ctrl-C ignored, for them and for all that they start; tests of
# Ctrl-C need it as a terminal has it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """pytest parses a failed test's source to show it, while the bank's threads parse what they grade."""
    with parsing.ALONE:
        return (yield)


@pytest.fixture(scope="session")
def fetched() -> None:
    """All models and data that the present stages need; `roadmap demo` alone brings the chat model."""
    if not all(is_present(artifact.name) for artifact in registry.needed_now()):
        done = subprocess.run([sys.executable, "-m", "roadmap", "fetch"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
