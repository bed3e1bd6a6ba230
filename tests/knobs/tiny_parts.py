"""Parts of tiny pipelines with random weights: tokenizers, text encoders and the common kinds of VAE."""

from typing import Any

import torch
from diffusers import AutoencoderDC, AutoencoderKL, AutoencoderTiny
from torch.nn import Conv2d, Conv3d
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)

LETTERS = tuple(chr(code) for code in range(33, 127))


def kl_vae(*, scaling_factor: float, shift_factor: float | None = None, with_quant_conv: bool = True) -> Any:
    """Return an AutoencoderKL of four channels that halves each side."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        latent_channels=4,
        block_out_channels=(16, 16),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=scaling_factor,
        shift_factor=shift_factor,
        use_quant_conv=with_quant_conv,
        use_post_quant_conv=with_quant_conv,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    return painting(vae)


def tiny_vae() -> Any:
    """Return an AutoencoderTiny for the latents of `kl_vae`."""
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        latent_channels=4,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    return painting(vae)


def dc_vae() -> Any:
    """Return an AutoencoderDC, the deep compression kind, of four channels that halves each side."""
    torch.manual_seed(0)
    vae = AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )
    return painting(vae)


def painting(vae: Any, *, contrast: float = 1.0) -> Any:
    """Return a VAE whose last convolution blurs: random ones make noise, which a trial takes for no picture.

    Args:
        vae: Any kind of VAE.
        contrast: What to multiply its pictures' contrast by.
    """
    last = [module for module in vae.decoder.modules() if isinstance(module, (Conv2d, Conv3d))][-1]
    with torch.no_grad():
        last.weight[:] = contrast * last.weight.mean((-2, -1), keepdim=True)
    return vae


def damp(embedder: Any) -> None:
    """Make the embedding of a timestep vary little: from step to step little changes in a trained model."""
    with torch.no_grad():
        embedder.linear_2.weight *= 0.02


def clip_tokenizer(*, pad: str = "<|endoftext|>") -> Any:
    """Return a tokenizer with one token a character: letters, and letters that end a word."""
    vocabulary = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    indices = {token: index for index, token in enumerate(vocabulary)}
    return CLIPTokenizer(vocab=indices, merges=[], model_max_length=77, pad_token=pad)


def clip(*, layers: int = 2, act: str = "quick_gelu", with_projection: bool = False) -> Any:
    """Return a CLIP text encoder of width 32; OpenCLIP's are the same with act "gelu"."""
    torch.manual_seed(0)
    end = 2 * len(LETTERS) + 1
    config = CLIPTextConfig(
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=layers,
        projection_dim=32,
        vocab_size=end + 1,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
        hidden_act=act,
    )
    return (CLIPTextModelWithProjection if with_projection else CLIPTextModel)(config).eval()


def t5_tokenizer() -> Any:
    """Return a tokenizer with one token a character."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    vocabulary += [(letter, -3.0) for letter in LETTERS]
    vocabulary += [(f"<extra_id_{index}>", 0.0) for index in range(99, -1, -1)]
    return T5TokenizerFast(vocab=vocabulary, extra_ids=100, model_max_length=32)


def t5(*, width: int = 32) -> Any:
    """Return a T5 text encoder."""
    torch.manual_seed(0)
    return T5EncoderModel(T5Config(**_t5_sizes(width))).eval()


def umt5() -> Any:
    """Return a UMT5 text encoder of width 32: T5 with positions of its own in each layer."""
    torch.manual_seed(0)
    return UMT5EncoderModel(UMT5Config(**_t5_sizes(32))).eval()


def gemma_tokenizer() -> Any:
    """Return a tokenizer with one token a character."""
    vocabulary = ["<pad>", "<eos>", "<bos>", "<unk>", "\u2581", *LETTERS]
    return GemmaTokenizer(vocab={token: index for index, token in enumerate(vocabulary)}, merges=[])


def gemma() -> Any:
    """Return a Gemma 2 decoder of width 32, whose hidden states are the text embeddings."""
    torch.manual_seed(0)
    config = Gemma2Config(
        head_dim=16,
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=2,
        num_hidden_layers=2,
        num_key_value_heads=2,
        vocab_size=128,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    return Gemma2Model(config).eval()


def _t5_sizes(width: int) -> dict[str, Any]:
    return {
        "vocab_size": 256,
        "d_model": width,
        "d_ff": 2 * width,
        "d_kv": 8,
        "num_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
    }
