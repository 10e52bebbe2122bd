"""Links are followed by hand, a URL is read by one pattern, secrets are marked character by character."""

import os


def path_allowed(path, root):
    if not isinstance(path, str) or path == "":
        return False
    try:
        home = _followed(os.path.join(os.getcwd(), root))
        return _followed("/" + "/".join([*home, path]) if path[0] != "/" else path)[: len(home)] == home
    except (OSError, ValueError):
        return False


def _followed(path):
    """The names on the way to where an absolute path leads."""
    done, waiting, links = [], list(reversed(path.split("/"))), 0
    while waiting:
        name = waiting.pop()
        if name == "..":
            done = done[:-1]
        elif name not in ("", "."):
            here = "/" + "/".join([*done, name])
            if not os.path.islink(here):
                os.stat(here) if "\0" in here else None
                done.append(name)
                continue
            links += 1
            if links > 60:
                raise OSError("too many links")
            target = os.readlink(here)
            done = [] if target.startswith("/") else done
            waiting += reversed(target.split("/"))
    return done


def host_allowed(url, hosts):
    if not isinstance(url, str) or any(
        letter.isspace() or ord(letter) < 32 or 126 < ord(letter) < 160 for letter in url
    ):
        return False
    found = re.fullmatch(
        r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?#][^\\]*)?", url, re.I | re.A
    )
    if found is None or not (found["host"] + found["scheme"]).isascii():
        return False
    own = {"http": "80", "https": "443"}[found["scheme"].lower()]
    where = f"{found['host']}:{int(found['port'] or own)}".lower()
    return where in {(entry if ":" in entry else f"{entry}:{own}").lower() for entry in hosts}


def redact(value, secrets=()):
    if isinstance(value, dict):
        answer = {}
        for key in value:
            hide = isinstance(key, str) and SENSITIVE.fullmatch(key) is not None
            answer[redact(key, secrets) if isinstance(key, str) else key] = (
                REDACTED if hide else redact(value[key], secrets)
            )
        return answer
    if isinstance(value, (list, tuple)):
        return list(map(lambda item: redact(item, secrets), value))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else str(value)
    hidden = bytearray(len(text))
    for start in range(len(text)):
        found = KEYS.match(text, start)
        ends = [found.end()] if found else []
        for secret in secrets:
            if secret.strip():
                ends += _ends(text, start, secret)
        for end in ends:
            hidden[start:end] = b"\1" * (end - start)
    pieces = []
    for place, letter in enumerate(text):
        if not hidden[place]:
            pieces.append(letter)
        elif place == 0 or not hidden[place - 1]:
            pieces.append(REDACTED)
    return "".join(pieces)


def _ends(text, start, secret):
    """Where a form of the secret that begins here may end."""
    place = start
    for letter in secret:
        codes = "".join(f"%{byte:02X}" for byte in letter.encode())
        if text[place : place + 1] == letter or (letter == " " and text[place : place + 1] == "+"):
            place += 1
        elif text[place : place + len(codes)].upper() == codes:
            place += len(codes)
        else:
            break
    else:
        yield place
    coded = base64.b64encode(secret.encode()).decode()
    bare = coded.rstrip("=")
    given = text[start : start + len(bare)]
    if given in (bare, bare.translate(str.maketrans("+/", "-_"))):
        end = start + len(bare)
        while end - start < len(coded) and text[end : end + 1] == "=":
            end += 1
        yield end


class Policy:
    def decide(self, name, arguments):
        for problem in self._problems(name, arguments):
            return Verdict(Decision.DENY, problem)
        if not self.tools[name].read_only:
            return Verdict(Decision.ASK, f"Somebody has to agree to {name}.")
        return Verdict(Decision.ALLOW, f"{name} changes nothing.")

    def _problems(self, name, arguments):
        if not isinstance(name, str) or name not in self.tools:
            yield f"Nobody knows {redact(name, self.secrets)}."
        if not isinstance(arguments, dict):
            yield f"{name} takes an object."
        if json.dumps(redact(arguments, self.secrets)) != json.dumps(arguments):
            yield f"A secret would go to {name}."
        for rule in self.rules:
            if (rule.tool, True) != (name, rule.argument in arguments):
                continue
            given = arguments[rule.argument]
            if not all(self._fits(rule, item) for item in (given if type(given) is list else (given,))):
                yield f"{rule.argument} of {name} is out of bounds."
        if not (self.tools[name].read_only or self.allow_writes):
            yield f"{name} is for reading sessions no tool."

    def _fits(self, rule, item):
        match rule:
            case PathRule():
                return path_allowed(item, rule.root)
            case HostRule():
                return host_allowed(item, rule.hosts)
        return type(item) in (int, float) and item >= rule.low and item <= rule.high
