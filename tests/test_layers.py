from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

from srgan import models
from srgan.config import Config
from srgan.layers import BicubicUpsampling, PixelShuffle


@pytest.mark.parametrize("factor", [2, 4])
def test_pixel_shuffle_moves_each_value_where_the_formula_says(factor):
    batch, height, width, channels = 2, 3, 5, 3
    x = np.arange(batch * height * width * channels * factor**2, dtype=np.float32).reshape(batch, height, width, -1)
    expected = np.zeros((batch, factor * height, factor * width, channels), np.float32)
    for row in range(factor * height):
        for column in range(factor * width):
            place = factor * (row % factor) + column % factor  # of this sub-pixel among the factor x factor
            for channel in range(channels):
                expected[:, row, column, channel] = x[:, row // factor, column // factor, place * channels + channel]
    np.testing.assert_array_equal(PixelShuffle(factor)(x), expected)


@pytest.mark.parametrize("factor", [2, 4])
def test_pixel_shuffle_announces_the_shape_that_it_makes(factor):
    layer = PixelShuffle(factor)
    assert layer.compute_output_shape((2, 3, 5, 3 * factor**2)) == (2, 3 * factor, 5 * factor, 3)
    assert layer.compute_output_shape((None, None, 5, 3 * factor**2)) == (None, None, 5 * factor, 3)


@pytest.mark.parametrize("height, width", [(9, 7), (6, 6), (2, 5), (1, 1)])
def test_bicubic_upsampling_is_pillows_to_the_very_edge(height, width):
    x = np.random.default_rng(height).uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
    expected = np.empty((2, 4 * height, 4 * width, 3), np.float32)
    for i in range(2):
        for channel in range(3):
            image = Image.fromarray(np.ascontiguousarray(x[i, :, :, channel]))  # mode F: no rounding
            expected[i, :, :, channel] = np.asarray(image.resize((4 * width, 4 * height), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(BicubicUpsampling()(x), expected, atol=1e-4)


def test_bicubic_upsampling_announces_the_shape_that_it_makes():
    assert BicubicUpsampling().compute_output_shape((2, 3, 5, 3)) == (2, 12, 20, 3)
    assert BicubicUpsampling().compute_output_shape((None, None, 5, 3)) == (None, None, 20, 3)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "espcn"])
def test_a_network_of_these_layers_survives_a_keras_file(upsampling, tmp_path):
    network = models.generator(Config(blocks=1, filters=8, upsampling=upsampling, global_skip=True))
    network.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras", safe_mode=True)
    x = np.random.default_rng(0).random((1, 6, 5, 3), np.float32)
    np.testing.assert_array_equal(loaded(x, training=False), network(x, training=False))
    assert loaded.count_params() == network.count_params()
