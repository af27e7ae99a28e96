"""The classic loop of older SRGAN projects: the paper's networks from stock Keras layers, `train_on_batch`, `predict`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from srgan.config import Config
from srgan.data.images import to_float, to_uint8
from srgan.models.layers import LEAK
from srgan.runs import weights
from tools.bench import work


def generator(config: Config) -> keras.Model:
    """The generator of preset `paper`, with `config`'s blocks, filters and kernels: LR [0, 1] -> SR towards [-1, 1]."""
    lr = keras.Input((None, None, 3))
    head = x = _prelu()(_conv(config.generator.filters, config.generator.head_kernel)(lr))
    for _ in range(config.generator.blocks):
        y = _norm(config.generator.momentum)(_conv(config.generator.filters)(x))
        y = _norm(config.generator.momentum)(_conv(config.generator.filters)(_prelu()(y)))
        x = layers.Add()([x, y])
    x = _norm(config.generator.momentum)(_conv(config.generator.filters)(x))
    x = layers.Add()([head, x])
    for _ in range(2):
        x = layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2))(_conv(4 * config.generator.filters)(x))
        x = _prelu()(x)
    return keras.Model(lr, _conv(3, config.generator.output_kernel)(x))


def discriminator(config: Config) -> keras.Model:
    """The discriminator of preset `paper`: HR or SR (B, hr_size, hr_size, 3) -> the probability of HR (B, 1)."""
    image = keras.Input((config.data.hr_size, config.data.hr_size, 3))
    base = config.discriminator.filters
    x = layers.LeakyReLU(LEAK)(_conv(base)(image))
    for multiple, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
        x = _norm(config.discriminator.momentum)(_conv(multiple * base, stride=stride)(x))
        x = layers.LeakyReLU(LEAK)(x)
    x = layers.LeakyReLU(LEAK)(layers.Dense(config.discriminator.dense)(layers.Flatten()(x)))
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(x))


def features(config: Config) -> keras.Model:
    """VGG19 with random weights up to `config`'s content layer, frozen: images in [-1, 1] -> features, scaled."""
    image = keras.Input((config.data.hr_size, config.data.hr_size, 3))
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    cut = keras.Model(vgg.input, vgg.get_layer(config.loss.content.partition("/")[2]).output)
    x = layers.Lambda(lambda x: keras.applications.vgg19.preprocess_input((x + 1.0) * 127.5))(image)
    network = keras.Model(image, layers.Rescaling(config.loss.content_scale)(cut(x)))
    network.trainable = False
    return network


class Networks:
    """The three compiled models that the classic loop trains by turns, and the features that it asks for."""

    def __init__(self, config: Config, xla: bool):
        self.generator, self.features = generator(config), features(config)
        self.generator.jit_compile = self.features.jit_compile = xla
        self.discriminator = discriminator(config)
        self.discriminator.compile(_adam(config.optimization.gan_learning_rate), "binary_crossentropy", jit_compile=xla)
        self.discriminator.trainable = False
        lr = keras.Input((config.data.hr_size // 4, config.data.hr_size // 4, 3))
        sr = self.generator(lr)
        self.combined = keras.Model(lr, [self.discriminator(sr), self.features(sr)])
        self.combined.compile(
            _adam(config.optimization.gan_learning_rate), ["binary_crossentropy", "mse"],
            loss_weights=[config.loss.adversarial_weight, 1.0], jit_compile=xla,
        )  # fmt: skip

    def train(self, lr: np.ndarray, hr: np.ndarray) -> float:
        """One round on LR [0, 1] and HR [-1, 1]; returns the perceptual loss."""
        ones = np.ones((len(lr), 1), np.float32)
        sr = self.generator.predict(lr, batch_size=len(lr), verbose=0)
        self.discriminator.trainable = True
        self.discriminator.train_on_batch(hr, ones)
        self.discriminator.train_on_batch(sr, 0 * ones)
        self.discriminator.trainable = False
        wanted = self.features.predict(hr, batch_size=len(hr), verbose=0)
        return self.combined.train_on_batch(lr, [ones, wanted])[0]


def pretrain(config: Config, xla: bool) -> Callable[[], float]:
    """A measurement of stock Keras's step on pixels."""
    network = generator(config)
    network.compile(_adam(config.optimization.pretrain_learning_rate), config.loss.pixel_loss, jit_compile=xla)
    lr, hr = _floats(config)
    return work.repeated(lambda: network.train_on_batch(lr, hr))


def gan(config: Config, xla: bool) -> Callable[[], float]:
    """A measurement of one round of the classic loop."""
    networks = Networks(config, xla)
    lr, hr = _floats(config)
    return work.repeated(lambda: networks.train(lr, hr))


def upscale(config: Config, path: Path, shape: tuple[int, int, int], xla: bool) -> Callable[[], float]:
    """A measurement of `predict` by the weights at `path` on (count, height, width) images, from uint8 to uint8."""
    network, lr = generator(config), work.pixels(*shape)
    network.set_weights(weights.load(path).get_weights())
    network.jit_compile = xla
    return work.repeated(lambda: to_uint8(network.predict(to_float(lr), batch_size=len(lr), verbose=0)).mean())


def _floats(config: Config) -> tuple[np.ndarray, np.ndarray]:
    lr, hr = work.batch(config)
    return to_float(lr), 2.0 * to_float(hr) - 1.0


def _conv(filters: int, kernel: int = 3, stride: int = 1) -> layers.Layer:
    return layers.Conv2D(filters, kernel, stride, padding="same")


def _norm(momentum: float) -> layers.Layer:
    return layers.BatchNormalization(momentum=momentum)


def _prelu() -> layers.Layer:
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])


def _adam(learning_rate: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(learning_rate)
