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
