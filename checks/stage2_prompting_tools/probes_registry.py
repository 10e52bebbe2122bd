"""What runs beside the learner's code for task 2.4: it registers tools, runs calls and returns data; it never judges.

`tool_schema` and `validate` are stood in for, so that tasks 2.2 and 2.3 decide nothing here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import threading

HANG = 6.0  # seconds until a tool that hangs gives up by itself
SLICES = 30  # in which it waits


@contextlib.contextmanager
def stand_ins(learner, *, described=None, problems=None):
    """`described`: the definition by a function's name. `problems`: the judge's, as pairs of path and message."""

    def tool_schema(function):
        return dict(described[function.__name__])

    def validate(value, schema):
        found = problems(value, schema) if problems else []
        return [learner.structured.Problem(path, message) for path, message in found]

    replaced = []
    for name, function, home in (
        ("tool_schema", tool_schema, learner.schemas),
        ("validate", validate, learner.structured),
    ):
        for module in (home, learner.registry):
            if hasattr(module, name):
                replaced.append((module, name, getattr(module, name)))
                setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)


def error_of(error):
    """An exception as data. What is not implemented yet goes through."""
    if isinstance(error, NotImplementedError):
        raise error
    return {"error": type(error).__name__, "bases": [base.__name__ for base in type(error).__mro__]}


def shown(result):
    """A result as data; text that UTF-8 cannot hold is escaped and said to be so."""
    content, is_error = getattr(result, "content", None), getattr(result, "is_error", None)
    whole = True
    if isinstance(content, str):
        try:
            content.encode()
        except UnicodeEncodeError:
            content, whole = content.encode("utf-8", "backslashreplace").decode(), False
    else:
        content = None
    kind = type(result).__name__
    return {
        "kind": kind,
        "content": content,
        "is_error": is_error if isinstance(is_error, bool) else None,
        "utf8": whole,
    }


def attempt(registry, name, arguments):
    """A call, and what came of it; what it lets out is noted."""
    try:
        return shown(registry.run(name, arguments))
    except BaseException as error:  # SystemExit is among what must not get out
        return error_of(error)


def as_data(tool):
    """A Tool without its function."""
    fields = ("name", "description", "input_schema", "read_only", "timeout")
    return {name: getattr(tool, name, None) for name in fields}


def nothing():
    """Do nothing."""


def named(name):
    """A function of that name."""

    def function(**arguments):
        return arguments

    function.__name__ = function.__qualname__ = name
    return function


def registered(learner, *, steps, described):
    """Register one after the other: functions (with options) and Tools. The registry after that, and what it says."""
    registry = learner.registry.Registry()
    outcomes = []
    with stand_ins(learner, described=described):
        for step in steps:
            if "tool" in step:
                thing = learner.registry.Tool(**step["tool"], function=nothing)
            else:
                thing = named(step["function"])
            options = step.get("options", {})
            try:
                tool = registry.register(thing, **options)
            except Exception as error:
                outcomes.append(error_of(error))
                continue
            function = getattr(tool, "function", None)
            right = function is (nothing if "tool" in step else thing)
            outcomes.append(
                as_data(tool) | {"its own": right, "kept": registry.tools.get(getattr(tool, "name", 0)) is tool}
            )
        definitions = registry.definitions()
    return {"outcomes": outcomes, "tools": list(registry.tools), "definitions": definitions}


def changed_definitions(learner, *, schema):
    """Definitions asked for twice; in between, somebody changes what came first, deep inside."""
    registry = learner.registry.Registry()
    with stand_ins(learner):
        registry.register(learner.registry.Tool("first", "The first.", schema, nothing))
        before = registry.definitions()
        with contextlib.suppress(Exception):
            before[0]["input_schema"]["properties"]["city"]["type"] = "null"
            before[0]["input_schema"]["extra"] = True
        with contextlib.suppress(Exception):
            before[0]["name"] = "other"
            before.append({})
        return {"again": registry.definitions(), "schema": schema}


@dataclasses.dataclass
class Place:
    """What a tool may return."""

    name: str
    seen: datetime.date
    tags: list


def value_of(learner, kind, value):
    """What is not plain data, by name."""
    if kind == "plain":
        return value
    if kind == "tool result":
        return learner.registry.ToolResult(*value)
    if kind == "dates":
        return {
            "date": datetime.date(*value),
            "time": datetime.datetime(*value, 7, 5),
            "hour": datetime.time(23, 59, 1),
            "place": [Place("Łódź", datetime.date(*value), ["a"])],
        }
    if kind == "dataclass":
        return Place("Rome", datetime.date(*value), [1, None])
    if kind == "circle":
        circle = []
        circle.append({"again": circle})
        return circle
    if kind == "surrogates":
        return "".join(map(chr, value))
    return {
        "object": object(),
        "set": {1, 2},
        "bytes": b"abc",
        "nan": [1.0, {"x": math.nan}],
        "infinity": math.inf,
        "class": Place,
    }[kind]


def returned(learner, *, cases, name="lookup", max_chars=None):
    """What the model reads when a tool returns each of these."""
    outcomes = []
    options = {} if max_chars is None else {"max_chars": max_chars}
    with stand_ins(learner):
        for kind, value in cases:
            registry = learner.registry.Registry(**options)
            registry.register(
                learner.registry.Tool(name, "x", {}, lambda kind=kind, value=value: value_of(learner, kind, value))
            )
            outcomes.append(attempt(registry, name, {}))
    return outcomes


class Mute(Exception):
    """An exception that cannot even say what it is."""

    def __str__(self):
        raise ValueError("no words")


class Weird(BaseException):
    """What hardly anybody catches."""


def exception_of(learner, kind, text):
    """An exception by name."""
    kinds = {
        "ToolError": learner.registry.ToolError,
        "Mute": Mute,
        "Weird": Weird,
        "SystemExit": SystemExit,
        "KeyboardInterrupt": KeyboardInterrupt,
    }
    if kind not in kinds:
        builtins = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)
        kinds[kind] = builtins[kind]
    return kinds[kind](text)


def raised(learner, *, cases, name="lookup", max_chars=20_000):
    """What the model reads when a tool raises each of these."""
    outcomes = []
    with stand_ins(learner):
        for kind, text in cases:
            registry = learner.registry.Registry(max_chars=max_chars)

            def tool(kind=kind, text=text):
                raise exception_of(learner, kind, text)

            registry.register(learner.registry.Tool(name, "x", {}, tool))
            outcomes.append(attempt(registry, name, {}))
    return outcomes


def called(learner, *, names, calls, problems=None):
    """Call tools that return what they were given. How often any of them ran, and what they got, are returned too."""
    seen = []
    registry = learner.registry.Registry()

    def make(name):
        def tool(**arguments):
            seen.append([name, arguments])
            return {"tool": name, "got": arguments}

        return tool

    with stand_ins(learner, problems=problems):
        for name in names:
            registry.register(learner.registry.Tool(name, f"About {name}.", {"title": name}, make(name)))
        outcomes = [attempt(registry, name, arguments) for name, arguments in calls]
    return {"outcomes": outcomes, "seen": seen}


def greedy(learner, *, arguments):
    """A tool that changes what it was given, deep inside. What the caller holds afterwards."""

    def tool(**given):
        for value in given.values():
            if isinstance(value, dict):
                value["secret"] = "taken"
                for inner in value.values():
                    if isinstance(inner, list):
                        inner.clear()
            elif isinstance(value, list):
                value.append("more")
        return "done"

    registry = learner.registry.Registry()
    with stand_ins(learner):
        registry.register(learner.registry.Tool("greedy", "x", {}, tool))
        outcome = attempt(registry, "greedy", arguments)
    return {"outcome": outcome, "arguments": arguments}


class Hanging:
    """A tool that hangs until it is released, or gives up after HANG seconds.

    It waits in slices: a machine that stands still for a while takes one of them away, not all.
    """

    def __init__(self):
        self.released = threading.Event()
        self.ended = threading.Event()

    def __call__(self):
        for _ in range(SLICES):
            if self.released.wait(HANG / SLICES):
                break
        self.ended.set()
        return "too late"


def hangs(learner, *, tools):
    """Run tools that hang, given as (timeout, read_only). Whether each still hung when `run` came back."""
    outcomes = []
    with stand_ins(learner):
        for timeout, read_only in tools:
            registry, tool = learner.registry.Registry(), Hanging()
            registry.register(learner.registry.Tool("slow", "x", {}, tool, read_only, timeout))
            outcome = attempt(registry, "slow", {})
            outcome["hung"] = not tool.ended.is_set()
            tool.released.set()
            outcomes.append(outcome)
    return outcomes


def left_behind(learner, *, count, timeout):
    """Leave tools behind that hang, then call a quick one. What came of it, and which threads hold up the program."""
    before = set(threading.enumerate())
    registry, tool = learner.registry.Registry(), Hanging()
    with stand_ins(learner):
        registry.register(learner.registry.Tool("slow", "x", {}, tool, True, timeout))
        registry.register(learner.registry.Tool("quick", "x", {}, lambda: "here"))
        try:
            lost = [attempt(registry, "slow", {}) for _ in range(count)]
            holding = [t for t in threading.enumerate() if t not in before and t.is_alive() and not t.daemon]
            outcome = attempt(registry, "quick", {})
        finally:
            tool.released.set()
    return {"lost": lost, "quick": outcome, "holding": len(holding), "hung": not tool.ended.is_set()}


def in_time(learner, *, seconds, timeout):
    """A tool that takes its time, and less than it may."""
    registry, pause = learner.registry.Registry(), threading.Event()

    def tool():
        pause.wait(seconds)
        return "in time"

    with stand_ins(learner):
        registry.register(learner.registry.Tool("steady", "x", {}, tool, True, timeout))
        return attempt(registry, "steady", {})


def side_by_side(learner, *, count):
    """Calls from several threads that can only end when all of them have begun."""
    registry, barrier = learner.registry.Registry(), threading.Barrier(count)
    outcomes = [None] * count

    def meet(number):
        barrier.wait(HANG)
        return number

    def call(place):
        try:
            outcomes[place] = attempt(registry, "meet", {"number": place})
        except BaseException as error:
            outcomes[place] = error

    with stand_ins(learner):
        registry.register(learner.registry.Tool("meet", "x", {}, meet, True, 60.0))
        threads = [threading.Thread(target=call, args=(place,), daemon=True) for place in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes
