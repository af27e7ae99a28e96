from __future__ import annotations

import numpy as np
import pytest

from srgan.data.preparation import prepare
from srgan.models import networks
from srgan.runs import checkpoints, weights
from srgan.runs.progress import Progress
from srgan.train import resuming, training, weight_average
from srgan.upscale import network


def test_the_mean_follows_the_weights_by_its_decay(tiny):
    config = tiny.replace(ema=0.75)
    generator, mean = networks.generator(config), weight_average.average(config, "srgan")
    weight_average.begin(mean, generator)
    before = generator.get_weights()
    for _ in range(2):
        generator.set_weights([weight + 1 for weight in generator.get_weights()])
        weight_average.follow(mean, generator, config.optimization.ema)
    for ours, first in zip(mean.get_weights(), before, strict=True):
        # 0.75 (0.75 w + 0.25 (w + 1)) + 0.25 (w + 2)
        np.testing.assert_allclose(ours, first + 0.75 * 0.25 + 0.25 * 2, rtol=1e-5)


def test_no_mean_is_kept_without_the_setting_nor_where_g_stands_still(tiny):
    assert weight_average.average(tiny, "srgan") is None
    assert weight_average.average(tiny.replace(ema=0.9), "discriminator") is None
    weight_average.begin(None, None)
    weight_average.follow(None, None, 0.9)


def test_the_mean_begins_as_the_first_weights_and_is_what_is_saved_measured_and_exported(tiny, paths):
    config = tiny.replace(pretrain_steps=0, ema=0.9)
    begun = resuming.resume(config, paths, "srgan", prepare(config, paths), Progress())
    for ours, theirs in zip(begun.average.get_weights(), begun.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    state = training.fit(config, paths, "srgan", Progress())
    assert state.result is state.average
    arrays = checkpoints.newest(paths.checkpoints, "srgan")[0].arrays
    exported = weights.load(paths.weights("srgan"))
    kernels = [variable for variable in exported.trainable_variables if variable.path.endswith("kernel")]
    for variable in kernels:
        np.testing.assert_array_equal(variable.numpy(), arrays[f"ema/{variable.path}"])
        assert np.abs(variable.numpy() - arrays[f"generator/{variable.path}"]).max() > 0
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    expected = np.clip(np.round((exported(image[None] / 255.0)[0].numpy() + 1) * 127.5), 0, 255)
    assert np.abs(network.network(state.result).batch(image[None])[0] - expected).max() <= 1


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_a_decay_out_of_range_is_refused(tiny, value):
    with pytest.raises(Exception, match="ema must be 0 or more and less than 1"):
        tiny.replace(ema=value)
