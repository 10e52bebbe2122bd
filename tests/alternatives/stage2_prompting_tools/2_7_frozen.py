"""The call is frozen as text and thawed for each who gets it; URLs and paths are read by other parts of the library."""

import contextlib
import os
import unicodedata
import urllib.parse

import httpx


def path_allowed(path, root):
    with contextlib.suppress(OSError, TypeError, ValueError, RuntimeError):
        if path and isinstance(path, str):
            home = os.path.realpath(root)
            target = os.path.realpath(os.path.join(home, path))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.stat(target)  # a circle of links is an OSError of its own
            return os.path.commonpath([home, target]) == home
    return False


def host_allowed(url, hosts):
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
        return False
    if "\\" in url or any(unicodedata.category(letter) in ("Zs", "Zl", "Zp", "Cc") for letter in url):
        return False
    authority = url.partition("://")[2]
    for mark in "/?#":
        authority = authority.split(mark)[0]
    if set(authority.lower() if authority.isascii() else "@") - set("abcdefghijklmnopqrstuvwxyz0123456789.-:"):
        return False
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    for entry in hosts:
        wanted = httpx.URL(f"{parsed.scheme}://{entry}/")
        if (parsed.host, parsed.port) == (wanted.host, wanted.port):  # httpx leaves a scheme's own port out
            return parsed.host != ""
    return False


def redact(value, secrets=()):
    forms = [KEYS.pattern]
    for secret in secrets:
        if secret.strip():
            forms.append("".join(_either(letter) for letter in secret))
            coded = base64.b64encode(secret.encode()).decode()
            either = "".join({"+": "[+-]", "/": "[/_]"}.get(letter, letter) for letter in coded.rstrip("="))
            forms.append(either + "=?" * coded.count("="))
    return _walk(value, [re.compile(f"(?=({form}))") for form in forms])


def _either(letter):
    code = urllib.parse.quote(letter, safe="")
    if len(code) == 1:
        code = f"%{ord(letter):02X}"
    lowered = "".join(f"[{c}{c.lower()}]" if c.isalpha() else c for c in code)
    return f"(?:{re.escape(letter)}|{lowered}{'|[+]' if letter == ' ' else ''})"


def _walk(value, finders):
    match value:
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_walk(item, finders) for item in value]
        case dict():
            pairs = [(key, _walk(key, finders), value[key]) for key in value]
            return {
                new: REDACTED if isinstance(key, str) and SENSITIVE.fullmatch(key) else _walk(item, finders)
                for key, new, item in pairs
            }
    text = str(value)
    spans = sorted({found.span(1) for finder in finders for found in finder.finditer(text)}, reverse=True)
    while spans:
        start, end = spans.pop()
        while spans and spans[-1][0] <= end:
            end = max(end, spans.pop()[1])
        mark = len(text)
        text = text[:start] + REDACTED + text[end:]
        spans = [(a + len(text) - mark, b + len(text) - mark) for a, b in spans]
    return text


class Gate:
    def run(self, name, arguments):
        frozen = json.dumps(arguments)
        verdict = self.policy.decide(name, json.loads(frozen))
        ran = verdict.decision is Decision.ALLOW
        outcome = {Decision.ALLOW: "ran", Decision.DENY: "denied"}.get(verdict.decision)
        if outcome is None:
            ran = self._says_yes(name, frozen)
            outcome = "ran" if ran else "refused"
        if ran:
            given = self.registry.run(name, json.loads(frozen))
        else:
            words = (
                verdict.reason if outcome == "denied" else f"Refused: the person at the keyboard does not want {name}."
            )
            given = ToolResult(words, True)
        secrets = self.policy.secrets
        line = {"outcome": outcome, "decision": verdict.decision.value, "reason": redact(verdict.reason, secrets)}
        line |= {"tool": redact(name, secrets), "arguments": redact(json.loads(frozen), secrets)}
        with self.writing:
            self.log(json.dumps(line | {"is_error": given.is_error}, separators=(",", ":")))
        return ToolResult(content=redact(given.content, secrets), is_error=given.is_error)

    def _says_yes(self, name, frozen):
        key = name + " " + json.dumps(_in_order(json.loads(frozen)))
        if key in self.refused:
            return False
        self.asking.acquire()
        try:
            if key not in self.refused:
                with contextlib.suppress(Exception):
                    if self.confirm(name, json.loads(frozen)) is True:
                        return True
                self.refused.add(key)
            return False
        finally:
            self.asking.release()


def _in_order(value):
    if isinstance(value, dict):
        return ["object", *([key, _in_order(value[key])] for key in sorted(value))]
    return [_in_order(item) for item in value] if isinstance(value, list) else value
