"""One function from the command line to the exit code; calls and results collected from the events, not the steps."""

import contextlib
import threading


def main(argv=None):
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
    except SystemExit as ending:
        return ending.code or 0
    except UsageError as error:
        sys.stderr.write(f"{PROGRAM}: {' '.join(str(error).split())}\n")
        return 2

    import anthropic

    from roadmap import artifacts, llm, services

    from . import agent, guard, policy, prompts, registry
    from . import services as clients

    secrets = sorted({os.environ.get(name, "").strip() for name in KEYS})
    secrets = [key for key in secrets if len(key) >= SHORTEST_KEY]

    def hide(value):
        return policy.redact(value, secrets)

    def say(problem):
        problem = "".join(c if c.isprintable() else " " for c in " ".join(hide(problem).split()))
        sys.stderr.write(f"{PROGRAM}: {problem}\n")
        return 1

    def confirm(name, arguments):
        if options.yes:
            return True
        if sys.stdin.isatty():
            sys.stderr.write(f"{name}: {arguments!r}\nMay it? ")
            sys.stderr.flush()
            return next(iter(sys.stdin), "").strip().casefold() in {"y", "yes"}
        sys.stderr.write("Nobody can be asked.\n")
        return False

    plain, lock, last = {}, threading.Lock(), ["\n"]

    def show(text):
        if text and not options.json:
            sys.stdout.write(text)
            sys.stdout.flush()
            last[0] = text[-1]

    def carry_out(name, arguments):
        result = gate.run(name, arguments)
        kept = guard.sanitise(result.content)
        sent = result.content if kept == result.content else guard.quote(kept, name)
        with lock:
            plain[sent] = kept
        return registry.ToolResult(sent, is_error=result.is_error)

    where = dict(os.environ) | ({"ROADMAP_LLM_MODEL": options.model} if options.model else {})
    question, outcome = hide(options.question), None
    with contextlib.ExitStack() as stack:
        try:
            endpoint = stack.enter_context(llm.connect(where))
            addresses = stack.enter_context(services.connect(os.environ))
            shelf = registry.Registry()
            tools = clients.tools(
                clients.Weather(addresses.weather, addresses.geocoding),
                clients.Stocks(addresses.stocks),
                unit="fahrenheit" if options.units == "imperial" else "celsius",
            )
            rules = ()
            if options.notes is not None:
                tools.append(note_tool(options.notes))
                rules = (policy.PathRule("save_note", "file", str(options.notes)),)
            for tool in tools:
                shelf.register(tool)
            gate = policy.Gate(
                shelf,
                policy.Policy(tools, allow_writes=bool(rules), rules=rules, secrets=secrets),
                confirm,
                (lambda line: sys.stderr.write(line + "\n")) if options.trace else (lambda line: None),
            )
            worker = agent.Agent(
                endpoint.client,
                endpoint.model if options.model is None else options.model,
                shelf,
                system=prompts.system_prompt(hide(options.system), RULES, today=datetime.date.today()),
                max_turns=options.max_turns,
                prices=None if options.prices is None else agent.Prices(*options.prices),
                run=carry_out,
            )
            for event in worker.stream(question):
                if isinstance(event, agent.TextPiece):
                    show(printable(event.text))
                elif isinstance(event, agent.Outcome):
                    outcome = event
                elif last[0] != "\n":
                    show("\n")
        except (llm.EndpointError, artifacts.ArtifactError) as error:
            return say(str(error))
        except anthropic.APIError as error:
            if last[0] != "\n":
                show("\n")
            status = getattr(error, "status_code", None)
            if status is None:
                return say(f"{error.message} {advice('no connection')}")
            return say(f"{status}: {error.api_message or error.message} {advice(status)}")
    if last[0] != "\n":
        show("\n")

    calls = []
    for number, step in enumerate(outcome.steps):
        own = []
        for call, result in zip(step.calls, step.results, strict=True):
            content = plain.get(result.content, result.content)
            own.append(dict(name=call.name, arguments=call.arguments, content=content, is_error=result.is_error))
        calls += own
        if options.trace:
            row = dict(turn=number + 1, stop_reason=step.stop_reason, text=step.text, calls=own)
            sys.stderr.write(json.dumps(hide(row | {"usage": vars(step.usage)}), ensure_ascii=False) + "\n")
    fine = [call for call in calls if not call["is_error"]]
    contents = [call["content"] for call in fine]
    doubtful = unverified(outcome.text, [call["content"] for call in calls] + [question])
    if options.json:
        sources = []
        for content in contents:
            found = _citable(content)
            if found and found["source"] not in sources:
                sources.append(found["source"])
        row = {key: getattr(outcome, key) for key in ("stop", "turns")} | {"usage": vars(outcome.usage)}
        row |= {"answer": outcome.text, "cost": outcome.cost if options.prices else None, "tools": calls}
        print(json.dumps(hide(row | {"sources": sources, "unverified": doubtful}), ensure_ascii=False))
    else:
        for line in cite(outcome.text, contents):
            show(printable(line) + "\n")
        if doubtful:
            show(UNVERIFIED + ", ".join(doubtful) + "\n")

    if outcome.stop not in ANSWERED:
        return say(f"{outcome.stop}. {advice(outcome.stop)}")
    if calls and not fine:
        return say(f"{calls[-1]['name']} failed: {calls[-1]['content']} {advice('no result')}")
    return 0 if outcome.text.strip() else say("The model said nothing. Ask again.")
