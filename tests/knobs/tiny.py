"""Tiny pipelines of every family with random weights, built offline: as cheap as a pipeline can be."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)

from tests.knobs import tiny_parts as parts

_BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def stable_diffusion() -> Any:
    """Return a StableDiffusionPipeline as of 1.x: a UNet, guided, one text encoder."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    return StableDiffusionPipeline(
        vae=parts.kl_vae(scaling_factor=0.18215),
        text_encoder=parts.clip(),
        tokenizer=parts.clip_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, **_BETAS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def distilled_unet(**config: Any) -> UNet2DConditionModel:
    """Return another UNet for `stable_diffusion`, as a distilled one is made: without its middle block."""
    torch.manual_seed(1)
    shape: dict[str, Any] = {
        "sample_size": 16,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
        "mid_block_type": None,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return UNet2DConditionModel(**{**shape, **config})


def stable_diffusion_2() -> Any:
    """Return a StableDiffusionPipeline as of 2.x: v-prediction, OpenCLIP, linear projections."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=(4, 8),
        norm_num_groups=8,
        use_linear_projection=True,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    scheduler = DDIMScheduler(
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction", **_BETAS
    )
    return StableDiffusionPipeline(
        vae=parts.kl_vae(scaling_factor=0.18215),
        text_encoder=parts.clip(act="gelu", layers=3),
        tokenizer=parts.clip_tokenizer(pad="!"),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    """Return a StableDiffusionXLPipeline: a UNet told the picture's size, two text encoders."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=64,
        attention_head_dim=(4, 8),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        transformer_layers_per_block=(1, 2),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return StableDiffusionXLPipeline(
        vae=parts.kl_vae(scaling_factor=0.13025),
        text_encoder=parts.clip(),
        text_encoder_2=parts.clip(act="gelu", with_projection=True),
        tokenizer=parts.clip_tokenizer(),
        tokenizer_2=parts.clip_tokenizer(pad="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading", **_BETAS),
        add_watermarker=False,
    )


def stable_diffusion_3() -> Any:
    """Return a StableDiffusion3Pipeline: a transformer of two streams, flow, three text encoders."""
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        pos_embed_max_size=32,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=parts.kl_vae(scaling_factor=1.5305, shift_factor=0.0609, with_quant_conv=False),
        text_encoder=parts.clip(with_projection=True),
        tokenizer=parts.clip_tokenizer(),
        text_encoder_2=parts.clip(act="gelu", with_projection=True),
        tokenizer_2=parts.clip_tokenizer(pad="!"),
        text_encoder_3=parts.t5(width=64),
        tokenizer_3=parts.t5_tokenizer(),
    )


def flux() -> Any:
    """Return a FluxPipeline: a transformer with the attention dispatcher, flow, two text encoders."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=32,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(8, 12, 12),
        guidance_embeds=True,
    )
    parts.damp(transformer.time_text_embed.timestep_embedder)
    return FluxPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=parts.kl_vae(scaling_factor=0.3611, shift_factor=0.1159, with_quant_conv=False),
        text_encoder=parts.clip(),
        tokenizer=parts.clip_tokenizer(),
        text_encoder_2=parts.t5(),
        tokenizer_2=parts.t5_tokenizer(),
    )


def pixart() -> Any:
    """Return a PixArtSigmaPipeline: a transformer of the older kind, guided, T5."""
    torch.manual_seed(0)
    transformer = PixArtTransformer2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=32,
        out_channels=8,
        norm_type="ada_norm_single",
    )
    return PixArtSigmaPipeline(
        transformer=transformer,
        vae=parts.kl_vae(scaling_factor=0.13025),
        scheduler=DPMSolverMultistepScheduler(),
        text_encoder=parts.t5(),
        tokenizer=parts.t5_tokenizer(),
    )


def sana() -> Any:
    """Return a SanaPipeline: linear attention, flow through DPM-Solver++, a language model reads the text."""
    torch.manual_seed(0)
    transformer = SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        num_cross_attention_heads=4,
        cross_attention_head_dim=8,
        cross_attention_dim=32,
        caption_channels=32,
        sample_size=32,
    )
    return SanaPipeline(
        transformer=transformer,
        vae=parts.dc_vae(),
        scheduler=DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        text_encoder=parts.gemma(),
        tokenizer=parts.gemma_tokenizer(),
    )


def save(pipeline: Any, folder: Path) -> Path:
    """Save a pipeline, with a Tiny AutoEncoder in `vae_tiny` where there is one for its latents."""
    pipeline.save_pretrained(folder)
    if isinstance(pipeline.vae, AutoencoderKL):
        parts.tiny_vae().save_pretrained(folder / "vae_tiny")
    return folder
