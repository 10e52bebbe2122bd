"""Plain argparse, its exceptions caught; ranges checked when everything is parsed."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


def parse(argv):
    """Types by argparse, ranges by hand; defaults from the dataclass."""
    parser = Parser(prog=PROGRAM, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("prompt")
    parser.add_argument("--model")
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--show-tokens", action=argparse.BooleanOptionalAction)
    parser.add_argument("--show-probs", action="store_const", const=True)
    options = Options(**vars(parser.parse_args(argv)))
    checks = [
        (options.prompt.strip() != "", "the prompt is blank"),
        (options.max_new_tokens >= 1, "--max-new-tokens is below 1"),
        (0 <= options.temperature <= sys.float_info.max, "--temperature is not a number of at least 0"),
        (0 < options.top_p <= 1, "--top-p is not above 0 and at most 1"),
        (options.seed in range(2**63), "--seed is not in its range"),
    ]
    for right, sentence in checks:
        if not right:
            raise ValueError(sentence)
    return options


def main(argv=None):
    """One handler for all that can be wrong; a generator does the printing."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        from roadmap.artifacts import ArtifactError

        from .model import load

        try:
            model, tokenizer = load(options.model)
        except ArtifactError as error:
            raise ValueError(str(error)) from error
    except SystemExit:
        return 0
    except ValueError as error:
        print(*str(error).split(), file=sys.stderr)
        return 2

    from .cache import CachedModel
    from .generate import generate
    from .sampling import SamplingParams

    specials = tokenizer.special_tokens
    rows = []
    try:
        for step in generate(
            CachedModel(model),
            tokenizer.encode(options.prompt),
            max_new_tokens=options.max_new_tokens,
            params=SamplingParams(options.temperature, top_p=options.top_p),
            seed=options.seed,
            stop_tokens=[specials[end] for end in set(END_TOKENS) & set(specials)],
            decoder=tokenizer.stream(),
        ):
            sys.stdout.write(step.text)
            sys.stdout.flush()
            rows.append(
                (str(step.token), json.dumps(step.text, ensure_ascii=False), format(math.exp(step.logprob), ".4f"))
            )
    except ValueError as error:
        sys.stdout.write("\n" * bool(rows))
        print(*str(error).split(), file=sys.stderr)
        return 2
    sys.stdout.write("\n")
    sys.stdout.flush()
    wanted = [options.show_tokens, True, options.show_probs]
    if options.show_tokens or options.show_probs:
        for row in rows:
            print("\t".join(column for column, show in zip(row, wanted, strict=True) if show), file=sys.stderr)
    return 0
