"""Checks of task 2.7: paths, hosts, secrets, verdicts, and the gate that enforces them."""

from __future__ import annotations

import copy
import json

from checks.stage2_prompting_tools import oracles_policy as oracles
from checks.stage2_prompting_tools import probes_policy as probes
from roadmap.grading import check, expect

TOOLS = {"get_weather": True, "read_file": True, "fetch": True, "save_note": False, "pay": False}


def judge_cases(cases, answers, what, mistakes=None):
    """Each case's answer is the right one: a bool. `mistakes` maps a slug to what the known wrong function says."""
    expect.type(answers, list, what=what)
    expect.equal(len(answers), len(cases), what=f"how many answers of {what}")
    for (given, wanted), got in zip(cases, answers, strict=True):
        raised = isinstance(got, str) and got.startswith("raised ")
        expect.that(not raised, f"{what} of {given!r}: {expect.show(got)}", mistake="rule-raises-at-nonsense")
        expect.equal(
            got,
            wanted,
            what=f"{what} of {given!r}",
            mistakes={slug: wrong(given) for slug, wrong in (mistakes or {}).items() if wrong(given) != wanted},
        )


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#least-privilege",
    seconds=0.05,
    hints=[
        "Where does data/../../etc lead, and a link inside the folder that points out of it?",
        "Resolve both: (Path(root).resolve() / path).resolve().is_relative_to(...). Compare paths, not their letters.",
    ],
)
def test_paths_stay_below_their_root(learner, rng):
    """A path counts where it leads: `..`, links and neighbours with a longer name are seen through."""
    inner, name, other = (oracles.word(rng, 5, "abcdef") for _ in range(3))
    files = [f"data/{inner}/{name}.txt", f"data-{other}/x.txt", f"data2/{name}", "secret.txt"]
    links = [("data/out", "{here}"), (f"data/{inner}/up", ".."), ("data/leak.txt", "{here}/secret.txt"),
             ("link", "data"), ("data/round", "round"), ("data/there", "{here}/link/" + inner)]  # fmt: skip
    root = "{here}/data"
    letters = [
        ([f"{inner}/{name}.txt", root], True),
        ([f"{root}/{inner}", root], True),
        ([root, root], True),
        ([".", root], True),
        ([f"{inner}/../{inner}/{name}.txt", root], True),
        ([f"not/there/{name}", root], True),
        (["..name", root], True),
        (["~", root], True),
        (["../secret.txt", root], False),
        ([f"{inner}/../../secret.txt", root], False),
        ([f"{root}/../secret.txt", root], False),
        (["/etc/passwd", root], False),
        (["..", root], False),
        ([f"{{here}}/data-{other}/x.txt", root], False),
        ([f"../data2/{name}", root], False),
        ([f"{{here}}/data2/{name}", root], False),
        (["", root], False),
        ([None, root], False),
        ([int(rng.integers(99)), root], False),
        ([[inner], root], False),
        (["a\0b", root], False),
    ]
    linked = [
        ([f"{inner}/up/{inner}", root], True),
        ([f"there/{name}.txt", root], True),
        (["leak.txt", root], False),
        (["out/secret.txt", root], False),
        ([f"{inner}/up/../secret.txt", root], False),
        (["round/x", root], False),
        ([f"{inner}/{name}.txt", "{here}/link"], True),
        ([f"{{here}}/link/{inner}", root], True),
        ([f"{root}/{inner}", "{here}/link"], True),
        (["x.txt", "data"], True),
        (["../x.txt", "data"], False),
    ]
    got = learner.run(probes.paths, files=files, links=links, cases=[case for case, _ in letters])

    def by_letters(case):
        path, home = case
        return isinstance(path, str) and (path if path.startswith(("/", "{")) else f"{home}/{path}").startswith(home)

    judge_cases(letters, got, "path_allowed", {"path-compares-letters": by_letters})
    got = learner.run(probes.paths, files=files, links=links, cases=[case for case, _ in linked])
    judge_cases(linked, got, "path_allowed, with links,", {"path-follows-no-links": _by_dots})


def _by_dots(case):
    """What comes of a path when only its dots are resolved."""
    path, root = case
    parts = []
    for part in (path if path.startswith("{") else f"{root}/{path}").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts).startswith(root) if parts else False


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#exfiltration",
    seconds=0.05,
    hints=[
        "Which computer does https://good.example@evil.example/ call? And https://good.example.evil.example/?",
        "Parse with urlsplit and compare the whole host; refuse what has an @ or other than a-z, 0-9, '.' and '-'.",
    ],
)
def test_hosts_are_compared_whole(learner, rng):
    """Only the listed hosts at their ports: no look-alikes, no user names, no tricks with characters."""
    good, evil = (f"{oracles.word(rng, 6, 'abcdefgh')}.example" for _ in range(2))
    local, tall = f"localhost:{int(rng.integers(1024, 9999))}", f"{oracles.word(rng, 6, 'ABCDEFGH')}.Example"
    allowed = [good, local, "xn--mnchen-3ya.example", tall, "kiosk.example"]
    path = oracles.word(rng, 4)

    def cases(rows):
        return [([url, allowed], wanted) for url, wanted in rows]

    hosts = [
        (f"https://{good}/{path}", True), (f"http://{good}", True), (f"https://{good.upper()}/?q={evil}", True),
        (f"http://{local}/v1", True), (f"https://{good}?to=https://{evil}/", True),
        (f"https://{good}/a@b", True), ("https://xn--mnchen-3ya.example/", True), (f"HTTPS://{tall.lower()}/", True),
        (f"https://{evil}/{good}", False), (f"https://{evil}/?{good}", False), (f"https://{good}.{evil}/", False),
        (f"https://{evil}-{good}/", False), (f"https://x{good}", False), (f"https://api.{good}/", False),
        (f"https://{evil}#{good}", False), (f"https://{good}.", False),
    ]  # fmt: skip
    users = [
        (f"https://{good}@{evil}/", False), (f"https://{good}:443@{evil}/", False), (f"https://me@{good}/", False),
        (f"https://me:{path}@{good}/x", False), (f"https://@{good}/", False),
    ]  # fmt: skip
    ports = [
        (f"https://{good}:443/", True), (f"http://{good}:80/", True), (f"https://{good}:8443/", False),
        (f"http://{good}:22/{path}", False), ("http://localhost/", False), ("http://localhost:1/", False),
        (f"https://{good}:80/", False), (f"http://{good}:443/", False),
    ]  # fmt: skip
    odd = [
        (f"ftp://{good}/", False), (f"file://{good}/etc/passwd", False), (f"javascript:alert('{good}')", False),
        (f"//{good}/", False), (good, False), ("", False), (f"https:{good}", False), ("https://", False),
        (f"https://{evil}\\@{good}/", False), (f"https://{good}\\{evil}", False), (f"https://{good}\n.{evil}/", False),
        (f" https://{good}/", False), (f"https://{good}/ x", False), (f"https://{good}/\t{path}", False),
        (f"https://{good}%2e{evil}/", False), (f"https://{good[:-1]}\u0435/", False),
        (f"https://{good.replace('e', chr(0xFF45))}/", False), ("https://münchen.example/", False),
        ("https://kiosk.example/", True), ("https://kios\u212a.example/", False), (f"https://{good}/\u2028", False),
        (f"https://{good}/{path}\x90", False),
        (f"https://[::1]/{good}", False), (f"https://[{good}/", False), (f"https://{good}:x/", False),
        (f"https://{good}:99999/", False), (f"https://{good}/\x00", False),
        (None, False), (7, False), ([f"https://{good}/"], False),
    ]  # fmt: skip
    for rows, slug, ways in [
        (hosts, "host-found-anywhere", ("anywhere", "suffix")),
        (users, "host-believes-the-user-name", ("userinfo",)),
        (ports, "host-ignores-the-port", ("port",)),
        (odd, "", ()),
    ]:
        listed = cases(rows)
        got = learner.run(probes.hosts, cases=[case for case, _ in listed])

        def naive(case, ways=ways):
            return any(oracles.naive_host(*case, way) for way in ways)

        judge_cases(listed, got, "host_allowed", {slug: naive} if slug else {})


def expect_redacted(learner, value, secrets, what, slugs=()):
    """`redact` gives the right copy. `slugs` are (slug, the known wrong way)."""
    got = learner.run(probes.redact, value=value, secrets=list(secrets))
    want = oracles.redact(value, secrets)
    known = [(slug, oracles.redact(value, secrets, wrong=how)) for slug, how in slugs]
    known = [(slug, answer) for slug, answer in known if answer != want]
    known.sort(
        key=lambda pair: repr(pair[1]) == repr(got["answer"])
    )  # of two ways to one mistake, the one that was taken
    expect.equal(got["answer"], want, what=what, mistakes=dict(known))
    expect.that(got["same"], f"{what}: redact changed what it was given")


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#exfiltration",
    seconds=0.1,
    hints=[
        "Where else than in plain sight may a secret stand? In a key, in a URL, in base64?",
        "Walk through dicts, keys included, and lists. Find all spans of all secrets first, merge those that overlap, "
        "then replace.",
    ],
)
def test_secrets_are_redacted_wherever_they_stand(learner, rng):
    """Secrets go from keys, values and depths, in plain, URL and base64 form; nothing else changes."""
    secret, other = oracles.word(rng, 13), oracles.odd_secret(rng)
    key = "sk-ant-" + oracles.word(rng, 20)
    plain = {
        "a": [oracles.text(rng), f"x{secret}y{secret}", {"b": f"{oracles.text(rng)} {other}.", "n": None}],
        "number": int(rng.integers(10**6)),
        "yes": True,
        "half": 0.5,
        "mail": f"key={key}; AKIA{oracles.word(rng, 16, 'ABCDEF0123456789')} ghp_{oracles.word(rng, 36)}",
        "sk-ant-short": "sk-ant-",
    }
    expect_redacted(learner, plain, [secret, other], "values with secrets")
    expect_redacted(learner, oracles.text(rng) + secret, [secret], "a text that ends with a secret")
    expect_redacted(learner, {7: f"a {secret}", None: 1, 0.5: ["b"]}, [secret], "keys that are no strings")
    in_keys = {f"to {secret}": oracles.text(rng), "deep": [{f"{key}": 1}]}
    expect_redacted(learner, in_keys, [secret], "secrets in keys", [("redact-forgets-keys", "keys stay")])
    names = {
        "password": oracles.word(rng, 6), "db_password": ["x", 1], "API-Key": 12, "apikey": {"a": "b"},
        "passwords": "kept", "tokens": 12, "Authorization": oracles.word(rng, 5), "secretary": oracles.text(rng),
        "my": {"secret": oracles.word(rng, 3)},
    }  # fmt: skip
    expect_redacted(learner, names, [], "values under names such as password")

    for given in (secret, other):
        expect_forms_redacted(learner, given, [oracles.word(rng, 9), given], oracles.forms(given, rng))
    odd = learner.run(probes.redact_odd, text=f"a {secret}", secrets=[secret])
    wanted = {"pair": [f"a {oracles.MARK}", 1], "object": f"<odd a {oracles.MARK}>"}
    expect.equal(odd, wanted, what="a tuple, and an object whose text holds a secret")


def expect_forms_redacted(learner, secret, secrets, forms):
    """The secret is found in each of its forms."""
    cases = [{"url": f"https://x.example/?q={form}&r=1", "text": f"({form})"} for form in forms]
    got = learner.run(probes.redact, value=cases, secrets=secrets)["answer"]
    expect.type(got, list, what="a list of dicts with secrets, redacted")
    expect.equal(len(got), len(cases), what="how many dicts are left of a list of them")
    wants = oracles.redact(cases, secrets)
    encoded = [expect.same(a, b) for form, a, b in zip(forms, got, wants, strict=True) if form != secret]
    slug = "redact-misses-a-form" if any(encoded) else "redact-plain-form-only"
    for form, case, answer, want in zip(forms, cases, got, wants, strict=True):
        wrong = oracles.redact(case, secrets, wrong="plain form only")
        known = {slug: wrong} if wrong != want else {}
        expect.equal(answer, want, what=f"the secret {secret!r} as {form!r}", mistakes=known)


@check(
    task="2.7",
    weight=1,
    lesson="08_safety#exfiltration",
    seconds=0.05,
    needs=["test_secrets_are_redacted_wherever_they_stand"],
    hints=[
        "One secret begins inside another. What is left when they are replaced one after the other? And if one is ''?",
        "Collect the spans of all finds in the original text, join those that overlap or touch, replace from the end.",
    ],
)
def test_overlapping_and_blank_secrets(learner, rng):
    """No rest of a secret is left where secrets overlap, and blank secrets count for nothing."""
    for _ in range(4):
        a, b, c = (oracles.word(rng, int(rng.integers(3, 7))) for _ in range(3))
        cases = [
            ([a + b, b + c], f"{a}{b}{c} and {a}{b} and {b}{c}"),
            ([a, a + b], f"{a}{b} {a}"),
            ([a + b + c, b], f"{b} {a}{b}{c} {a}{b}"),
            ([b, a + b + c], f"{a}{b}{c}.{b}{b}"),
            ([a, b], f"{a}{b}{a} {b}"),
            (["aba"], "xababax aba"),
            ([a[0] * 5], f"({a[0] * 6})"),
        ]
        for secrets, text in cases:
            expect_redacted(
                learner,
                text,
                secrets,
                f"{text!r} without {secrets}",
                [("redact-leaves-a-rest", how) for how in ("one after the other", "long ones first", "first finds")],
            )
    secret, blank = oracles.word(rng, 9), ["", " ", "\n"]
    for near in (f"{secret[:4]}+{secret[5:]}", "+" * 9, secret[1:]):
        expect_redacted(learner, near, [secret], f"{near!r}, which only looks like the secret {secret!r}")
    text = [f"a {oracles.text(rng)}", "", " "]
    got = learner.run(probes.redact, value=text, secrets=blank)["answer"]
    expect.that(
        oracles.MARK not in repr(got),
        f"With the secrets {blank}, {text!r} became {expect.show(got)}",
        mistake="redact-takes-blank-for-a-secret",
    )
    expect.equal(got, text, what=f"{text!r} without the secrets {blank}")
    expect_redacted(learner, [f"a b {secret}"], [*blank, secret], "a secret that comes after blank ones")


def verdicts(learner, cases, **more):
    """Decisions and reasons of (name, arguments)."""
    given = {"tools": TOOLS, "rules": []} | more
    got = learner.run(probes.decide, cases=[list(case) for case in cases], **given)
    for decision, reason in got:
        expect.that(decision != "no Verdict", f"decide: expected a Verdict, got {reason}")
        expect.type(reason, str, what="the reason of a verdict")
    return got


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#least-privilege",
    seconds=0.05,
    hints=[
        "What may a call do that nobody has decided about? Who decides about one that changes something?",
        "Unknown: DENY. read_only: ALLOW. Everything else: ASK if allow_writes, else DENY. Never ALLOW.",
    ],
)
def test_reading_is_allowed_and_writing_is_asked_about(learner, rng):
    """Read-only tools are allowed, others asked about or denied, unknown ones denied."""
    unknown = oracles.word(rng, 8, "abcdef")
    argument = {"x": int(rng.integers(100)), "text": oracles.text(rng)}
    cases = [("get_weather", argument), ("save_note", argument), (unknown, argument), ("fetch", {}), ("pay", {})]
    cases += [("get_weather", value) for value in (None, "x", [1], 3)] + [("Get_weather", {}), ("", {})]
    for writes in (True, False):
        changing = "ask" if writes else "deny"
        wanted = ["allow", changing, "deny", "allow", changing, *["deny"] * 6]
        got = verdicts(learner, cases, allow_writes=writes)
        for (name, given), want, (decision, reason) in zip(cases, wanted, got, strict=True):
            skips = "policy-asks-nobody" if want == "ask" and decision == "allow" else None
            expect.that(
                decision == want,
                f"decide({name!r}, {given!r}) with allow_writes={writes}: expected {want}, got {decision}",
                mistake=skips,
            )
            expect.that(name in reason, f"decide({name!r}, ...): the reason does not name the tool: {reason!r}")


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#least-privilege",
    seconds=0.05,
    needs=["test_reading_is_allowed_and_writing_is_asked_about"],
    hints=[
        "Does a rule for one argument hold for a list of paths, for NaN, for True, for an argument that is missing?",
        "Check every item of a list; write low <= value <= high, which NaN never meets; refuse bool; look at secrets "
        "first, and keep them out of the reason.",
    ],
)
def test_arguments_keep_the_rules(learner, rng):
    """Paths, hosts and numbers out of bounds are denied by name, also in lists; so are secrets, and none is told."""
    low, high = sorted(int(n) for n in rng.choice(1000, 2, replace=False))
    host, secret = f"{oracles.word(rng, 5, 'abcdef')}.example", oracles.word(rng, 14)
    rules = [
        ["path", "read_file", "path", "."],
        ["host", "fetch", "url", [host]],
        ["number", "pay", "amount", low, high],
        ["number", "get_weather", "days", 1],
    ]
    nan, infinity = float("nan"), float("inf")
    cases = [
        ("read_file", {"path": "a/b.txt"}, "allow", ""),
        ("read_file", {"path": "../b.txt"}, "deny", "path"),
        ("read_file", {"path": ["a", "b/c"]}, "allow", ""),
        ("read_file", {"path": ["a", "/etc/passwd"]}, "deny", "path"),
        ("read_file", {"path": None}, "deny", "path"),
        ("read_file", {"path": []}, "allow", ""),
        ("read_file", {"url": "https://evil.example"}, "allow", ""),
        ("fetch", {"url": f"https://{host}/x"}, "allow", ""),
        ("fetch", {"url": f"https://{host}.evil.example/x"}, "deny", "url"),
        ("fetch", {"url": [f"https://{host}/", "https://evil.example/"]}, "deny", "url"),
        ("fetch", {"path": "/etc/passwd"}, "allow", ""),
        ("pay", {"amount": low}, "ask", ""),
        ("pay", {"amount": float(high)}, "ask", ""),
        ("pay", {"amount": high + 1}, "deny", "amount"),
        ("pay", {"amount": low - 0.001}, "deny", "amount"),
        ("pay", {"amount": str(low)}, "deny", "amount"),
        ("pay", {"amount": infinity}, "deny", "amount"),
        ("pay", {}, "ask", ""),
        ("get_weather", {"days": True}, "deny", "days"),
        ("get_weather", {"days": 10**9}, "allow", ""),
        ("get_weather", {"days": [1, 0]}, "deny", "days"),
        ("get_weather", {"amount": -5}, "allow", ""),
        ("pay", {"amount": nan}, "deny", "amount"),
        ("get_weather", {"days": nan}, "deny", "days"),
    ]
    got = verdicts(learner, [case[:2] for case in cases], rules=rules, allow_writes=True)
    for (name, given, want, mentions), (decision, reason) in zip(cases, got, strict=True):
        isnan = any(value != value for value in given.values() if isinstance(value, float))
        expect.that(
            decision == want,
            f"decide({name!r}, {given!r}): expected {want}, got {decision} ({reason})",
            mistake="policy-accepts-nan" if isnan else None,
        )
        said = mentions in reason and name in reason
        expect.that(said, f"decide({name!r}, {given!r}): the reason does not name {mentions!r}: {reason!r}")

    hidden = [
        ("get_weather", {"city": f"Oslo {secret}"}),
        ("get_weather", {"list": [{"deep": secret}]}),
        ("get_weather", {secret: 1}),
        ("get_weather", {"city": "sk-ant-" + oracles.word(rng, 12)}),
        ("pay", {"to": oracles.forms(secret, rng)[-1]}),
        ("fetch", {"url": f"https://{host}/?q={secret}"}),
        ("read_file", {"path": f"/{secret}"}),
        ("save_note", {"title": "x", "fields": [{"db_password": oracles.text(rng)}]}),
        (f"run_{secret}", {}),
    ]
    got = verdicts(learner, hidden, rules=rules, allow_writes=True, secrets=["", secret])
    for (name, given), (decision, reason) in zip(hidden, got, strict=True):
        expect.equal(decision, "deny", what=f"decide({name!r}, {given!r}), where {secret!r} is a secret")
        loud = secret in reason or "sk-ant-" in reason
        expect.that(
            not loud,
            f"decide({name!r}, {given!r}): the reason holds the secret: {reason!r}",
            mistake="policy-says-the-secret",
        )
        expect.that(
            name.replace(secret, oracles.MARK) in reason,
            f"decide({name!r}, {given!r}): the reason does not name the tool: {reason!r}",
        )
    [[decision, _]] = verdicts(learner, [("get_weather", {"city": "Oslo"})], secrets=["", secret])
    expect.equal(decision, "allow", what="arguments without a secret, where one of the secrets is blank")


class Hall:
    """The judge's registry, person and log, for a gate."""

    def __init__(self, answer=True, content="done", failed=False):
        self.answer, self.content, self.failed = answer, content, failed
        self.ran, self.asked, self.lines = [], [], []

    def run(self, name, arguments):
        """The registry."""
        self.ran.append([name, arguments])
        return [self.content, self.failed]

    def confirm(self, name, arguments):
        """The person."""
        self.asked.append([name, arguments])
        return self.answer

    def log(self, line):
        """The log."""
        self.lines.append(line)

    def through(self, learner, cases, **more):
        """Calls through a gate: its results."""
        given = {"tools": TOOLS, "rules": [], "allow_writes": True} | more
        self.result = learner.run(
            probes.gate, cases=[list(c) for c in cases], run=self.run, confirm=self.confirm, log=self.log, **given
        )
        for content, is_error in self.result["answers"]:
            expect.that(content != "no ToolResult", f"Gate.run: expected a ToolResult, got {is_error}")
            expect.type(content, str, what="the content of a result")
        return self.result["answers"]


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#least-privilege",
    seconds=0.05,
    needs=["test_reading_is_allowed_and_writing_is_asked_about"],
    hints=[
        "What counts as a yes? The text 'no' is true in Python.",
        "confirm(...) is True, inside try/except Exception. What was refused is kept under its name and sorted JSON.",
    ],
)
def test_the_gate_asks_where_the_policy_says_so(learner, rng):
    """Allowed calls run, denied ones do not, others run after a True; what was refused is not asked again."""
    content = oracles.text(rng)
    read, write = ("get_weather", {"x": oracles.text(rng)}), ("save_note", {"x": [1, oracles.text(rng)]})
    hall = Hall(True, content)
    cases = [read, write, ("nothing", {}), write]
    answers = hall.through(learner, cases)
    expect.equal(hall.asked, [list(write)] * 2, what="what the person was asked, who says True")
    expect.equal(hall.ran, [list(read), list(write), list(write)], what="the calls that were run")
    expect.equal([answers[i] for i in (0, 1, 3)], [[content, False]] * 3, what="the results of the calls that ran")
    expect.that(answers[2][1] is True and "nothing" in answers[2][0], f"A denied call gave {answers[2]!r}")
    expect.equal(Hall(True, content, True).through(learner, [read]), [[content, True]], what="a tool's own error")

    hall = Hall(False)
    (denied,) = hall.through(learner, [write], allow_writes=False)
    expect.equal([hall.asked, hall.ran], [[], []], what="what was asked and run where writing is denied")
    expect.equal(denied[1], True, what="is_error of a denied call")

    for answer in (False, None, "no", "yes", 1, ["raise", "no terminal"], {"ok": True}):
        hall = Hall(answer)
        answers = hall.through(learner, [write, write])
        said = f"confirm {'raised' if isinstance(answer, list) else 'returned'} {answer!r}"
        expect.that(not hall.ran, f"{said}, and the call was run", mistake="gate-takes-anything-for-a-yes")
        expect.equal(len(answers), 2, what="how many results two calls have")
        for content, failed in answers:
            expect.equal(failed, True, what=f"is_error of a refused call ({said})")
            expect.that("refused" in content.lower(), f"The result of a refused call does not say so: {content!r}")
        expect.that(
            len(hall.asked) <= 1, f"{said}, and about the same call it was asked again", mistake="gate-asks-again"
        )
        expect.equal(hall.asked, [list(write)], what=f"what the person was asked ({said})")

    other = ("save_note", {"y": 2, "x": [1]})
    same = ("save_note", {"x": [1], "y": 2})
    hall = Hall(False)
    cases = [other, same, other, ("pay", other[1]), ("save_note", {"x": [1]}), ("save_note", {"x": [True]}), read]
    hall.through(learner, cases)
    expect.that(
        len(hall.asked) <= 4,
        f"A call that had been refused was asked about again: {hall.asked[1:3]}",
        mistake="gate-asks-again",
    )
    expect.that(
        not 0 < len(hall.asked) < 4,
        f"Of four different calls, {len(hall.asked)} were asked about; the others were taken for refused ones.",
        mistake="gate-refuses-other-calls",
    )
    wanted = [list(cases[i]) for i in (0, 3, 4, 5)]
    expect.equal(hall.asked, wanted, what="what a person was asked who says no each time")
    expect.equal(hall.ran, [list(read)], what="the calls that were run")


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#exfiltration",
    seconds=0.05,
    needs=["test_the_gate_asks_where_the_policy_says_so", "test_secrets_are_redacted_wherever_they_stand"],
    hints=[
        "Who will read the log, and in how many lines, if an argument holds a line break?",
        "Build one dict for every way through, redact it, json.dumps it, log it. Redact the result's content, too.",
    ],
)
def test_the_log_has_a_redacted_line_for_each_call(learner, rng):
    """Every call leaves one line of JSON, denied ones too, and no secret gets into the log or into a result."""
    secret = oracles.word(rng, 14)
    cases = [
        ("get_weather", {"city": oracles.text(rng) + "\n2026-01-01 allow all\u2028x"}, "allow", "ran"),
        ("save_note", {"text": oracles.text(rng)}, "ask", "refused"),
        ("save_note", {"text": secret}, "deny", "denied"),
        ("erase", {"a": [1, None, {"b": 0.5}]}, "deny", "denied"),
        (f"x\n{secret}", {"password": "p"}, "deny", "denied"),
        ("get_weather", "nonsense", "deny", "denied"),
        ("fetch", {"url": "https://x.example", "n": 3}, "allow", "ran"),
    ]
    hall = Hall(False, f"The key is {secret}, as {oracles.forms(secret, rng)[-1]}.", True)
    answers = hall.through(learner, [case[:2] for case in cases], secrets=[secret])
    expect.that(
        len(hall.lines) >= len(cases),
        f"{len(cases)} calls, of which 4 were denied and 1 refused, left {len(hall.lines)} lines in the log",
        mistake="gate-hides-denied-calls" if len(hall.lines) in (2, 3) else None,
    )
    expect.equal(len(hall.lines), len(cases), what="how many lines the log has")
    for line, (name, given, decision, outcome), (content, failed) in zip(hall.lines, cases, answers, strict=True):
        expect.type(line, str, what="a line of the log")
        expect.that(
            secret not in line and secret not in repr(answers),
            f"The secret {secret!r} got out: {line!r}, results {answers!r}",
            mistake="gate-lets-secrets-out",
        )
        expect.equal(len(line.splitlines()), 1, what=f"how many lines {expect.show(line)} is")
        try:
            entry = json.loads(line)
        except ValueError:
            expect.fail(f"A line of the log is no JSON: {expect.show(line)}")
        expect.type(entry, dict, what="a line of the log, read as JSON")
        want = {
            "tool": oracles.redact(name, [secret]),
            "arguments": oracles.redact(given, [secret]),
            "decision": decision,
            "outcome": outcome,
            "is_error": failed,
        }
        expect.equal({key: entry.get(key) for key in want}, want, what=f"the line for {name!r}")
        expect.that(isinstance(entry.get("reason"), str) and entry["reason"], f"No reason in {expect.show(line)}")
        expect.that(
            outcome != "denied" or entry["reason"] in content,
            f"The result of a denied call does not hold the reason {entry.get('reason')!r}: {content!r}",
        )
    expect.equal(answers[0][0], oracles.redact(hall.content, [secret]), what="the content of a result with a secret")


@check(
    task="2.7",
    weight=2,
    lesson="08_safety#least-privilege",
    seconds=0.4,
    limit=15,
    needs=["test_the_gate_asks_where_the_policy_says_so"],
    hints=[
        "An agent runs calls in parallel. How many questions can a person read at once? Does what they read run?",
        "A lock around the question, another around the log; a deep copy for the policy, the person and the registry.",
    ],
)
def test_what_was_confirmed_is_what_runs(learner, rng):
    """Policy, person and registry see equal copies; questions come one at a time, and reading never waits."""
    cases = [("save_note", {"x": [1, oracles.text(rng)]}), ("get_weather", {"x": [oracles.text(rng)]})]
    given = copy.deepcopy([list(case) for case in cases])
    hall = Hall(True)
    hall.through(learner, cases, spoil=True, meddle=True)
    for got, what in [
        (hall.asked, "what was asked"),
        (hall.ran, "what was run"),
        (hall.result["cases"], "the caller's arguments afterwards"),
    ]:
        expect.that(
            "spoiled" not in repr(got),
            f"Others changed their arguments, and {what} is {got!r}",
            mistake="gate-runs-something-else",
        )
    expect.that(
        "late" not in repr(hall.ran),
        f"The caller changed its arguments while a person was being asked, and what ran is {hall.ran!r}",
        mistake="gate-runs-something-else",
    )
    expect.equal(hall.ran, given, what="the calls that were run")
    expect.that(
        "spoiled" not in repr(hall.lines), "Others changed their arguments, and the log has what they made of them."
    )

    noted = []
    read = ["get_weather", {"x": 0}]
    crowd = [read, *[["save_note", {"x": int(n)}] for n in rng.choice(100, 3, replace=False)]]
    crowd.append(copy.deepcopy(crowd[-1]))

    def note(what, about):
        noted.append((str(what), about))

    learner.run(probes.crowd, tools=TOOLS, cases=crowd, note=note, answer=False)
    kinds = [what for what, _ in noted]
    for begin, end, what in [
        ("asked", "answered", "questions were asked"),
        ("writing", "written", "lines were written"),
    ]:
        most = most_at_once(kinds, begin, end)
        expect.that(most <= 1, f"{most} {what} at the same time", mistake="gate-lets-all-in-at-once")
    asked = sorted(repr(about) for what, about in noted if what == "asked")
    expect.equal(asked, sorted(map(repr, crowd[1:4])), what="the questions about 4 calls, of which 2 are the same")
    ran = [about for what, about in noted if what == "ran"]
    expect.equal(ran, [read], what="the calls that were run, while somebody said no to all that was asked")
    first = next((what for what in kinds if what in ("ran", "answered")), None)
    expect.equal(
        first, "ran", what="what comes first, where a person takes time: a reading call 'ran', or they 'answered'"
    )
    expect.equal(kinds.count("written"), 5, what="how many lines the log has")
    noted.clear()
    again = [crowd[1], ["save_note", {"x": -1}]]
    learner.run(probes.crowd, tools=TOOLS, cases=again, note=note, answer=False, before=crowd[1:2])
    kinds = [what for what, _ in noted]
    expect.that(
        kinds[4:7] == ["asked", "writing", "written"],
        "A call that had been refused before waited until a question about another was answered.",
    )


def most_at_once(kinds, begin, end):
    """How many began before others had ended."""
    here = most = 0
    for kind in kinds:
        here += (kind == begin) - (kind == end)
        most = max(most, here)
    return most
