"""Blueprint: a pipeline's parts and abilities, read from its configuration without its weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self, TypeAlias

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One module of a pipeline.

    Attributes:
        class_name: Its class, such as "UNet2DConditionModel".
        parameters: How many parameters it has.
        bytes_fp32: Bytes of its parameters and buffers in 32 bits.
        linear_share: Share of the parameters in `Linear` weights, 0 to 1: what quantization can reach.
        conv_share: Share of the parameters in convolution weights, 0 to 1: what channels_last can reach.
    """

    class_name: str
    parameters: int = 0
    bytes_fp32: int = 0
    linear_share: float = 0.0
    conv_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What a pipeline is made of and what its parts can do.

    Attributes:
        pipeline_class: Such as "StableDiffusionPipeline".
        parts: Modules by their name in the pipeline ("unet", "vae", "text_encoder").
        abilities: What was seen on the modules themselves (built without weights), such as
            "attention_slicing", "attention_dispatcher", "fuse_qkv", "repeated_blocks", "vae_slicing",
            "vae_tiling", "tiny_vae", "cfg_cutoff", "model_offload". A knob offers nothing where its ability
            is missing.
        scheduler: Class name of the scheduler that the model ships.
        prediction: Its prediction type: "epsilon", "v_prediction", "sample" or "flow".
        facts: Numbers and names that knobs need, such as "vae_scale_factor", "vae_sample_size",
            "latent_channels", "default_size_px", "weights" (digest of the weight files), "tiny_vae" (where a
            Tiny AutoEncoder for these latents is found), "denoisers" (the folder inside the model's of each
            further denoiser, by the name that a recipe gives it).
    """

    pipeline_class: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    abilities: frozenset[str] = frozenset()
    scheduler: str = ""
    prediction: str = "epsilon"
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def denoiser(self) -> str | None:
        """The name of the part that is run at every step, or None when there is none.

        >>> Blueprint(pipeline_class="X", parts={"unet": Part(class_name="UNet2DConditionModel")}).denoiser
        'unet'
        """
        return next((name for name in ("unet", "transformer") if name in self.parts), None)

    @property
    def has_random_weights(self) -> bool:
        """Whether its weights are drawn at random: its pictures can be compared as numbers only."""
        return self.facts.get("random_weights") is True

    def can(self, ability: str) -> bool:
        """Whether an ability was seen on this pipeline."""
        return ability in self.abilities

    def number(self, fact: str, default: int = 0) -> int:
        """A whole-number fact, or `default` where it is unknown.

        >>> Blueprint(pipeline_class="X", facts={"vae_sample_size": 512}).number("vae_sample_size")
        512
        """
        value = self.facts.get(fact)
        return int(value) if isinstance(value, (int, float)) else default

    def to_json(self) -> dict[str, object]:
        """Return plain JSON types, accepted by `from_json`."""
        return {
            "pipeline_class": self.pipeline_class,
            "parts": {name: asdict(part) for name, part in sorted(self.parts.items())},
            "abilities": sorted(self.abilities),
            "scheduler": self.scheduler,
            "prediction": self.prediction,
            "facts": dict(sorted(self.facts.items())),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Build a blueprint from what `to_json` returned.

        >>> plan = Blueprint(pipeline_class="X", parts={"vae": Part(class_name="AutoencoderKL")})
        >>> Blueprint.from_json(plan.to_json()) == plan
        True
        """
        fields: dict[str, object] = dict(data)
        parts, abilities = fields.get("parts"), fields.get("abilities")
        fields["parts"] = (
            {name: Part(**part) for name, part in parts.items()} if isinstance(parts, dict) else {}
        )
        fields["abilities"] = frozenset(abilities) if isinstance(abilities, list) else frozenset()
        return cls(**fields)  # type: ignore[arg-type]
