"""Every sentence that tells a person what to do (tests/advice.py) is followed here, and then it works."""

from __future__ import annotations

import ast
import errno
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import av
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from srgan.config import Config
from srgan.data import benchmarks, download, fetch, images, pictures, preparation, sources
from srgan.data.fetch import RemoteFile
from srgan.data.unpack import unpack
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import PRESETS, preset
from srgan.results import evaluation, frechet_features, measuring, report
from srgan.runs import drive, event_files, history, hosting, weights
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.paths import PROJECT, Paths, open_workdir, write_atomically
from srgan.runs.progress import Progress
from srgan.train import replicas, training
from srgan.upscale import export, files, image_files, size, targets, video, video_writer
from tests import advice, clips
from tests.archives import zip_of
from tests.servers import serve


def test_every_sentence_of_advice_has_a_test():
    assert advice.lacking() == []
    for name in advice.TESTS.values():
        file, _, function = name.rpartition("::")
        tree = ast.parse((PROJECT / (file or "tests/test_advice.py")).read_text(encoding="utf-8"))
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name


def refused(call, words: str) -> str:
    """The sentence in which `call()` is refused; it has `words` in it."""
    with pytest.raises(SRGANError) as told:
        call()
    assert words in str(told.value)
    return str(told.value)


def repeated(lr: np.ndarray) -> np.ndarray:
    return lr.repeat(4, 0).repeat(4, 1)


REPEATING = SimpleNamespace(bands=lambda lr: iter([repeated(lr)]))


def picture(path: Path, seed: int = 0, side: int = 48, colours: int = 3, dtype: type = np.uint8) -> Path:
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (side, side, colours), dtype)
    if dtype is np.uint8:
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels, photometric="rgb", metadata=None)
    return path


def photo_set(folder: Path, count: int = 6, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        picture(folder / f"{number}.png", number)
    return folder


# Images and films ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unknown", "wide", "moving", "clear", "deep", "vast"])
def test_kinds_of_files_to_choose(tmp_path, monkeypatch, kind):
    source, ending = tmp_path / "a.png", {"unknown": ".xyz", "deep": ".webp", "vast": ".bmp"}.get(kind, ".jpg")
    if kind == "wide":
        Image.new("L", (16_400, 1)).save(source)
    elif kind == "moving":
        source = source.with_suffix(".gif")
        Image.new("RGB", (9, 9), "red").save(source, save_all=True, append_images=[Image.new("RGB", (9, 9), "blue")])
    else:
        source = tmp_path / "a.tif" if kind == "deep" else source
        picture(source, colours=4 if kind == "clear" else 3, dtype=np.uint16 if kind == "deep" else np.uint8)
    monkeypatch.setattr(image_files, "LARGEST_BMP", 100 if kind == "vast" else 10**9)
    told = refused(lambda: files.upscale_file(source, tmp_path / f"o{ending}", REPEATING), "Choose")
    advised = re.findall(r"\.[a-z]+\b", told.rpartition("Choose")[2])
    assert advised
    for ending in advised:
        target = tmp_path / f"o{ending}"
        assert files.upscale_file(source, target, REPEATING) and pictures.read(target).frames[0].shape[1] % 4 == 0


@pytest.mark.parametrize("kind", ["rare", "floats", "empty", "cut", "raw"])
def test_images_that_are_refused(tmp_path, kind):
    path, whole = tmp_path / "a.tif", picture(tmp_path / "whole.png")
    pixels = pictures.read(whole).frames[0]
    if kind == "rare":
        tifffile.imwrite(path, np.moveaxis(pixels, 2, 0), photometric="rgb", tile=(16, 16), planarconfig="separate", metadata=None)
        refused(lambda: pictures.read(path), "open and save it in another program")
        tifffile.imwrite(path, np.moveaxis(tifffile.imread(path), 0, 2), photometric="rgb")
    elif kind == "floats":
        tifffile.imwrite(path, pixels / np.float32(255), photometric="rgb")
        refused(lambda: pictures.read(path), "Save it with 8 or 16 bits a channel")
        tifffile.imwrite(path, (tifffile.imread(path) * 255).round().astype(np.uint8), photometric="rgb")
    elif kind == "empty":
        path.touch()
        refused(lambda: pictures.read(path), "Copy or download it again")
        shutil.copy(whole, path)
    elif kind == "cut":
        Image.fromarray(pixels).save(path, "JPEG", quality=100, subsampling=0)
        content = path.read_bytes()
        path.write_bytes(content[:-200])
        refused(lambda: images.read_image(path), "Copy or download it again")
        path.write_bytes(content)
        assert images.read_image(path).shape == pixels.shape
        return
    else:
        tifffile.imwrite(path, pixels[..., 0].astype(np.uint16), photometric=32803, metadata=None,
                         extratags=[(33421, "H", 2, (2, 2), True), (33422, "B", 4, b"\0\1\1\2", True)])  # fmt: skip
        refused(lambda: pictures.read(path), "Save it as TIFF or JPEG in a program that develops photos")
        Image.fromarray(pixels).save(path)
    assert np.array_equal(pictures.read(path).frames[0], pixels)


@pytest.mark.parametrize(("bound", "limit"), [("LARGEST", 48 * 40), ("MOST_BYTES", 6000)])
def test_images_that_are_too_large(tmp_path, monkeypatch, bound, limit):
    path = picture(tmp_path / "a.png")
    monkeypatch.setattr(pictures, bound, limit)
    refused(lambda: pictures.read(path), "Cut it into parts")
    with Image.open(path) as image:
        image.crop((0, 0, 24, 48)).save(tmp_path / "left.png")
    assert pictures.read(tmp_path / "left.png").frames[0].shape == (48, 24, 3)


def test_packages_that_are_named(tmp_path, monkeypatch):
    listed = "".join((PROJECT / name).read_text() for name in ("requirements.txt", "tests/requirements.txt"))
    for package in ("pyvips", "pyvips-binary", "av", "tf2onnx", "onnxruntime"):
        assert re.search(rf"(?m)^{package}\b", listed)  # and so it is installed where these tests run
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x1cftypheic" + bytes(99))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    refused(lambda: pictures.read(path), "pip install pillow-heif")
    monkeypatch.setitem(sys.modules, "pillow_heif", stand_in_for_heif(monkeypatch))
    found = pictures.read(path)
    assert found.frames[0].shape == (3, 5, 3)
    assert found.notes == ["its 10 bits a channel became 8", "the first of 2 pictures"]


def stand_in_for_heif(monkeypatch) -> ModuleType:
    """Reads every HEIC as a picture of 5x3 pixels, the first of two, of 10 bits."""

    class Opened(PngImagePlugin.ImageFile.ImageFile):
        format, n_frames = "HEIF", 2

        def _open(self):
            self._mode, self._size, self.info = "RGB", (5, 3), {"bit_depth": 10}
            self.im, self.tile = Image.core.fill("RGB", (5, 3), (9, 8, 7)), []

        def load(self):
            return None

    def register() -> None:
        Image.init()
        monkeypatch.setitem(Image.OPEN, "HEIF", (lambda file, name: Opened(file, name), None))
        monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])

    module = ModuleType("pillow_heif")
    module.register_heif_opener = register
    return module


@pytest.mark.parametrize("kind", ["name", "colours", "empty", "cut", "large"])
def test_films_that_are_refused(tmp_path, monkeypatch, kind):
    clip, target = tmp_path / "clip.mp4", tmp_path / "o.mp4"
    clips.write(clip, tags={"colorspace": 8} if kind == "colours" else {})
    content, first = clip.read_bytes(), target
    if kind == "name":
        words, first = "Choose a name that ends so", tmp_path / "o.webm"
    elif kind == "colours":
        words = "convert it to BT.709"
    elif kind == "large":
        words = "Shrink it first"
        monkeypatch.setattr(video_writer, "WIDEST", 100)
    else:
        words = "Copy or download it again"
        clip.write_bytes(b"" if kind == "empty" else content[: content.index(b"moov") - 4])
    refused(lambda: video.upscale(clip, first, repeated, say=lambda sentence: None), words)
    if kind == "colours":
        clips.write(clip, tags={"colorspace": 1})
    elif kind == "large":
        clips.write(clip, size=(24, 16))
    else:
        clip.write_bytes(content)
    assert video.upscale(clip, target, repeated, say=lambda sentence: None).frames == 10
    with av.open(str(target)) as container:
        assert container.streams.video[0].width % 96 == 0


def test_names_of_results(tmp_path):
    source = picture(tmp_path / ("n" * 250 + ".png"))
    long = tmp_path / ("n" * 250 + "_x4.png")
    refused(lambda: files.upscale_file(source, long, REPEATING), "Choose a shorter one with -o")
    (job,) = targets.plan(
        [(source, Path(source.name))], str(tmp_path / "short.png"), lambda source: "_x4.png", lambda source: "how"
    )
    assert files.upscale_file(source, job.target, REPEATING)
    refused(lambda: files.upscale_file(source, source, REPEATING), "Choose another name")
    refused(lambda: files.upscale_file(source, job.target, REPEATING), "Choose another name, or overwrite it with --force")
    assert files.upscale_file(source, tmp_path / "other.png", REPEATING)
    assert files.upscale_file(source, job.target, REPEATING, force=True)


def test_sizes_that_are_refused():
    refused(lambda: size.wanted(scale=2, width=90), "give one of them")
    assert size.wanted(scale=2).scale == 2 and size.wanted(width=90).width == 90
    refused(lambda: size.Size(width=5).of(10, 10, Path("a.png")), "Choose another size")
    assert size.Size(width=20).of(10, 10, Path("a.png")) == (20, 20)
    refused(lambda: size.Size(16).of(6000, 6000, Path("a.png")), "Choose a smaller size, or cut it into parts")
    assert size.Size(4).of(6000, 6000, Path("a.png")) == (24_000, 24_000)
    assert size.Size(16).of(2000, 2000, Path("a.png")) == (32_000, 32_000)


def test_exports_that_are_refused(tmp_path):
    path = tmp_path / "a.weights.h5"
    told = refused(lambda: export.export(path, "jpeg"), "Choose one of")
    assert told.rpartition(": ")[2].rstrip(".").split(", ") == list(export.FORMATS)
    (tmp_path / "photos").mkdir()
    refused(lambda: export._refuse(path, tmp_path / "photos", "savedmodel", True), "Choose another name")
    export._refuse(path, tmp_path / "other", "savedmodel", True)


# Photos and downloads -----------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there(tmp_path):
    find = lambda: sources.photos(f"folder:{tmp_path}/mine", tmp_path / "data" / "downloads")  # noqa: E731
    refused(find, "Make it and put photos in it, or name another")
    photo_set(tmp_path / "mine", 2)
    assert len(find()) == 2


def test_too_few_photos(tmp_path):
    found = sources.photos(f"folder:{photo_set(tmp_path / 'mine', 3)}", tmp_path / "data" / "downloads")
    picture(tmp_path / "mine" / "0.png", side=24)
    config = preset("quick", dataset=f"folder:{tmp_path}/mine", hr_size=32, photos=3, smallest_side=40)
    refused(lambda: sources.choose(found, config), "Lower photos, smallest_side or hr_size")
    assert len(sources.choose(found, config.replace(photos=2))) == 2
    assert len(sources.choose(found, config.replace(smallest_side=24, hr_size=24))) == 3
    refused(lambda: sources.choose(found, config.replace(smallest_side=0)), "Lower")
    assert len(sources.choose(found, config.replace(smallest_side=0, hr_size=24))) == 3


def test_samples_that_are_gone(tmp_path, monkeypatch):
    for package in ("scikit-image", "matplotlib"):
        assert re.search(rf"(?m)^{package}\b", (PROJECT / "requirements.txt").read_text())
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_package_folder", lambda package: tmp_path)
        refused(lambda: sources.photos("samples"), "Install the versions in requirements.txt, or use a folder of your own")
        assert len(sources.photos(f"folder:{photo_set(tmp_path / 'mine', 2)}")) == 2
    assert len(sources.photos("samples")) == 16  # with those versions


def test_all_photos_held_out(tmp_path, paths):
    config = preset("quick", dataset=f"folder:{photo_set(tmp_path / 'mine', 2)}", hr_size=32, test_fraction=0.999)
    refused(lambda: preparation.prepare(config, paths), "Add photos, or lower test_fraction")
    assert len(preparation.prepare(config.replace(test_fraction=0.001), paths).train) == 1
    photo_set(tmp_path / "mine", 40, first=2)
    assert len(preparation.prepare(config.replace(test_fraction=0.9), paths).train) >= 1


def test_a_damaged_data_set_is_brought_back(tmp_path, paths):
    config = preset("quick", dataset=f"folder:{photo_set(tmp_path / 'mine')}", hr_size=32)
    dataset = preparation.prepare(config, paths)
    shutil.copytree(dataset.folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "mine")
    content = bytearray((dataset.folder / "train.u8").read_bytes())
    content[99] ^= 1
    (dataset.folder / "train.u8").write_bytes(content)
    told = refused(lambda: preparation.prepare(config, paths), "else bring back the folder")
    folder = Path(told.rpartition("the folder ")[2].rstrip("."))
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    assert preparation.prepare(config, paths).key == dataset.key


CONTENT = bytes(range(256)) * 40


def file_at(*mirrors: str) -> RemoteFile:
    return RemoteFile("a.bin", mirrors, len(CONTENT), f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_download_goes_on(tmp_path, capsys, by_hand):
    with serve() as server:
        server.files["a.bin"], server.cut = CONTENT, 1000
        file = file_at(server.address("breaks", "a.bin"))
        server.files["a.bin"] = CONTENT[:500]  # a server that has half of it
        told = refused(lambda: fetch.fetch(file, tmp_path), "run the same again later to go on. Or fetch it by hand")
        server.files["a.bin"] = CONTENT
        if by_hand:
            Path(re.search(r"put the file at (\S+);", told)[1]).write_bytes(CONTENT)
        assert fetch.fetch(file_at(server.address("good", "a.bin")), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("by_hand", [False, True])
def test_another_file_in_its_place(tmp_path, by_hand):
    (tmp_path / "a.bin").write_bytes(b"other")
    with serve() as server:
        server.files["a.bin"] = CONTENT
        file = file_at(server.address("good", "a.bin"))
        refused(
            lambda: fetch.fetch(file, tmp_path), "Move it away and run the same again; then it is fetched. Or put the right one"
        )
        if by_hand:
            (tmp_path / "a.bin").write_bytes(CONTENT)
        else:
            (tmp_path / "a.bin").rename(tmp_path / "mine")
        assert fetch.fetch(file, tmp_path).read_bytes() == CONTENT


def test_room_for_a_download(tmp_path, monkeypatch, full_disk):
    with serve() as server:
        server.files["a.bin"] = CONTENT
        file = file_at(server.address("good", "a.bin"))
        with monkeypatch.context() as patch:
            patch.setattr(download.shutil, "disk_usage", lambda folder: SimpleNamespace(free=9 if folder == tmp_path else 10**9))
            words = "Free some space or choose another working directory, then run the same again"
            refused(lambda: fetch.fetch(file, tmp_path), words)
            assert fetch.fetch(file, tmp_path / "other").read_bytes() == CONTENT
        with full_disk(after=300):
            refused(lambda: fetch.fetch(file, tmp_path), words)
        assert fetch.fetch(file, tmp_path).read_bytes() == CONTENT


def test_an_archive_that_is_damaged(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"a.jpg": b"photo" * 99})
    content = archive.read_bytes()
    archive.write_bytes(content[:50])
    refused(lambda: unpack(archive, tmp_path / "o", lambda name: name), "Remove it and run the same again")
    archive.unlink()
    archive.write_bytes(content)  # as it is fetched again
    unpack(archive, tmp_path / "o", lambda name: name)
    assert (tmp_path / "o" / "a.jpg").read_bytes() == b"photo" * 99


def test_an_archive_on_a_full_disk(tmp_path, full_disk):
    archive = zip_of(tmp_path / "a.zip", {"a.jpg": b"photo" * 999})
    with full_disk(after=100):
        refused(lambda: unpack(archive, tmp_path / "o", lambda name: name), "Free some space or choose another working directory")
    unpack(archive, tmp_path / "o", lambda name: name)
    assert (tmp_path / "o" / "a.jpg").is_file()


def test_benchmarks_by_hand(tmp_path, paths, monkeypatch):
    monkeypatch.setattr(benchmarks, "_image_by_image", lambda *_: refuse_to_fetch())
    monkeypatch.setattr(benchmarks, "_from_archive", lambda *_: refuse_to_fetch())
    folder = paths.data / "benchmarks" / "Set5"
    told = refused(lambda: benchmarks.fetch_benchmark("Set5", paths), "Or put the images at")
    assert f"{folder}/HR and {folder}/LR_x4 by hand" in told
    folder.mkdir(parents=True)
    refused(lambda: benchmarks.fetch_benchmark("Set5", paths), "Move it away and run the same again")
    folder.rename(tmp_path / "away")
    for side, pixels in (("HR", 40), ("LR_x4", 10)):
        (folder / side).mkdir(parents=True)
        picture(folder / side / "a.png", side=pixels)
    assert benchmarks.fetch_benchmark("Set5", paths) == folder and len(list(evaluation.benchmark(folder))) == 1


def refuse_to_fetch():
    raise SRGANError("There is no network.")


# Names that are told ------------------------------------------------------------------------------------------------


def test_presets_that_are_named():
    told = refused(lambda: preset("quik"), "Choose one of")
    named = re.sub(r"[.\s]", "", told.rpartition(": ")[2]).split(",")
    assert named == list(PRESETS) and all(isinstance(preset(name), Config) for name in named)


def test_features_that_are_named(tmp_path):
    told = refused(lambda: frechet_features.load("vgg", tmp_path), "choose one of: ")
    assert "fast" in told and frechet_features.load("fast", tmp_path) is not None


def test_names_of_weights(tmp_path):
    told = refused(lambda: weights.find("best"), "Give a file that ends in .weights.h5, or one of ")
    named = told.rpartition("one of ")[2].rstrip(".").split(", ")
    assert all(weights.find(name).is_file() for name in named)
    assert weights.find(str(tmp_path / "a.weights.h5")) == tmp_path / "a.weights.h5"


def test_a_benchmark_to_measure(tmp_path, monkeypatch):
    class Measuring(Exception):
        """It has begun."""

    monkeypatch.setattr(measuring, "Judge", lambda keys: raise_(Measuring))
    told = refused(lambda: measuring.measure(["bicubic"], ["Set5"], {}), "python -m srgan fetch Set5")
    assert told.endswith("fetch Set5")
    for side, pixels in (("HR", 40), ("LR_x4", 10)):
        (tmp_path / "Set5" / side).mkdir(parents=True)
        picture(tmp_path / "Set5" / side / "a.png", side=pixels)
    with pytest.raises(Measuring):
        measuring.measure(["bicubic"], ["Set5"], {"Set5": tmp_path / "Set5"})
    assert len(list(measuring.open_set("Set5", {"Set5": tmp_path / "Set5"}))) == 1


def test_numbers_of_other_measures(tmp_path):
    kept, measures = tmp_path / "a.json", {"psnr_y": "dB", "lpips": "of LPIPS"}
    kept.write_text(json.dumps({"measures": measures, "sets": {}}))
    refused(lambda: measuring._read(kept, {"psnr_y": "dB"}), "Name their files (docs/lpips.md), or another --json")
    assert measuring._read(kept, measures)["measures"] == measures  # with the files of LPIPS named
    assert measuring._read(tmp_path / "b.json", {"psnr_y": "dB"})["sets"] == {}


def raise_(error: type[Exception]):
    raise error


def test_without_a_gpu(monkeypatch):
    monkeypatch.setattr(hosting, "in_colab", lambda: False)
    assert hosting.how_to_attach_a_gpu().endswith("or choose the preset quick.")
    assert preset("quick").loss.content == "pixels"  # no feature network: minutes on a CPU (README)


# Places -------------------------------------------------------------------------------------------------------------


def test_places_that_refuse(tmp_path, monkeypatch, full_disk):
    write = lambda path: write_atomically(path, lambda temporary: temporary.write_bytes(bytes(5000)))  # noqa: E731
    with full_disk(after=100):
        refused(lambda: write(tmp_path / "a"), "Free some space or choose another place, then run the same again")
    write(tmp_path / "a")
    refused(lambda: write(tmp_path / "a" / "b"), "Something else is in the way: choose another place")
    write(tmp_path / "c" / "b")
    refused(lambda: write(tmp_path / ("n" * 256)), "Choose a shorter name")
    write(tmp_path / ("n" * 255))
    move = os.replace

    def locked(source, target):
        if Path(target).parent.name == "locked":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        move(source, target)

    monkeypatch.setattr(os, "replace", locked)
    refused(lambda: write(tmp_path / "locked" / "a"), "choose another one")
    write(tmp_path / "other" / "a")


def test_a_working_directory_that_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused(lambda: open_workdir(tmp_path / "file", "quick"), "Free some space or choose another one (workdir")
    assert open_workdir(tmp_path / "other", "quick").workdir == tmp_path / "other"


def test_drives_that_are_refused(tmp_path):
    told = refused(
        lambda: open_workdir(tmp_path / "here", "quick", tmp_path / "drive"), "If it is on a drive, mount it; if it is new"
    )
    name = re.search(r"mkdir (\S+)\)", told)[1]
    (tmp_path / name).mkdir()
    assert open_workdir(tmp_path / "here", "quick", tmp_path / "drive").drive == tmp_path / "drive"
    (tmp_path / "here" / "drive").mkdir()
    refused(lambda: open_workdir(tmp_path / "here", "quick", tmp_path / "here" / "drive"), "Choose another folder")


def test_a_drive_that_is_away(tmp_path):
    (tmp_path / "drive").mkdir()
    opened = open_workdir(tmp_path / "here", "quick", tmp_path / "drive")
    (tmp_path / "drive").rename(tmp_path / "away")
    refused(lambda: drive.fetch(opened, Progress()), "Mount it again and run the same again")
    (tmp_path / "away").rename(tmp_path / "drive")
    drive.fetch(opened, Progress())


def test_another_session(tmp_path):
    path = tmp_path / "a" / "session.json"
    with Heartbeat(path, print):
        refused(lambda: Heartbeat(path, print).__enter__(), "or wait until it has ended, or choose another run name")
        with Heartbeat(tmp_path / "b" / "session.json", print):
            pass
    with Heartbeat(path, print):
        pass


def test_histories_on_a_full_disk(tmp_path, full_disk):
    kept = history.History(tmp_path / "a.csv", ("step", "loss"))
    with full_disk(after=10):
        refused(lambda: kept.append({"step": 1, "loss": 2.0}), "Free some space and run the same again")
    kept = history.History(tmp_path / "a.csv", ("step", "loss"), kept.text)
    kept.append({"step": 1, "loss": 2.0})
    assert history.read(tmp_path / "a.csv") == [{"step": 1.0, "loss": 2.0}]
    source = Path(event_files.__file__).read_text()
    assert "Free some space and run the same again" in source  # done in tests/runs/test_event_files.py


# Weights and training -----------------------------------------------------------------------------------------------


def saved(path: Path, tiny: Config, value: float | None = None) -> Path:
    generator = networks.generator(tiny)
    if value is not None:
        generator.set_weights([np.full_like(each, value) for each in generator.get_weights()])
    path.parent.mkdir(exist_ok=True)
    about = {"stage": "srresnet", "step": 1, "seconds": 1.0, "settings": {}, "commit": "c", "machine": "m", "before": []}
    weights.save(path, generator, tiny, about)
    return path


def test_weights_that_went_wrong(tmp_path, tiny):
    good, wrong = saved(tmp_path / "good.weights.h5", tiny), saved(tmp_path / "wrong.weights.h5", tiny, np.nan)
    refused(lambda: weights.load(wrong), "take an earlier one")
    refused(lambda: weights.load(saved(tmp_path / "vast.weights.h5", tiny, 1e38)), "take an earlier one")
    assert weights.load(good).count_params()
    content = good.read_bytes()
    good.write_bytes(content[:-9])
    refused(lambda: weights.load(good), "Train again or restore it")
    good.write_bytes(content)
    assert weights.load(good).count_params()
    good.write_bytes(content[:-9])
    assert weights.load(saved(good, tiny)).count_params()  # as a training writes it


def test_weights_of_the_project_that_are_gone(tmp_path, monkeypatch, tiny):
    there = weights.shipped().keys()
    monkeypatch.setattr(weights, "shipped_folder", lambda: tmp_path / "model")
    refused(weights.shipped, "bring those of the project back (git checkout model), or train some and name them (--model FILE)")
    own = saved(tmp_path / "own.weights.h5", tiny)
    assert files.open_model(str(own))(np.zeros((3, 4, 3), np.uint8)).shape == (12, 16, 3)
    shutil.copytree(PROJECT / "model", tmp_path / "model", ignore=shutil.ignore_patterns("quick", "checkpoints"))
    assert weights.shipped().keys() == there


def test_weights_of_another_network(tmp_path, tiny):
    path, other = saved(tmp_path / "a.weights.h5", tiny), tiny.replace(filters=4)
    refused(lambda: weights.load_into(networks.generator(other), path, other), "Give this run the same settings")
    assert weights.load_into(networks.generator(tiny), path, tiny)["step"] == 1


class Silent(Progress):
    def say(self, sentence: str) -> None:
        pass

    def has_bar(self) -> bool:
        return False


def test_not_a_number(tiny, paths):
    """A checkpoint, then a rate so high that the loss is no number, then the lower one that the message advises."""
    training.fit(tiny, paths, "srresnet", Silent())
    wild = tiny.replace(pretrain_steps=8, pretrain_learning_rate=1e30)
    refused(lambda: training.fit(wild, paths, "srresnet", Silent()), "Lower the learning rate and run the same again")
    assert training.fit(wild.replace(pretrain_learning_rate=1e-4), paths, "srresnet", Silent()).step == 8


def test_a_checkpoint_of_other_settings(tiny, paths):
    training.fit(tiny.replace(pretrain_steps=2), paths, "srresnet", Silent())
    other = tiny.replace(filters=4, pretrain_steps=4)
    refused(lambda: training.fit(other, paths, "srresnet", Silent()), "Go back to the old ones, or begin anew beside it")
    assert training.fit(tiny, paths, "srresnet", Silent()).step == 4
    assert training.fit(other, Paths(paths.workdir, "NAME"), "srresnet", Silent()).step == 4


def test_reports(tiny, paths):
    config = tiny.replace(gan_steps=0, pretrain_steps=2)
    refused(lambda: report.page(config, paths), "Run notebook 02 first")
    training.fit(config, paths, "srresnet", Silent())
    assert "<h1" in report.page(config, paths)
    paths.output.mkdir(exist_ok=True)
    (paths.output / "results.json").write_text('{"sets": 5}')
    assert "run notebook 05 again" in report.page(config, paths)
    evaluation.evaluate(config, paths)
    assert "run notebook 05 again" not in report.page(config, paths)


def test_a_batch_for_two_devices(monkeypatch):
    monkeypatch.setattr(replicas, "count", lambda: 2)
    refused(lambda: replicas.refuse_uneven(3), "set batch_size to a multiple of 2, or hide some devices")
    replicas.refuse_uneven(4)
    monkeypatch.setattr(replicas, "count", lambda: 1)  # as with CUDA_VISIBLE_DEVICES=0
    replicas.refuse_uneven(3)


def test_workers_that_cannot_be_read(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{garbage")
    told = refused(replicas._workers, "unset it to train on this machine alone")
    monkeypatch.setenv("TF_CONFIG", re.search(r"such as (\{.*\}\});", told)[1])
    assert replicas._workers() == ["HOST:PORT", "HOST:PORT"] and json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0
    monkeypatch.delenv("TF_CONFIG")
    assert replicas._workers() == []
