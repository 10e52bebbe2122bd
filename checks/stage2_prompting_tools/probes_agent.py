"""What runs beside the learner's code for task 2.6: real clients, tools that ask the judge. It never judges."""

from __future__ import annotations

import contextlib
import copy
import threading
import time

import anthropic


class Tools:
    """A registry whose every call is answered by the judge's `run(name, arguments)`: [content, is_error].

    ["raise", text] raises in place of an answer. With `meet` calls wait until so many are being run. `ignored` is for a
    registry that an agent with a gate must not use.
    """

    def __init__(self, learner, definitions, run, *, meet=0, spoil=False, waits=None):
        self.learner = learner
        self.given = definitions
        self.ask = run
        self.barrier = threading.Barrier(meet) if meet else None
        self.spoil = spoil
        self.waits = waits or {}
        self.here = 0
        self.most = 0
        self.lock = threading.Lock()

    def definitions(self):
        """A new list for each request."""
        return copy.deepcopy(self.given)

    def run(self, name, arguments):
        """One call."""
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        try:
            return self._run(name, arguments)
        finally:
            with self.lock:
                self.here -= 1

    def _run(self, name, arguments):
        if self.barrier is not None:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.barrier.wait(1.0)
        if isinstance(arguments, dict):
            time.sleep(self.waits.get(str(arguments.get("n")), 0))
        answer = self.ask(name, copy.deepcopy(arguments))
        if self.spoil and isinstance(arguments, dict):
            arguments.clear()
            arguments["spoiled"] = [True]
        if answer[0] == "raise":
            raise LookupError(answer[1])
        return self.learner.registry.ToolResult(*answer)


class Unwanted:
    """A registry that is described, and must not be run."""

    def __init__(self, definitions):
        self.given = definitions

    def definitions(self):
        """What a registry gives."""
        return copy.deepcopy(self.given)

    def run(self, name, arguments):
        """Nobody comes here."""
        raise RuntimeError("registry.run was called, although the agent has a gate")


def converse(
    learner, *, url, definitions, run, questions, settings=None, history=(), streamed=False, retries=0, gate=False,
    meet=0, spoil=False, waits=None, chain=True, spoil_outcomes=False, prices=None,
):  # fmt: skip
    """Ask questions one after the other; each continues the conversation before it if `chain`."""
    tools = Tools(learner, definitions, run, meet=meet, spoil=spoil, waits=waits)
    settings = dict(settings or {})
    if prices:
        settings["prices"] = learner.agent.Prices(*prices)
    registry = tools
    if gate:
        registry, settings["run"] = Unwanted(definitions), tools.run
    given = copy.deepcopy(list(history))
    outcomes, events, error = [], [], None
    with client_at(url, retries) as client:
        agent = learner.agent.Agent(client, "scripted", registry, **settings)
        so_far = given
        for question in questions:
            try:
                outcome, seen = ask(learner, agent, question, so_far, streamed)
            except NotImplementedError:
                raise
            except Exception as caught:
                error = [type(caught).__name__, [base.__name__ for base in type(caught).__mro__], str(caught)[:500]]
                break
            outcomes.append(plain(learner, outcome))
            events.append(seen)
            if spoil_outcomes and outcomes[-1].get("is") is None:
                spoil_messages(outcome.messages)
            if chain and outcomes[-1].get("is") is None:
                so_far = outcome.messages
    return {"outcomes": outcomes, "events": events, "error": error, "history": given, "most": tools.most}


def client_at(url, retries=0):
    """The real SDK before a server of the judge."""
    http = anthropic.DefaultHttpxClient(trust_env=False, verify=False)  # no certificates to load: it is loopback
    return anthropic.Anthropic(base_url=url, api_key="none", max_retries=retries, http_client=http)


def ask(learner, agent, question, history, streamed):
    """An outcome, and the events before it."""
    if not streamed:
        return agent.run(question, history), []
    *events, outcome = list(agent.stream(question, history))
    return outcome, [event_of(learner, event) for event in events]


def spoil_messages(messages):
    """What somebody might do to a conversation that they were given."""
    for message in messages:
        if isinstance(message.get("content"), list):
            for block in message["content"]:
                block["spoiled"] = True
                if isinstance(block.get("input"), dict):
                    block["input"]["spoiled"] = True
        message["spoiled"] = True
    messages.append({"role": "user", "content": "spoiled"})


def event_of(learner, event):
    """An event as plain data."""
    kinds = learner.agent
    if isinstance(event, kinds.TextPiece):
        return ["text", event.text]
    if isinstance(event, kinds.Called):
        return ["called", event.call.id, event.call.name, event.call.arguments]
    if isinstance(event, kinds.Answered):
        call, result = event.call, event.result
        return ["answered", call.id, call.name, call.arguments, result.content, result.is_error]
    return ["other", type(event).__name__]


def counts(usage):
    """The four counts."""
    return [
        usage.input_tokens, usage.output_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens,
    ]  # fmt: skip


def plain(learner, outcome):
    """An Outcome as plain data; what is none says what it is."""
    if not isinstance(outcome, learner.agent.Outcome):
        return {"is": type(outcome).__name__}
    return {
        "text": outcome.text,
        "stop": outcome.stop,
        "turns": outcome.turns,
        "usage": counts(outcome.usage),
        "cost": outcome.cost,
        "messages": copy.deepcopy(outcome.messages),
        "steps": [
            {
                "stop_reason": step.stop_reason,
                "text": step.text,
                "calls": [[call.id, call.name, copy.deepcopy(call.arguments)] for call in step.calls],
                "results": [[result.content, result.is_error] for result in step.results],
                "usage": counts(step.usage),
            }
            for step in outcome.steps
        ],
    }


def watch(learner, *, url, definitions, run, question, seen, stop_after=None):
    """Read a stream and report each event at once; stop after so many. Says what was asked before the first."""
    tools = Tools(learner, definitions, run)
    with client_at(url) as client:
        stream = learner.agent.Agent(client, "scripted", tools).stream(question)
        seen("begin", "")
        for count, event in enumerate(stream, 1):
            kind, *rest = event_of(learner, event)
            seen(kind, rest[0] if kind == "text" else "")
            if count == stop_after:
                break
        if hasattr(stream, "close"):
            stream.close()
        seen("end", "")


def add_up(learner, *, rows, own):
    """Usage.add of answers' counts: the SDK's own objects, or further Usages. The sums, and what was returned."""
    total = learner.agent.Usage()
    for row in rows:
        names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        given = dict(zip(names, row, strict=True))
        usage = learner.agent.Usage(**given) if own else anthropic.types.Usage(**given)
        total.add(usage)
        if counts(usage) != list(row):
            return "changed what was added"
    return counts(total)


def cost(learner, *, row, prices):
    """Usage.cost."""
    return learner.agent.Usage(*row).cost(learner.agent.Prices(*prices) if prices else None)
