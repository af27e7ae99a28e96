"""Which weights a file is upscaled by: what suits it, if they are there, and what a person names before all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from srgan.__main__ import main
from srgan.config import settings
from srgan.data import images
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights
from srgan.upscale import network
from srgan.upscale.order import Order, model_for
from srgan.upscale.size import Size
from tests import clips, inputs

SMALL = settings(blocks=1, filters=4, generator_norm=False, upsampling="espcn", global_skip=True)
ANCESTOR = {"stage": "srresnet", "step": 7, "seconds": 1.5, "commit": "abc"}
AS_NOW = ("srgan", "srresnet", "fast")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """`model(*names)`: weights of these names, each with numbers of its own, come with the project, and no others."""

    def bring(*names: str) -> Path:
        folder = tmp_path / "model"
        for seed, name in enumerate(names):
            config = SMALL.replace(filters=5) if "fast" in name else SMALL
            generator, rng = networks.generator(config), np.random.default_rng(seed)
            generator.set_weights([rng.normal(0, 0.2, weight.shape) for weight in generator.get_weights()])
            about = ANCESTOR if name == "srresnet" else ANCESTOR | {"stage": "srgan", "step": seed, "before": [ANCESTOR]}
            weights.save(folder / f"{name}.weights.h5", generator, config, about | {"before": about.get("before", [])})
        monkeypatch.setattr(weights, "shipped_folder", lambda: folder)
        return folder

    return bring


@pytest.fixture
def photos(tmp_path) -> Path:
    """Pictures in several kinds of file, and a film."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "c.tif"):
        inputs.PHOTO.save(folder / name)
    clips.write(folder / "d.mp4", stamps=range(2))
    return folder


@pytest.mark.parametrize("there, of_stills, of_films", [
    (AS_NOW, "srgan", "srgan"),
    ((*AS_NOW, "photo"), "photo", "photo"),
    ((*AS_NOW, "photo", "photo-fast"), "photo", "photo-fast"),
    (("fast",), "fast", "fast"),
])  # fmt: skip
def test_what_suits_a_file_is_taken_where_it_is_there(there, of_stills, of_films, model, photos):
    model(*there)
    chosen = {path.name: model_for(path, weights.shipped()) for path in photos.iterdir()}
    assert chosen == dict.fromkeys(("a.jpg", "b.png", "c.tif"), of_stills) | {"d.mp4": of_films}


def test_the_shell_tells_the_choice_and_does_so(model, photos, capsys):
    folder = model(*AS_NOW, "photo")
    (photos / "d.mp4").unlink()
    assert main(["upscale", str(photos / "a.jpg"), str(photos / "b.png")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "By the weights photo for 2 files, as suits the kind of file; another model can be named."
    for name in ("a.jpg", "b.png"):
        expected = network.load(folder / "photo.weights.h5")(images.read_image(photos / name))
        np.testing.assert_array_equal(images.read_image(photos / f"{name[0]}_x4.png"), expected)
    assert main(["upscale", str(photos / "a.jpg"), "--model", "srgan", "-o", str(photos / "out")]) == 0
    assert "By the weights" not in capsys.readouterr().out
    expected = network.load(folder / "srgan.weights.h5")(images.read_image(photos / "a.jpg"))
    np.testing.assert_array_equal(images.read_image(photos / "out" / "a_x4.png"), expected)


def test_a_result_by_other_weights_is_not_taken_for_done(model, photos, capsys):
    model(*AS_NOW)
    arguments = ["upscale", str(photos / "a.jpg")]
    assert main(arguments) == main(arguments) == 0 and "done earlier" in capsys.readouterr().out
    model(*AS_NOW, "photo")
    assert main(arguments) == 0 and "done earlier" not in capsys.readouterr().out
    assert (photos / "a_jpg_x4.png").is_file()  # beside the other


def test_the_dial_reaches_the_weights_for_photos(model, photos):
    folder = model(*AS_NOW, "photo")
    lr = images.read_image(photos / "a.jpg")
    made = {share: Order(strength=share).upscaler(photos / "a.jpg")(lr).astype(int) for share in (0.0, 0.5, 1.0)}
    for share, name in ((0.0, "srresnet"), (1.0, "photo")):
        assert np.abs(made[share] - network.load(folder / f"{name}.weights.h5")(lr)).max() <= 1
    assert np.abs(made[0.5] - made[0.0]).max() > 1 and np.abs(made[0.5] - made[1.0]).max() > 1


def test_where_a_strength_is_wanted_weights_are_taken_that_it_can_be_given_to(model, photos):
    model(*AS_NOW, "photo-fast")
    film = photos / "d.mp4"
    assert Order().names(film) == ["photo-fast"] and Order(strength=0.5).names(film) == ["srgan"]
    model(*AS_NOW, "photo", "photo-fast")
    assert Order(strength=0.5).names(film) == ["photo"]


def test_everything_that_the_result_depends_on_is_told_apart(model, photos):
    model(*AS_NOW, "photo")
    orders = [Order(), Order(models=("fast",)), Order(strength=0.5), Order(ensemble=True), Order(preview=True), Order(size=Size(2)),
              Order(panels=("sr",)), Order(size=Size(width=99)), Order(models=("fast", "srgan"), panels=("sr",))]  # fmt: skip
    hows = [order.how(photos / "b.png") for order in orders]
    assert len(set(hows)) == len(hows) and Order(models=("srgan",)).how(photos / "b.png") != hows[0]
    assert hows[0] == weights.card(weights.find("photo"))["sha256"][:16]  # as results of earlier versions have it


def test_weights_that_are_named_and_not_there_are_told(model, photos, capsys):
    model(*AS_NOW)
    assert main(["upscale", str(photos), "--model", "photo"]) == 1
    assert "There are no weights at" in capsys.readouterr().err
    with pytest.raises(SRGANError, match=r"one of srgan, srresnet, fast\."):
        weights.find("sharp")
