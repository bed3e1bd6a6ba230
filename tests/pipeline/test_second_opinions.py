"""Behaviour of metrics with the user's own weights: local files only, and differences from the reference."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from autotune.errors import AutotuneError, ModelError, UnknownName
from autotune.pipeline.second_opinions import load_lpips, lpips, opinions
from tests.knobs.tiny_parts import LETTERS, clip_tokenizer
from tests.pipeline.test_likeness import landscape

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of transformers, while models are read
PROMPTS = ("a cat", "a dog")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny CLIP with random weights."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    end = 2 * len(LETTERS) + 1
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    text = CLIPTextConfig(
        vocab_size=end + 1,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
        projection_dim=16,
        **sizes,
    )
    vision = CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=16, **sizes)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return folder


def alexnet() -> nn.Sequential:
    """Return the features of AlexNet as torchvision lays them out, with random weights."""
    torch.manual_seed(0)
    pool = {"kernel_size": 3, "stride": 2}
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(**pool)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(**pool)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(**pool)),
    )


def weights_by_torchvisions_names() -> dict[str, Tensor]:
    """Return weights of LPIPS by the names of torchvision's AlexNet."""
    weights = {f"features.{name}": tensor for name, tensor in alexnet().state_dict().items()}
    heads = enumerate((64, 192, 384, 256, 256))
    return weights | {f"lin{number}.weight": torch.rand(1, width, 1, 1) for number, width in heads}


def weights_by_lpips_names() -> dict[str, Tensor]:
    """Return the same weights by the names of the package `lpips`, and what else it saves."""
    slices = {"0": 1, "3": 2, "6": 3, "8": 4, "10": 5}
    renamed: dict[str, Tensor] = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1)}
    for name, tensor in weights_by_torchvisions_names().items():
        head, _, rest = name.partition(".")
        place = rest.partition(".")[0]
        renamed[f"net.slice{slices[place]}.{rest}" if head == "features" else f"{head}.model.1.weight"] = (
            tensor
        )
    return renamed


@pytest.fixture
def lpips_file(tmp_path: Path) -> Path:
    """A file with random weights of LPIPS."""
    path = tmp_path / "lpips.safetensors"
    save_file(weights_by_torchvisions_names(), path)
    return path


def pictures() -> list[Tensor]:
    """Return two calls of one picture each."""
    return [landscape(1, 96), landscape(2, 96)]


def test_equal_pictures_differ_by_nothing(clip_folder: Path, lpips_file: Path) -> None:
    """Every difference is zero."""
    extras = {"clip": str(clip_folder), "lpips": str(lpips_file)}
    found = opinions(extras, pictures(), pictures(), PROMPTS)

    assert set(found) == {"clip", "clip_distance", "lpips"}
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-5)


def test_other_pictures_differ(clip_folder: Path, lpips_file: Path) -> None:
    """Differences have a direction where they can: what is gained one way is lost the other."""
    extras = {"clip": str(clip_folder), "lpips": str(lpips_file)}
    others = [landscape(3, 96), landscape(4, 96)]
    there, back = opinions(extras, others, pictures(), PROMPTS), opinions(extras, pictures(), others, PROMPTS)

    assert there["clip"] == pytest.approx(-back["clip"], abs=1e-4)
    assert there["clip"] != 0
    assert there["clip_distance"] == pytest.approx(back["clip_distance"], abs=1e-6)
    assert there["clip_distance"] > 0
    assert there["lpips"] == pytest.approx(back["lpips"])
    assert there["lpips"] > 0


def test_frames_of_a_clip_share_its_prompt(clip_folder: Path) -> None:
    """Four frames of two clips come with two prompts; a number that does not divide is refused."""
    frames = torch.cat([landscape(seed, 64) for seed in range(4)])
    found = opinions({"clip": str(clip_folder)}, [frames], [frames.flip(0)], PROMPTS)

    assert set(found) == {"clip", "clip_distance"}
    with pytest.raises(ValueError, match="4 pictures, 4 references and 3 prompts"):
        opinions({"clip": str(clip_folder)}, [frames], [frames], ("a", "b", "c"))


def test_pictures_of_any_shape_are_cut_for_clip(clip_folder: Path) -> None:
    """The middle square counts, whatever the format."""
    wide = landscape(1, 128)[..., :72, :]

    assert opinions({"clip": str(clip_folder)}, [wide], [wide], ("a",))["clip"] == pytest.approx(0, abs=1e-5)


def test_lpips_follows_its_equation(lpips_file: Path) -> None:
    """An independent computation with AlexNet as layers comes to the same distance."""
    first, second = landscape(1, 96), landscape(2, 96)
    weights, layers = weights_by_torchvisions_names(), alexnet()
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    a, b = ((picture * 2 - 1 - shift) / scale for picture in (first, second))
    expected, number = 0.0, 0
    with torch.no_grad():
        for layer in layers:
            a, b = layer(a), layer(b)
            if isinstance(layer, nn.ReLU):
                error = (nn.functional.normalize(a, dim=1) - nn.functional.normalize(b, dim=1)) ** 2
                expected += nn.functional.conv2d(error, weights[f"lin{number}.weight"]).mean().item()
                number += 1

    assert lpips(first, second, load_lpips(lpips_file)) == pytest.approx(expected, rel=1e-4)


def test_more_noise_is_further_away(lpips_file: Path) -> None:
    """The distance grows with the difference."""
    picture, weights = landscape(1, 96), load_lpips(lpips_file)
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    distances = [lpips(picture, (picture + level * noise).clamp(0, 1), weights) for level in (0.0, 0.02, 0.2)]

    assert distances[0] == 0.0
    assert sorted(distances) == distances
    assert distances[1] > 0


def test_both_sets_of_names_are_read(tmp_path: Path, lpips_file: Path) -> None:
    """A file from the package `lpips` holds the same weights."""
    other = tmp_path / "other.safetensors"
    save_file(weights_by_lpips_names(), other)
    ours, theirs = load_lpips(lpips_file), load_lpips(other)

    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_no_extras_cost_nothing() -> None:
    """Without a metric nothing is looked at."""
    assert opinions({}, [], [], ()) == {}


def test_an_unknown_metric_is_named(lpips_file: Path) -> None:
    """The nearest metric that exists is offered."""
    with pytest.raises(UnknownName, match=r"no metric 'lpip'\. Did you mean 'lpips'"):
        opinions({"lpip": str(lpips_file)}, pictures(), pictures(), PROMPTS)


@pytest.mark.parametrize("metric", ["clip", "lpips"])
def test_missing_weights_are_never_downloaded(metric: str, tmp_path: Path) -> None:
    """A name of the hub is no file, and the sentence says so."""
    for place in (str(tmp_path / "nothing"), "openai/clip-vit-base-patch32"):
        with pytest.raises(AutotuneError, match=r"(?i)nothing is downloaded"):
            opinions({metric: place}, pictures(), pictures(), PROMPTS)


def test_a_pickle_is_not_read(tmp_path: Path, clip_folder: Path) -> None:
    """Neither a file nor a folder of one."""
    path = tmp_path / "lpips.pth"
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(ModelError, match="no safetensors file"):
        opinions({"lpips": str(path)}, pictures(), pictures(), PROMPTS)

    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "config.json").write_text((clip_folder / "config.json").read_text(encoding="utf-8"), "utf-8")
    torch.save(CLIPModel.from_pretrained(clip_folder).state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read"):
        opinions({"clip": str(folder)}, pictures(), pictures(), PROMPTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lin2.weight": None}, "'lin2.weight' is missing"),
        ({"lin2.weight": torch.ones(3)}, r"has the shape \(3,\)"),
    ],
)
def test_weights_of_something_else_are_named(
    change: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    """A file that lacks a weight, or has it in another shape, says which."""
    weights = {**weights_by_torchvisions_names(), **change}
    path = tmp_path / "other.safetensors"
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, path)

    with pytest.raises(ModelError, match=message):
        load_lpips(path)


def test_pictures_too_small_for_lpips_are_refused(lpips_file: Path) -> None:
    """The least size is named."""
    small = landscape(1, 48)

    with pytest.raises(ModelError, match="64 px a side, not 48x48"):
        opinions({"lpips": str(lpips_file)}, [small], [small], ("a",))
