"""The algorithm: one update of SRResNet, of the discriminator alone, and of both networks of the GAN.

Each `*_step` makes a function of one batch. Devices, batches in a row and learning rates are dealt with in compiled.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from srgan import losses
from srgan.config import Config
from srgan.models import networks
from srgan.train import replicas
from srgan.train.optimizers import gradients
from srgan.train.state import State


class Batch(NamedTuple):
    """What one step learns from."""

    lr: tf.Tensor  # (B, h, w, 3) in [0, 1]
    hr: tf.Tensor  # (B, 4 h, 4 w, 3) in [-1, 1]
    real: tf.Tensor  # (B, 1): D's label for HR,
    fake: tf.Tensor  # its label for SR,
    wanted: tf.Tensor  # and what G wants D to say of SR
    roll: tf.Tensor  # (2,): pixels down and right by which D and the features see the pictures rolled


Features = Callable[[tf.Tensor], tf.Tensor | list[tf.Tensor]]  # images in [-1, 1] -> features, of one layer or several
Step = Callable[[Batch], dict[str, tf.Tensor]]

REPORTED = {  # what each stage's step returns, and the loss history has columns for
    "srresnet": ("loss",),
    "discriminator": ("discriminator", "d_hr", "d_sr", "accuracy_hr", "accuracy_sr"),
    "srgan": ("perceptual", "content", "adversarial", "discriminator", "d_hr", "d_sr", "accuracy_hr", "accuracy_sr"),
}


def pretrain_step(config: Config, state: State, features: Features | None = None) -> Step:
    """One update of SRResNet."""
    generator, optimizer = state.generator, state.g_optimizer

    def step(batch: Batch):
        with tf.GradientTape() as tape:
            sr = generator(batch.lr, training=True)
            loss = losses.content_loss(config.loss, features, batch.hr, sr)
            loss += losses.weighted(config.loss.total_variation_weight, losses.total_variation, sr)
        optimizer.apply(gradients(tape, loss, generator, optimizer), generator.trainable_variables)
        return {"loss": loss}

    return step


def discriminator_step(config: Config, state: State, _features: Features | None = None) -> Step:
    """One update of D alone, on what G makes as it stands."""
    generator, discriminator, optimizer = state.generator, state.discriminator, state.d_optimizer
    judge = networks.judging(discriminator)

    def step(batch: Batch):
        hr, sr = rolled(config, batch, batch.hr, generator(batch.lr, training=False))
        with tf.GradientTape() as tape:
            hr_logits, sr_logits = judged(config, *judge(hr, sr))
            loss = losses.discriminator_loss(hr_logits, sr_logits, batch.real, batch.fake)
        optimizer.apply(gradients(tape, loss, discriminator, optimizer), discriminator.trainable_variables)
        return {"discriminator": loss} | d_outputs(hr_logits, sr_logits)

    return step


def gan_step(config: Config, state: State, features: Features | None) -> Step:
    """One update of both networks.

    G runs once, D once on HR and once on SR. With `alternate` D moves first and is asked about SR again; else both
    gradients are taken before either network moves.
    """
    generator, discriminator = state.generator, state.discriminator
    g_optimizer, d_optimizer = state.g_optimizer, state.d_optimizer
    seen, weights = with_features(config, discriminator), config.loss

    def step(batch: Batch):
        tape = tf.GradientTape(persistent=True)
        with tape:
            sr = generator(batch.lr, training=True)
            regular = losses.weighted(weights.phase_weight, losses.cell_loss, batch.hr, sr)
            regular += losses.weighted(weights.spectrum_weight, losses.spectrum_loss, batch.hr, sr)  # before a roll leaves an edge
            hr, sr = rolled(config, batch, batch.hr, sr)
            (d_of_hr, features_hr), (d_of_sr, features_sr) = seen(hr, sr)
            hr_logits, sr_logits = judged(config, d_of_hr, d_of_sr)

            # D learns to tell HR from SR (paper eq. 2, the inner maximum) ...
            d_loss = losses.discriminator_loss(hr_logits, sr_logits, batch.real, batch.fake)
        d_gradients = gradients(tape, d_loss, discriminator, d_optimizer)
        if config.optimization.alternate:
            d_optimizer.apply(d_gradients, discriminator.trainable_variables)

        # ... and G to be like HR in content while D takes SR for HR (paper eq. 3).
        with tape:
            if config.optimization.alternate:
                ((d_of_sr, features_sr),) = seen(sr)
            content = losses.content_loss(config.loss, features, hr, sr)
            adversarial = losses.adversarial_loss(config.loss, *judged(config, d_of_hr, d_of_sr), batch.wanted)
            g_loss = content + weights.adversarial_weight * adversarial + regular
            g_loss += losses.weighted(weights.matching_weight, losses.feature_matching, features_hr, features_sr)
            g_loss += losses.weighted(weights.chroma_weight, losses.chroma_loss, hr, sr)
            g_loss += losses.weighted(weights.total_variation_weight, losses.total_variation, sr)
        g_gradients = gradients(tape, g_loss, generator, g_optimizer)
        if not config.optimization.alternate:
            d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)

        told = {"perceptual": g_loss, "content": content, "adversarial": adversarial, "discriminator": d_loss}
        return told | d_outputs(hr_logits, sr_logits)

    return step


def with_features(config: Config, discriminator: keras.Model) -> Callable[..., list[tuple[tf.Tensor, list[tf.Tensor]]]]:
    """D as a function from batches of images to the logits of each and, where feature matching wants them, what is behind each
    of its leaky ReLUs."""
    if not config.loss.matching_weight:
        judge = networks.judging(discriminator)
        return lambda *batches: [(logits, []) for logits in judge(*batches)]
    found = [layer.output for layer in discriminator.layers if "leaky" in layer.name]
    observed = keras.Model(discriminator.input, [discriminator.output, *found])

    def seen(images: tf.Tensor):
        logits, *features = observed(images, training=True)
        return logits, features

    return lambda *batches: list(map(seen, batches))


def judged(config: Config, hr_logits: tf.Tensor, sr_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """D's logits of HR and SR; those of a relativistic D less the mean of the other's: not "HR", but "more like HR than SR is"."""
    if config.loss.adversarial == "standard":
        return hr_logits, sr_logits
    of_hr, of_sr = (replicas.mean_inside(tf.reduce_mean(logits)) for logits in (hr_logits, sr_logits))
    return hr_logits - of_sr, sr_logits - of_hr


def rolled(config: Config, batch: Batch, *images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """`images`, all rolled alike, where the settings want it (random_draws.roll says why)."""
    return tuple(tf.roll(image, batch.roll, (1, 2)) for image in images) if config.loss.random_shift else images


def d_outputs(hr_logits: tf.Tensor, sr_logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """Mean D(HR) and D(SR), and the share of each that D takes for what it is."""
    d = {"d_hr": tf.sigmoid(hr_logits), "d_sr": tf.sigmoid(sr_logits)}
    right = {"accuracy_hr": tf.cast(hr_logits > 0, tf.float32), "accuracy_sr": tf.cast(sr_logits < 0, tf.float32)}
    return {name: tf.reduce_mean(values) for name, values in (d | right).items()}


STEPS = {"srresnet": pretrain_step, "discriminator": discriminator_step, "srgan": gan_step}
