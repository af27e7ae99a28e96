from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from scipy.ndimage import correlate

from srgan.config import settings
from srgan.errors import SRGANError
from srgan.losses import content_loss
from srgan.models import lpips
from srgan.train import perceptual_features

# What the package stlpips-pytorch 0.0.2 gives for `PAIR` with the arrays of the files in float32 (torch 2.13, CPU).
PACKAGE = {"vgg16": 0.2995201349258423, "alex": 0.17893138527870178}
FILES = {"vgg16": "stlpips_vgg16.npz", "alex": "stlpips_alex.npz"}


def pair() -> tuple[tf.Tensor, tf.Tensor]:
    """A crop of a photo, and the same with noise, (1, 96, 104, 3) in [-1, 1]."""
    clean = skimage.data.astronaut()[100:196, 200:304]
    noise = np.random.default_rng(0).integers(-20, 21, clean.shape)
    noisy = np.clip(clean.astype(int) + noise, 0, 255).astype(np.uint8)
    return tuple(tf.constant(image[None] / 127.5 - 1.0, tf.float32) for image in (clean, noisy))


@pytest.fixture(params=lpips.TRUNKS)
def trunk(request, shared_data, monkeypatch) -> str:
    monkeypatch.setenv(lpips.VARIABLES[request.param], str(shared_data / "weights" / FILES[request.param]))
    return request.param


def test_the_distance_is_that_of_the_package(trunk):
    depths, (clean, noisy) = lpips.load(trunk), pair()
    assert float(lpips.distance(depths, depths(clean), noisy)[0]) == pytest.approx(PACKAGE[trunk], rel=1e-4)
    assert float(lpips.distance(depths, depths(clean), clean)[0]) == 0


def test_half_precision_is_near(trunk):
    depths, (clean, noisy) = lpips.load(trunk, "bfloat16"), pair()
    assert float(lpips.distance(depths, depths(clean), noisy)[0]) == pytest.approx(PACKAGE[trunk], rel=0.05)


def test_as_a_content_loss_it_is_the_mean_distance_and_has_a_gradient(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("SRGAN_LPIPS", str(shared_data / "weights" / FILES["vgg16"]))
    (clean, noisy), extract = pair(), perceptual_features.load("lpips", 1.0, tmp_path)
    with tf.GradientTape() as tape:
        tape.watch(noisy)
        loss = content_loss(settings().loss, extract, clean, noisy)
    assert float(loss) == pytest.approx(PACKAGE["vgg16"], rel=1e-4)
    gradient = tape.gradient(loss, noisy)
    assert np.isfinite(gradient).all() and float(content_loss(settings().loss, extract, clean, noisy - 20 * gradient)) < float(loss)


def test_the_gradient_is_finite_where_all_activations_are_zero():
    """A flat picture under kernels that give nothing but zeros."""
    x = tf.zeros((1, 4, 4, 8))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(lpips._unit(x))
    assert np.isfinite(tape.gradient(loss, x)).all()


def test_the_blur_is_that_of_its_kernel_on_reflected_borders():
    image = np.random.default_rng(0).random((9, 12)).astype(np.float32)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = correlate(np.pad(image, 2, mode="reflect"), kernel)[1:-1:2, 1:-1:2]  # where the kernel lies wholly inside
    np.testing.assert_allclose(lpips._blur(image[None, ..., None])[0, ..., 0], expected, rtol=1e-5)


@pytest.mark.parametrize("trunk", lpips.TRUNKS)
def test_without_weights_the_error_says_where_they_are_looked_for(trunk, monkeypatch, tmp_path):
    variable = lpips.VARIABLES[trunk]
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SRGANError, match=rf"{variable}=FILE\. docs/lpips\.md"):
        lpips.load(trunk)
    np.savez(tmp_path / "other.npz", a=1)
    for name in ("other.npz", "missing.npz"):
        monkeypatch.setenv(variable, str(tmp_path / name))
        with pytest.raises(SRGANError, match=rf"{name} does not hold the weights of LPIPS"):
            lpips.load(trunk)
