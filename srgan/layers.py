"""The two layers that Keras does not have."""

from __future__ import annotations

import keras
import tensorflow as tf

from srgan.config import SCALE


@keras.saving.register_keras_serializable("srgan")
class PixelShuffle(keras.layers.Layer):
    """Sub-pixel rearrangement (Shi et al. 2016) by r: (B, H, W, r r C) -> (B, r H, r W, C)."""

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return tf.nn.depth_to_space(x, self.factor)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height and self.factor * height, width and self.factor * width, channels // self.factor**2

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable("srgan")
class BicubicUpsampling(keras.layers.Layer):
    """Bicubic enlargement by 4: (B, H, W, 3) -> (B, 4 H, 4 W, 3), any range."""

    def call(self, x):
        shape = tf.shape(x)
        return tf.image.resize(x, (SCALE * shape[1], SCALE * shape[2]), method="bicubic")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height and SCALE * height, width and SCALE * width, channels
