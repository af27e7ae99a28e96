"""The networks behind the Fréchet distances: a small graph in the place of Inception, and the true MobileNet."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image

from srgan.__main__ import main
from srgan.data import images
from srgan.errors import SRGANError
from srgan.models import precision
from srgan.results import evaluation, frechet, frechet_features
from srgan.upscale import network

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(1, 1, 3, 5)).astype(np.float32)
NORM = {"moving_mean": 0.1, "moving_variance": 2.0, "beta": 0.3, "gamma": 1.0}
SIDE = 8  # that the small graph resizes to, where Inception has 299


def small_graph() -> tf.compat.v1.GraphDef:
    """A frozen graph like that of 2015: its names, its batch norm of GraphDef versions before 9, a batch of one at both ends."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        contents = v1.placeholder(tf.string, [], name="DecodeJpeg/contents")
        decoded = tf.io.decode_jpeg(contents, channels=3, name="DecodeJpeg")
        x = tf.expand_dims(tf.cast(decoded, tf.float32, name="Cast"), 0, name="ExpandDims")
        x = tf.raw_ops.ResizeBilinear(images=x, size=[SIDE, SIDE], name="ResizeBilinear")
        x = tf.multiply(tf.subtract(x, 128.0, name="Sub"), 1 / 128, name="Mul")
        x = tf.nn.conv2d(x, tf.constant(KERNEL), 1, "SAME", name="conv/Conv2D")
        x = tf.nn.avg_pool2d(tf.identity(x, name="conv"), SIDE, 1, "VALID", name="pool_3")
        tf.reshape(x, [1, 5], name="pool_3/_reshape")
    graph_def = graph.as_graph_def()
    inputs = ["conv/Conv2D"]
    for name, value in NORM.items():
        node = graph_def.node.add(name=f"conv/batchnorm/{name}", op="Const")
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.full(5, value, np.float32)))
        inputs.append(node.name)
    norm = graph_def.node.add(name="conv/batchnorm", op="BatchNormWithGlobalNormalization", input=inputs)
    norm.attr["T"].type = tf.float32.as_datatype_enum
    norm.attr["variance_epsilon"].f = 0.001
    norm.attr["scale_after_normalization"].b = False
    next(node for node in graph_def.node if node.name == "conv").input[0] = "conv/batchnorm"
    graph_def.versions.producer = 8
    return graph_def


@pytest.fixture
def graph_file(tmp_path, monkeypatch) -> Path:
    """The small graph, taken for the true one."""
    path = tmp_path / "graph" / frechet_features.INCEPTION.name
    path.parent.mkdir()
    path.write_bytes(small_graph().SerializeToString())
    content = path.read_bytes()
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    monkeypatch.setattr(
        frechet_features, "INCEPTION", dataclasses.replace(frechet_features.INCEPTION, bytes=len(content), checksum=checksum)
    )
    monkeypatch.delenv("SRGAN_INCEPTION", raising=False)
    return path


# Inception ----------------------------------------------------------------------------------------------------------


def test_the_features_are_pool_3_of_images_from_0_to_255_in_rgb(graph_file):
    pictures = RNG.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    # All of it is linear, and so the average over the pixels may be taken first.
    inner = ((pictures.astype(float) - 128) / 128).mean(axis=(1, 2)) @ KERNEL[0, 0]
    expected = (inner - NORM["moving_mean"]) / np.sqrt(NORM["moving_variance"] + 0.001) + NORM["beta"]
    found = frechet_features.inception(graph_file)(pictures)
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("height, width", [(20, 31), (5, 3)])
def test_a_batch_gives_what_the_graph_itself_makes_of_each_decoded_image(graph_file, height, width):
    pictures = RNG.integers(0, 256, (4, height, width, 3), np.uint8)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(small_graph(), name="")
        with tf.compat.v1.Session(graph=graph) as session:
            one_by_one = [session.run("pool_3/_reshape:0", {"DecodeJpeg:0": picture})[0] for picture in pictures]
    extract = frechet_features.inception(graph_file)
    np.testing.assert_allclose(extract(pictures), one_by_one, atol=1e-5)
    np.testing.assert_allclose(extract(pictures[:1]), one_by_one[:1], atol=1e-5)


def test_the_environment_names_the_graph_and_then_nothing_is_fetched(graph_file, tmp_path, monkeypatch):
    monkeypatch.setenv("SRGAN_INCEPTION", str(graph_file))
    assert frechet_features.inception_file(tmp_path / "empty") == graph_file
    monkeypatch.setenv("SRGAN_INCEPTION", str(tmp_path / "gone.pb"))
    with pytest.raises(SRGANError, match=r"SRGAN_INCEPTION names .*gone\.pb, which is not a file"):
        frechet_features.inception_file(tmp_path / "empty")


def test_a_graph_in_the_working_directory_is_used(graph_file, tmp_path):
    there = tmp_path / "work" / "data" / "features" / "classify_image_graph_def.pb"
    there.parent.mkdir(parents=True)
    there.write_bytes(graph_file.read_bytes())
    assert frechet_features.inception_file(tmp_path / "work") == there


@pytest.fixture
def server(tmp_path):
    """The address of a server on this machine, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/{frechet_features.INCEPTION.name}", folder / frechet_features.INCEPTION.name
        running.shutdown()
        thread.join()


def test_a_graph_that_is_not_there_is_fetched_once_into_the_working_directory(graph_file, server, tmp_path, monkeypatch):
    address, served = server
    served.write_bytes(graph_file.read_bytes())
    monkeypatch.setattr(frechet_features, "INCEPTION", dataclasses.replace(frechet_features.INCEPTION, mirrors=(address,)))
    path = frechet_features.inception_file(tmp_path / "work")
    assert path == tmp_path / "work" / "data" / "features" / "classify_image_graph_def.pb"
    assert path.read_bytes() == graph_file.read_bytes()
    served.unlink()
    assert frechet_features.inception_file(tmp_path / "work") == path


@pytest.mark.parametrize(
    "content, reason", [(None, "404"), (b"<html>Sign in</html>", "it offers 20 bytes"), (b"", "it broke off after 0 of")]
)
def test_a_graph_that_cannot_be_fetched_is_told_with_what_to_do_and_leaves_nothing(
    graph_file, server, tmp_path, monkeypatch, content, reason
):
    address, served = server
    if content is not None:
        served.write_bytes(content)
    monkeypatch.setattr(frechet_features, "INCEPTION", dataclasses.replace(frechet_features.INCEPTION, mirrors=(address,)))
    with pytest.raises(SRGANError) as caught:
        frechet_features.inception_file(tmp_path / "work")
    said = str(caught.value)
    assert reason in said and address in said and "inception-2015-12-05.tgz" in said and "SRGAN_INCEPTION=FILE" in said
    assert str(tmp_path / "work" / "data" / "features" / "classify_image_graph_def.pb") in said
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_only_the_true_graph_gives_what_is_called_fid(graph_file, monkeypatch, tmp_path):
    monkeypatch.undo()  # the true checksum
    monkeypatch.setenv("SRGAN_INCEPTION", str(graph_file))
    with pytest.raises(SRGANError, match=r"is not the Inception graph of 2015, .* \(it has [0-9,]+ bytes, not 95,673,916"):
        frechet_features.load("inception", tmp_path)


def test_unknown_features_name_those_there_are(tmp_path):
    with pytest.raises(SRGANError, match='There are no features "vgg"; choose one of: inception, mobilenet'):
        frechet_features.load("vgg", tmp_path)


def test_no_other_features_are_called_fid():
    assert [key for key, name in frechet_features.NAMES.items() if "FID" in name] == ["inception"]


# The shell ----------------------------------------------------------------------------------------------------------


def save_folder(folder: Path, pictures) -> Path:
    folder.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return folder


def test_the_shell_prints_the_distance_with_its_counts(graph_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SRGAN_INCEPTION", str(graph_file))
    sets = [RNG.integers(low, 256, (count, SIDE, SIDE, 3), np.uint8) for low, count in ((0, 6), (100, 9))]
    folders = [save_folder(tmp_path / name, pictures) for name, pictures in zip("ab", sets, strict=True)]
    assert main(["frechet", *map(str, folders), "--workdir", str(tmp_path)]) == 0
    extract = frechet_features.inception(graph_file)
    value = frechet.distance(*(frechet.fit(extract(pictures)) for pictures in sets))
    assert capsys.readouterr().out == f"FID {value:.2f} (6 images against 9: fewer than 500, so it says little)\n"
    assert value > 0.1


def test_the_shell_tells_in_words_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SRGAN_INCEPTION", str(tmp_path / "gone.pb"))
    folder = save_folder(tmp_path / "a", np.zeros((2, 8, 8, 3), np.uint8))
    assert main(["frechet", str(folder), str(tmp_path / "nowhere")]) == 1
    assert f"There is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
    assert main(["frechet", str(folder), str(folder)]) == 1
    assert "gone.pb, which is not a file" in capsys.readouterr().err
    assert main(["frechet", str(folder), str(folder), "--features", "vgg"]) == 1
    assert 'There are no features "vgg"' in capsys.readouterr().err


# MobileNet ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights_file(shared_data) -> Path:
    path = shared_data / "weights" / "mobilenet_v1_0.75_224.npz"
    if not path.is_file():
        pytest.skip(f"There is no {path}, the weights of MobileNet.")
    return path


@pytest.fixture(scope="module")
def mobilenet(weights_file) -> frechet_features.Extractor:
    with precision.policy("mixed_bfloat16"):  # which it must not take over
        return frechet_features.mobilenet(weights_file)


@pytest.mark.parametrize("name, classes", [("chelsea", {281, 282, 285}), ("coffee", {967})])  # tabby, tiger, Egyptian cat; espresso
def test_mobilenet_knows_what_is_on_the_sample_photos(mobilenet, weights_file, name, classes):
    photo = getattr(skimage.data, name)()
    features = mobilenet(images.centre_crop(photo, min(photo.shape[:2]))[None])
    assert features.shape == (1, 768)
    with np.load(weights_file) as arrays:
        logits = features @ arrays["conv_preds/kernel"][0, 0] + arrays["conv_preds/bias"]
    assert int(np.argmax(logits)) in classes
    odds = np.exp(logits - logits.max())
    assert odds[0, sorted(classes)].sum() / odds.sum() > 0.6


def test_mobilenet_sees_what_keras_preprocessing_makes_of_0_to_255(mobilenet, weights_file):
    pictures = np.stack([skimage.data.coffee()[:224, :224], skimage.data.chelsea()[:224, :224]])
    seen = keras.applications.mobilenet.preprocess_input(pictures.astype(np.float32))
    expected = frechet_features._mobilenet_network(weights_file)(seen, training=False)
    np.testing.assert_allclose(mobilenet(pictures), expected, atol=1e-4)


def test_mobilenet_sees_images_of_any_size_as_pillow_would_resize_them(mobilenet):
    pictures = np.stack([skimage.data.coffee()[:300, :400], skimage.data.chelsea()[:300, :400]])
    for picture, found in zip(pictures, mobilenet(pictures), strict=True):
        # Pillow's bilinear filter is antialiased, too; but it rounds to whole gray levels.
        expected = mobilenet(images.resize(picture, 224, 224, Image.Resampling.BILINEAR)[None])[0]
        aliased = mobilenet(images.resize(picture, 224, 224, Image.Resampling.NEAREST)[None])[0]
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
        assert np.linalg.norm(found - expected) < 0.2 * np.linalg.norm(found - aliased)


def test_its_distance_grows_with_the_damage(mobilenet, shared_data):
    pairs = evaluation.benchmark(shared_data / "benchmarks" / "Set5")
    hr = [images.centre_crop(hr, 224) for _, _, hr in pairs]
    noisy = [np.clip(h + RNG.normal(0, 2, h.shape), 0, 255).astype(np.uint8) for h in hr]
    bicubic, nearest = ([enlarge(images.degrade(h)) for h in hr] for enlarge in (network.bicubic, network.nearest))
    truth = frechet.gaussian(hr, mobilenet)
    values = [frechet.distance(truth, frechet.gaussian(pictures, mobilenet)) for pictures in (hr, noisy, bicubic, nearest)]
    assert values[0] < 1e-3
    assert values == sorted(values) and values[2] > 3 * values[1]


def test_the_environment_names_the_weights_of_mobilenet(mobilenet, weights_file, monkeypatch, tmp_path):
    monkeypatch.setenv("SRGAN_MOBILENET", str(weights_file))
    picture = skimage.data.chelsea()[None, :224, :224]
    np.testing.assert_allclose(frechet_features.load("mobilenet", tmp_path)(picture), mobilenet(picture), atol=1e-5)


def test_a_file_that_holds_other_arrays_is_told(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(SRGANError, match=r"MobileNet v1 0\.75 could not be loaded from .*other\.npz .*SRGAN_MOBILENET=FILE"):
        frechet_features.mobilenet(tmp_path / "other.npz")
    with pytest.raises(SRGANError, match=r"gone\.npz"):
        frechet_features.mobilenet(tmp_path / "gone.npz")


def test_without_a_file_keras_is_asked_for_its_weights(monkeypatch):
    def refuse(*arguments, **keywords):
        raise OSError("no route to host")

    monkeypatch.setattr(sys.modules[keras.utils.get_file.__module__], "get_file", refuse)
    with pytest.raises(SRGANError, match=r"could not be loaded from the network \(no route to host\)\. .*SRGAN_MOBILENET=FILE"):
        frechet_features.mobilenet(None)
