"""Export: what other programs open computes what Keras does, or is not written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from srgan.__main__ import main
from srgan.errors import SRGANError
from srgan.models import layers
from srgan.runs import weights
from srgan.runs.paths import PROJECT
from srgan.upscale import export
from tests.upscale.test_network import trained_like

KINDS = ("pixel_shuffle", "nearest", "espcn", "refined with a skip")  # the last two with a bicubic skip
LR = np.random.default_rng(1).random((2, 13, 22, 3), np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, tuple[Path, np.ndarray]]:
    """Of each kind of network, its weights in a file, and its SR of LR."""
    folder, known = tmp_path_factory.mktemp("weights"), {}
    for kind in KINDS:
        config, generator = trained_like(kind, norm=kind in ("pixel_shuffle", "nearest"))
        known[kind] = folder / f"{kind}.weights.h5", generator(LR, training=False).numpy()
        weights.save(known[kind][0], generator, config, {})
    return known


def run_savedmodel(path: Path) -> np.ndarray:
    loaded = tf.saved_model.load(path)
    return loaded.signatures["serving_default"](tf.constant(LR))["output_0"].numpy()


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def run_tflite(path: Path) -> np.ndarray:
    interpreter = tf.lite.Interpreter(model_path=str(path))
    interpreter.resize_tensor_input(0, LR.shape)
    interpreter.allocate_tensors()
    return interpreter.get_signature_runner()(lr=LR)["output_0"]


def run_onnx(path: Path) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the ONNX file is not run")
    return onnxruntime.InferenceSession(path.read_bytes()).run(["sr"], {"lr": LR})[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("format", "run"), [("savedmodel", run_savedmodel), ("tflite", run_tflite), ("onnx", run_onnx)])
def test_what_is_exported_computes_what_the_network_does(tmp_path, trained, kind, format, run):
    if format == "onnx":
        pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: nothing is exported to ONNX")
    path, expected = trained[kind]
    target, difference = export.export(path, format, tmp_path / f"it{export.SUFFIXES[format]}")
    assert expected.shape == (2, 52, 88, 3) and expected.std() > 0.05
    np.testing.assert_allclose(run(target), expected, atol=3e-5)
    assert 0 < difference < 1e-4
    assert os.listdir(tmp_path) == [target.name]


def test_a_keras_file_opens_where_nobody_knows_this_project(tmp_path, trained):
    """In a process of its own, in Keras's safe mode, called and by `predict`."""
    files = {kind: export.export(path, "keras", tmp_path / f"{kind}.keras")[0] for kind, (path, _) in trained.items()}
    np.save(tmp_path / "lr.npy", LR)
    code = """if True:
        import sys, keras, numpy as np
        lr = np.load(sys.argv[1])
        for path in sys.argv[2:]:
            model = keras.saving.load_model(path, safe_mode=True)
            np.savez(path + ".npz", called=model(lr), predicted=model.predict(lr, verbose=0))
        assert "srgan" not in sys.modules
    """
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "lr.npy", *files.values()], cwd=tmp_path, check=True, capture_output=True
    )
    for kind, (_, expected) in trained.items():
        with np.load(f"{files[kind]}.npz") as sr:
            np.testing.assert_allclose(sr["called"], expected, atol=3e-5)
            np.testing.assert_allclose(sr["predicted"], expected, atol=3e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (9, 5)])
def test_bicubic_by_convolution_is_the_layer_it_stands_for(size):
    lr = np.random.default_rng(2).random((1, *size, 3), np.float32)
    expected = layers.BicubicUpsampling()(lr)
    np.testing.assert_allclose(export.BicubicByConvolution()(lr), expected, atol=2e-6)


def test_a_network_that_differs_is_not_written(tmp_path, trained, monkeypatch):
    """By more than half a level, by its shape, by a number that is none."""
    path, _ = trained["espcn"]
    (tmp_path / "it.keras").write_text("mine")
    read = export._read_keras
    for spoil in (lambda sr: sr + 0.005, lambda sr: sr[:, 1:], lambda sr: np.where(sr == sr.max(), np.nan, sr)):
        monkeypatch.setitem(
            export.FORMATS, "keras", (export._write_keras, lambda path, spoil=spoil: lambda lr: spoil(read(path)(lr)))
        )
        with pytest.raises(SRGANError, match=r"it\.keras was not written: as keras the network differs from Keras by"):
            export.export(path, "keras", tmp_path / "it.keras", force=True)
    assert (tmp_path / "it.keras").read_text() == "mine" and os.listdir(tmp_path) == ["it.keras"]


def test_what_is_there_is_replaced_only_by_force_and_a_strangers_folder_never(tmp_path, trained):
    path, _ = trained["espcn"]
    target = tmp_path / "it"
    assert export.export(path, "savedmodel", target)[0] == target
    (target / "mine").touch()
    with pytest.raises(SRGANError, match=f"{target} is there already"):
        export.export(path, "savedmodel", target)
    export.export(path, "savedmodel", target, force=True)
    assert not (target / "mine").exists() and (target / "saved_model.pb").is_file() and os.listdir(tmp_path) == ["it"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.keras").mkdir()
    for format, name in (("savedmodel", "photos"), ("keras", "photos.keras")):
        with pytest.raises(SRGANError, match="is a folder of something else"):
            export.export(path, format, tmp_path / name, force=True)


@pytest.mark.parametrize("format", ["keras", "savedmodel", "tflite"])
@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path, trained, format):
    (tmp_path / "file").write_text("mine")
    target = tmp_path / "file" / f"it{export.SUFFIXES[format]}"
    with pytest.raises(SRGANError, match=f"{target} could not be written"):
        export.export(trained["espcn"][0], format, target)


def test_packages_that_onnx_needs_are_named(tmp_path, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(SRGANError, match="pip install tf2onnx onnxruntime"):
        export.export(trained["espcn"][0], "onnx", tmp_path / "it.onnx")
    assert os.listdir(tmp_path) == []


def test_the_command_exports_beside_the_weights_and_tells_the_difference(tmp_path, trained, capsys):
    config, generator = trained_like("espcn", norm=False)
    weights.save(tmp_path / "mine.weights.h5", generator, config, {})
    assert main(["export", str(tmp_path / "mine.weights.h5"), "--format", "keras"]) == 0
    told = capsys.readouterr().out
    assert str(tmp_path / "mine.keras") in told and "away from Keras" in told
    assert keras.saving.load_model(tmp_path / "mine.keras").count_params() == generator.count_params() + 3 * 16 * 48
    for arguments, words in (
        ([str(tmp_path / "mine.weights.h5"), "--format", "keras"], "is there already"),
        ([str(tmp_path / "mine.weights.h5"), "--format", "keras", "-o", str(tmp_path / "it.h5")], "must end in .keras"),
        ([str(tmp_path / "none.weights.h5"), "--format", "keras"], "There are no weights at"),
        (["vgg", "--format", "keras"], "There are no weights named vgg. Give a file that ends in .weights.h5, or one of srgan"),
    ):
        assert main(["export", *arguments]) == 1
        assert words in capsys.readouterr().err


def test_the_weights_that_come_with_the_project_have_names():
    assert weights.find("fast") == PROJECT / "model" / "fast.weights.h5"
