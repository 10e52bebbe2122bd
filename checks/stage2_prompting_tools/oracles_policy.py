"""Right answers for task 2.7, worked out character by character, and the known wrong ones."""

from __future__ import annotations

import base64
import re
import string
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"
KEYS = re.compile(r"sk-ant-[A-Za-z0-9_-]{8,}|gh[oprsu]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}")
NAMES = re.compile(r"(?i)(?:[a-z0-9]+[_-])*(?:password|passwd|secret|api[_-]?key|authorization|access[_-]?token)")
LETTERS = string.ascii_letters + string.digits


def word(rng, length: int, letters: str = LETTERS) -> str:
    """Characters that nobody can guess."""
    return "".join(str(letter) for letter in rng.choice(list(letters), length))


def text(rng) -> str:
    """Words that are no secrets."""
    return " ".join(word(rng, int(rng.integers(2, 6)), "klmnop") for _ in range(int(rng.integers(1, 4))))


def odd_secret(rng) -> str:
    """A secret with characters that URLs encode, whose base64 differs between the two alphabets."""
    # Of ASCII only ?, > and ~ bring out a slash or a plus, and only as the third of three bytes.
    return f"{word(rng, 6)}/{word(rng, 4)} é?+{word(rng, 4)}"


def forms(secret: str, rng) -> list[str]:
    """Ways in which a secret may stand in a text."""
    data = secret.encode()
    coded = [base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()]
    everything = "".join(f"%{byte:02X}" for byte in data)
    some = "".join(
        "".join(f"%{byte:02x}" for byte in letter.encode()) if rng.random() < 0.4 else letter for letter in secret
    )
    return [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        everything,
        everything.lower(),
        some,
        *coded,
        *[one.rstrip("=") for one in coded],
    ]


def redact(value: Any, secrets, *, wrong: str = "") -> Any:
    """The redacted copy of plain data."""
    if isinstance(value, str):
        return _text(value, secrets, wrong)
    if isinstance(value, list):
        return [redact(item, secrets, wrong=wrong) for item in value]
    if isinstance(value, dict):
        copied = {}
        for key, item in value.items():
            named = isinstance(key, str) and NAMES.fullmatch(key) and wrong != "names do not count"
            name = _text(key, secrets, wrong) if isinstance(key, str) and wrong != "keys stay" else key
            copied[name] = MARK if named else redact(item, secrets, wrong=wrong)
        return copied
    return value


def _text(value: str, secrets, wrong: str) -> str:
    whole = [secret for secret in secrets if secret.strip()]
    if wrong in ("one after the other", "long ones first"):
        for secret in sorted(whole, key=len, reverse=True) if wrong == "long ones first" else whole:
            value = value.replace(secret, MARK)
        return KEYS.sub(MARK, value)
    if wrong == "first finds":
        return re.sub("|".join(map(re.escape, whole)), MARK, value)
    hidden = [False] * len(value)
    for secret in secrets:
        if not secret.strip():
            continue
        for start in range(len(value)):
            for end in _ends(value, start, secret, wrong):
                hidden[start:end] = [True] * (end - start)
    for start in range(len(value)):
        found = KEYS.match(value, start)
        if found:
            hidden[start : found.end()] = [True] * (found.end() - start)
    kept = "".join("\0" if hide else letter for letter, hide in zip(value, hidden, strict=True))
    return re.sub("\0+", MARK, kept)


def _ends(value: str, start: int, secret: str, wrong: str):
    """Where a secret that begins at `start` ends, in each of its forms."""
    if value.startswith(secret, start):
        yield start + len(secret)
    if wrong == "plain form only":
        return
    place = start
    for letter in secret:
        code = "".join(f"%{byte:02x}" for byte in letter.encode())
        if value.startswith(letter, place):
            place += len(letter)
        elif value[place : place + len(code)].lower() == code:
            place += len(code)
        elif letter == " " and value.startswith("+", place):
            place += 1
        else:
            break
    else:
        yield place
    for coded in (base64.b64encode(secret.encode()), base64.urlsafe_b64encode(secret.encode())):
        bare = coded.decode().rstrip("=")
        if value.startswith(bare, start):
            end = start + len(bare)
            while value.startswith("=", end):
                end += 1
            yield end


def naive_host(url: str, hosts, how: str) -> bool:
    """Known wrong readings of a URL, for addresses that are whole."""
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#]", rest)[0]
    if how == "anywhere":
        return any(host in url for host in hosts)
    if how == "suffix":
        return any(authority.lower().endswith(host) for host in hosts)
    if how == "userinfo":
        return authority.rpartition("@")[2].lower().partition(":")[0] in hosts
    return authority.lower().partition(":")[0] in [host.partition(":")[0] for host in hosts]
