from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import skimage.data
import tensorflow as tf

from srgan.data import images
from srgan.data.fetch import RemoteFile
from srgan.errors import SRGANError
from srgan.models import precision
from srgan.results import evaluation
from srgan.train import perceptual_features as features
from srgan.upscale import network as upscale
from tests.servers import serve

NOWHERE = Path("nowhere")  # nothing is downloaded
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


def in_range(image: np.ndarray) -> np.ndarray:
    """uint8 as the networks see HR: [-1, 1]."""
    return (image / 127.5 - 1).astype(np.float32)


@pytest.fixture(scope="module")
def vgg19() -> keras.Model:
    """The architecture with random weights."""
    with precision.policy("float32"):
        return keras.applications.VGG19(include_top=False, weights=None)


def of_vgg19(network: keras.Model, layer: str, dtype: str = "float32") -> features.Features:
    """Its features at `layer`."""
    names = features.layers_up_to("vgg19", layer)
    return features.vgg(names, features.convolutions_of(network, names), {layer: 1.0}, dtype)


def write_keras_file(network: keras.Model, path: Path) -> None:
    """The layout of Keras's own files: a group a layer, names in attributes."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in network.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [f"{layer.name}_{part}".encode() for part in ("W", "b")]
            for part, values in zip(("W", "b"), layer.get_weights(), strict=True):
                group[f"{layer.name}_{part}"] = values


def test_vgg_sees_what_keras_preprocessing_makes_of_0_to_255():
    identity = np.eye(3, dtype=np.float32)[None, None], np.full(3, 255, np.float32)  # the bias keeps ReLU out of it
    seen = features.vgg(["block1_conv1"], {"block1_conv1": identity}, {"block1_conv1": 1.0})(in_range(IMAGES)) - 255
    expected = keras.applications.vgg19.preprocess_input(IMAGES.astype(np.float32))
    np.testing.assert_allclose(seen, expected, atol=1e-3)


def test_features_are_multiplied_by_the_scale():
    identity = np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)
    once, scaled = (features.vgg(["block1_conv1"], {"block1_conv1": identity}, {"block1_conv1": s})(in_range(IMAGES))
                    for s in (1.0, 1 / 12.75))  # fmt: skip
    np.testing.assert_allclose(scaled, once / 12.75, rtol=1e-5)


@pytest.mark.parametrize("name", ["block1_conv1", "block2_conv2", "block2_pool", "block5_conv4"])
def test_features_are_the_activation_of_the_named_layer(vgg19, name):
    x = keras.applications.vgg19.preprocess_input(IMAGES.astype(np.float32))
    expected = x
    for layer in vgg19.layers[1:]:
        expected = layer(expected)
        if layer.name == name:
            break
    np.testing.assert_allclose(of_vgg19(vgg19, name)(in_range(IMAGES)), expected, rtol=1e-4, atol=1e-4)


def test_an_unknown_layer_names_the_layers_there_are():
    with pytest.raises(SRGANError, match=r"no layer block9_conv9\. Its layers are: block1_conv1, .*block5_conv4, block5_pool"):
        features.load("vgg19/block9_conv9", 1.0, NOWHERE)


def test_pixels_need_no_features():
    assert features.load("pixels", 1.0, NOWHERE) is None


@pytest.mark.parametrize("network", ["vgg19", "vgg16"])
def test_without_a_connection_the_error_says_what_to_do(network, monkeypatch, tmp_path):
    name = f"{network}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    with serve() as server:
        file = dataclasses.replace(features._KERAS[network], mirrors=(server.address("missing", name),))
        monkeypatch.setitem(features._KERAS, network, file)
        monkeypatch.delenv(f"SRGAN_{network.upper()}", raising=False)
        with pytest.raises(SRGANError) as caught:
            features.load(f"{network}/block2_conv2", 1.0, tmp_path)
    said = str(caught.value)
    assert f"{name} could not be fetched. What was tried:\n  {file.mirrors[0]}: HTTP 404" in said
    assert f"put the file at {tmp_path / name}" in said
    assert f"SRGAN_{network.upper()}=FILE" in said and 'content = "pixels"' in said
    assert list(tmp_path.iterdir()) == []


def test_addresses_and_checksums_are_those_of_keras(monkeypatch):
    """What Keras's own networks ask for, seen where they ask for it."""
    asked = {}

    def note(name, origin, file_hash=None, **keywords):
        asked[name] = ((origin,), f"md5:{file_hash}")
        raise Exception("that is all")

    monkeypatch.setattr(sys.modules[keras.utils.get_file.__module__], "get_file", note)
    for network, build in (("vgg19", keras.applications.VGG19), ("vgg16", keras.applications.VGG16)):
        with pytest.raises(Exception, match="that is all"):
            build(include_top=False, weights="imagenet")
        file = features._KERAS[network]
        assert asked[file.name] == (file.mirrors, file.checksum)


def test_the_weights_are_downloaded_once(vgg19, monkeypatch, tmp_path):
    write_keras_file(vgg19, tmp_path / "served.h5")
    content, folder = (tmp_path / "served.h5").read_bytes(), tmp_path / "data" / "features"
    monkeypatch.delenv("SRGAN_VGG19", raising=False)
    with serve() as server:
        server.files["vgg19.h5"] = content
        checksum = f"md5:{hashlib.md5(content).hexdigest()}"
        monkeypatch.setitem(
            features._KERAS, "vgg19", RemoteFile("vgg19.h5", (server.address("good", "vgg19.h5"),), len(content), checksum)
        )
        first, second = (features.load("vgg19/block1_conv2", 1.0, folder) for _ in range(2))
        assert len(server.asked) == 1
    np.testing.assert_array_equal(first(in_range(IMAGES)), second(in_range(IMAGES)))
    assert [path.name for path in folder.iterdir()] == ["vgg19.h5"]


@pytest.mark.parametrize("network", ["vgg19", "vgg16"])
def test_a_missing_weights_file_is_named(network, monkeypatch, tmp_path):
    monkeypatch.setenv(f"SRGAN_{network.upper()}", str(tmp_path / "gone.h5"))
    with pytest.raises(SRGANError, match=rf"SRGAN_{network.upper()} names .*gone\.h5, which is not a file"):
        features.load(f"{network}/block2_conv2", 1.0, NOWHERE)


def test_a_file_that_holds_no_weights_is_named(monkeypatch, tmp_path):
    (tmp_path / "torn.h5").write_bytes(b"not HDF5")
    monkeypatch.setenv("SRGAN_VGG19", str(tmp_path / "torn.h5"))
    with pytest.raises(SRGANError, match=r"VGG19 could not be loaded from .*torn\.h5"):
        features.load("vgg19/block2_conv2", 1.0, NOWHERE)


def test_a_weights_file_of_ones_own_is_used_and_in_float32(vgg19, monkeypatch, tmp_path):
    write_keras_file(vgg19, tmp_path / "vgg19_notop.h5")
    monkeypatch.setenv("SRGAN_VGG19", str(tmp_path / "vgg19_notop.h5"))
    with precision.policy("mixed_bfloat16"):
        loaded = features.load("vgg19/block3_conv1", 0.5, NOWHERE)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"  # as before the call
    expected = 0.5 * of_vgg19(vgg19, "block3_conv1")(in_range(IMAGES))
    assert np.std(expected) > 0
    np.testing.assert_allclose(loaded(in_range(IMAGES)), expected, rtol=1e-5, atol=1e-6)


# Several layers -----------------------------------------------------------------------------------------------------


def test_several_layers_have_a_weight_each_on_the_square_of_their_difference(vgg19, monkeypatch, tmp_path):
    monkeypatch.setattr(features, "_load", lambda network, local, folder: vgg19)
    both = features.load("vgg19/block1_conv2:0.25+block3_conv1", 0.5, tmp_path)(in_range(IMAGES))
    first, second = (of_vgg19(vgg19, layer)(in_range(IMAGES)) for layer in ("block1_conv2", "block3_conv1"))
    np.testing.assert_allclose(both[0], 0.5 * 0.25**0.5 * first, rtol=1e-5)
    np.testing.assert_allclose(both[1], 0.5 * second, rtol=1e-5)


def test_several_layers_are_given_in_the_order_of_the_network_whatever_the_order_of_their_names(vgg19, monkeypatch, tmp_path):
    monkeypatch.setattr(features, "_load", lambda network, local, folder: vgg19)
    both = features.load("vgg19/block2_conv1+block1_conv2:4", 1.0, tmp_path)(in_range(IMAGES))
    assert [of_layer.shape[-1] for of_layer in both] == [64, 128]
    np.testing.assert_allclose(both[0], 2 * of_vgg19(vgg19, "block1_conv2")(in_range(IMAGES)), rtol=1e-5)


@pytest.mark.parametrize("layers", ["a:b", "a:0", "a:-1", "a+", ":1", "a:inf"])
def test_weights_of_layers_that_are_none_are_refused(layers):
    with pytest.raises(SRGANError, match=r"Layers must be like block1_conv2:0\.1"):
        features.layer_weights(layers)


# Half precision -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vgg16(shared_data) -> tuple[list[str], features.Convolutions]:
    """All layers of VGG16 with true weights, which the trunk of LPIPS has."""
    names = features.layers_up_to("vgg16", "block5_conv3")
    places = ((0, 2), (6, 8), (12, 14, 16), (20, 22, 24), (28, 30, 32))
    stored = [f"net.slice{block}.{i}" for block, numbers in enumerate(places, start=1) for i in numbers]
    convolutions = [name for name in names if "conv" in name]
    with np.load(shared_data / "weights" / "stlpips_vgg16.npz") as arrays:
        return names, {
            name: (arrays[f"{at}.weight"].astype(np.float32).transpose(2, 3, 1, 0), arrays[f"{at}.bias"].astype(np.float32))
            for name, at in zip(convolutions, stored, strict=True)
        }


def loss_and_gradient(extract: features.Features, hr: np.ndarray, sr: np.ndarray) -> tuple[float, np.ndarray]:
    """The content loss, and its gradient in SR as one vector; scaled on the way as in float16 training."""
    sr = tf.constant(sr)
    with tf.GradientTape() as tape:
        tape.watch(sr)
        loss = tf.reduce_mean(tf.square(tf.stop_gradient(extract(tf.constant(hr))) - extract(sr)))
    scale = tf.constant(2.0**14)
    return float(loss), (tape.gradient(loss, sr, output_gradients=scale) / scale).numpy().ravel()


# Measured at the 13 layers: float16 0.9993 and better. bfloat16 has 8 bits of mantissa, and a ReLU whose input is rounded to the
# other side of zero has another gradient: cosines 0.9999, 0.990 and 0.983 at the first layers of blocks 1 to 3.
@pytest.mark.parametrize(("layer", "least"), [("block1_conv1", 0.9995), ("block2_conv1", 0.985), ("block4_conv1", 0.95)])
def test_features_of_photos_in_bfloat16_are_near_float32(vgg16, layer, least):
    hr = skimage.data.astronaut()[100:148, 200:248]
    sr = upscale.bicubic(images.degrade(hr))
    names = features.layers_up_to("vgg16", layer)
    found = {
        each: loss_and_gradient(features.vgg(names, vgg16[1], {layer: 1.0}, each), in_range(hr)[None], in_range(sr)[None])
        for each in ("float32", "bfloat16")
    }
    (loss, gradient), (exact_loss, exact) = found["bfloat16"], found["float32"]
    assert loss == pytest.approx(exact_loss, rel=0.02)
    assert gradient @ exact / np.linalg.norm(gradient) / np.linalg.norm(exact) > least


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_no_image_drives_half_precision_out_of_range(vgg16, dtype):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    extremes = in_range(np.stack([np.full((32, 32, 3), 255), np.zeros((32, 32, 3), int), noise]))
    factors = {name: 1.0 for name in vgg16[0] if "conv" in name}
    for of_layer in features.vgg(*vgg16, factors, dtype)(extremes):
        assert of_layer.dtype == tf.float32 and np.isfinite(of_layer).all()


@pytest.fixture(scope="module")
def vgg22(shared_data) -> features.Features:
    """block2_conv2 with true weights, scaled so that every channel has the mean 1 over ImageNet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRGAN_VGG19", str(shared_data / "weights" / "vgg19_normalised_to_conv3_1.npz"))
        return features.load("vgg19/block2_conv2", 1.0, NOWHERE)


def test_arrays_that_end_before_the_layer_are_told(shared_data, monkeypatch):
    monkeypatch.setenv("SRGAN_VGG19", str(shared_data / "weights" / "vgg19_normalised_to_conv3_1.npz"))
    with pytest.raises(SRGANError, match=r"does not hold VGG19 up to block5_conv4 .*conv32"):
        features.load("vgg19/block5_conv4", 1.0, NOWHERE)


def test_arrays_of_another_width_are_used_to_any_depth(tmp_path, monkeypatch):
    """Against the same convolutions by TensorFlow's plain operations; the names are of the other of the two kinds."""
    rng = np.random.default_rng(0)
    channels = {"11": (3, 4), "12": (4, 4), "21": (4, 6)}
    arrays = {f"conv{name}.weight": rng.normal(0, 0.2, (b, a, 3, 3)).astype(np.float32) for name, (a, b) in channels.items()}
    arrays |= {f"conv{name}.bias": rng.normal(0, 0.2, b).astype(np.float32) for name, (_, b) in channels.items()}
    np.savez(tmp_path / "small.npz", **arrays)
    monkeypatch.setenv("SRGAN_VGG19", str(tmp_path / "small.npz"))
    expected = keras.applications.vgg19.preprocess_input(IMAGES.astype(np.float32))
    for name in channels:
        kernel = arrays[f"conv{name}.weight"].transpose(2, 3, 1, 0)
        expected = tf.nn.relu(tf.nn.conv2d(expected, kernel, 1, "SAME") + arrays[f"conv{name}.bias"])
        if name == "12":
            expected = tf.nn.max_pool2d(expected, 2, 2, "VALID")
    seen = features.load("vgg19/block2_conv1", 0.5, NOWHERE)(in_range(IMAGES))
    np.testing.assert_allclose(seen, 0.5 * expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(SRGANError, match="no layer block2_conv5"):
        features.load("vgg19/block2_conv5", 1.0, NOWHERE)


def test_true_features_of_photos_have_the_mean_that_they_were_normalised_to(vgg22, shared_data):
    photos = [images.centre_crop(hr, 160) for _, _, hr in few(evaluation.benchmark(shared_data / "benchmarks" / "BSD100"), 16)]
    right = np.mean([vgg22(in_range(photo)[None]).numpy().mean((0, 1, 2)) for photo in photos], axis=0)
    # Fed [0, 1] where [-1, 1] belongs, everything is brighter and half as contrasty.
    wrong = np.mean([vgg22(photo[None] / 255.0).numpy().mean((0, 1, 2)) for photo in photos], axis=0)
    assert right.shape == (128,)
    assert np.median(right) == pytest.approx(1.0, abs=0.2)
    assert right.min() > 0.4 and right.max() < 2.0
    assert wrong.min() < 0.4


def few(iterator, count: int) -> list:
    with contextlib.closing(iterator):
        return [next(iterator) for _ in range(count)]


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_true_features_tell_a_photo_from_its_bicubic_version(vgg22, name):
    hr = getattr(skimage.data, name)()[:256, :256]
    bicubic = upscale.bicubic(images.degrade(hr))
    pixel_mse = np.mean((hr.astype(float) - bicubic) ** 2)
    # As wrong in pixels, and yet the same photo to the eye: a shade darker.
    darker = np.clip(hr - np.sqrt(pixel_mse), 0, 255)
    seen, blurred, dimmed = (vgg22(in_range(image)[None]).numpy() for image in (hr, bicubic, darker))
    assert np.mean((seen - blurred) ** 2) > 10 * np.mean((seen - dimmed) ** 2)
    assert blurred.std() < 0.9 * seen.std()


def test_the_gradient_passes_through_features_to_the_image(vgg19):
    extract = of_vgg19(vgg19, "block1_conv2")
    image = tf.constant(in_range(IMAGES))
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.reduce_sum(extract(image))
    slope = tape.gradient(loss, image).numpy()
    uphill = 1e-2 * slope / np.linalg.norm(slope)
    rise = float(tf.reduce_sum(extract(image + uphill)) - tf.reduce_sum(extract(image - uphill)))
    assert rise == pytest.approx(2e-2 * np.linalg.norm(slope), rel=0.05)
