from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from srgan.results import evaluation, frechet, metrics, perceptual, scores
from srgan.upscale import network

PHOTO = skimage.data.astronaut()[:192, 100:308]
FILES = ("SRGAN_NIQE", "SRGAN_LPIPS_ALEX", "SRGAN_MOBILENET")


def test_measures_whose_files_are_not_named_are_left_out_and_told(monkeypatch):
    for variable in FILES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    judge = scores.Judge()
    assert judge.keys == ("psnr_y", "ssim_y", "ssim_y_uniform", "psnr_rgb", "grid", "detail")
    assert judge.of_image(PHOTO, PHOTO[::-1]).keys() == set(judge.keys) and judge.of_hr(PHOTO).keys() == {"grid"}
    told = scores.left_out(judge.keys)
    assert all(f"{variable}=FILE" in told for variable in FILES) and "the package lpips" in told
    assert "lpips)" not in scores.left_out((*judge.keys, "st_lpips"))  # one LPIPS is enough
    assert scores.left_out(scores.MEASURES) == ""


def test_with_all_files_the_numbers_are_those_of_the_parts(shared_data, monkeypatch):
    weights = shared_data / "weights"
    monkeypatch.setenv("SRGAN_NIQE", str(weights / "niqe_pris_params.npz"))
    monkeypatch.setenv("SRGAN_LPIPS_ALEX", str(weights / "stlpips_alex.npz"))
    monkeypatch.setenv("SRGAN_MOBILENET", str(weights / "mobilenet_v1_0.75_224.npz"))
    judge, small = scores.Judge(evaluation.SHOWN), network.bicubic(PHOTO[::4, ::4])
    images = [("a", PHOTO[::4, ::4], PHOTO), ("tiny", PHOTO[:40:4, :40:4], PHOTO[:40, :40])]
    per_image, means = evaluation.measure(iter(images), {"bicubic": network.bicubic}, judge)
    assert "niqe" not in per_image["bicubic"]["tiny"]  # has no two blocks of 96 pixels
    gaussians = [frechet.gaussian(perceptual.tiles(image), perceptual.open_features()) for image in (PHOTO, small)]
    assert means["bicubic"]["frechet"] == pytest.approx(frechet.distance(*gaussians), abs=0.06)
    assert 0 < means["bicubic"]["st_lpips"] < 1 and means["HR"].keys() == {"niqe", "grid", "images"}
    assert means["HR"]["niqe"] < means["bicubic"]["niqe"] == pytest.approx(per_image["bicubic"]["a"]["niqe"], abs=1e-3)
    assert per_image["bicubic"]["a"]["psnr_y"] == metrics.psnr_y(PHOTO, small)


def test_pictures_without_two_patches_have_no_frechet_distance():
    assert scores.frechet_distances({"srgan": [], "HR": []}) == {}
    assert scores.frechet_distances({"srgan": [np.ones((1, 4))], "HR": [np.ones((1, 4))]}) == {}
    two = [np.arange(4.0)[None], np.ones((1, 4))]
    assert scores.frechet_distances({"srgan": two, "HR": two}) == {"srgan": 0.0}
