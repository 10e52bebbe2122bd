"""Task 2.7: least privilege: what a call may do, who is asked, what is written down, and what never is.

A model that reads untrusted text may say anything. So nothing that it says decides: the policy looks at the call, a
person is asked where something would change, and secrets go neither into a prompt nor into a log.
"""

from __future__ import annotations

import base64
import copy
import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from .registry import Tool, ToolResult

REDACTED = "[redacted]"
DEFAULT_PORTS = {"http": 80, "https": 443}
# Keys of well-known services: recognised by their form, whoever they belong to.
KEYS = re.compile(
    r"sk-ant-[A-Za-z0-9_-]{8,}|sk-[A-Za-z0-9_-]{20,}|gh[oprsu]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}"
    r"|AIza[0-9A-Za-z_-]{35}|xox[abprs]-[A-Za-z0-9-]{10,}"
)
# Names whose values are secret, whatever they are. The whole name has to match.
SENSITIVE = re.compile(
    r"(?:[a-z0-9]+[_-])*(?:password|passwd|secret|api[_-]?key|authorization|access[_-]?token|private[_-]?key)",
    re.IGNORECASE,
)


class Decision(StrEnum):
    """What becomes of a call."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True)
class Verdict:
    """A decision and its reason, a sentence for the model and the log."""

    decision: Decision
    reason: str


@dataclass(frozen=True)
class PathRule:
    """An argument names a file or folder at or below `root`."""

    tool: str
    argument: str
    root: str


@dataclass(frozen=True)
class HostRule:
    """An argument is a URL whose host is one of `hosts`. A tool that follows redirects has to ask again for each."""

    tool: str
    argument: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class NumberRule:
    """An argument is a number from `low` to `high`, both included."""

    tool: str
    argument: str
    low: float = -math.inf
    high: float = math.inf


Rule = PathRule | HostRule | NumberRule


class Runner(Protocol):
    """What a gate needs of a registry."""

    def run(self, name: str, arguments: Any) -> ToolResult:
        """Runs a call. Never raises."""
        ...


def path_allowed(path: Any, root: str) -> bool:
    """Whether `path` is `root` or lies below it, once every `..` and every symbolic link is followed.

    A relative path starts at `root`. What does not exist is judged by where it would be. `root` may be relative (to the
    working folder) or a link itself. `/srv/data-old` is not below `/srv/data`. `~` is an ordinary name. Never raises:
    what is no str, what is empty, and what the system cannot look up (a NUL character in it, a circle of links
    on the way) is not allowed.
    """
    # >>> solution
    if not isinstance(path, str) or not path:
        return False
    try:
        home = Path(root).resolve()
        target = (home / path).resolve()
        # Newer versions of Python leave a circle of links as it stands, where older ones raise.
        circle = any(place.is_symlink() for place in (target, *target.parents))
        return target.is_relative_to(home) and not circle
    except (OSError, ValueError, RuntimeError):
        return False
    # <<< solution


def host_allowed(url: Any, hosts: Iterable[str]) -> bool:
    """Whether `url` leads to one of `hosts`: written as "api.example.com", or with a port as "localhost:8080".

    - The scheme is http or https. The host equals that of an entry; a subdomain is another host. Letter case counts in
      neither scheme nor host nor entry. The port is the entry's, or the scheme's own (DEFAULT_PORTS) where the entry
      has none; a URL without port has its scheme's own.
    - Not allowed, because programs disagree about where it leads: a user name or password before the host (an `@` in
      the authority, even with nothing before it); a host that is not letters, digits, `.` and `-` of ASCII alone (IPv6,
      `%2e`, full-width letters, the Kelvin sign, which `str.lower` makes a k; an internationalised name is listed and
      given as `xn--...`); a backslash, white space or control character (categories Z and Cc of Unicode) anywhere in
      the URL. Never raises: what is no str or no URL is not allowed.
    """
    # >>> solution
    if not isinstance(url, str) or re.search(r"[\\\s\x00-\x20\x7f-\x9f]", url):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc:
        return False
    if not parts.netloc.isascii() or not re.fullmatch(r"[a-z0-9.-]+", host):  # lower() makes ASCII of a Kelvin sign
        return False
    own = DEFAULT_PORTS[parts.scheme]
    for entry in hosts:
        name, _, number = entry.lower().partition(":")
        if host == name and (own if port is None else port) == (int(number) if number else own):
            return True
    return False
    # <<< solution


def redact(value: Any, secrets: Sequence[str] = ()) -> Any:
    """A copy of plain data in which REDACTED stands in the place of every secret. `value` stays as it is.

    In each string, these are secret wherever they stand:
    - every one of `secrets` (blank ones count for nothing), also percent-encoded, as URLs have it: each of its
      characters may stand for itself or as the `%XX` of its UTF-8 bytes (in capitals or not), a space also as `+`;
    - the base64 of a whole secret's UTF-8 bytes, in the standard or the URL-safe alphabet, with or without the `=` at
      its end;
    - whatever KEYS finds.
    Finds that overlap or touch become one REDACTED: nothing is left of a secret because another one begins in it.

    Dicts are redacted in their values and, where those are strings, in their keys; of keys that become the same the
    last one stays. The value of a key that SENSITIVE matches whole is REDACTED, whatever it is. Lists and tuples become
    lists. None, bool, int and float stay. Everything else becomes its text (`str(value)`), redacted.
    """
    # >>> solution
    return _redact(value, [KEYS, *_patterns(secrets)])
    # <<< solution


# >>> solution
def _patterns(secrets: Sequence[str]) -> Iterator[re.Pattern[str]]:
    for secret in secrets:
        if not secret.strip():
            continue
        yield re.compile("".join(map(_character, secret)))
        data = secret.encode("utf-8", "surrogatepass")
        for coded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            yield re.compile(re.escape(coded.decode().rstrip("=")) + "=*")


def _character(character: str) -> str:
    """A pattern for one character of a secret, as it is or percent-encoded."""
    coded = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    forms = [f"(?i:{coded})", re.escape(character), *([r"\+"] if character == " " else [])]
    return f"(?:{'|'.join(forms)})"


def _redact(value: Any, patterns: Sequence[re.Pattern[str]]) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_redact(item, patterns) for item in value]
    if isinstance(value, Mapping):
        redacted = {}
        for key, item in value.items():
            secret = isinstance(key, str) and SENSITIVE.fullmatch(key)
            name = _redact_text(key, patterns) if isinstance(key, str) else key
            redacted[name] = REDACTED if secret else _redact(item, patterns)
        return redacted
    return _redact_text(value if isinstance(value, str) else str(value), patterns)


def _redact_text(text: str, patterns: Sequence[re.Pattern[str]]) -> str:
    pieces, end = [], 0
    for start, stop in _merged(sorted(span for pattern in patterns for span in _spans(pattern, text))):
        pieces += [text[end:start], REDACTED]
        end = stop
    return "".join([*pieces, text[end:]])


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Where a pattern is found, also where one find begins inside another."""
    found = pattern.search(text)
    while found is not None:
        yield found.span()
        found = pattern.search(text, found.start() + 1)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


# <<< solution


class Policy:
    """What calls may do: `tools` are those that exist, `rules` limit their arguments, `secrets` never leave."""

    def __init__(
        self,
        tools: Iterable[Tool],
        *,
        allow_writes: bool = False,
        rules: Sequence[Rule] = (),
        secrets: Sequence[str] = (),
    ):
        self.tools = {tool.name: tool for tool in tools}
        self.allow_writes = allow_writes
        self.rules = list(rules)
        self.secrets = list(secrets)
        for rule in self.rules:
            if rule.tool not in self.tools:
                raise ValueError(f"A rule is for {rule.tool}, and there is no such tool. Correct its name.")

    def decide(self, name: str, arguments: Any) -> Verdict:
        """What becomes of a call. The first of these that applies counts:

        1. DENY a tool that is not among `tools`, and arguments that are no dict.
        2. DENY arguments that `redact(arguments, self.secrets)` changes: a secret is on its way out, and the reason
           does not hold it. (Arguments are JSON: there are no tuples in them.)
        3. DENY arguments that break one of the rules for this tool; the reason names the argument. A rule says nothing
           about an argument that is not there. Of a list every item is held against the rule. Paths are judged by
           `path_allowed`, URLs by `host_allowed`. A number is an int or a float, never a bool or NaN, and not a str.
        4. ALLOW a tool that is read_only.
        5. ASK for any other if `allow_writes`, else DENY.

        Every reason names the tool, as `redact` leaves its name.
        """
        # >>> solution
        tool = self.tools.get(name) if isinstance(name, str) else None
        if tool is None:
            return Verdict(Decision.DENY, f"{redact(name, self.secrets)} is no tool that may be called.")
        if not isinstance(arguments, dict):
            return Verdict(Decision.DENY, f"The arguments of {name} are no object.")
        if redact(arguments, self.secrets) != arguments:
            return Verdict(Decision.DENY, f"The arguments of {name} hold a secret, which must not be passed on.")
        for rule in self.rules:
            if rule.tool == name and rule.argument in arguments:
                value = arguments[rule.argument]
                for item in value if isinstance(value, list) else [value]:
                    if not _keeps(rule, item):
                        return Verdict(Decision.DENY, f"{name}: {rule.argument} {_demand(rule)}.")
        if tool.read_only:
            return Verdict(Decision.ALLOW, f"{name} only reads.")
        if self.allow_writes:
            return Verdict(Decision.ASK, f"{name} changes something: a person decides.")
        return Verdict(Decision.DENY, f"{name} changes something, which is not permitted here.")
        # <<< solution


# >>> solution
def _keeps(rule: Rule, value: Any) -> bool:
    if isinstance(rule, PathRule):
        return path_allowed(value, rule.root)
    if isinstance(rule, HostRule):
        return host_allowed(value, rule.hosts)
    return isinstance(value, int | float) and not isinstance(value, bool) and rule.low <= value <= rule.high


def _demand(rule: Rule) -> str:
    if isinstance(rule, PathRule):
        return "leads out of the folder that is permitted"
    if isinstance(rule, HostRule):
        return f"must lead to one of: {', '.join(rule.hosts)}"
    return f"must be a number from {rule.low:g} to {rule.high:g}"


# <<< solution


class Gate:
    """Stands between an agent and its registry: `Agent(..., run=gate.run)`.

    `confirm(name, arguments)` asks a person; `log(line)` keeps a line of the audit log.
    """

    def __init__(
        self,
        registry: Runner,
        policy: Policy,
        confirm: Callable[[str, Any], Any],
        log: Callable[[str], object],
    ):
        self.registry = registry
        self.policy = policy
        self.confirm = confirm
        self.log = log
        self.refused: set[str] = set()
        self.asking = threading.Lock()
        self.writing = threading.Lock()

    def run(self, name: str, arguments: Any) -> ToolResult:
        """Decide, ask where the policy says so, run what may run, and write one line about it.

        - ALLOW: the registry runs the call. DENY: the result is an error that holds the verdict's reason; nobody is
          asked and nothing is run.
        - ASK: `confirm` is asked, for one call at a time, even when calls come from several threads. Only True itself
          is a yes; every other value is a no, and so is an Exception that `confirm` raises. After a no the result is an
          error that says that the call was refused. What was refused once (the same name, and arguments that are the
          same JSON, in whatever order their keys are) is refused from then on without asking, also where it was waiting
          for its turn to be asked. A yes is for one call.
        - What was decided is what runs: the policy, `confirm` and the registry each get an equal copy of their own;
          changes to it reach neither the others nor the caller.
        - The content of a result is redacted with the policy's secrets before it goes back: it will be part of a
          prompt. `is_error` stays as it is.

        For each call, `log` gets exactly one str without line breaks (as `str.splitlines` knows them), when its result
        is known: a JSON object, redacted with the policy's secrets, with
            "tool" and "arguments" as they were called,
            "decision": "allow", "ask" or "deny",
            "outcome": "ran", "refused" or "denied",
            "is_error" of the result, and the verdict's "reason".
        `log` is never called twice at once. A call that need not be asked about does not wait for one that is.
        """
        # >>> solution
        arguments = copy.deepcopy(arguments)
        verdict = self.policy.decide(name, copy.deepcopy(arguments))
        if verdict.decision is Decision.DENY:
            outcome, result = "denied", ToolResult(f"Denied: {verdict.reason}", is_error=True)
        elif verdict.decision is Decision.ASK and not self._agreed(name, arguments):
            outcome, result = "refused", ToolResult(f"The user refused this call of {name}.", is_error=True)
        else:
            outcome, result = "ran", self.registry.run(name, copy.deepcopy(arguments))
        result = ToolResult(redact(result.content, self.policy.secrets), result.is_error)
        entry = {
            "tool": name,
            "arguments": arguments,
            "decision": str(verdict.decision),
            "outcome": outcome,
            "is_error": result.is_error,
            "reason": verdict.reason,
        }
        line = json.dumps(redact(entry, self.policy.secrets))
        with self.writing:
            self.log(line)
        return result
        # <<< solution

    # >>> solution
    def _agreed(self, name: str, arguments: Any) -> bool:
        call = json.dumps([name, arguments], sort_keys=True, default=str)
        if call in self.refused:  # nobody need be asked, so it does not wait
            return False
        with self.asking:
            if call in self.refused:
                return False
            try:
                agreed = self.confirm(name, copy.deepcopy(arguments)) is True
            except Exception:
                agreed = False
            if not agreed:
                self.refused.add(call)
            return agreed

    # <<< solution
