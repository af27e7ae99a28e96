from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image

from srgan.__main__ import main
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.results import evaluation, measuring, peers, perceptual, scores
from srgan.runs import weights
from srgan.upscale import network


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A Set5 of two, and none of the files that some measures need."""
    for variable in ("SRGAN_NIQE", "SRGAN_LPIPS_ALEX", "SRGAN_MOBILENET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    root = tmp_path / "benchmarks"
    for side in ("HR", "LR_x4"):
        (root / "Set5" / side).mkdir(parents=True)
    for name, top in (("a", 0), ("b", 100)):
        hr = skimage.data.chelsea()[top : top + 48, 100:164]
        Image.fromarray(hr).save(root / "Set5" / "HR" / f"{name}.png")
        Image.fromarray(hr[::4, ::4]).save(root / "Set5" / "LR_x4" / f"{name}.png")
    monkeypatch.setenv("SRGAN_BENCHMARKS", str(root))
    return {"Set5": root / "Set5"}


@pytest.fixture
def project(tiny, tmp_path, monkeypatch):
    """A project whose srgan was trained from its srresnet."""
    monkeypatch.setattr(weights, "PROJECT", tmp_path)
    begun = {"stage": "srresnet", "step": 4, "seconds": 1.0, "commit": "c"}
    for name, about in (("srresnet", begun), ("srgan", begun | {"stage": "srgan", "before": [begun]})):
        keras.utils.set_random_seed(len(name))
        weights.save(tmp_path / "model" / f"{name}.weights.h5", networks.generator(tiny), tiny, {"before": []} | about)
    return tmp_path


def test_methods_are_meant_by_name_strength_and_ensemble(project, monkeypatch):
    assert measuring.method("bicubic").open() is network.bicubic
    file = str(project / "model" / "srgan.weights.h5")
    assert [measuring.method(name).shown for name in ("srgan", "srgan@0.50+ensemble", file + "@1")] == [
        "srgan", "srgan@0.5+ensemble", "model/srgan"]  # fmt: skip
    lr = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    ends = [measuring.method(name).open()(lr).astype(int) for name in ("srresnet", "srgan")]
    for sr, name in zip(ends, ("srgan@0", "srgan@1"), strict=True):
        assert np.abs(measuring.method(name).open()(lr) - sr).max() <= 1
    ensemble = measuring.method("srgan+ensemble").open()
    turned = np.rot90(lr)
    assert np.abs(np.rot90(ensemble(lr)).astype(int) - ensemble(np.ascontiguousarray(turned))).max() <= 1
    monkeypatch.setitem(peers.PEERS, "span", lambda: network.nearest)
    assert measuring.method("peer:span").open() is network.nearest


@pytest.mark.parametrize(
    ("name", "words"),
    [("srgan@much", "no weights named srgan@much"), ("waifu", "no weights named waifu"), ("waifu@0.5", "named waifu")],
)
def test_a_name_of_nothing_is_told(project, name, words):
    with pytest.raises(SRGANError, match=words):
        measuring.method(name)


def test_a_set_that_is_not_there_is_told():
    with pytest.raises(SRGANError, match="There is no benchmark Set99 here"):
        measuring.measure(["bicubic"], ["Set99"], {})


def test_the_command_prints_a_table_and_measures_only_what_is_new(project, folders, tmp_path, capsys, monkeypatch):
    file = tmp_path / "measured.json"
    assert main(["measure", "bicubic", "srgan", "--sets", "Set5", "--json", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| set (images) | method | PSNR-Y, dB | SSIM-Y | grid | detail |"
    assert lines[4].startswith("| Set5 (2) | HR |  |  | ") and lines[-1].startswith("Not measured here: ST-LPIPS (SRGAN_LPIPS_ALEX")
    rows = json.loads(file.read_text())["sets"]["Set5"]["rows"]
    _, means = evaluation.measure(evaluation.benchmark(folders["Set5"]), {"bicubic": network.bicubic})
    assert rows["bicubic"]["psnr_y"] == means["bicubic"]["psnr_y"] and rows["bicubic"]["seconds"] >= 0

    opened = []
    real = network.load
    monkeypatch.setattr(network, "load", lambda path, strength: opened.append(strength) or real(path, strength))
    copy = project / "run" / "srgan.weights.h5"  # the same weights elsewhere
    copy.parent.mkdir()
    for ending in (".weights.h5", ".json"):
        copy.with_name(f"srgan{ending}").write_bytes((project / "model" / f"srgan{ending}").read_bytes())
    found = measuring.measure(["bicubic", "srgan@0.5", str(copy)], ["Set5"], folders, file)["sets"]["Set5"]
    assert opened == [0.5] and list(found) == ["bicubic", "srgan@0.5", "run/srgan", "HR"]
    assert found["run/srgan"] in rows.values() and len(json.loads(file.read_text())["sets"]["Set5"]["rows"]) == 4
    for side in ("HR", "LR_x4"):
        (folders["Set5"] / side / "b.png").unlink()  # other images: nothing of it stands
    assert measuring.measure(["srgan"], ["Set5"], folders, file)["sets"]["Set5"]["srgan"]["images"] == 1
    assert opened == [0.5, 1.0]
    seeing = scores.MEASURES["niqe"]._replace(open=lambda: lambda hr, sr: 5.0)
    monkeypatch.setitem(scores.MEASURES, "niqe", seeing)
    with pytest.raises(SRGANError, match=r"was measured with other measures \(niqe\)"):
        measuring.measure(["srgan"], ["Set5"], folders, file)
