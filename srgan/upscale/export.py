"""Trained weights as a file that other programs open: .keras, SavedModel, TFLite, ONNX; each compared with what Keras computes.

All take LR (B, H, W, 3) float32 in [0, 1] and give SR (B, 4 H, 4 W, 3) float32, trained towards [-1, 1] and not clipped, so that
pixels are (SR + 1) * 127.5, rounded, between 0 and 255. Any B, H and W. Batch norm is folded into the convolutions.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srgan.config import SCALE, settings
from srgan.data.images import to_float
from srgan.errors import SRGANError
from srgan.models import layers, precision
from srgan.runs import weights
from srgan.runs.paths import remove_abandoned, temporary_name, write_atomically
from srgan.upscale.folding import folded
from srgan.upscale.network import probe
from srgan.upscale.targets import require_free

SUFFIXES = {"keras": ".keras", "savedmodel": "_savedmodel", "tflite": ".tflite", "onnx": ".onnx"}
PROBES = ((48, 40), (17, 31), (1, 1))  # heights and widths of the LR that are compared
TOLERANCE = 1 / 255  # of SR: half a level of 8 bits

Run = Callable[[np.ndarray], np.ndarray]  # LR (1, H, W, 3) -> SR (1, 4 H, 4 W, 3)


def export(path: Path, format: str, target: Path | None = None, *, force: bool = False) -> tuple[Path, float]:
    """Write the weights at `path` as `format` to `target` (default: beside them).

    Returns where it lies and its largest difference from Keras over the probes. Raises SRGANError as `weights.load` does, for a
    target that is there already unless `force`, for packages that are missing, and for a difference above TOLERANCE; then nothing
    is written.
    """
    if format not in SUFFIXES:
        raise SRGANError(f'There is no format "{format}". Choose one of: {", ".join(SUFFIXES)}.')
    target = target or path.with_name(path.name.removesuffix(".weights.h5") + SUFFIXES[format])
    _refuse(path, target, format, force)
    config = settings(**weights.card(path)["network"])
    generator = folded(weights.load(path), config, last_shuffle=True)
    write, read = FORMATS[format]
    differences = []

    def checked(temporary: Path) -> None:
        write(generator, temporary)
        differences.append(difference(generator, read(temporary)))
        if not differences[0] <= TOLERANCE:
            raise SRGANError(f"{target} was not written: as {format} the network differs from Keras by {differences[0]:.2g} of SR.")

    if format == "savedmodel":
        _write_folder(target, checked)
    else:
        write_atomically(target, checked)
    return target, differences[0]


def difference(generator: keras.Model, run: Run) -> float:
    """The largest difference in SR between `generator` and `run` over LR of several sizes; infinite where shapes differ."""
    differences = []
    for height, width in PROBES:
        lr = to_float(probe()[None, :height, :width])
        expected, sr = generator(lr, training=False).numpy(), run(lr)
        differences.append(np.abs(sr - expected).max() if sr.shape == expected.shape else np.inf)
    return float(np.max(differences))  # not a number if one of them is none


def _refuse(path: Path, target: Path, format: str, force: bool) -> None:
    """Raise SRGANError where `target` cannot be meant."""
    if format != "savedmodel" and target.suffix != SUFFIXES[format]:
        raise SRGANError(f"{target}: a file of the format {format} must end in {SUFFIXES[format]}.")
    require_free(target, path, force)
    if target.is_dir() and not (target / "saved_model.pb").is_file():
        raise SRGANError(f"{target} is a folder of something else, which is never overwritten. Choose another name.")


def _write_folder(target: Path, write: Callable[[Path], None]) -> None:
    """As `write_atomically`, for a folder; an old one goes only when the new one is whole."""
    temporary, old = temporary_name(target), temporary_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target)
        write(temporary)
        with contextlib.suppress(FileNotFoundError):
            target.rename(old)
        temporary.rename(target)
    except (OSError, tf.errors.OpError) as error:
        raise SRGANError(f"{target} could not be written ({getattr(error, 'strerror', None) or error}).") from error
    finally:
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


# The network in other layers -----------------------------------------------------------------------------------------


def stock(generator: keras.Model) -> keras.Model:
    """The same network of nothing but Keras's own layers."""

    def stand_in(layer: keras.layers.Layer) -> keras.layers.Layer | None:
        if isinstance(layer, layers.PixelShuffle):
            return keras.layers.Conv2DTranspose(layer.output.shape[-1], layer.factor, layer.factor, use_bias=False,
                                                kernel_initializer="zeros", name=layer.name)  # fmt: skip
        if isinstance(layer, layers.BicubicUpsampling):
            return keras.layers.UpSampling2D(SCALE, interpolation="bicubic", name=layer.name)

    return _rebuilt(generator, stand_in)


def portable(generator: keras.Model) -> keras.Model:
    """The same network of operations that every format has, traced with images of any size."""

    def stand_in(layer: keras.layers.Layer) -> keras.layers.Layer | None:
        if isinstance(layer, layers.BicubicUpsampling):
            return BicubicByConvolution(name=layer.name)
        if isinstance(layer, keras.layers.UpSampling2D):
            return NearestByShuffle(name=layer.name)

    return _rebuilt(generator, stand_in)


_TRAIN_BETTER = (layers.Fork, layers.PReLU, layers.LeakyReLU, layers.Conv2D)  # each beside its class of Keras's


def _rebuilt(generator: keras.Model, stand_in: Callable) -> keras.Model:
    """A copy with `stand_in(layer)` for each layer where that gives one, and Keras's own for those that only train better here."""

    def copy_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = type(layer).__base__ if isinstance(layer, _TRAIN_BETTER) else type(layer)
        # What the weights once began as does not matter, and other versions of Keras may not know it.
        begin = {name: "zeros" for name in layer.get_config() if name.endswith("_initializer")}
        return stand_in(layer) or kind.from_config(layer.get_config() | begin)

    with precision.policy("float32"):
        copy = keras.models.clone_model(generator, clone_function=copy_of)
    for layer in copy.layers:
        original = generator.get_layer(layer.name)
        if isinstance(original, layers.PixelShuffle) and layer.weights:
            layer.set_weights([_shuffle_kernel(original.factor, layer.filters)])
        elif layer.weights:
            layer.set_weights(original.get_weights())
    return copy


def _shuffle_kernel(factor: int, channels: int) -> np.ndarray:
    """(r, r, C, r r C): by it a transposed convolution with stride r moves channel (i r + j) C + c to row i, column j."""
    return np.eye(factor * factor * channels, dtype=np.float32).reshape(factor, factor, channels, -1)


class NearestByShuffle(keras.layers.Layer):
    """Every pixel two by two: (B, H, W, C) -> (B, 2 H, 2 W, C)."""

    def call(self, x):
        return tf.nn.depth_to_space(tf.concat(4 * [x], axis=-1), 2)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height and 2 * height, width and 2 * width, channels


class BicubicByConvolution(layers.BicubicUpsampling):
    """Each of the 4x4 pixels that one becomes is a weighted mean of 5x5; beyond the edge nothing counts."""

    def call(self, x):
        kernel = tf.constant(_bicubic_kernel())
        within = tf.nn.conv2d(tf.ones_like(x), kernel, 1, "SAME")  # the sum of the weights that do not lie beyond the edge
        return tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME") / within, SCALE)


def _bicubic_kernel() -> np.ndarray:
    """(5, 5, 3, 48): to channel (4 i + j) 3 + c what the pixel at row i, column j of the 16 takes from channel c (Keys 1981)."""
    places, phases = np.arange(-2, 3)[:, None], (np.arange(SCALE) + 0.5) / SCALE - 0.5
    x = np.abs(places - phases)
    along = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))  # a = -1/2
    return np.einsum("ai,bj,cd->abcijd", along, along, np.eye(3)).reshape(5, 5, 3, -1).astype(np.float32)


# The formats ---------------------------------------------------------------------------------------------------------


def _write_keras(generator: keras.Model, path: Path) -> None:
    stock(generator).save(path)


def _read_keras(path: Path) -> Run:
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return lambda lr: model(lr, training=False).numpy()


def _write_savedmodel(generator: keras.Model, path: Path) -> None:
    portable(generator).export(path, format="tf_saved_model", verbose=False)


def _read_savedmodel(path: Path) -> Run:
    loaded = tf.saved_model.load(path)
    return lambda lr: loaded.serve(tf.constant(lr)).numpy()


def _write_tflite(generator: keras.Model, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # straight from the model, its variables would be left out without a word
        _write_savedmodel(generator, Path(folder))
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def _read_tflite(path: Path) -> Run:
    with warnings.catch_warnings():  # of the package that is to replace it one day
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_path=str(path))

    def run(lr: np.ndarray) -> np.ndarray:
        place = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(place, lr.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, lr)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


def _write_onnx(generator: keras.Model, path: Path) -> None:
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx
    except ImportError as error:
        raise SRGANError(f"ONNX needs the package {error.name}: pip install tf2onnx onnxruntime") from error
    model = portable(generator)
    signature = [tf.TensorSpec((None, None, None, 3), tf.float32, name="lr")]
    function = tf.function(lambda lr: {"sr": model(lr, training=False)}, input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=13, output_path=str(path))


def _read_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda lr: session.run(None, {"lr": lr})[0]


FORMATS = {
    "keras": (_write_keras, _read_keras),
    "savedmodel": (_write_savedmodel, _read_savedmodel),
    "tflite": (_write_tflite, _read_tflite),
    "onnx": (_write_onnx, _read_onnx),
}
