"""Hostile and wrong submissions against what is new in stage 2: a judge that serves a model, and learners' programs.

The first part attacks the judge's server through a small course: a check plays a scenario, and only what arrived at the
server and what came back decide. The second part attacks the real checks of stage 2.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

from roadmap.course import Course, Stage
from roadmap.grading.sandbox import layers
from roadmap.grading.session import Grader
from roadmap.grading.verdict import Report, State
from tests.attacks import small
from tests.bank import override

ROOT = Path(__file__).resolve().parents[2]

# --- the judge's server -----------------------------------------------------------------------------------------------

CHECKS = '''
@check(**COMMON, fresh=True, limit=8.0, memory_mb=2048)
def test_chat(learner, rng):
    """Two turns: the question, then a second question after the model's first answer."""
    from roadmap.llm.scripted import Reply, ScriptedModel, scripted_application
    from roadmap.llm.serving import serve

    words = [f"word{rng.integers(1 << 60)}" for _ in range(3)]
    model = ScriptedModel([Reply.of(words[0]), Reply.of(words[1])])
    sock, port = learner.listen()
    with sock, serve(scripted_application(model), sock) as url:
        got = learner.call("target.chat", url, words[2])
    turns = [
        {"role": "user", "content": words[2]},
        {"role": "assistant", "content": words[0]},
        {"role": "user", "content": "And then?"},
    ]
    expect.equal(got, words[1], what="the answer")
    expect.equal(model.problems, [], what="what the server refused")
    expect.equal([request["messages"] for request in model.requests], [turns[:1], turns], what="what was asked")
'''

RIGHT = """
def chat(url, question):
    import anthropic
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    turns = [{"role": "user", "content": question}]
    for _ in range(2):
        answer = client.messages.create(model="scripted", max_tokens=50, messages=turns).content[0].text
        turns += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And then?"}]
    return answer
"""

TOOLS = """
import http.client, json, os, re, socket, sys, threading, time

def port_of(url): return int(url.rpartition(":")[2])
def connect(url): return socket.create_connection(("127.0.0.1", port_of(url)), timeout=3)

def post(url, body, path="/v1/messages", headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(url), timeout=3)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, {"content-type": "application/json", "anthropic-version": "2023-06-01",
                                            "x-api-key": "none", **headers})
    return connection.getresponse().read().decode()

def ask(url, *turns):
    body = {"model": "scripted", "max_tokens": 50, "messages": [
        {"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]}
    found = re.search(r'"text": ?"(word[0-9]+)"', post(url, body))
    return found[1] if found else "nothing"
"""

HOSTILE = {
    "an answer without a question": "def chat(url, question): return 'word123'",
    "the question for an answer": "def chat(url, question): return question",
    "the environment and the command line": """
        def chat(url, question):
            places = [*os.environ.values(), *sys.argv, *sys.orig_argv, open("/proc/self/environ").read()]
            return next((w for p in places for w in re.findall("word[0-9]+", p)), "nothing")
        """,
    "the memory of the process": """
        def chat(url, question):
            import gc
            texts = [v for o in gc.get_objects() if isinstance(o, dict) for v in list(o.values()) if isinstance(v, str)]
            found = {w for t in texts for w in re.findall("word[0-9]+", t)} - {question}
            return next(iter(found), "nothing")
        """,
    "the last turn first, without the first answer": """
        def chat(url, question):
            ask(url, question)
            return ask(url, question)
        """,
    "a first answer of its own": """
        def chat(url, question):
            ask(url, question)
            return ask(url, question, "word1", "And then?")
        """,
    "both turns at once": """
        def chat(url, question):
            found = []
            threads = [threading.Thread(target=lambda: found.append(ask(url, question))) for _ in range(2)]
            for t in threads: t.start()
            for t in threads: t.join()
            return found[-1]
        """,
    "one question more than was asked for": """
        def chat(url, question):
            first = ask(url, question)
            answer = ask(url, question, first, "And then?")
            ask(url, question, first, "And then?", answer, "More?")
            return answer
        """,
    "future turns at other addresses": """
        def chat(url, question):
            first = ask(url, question)
            for path in ("/scenario", "/", "/docs", "/openapi.json", "/v1/messages/next", "/../scenario", "/v1/models",
                         "/v1/messages/count_tokens", "//etc/passwd", "/%2e%2e/%2e%2e/proc/self/environ", "/debug"):
                for text in (post(url, {}, path), post(url, {"messages": [], "n": 2}, path)):
                    for word in re.findall("word[0-9]+", text):
                        if word not in (question, first): return word
            return "nothing"
        """,
    "an SDK that answers by itself": """
        RIGHT
        asked = chat

        def chat(url, question):
            import anthropic
            from types import SimpleNamespace as N
            answer = N(content=[N(text="word1", type="text")])
            anthropic.resources.messages.Messages.create = lambda self, **body: answer
            return asked(url, question)
        """,
    "a client that only pretends to connect": """
        RIGHT
        asked = chat

        def chat(url, question):
            import httpx, httpx2
            for library in (httpx, httpx2):
                library.Client.send = lambda self, request, **more: library.Response(200, request=request, json={
                    "id": "m", "type": "message", "role": "assistant", "model": "scripted", "stop_reason": "end_turn",
                    "stop_sequence": None, "content": [{"type": "text", "text": "word1"}],
                    "usage": {"input_tokens": 1, "output_tokens": 1}})
            return asked(url, question)
        """,
    "a server of its own on the same port": """
        def chat(url, question):
            try:
                own = socket.socket()
                own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                own.bind(("127.0.0.1", port_of(url)))
                own.listen()
            except OSError:
                return "the port is taken"
            return "word1"
        """,
    "a server elsewhere": """
        def chat(url, question):
            for address in (("1.1.1.1", 80), ("127.0.0.1", HOST), ("localhost", HOST), ("::1", HOST)):
                try:
                    with socket.create_connection(address, timeout=1) as sock:
                        sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                        return sock.recv(100).decode() or "nothing"
                except OSError:
                    pass
            return "nobody"
        """,
    "bytes that are no HTTP": """
        def chat(url, question):
            for data in (b"\\x00" * 10000, b"GET", b"POST /v1/messages HTTP/9.9\\r\\n\\r\\n", b"\\xff\\xfe\\r\\n\\r\\n",
                         b"POST /v1/messages HTTP/1.1\\r\\ncontent-length: -5\\r\\n\\r\\n",
                         b"POST /v1/messages HTTP/1.1\\r\\ntransfer-encoding: chunked\\r\\n\\r\\nzz\\r\\n",
                         b"GET / HTTP/1.1\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\n\\r\\n",
                         b"A" * 200_000 + b" / HTTP/1.1\\r\\n\\r\\n"):
                with connect(url) as sock:
                    try: sock.sendall(data); sock.settimeout(0.3); sock.recv(1000)
                    except OSError: pass
            return ask(url, question)
        """,
    "bodies that are no question": """
        def chat(url, question):
            for body in (b"", b"[]", b"null", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5_000, b"\\xff\\xff",
                         b'{"model": NaN, "max_tokens": 1e999}', b'"\\\\ud800"', {"model": {}, "messages": 3},
                         {"model": "scripted", "max_tokens": -1, "messages": [{"role": "system", "content": 1}]}):
                post(url, body)
            return ask(url, question, ask(url, question), "And then?")
        """,
    "a body of fifty megabytes": """
        def chat(url, question):
            try: post(url, {"model": "scripted", "max_tokens": 5, "messages": [
                {"role": "user", "content": "x" * 50_000_000}]})
            except OSError: pass
            return "nothing"
        """,
    "a flood of questions": """
        def chat(url, question):
            answer = ask(url, question, ask(url, question), "And then?")
            for _ in range(300): post(url, {"model": "scripted"})
            return answer
        """,
    "two hundred connections that stay open": """
        held = []
        def chat(url, question):
            try:
                for _ in range(200): held.append(connect(url))
            except OSError:
                pass
            for sock in held: sock.sendall(b"POST /v1/messages HTTP/1.1\\r\\ncontent-length: 1000\\r\\n\\r\\n{")
            return "nothing"
        """,
    "a flood that goes on after the answer": """
        def chat(url, question):
            if os.fork() == 0:
                end = time.time() + 20
                while time.time() < end:
                    try: connect(url).sendall(b"GET / HTTP/1.1\\r\\n\\r\\n" * 100)
                    except OSError: time.sleep(0.01)
                os._exit(0)
            return "nothing"
        """,
    "a question that never ends": """
        def chat(url, question):
            sock = connect(url)
            sock.sendall(b"POST /v1/messages HTTP/1.1\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n")
            while True:
                sock.sendall(b"1\\r\\nx\\r\\n")
                time.sleep(0.2)
        """,
    "an answer that is never read": """
        def chat(url, question):
            sock = connect(url)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            body = json.dumps({"model": "scripted", "max_tokens": 5, "stream": True,
                               "messages": [{"role": "user", "content": question}]}).encode()
            head = "POST /v1/messages HTTP/1.1|host: a|content-type: application/json|x-api-key: n|content-length: "
            sock.sendall(f"{head}{len(body)}||".replace("|", "\\r\\n").encode() + body)
            globals()["kept"] = sock
            return "nothing"
        """,
    "the end of the process in the middle of a question": """
        def chat(url, question):
            connect(url).sendall(b"POST /v1/messages HTTP/1.1\\r\\ncontent-length: 100\\r\\n\\r\\n{")
            os._exit(0)
        """,
}

needs_namespaces = pytest.mark.skipif(not layers().namespaces, reason="needs namespaces")


@pytest.fixture(scope="module")
def small_grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    """A warm grader with the check above."""
    warm = ("numpy", "uvicorn", "starlette", "roadmap.llm.scripted")
    folder = tmp_path_factory.mktemp("servers")
    with small.warm_grader(folder, CHECKS, libraries=("numpy", "anthropic"), judge_libraries=warm) as grader:
        grader.prepare()
        yield grader


@pytest.fixture(scope="module")
def host() -> Iterator[tuple[int, list[str]]]:
    """A server of the host that no candidate may reach: its port, and who came."""
    visits: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                visits.append(str(address))
                connection.close()

        threading.Thread(target=run, daemon=True).start()
        yield server.getsockname()[1], visits
        server.shutdown(socket.SHUT_RDWR)


def submission(folder: Path, chat: str, port: int = 0) -> Path:
    """Everything of the small course right, and this `chat`."""
    body = dedent(chat).replace("RIGHT\n", f"{RIGHT}\n", 1).replace("HOST", str(port))
    return small.write_submission(folder, small.RIGHT_TARGET + TOOLS + body)


@pytest.mark.slow
@needs_namespaces
def test_a_right_program_passes(small_grader: Grader, tmp_path: Path) -> None:
    """The check that is attacked lets a right answer pass."""
    report = small_grader.check(submission(tmp_path, RIGHT))
    assert set(small.states(report).values()) == {"passed"}


@pytest.mark.slow
@needs_namespaces
@pytest.mark.parametrize("name", HOSTILE)
def test_the_judges_server_holds(small_grader: Grader, host: tuple[int, list[str]], tmp_path: Path, name: str) -> None:
    """The attacked check gives no point and no grader error; every other check passes; nobody reaches the host."""
    report = small_grader.check(submission(tmp_path, HOSTILE[name], host[0]))
    states = small.states(report)
    attacked = states.pop("chat")
    message = next(check.message for check in report.checks if check.id.endswith("test_chat"))
    assert attacked in ("failed", "crashed", "timed_out", "out_of_memory"), message[:500]
    assert set(states.values()) == {"passed"}
    assert host[1] == []


# --- the checks of stage 2 --------------------------------------------------------------------------------------------

# Every function returns the same. (tests/test_bank.py has plain garbage, from one function at a time.)
GARBAGE = {
    "NaN": "float('nan')",
    "a large number": "10 ** 400",
    "what it was given": "next(iter(args), None)",
    "lists of unlike things": "[[1, 'a'], None, {}]",
    "itself": "garbage",
    "an object that agrees": "Agree()",
}
AGREE = """
class Agree:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __bool__(self): return True
    def __len__(self): return 1
    def __float__(self): return 1.0
    def __int__(self): return 1
    def __iter__(self): return iter([1])
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
"""

# Changes to the reference: (module, definitions in its place, the checks that must not pass).
WRONG = {
    "a guard that is a list of keywords": (
        "guard",
        """
class Guard:
    def fit(self, texts, labels, *, seed=0, max_false_alarms=0.05):
        self.weights, self.bias, self.threshold = np.zeros(SIZE), 0.0, 0.5
    def score(self, text):
        words = ("ignore", "disregard", "forget", "override", "instruction", "prompt", "system", "reveal", "password")
        return float(any(word in text.casefold() for word in words))
""",
        {"test_guard_on_hidden_texts", "test_fit_finds_the_minimum"},
    ),
    "a guard that knows the training texts by heart": (
        "guard",
        """
class Guard:
    def score(self, text):
        if not hasattr(self, "weights"):
            raise RuntimeError
        from .guard_examples import LABELS, TEXTS
        return float(dict(zip(TEXTS, LABELS)).get(text, 0))
""",
        {"test_guard_on_hidden_texts", "test_fit_finds_the_minimum"},
    ),
    "a guard that stops everything": (
        "guard",
        "class Guard:\n    def score(self, text): return 1.0\n",
        {"test_guard_on_hidden_texts", "test_fit_finds_the_minimum", "test_threshold_comes_from_held_out_texts"},
    ),
    "a guard that stops nothing": (
        "guard",
        "class Guard:\n    def score(self, text): return 0.0\n",
        {"test_guard_on_hidden_texts", "test_fit_finds_the_minimum"},
    ),
    "a guard that reads the labels from the caller": (
        "guard",
        """
class Guard:
    def score(self, text):
        import sys
        frame = sys._getframe()
        while frame is not None:
            for name in ("labels", "want", "kinds"):
                if name in frame.f_locals and text in frame.f_locals.get("texts", ()):
                    return float(frame.f_locals[name][list(frame.f_locals["texts"]).index(text)])
            frame = frame.f_back
        return 0.5
""",
        {"test_guard_on_hidden_texts"},
    ),
    "sanitise that gives nothing back": (
        "guard",
        "def sanitise(text, *, limit=20000): return ''\n",
        {"test_invisible_characters_go", "test_harmless_text_stays_as_it_is"},
    ),
    "a router that asks nobody": (
        "optimize",
        """
class Router:
    def forward(self, request):
        return dspy.Prediction(tool="sky" if "rain" in request else NONE)
""",
        {"test_router_survives_nonsense_and_reports_failures", "test_validation_decides_and_ties_go_to_the_simplest"},
    ),
    "DSPy that answers by itself": (
        "optimize",
        """
dspy.Predict.__call__ = lambda self, **inputs: dspy.Prediction(tool="none")
dspy.LM.__call__ = lambda self, *args, **kwargs: ["none"]
""",
        {
            "test_router_survives_nonsense_and_reports_failures",
            "test_demonstrations_come_from_train_alone",
            "test_report_counts_pairs_and_claims_no_more",
        },
    ),
    "scores that were never measured": (
        "optimize",
        """
def compile_router(router, splits, *, candidates, seed):
    scores = {name: 0.5 for name in ("zero-shot", *candidates)}
    name = list(candidates)[0]
    program = candidates[name].compile(router.reset_copy(), trainset=list(splits.train))
    return Compiled(name, program, router.reset_copy(), scores)
""",
        {"test_demonstrations_come_from_train_alone", "test_validation_decides_and_ties_go_to_the_simplest"},
    ),
    "the judge's own function, asked behind DSPy's back": (
        "optimize",
        """
def _asker():
    import sys
    frame = sys._getframe()
    while frame is not None:
        if "ask" in frame.f_locals:
            return frame.f_locals["ask"]
        frame = frame.f_back

def compile_router(router, splits, *, candidates, seed):
    ask, order = _asker(), list(splits.train)
    random.Random(seed).shuffle(order)
    programs = {"zero-shot": router.reset_copy()}
    for name, optimizer in candidates.items():
        programs[name] = optimizer.compile(router.reset_copy(), trainset=list(order))
    for example in splits.test:
        ask("[[ ## tool ## ]]", [["user", example.request]])
    scores = {name: _mean(_marks(program, splits.validation)) for name, program in programs.items()}
    chosen = max(scores, key=scores.get)
    return Compiled(chosen, programs[chosen], router.reset_copy(), scores)
""",
        {"test_demonstrations_come_from_train_alone"},
    ),
    "an SDK that answers by itself": (
        "structured",
        """
def _answer(self, **body):
    return anthropic.types.Message.model_construct(
        content=[anthropic.types.TextBlock(type="text", text='{"city": "Oslo", "days": 3}')], stop_reason="end_turn")

def ask(client, model, messages, schema, *, system="", retries=2, max_tokens=500):
    anthropic.resources.messages.Messages.create = _answer
    text = client.messages.create(model=model, messages=messages, max_tokens=max_tokens).content[0].text
    return extract_json(text)
""",
        {"test_a_good_answer_is_returned", "test_problems_go_back_to_the_model", "test_repairs_are_bounded"},
    ),
    "an answer shopped for": (
        "structured",
        """
def ask(client, model, messages, schema, *, system="", retries=2, max_tokens=500):
    for _ in range(20):
        answer = client.messages.create(
            model=model, messages=messages, max_tokens=max_tokens, system=instructions(system, schema))
        try:
            value = extract_json("".join(block.text for block in answer.content if block.type == "text"))
        except ValueError:
            continue
        if not validate(value, schema):
            return value
""",
        {"test_problems_go_back_to_the_model", "test_repairs_are_bounded"},
    ),
    "a validator that is blocked": (
        "structured",
        """
def validate(value, schema):
    import jsonschema
    found = jsonschema.Draft202012Validator(schema).iter_errors(value)
    return [Problem(error.json_path, error.message) for error in found]
""",
        {"test_types_are_those_of_json", "test_every_problem_is_found"},
    ),
    "schemas by the SDK's own decorator": (
        "schemas",
        """
def tool_schema(function):
    import anthropic
    made = anthropic.beta_tool(function)
    return {"name": made.name, "description": made.description, "input_schema": dict(made.input_schema)}
""",
        {"test_a_function_becomes_a_tool", "test_functions_that_no_model_could_call"},
    ),
    "schemas by Pydantic": (
        "schemas",
        """
def annotation_schema(annotation):
    import pydantic
    return pydantic.TypeAdapter(annotation).json_schema()
""",
        {"test_dataclasses_become_objects", "test_what_has_no_schema_is_refused"},
    ),
    "a registry that believes the caller's frames": (
        "registry",
        """
class Registry:
    def run(self, name, arguments):
        import sys
        frame = sys._getframe()
        while frame is not None:
            for word in ("want", "wanted", "expected", "content", "result"):
                if isinstance(frame.f_locals.get(word), str):
                    return ToolResult(frame.f_locals[word])
            frame = frame.f_back
        return ToolResult("done")
""",
        {
            "test_results_are_text_that_a_model_can_read",
            "test_wrong_arguments_never_reach_the_tool",
            "test_exceptions_become_truthful_errors",
        },
    ),
    "a client that only pretends to connect": (
        "services",
        """
def _pretend(self, request, **more):
    return httpx.Response(200, request=request, json={"results": [], "latitude": 1.0, "prices": []})

httpx.Client.send = _pretend
httpx.Client.handle_request = _pretend
""",
        {"test_an_answer_is_its_json", "test_what_passes_is_tried_again", "test_a_forecast_is_what_the_service_says"},
    ),
    "an agent that talks to itself": (
        "agent",
        """
class Agent:
    def stream(self, question, history=()):
        results = [self.registry.run(tool["name"], {}) for tool in self.registry.definitions()]
        text = " ".join(result.content for result in results)
        messages = [*history, {"role": "user", "content": question}, {"role": "assistant", "content": text}]
        yield Outcome(text, "end_turn", 1, Usage(), 0.0, messages, ())

    def run(self, question, history=()):
        return next(self.stream(question, history))
""",
        {
            "test_a_question_without_calls_is_one_request",
            "test_a_call_is_answered",
            "test_a_stream_hands_on_what_comes",
        },
    ),
    "an agent that lets the SDK's own runner work": (
        "agent",
        """
class Agent:
    def run(self, question, history=()):
        tools = []
        for tool in self.registry.definitions():
            def function(_name=tool["name"], **arguments):
                return self.registry.run(_name, arguments).content
            tools.append(anthropic.beta_tool(function, name=tool["name"], description=tool["description"],
                                             input_schema=tool["input_schema"]))
        messages = [*history, {"role": "user", "content": question}]
        runner = self.client.beta.messages.tool_runner(
            model=self.model, max_tokens=self.max_tokens, messages=messages, tools=tools)
        turns = list(runner)
        text = "".join(block.text for block in turns[-1].content if block.type == "text")
        return Outcome(text, "end_turn", len(turns), Usage(), 0.0, messages, ())
""",
        {"test_a_question_without_calls_is_one_request", "test_calls_of_a_turn_run_side_by_side"},
    ),
    "a policy that looks for the verdict in the caller's frames": (
        "policy",
        """
class Policy:
    def decide(self, name, arguments):
        import sys
        frame = sys._getframe()
        while frame is not None:
            for word in ("want", "wanted", "decision", "hidden"):
                if frame.f_locals.get(word) in ("allow", "ask", "deny"):
                    return Verdict(Decision(frame.f_locals[word]), name)
            frame = frame.f_back
        return Verdict(Decision.ALLOW, f"{name} {arguments}")
""",
        {"test_reading_is_allowed_and_writing_is_asked_about", "test_arguments_keep_the_rules"},
    ),
    "a verdict that is every verdict": (
        "policy",
        """
class Both(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return hash("allow")
    def __str__(self): return self
    def __contains__(self, other): return True

class Policy:
    def decide(self, name, arguments):
        return Verdict(Both("allow"), Both(name))
""",
        {"test_reading_is_allowed_and_writing_is_asked_about", "test_arguments_keep_the_rules"},
    ),
    "a gate that answers for the person": (
        "policy",
        """
class Gate:
    def run(self, name, arguments):
        for cell in getattr(self.confirm, "__closure__", None) or ():
            if callable(cell.cell_contents):
                try:
                    cell.cell_contents(name, arguments)
                except Exception:
                    pass
        result = self.registry.run(name, arguments)
        self.log(json.dumps({"tool": name, "decision": "ask", "outcome": "ran"}))
        return result
""",
        {
            "test_the_gate_asks_where_the_policy_says_so",
            "test_the_log_has_a_redacted_line_for_each_call",
            "test_what_was_confirmed_is_what_runs",
        },
    ),
    "an assistant that makes up its answers": (
        "cli",
        """
def main(argv=None):
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv or argv[-1].startswith("-") and "-h" not in argv[-1]:
        print("stage2_prompting_tools: say what you want to know.", file=sys.stderr)
        return 2
    print("It is 20.0 °C (https://open-meteo.com).")
    return 0
""",
        {
            "test_a_question_is_answered_by_its_tools",
            "test_sources_follow_the_answer",
            "test_json_is_one_object",
            "test_keys_stay_inside",
        },
    ),
    "a program that leaves before it is judged": (
        "cli",
        """
def main(argv=None):
    import os
    print('{"answer": "20.0 °C", "stop": "end_turn"}', flush=True)
    os._exit(0)
""",
        {"test_help_is_an_answer", "test_a_question_is_answered_by_its_tools", "test_no_answer_is_no_success"},
    ),
    "a report made up": (
        "optimize",
        """
def report(compiled, splits):
    if not splits.test:
        raise ValueError
    total = len(splits.test)
    part = {"correct": total, "accuracy": 1.0, "interval": list(wilson_interval(total, total))}
    seen = compiled.scores[compiled.name]
    return dict(name=compiled.name, total=total, validation=seen, baseline=part, compiled=part, only_baseline=0,
                only_compiled=0, p_value=1.0, verdict="no lift")
""",
        {"test_report_counts_pairs_and_claims_no_more"},
    ),
}


@pytest.fixture(scope="module")
def stage() -> Stage:
    """The real stage 2."""
    return Course.load(ROOT).stage(2)


@pytest.fixture(scope="module")
def grader(stage: Stage) -> Iterator[Grader]:
    """A warm grader of the real stage 2."""
    with Grader(Course.load(ROOT), stage) as grader:
        grader.prepare()
        yield grader


def write(folder: Path, stage: Stage, expression: str) -> Path:
    """A package whose functions and methods all return the same; what the skeleton gives is kept."""
    package = folder / stage.name
    package.mkdir()
    modules = {task.module for task in stage.tasks}
    for name in stage.package_files:
        source = (ROOT / "solutions" / stage.name / name).read_text(encoding="utf-8")
        if Path(name).stem in modules:
            functions = [f for task in stage.tasks_of(Path(name).stem) for f in task.functions]
            lines = []
            for function in dict.fromkeys(functions):
                owner, _, method = function.rpartition(".")
                body = f"def {method}(*args, **kwargs):\n    return {expression}\n"
                lines.append(f"class {owner}:\n    {body.replace(chr(10), chr(10) + '    ')}" if owner else body)
            own = "def garbage(*args, **kwargs):\n    return None\n"
            for change in (AGREE, own, *lines):
                source = override(source, change, name)
        (package / name).write_text(source, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def garbage(grader: Grader, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """The report on a package that returns one kind of garbage; each kind is graded once."""

    @cache
    def graded(kind: str) -> Report:
        return grader.check(write(tmp_path_factory.mktemp("garbage"), stage, GARBAGE[kind]))

    return graded


@pytest.mark.slow
@pytest.mark.parametrize("task", [task.id for task in Course.load(ROOT).stage(2).tasks])
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_fails_and_breaks_nothing(garbage: Callable[[str], Report], kind: str, task: str) -> None:
    """No check passes by accident (`what it was given` is right here and there), and none is a grader error."""
    checks = [check for check in garbage(kind).checks if check.task == task]
    broken = [(check.id, check.message[:300]) for check in checks if check.state is State.GRADER_ERROR]
    assert broken == []
    if kind != "what it was given":
        assert [check.id for check in checks if check.state is State.PASSED] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_short_cut_scores_nothing(grader: Grader, stage: Stage, tmp_path: Path, name: str) -> None:
    """The attacked checks do not pass, and none is a grader error."""
    module, changes, attacked = WRONG[name]
    package = tmp_path / stage.name
    package.mkdir()
    for file in stage.package_files:
        source = (ROOT / "solutions" / stage.name / file).read_text(encoding="utf-8")
        if Path(file).stem == module:
            source = override(source, changes, name)
        (package / file).write_text(source, encoding="utf-8")
    task = next(task for task in stage.tasks if task.module == module)
    report = grader.check(tmp_path, tasks=[task.id])
    states = {check.id.partition("::")[2]: check.state for check in report.checks}
    assert State.GRADER_ERROR not in states.values()
    assert attacked <= set(states)
    assert {name for name in attacked if states[name] is State.PASSED} == set()
