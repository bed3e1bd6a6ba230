"""Tokenizers with one token a letter: a text encoder's cost depends on the padded length alone."""

from typing import Any

_PRINTABLE = [chr(code) for code in range(33, 127)]


def clip_tokenizer() -> Any:
    """Return a tokenizer for CLIP's text encoders: 77 tokens, start and end where the real one has them."""
    from transformers import CLIPTokenizer

    letters = [*_PRINTABLE, *(f"{letter}</w>" for letter in _PRINTABLE)]
    ids = {letter: index for index, letter in enumerate(letters)}
    ends = {"<|startoftext|>": 49_406, "<|endoftext|>": 49_407}
    return CLIPTokenizer(vocab=ids | ends, merges=[], model_max_length=77)


def t5_tokenizer() -> Any:
    """Return a tokenizer for T5's encoders, of at most 512 tokens."""
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(letter, -3.0) for letter in _PRINTABLE]
    pieces += [(f"<extra_id_{index}>", 0.0) for index in range(99, -1, -1)]
    return T5TokenizerFast(vocab=pieces, extra_ids=100, model_max_length=512)
