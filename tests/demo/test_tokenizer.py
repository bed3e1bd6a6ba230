"""The demo model's tokenizer."""

from transformers import CLIPTokenizer

from autotune.demo import DEMO_PROMPTS, demo_model_path
from autotune.demo.tokenizer import MAX_TOKENS, build_tokenizer


def test_prompts_survive_a_round_trip() -> None:
    """Encoding and decoding gives each demo prompt back, one token a word."""
    tokenizer = CLIPTokenizer.from_pretrained(demo_model_path() / "tokenizer")
    for prompt in DEMO_PROMPTS:
        ids = tokenizer(prompt)["input_ids"]

        assert len(prompt.split()) + 2 == len(ids) <= MAX_TOKENS
        assert prompt == tokenizer.decode(ids, skip_special_tokens=True)


def test_unknown_words_are_spelt_in_bytes() -> None:
    """Words outside the grammar, in any script, are encoded without loss."""
    tokenizer = build_tokenizer(["a red house"])
    ids = tokenizer("naïve 漢字 house")["input_ids"]

    assert "naïve 漢字 house" == tokenizer.decode(ids, skip_special_tokens=True)


def test_building_depends_only_on_the_captions() -> None:
    """The same captions give the same vocabulary."""
    captions = ["a red house by day", "a blue tree at night"]

    assert build_tokenizer(captions).get_vocab() == build_tokenizer(captions).get_vocab()
