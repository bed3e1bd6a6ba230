"""Recipe: the answer of a study - a model and the settings that differ from the default, with a name that never changes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from autotune.errors import RecipeError
from autotune.knob import Settings, Value

SCHEMA_VERSION = 1
_KEYS = {"schema_version", "model", "revision", "settings", "digest", "call", "target", "measured", "study"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to run a model: only settings that differ from the default are kept.

    Attributes:
        model: "demo", a local folder or a hub id.
        revision: Hub revision, or "".
        settings: Knob name to value, defaults left out.
        call: What was made when this was measured: "steps", "guidance", "width_px", "height_px", "batch". Not part of
            the digest.
        target: The machine it was measured on (`Target.to_json`), empty when it never was. Not part of the digest.
        measured: Figures from the study, such as "latency_s". Not part of the digest.
        study: Name of the study that it came from. Not part of the digest.
    """

    model: str
    revision: str = ""
    settings: Settings = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    study: str = ""

    @property
    def digest(self) -> str:
        """Twelve hex digits from model, revision and settings: the name of this recipe everywhere.

        >>> a = Recipe(model="demo", settings={"steps": 8, "dtype": "bfloat16"})
        >>> b = Recipe(model="demo", settings={"dtype": "bfloat16", "steps": 8})
        >>> a.digest == b.digest
        True
        """
        core = {"model": self.model, "revision": self.revision, "settings": dict(self.settings)}
        return hashlib.sha256(canonical(core).encode()).hexdigest()[:12]

    def describe(self) -> str:
        """The settings in one line, or "untuned".

        >>> Recipe(model="demo", settings={"steps": 8, "channels_last": True}).describe()
        'channels_last steps=8'
        >>> Recipe(model="demo").describe()
        'untuned'
        """
        return describe_settings(self.settings) or "untuned"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, accepted by `from_json`."""
        data: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "digest": self.digest, "model": self.model}
        data |= {"revision": self.revision, "settings": dict(sorted(self.settings.items()))}
        optional = {"call": self.call, "target": self.target, "measured": self.measured, "study": self.study}
        return data | {key: value for key, value in optional.items() if value}

    @classmethod
    def from_json(cls, data: Any, *, source: str = "recipe") -> Self:  # noqa: ANN401 - this is where unknown data is checked
        """Build a recipe from parsed JSON or YAML.

        Args:
            data: What the parser returned.
            source: The file's name, for messages.

        Raises:
            RecipeError: Not a recipe, from a newer autotune, or altered since it was written.
        """
        _check_form(data, source)
        settings = data.get("settings", {})
        recipe = cls(
            model=data["model"],
            revision=data.get("revision", ""),
            settings=settings,
            call=data.get("call", {}),
            target=data.get("target", {}),
            measured=data.get("measured", {}),
            study=data.get("study", ""),
        )
        stated = data.get("digest")
        if stated is not None and stated != recipe.digest:
            message = (
                f"Recipe '{source}' was altered: it states digest '{stated}' but its contents make '{recipe.digest}', so "
                "its measured figures are not those of its settings. Export it again, or delete the line 'digest' and "
                "'measured' to use it unmeasured."
            )
            raise RecipeError(message)
        return recipe

    def to_json_text(self) -> str:
        """Return the recipe as JSON for a file.

        >>> recipe = Recipe(model="demo", settings={"steps": 8})
        >>> Recipe.from_json(json.loads(recipe.to_json_text())) == recipe
        True
        """
        return json.dumps(self.to_json(), indent=2, sort_keys=False, ensure_ascii=False) + "\n"

    def to_yaml_text(self) -> str:
        """Return the recipe as YAML for a file."""
        import yaml  # noqa: PLC0415 - the language needs YAML only here

        text: str = yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True)
        return text

    def without_measurement(self) -> Self:
        """Return the bare recipe, as it is proposed to a worker."""
        return replace(self, call={}, target={}, measured={}, study="")


def parse_recipe(text: str, *, source: str = "recipe") -> Recipe:
    """Read a recipe from the text of a .json or .yaml file.

    Args:
        text: The file's contents.
        source: The file's name; ".yaml" and ".yml" are read as YAML, everything else as JSON.

    Raises:
        RecipeError: It cannot be parsed or is no recipe.

    >>> parse_recipe('{"schema_version": 1, "model": "demo", "settings": {"steps": 8}}').settings["steps"]
    8
    """
    try:
        if source.endswith((".yaml", ".yml")):
            import yaml  # noqa: PLC0415 - the language needs YAML only here

            data = _yaml_load(yaml, text)
        else:
            data = json.loads(text)
    except ValueError as error:
        message = f"Recipe '{source}' cannot be parsed: {error}. Export it again with 'autotune export'."
        raise RecipeError(message) from error
    return Recipe.from_json(data, source=source)


def describe_settings(settings: Settings) -> str:
    """Return settings in one line, sorted by name.

    >>> describe_settings({"steps": 8, "vae_slicing": True})
    'steps=8 vae_slicing'
    """
    return " ".join(name if value is True else f"{name}={value}" for name, value in sorted(settings.items()))


def canonical(data: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8 kept.

    >>> canonical({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _yaml_load(yaml: Any, text: str) -> object:  # noqa: ANN401 - the yaml module
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _check_form(data: object, source: str) -> None:
    if not isinstance(data, dict) or not isinstance(data.get("model"), str):
        message = f"'{source}' is no recipe: it has no 'model'. A recipe is written by 'autotune export STUDY -o FILE'."
        raise RecipeError(message)
    version = data.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        message = (
            f"Recipe '{source}' has schema version {version}; this autotune reads up to {SCHEMA_VERSION}. "
            "Update autotune: pip install --upgrade autotune."
        )
        raise RecipeError(message)
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise RecipeError(f"Recipe '{source}' has unknown keys: {', '.join(unknown)}. Known: {', '.join(sorted(_KEYS))}.")
    settings = data.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(v, Value) for v in settings.values()):
        raise RecipeError(f"Recipe '{source}': 'settings' must map knob names to plain values, not {settings!r}.")
