"""The study, small: notebook 07 on two folders of photos, with MobileNet features of random weights."""

from __future__ import annotations

import json

import keras
import nbformat
import numpy as np
import pytest
import skimage.data
from PIL import Image

from srgan.__main__ import main
from srgan.config import settings
from srgan.data import images, preparation
from srgan.errors import SRGANError
from srgan.results import frechet, frechet_features, metrics, study
from srgan.runs import notebook_runner
from srgan.runs.paths import PROJECT, Paths
from srgan.upscale import network
from tests.exercises import run_answers_too
from tools import readme, stamp
from tools.__main__ import main as tools

SMALL = {"blocks": 1, "filters": 8, "discriminator_filters": 4, "discriminator_dense": 8, "hr_size": 48, "batch_size": 4,
         "content": "pixels", "gan_steps": 6, "log_every": 2, "sample_every": 6, "test_fraction": 0.4}  # fmt: skip


def photo_folder(folder, names):
    folder.mkdir()
    for name in names:
        photo = getattr(skimage.data, name)()
        for i in range(4):
            Image.fromarray(photo[40 * i : 40 * i + 64, 100:170]).save(folder / f"{name}_{i}.png")
    return f"folder:{folder}"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The working directory after `python -m srgan study`."""
    workdir = tmp_path_factory.mktemp("study")
    keras.utils.set_random_seed(0)
    mobilenet = keras.applications.MobileNet((224, 224, 3), alpha=0.75, include_top=False, pooling="avg", weights=None)
    arrays = {
        frechet_features._array_name(layer, variable): variable.numpy() for layer in mobilenet.layers for variable in layer.weights
    }
    np.savez(workdir / "mobilenet.npz", **arrays)
    varied = photo_folder(workdir / "varied", ("coffee", "rocket"))
    faces = photo_folder(workdir / "faces", ("astronaut", "chelsea"))
    test = photo_folder(workdir / "faces_test", ("cat",))
    arguments = ["--varied", varied, "--faces", faces, "--faces-test", test, "--features", "mobilenet", "--workdir", str(workdir)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRGAN_MOBILENET", str(workdir / "mobilenet.npz"))
        assert main(["study", *arguments, *(f"--set={name}={value}" for name, value in SMALL.items())]) == 0
    return workdir


@pytest.fixture(scope="module")
def ran_small(tmp_path_factory):
    """The working directory after notebook 07 as it is by default, with a smaller network, and the answers to its exercises."""
    workdir = tmp_path_factory.mktemp("small")
    changes = {"blocks": 1, "filters": 8, "hr_size": 48, "batch_size": 4, "pretrain_steps": 20}
    with pytest.MonkeyPatch.context() as patch:
        run_answers_too(patch)
        name = notebook_runner.STUDY
        notebook_runner.execute(name, {"workdir": str(workdir), "changes": changes}, workdir / f"{name}.ipynb")
    return workdir


def test_by_default_the_notebook_downloads_nothing_and_scores_both_models_on_the_samples(ran_small):
    results = study.read(ran_small / "output" / "study")
    assert list(results["sets"]) == ["varied", "textures"] and set(results["steps"].values()) == {20}
    for domain, by in results["sets"].items():
        assert [scores["images"] for scores in by.values()] == [24] * 3
        for key, (value, low, high) in results["differences"][domain].items():
            assert low <= value <= high and value == pytest.approx(by["textures"][key] - by["varied"][key], abs=1e-3)
    assert not (ran_small / "data" / "downloads").exists() and not (ran_small / "data" / "features").exists()


def test_the_stored_results_are_those_of_the_page():
    page = (PROJECT / "docs" / "study.md").read_text(encoding="utf-8")
    assert study.table(study.stored()).markdown() in page


def test_the_interval_of_a_difference_holds_it_and_shrinks_with_more_pictures():
    rng = np.random.default_rng(0)

    def of(count, shift):
        values = rng.normal(size=count)
        features = rng.normal(size=(count, 3))
        return {"psnr_y": 30 + shift + values, "ssim_y": 0.8 + values / 100, "hr": features, "sr": features + shift}

    widths = []
    for count in (20, 500):
        value, low, high = study.difference(of(count, 0.0), of(count, 1.0))["psnr_y"]
        assert low < value < high
        widths.append(high - low)
    assert widths[0] > 3 * widths[1]


def test_two_groups_of_one_kind_come_nearer_the_more_they_hold():
    found = np.random.default_rng(0).normal(size=(400, 8))
    means = frechet.halves_apart(found, [10, 50, 200])
    assert means[10] > 3 * means[50] > 6 * means[200] > 0


def test_both_models_are_trained_alike_and_each_on_its_own_photos(ran):
    cards = {domain: json.loads((ran / "model" / f"study-{domain}" / "srgan.json").read_text()) for domain in study.PRESETS}
    assert [card["step"] for card in cards.values()] == [6, 6]
    assert cards["varied"]["network"] == cards["faces"]["network"]
    assert {card["preset"] for card in cards.values()} == {"coco44", "celeba44"}


def test_the_scores_are_those_of_the_models_on_the_held_out_photos(ran):
    results = study.read(ran / "output" / "study")
    assert set(results["sets"]) == {"varied", "faces"}
    assert results["features"] == "Frechet distance (MobileNet v1 0.75)"
    pairs = [(name, images.degrade(hr), hr) for name, hr in (
        (photo.name, images.centre_crop(images.read_image(photo), 48)) for photo in sorted((ran / "faces_test").iterdir())
    )]  # fmt: skip
    upscalers = {"bicubic": network.bicubic} | {
        domain: network.load(ran / "model" / f"study-{domain}" / "srgan.weights.h5") for domain in study.PRESETS
    }
    extract = frechet_features.mobilenet(ran / "mobilenet.npz")
    for key, upscaler in upscalers.items():
        scores = results["sets"]["faces"][key]
        made = [upscaler(lr) for _, lr, _ in pairs]
        assert scores["images"] == 4
        expected = np.mean([metrics.psnr_y(hr, sr) for sr, (_, _, hr) in zip(made, pairs, strict=True)])
        assert scores["psnr_y"] == pytest.approx(expected, abs=1e-3)
        apart = frechet.distance(frechet.gaussian([hr for _, _, hr in pairs], extract), frechet.gaussian(made, extract))
        assert scores["frechet"] == pytest.approx(apart, rel=1e-3, abs=1e-3)


def test_figures_and_the_executed_notebook_are_there(ran):
    folder = ran / "output" / "study"
    for name in ("frechet", "content", "strips_varied", "strips_faces"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    notebook = nbformat.read(folder / "notebooks" / "07_study.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 6
    assert all(output.get("name") != "stderr" for output in outputs)


def test_docs_get_the_table_and_no_faces(ran, tmp_path, monkeypatch, capsys):
    (tmp_path / "docs").mkdir()
    mark = readme.BEGIN.format("study-docs")
    (tmp_path / "docs" / "study.md").write_text(f"above\n{mark}\nold\n{readme.END}\nbelow\n")
    monkeypatch.setattr(readme, "PROJECT", tmp_path)
    assert tools(["study-docs", "--folder", str(ran / "output" / "study")]) == 0
    text = (tmp_path / "docs" / "study.md").read_text()
    assert text.startswith(f"above\n{mark}\n| held-out photos |") and text.endswith(f"{readme.END}\nbelow\n")
    assert "| faces (4 images) | Model B (faces) |" in text and "6 steps a model" in text
    assert {path.name for path in (tmp_path / "docs").iterdir()} == {
        "study.json", "study.md", "study_frechet.jpg", "study_content.jpg"}  # fmt: skip
    assert "study.md" in capsys.readouterr().out


def test_without_results_the_docs_say_what_to_run(tmp_path, capsys):
    assert tools(["study-docs", "--folder", str(tmp_path)]) == 1
    assert "no results of the study" in capsys.readouterr().err


def test_held_out_photos_are_the_data_sets_own_or_those_of_another(photos, tmp_path):
    config = settings(dataset=f"folder:{photos}", hr_size=32, sampling="centre")
    dataset = preparation.prepare(config, Paths(tmp_path, "x"))
    own = study.held_out(dataset)
    assert [name for name, _, _ in own] == dataset.test.names()
    other = study.held_out(dataset, f"folder:{photos}")
    assert len(other) == 8 and all(hr.shape == (32, 32, 3) and lr.shape == (8, 8, 3) for _, lr, hr in other)


def test_the_notebook_is_committed_as_stamp_writes_it():
    text = (notebook_runner.FOLDER / f"{notebook_runner.STUDY}.ipynb").read_text(encoding="utf-8")
    assert stamp.stamped(notebook_runner.STUDY, text) == text, "run python -m tools stamp"


def test_an_unknown_folder_of_results_is_refused(tmp_path):
    with pytest.raises(SRGANError, match="run notebook 07"):
        study.read(tmp_path)
