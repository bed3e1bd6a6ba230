"""The demo model's own tokenizer: byte-level BPE in CLIP's format, built offline.

Every byte is a token, so any text can be encoded and read back; words of the
postcards' grammar are one token each.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from transformers import CLIPTokenizer

MAX_TOKENS = 32
"""Padded length of a prompt in tokens, with the two that mark start and end."""

START, END = "<|startoftext|>", "<|endoftext|>"

_WORD = re.compile(r"[a-z]+")


def byte_alphabet() -> list[str]:
    """Return the 256 characters that stand for the bytes 0 to 255 in this format.

    Printable bytes stand for themselves, the others are moved up past 255.

    >>> letters = byte_alphabet()
    >>> len(set(letters)), letters[ord("a")], letters[ord(" ")]
    (256, 'a', 'Ġ')
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(hidden)) for byte in range(256)]


def merges_of(words: Iterable[str]) -> list[tuple[str, str]]:
    """Return byte-pair merges, most frequent pair first, until each word is one token.

    >>> merges_of(["red", "red", "real"])[:2]
    [('r', 'e'), ('re', 'd</w>')]
    """
    counts = Counter(words)
    spelt = {word: (*word[:-1], word[-1] + "</w>") for word in counts}
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in spelt.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelt = {word: _joined(parts, best) for word, parts in spelt.items()}


def build_tokenizer(captions: Iterable[str]) -> CLIPTokenizer:
    """Return a tokenizer that knows every word of ``captions``."""
    merges = merges_of(word for text in captions for word in _WORD.findall(text.lower()))
    letters = sorted(byte_alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += dict.fromkeys(first + second for first, second in merges)
    tokens += [START, END]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=merges,
        model_max_length=MAX_TOKENS,
        pad_token=END,
    )


def _joined(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)
