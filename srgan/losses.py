"""The losses of paper §2.2. Images are (B, H, W, 3) in [-1, 1]; every loss is a float32 scalar."""

from __future__ import annotations

import tensorflow as tf

from srgan.config import Config


def pixel_loss(config: Config, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean squared or mean absolute difference of pixels."""
    difference = hr - sr
    return tf.reduce_mean(tf.square(difference) if config.loss.pixel_loss == "mse" else tf.abs(difference))


def content_loss(config: Config, features, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """The pixel loss; or the MSE of `features` where there are any (HR's take no gradient), plus the former at its weight."""
    if features is None:
        return pixel_loss(config, hr, sr)
    loss = tf.reduce_mean(tf.square(tf.stop_gradient(features(hr)) - features(sr)))
    return loss + config.loss.pixel_weight * pixel_loss(config, hr, sr) if config.loss.pixel_weight else loss


def adversarial_loss(sr_logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """What the generator pays while D sees through it: -log D(G(LR)) where `labels` are 1."""
    return cross_entropy(labels, sr_logits)


def discriminator_loss(hr_logits: tf.Tensor, sr_logits: tf.Tensor, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy on HR (labels `real`) plus that on SR (labels `fake`); 2 log 2 = 1.39 for a guessing D."""
    return cross_entropy(real, hr_logits) + cross_entropy(fake, sr_logits)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy of `logits` (B, 1) against `labels` (B, 1)."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def smoothness(config: Config, sr: tf.Tensor) -> tf.Tensor:
    """The total variation at its weight; nothing where that is 0."""
    return config.loss.total_variation_weight * total_variation(sr) if config.loss.total_variation_weight else tf.constant(0.0)


def total_variation(sr: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of neighbouring pixels, down plus across."""
    down = tf.reduce_mean(tf.abs(sr[:, 1:] - sr[:, :-1]))
    across = tf.reduce_mean(tf.abs(sr[:, :, 1:] - sr[:, :, :-1]))
    return down + across


def rolled(config: Config, step: tf.Tensor, *images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """`images`, all rolled down and right by the same pixels, up to `random_shift`: a pure function of seed and step.

    The strides of D lie on a grid, and so do the pixels of a shuffle. Where the two are always aligned, what D asks for at some of
    its places G can give as a fine grid; over shifts that vary it averages out.
    """
    if not config.loss.random_shift:
        return images
    seed = tf.stack([tf.cast(step, tf.int32), tf.constant(-1 - config.seed, tf.int32)])  # the labels' are not negative
    shift = tf.random.stateless_uniform((2,), seed, 0, config.loss.random_shift + 1, tf.int32)
    return tuple(tf.roll(image, shift, (1, 2)) for image in images)


def labels(config: Config, kind: str, step: tf.Tensor) -> tf.Tensor:
    """Labels (B, 1) of `kind` "real", "fake" or "generator", hard or with normal noise: a pure function of seed and step."""
    shape, value = (config.data.batch_size, 1), getattr(config.loss, f"{kind}_label")
    stream = ("real", "fake", "generator").index(kind)
    if config.loss.label_noise == 0 or config.loss.label_noise_on not in ("all", kind):
        return tf.fill(shape, value)
    seed = tf.stack([tf.cast(step, tf.int32), tf.constant(3 * config.seed + stream, tf.int32)])
    return tf.random.stateless_normal(shape, seed, value, config.loss.label_noise)
