"""Recipe: its name, its files, and the files that are refused."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autotune.errors import RecipeError
from autotune.knob import Value
from autotune.recipe import SCHEMA_VERSION, Recipe, canonical, describe_settings, parse_recipe

LAW = settings(max_examples=100, deadline=None)
TRICKY = st.sampled_from(
    ["yes", "no", "on", "null", "~", "1e3", "1_000", "0x10", "2001-01-01", "8", "8.0", "true", " a", "#"]
)
TEXTS = TRICKY | st.text(max_size=20)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
JSON = st.recursive(
    st.none() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
FIGURES = st.dictionaries(TEXTS, JSON, max_size=3)
RECIPES = st.builds(
    Recipe,
    model=st.text(min_size=1),
    revision=TEXTS,
    settings=st.dictionaries(TEXTS, VALUES, max_size=4),
    call=FIGURES,
    target=FIGURES,
    measured=FIGURES,
    study=TEXTS,
)
SAMPLE = Recipe(
    model="stabilityai/stable-diffusion-xl-base-1.0",
    revision="462165984030d82259a11f4367a4eed129e94a7b",
    settings={
        "dtype": "bfloat16",
        "steps": 8,
        "guidance_cutoff": 0.5,
        "channels_last": True,
        "scheduler": "no",
    },
    call={"steps": 8, "guidance": 5.0, "width_px": 1024, "height_px": 1024, "batch": 1},
    target={"device": "cuda:0", "name": "NVIDIA H200", "memory_bytes": 150754820096},
    measured={"latency_s": 1.25, "memory_bytes": 8589934592, "similarity": 0.9731},
    study="ein schönes Bild",
)


@LAW
@given(RECIPES)
@example(SAMPLE)
def test_a_recipe_survives_its_json_file(recipe: Recipe) -> None:
    """With every value of the same kind as before."""
    again = parse_recipe(recipe.to_json_text(), source="recipe.json")

    assert recipe == again
    assert canonical(recipe.to_json()) == canonical(again.to_json())


@LAW
@given(RECIPES)
@example(SAMPLE)
def test_a_recipe_survives_its_yaml_file(recipe: Recipe) -> None:
    """Words that YAML takes for truth values, numbers or dates stay words."""
    again = parse_recipe(recipe.to_yaml_text(), source="recipe.yaml")

    assert recipe == again
    assert canonical(recipe.to_json()) == canonical(again.to_json())


@LAW
@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order_of_settings(values: dict[str, Value], rng: object) -> None:
    """The same recipe found twice is measured once."""
    names = list(values)
    rng.shuffle(names)  # type: ignore[attr-defined]
    shuffled = Recipe(model="demo", settings={name: values[name] for name in names})

    assert Recipe(model="demo", settings=values).digest == shuffled.digest


def test_the_digest_tells_values_of_different_kinds_apart() -> None:
    """Python takes True for 1 and 8 for 8.0; pipelines do not."""
    values: list[Value] = [True, 1, 1.0, "1", "True", "true", 8, 8.0, "8", "8.0"]
    digests = {Recipe(model="demo", settings={"knob": value}).digest for value in values}

    assert len(values) == len(digests)


def test_the_digest_covers_model_revision_and_settings_and_nothing_else() -> None:
    """A recipe keeps its name when it is measured again."""
    bare = Recipe(model=SAMPLE.model, revision=SAMPLE.revision, settings=SAMPLE.settings)
    others = {
        bare.digest,
        Recipe(model="demo", settings=bare.settings, revision=bare.revision).digest,
        Recipe(model=bare.model, settings=bare.settings).digest,
        Recipe(model=bare.model, revision=bare.revision).digest,
    }

    assert SAMPLE.digest == bare.digest
    assert len(others) == 4
    assert ({}, {}, {}, "") == (bare.call, bare.target, bare.measured, bare.study)


def test_the_digest_never_changes() -> None:
    """Databases and file names of earlier versions hold it."""
    assert Recipe(model="demo").digest == "3931de8e3a51"
    assert SAMPLE.digest == "082eb6134b1c"


def test_recipe_files_are_written_as_ever(golden: Callable[[str, str], None]) -> None:
    """A reviewer sees what changes for files that people keep."""
    golden("recipe.json", SAMPLE.to_json_text())
    golden("recipe.yaml", SAMPLE.to_yaml_text())


def test_what_is_empty_is_left_out_of_the_file() -> None:
    """A recipe written by hand, or never measured, has nothing to show."""
    assert {"schema_version", "digest", "model", "revision", "settings"} == set(
        Recipe(model="demo").to_json()
    )


def test_a_recipe_by_hand_needs_only_a_model() -> None:
    """Everything else has a default."""
    assert Recipe(model="demo") == parse_recipe("model: demo", source="mine.yml")
    assert Recipe(model="demo") == parse_recipe('{"model": "demo"}', source="mine")


@pytest.mark.parametrize(
    ("settings_of_recipe", "expected"),
    [
        ({}, "untuned"),
        ({"steps": 8, "channels_last": True, "tf32": False}, "channels_last steps=8 tf32=False"),
    ],
)
def test_a_recipe_is_described_in_one_line(settings_of_recipe: dict[str, Value], expected: str) -> None:
    """A switch that is on needs no value."""
    assert expected == Recipe(model="demo", settings=settings_of_recipe).describe()


def test_one_is_not_described_as_a_switch() -> None:
    """A count of one is a number."""
    assert describe_settings({"batch": 1}) == "batch=1"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a.json", "{"),
        ("a.json", "model: demo"),
        ("a.json", "[" * 100_000),
        ("a.yaml", "{"),
        ("a.yaml", "a: !!python/object:os.system x"),
        ("a.yaml", "a: 2001-13-45"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_refused(source: str, text: str) -> None:
    """The message names the file and what to do; nothing in it is ever run."""
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(text, source=source)

    assert str(refusal.value).startswith(f"Recipe '{source}' cannot be parsed: ")
    assert str(refusal.value).endswith("Export it again with 'autotune export'.")


@pytest.mark.parametrize(
    "text", ["[]", "null", "7", "{}", '{"settings": {}}', '{"model": ""}', '{"model": null}']
)
def test_a_file_that_is_no_recipe_is_refused(text: str) -> None:
    """The message says where recipes come from."""
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(text, source="a.json")

    expected = (
        "'a.json' is no recipe: it has no 'model'. A recipe is written by 'autotune export STUDY -o FILE'."
    )
    assert expected == str(refusal.value)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, "1", True, 1.0, None])
def test_a_recipe_of_a_newer_schema_is_refused(version: object) -> None:
    """The message says how to get a version that reads it."""
    with pytest.raises(RecipeError) as refusal:
        Recipe.from_json({"model": "demo", "schema_version": version}, source="a.json")

    expected = (
        f"Recipe 'a.json' has schema version {version!r}; this autotune reads up to {SCHEMA_VERSION}. "
        "Update autotune: pip install --upgrade autotune."
    )
    assert expected == str(refusal.value)


def test_an_altered_recipe_is_refused_with_both_ways_out() -> None:
    """Its figures are not those of its settings any more."""
    data = SAMPLE.to_json()
    data["settings"]["steps"] = 4
    with pytest.raises(RecipeError) as refusal:
        Recipe.from_json(data, source="a.json")

    assert f"it states digest '{SAMPLE.digest}'" in str(refusal.value)
    assert "delete 'digest' and 'measured' to use it unmeasured." in str(refusal.value)


def test_an_altered_recipe_without_its_digest_is_taken() -> None:
    """Whoever edits a recipe may say so by deleting the line."""
    data = SAMPLE.to_json()
    data["settings"]["steps"] = 4
    del data["digest"], data["measured"]

    assert Recipe.from_json(data).settings["steps"] == 4


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model", 7, "'model' must be text, not 7. Write it in quotes."),
        ("revision", 1000.0, "'revision' must be text, not 1000.0. Write it in quotes."),
        ("digest", 123456789012, "'digest' must be text, not 123456789012. Write it in quotes."),
        ("settings", ["steps"], "'settings' must map names to values, not ['steps']."),
        ("target", "cpu", "'target' must map names to values, not 'cpu'."),
        ("settings", {"steps": [8]}, "'settings' must map names to plain values, not 'steps' to [8]."),
        ("settings", {"steps": None}, "'settings' must map names to plain values, not 'steps' to None."),
        ("settings", {True: "on"}, "'settings' must map names to plain values, not True to 'on'."),
        ("settings", {"x": float("inf")}, "'settings' must map names to plain values, not 'x' to inf."),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(key: str, value: object, said: str) -> None:
    """YAML turns a bare 1e3 or 'on' into something else: the message says to quote it."""
    with pytest.raises(RecipeError) as refusal:
        Recipe.from_json({"model": "demo", key: value}, source="a.yaml")

    assert f"Recipe 'a.yaml': {said}" == str(refusal.value)


def test_unknown_keys_are_refused_with_the_known_ones() -> None:
    """A misspelt 'settings' would otherwise run the untuned model."""
    with pytest.raises(RecipeError) as refusal:
        Recipe.from_json({"model": "demo", "setings": {}, 7: ""}, source="a.yaml")

    expected = (
        "Recipe 'a.yaml' has unknown keys: 7, setings. "
        "Known: call, digest, measured, model, revision, schema_version, settings, study, target."
    )
    assert expected == str(refusal.value)


@LAW
@given(JSON)
def test_any_json_is_a_recipe_or_refused_in_words(data: object) -> None:
    """No input ends in another error."""
    for candidate in (
        data,
        {"model": "demo", "settings": data},
        {"model": data},
        {"model": "demo", "measured": data},
    ):
        try:
            said = parse_recipe(json.dumps(candidate)).digest
        except RecipeError as refusal:
            said = str(refusal)

        assert said


def test_half_a_character_in_a_file_does_no_harm() -> None:
    """JSON can spell lone surrogates, which no text encoding holds."""
    assert len(parse_recipe('{"model": "\\ud800"}').digest) == 12


def test_yaml_is_read_as_data_only() -> None:
    """The file is plain YAML to any other program."""
    assert SAMPLE.to_json() == yaml.safe_load(SAMPLE.to_yaml_text())


def test_a_recipe_holds_what_it_takes_to_measure_it_again() -> None:
    """Lists in call and figures; its name is that of the same settings without them."""
    call = {**SAMPLE.call, "prompts": ["ein Haus", "a boat: #1"], "seeds": [0, 7], "untuned_steps": 20}
    measured = {"speedup": 1.8, "speedup_low": 1.7, "sd_machine": 0.004, "pictures": ["0f" * 32], "pairs": 1}
    full = Recipe(model=SAMPLE.model, revision=SAMPLE.revision, settings=SAMPLE.settings, call=call)
    full = replace(full, measured=measured, target=SAMPLE.target)

    assert full.digest == SAMPLE.digest
    assert parse_recipe(full.to_json_text()) == full
    assert parse_recipe(full.to_yaml_text(), source="recipe.yaml") == full


def test_a_file_from_before_is_still_read() -> None:
    """Byte for byte what an earlier autotune wrote, with its digest."""
    text = """{"schema_version": 1, "digest": "8ff0ebce9db5", "model": "demo", "revision": "",
        "settings": {"channels_last": true, "steps": 8}, "call": {"steps": 8, "guidance": 3.0,
        "width_px": 128, "height_px": 128, "batch": 1}, "measured": {"latency_s": 0.5, "speedup": 2.0}}"""

    assert parse_recipe(text).measured["speedup"] == 2.0
