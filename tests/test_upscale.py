from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from srgan import models, upscale
from srgan.config import Config

RNG = np.random.default_rng(0)


def test_nearest_repeats_every_pixel_four_by_four():
    lr = np.array([[[0, 1, 2], [250, 251, 252]], [[7, 8, 9], [100, 50, 0]], [[1, 1, 1], [255, 255, 255]]], np.uint8)
    sr = upscale.nearest(lr)
    assert sr.shape == (12, 8, 3) and sr.dtype == np.uint8
    for row in range(12):
        for column in range(8):
            assert sr[row, column].tolist() == lr[row // 4, column // 4].tolist()


def keys_kernel(distance: float) -> float:
    """Cubic convolution (Keys 1981) with a = -1/2."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def cubic_matrix(length: int) -> np.ndarray:
    """(4 length, length): what each LR pixel gives to each SR pixel; pixels beyond the edge give nothing."""
    weights = np.array([[keys_kernel((i + 0.5) / 4 - 0.5 - j) for j in range(length)] for i in range(4 * length)])
    return weights / weights.sum(1, keepdims=True)


def test_bicubic_is_cubic_convolution_along_a_row():
    lr = RNG.integers(60, 190, (1, 6, 3), np.uint8)
    expected = cubic_matrix(6) @ lr[0]
    assert expected.min() > 0 and expected.max() < 255  # nothing is clipped here
    sr = upscale.bicubic(lr)
    assert sr.shape == (4, 24, 3) and sr.dtype == np.uint8
    for row in sr:  # one row can only be repeated downwards
        assert np.abs(row - expected).max() < 0.51


def test_bicubic_is_cubic_convolution_both_ways_and_clips():
    lr = RNG.choice(np.array([0, 255], np.uint8), (5, 4, 3))
    exact = np.einsum("ij,jkc,lk->ilc", cubic_matrix(5), lr.astype(float), cubic_matrix(4))
    assert exact.min() < -5 and exact.max() > 260
    # Pillow rounds and clips between its two passes, which moves a value by some levels where it overshoots.
    across = np.clip(np.round(np.einsum("jkc,lk->jlc", lr.astype(float), cubic_matrix(4))), 0, 255)
    expected = np.clip(np.einsum("ij,jlc->ilc", cubic_matrix(5), across), 0, 255)
    assert np.abs(upscale.bicubic(lr) - expected).max() < 0.51 + 0.51


@pytest.fixture(scope="module")
def generator():
    return models.generator(Config(blocks=1, filters=8, upsampling="espcn", global_skip=True))


def test_network_is_the_generator_on_images_of_any_size_traced_once(generator):
    spy = mock.Mock(wraps=generator)
    upscaler = upscale.network(spy)
    sizes = [(5, 7), (1, 1), (12, 3)]
    for height, width in sizes:
        lr = RNG.integers(0, 256, (height, width, 3), np.uint8)
        sr = upscaler(lr)
        expected = generator((lr / 255)[None].astype(np.float32), training=False).numpy()[0]
        assert sr.shape == (4 * height, 4 * width, 3) and sr.dtype == np.uint8
        assert np.abs(sr - np.clip((expected + 1) * 127.5, 0, 255)).max() < 0.501
    assert spy.call_count == 1  # Python runs it only while tracing


def test_network_brings_minus_one_to_black_one_to_white_and_clips_beyond():
    levels = np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0], np.float32)
    upscaler = upscale.network(lambda lr, training: 0 * lr[:, :1, :1] + levels[None, None, :, None])
    assert upscaler(np.zeros((1, 2, 3), np.uint8))[0, :, 0].tolist() == [0, 0, 128, 191, 255, 255]
