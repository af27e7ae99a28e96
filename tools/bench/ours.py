"""What this library runs itself: the compiled steps of both stages, and upscaling."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from srgan.config import Config, settings
from srgan.runs import weights
from srgan.train.compiled import compile_updates
from srgan.train.state import State
from srgan.train.training import stage_features
from srgan.upscale import network
from tools.bench import work


def pretrain(config: Config, xla: bool) -> Callable[[], float]:
    """A measurement of one SRResNet update, or of the same through XLA."""
    return _measured(config.replace(xla=xla), State(config, "srresnet"), Path())


def gan(config: Config, xla: bool) -> Callable[[], float]:
    """A measurement of one joint update of both networks. VGG19 has random weights."""
    state = State(config, "srgan")
    with tempfile.TemporaryDirectory() as folder:
        vgg = Path(folder) / "vgg19.weights.h5"
        keras.applications.VGG19(include_top=False, weights=None).save_weights(vgg)
        os.environ["SRGAN_VGG19"] = str(vgg)
        return _measured(config.replace(xla=xla), state, Path(folder))


def upscale(path: Path, precision: str, shape: tuple[int, int, int]) -> Callable[[], float]:
    """A measurement of inference by the weights at `path` on (count, height, width) images, from uint8 to uint8.

    `precision` as in the settings. The measurement's `format` is the one that was taken: half precision may be refused.
    """
    upscaler = network.fast(weights.load(path), settings(**weights.card(path)["network"]), precision)
    lr = work.pixels(*shape)
    measure = work.repeated(lambda: (upscaler(lr[0]) if len(lr) == 1 else upscaler.batch(lr)).mean())
    measure.format = _format(upscaler)
    return measure


def _format(upscaler: network.Network) -> str:
    """What the convolutions compute in."""
    formats = {layer.compute_dtype for layer in upscaler._generator.layers if isinstance(layer, keras.layers.Conv2D)}
    return next(iter(formats - {"float32"}), "float32")


def _measured(config: Config, state: State, folder: Path) -> Callable[[], float]:
    """One step a call, as training makes them where a step takes long."""
    run = compile_updates(config, state, stage_features(config, state, folder))
    index, rates = tf.constant(0, tf.int64), tf.constant([config.optimization.gan_learning_rate])
    lr, hr = (tf.constant(batch[None]) for batch in work.batch(config))
    return work.repeated(lambda: next(iter(run(index, rates, lr, hr).values()))[0])
