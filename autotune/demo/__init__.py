"""The demo model: a small trained text-to-image pipeline that ships inside the package.

It draws 128x128 "postcards" from captions such as ``"a red house on the left
and a blue tree on the right in the snow at night with the moon"``. Importing
this module needs neither torch nor diffusers, so a command line can name the
model without paying for them.
"""

from pathlib import Path

DEMO_PROMPTS: tuple[str, ...] = (
    "a red house in the middle in a meadow by day with a rainbow",
    "a yellow boat on the left and a purple boat on the right at sea at sunset with the sun",
    "a green pine on the left and a pink tent on the right in the snow at night with stars",
    "an orange car on the right in the desert by day with mountains",
    "a white tower on the left in a meadow at sunset with clouds",
    "a red mushroom on the left and a yellow flower on the right in a meadow by day with the sun",
    "a blue boat in the middle at sea at night with the moon",
    "a purple tree on the right in the snow by day with a red balloon",
)
"""Eight prompts that between them name every place, time of day, extra, object and colour."""

_MODEL_FOLDER = Path(__file__).resolve().parent / "model"


def demo_model_path() -> Path:
    """Return the folder of the demo model, loadable without a network.

    Returns:
        An absolute path to give to ``StableDiffusionPipeline.from_pretrained``.

    Raises:
        FileNotFoundError: When the folder or its ``model_index.json`` is
            missing. Without this check diffusers would take the path for the
            name of a model on the hub and fail with a misleading message.
    """
    index = _MODEL_FOLDER / "model_index.json"
    if not index.is_file():
        raise FileNotFoundError(
            f"the demo model is missing: {index} does not exist. Reinstall autotune, or "
            "train it anew with 'python -m autotune.demo.training --stage all'."
        )
    return _MODEL_FOLDER
