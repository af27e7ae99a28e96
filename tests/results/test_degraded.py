from __future__ import annotations

import sys

import numpy as np
import pytest
import skimage.data

from srgan.data import degradation, images, sources
from srgan.errors import SRGANError
from srgan.results import degraded, measuring, metrics, perceptual
from srgan.upscale import network

HR = images.crop_to_scale(skimage.data.astronaut())[:128, 64:224]
SET = [(name, images.degrade(hr), hr) for name, hr in (("a", HR), ("b", np.ascontiguousarray(HR[::-1])))]


def test_a_name_may_carry_a_degradation_and_all_means_nine():
    assert degraded.split("Set14:jpeg50") == ("Set14", "jpeg50")
    assert degraded.split("Set14") == ("Set14", "") and degraded.split("C:photos") == ("C:photos", "")
    names = degraded.expanded(["Set5", "data/x:all"])
    assert names == ["Set5", *(f"data/x:{name}" for name in degraded.NINE)] and len(names) == 10
    assert degraded.expanded(["samples:programs", ":all"]) == ["samples:pillow", "samples:ffmpeg", "samples:libvips", ":all"]


@pytest.mark.parametrize("name", degraded.DEGRADATIONS)
def test_each_degradation_is_the_same_every_time_and_leaves_hr_and_the_sizes_alone(name):
    first, again = (list(degraded.degraded(SET, name)) for _ in range(2))
    for (image, lr, hr), (_, same, _), (known, clean, truth) in zip(first, again, SET, strict=True):
        assert image == known and hr is truth and lr.shape == clean.shape and lr.dtype == np.uint8
        assert (lr == same).all() and (lr != clean).any()


def test_stronger_ones_stand_further_from_hr():
    def psnr(name: str) -> float:
        return float(np.mean([metrics.psnr_y(hr, network.bicubic(lr)) for _, lr, hr in degraded.degraded(SET, name)]))

    assert psnr("jpeg50") < psnr("jpeg60") < psnr("jpeg75") < psnr("jpeg90")
    assert psnr("noise15") < psnr("noise5") and psnr("blur2") < psnr("blur1") and psnr("twice") < psnr("jpeg75")


def test_jpeg_is_that_of_pillows_defaults_and_noise_has_its_level():
    (_, lr, _), _ = degraded.degraded(SET, "jpeg60")
    np.testing.assert_array_equal(lr, degradation.jpeg(SET[0][1], 60))
    (_, noisy, _), _ = degraded.degraded([(name, np.full((64, 64, 3), 128, np.uint8), hr) for name, _, hr in SET], "noise15")
    assert noisy.std() == pytest.approx(15, rel=0.05)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for variable in ("SRGAN_NIQE", "SRGAN_LPIPS_ALEX", "SRGAN_MOBILENET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    for name, lr, hr in SET:
        images.save_png(tmp_path / "Set5" / "HR" / f"{name}.png", hr)
        images.save_png(tmp_path / "Set5" / "LR_x4" / f"{name}.png", lr)
    return {"Set5": tmp_path / "Set5"}


def test_damaged_sets_are_measured_beside_clean_ones(folders):
    results = measuring.measure(["bicubic"], ["Set5", "Set5:jpeg50"], folders)
    clean, worse = (results["sets"][name]["bicubic"]["psnr_y"] for name in ("Set5", "Set5:jpeg50"))
    expected = [metrics.psnr_y(hr, network.bicubic(lr)) for _, lr, hr in degraded.degraded(SET, "jpeg50")]
    assert worse == pytest.approx(np.mean(expected), abs=0.01) and worse < clean
    assert results["inputs"]["Set5"] in results["inputs"]["Set5:jpeg50"] and len(set(results["inputs"].values())) == 2
    names = measuring.measure(["bicubic"], ["Set5:all"], folders)["sets"]
    assert list(names) == [f"Set5:{name}" for name in degraded.NINE]


def test_what_is_no_degradation_is_told_with_what_there_is(tmp_path):
    with pytest.raises(SRGANError, match=r'There is no degradation "jpeg10"\. There are: all, programs, jpeg50, '):
        measuring.measure(["bicubic"], [f"{tmp_path}:jpeg10"], {})
    with pytest.raises(SRGANError, match="There is no benchmark Set9 here"):
        measuring.measure(["bicubic"], ["Set9:jpeg50"], {})


@pytest.mark.parametrize("program", degraded.PROGRAMS)
def test_what_a_program_shrank_and_saved_lies_where_lr_does(program):
    """No pixel has moved: it is nearer to LR than to LR moved by half a pixel, and JPEG took something."""
    for (_, lr, hr), (_, clean, _) in zip(degraded.degraded(SET, program), SET, strict=True):
        near = np.abs(lr.astype(int) - clean).mean()
        moved = [images.degrade(np.roll(hr, shift, axis)) for axis in (0, 1) for shift in (-2, 2)]
        assert 0.5 < near < 8 and all(near < np.abs(lr.astype(int) - other)[2:-2, 2:-2].mean() for other in moved)


def test_the_sample_photos_are_a_set(monkeypatch):
    photos = sources.photos("samples")[:2]
    monkeypatch.setattr(sources, "photos", lambda name: photos)
    results = measuring.measure(["bicubic"], ["samples", "samples:pillow"], {})
    clean, saved = (results["sets"][name]["bicubic"] for name in ("samples", "samples:pillow"))
    assert clean["images"] == 2 and saved["psnr_y"] < clean["psnr_y"]
    assert "scikit-image" in results["inputs"]["samples:pillow"]


def test_ffmpegs_jpegs_want_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(SRGANError, match=r"FFmpeg's JPEGs need the package PyAV: pip install av"):
        list(degraded.degraded(SET, "ffmpeg"))
