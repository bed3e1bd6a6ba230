"""Recipe: the answer of a study - a model, settings that differ from the default, a name for good."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from autotune.errors import RecipeError
from autotune.knob import Settings, Value

SCHEMA_VERSION = 1
_TEXTS = ("model", "revision", "study", "digest")
_MAPPINGS = ("settings", "call", "target", "measured")
_KEYS = {"schema_version", *_TEXTS, *_MAPPINGS}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to run a model: only settings that differ from the default are kept.

    Attributes:
        model: "demo", a local folder or a hub id.
        revision: Hub revision, or "".
        settings: Knob name to value, defaults left out.
        call: What was made when this was measured: "steps", "guidance", "width_px", "height_px", "batch", of
            clips "frames"; "prompts" and "seeds", lists; and "untuned_steps", those of the untuned baseline.
            Not part of the digest.
        target: The machine it was measured on (`Target.to_json`), empty when it never was. Not part of the
            digest.
        measured: Figures from the study: "latency_s", "memory_bytes", "similarity"; "least_memory_bytes", the
            smallest enforced limit under which it ran as fast; "speedup" over the
            untuned baseline, with its interval "speedup_low" to "speedup_high"; "sd_machine", the relative
            standard deviation between fresh processes; "pairs", how many pictures were compared, and
            "pictures", their sha256; "threads", the CPU threads; "fingerprint", the digest of machine and
            software, or all of it in "environment". Not part of the digest.
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
        return hashlib.sha256(canonical(core).encode(errors="surrogatepass")).hexdigest()[:12]

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
    def from_json(cls, data: Any, *, source: str = "recipe") -> Self:  # noqa: ANN401 - it is unknown data
        """Build a recipe from parsed JSON or YAML.

        Args:
            data: What the parser returned.
            source: The file's name, for messages.

        Raises:
            RecipeError: Not a recipe, from a newer autotune, or altered since it was written.
        """
        _check_form(data, source)
        recipe = cls(**{key: data[key] for key in (*_TEXTS, *_MAPPINGS) if key in data and key != "digest"})
        stated = data.get("digest")
        if stated is not None and stated != recipe.digest:
            message = (
                f"Recipe '{source}' was altered: it states digest '{stated}' but its contents make "
                f"'{recipe.digest}', so its measured figures are not those of its settings. "
                "Export it again, or delete 'digest' and 'measured' to use it unmeasured."
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
        """Return the recipe as YAML for a file.

        >>> recipe = Recipe(model="demo", settings={"scheduler": "no"})
        >>> parse_recipe(recipe.to_yaml_text(), source="recipe.yaml") == recipe
        True
        """
        import yaml

        data = self.to_json()
        # PyYAML writes U+0085 as it is and reads it back as a line end, unless all but ASCII is escaped.
        is_readable = canonical(data).isprintable()
        text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=is_readable)
        return text


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
        data = _yaml_load(text) if source.endswith((".yaml", ".yml")) else json.loads(text)
    except (ValueError, RecursionError) as error:
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


def _yaml_load(text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _check_form(data: object, source: str) -> None:
    if not isinstance(data, dict) or not data.get("model"):
        remedy = "A recipe is written by 'autotune export STUDY -o FILE'."
        raise RecipeError(f"'{source}' is no recipe: it has no 'model'. {remedy}")
    version = data.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or version > SCHEMA_VERSION:
        message = (
            f"Recipe '{source}' has schema version {version!r}; this autotune reads up to {SCHEMA_VERSION}. "
            "Update autotune: pip install --upgrade autotune."
        )
        raise RecipeError(message)
    unknown = sorted(str(key) for key in data if key not in _KEYS)
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise RecipeError(f"Recipe '{source}' has unknown keys: {', '.join(unknown)}. Known: {known}.")
    for key in _TEXTS:
        if not isinstance(data.get(key, ""), str):
            message = f"Recipe '{source}': '{key}' must be text, not {data[key]!r}. Write it in quotes."
            raise RecipeError(message)
    for key in _MAPPINGS:
        if not isinstance(data.get(key, {}), dict):
            raise RecipeError(f"Recipe '{source}': '{key}' must map names to values, not {data[key]!r}.")
    for name, value in data.get("settings", {}).items():
        if not isinstance(name, str) or not _is_plain(value):
            wrong = f"{name!r} to {value!r}"
            raise RecipeError(f"Recipe '{source}': 'settings' must map names to plain values, not {wrong}.")


def _is_plain(value: object) -> bool:
    return isinstance(value, Value) and not (isinstance(value, float) and not math.isfinite(value))
