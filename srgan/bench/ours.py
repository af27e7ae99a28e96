"""What this library runs itself: the compiled steps of both stages, and upscaling."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srgan import upscale as upscaling
from srgan.bench import work
from srgan.config import Config
from srgan.state import State
from srgan.steps import Step, compile_step


def pretrain(config: Config, xla: bool) -> Callable[[], float]:
    """A measurement of one SRResNet update, or of the same through XLA."""
    state = State(config, "srresnet")
    return _measured(config, state, compile_step(config, state), xla)


def gan(config: Config, xla: bool) -> Callable[[], float]:
    """A measurement of one joint update of both networks. VGG19 has random weights."""
    state = State(config, "srgan")
    with tempfile.TemporaryDirectory() as folder:
        vgg = Path(folder) / "vgg19.weights.h5"
        keras.applications.VGG19(include_top=False, weights=None).save_weights(vgg)
        os.environ["SRGAN_VGG19"] = str(vgg)
        step = compile_step(config, state)
    return _measured(config, state, step, xla)


def upscale(config: Config, shape: tuple[int, int, int]) -> Callable[[], float]:
    """A measurement of inference on (count, height, width) images, from uint8 to uint8."""
    call, lr = upscaler(config), work.pixels(*shape)
    return work.repeated(lambda: call(lr).mean())


def upscaler(config: Config) -> Callable[[np.ndarray], np.ndarray]:
    """The library's inference as a function of a batch (B, H, W, 3), uint8 -> (B, 4 H, 4 W, 3), uint8."""
    generator = State(config, "srresnet").generator
    if not hasattr(upscaling, "fast"):  # before the inference of its own
        one = upscaling.network(generator)
        return lambda lr: np.stack([one(image) for image in lr])
    network = upscaling.fast(generator, config, config.precision)
    return lambda lr: network(lr[0])[None] if len(lr) == 1 else network.batch(lr)


def _measured(config: Config, state: State, step: Step, xla: bool) -> Callable[[], float]:
    for optimizer in (state.g_optimizer, state.d_optimizer):
        if optimizer is not None:
            optimizer.learning_rate = config.gan_learning_rate
    if xla:
        step = tf.function(step, jit_compile=True)
    index, (lr, hr) = tf.constant(0, tf.int64), map(tf.constant, work.batch(config))
    return work.repeated(lambda: next(iter(step(index, lr, hr).values())))
