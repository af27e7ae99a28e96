"""The algorithm: one update of SRResNet, one joint update of the GAN, and the learning rate of each update."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from srgan import losses
from srgan.config import Config
from srgan.features import Features, features
from srgan.state import State

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


def pretrain_step(config: Config, state: State, _features: Features | None = None) -> Step:
    """One SRResNet update on a batch: (step, LR [0, 1], HR [-1, 1]) -> its losses."""
    generator, optimizer = state.generator, state.g_optimizer

    def step(_, lr, hr):
        with tf.GradientTape() as tape:
            loss = losses.pixel_loss(config, hr, generator(lr, training=True))
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, generator.trainable_variables), generator.trainable_variables)
        return {"loss": loss}

    return step


def gan_step(config: Config, state: State, features: Features | None) -> Step:
    """One joint update of both networks: G runs once, D once on HR and once on SR, features once on each."""
    generator, discriminator = state.generator, state.discriminator
    g_optimizer, d_optimizer = state.g_optimizer, state.d_optimizer

    def step(index, lr, hr):
        real = losses.labels(config, config.real_label, index, 0)
        fake = losses.labels(config, config.fake_label, index, 1)
        wanted = losses.labels(config, config.generator_label, index, 2)

        with tf.GradientTape(persistent=True) as tape:
            sr = generator(lr, training=True)
            hr_logits = discriminator(hr, training=True)
            sr_logits = discriminator(sr, training=True)

            # D learns to tell HR from SR ...
            d_loss = losses.discriminator_loss(hr_logits, sr_logits, real, fake)
            d_scaled = d_optimizer.scale_loss(d_loss)

            # ... and G to be like HR in content while D takes its work for HR.
            content = losses.content_loss(config, features, hr, sr)
            adversarial = losses.adversarial_loss(sr_logits, wanted)
            g_loss = content + config.adversarial_weight * adversarial
            if config.total_variation_weight:
                g_loss += config.total_variation_weight * losses.total_variation(sr)
            g_scaled = g_optimizer.scale_loss(g_loss)

        # Both gradients are taken before either network moves.
        d_gradients = tape.gradient(d_scaled, discriminator.trainable_variables)
        g_gradients = tape.gradient(g_scaled, generator.trainable_variables)
        d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)

        d_hr, d_sr = tf.reduce_mean(tf.sigmoid(hr_logits)), tf.reduce_mean(tf.sigmoid(sr_logits))
        return {"perceptual": g_loss, "content": content, "adversarial": adversarial,
                "discriminator": d_loss, "d_hr": d_hr, "d_sr": d_sr}  # fmt: skip

    return step


STEPS = {"srresnet": pretrain_step, "srgan": gan_step}


def compile_step(config: Config, state: State) -> Step:
    """The stage's step as one traced function of (step, LR uint8, HR uint8)."""
    step = STEPS[state.stage](config, state, features(config) if state.stage == "srgan" else None)

    @tf.function
    def compiled(index, lr, hr):
        return step(index, tf.cast(lr, tf.float32) / 255.0, tf.cast(hr, tf.float32) / 127.5 - 1.0)

    return compiled


def learning_rate(config: Config, stage: str, step: int) -> float:
    """The learning rate of update `step` (0 is the first): linear warm-up, then the stage's schedule."""
    pretraining = stage == "srresnet"
    peak = config.pretrain_learning_rate if pretraining else config.gan_learning_rate
    schedule = config.pretrain_schedule if pretraining else config.gan_schedule
    done = min(step / max(config.horizon(stage), 1), 1.0)
    warmth = min((step + 1) / (config.warmup_steps + 1), 1.0)
    decay = {
        "constant": 1.0,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
        "step": 1.0 if done < 0.5 else 0.1,
    }[schedule]
    return peak * warmth * decay
