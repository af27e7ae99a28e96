"""The losses of paper §2.2. Images are (B, H, W, 3) in [-1, 1]; every loss is a float32 scalar.

To add a loss: write it here as a function, give it a weight in `config.Loss`, and add it in `train/steps.py`.
"""

from __future__ import annotations

import tensorflow as tf

from srgan.config import Loss


def pixel_loss(settings: Loss, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean squared or mean absolute difference of pixels; paper eq. 4."""
    difference = hr - sr
    return tf.reduce_mean(tf.square(difference) if settings.pixel_loss == "mse" else tf.abs(difference))


def content_loss(settings: Loss, features, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """The pixel loss; or, with `features`, their MSE (paper eq. 5) plus the pixel loss at its weight.

    `features`: a function of images, or None. Those of HR take no gradient.
    """
    if features is None:
        return pixel_loss(settings, hr, sr)
    loss = tf.reduce_mean(tf.square(tf.stop_gradient(features(hr)) - features(sr)))
    return loss + settings.pixel_weight * pixel_loss(settings, hr, sr) if settings.pixel_weight else loss


def adversarial_loss(sr_logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """What the generator pays where D is not fooled: -log D(G(LR)) where `labels` are 1; paper eq. 6."""
    return cross_entropy(labels, sr_logits)


def discriminator_loss(hr_logits: tf.Tensor, sr_logits: tf.Tensor, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy on HR (labels `real`) plus that on SR (labels `fake`); 2 log 2 = 1.39 where D can only guess."""
    return cross_entropy(real, hr_logits) + cross_entropy(fake, sr_logits)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy of `logits` (B, 1) against `labels` (B, 1)."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def weighted_total_variation(settings: Loss, sr: tf.Tensor) -> tf.Tensor:
    """The total variation at its weight; 0 without computing it where that is 0."""
    return settings.total_variation_weight * total_variation(sr) if settings.total_variation_weight else tf.constant(0.0)


def total_variation(sr: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of neighbouring pixels, down plus across."""
    down = tf.reduce_mean(tf.abs(sr[:, 1:] - sr[:, :-1]))
    across = tf.reduce_mean(tf.abs(sr[:, :, 1:] - sr[:, :, :-1]))
    return down + across
