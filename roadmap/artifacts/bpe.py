"""The tables of a byte-level BPE tokenizer, read from a folder's tokenizer.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap.artifacts.errors import ArtifactError


@dataclass(frozen=True)
class Bpe:
    """What a byte-level BPE tokenizer knows, as bytes.

    Attributes:
        vocab: every token by id; a special token is the UTF-8 of its name. Not every one of the 256 single bytes need
            be there: SmolLM2 lacks 21 that its training text did not hold.
        merges: pairs in the order in which they are applied.
        special_tokens: ids of the tokens that stand for instructions, by name.
        split_digits: every digit (Unicode category N) is cut off before GPT-2's pattern is applied.
        chat_template: the Jinja template that turns messages into a prompt, if the model has one.
    """

    vocab: dict[int, bytes]
    merges: list[tuple[bytes, bytes]]
    special_tokens: dict[str, int]
    split_digits: bool = False
    chat_template: str | None = None

    @classmethod
    def from_folder(cls, folder: Path) -> Bpe:
        """Read tokenizer.json and the chat template of a model folder.

        Raises:
            ArtifactError: there is no tokenizer.json, or it is not byte-level BPE with GPT-2's pattern.
        """
        file = folder / "tokenizer.json"
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            special = {token["content"]: token["id"] for token in data["added_tokens"]}
            model = data["model"]
            split_digits = _splits_digits(data["pre_tokenizer"])
            if model["type"] != "BPE" or split_digits is None or data.get("normalizer"):
                raise ArtifactError(
                    f"{file} is not a byte-level BPE tokenizer with GPT-2's pattern. Use a model of the SmolLM2 family."
                )
            vocab = {number: _to_bytes(token) for token, number in model["vocab"].items() if token not in special}
            vocab |= {number: token.encode() for token, number in special.items()}
            pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
            merges = [(_to_bytes(left), _to_bytes(right)) for left, right in pairs]
            template = _chat_template(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{file} cannot be read as a tokenizer. Copy or download the file again.") from error
        return cls(dict(sorted(vocab.items())), merges, special, split_digits, template)


def byte_alphabet() -> dict[str, int]:
    """The 256 characters by which byte-level BPE writes bytes in text files, and the byte of each.

    Printable Latin-1 characters stand for themselves; the other 68 bytes, in order, take the characters from U+0100 on.
    Source: the GPT-2 release's encoder.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


_ALPHABET = byte_alphabet()


def _to_bytes(token: str) -> bytes:
    return bytes(_ALPHABET[character] for character in token)


def _splits_digits(pre_tokenizer: dict[str, Any]) -> bool | None:
    """Whether digits are cut off one by one before GPT-2's pattern; None for any other way to cut text."""
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    match [step["type"] for step in steps]:
        case ["ByteLevel"]:
            digits = False
        case ["Digits", "ByteLevel"] if steps[0].get("individual_digits"):
            digits = True
        case _:
            return None
    gpt2 = steps[-1].get("use_regex", True) and not steps[-1].get("add_prefix_space")
    return digits if gpt2 else None


def _chat_template(folder: Path) -> str | None:
    file, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = json.loads(settings.read_text(encoding="utf-8")).get("chat_template") if settings.is_file() else None
    return template if isinstance(template, str) else None
