"""What a step draws at random beside its batch: the labels' noise and the roll of the pictures. Pure functions of seed and step."""

from __future__ import annotations

import tensorflow as tf

from srgan.config import Config


def labels(config: Config, kind: str, step: tf.Tensor) -> tf.Tensor:
    """Labels (B, 1) of `kind` "real", "fake" or "generator", hard or with normal noise around them."""
    loss, shape = config.loss, (config.data.batch_size, 1)
    value = {"real": loss.real_label, "fake": loss.fake_label, "generator": loss.generator_label}[kind]
    if loss.label_noise == 0 or loss.label_noise_on not in ("all", kind):
        return tf.fill(shape, value)
    stream = ("real", "fake", "generator").index(kind)
    seed = tf.stack([tf.cast(step, tf.int32), _of_32_bits(3 * config.seed + stream)])
    return tf.random.stateless_normal(shape, seed, value, loss.label_noise)


def roll(config: Config, step: tf.Tensor) -> tf.Tensor:
    """Pixels (down, right), up to `random_shift`, by which D and the features see all pictures of a step rolled.

    D's strides lie on a grid, and so do the pixels of a shuffle. Where the two are always aligned, G can please D at some
    places of its grid by drawing a fine grid itself; over rolls that vary, this averages out.
    """
    if not config.loss.random_shift:
        return tf.zeros((2,), tf.int32)
    seed = tf.stack([tf.cast(step, tf.int32), _of_32_bits(-1 - config.seed)])  # the labels' seeds are not negative
    return tf.random.stateless_uniform((2,), seed, 0, config.loss.random_shift + 1, tf.int32)


def _of_32_bits(number: int) -> tf.Tensor:
    """`number`, or its last 32 bits: a seed may be larger."""
    return tf.constant((number + 2**31) % 2**32 - 2**31, tf.int32)
