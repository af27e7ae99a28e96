"""Two layers that Keras lacks, and five of Keras's own that train faster or more exactly here with the same weights and numbers.

A file or checkpoint of the stock layers loads into the fast ones and the other way round: shapes are equal, and the names
of the classes too, since Keras's weights files list layers by them.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from srgan.config import SCALE

LEAK = 0.2  # slope of every LeakyReLU; paper §2.1.1


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


@keras.saving.register_keras_serializable("srgan")
class Fork(keras.layers.Identity):
    """Its input unchanged, with a gradient that is a tensor of its own.

    Where three layers take one tensor, its gradient is a sum of three, whose order may be a matter of timing (see
    `losses.cross_entropy`). With two of the three behind a fork it is two sums of two, which have no order.
    """

    def call(self, x):
        return forked(x)


@tf.custom_gradient
def forked(x: tf.Tensor):
    """`x` as Fork gives it."""
    # A copy, since TensorFlow would join the two sums into one behind anything that it can leave out.
    return tf.identity(x), lambda upstream: tf.raw_ops.Snapshot(input=upstream)


@keras.saving.register_keras_serializable("srgan")
class PReLU(keras.layers.PReLU):
    """x where x >= 0, else slope * x (He et al. 2015), with a gradient written out to pass over memory less often.

    `pixels`: so many pixels lie side by side in the channels, as before a PixelShuffle; each has the same slopes.
    `slopes_at_most_one`: set for inference where it holds; then the greater of x and slope * x is the same, in one pass less.
    """

    slopes_at_most_one = False

    def __init__(self, *args, pixels: int = 1, **kwargs):
        super().__init__(*args, **kwargs)
        self.pixels = pixels

    def build(self, input_shape):
        super().build((*input_shape[:-1], input_shape[-1] // self.pixels))
        self.input_spec = None

    def get_config(self):
        return super().get_config() | ({"pixels": self.pixels} if self.pixels > 1 else {})

    def call(self, x):
        slope = tf.cast(tf.tile(self.alpha, (1, 1, self.pixels)) if self.pixels > 1 else self.alpha, x.dtype)
        return tf.maximum(x, slope * x) if self.slopes_at_most_one else _prelu(x, slope)


@tf.custom_gradient
def _prelu(x, slope):
    def gradient(upstream):
        to_x = upstream * tf.where(x < 0, slope, tf.ones((), x.dtype))
        to_slope = tf.reduce_sum(upstream * tf.minimum(x, 0), axis=[0, 1, 2], keepdims=True)[0]
        return to_x, to_slope

    return tf.where(x < 0, slope * x, x), gradient


@keras.saving.register_keras_serializable("srgan")
class LeakyReLU(keras.layers.LeakyReLU):
    """Keras's layer with the gradient taken from its output, whose sign is that of its input.

    So nothing but this layer needs the convolution's output, and TensorFlow fuses convolution, bias and this. With the stock layer
    that fails ("remapper failed"), and then the whole graph stays as it was.
    """

    def call(self, x):
        slope = float(self.negative_slope)

        @tf.custom_gradient
        def leaky(x):
            y = tf.nn.leaky_relu(x, slope)
            return y, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=y, alpha=slope)

        return leaky(x)


@keras.saving.register_keras_serializable("srgan")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer for (B, H, W, C) on the fused kernel, which stock Keras 3 does not use in training.

    Statistics are float32 in every precision. Several replicas share them, on the slower path, so that they learn what
    one would: the batch is one, however many devices carry it.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"synchronized": True} | kwargs)

    def call(self, x, training=False, mask=None):
        training = bool(training) and self.trainable
        if training and tf.distribute.get_strategy().num_replicas_in_sync > 1:
            return super().call(x, training=True)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=tf.zeros([0]) if training else tf.cast(self.moving_mean, tf.float32),
            variance=tf.zeros([0]) if training else tf.cast(self.moving_variance, tf.float32),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            count = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance * (count - 1.0) / count)  # the kernel gives it unbiased
        return y

    def _move(self, average, value):
        average.assign(average * self.momentum + value * (1.0 - self.momentum))


@keras.saving.register_keras_serializable("srgan")
class Conv2D(keras.layers.Conv2D):
    """Keras's layer for few filters on large images of even sides (stride 1, padding "same"), as CPUs compute it faster.

    Four neighbouring pixels become the channels of one, and a kernel with the same numbers at other places gives all four
    results at once: 4 times as many filters fill the vector units that 3 leave empty. For the 9x9 output convolution of
    the paper's generator this halves the time, though it multiplies by some zeros.

    `shuffled`: whether the input has been through the PixelShuffle by 2 before this layer; else its four pixels still lie side
    by side in the channels, (B, H / 2, W / 2, 4 C), just as this layer wants them.
    """

    def __init__(self, *args, shuffled: bool = True, **kwargs):
        super().__init__(*args, **kwargs)
        self.shuffled = shuffled

    def build(self, input_shape):
        super().build(input_shape if self.shuffled else (*input_shape[:-1], input_shape[-1] // 4))
        self.input_spec = None

    def get_config(self):
        return super().get_config() | ({} if self.shuffled else {"shuffled": False})

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        factor = 1 if self.shuffled else 2
        return batch, height and factor * height, width and factor * width, self.filters

    def call(self, x):
        x = tf.nn.space_to_depth(x, 2) if self.shuffled else x
        y = tf.nn.conv2d(x, self._phased(tf.cast(self.kernel, x.dtype)), 1, "SAME")
        return tf.nn.depth_to_space(y, 2) + tf.cast(self.bias, x.dtype)

    def _phased(self, kernel):
        """(k, k, C, F) -> (m, m, 4 C, 4 F): one copy for each place in a square of 2x2 output pixels, shifted to it."""
        size, channels, filters = kernel.shape[0], *kernel.shape[2:]
        extra = size // 2 % 2  # a reach of an odd number of pixels is rounded up to whole squares
        blocks = (size + 2 * extra + 1) // 2
        copies = []
        for row in (0, 1):
            for column in (0, 1):
                shifted = tf.pad(kernel, [(extra + row, extra + 1 - row), (extra + column, extra + 1 - column), (0, 0), (0, 0)])
                split = tf.reshape(shifted, (blocks, 2, blocks, 2, channels, filters))
                copies.append(tf.reshape(tf.transpose(split, (0, 2, 1, 3, 4, 5)), (blocks, blocks, 4 * channels, filters)))
        return tf.concat(copies, axis=-1)
