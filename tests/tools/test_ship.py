"""Cards of the weights that come with the project."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import preset
from srgan.results import evaluation, metrics
from srgan.runs import weights
from srgan.train import resuming
from srgan.train.state import State
from srgan.upscale import network
from tools import ship


@pytest.fixture
def benchmarks(tmp_path):
    """Three benchmarks of one image each."""
    folders = {}
    for i, name in enumerate(ship.BENCHMARKS):
        hr = np.random.default_rng(i).integers(0, 256, (32, 40, 3), np.uint8)
        for kind, image in (("HR", hr), ("LR_x4", hr[::4, ::4])):
            (tmp_path / name / kind).mkdir(parents=True)
            Image.fromarray(image).save(tmp_path / name / kind / "a.png")
        folders[name] = tmp_path / name
    return folders


@pytest.fixture
def trained(tmp_path):
    config = preset("fast", blocks=1, filters=4, dataset=f"folder:{tmp_path}/my photos", pretrain_steps=7)
    about = {"preset": "fast", "stage": "srresnet", "step": 7, "seconds": 1800.0, "settings": config.differing(),
             "commit": "c", "machine": "m"}  # fmt: skip
    before = {key: value for key, value in about.items() if key != "preset"} | {"step": 5}
    path = tmp_path / "run" / "srresnet.weights.h5"
    path.parent.mkdir()
    weights.save(path, networks.generator(config), config, about | {"before": [before]})
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PROJECT", tmp_path / "project")
    (tmp_path / "project" / "model").mkdir(parents=True)
    return tmp_path / "project"


def test_shipped_weights_are_those_trained_with_a_card_that_tells_all(trained, benchmarks, project, tmp_path):
    path = ship.ship("fast", trained, "photos of a friend", benchmarks)
    assert path == project / "model" / "fast.weights.h5" and path.read_bytes() == trained.read_bytes()
    card = weights.card(path)
    assert (card["step"], card["seconds"], card["photos"]) == (7, 1800.0, "photos of a friend")
    command = (
        "python -m srgan pretrain --preset fast --dataset 'folder:my photos' --set blocks=1 --set filters=4 --set pretrain_steps=7"
    )
    assert card["command"] == command and [(before["step"], before["command"]) for before in card["before"]] == [(5, command)]
    assert card["settings"]["dataset"] == "folder:my photos"
    assert str(tmp_path) not in json.dumps(card)
    _, lr, hr = next(evaluation.benchmark(benchmarks["Set5"]))
    assert card["scores"]["Set5"]["psnr_y"] == pytest.approx(metrics.psnr_y(hr, network.load(trained)(lr)), abs=1e-3)
    assert card["scores"]["BSD100"].keys() >= {"psnr_y", "ssim_y", "grid", "detail", "images"}  # these need no file
    head, _, line = ship.table().markdown().splitlines()
    assert head.endswith("| BSD100, dB | grid | detail | trained |")
    assert line.startswith("| `fast` | ") and line.endswith(" | 12 steps, 1.0 h |")
    again = weights.card(ship.ship("fast", path, "", benchmarks))  # measured anew where it is
    assert again == card
    state = State(preset("fast", blocks=1, filters=4), "srresnet")  # and a training can begin from them
    resuming.begin_from_weights(preset("fast", blocks=1, filters=4), path, state)
    assert [before["step"] for before in state.provenance] == [5, 7]


def test_what_cannot_be_shipped_is_refused_in_words(trained, benchmarks, project):
    with pytest.raises(SRGANError, match="does not tell what it learned from: --photos TEXT"):
        ship.ship("fast", trained, "", benchmarks)
    with pytest.raises(SRGANError, match="there is no quick"):
        ship.ship("quick", trained, "", benchmarks)
    with pytest.raises(SRGANError, match="scores on BSD100: python -m srgan fetch BSD100"):
        ship.ship("fast", trained, "", {name: benchmarks[name] for name in ("Set5", "Set14")})
    trained.write_bytes(b"other")
    with pytest.raises(SRGANError, match="is damaged"):
        ship.ship("fast", trained, "", benchmarks)
    assert list((project / "model").iterdir()) == []


def test_every_file_that_comes_with_the_project_is_whole_and_named():
    files = weights.shipped()
    assert tuple(files) == tuple(name for name in weights.SHIPPED if name in files) and set(files) >= {"srgan", "srresnet", "fast"}
    for path in files.values():
        card = weights.card(path)
        assert set(card["scores"]) == set(ship.BENCHMARKS) and card["photos"]
        assert weights.load(path).count_params() > 10_000
    assert sum(path.stat().st_size for path in files.values()) < 20e6
