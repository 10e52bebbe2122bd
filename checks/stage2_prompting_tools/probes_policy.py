"""What runs beside the learner's code for task 2.7: folders, policies, gates before the judge's tools. Never judges."""

from __future__ import annotations

import copy
import os
import tempfile
import threading
import time


def paths(learner, *, files, links, cases):
    """Build a folder with files and links (name to target, `{here}` is the folder), and ask `path_allowed` cases.

    A case is [path, root]; both may hold `{here}`; relative roots count from the folder. Exceptions become their names.
    """
    here = os.path.realpath(tempfile.mkdtemp(dir="."))
    before = os.getcwd()
    for name in files:
        path = os.path.join(here, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")
    for name, target in links:
        os.symlink(target.replace("{here}", here), os.path.join(here, name))
    answers = []
    os.chdir(here)
    try:
        for path, root in cases:
            path = path.replace("{here}", here) if isinstance(path, str) else path
            answers.append(_answer(learner.policy.path_allowed, path, root.replace("{here}", here)))
    finally:
        os.chdir(before)
    return answers


def hosts(learner, *, cases):
    """`host_allowed` of [url, hosts]; exceptions become their names, but what is not implemented goes through."""
    return [_answer(learner.policy.host_allowed, url, tuple(allowed)) for url, allowed in cases]


def _answer(function, *args):
    try:
        return function(*args)
    except NotImplementedError:
        raise
    except Exception as error:
        return f"raised {type(error).__name__}"


def redact(learner, *, value, secrets, untouched=False):
    """`redact`, and whether the value stayed as it was."""
    given = copy.deepcopy(value)
    answer = learner.policy.redact(value, secrets)
    return {"answer": answer, "same": value == given}


class Odd:
    """Neither text nor number; its text holds what it was made of."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return f"<odd {self.text}>"


def redact_odd(learner, *, text, secrets):
    """`redact` of tuples and of an object with a text."""
    return learner.policy.redact({"pair": (text, 1), "object": Odd(text)}, secrets)


def policy_of(learner, tools, rules, **more):
    """A policy; a rule is [kind, tool, argument, ...]."""
    kinds = learner.policy
    made = []
    for kind, tool, argument, *rest in rules:
        if kind == "host":
            made.append(kinds.HostRule(tool, argument, tuple(rest[0])))
        elif kind == "path":
            made.append(kinds.PathRule(tool, argument, *rest))
        else:
            made.append(kinds.NumberRule(tool, argument, *rest))
    listed = [
        learner.registry.Tool(name, f"{name}.", {"type": "object"}, print, read_only=read_only)
        for name, read_only in tools.items()
    ]
    return kinds.Policy(listed, rules=made, **more)


def decide(learner, *, tools, rules, cases, **more):
    """`Policy.decide` of [name, arguments]: [decision, reason]."""
    policy = policy_of(learner, tools, rules, **more)
    answers = []
    for name, arguments in cases:
        verdict = policy.decide(name, arguments)
        if isinstance(verdict, learner.policy.Verdict):
            answers.append([str(verdict.decision), verdict.reason])
        else:
            answers.append(["no Verdict", type(verdict).__name__])
    return answers


class Registry:
    """Answers with what the judge says; may spoil the arguments that it gets."""

    def __init__(self, learner, run, spoil):
        self.learner = learner
        self.ask = run
        self.spoil = spoil

    def run(self, name, arguments):
        """One call."""
        answer = self.ask(name, copy.deepcopy(arguments))
        _spoil(self.spoil, arguments)
        return self.learner.registry.ToolResult(*answer)


def _spoil(wanted, arguments):
    if wanted and isinstance(arguments, dict):
        arguments["spoiled"] = True
        for value in arguments.values():
            if isinstance(value, list):
                value.append("spoiled")


def gate(learner, *, tools, rules, cases, run, confirm, log, spoil=False, meddle=False, **more):
    """Calls through a Gate, one after the other: [content, is_error] of each, and the arguments afterwards.

    `confirm(name, arguments)` is the judge's; ["raise", text] raises. Who gets arguments spoils them if `spoil`; with
    `meddle` the caller changes its own while `confirm` is being asked.
    """
    current = []

    def asked(name, arguments):
        answer = confirm(name, copy.deepcopy(arguments))
        _spoil(spoil, arguments)
        if meddle:
            current[-1]["late"] = "late"
        if isinstance(answer, list) and answer[:1] == ["raise"]:
            raise EOFError(answer[1])
        return answer

    policy = policy_of(learner, tools, rules, **more)
    if spoil:
        policy = Spoiling(policy)
    made = learner.policy.Gate(Registry(learner, run, spoil), policy, asked, log)
    answers = []
    for name, arguments in cases:
        current.append(arguments)
        result = made.run(name, arguments)
        if isinstance(result, learner.registry.ToolResult):
            answers.append([result.content, result.is_error])
        else:
            answers.append(["no ToolResult", type(result).__name__])
    return {"answers": answers, "cases": cases}


class Spoiling:
    """A policy that changes the arguments that it was shown."""

    def __init__(self, policy):
        self.policy = policy
        self.secrets = policy.secrets

    def decide(self, name, arguments):
        """The policy's verdict."""
        verdict = self.policy.decide(name, copy.deepcopy(arguments))
        _spoil(True, arguments)
        return verdict


def crowd(learner, *, tools, cases, note, answer, before=(), wait=0.15):
    """Calls from as many threads, after those of `before`. `note(what, about)` tells what begins and what ends.

    The first call comes last: while a person is being asked about another, who answers once it has come back, or after
    three seconds.
    """
    crowded, asking, answering = threading.Event(), threading.Event(), threading.Event()

    def confirm(name, arguments):
        note("asked", [name, arguments])
        if crowded.is_set():
            asking.set()
            answering.wait(5.0)
            time.sleep(wait)
        note("answered", [name, arguments])
        return answer

    def run(name, arguments):
        note("ran", [name, arguments])
        return ["done", False]

    def write(line):
        note("writing", line)
        time.sleep(0.02)
        note("written", line)

    policy = policy_of(learner, tools, [], allow_writes=True)
    made = learner.policy.Gate(Registry(learner, run, False), policy, confirm, write)
    for case in before:
        made.run(*case)
    crowded.set()
    threads = [threading.Thread(target=made.run, args=tuple(case), daemon=True) for case in cases]
    for thread in threads[1:]:
        thread.start()
    asking.wait(2.0)
    threads[0].start()
    threads[0].join(3.0)
    answering.set()
    for thread in threads:
        thread.join(5.0)
