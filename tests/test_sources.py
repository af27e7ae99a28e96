"""Where photos come from: the samples' fixed split, and what counts as a photo in a folder of one's own."""

import os
import threading
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from srgan import sources
from srgan.errors import SRGANError
from srgan.images import read_image


def put(path: Path) -> Path:
    """A small image at `path`, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, format="PNG")
    return path


def names(folder: Path) -> list[str]:
    return [photo.name for photo in sources.photos(f"folder:{folder}")]


# The samples --------------------------------------------------------------------------------------------------------


def test_the_samples_have_a_split_fixed_by_name():
    split = {"train": [], "test": []}
    for photo in sources.photos("samples"):
        split[photo.split].append(photo.name)
    assert split["test"] == ["chelsea.png", "coffee.png"]
    assert split["train"] == [
        "astronaut.png", "brick.png", "camera.png", "coins.png", "grace_hopper.jpg", "grass.png", "gravel.png",
        "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg", "rocket.jpg",
    ]  # fmt: skip
    assert not set(split["train"]) & set(split["test"])


def test_the_samples_are_the_photos_that_their_packages_give_out():
    paths = {photo.name: photo.path for photo in sources.photos("samples")}
    assert (read_image(paths["chelsea.png"]) == skimage.data.chelsea()).all()
    assert (read_image(paths["coins.png"])[..., 1] == skimage.data.coins()).all()
    assert (read_image(paths["motorcycle_right.png"]) == skimage.data.stereo_motorcycle()[1]).all()
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=True) as file:
        assert paths["grace_hopper.jpg"].read_bytes() == file.read()


def test_a_photo_knows_its_size_on_disk():
    chelsea = next(photo for photo in sources.photos("samples") if photo.name == "chelsea.png")
    assert chelsea.bytes == len(chelsea.path.read_bytes())


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(SRGANError, match=r"need the package skimage: pip install -r requirements\.txt"):
        sources.photos("samples")


def test_samples_that_a_package_no_longer_ships_are_named(monkeypatch):
    monkeypatch.setattr(sources, "_SKIMAGE_TEST", ("chelsea.png", "dodo.png"))
    with pytest.raises(SRGANError, match=r"The sample photos dodo\.png are not where scikit-image and matplotlib ship them"):
        sources.photos("samples")


# A folder -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_read_with_all_its_subfolders_in_order_of_name(tmp_path):
    for name in ("b.png", "a/z.JPG", "a/b/c.tiff", "Z.webp", "d.jpeg", "e.Bmp", "f.gif", "g.tif"):
        put(tmp_path / name)
    assert names(tmp_path) == ["Z.webp", "a/b/c.tiff", "a/z.JPG", "b.png", "d.jpeg", "e.Bmp", "f.gif", "g.tif"]
    assert [photo.path.samefile(tmp_path / photo.name) for photo in sources.photos(f"folder:{tmp_path}")] == [True] * 8
    assert {photo.split for photo in sources.photos(f"folder:{tmp_path}")} == {""}


def test_what_is_no_image_file_is_ignored(tmp_path):
    put(tmp_path / "a.png")
    for name in ("notes.txt", "weights.h5", "png", "a.png.part", "photo.raw"):
        (tmp_path / name).write_text("words")
    put(tmp_path / "album.jpg" / "b.png")  # a folder with an image's suffix is a folder
    assert names(tmp_path) == ["a.png", "album.jpg/b.png"]


def test_hidden_files_and_what_lies_in_hidden_folders_are_ignored(tmp_path):
    folder = tmp_path / ".cache" / "photos"  # the folder itself may well lie in a hidden one
    for name in ("a.png", ".hidden.png", "sub/._a.png", ".ipynb_checkpoints/a-checkpoint.png", "sub/.trash/deep/b.png"):
        put(folder / name)
    assert names(folder) == ["a.png"]


def test_a_link_to_a_photo_is_a_photo_and_a_dead_link_is_none(tmp_path):
    put(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "photos" / "dead.png").symlink_to(tmp_path / "nowhere.png")
    assert names(tmp_path / "photos") == ["link.png"]


def test_a_link_to_the_folder_itself_is_the_folder(tmp_path):
    put(tmp_path / "photos" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    assert names(tmp_path / "link") == ["a.png"]


def test_links_in_a_circle_end(tmp_path):
    put(tmp_path / "photos" / "sub" / "a.png")
    (tmp_path / "photos" / "sub" / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "here").symlink_to(".")
    (tmp_path / "photos" / "self.png").symlink_to("self.png")
    found = []
    search = threading.Thread(target=lambda: found.extend(names(tmp_path / "photos")), daemon=True)
    search.start()
    search.join(timeout=20)
    assert not search.is_alive() and found == ["sub/a.png"]


def test_a_name_that_is_not_utf_8_can_be_printed_and_the_photo_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    try:
        put(path)
    except OSError:
        pytest.skip("This file system takes no such name.")
    (photo,) = sources.photos(f"folder:{tmp_path}")
    assert photo.name.encode("utf-8") == rb"caf\xe9.png"
    assert np.array_equal(read_image(photo.path), np.zeros((4, 4, 3)))


def test_home_is_understood(tmp_path, monkeypatch):
    put(tmp_path / "holidays" / "a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [photo.name for photo in sources.photos("folder:~/holidays")] == ["a.png"]


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_folder_that_is_none_is_told_with_what_to_do(tmp_path, name):
    put(tmp_path / "file")
    with pytest.raises(SRGANError, match=f"There is no folder {tmp_path / name}. Make it and put photos in it"):
        sources.photos(f"folder:{tmp_path / name}")


def test_a_folder_without_photos_is_told_with_what_would_be_one(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "notes.txt").write_text("words")
    with pytest.raises(SRGANError, match=rf"The folder {tmp_path} holds no image \(.*\.jpg, \.png.*\), subfolders included"):
        sources.photos(f"folder:{tmp_path}")


def test_a_relative_folder_counts_from_the_base_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert sources.absolute("folder:data/coco", tmp_path) == f"folder:{tmp_path / 'data' / 'coco'}"
    assert sources.absolute("folder:/elsewhere", tmp_path) == "folder:/elsewhere"
    assert sources.absolute("folder:~/photos", tmp_path) == f"folder:{tmp_path / 'home' / 'photos'}"
    assert sources.absolute("samples", tmp_path) == "samples"
