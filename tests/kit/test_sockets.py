"""Sockets between the judge and a candidate's own network, and a candidate started again on its scratch folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.grading.sandbox import layers
from roadmap.grading.session import Grader
from tests.attacks import small

CHECKS = '''
import contextlib, socket, threading


@contextlib.contextmanager
def upper(sock):
    def run():
        while True:
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            with connection:
                connection.sendall(connection.recv(100).upper())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    sock.shutdown(socket.SHUT_RDWR)


def ask(learner, sock, data):
    with sock:
        sock.sendall(data)
        return sock.recv(100)


@check(**COMMON, fresh=True)
def test_judge_serves(learner):
    """The learner's client reaches a server that the judge holds."""
    server, port = learner.listen()

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.recv(100).upper())

    thread = threading.Thread(target=serve)
    thread.start()
    expect.equal(learner.call("target.ask", port), b"HELLO")
    thread.join()
    server.close()


@check(**COMMON, fresh=True)
def test_learner_serves(learner):
    """The judge's client reaches the learner's server."""
    port = learner.call("target.serve")
    for word in (b"one", b"two"):
        expect.equal(ask(learner, learner.connect(port), word), word[::-1])


@check(**COMMON, fresh=True)
def test_nobody_listens(learner):
    """A port without a server is the learner's failure."""
    learner.call("target.nothing")
    learner.connect(9)


@check(**COMMON, fresh=True)
def test_silent_server(learner):
    """A server that accepts and says nothing costs the check its time, and no more."""
    sock = learner.connect(learner.call("target.serve_silence"))
    sock.recv(1)


@check(**COMMON, fresh=True)
def test_dripping_server(learner):
    """A server that always has one more byte costs the check its time, and no more."""
    sock = learner.connect(learner.call("target.serve_drops"))
    with sock.makefile("rb") as stream:
        stream.read()


@check(**COMMON, fresh=True)
def test_server_that_resets(learner):
    """A server that ends in the middle breaks the connection."""
    sock = learner.connect(learner.call("target.serve"))
    sock.sendall(b"die")
    if sock.recv(1) == b"":
        raise EOFError


@check(**COMMON, fresh=True)
def test_restart(learner):
    """Killed and started again, the program finds its folder as it left it, and nothing of its memory."""
    first = learner.call("target.remember", "a")
    learner.restart()
    expect.equal([first, learner.call("target.remember", "b")], [[1, "a"], [1, "ab"]])


@check(**COMMON)
def test_restart_of_a_shared_one(learner):
    """The check that restarts and the next one of the task both have their folders."""
    learner.call("target.remember", "a")
    learner.restart()
    expect.equal(learner.call("target.remember", "b")[0], 1)


@check(**COMMON)
def test_after_restart(learner):
    """The next check has a new candidate in a folder that exists."""
    expect.equal(learner.call("target.remember", "c"), [1, "c"])


@check(**COMMON, fresh=True)
def test_program_reaches_its_servers(learner):
    """A program finds the judge's servers in its environment, and what else was put there."""
    result = learner.program("x", environment={"WORD": "hello"}, servers={"FIRST": upper, "SECOND": upper})
    expect.equal([result.exit_code, result.stdout], [0, b"HELLO HELLO"])


@check(**COMMON, fresh=True)
def test_threads_ask_the_judge(learner):
    """Threads of the submission may ask side by side; one that asks after the call has ended is refused."""
    asked = []

    def double(number):
        asked.append(number)
        return 2 * number

    expect.equal(learner.call("target.ask_from_threads", double), [0, 2, 4, 6, 8, 10])
    expect.equal(learner.call("target.heard"), ["RuntimeError"])
    expect.equal(sorted(asked), [0, 1, 2, 3, 4, 5])


@check(**COMMON, fresh=True)
def test_meets_neighbour(learner):
    """Listens on a fixed port, and looks who else is there: nobody, even if another run does the same."""
    expect.equal(learner.call("target.meet", 45671), "alone")
'''

LEARNER = """
import os, socket, threading, time
from concurrent.futures import ThreadPoolExecutor

calls = 0


def ask(port):
    with socket.create_connection(("localhost", port), timeout=5) as connection:
        connection.sendall(b"hello")
        return connection.recv(100)


def serve():
    server = socket.create_server(("127.0.0.1", 0))
    def run():
        while True:
            connection, _ = server.accept()
            data = connection.recv(100)
            if data == b"die":
                os._exit(0)
            connection.sendall(data[::-1])
            connection.close()
    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


def serve_silence():
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: (server.accept(), time.sleep(60)), daemon=True).start()
    return server.getsockname()[1]


def serve_drops():
    server = socket.create_server(("127.0.0.1", 0))
    def run():
        connection, _ = server.accept()
        while True:
            connection.sendall(b".")
            time.sleep(0.2)
    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


def nothing():
    return None


def remember(word):
    global calls
    calls += 1
    with open("memory", "a+") as file:
        file.write(word)
        file.seek(0)
        return [calls, file.read()]


late = []


def ask_from_threads(double):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(double, range(6)))

    def later():
        time.sleep(0.3)
        try:
            double(99)
        except Exception as error:
            late.append(type(error).__name__)

    threading.Thread(target=later, daemon=True).start()
    return answers


def heard():
    time.sleep(1)
    return late


def meet(port):
    try:
        server = socket.create_server(("127.0.0.1", port))
    except OSError:
        return "somebody holds the port"
    server.settimeout(1.5)
    try:
        server.accept()
        return "somebody called"
    except TimeoutError:
        return "alone"
"""

PROGRAM = """
import os, socket

answers = []
for name in ("FIRST", "SECOND"):
    port = int(os.environ[name].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(os.environ["WORD"].encode())
        answers.append(connection.recv(100).decode())
print(*answers, end="")
"""

pytestmark = pytest.mark.skipif(not layers().namespaces, reason="needs namespaces")


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    """A warm grader with the checks above."""
    with small.warm_grader(tmp_path_factory.mktemp("sockets"), CHECKS) as grader:
        grader.prepare()
        yield grader


@pytest.fixture(scope="module")
def states(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The verdicts on a submission that does all this."""
    source = small.write_submission(
        tmp_path_factory.mktemp("learner"), small.RIGHT_TARGET + LEARNER, {"__main__.py": PROGRAM}
    )
    return small.states(grader.check(source, tasks=["1.1"]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("judge_serves", "passed"),
        ("learner_serves", "passed"),
        ("nobody_listens", "crashed"),
        ("silent_server", "timed_out"),
        ("dripping_server", "timed_out"),
        ("server_that_resets", "failed"),
        ("restart", "passed"),
        ("restart_of_a_shared_one", "passed"),
        ("after_restart", "passed"),
        ("program_reaches_its_servers", "passed"),
        ("threads_ask_the_judge", "passed"),
        ("meets_neighbour", "passed"),
    ],
)
def test_sockets_and_restarts(states: dict[str, str], name: str, state: str) -> None:
    """Each check above ends as its docstring says."""
    assert states[name] == state


@pytest.mark.slow
def test_two_candidates_do_not_meet(grader: Grader, tmp_path: Path) -> None:
    """Each has a loopback of its own: the same port twice at the same time, and nobody calls."""
    source = small.write_submission(tmp_path, small.RIGHT_TARGET + LEARNER)
    caller = LEARNER.replace(
        "server.settimeout(1.5)",
        "socket.create_connection(('127.0.0.1', port)).close(); server.accept()[0].close(); server.settimeout(1.5)",
    )
    other = small.write_submission(tmp_path / "other", small.RIGHT_TARGET + caller)
    found: list[str] = []

    def run(folder: Path) -> None:
        found.append(small.states(grader.check(folder, tasks=["1.1"]))["meets_neighbour"])

    threads = [threading.Thread(target=run, args=(folder,)) for folder in (source, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["passed", "passed"]
