"""Several updates as one traced function: pixels to floats, labels drawn, the batch shared out among replicas."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from srgan.config import SCALE, Config
from srgan.train import random_draws, replicas, weight_average
from srgan.train.state import State
from srgan.train.steps import REPORTED, STEPS, Batch, Features

Update = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


def compile_updates(config: Config, state: State, features: Features | None) -> Update:
    """The stage's updates on all replicas, without a word to the host between them.

    (first step, learning rates (K,), LR uint8 (K, B, H / 4, W / 4, 3), HR uint8 (K, B, H, W, 3)) -> losses, each (K,).
    """
    replicas.refuse_uneven(config.data.batch_size)
    with replicas.strategy().scope():
        step = STEPS[state.stage](config, state, features)
    multiples = ((state.g_optimizer, 1.0), (state.d_optimizer, config.optimization.discriminator_rate))
    optimizers = [(optimizer, multiple) for optimizer, multiple in multiples if optimizer is not None]

    @tf.function(jit_compile=config.optimization.xla)
    def on_replica(index, lr, hr):
        return step(_batch(config, index, lr, hr))

    def one(index, rate, lr, hr):
        for optimizer, multiple in optimizers:
            optimizer.learning_rate = multiple * rate
        reported = replicas.strategy().run(on_replica, (index, lr, hr))
        weight_average.follow(state.average, state.generator, config.optimization.ema)
        return {name: replicas.mean(value) for name, value in reported.items()}

    batch, size, names = config.data.batch_size, config.data.hr_size, REPORTED[state.stage]

    @tf.function(input_signature=[
        tf.TensorSpec((), tf.int64), tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None, batch, size // SCALE, size // SCALE, 3), tf.uint8),
        tf.TensorSpec((None, batch, size, size, 3), tf.uint8),
    ])  # fmt: skip
    def updates(first, rates, lr, hr):
        count = tf.size(rates)
        table = tf.TensorArray(tf.float32, count, element_shape=(len(names),))
        for i in tf.range(count):
            reported = one(first + tf.cast(i, tf.int64), rates[i], lr[i], hr[i])
            table = table.write(i, tf.stack([reported[name] for name in names]))
        return dict(zip(names, tf.unstack(table.stack(), axis=1), strict=True))

    return updates


def _batch(config: Config, index: tf.Tensor, lr: tf.Tensor, hr: tf.Tensor) -> Batch:
    """The calling replica's part of the batch of step `index`, as the networks take it."""
    labels = [replicas.part(random_draws.labels(config, kind, index)) for kind in ("real", "fake", "generator")]
    lr, hr = (tf.cast(replicas.part(pixels), tf.float32) for pixels in (lr, hr))
    return Batch(lr / 255.0, hr / 127.5 - 1.0, *labels, random_draws.roll(config, index))
