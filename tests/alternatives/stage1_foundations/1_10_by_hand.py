"""Arguments read one by one, without argparse; the text as bytes."""

HELP = """usage: python -m stage1_foundations [OPTIONS] PROMPT

  --model NAME        --max-new-tokens N   --temperature T
  --top-p P           --seed N
  --show-tokens       --show-probs         --help
"""


def parse(argv):
    """A queue of words; each option takes what belongs to it."""
    convert = {
        "--model": ("model", str, lambda name: True),
        "--max-new-tokens": ("max_new_tokens", int, lambda n: n > 0),
        "--temperature": ("temperature", float, lambda t: math.isfinite(t) and t >= 0),
        "--top-p": ("top_p", float, lambda p: math.isfinite(p) and p > 0 and p <= 1),
        "--seed": ("seed", int, lambda n: n >= 0 and n.bit_length() < 64),
    }
    flags = {"--show-tokens": "show_tokens", "--show-probs": "show_probs"}
    words, prompts, found = list(argv), [], {}
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if word == "--":
            prompts, words = prompts + words, []
        elif word == "--help":
            sys.stdout.write(HELP)
            raise SystemExit(0)
        elif word in flags:
            found[flags[word]] = True
        elif option in convert:
            if not equals:
                if not words:
                    raise UsageError(f"{option} needs a value.")
                value = words.pop(0)
            name, kind, good = convert[option]
            try:
                found[name] = kind(value)
            except ValueError:
                raise UsageError(f"{option} does not take {value!r}.") from None
            if not good(found[name]):
                raise UsageError(f"{value} is out of the range of {option}.")
        elif word.startswith("--"):
            raise UsageError(f"There is no option {word}.")
        else:
            prompts.append(word)
    if len(prompts) != 1 or prompts[0].isspace() or prompts[0] == "":
        raise UsageError("Give exactly one prompt, in quotes.")
    return Options(prompt=prompts[0], **found)


def main(argv=None):
    """Everything through the byte stream below stdout; the listing is made afterwards."""
    import sys as system

    try:
        options = parse(system.argv[1:] if argv is None else list(argv))
    except UsageError as error:
        system.stderr.write(str(error).replace("\n", " ") + "\n")
        return 2
    except SystemExit as end:
        return end.code
    from stage1_foundations import cache, generate, model, sampling

    import roadmap.artifacts as artifacts

    try:
        network, tokenizer = model.load(options.model)
    except (artifacts.ArtifactError, ValueError) as error:
        system.stderr.write("cannot load the model: " + " ".join(str(error).split()) + "\n")
        return 2
    ends = {number for name, number in tokenizer.special_tokens.items() if name in END_TOKENS}
    params = sampling.SamplingParams(top_p=options.top_p, temperature=options.temperature)
    said = []
    try:
        for step in generate.generate(
            cache.CachedModel(network),
            tokenizer.encode(options.prompt),
            max_new_tokens=options.max_new_tokens,
            params=params,
            seed=options.seed,
            stop_tokens=tuple(ends),
            decoder=tokenizer.stream(),
        ):
            said.append(step)
            system.stdout.buffer.write(step.text.encode("utf-8"))
            system.stdout.buffer.flush()
    except ValueError as error:
        if said:
            system.stdout.buffer.write(b"\n")
        system.stderr.write("the text is too long: " + " ".join(str(error).split()) + "\n")
        return 2
    system.stdout.buffer.write(b"\n")
    system.stdout.buffer.flush()
    if options.show_tokens or options.show_probs:
        for step in said:
            row = f"{step.token}\t" if options.show_tokens else ""
            row += json.dumps(step.text, ensure_ascii=False)
            row += f"\t{math.e**step.logprob:.4f}" if options.show_probs else ""
            system.stderr.write(row + "\n")
    return 0
