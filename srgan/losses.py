"""The losses of paper §2.2. Images are (B, H, W, 3) in [-1, 1]; every loss is a float32 scalar.

To add a loss: write it here as a function, give it a weight in `config.Loss`, and add it in `train/steps.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from srgan.config import SCALE, Loss
from srgan.models import layers
from srgan.models.lpips import Seen

PHASE_CELLS = 6  # side of a window of the loss on phases, in cells of 4x4 pixels: over fewer, texture counts as a grid
PHASE_STRIDE = 3  # cells from window to window
TEXTURE_SIDE = 16  # pixels of a window of the loss on texture, of the first layer; more would let texture run into its neighbours
TEXTURE_LEAST = 4  # of any layer
SPECTRUM_SIDE = 32  # pixels of a window of the loss on spectra, and half of that from window to window
SPECTRUM_EXCESS = 5.0  # how many times as much as a lack of power an excess counts
SPECTRUM_FLOOR = 1e-5  # of a pixel's mean square, [-1, 1]: a third of a level of 8 bits counts as nothing


def weighted(weight: float, loss: Callable[..., tf.Tensor], *of) -> tf.Tensor:
    """`loss(*of)` at its weight; 0 without computing it where that is 0."""
    return weight * loss(*of) if weight else tf.constant(0.0)


def pixel_loss(settings: Loss, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean squared or mean absolute difference of pixels; paper eq. 4."""
    difference = hr - sr
    return tf.reduce_mean(tf.square(difference) if settings.pixel_loss == "mse" else tf.abs(difference))


def content_loss(settings: Loss, features, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """The pixel loss; or, with `features`, their MSE (paper eq. 5) plus the pixel loss and that of texture at their weights.

    `features`: a function from images to a tensor, to several whose MSEs add up, or to what LPIPS has `Seen`; or None. Those of HR
    take no gradient.
    """
    if features is None:
        return pixel_loss(settings, hr, sr)
    of_hr, of_sr = _seen(features(tf.stop_gradient(hr))), _seen(features(sr))
    loss = tf.add_n([tf.reduce_mean(tf.square(a - b)) for a, b in zip(of_hr.compared, of_sr.compared, strict=True)])
    if settings.pixel_weight:
        loss += settings.pixel_weight * pixel_loss(settings, hr, sr)
    return loss + weighted(settings.texture_weight, texture_loss, of_hr.activations, of_sr.activations)


def _seen(features: Seen | tf.Tensor | list[tf.Tensor]) -> Seen:
    return features if isinstance(features, Seen) else Seen(*[tf.nest.flatten(features)] * 2)


def texture_loss(of_hr: list[tf.Tensor], of_sr: list[tf.Tensor]) -> tf.Tensor:
    """How differently the activations of HR and of SR, (B, h, w, C) at each layer, go together within each window.

    With F (n, C) the activations of a window of n places and G = F'F / n, its Gram matrix (Gatys et al. 2015; in windows as in
    EnhanceNet, Sajjadi et al. 2017): |G_HR - G_SR| / |G_HR|, the mean over windows and layers. Texture of the right kind and
    strength costs nothing wherever in its window it lies. The first layer is taken to be as large as the picture.
    """
    terms = []
    for a, b in zip(of_hr, of_sr, strict=True):
        side = max(TEXTURE_SIDE * a.shape[2] // of_hr[0].shape[2], TEXTURE_LEAST)
        a, b = _grams(a, side), _grams(layers.forked(b), side)
        terms.append(tf.reduce_mean(_frobenius(a - b) / _frobenius(a)))
    return tf.add_n(terms) / len(terms)


def _grams(x: tf.Tensor, side: int) -> tf.Tensor:
    """(B, h, w, C) -> (B windows, C, C): the Gram matrix of each window of `side` places a side that fits in."""
    down, across, side = max(x.shape[1] // side, 1), max(x.shape[2] // side, 1), min(side, *x.shape[1:3])
    if x.dtype == tf.float16:  # their squares are beyond its range
        x = tf.cast(x, tf.float32)
    x = tf.reshape(x[:, : down * side, : across * side], (-1, down, side, across, side, x.shape[3]))
    x = tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, side * side, x.shape[5]))
    return tf.cast(tf.matmul(x, x, transpose_a=True), tf.float32) / side**2


def _frobenius(matrices: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(matrices), (-2, -1)) + 1e-12)


def adversarial_loss(settings: Loss, hr_logits: tf.Tensor, sr_logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """What the generator pays where D is not fooled: -log D(G(LR)) where `labels` are 1; paper eq. 6.

    A relativistic D judges HR by SR too: there it is the mean of this and of the same for HR, which is to be taken for SR.
    """
    if settings.adversarial == "standard":
        return cross_entropy(labels, sr_logits)
    return (cross_entropy(labels, sr_logits) + cross_entropy(1.0 - labels, hr_logits)) / 2.0


def discriminator_loss(hr_logits: tf.Tensor, sr_logits: tf.Tensor, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy on HR (labels `real`) plus that on SR (labels `fake`); 2 log 2 = 1.39 where D can only guess."""
    return cross_entropy(real, hr_logits) + cross_entropy(fake, sr_logits)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy of `logits`, (B, 1) or a map (B, H, W, 1), against `labels` (B, 1)."""
    labels = tf.broadcast_to(tf.reshape(labels, (-1, *[1] * (len(logits.shape) - 1))), tf.shape(logits))

    # The gradient is written out to be one tensor. TensorFlow's is a sum of four (AddN), of which D's and G's may share three; and
    # AddN begins with the first that nobody else needs any more, so that its order, and the last bits, would be a matter of timing.
    @tf.custom_gradient
    def each(logits):
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return loss, lambda upstream: upstream * (tf.sigmoid(logits) - labels)

    return tf.reduce_mean(each(logits))


def feature_matching(of_hr: list[tf.Tensor], of_sr: list[tf.Tensor]) -> tf.Tensor:
    """Mean absolute difference of D's features of HR and of SR, the mean over its layers (pix2pixHD, Wang et al. 2018, eq. 3).

    With D^(i) the features of layer i, of T: sum_i mean |D^(i)(HR) - D^(i)(SR)| / T. A perceptual loss without a trained network.
    Those of HR take no gradient.
    """
    pairs = zip(of_hr, of_sr, strict=True)
    differences = [tf.cast(tf.abs(tf.stop_gradient(a) - b), tf.float32) for a, b in pairs]
    return tf.add_n([tf.reduce_mean(difference) for difference in differences]) / len(differences)


def total_variation(sr: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of neighbouring pixels, down plus across."""
    down = tf.reduce_mean(tf.abs(sr[:, 1:] - sr[:, :-1]))
    across = tf.reduce_mean(tf.abs(sr[:, :, 1:] - sr[:, :, :-1]))
    return down + across


def chroma_loss(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of each channel less the mean of the three: of colour, whatever the brightness.

    The texture of photos is in their brightness, so that what a GAN invents in colour is seen as specks.
    """
    difference = hr - sr
    return tf.reduce_mean(tf.abs(difference - tf.reduce_mean(difference, axis=-1, keepdims=True)))


def spectrum_loss(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """How differently the power of HR and SR, (B, H, W, 3) each, is spread over frequencies and directions; in e-folds.

    With P the power spectrum of brightness, the mean over a picture's windows: the mean absolute difference of log P, over
    frequencies and pictures, SPECTRUM_EXCESS times where SR has more. What is too smooth lacks power at high frequencies; a pattern
    of whatever period and direction, as scales or hatching, is a peak that HR does not have. Texture may lie elsewhere than in HR:
    only its kind and amount count.
    """
    excess = _log_spectrum(sr) - _log_spectrum(hr)
    return tf.reduce_mean(tf.maximum(SPECTRUM_EXCESS * excess, -excess))


def _log_spectrum(images: tf.Tensor) -> tf.Tensor:
    """(B, H, W, 3) -> (B, side, side / 2 + 1): the log of the mean power spectrum of a picture's windows."""
    side = min(SPECTRUM_SIDE, *images.shape[1:3])
    windows = tf.signal.frame(tf.reduce_mean(images, -1), side, side // 2, axis=1)  # (B, down, side, W)
    windows = tf.signal.frame(windows, side, side // 2, axis=3)  # (B, down, side, across, side)
    windows = tf.transpose(windows, (0, 1, 3, 2, 4))
    hann = tf.signal.hann_window(side)
    windows = (windows - tf.reduce_mean(windows, (-2, -1), keepdims=True)) * (hann[:, None] * hann)
    spectrum = tf.signal.rfft2d(windows)
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    power /= tf.reduce_sum(tf.square(hann)) ** 2  # of white noise: its variance at each frequency
    return tf.math.log(tf.reduce_mean(power, (1, 2)) + SPECTRUM_FLOOR)


def cell_loss(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """The losses on phases and on steps, which see the 4x4 cells of the enlargement. The pictures as they are, not rolled."""
    return phase_loss(hr, sr) + step_loss(hr, sr)


def phase_loss(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """How differently the 16 places of a 4x4 cell stand out in SR and in HR, (B, H, W, 3) each, sides multiples of 4.

    With m_p the mean of place p of all cells in a window: the mean absolute difference of (m_p - mean_p m_p) between SR and HR,
    over places, windows and colours. A grid of period 4 (or 2) is exactly a difference of these means; texture of any other period
    averages out over a window.
    """
    return tf.reduce_mean(tf.abs(_phases(hr) - _phases(sr)))


def step_loss(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """The same for the steps between neighbouring pixels: (B, H, W, 3) each, sides multiples of 4.

    With s_p the mean |step| from place p of all cells to its neighbour: the mean absolute difference of (s_p - mean_p s_p) between
    SR and HR, over places and pictures, down plus across. Where the steps from cell to cell are larger than those within, a picture
    shows a crosshatch of short dashes, though no place stands out; in HR all places are alike.
    """
    return sum(tf.reduce_mean(tf.abs(_steps(hr, axis) - _steps(sr, axis))) for axis in (1, 2))


def _steps(images: tf.Tensor, axis: int) -> tf.Tensor:
    """(B, 4): the mean size of the step from each of the 4 places of a cell along `axis` to its neighbour, less the mean of all."""
    step = tf.abs(tf.roll(images, -1, axis) - images)  # in this order no two gradients share a tensor (see `cross_entropy`)
    means = tf.reduce_mean(step, [1 if axis == 2 else 2, 3])  # (B, H or W)
    places = tf.reduce_mean(tf.reshape(means, (-1, means.shape[1] // SCALE, SCALE)), 1)
    return places - tf.reduce_mean(places, 1, keepdims=True)


def _phases(images: tf.Tensor) -> tf.Tensor:
    """(B, H, W, 3) -> (B, windows down, windows across, 16, 3): the means of the 16 places less the mean of all."""
    cells = tf.nn.space_to_depth(images, SCALE)  # (B, H / 4, W / 4, 16 * 3)
    side = min(PHASE_CELLS, *cells.shape[1:3])
    means = tf.nn.avg_pool2d(cells, side, PHASE_STRIDE, "VALID")
    means = tf.reshape(means, (*means.shape[:3], SCALE**2, 3))
    return means - tf.reduce_mean(means, axis=3, keepdims=True)
