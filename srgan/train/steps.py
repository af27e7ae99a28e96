"""The algorithm: one update of SRResNet, one joint update of the GAN, and the learning rate of each update."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from srgan import losses
from srgan.config import SCALE, Config
from srgan.train import replicas
from srgan.train.perceptual_features import Features, features
from srgan.train.state import State

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
Steps = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]

LOSSES = {  # what each stage's step reports
    "srresnet": ("loss",),
    "discriminator": ("discriminator", "d_hr", "d_sr", "accuracy_hr", "accuracy_sr"),
    "srgan": ("perceptual", "content", "adversarial", "discriminator", "d_hr", "d_sr", "accuracy_hr", "accuracy_sr"),
}


def pretrain_step(config: Config, state: State, features: Features | None = None) -> Step:
    """One SRResNet update on a batch: (step, LR [0, 1], HR [-1, 1]) -> its losses."""
    generator, optimizer = state.generator, state.g_optimizer

    def step(_, lr, hr):
        with tf.GradientTape() as tape:
            sr = generator(lr, training=True)
            loss = losses.content_loss(config, features, hr, sr) + losses.smoothness(config, sr)
            scaled = optimizer.scale_loss(loss / replicas.count())  # the optimizer adds up what the replicas find
        optimizer.apply(tape.gradient(scaled, generator.trainable_variables), generator.trainable_variables)
        return {"loss": loss}

    return step


def discriminator_step(config: Config, state: State, _features: Features | None = None) -> Step:
    """One update of D alone, by what G makes as it stands: (step, LR [0, 1], HR [-1, 1]) -> its losses."""
    generator, discriminator, optimizer = state.generator, state.discriminator, state.d_optimizer

    def step(index, lr, hr):
        sr, hr = losses.rolled(config, index, generator(lr, training=False), hr)
        with tf.GradientTape() as tape:
            hr_logits, sr_logits = discriminator(hr, training=True), discriminator(sr, training=True)
            loss = losses.discriminator_loss(hr_logits, sr_logits, *_labels(config, index, "real", "fake"))
            scaled = optimizer.scale_loss(loss / replicas.count())
        optimizer.apply(tape.gradient(scaled, discriminator.trainable_variables), discriminator.trainable_variables)
        return {"discriminator": loss} | _verdict(hr_logits, sr_logits)

    return step


def gan_step(config: Config, state: State, features: Features | None) -> Step:
    """One update of both networks: (step, LR [0, 1], HR [-1, 1]) -> its losses.

    G runs once, D once on HR and once on SR, features once on each. With `alternate` D moves first, and is asked about
    SR again; else both gradients are taken before either network moves.
    """
    generator, discriminator = state.generator, state.discriminator
    g_optimizer, d_optimizer = state.g_optimizer, state.d_optimizer

    def step(index, lr, hr):
        real, fake, wanted = _labels(config, index, "real", "fake", "generator")
        tape = tf.GradientTape(persistent=True)
        with tape:
            sr, hr = losses.rolled(config, index, generator(lr, training=True), hr)
            hr_logits = discriminator(hr, training=True)
            sr_logits = discriminator(sr, training=True)

            # D learns to tell HR from SR ...
            d_loss = losses.discriminator_loss(hr_logits, sr_logits, real, fake)
            d_scaled = d_optimizer.scale_loss(d_loss / replicas.count())
        d_gradients = tape.gradient(d_scaled, discriminator.trainable_variables)
        if config.optimization.alternate:
            d_optimizer.apply(d_gradients, discriminator.trainable_variables)

        # ... and G to be like HR in content while D takes its work for HR.
        with tape:
            answer = discriminator(sr, training=True) if config.optimization.alternate else sr_logits
            content = losses.content_loss(config, features, hr, sr)
            adversarial = losses.adversarial_loss(answer, wanted)
            g_loss = content + config.loss.adversarial_weight * adversarial + losses.smoothness(config, sr)
            g_scaled = g_optimizer.scale_loss(g_loss / replicas.count())
        g_gradients = tape.gradient(g_scaled, generator.trainable_variables)
        if not config.optimization.alternate:
            d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)

        reported = {"perceptual": g_loss, "content": content, "adversarial": adversarial, "discriminator": d_loss}
        return reported | _verdict(hr_logits, sr_logits)

    return step


def _labels(config: Config, index: tf.Tensor, *kinds: str) -> tuple[tf.Tensor, ...]:
    return tuple(replicas.part(losses.labels(config, kind, index)) for kind in kinds)


def _verdict(hr_logits: tf.Tensor, sr_logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """D's mean belief that HR (SR) is HR, and the share of images that it takes for what they are."""
    belief = {"d_hr": tf.sigmoid(hr_logits), "d_sr": tf.sigmoid(sr_logits)}
    right = {"accuracy_hr": tf.cast(hr_logits > 0, tf.float32), "accuracy_sr": tf.cast(sr_logits < 0, tf.float32)}
    return {name: tf.reduce_mean(values) for name, values in (belief | right).items()}


STEPS = {"srresnet": pretrain_step, "discriminator": discriminator_step, "srgan": gan_step}


def compile_steps(config: Config, state: State, folder: Path) -> Steps:
    """Several updates of the stage as one traced function, on all replicas, without a word to the host between them.

    (first step, learning rates (K,), LR uint8 (K, B, H / 4, W / 4, 3), HR uint8 (K, B, H, W, 3)) -> losses, each (K,).
    `folder` is where the weights of a feature network are kept.
    """
    replicas.refuse_uneven(config.data.batch_size)
    with replicas.strategy().scope():
        content = {"srresnet": config.loss.pretrain_content, "discriminator": "pixels", "srgan": config.loss.content}[state.stage]
        step = STEPS[state.stage](config, state, features(content, config.loss.content_scale, folder))
    rates = ((state.g_optimizer, 1.0), (state.d_optimizer, config.optimization.discriminator_rate))
    optimizers = [(optimizer, share) for optimizer, share in rates if optimizer is not None]

    @tf.function(jit_compile=config.optimization.xla)
    def on_replica(index, lr, hr):
        return step(index, tf.cast(replicas.part(lr), tf.float32) / 255.0, tf.cast(replicas.part(hr), tf.float32) / 127.5 - 1.0)

    def one(index, rate, lr, hr):
        for optimizer, share in optimizers:
            optimizer.learning_rate = share * rate
        reported = replicas.strategy().run(on_replica, (index, lr, hr))
        return {name: replicas.mean(value) for name, value in reported.items()}

    lr_shape = (config.data.batch_size, config.data.hr_size // SCALE, config.data.hr_size // SCALE, 3)
    hr_shape = (config.data.batch_size, config.data.hr_size, config.data.hr_size, 3)

    @tf.function(input_signature=[
        tf.TensorSpec((), tf.int64), tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None, *lr_shape), tf.uint8), tf.TensorSpec((None, *hr_shape), tf.uint8),
    ])  # fmt: skip
    def compiled(first, rates, lr, hr):
        count = tf.size(rates)
        table = tf.TensorArray(tf.float32, count, element_shape=(len(LOSSES[state.stage]),))
        for i in tf.range(count):
            reported = one(first + tf.cast(i, tf.int64), rates[i], lr[i], hr[i])
            table = table.write(i, tf.stack([reported[name] for name in LOSSES[state.stage]]))
        return dict(zip(LOSSES[state.stage], tf.unstack(table.stack(), axis=1), strict=True))

    return compiled


def learning_rate(config: Config, stage: str, step: int) -> float:
    """The learning rate of update `step` (0 is the first): linear warm-up, then the stage's schedule."""
    pretraining = stage == "srresnet"
    peak = config.optimization.pretrain_learning_rate if pretraining else config.optimization.gan_learning_rate
    schedule = config.optimization.pretrain_schedule if pretraining else config.optimization.gan_schedule
    done = min(step / max(config.total_steps(stage), 1), 1.0)
    warmth = min((step + 1) / (config.optimization.warmup_steps + 1), 1.0)
    decay = {
        "constant": 1.0,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
        "step": 1.0 if done < 0.5 else 0.1,
    }[schedule]
    return peak * warmth * decay
