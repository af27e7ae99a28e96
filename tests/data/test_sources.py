"""Where photos come from: the samples' fixed split, and what counts as a photo in a folder of one's own."""

import os
import re
import threading
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from srgan.config import Config, settings
from srgan.data import sources
from srgan.data.catalogue import BENCHMARK_ARCHIVE, BENCHMARKS, PHOTOS
from srgan.data.download import human
from srgan.data.images import read_image
from srgan.errors import SRGANError
from srgan.runs.paths import PROJECT
from tests.waiting import PATIENCE


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
    search.join(PATIENCE)
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


# Public sets --------------------------------------------------------------------------------------------------------

FILES = {name: public.file for name, public in PHOTOS.items()} | {"benchmarks": BENCHMARK_ARCHIVE}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_the_table_has_checksums_sizes_and_plain_addresses_before_drive(file):
    algorithm, _, value = file.checksum.partition(":")
    assert re.fullmatch("[0-9a-f]+", value) and len(value) == {"md5": 32, "sha1": 40, "sha256": 64}[algorithm]
    assert file.bytes > 10**8 or file is BENCHMARK_ARCHIVE
    ranks = [("https:", "http:", "gdrive:").index(mirror.split("//")[0].split(":")[0] + ":") for mirror in file.mirrors]
    assert ranks == sorted(ranks) and ranks[0] == 0 and len(set(file.mirrors)) == len(file.mirrors)


def test_the_manual_names_every_set_with_its_licence():
    page = (PROJECT / "docs" / "data.md").read_text(encoding="utf-8")
    for name, item in (PHOTOS | BENCHMARKS).items():
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line)
        size = item.bytes if name in BENCHMARKS else item.file.bytes
        assert [cell.strip() for cell in row.split("|")[2:5]] == [item.about, human(size), item.licence]


def test_a_public_set_is_fetched_once_and_its_photos_are_what_the_archive_holds(public_set, tmp_path, capsys):
    found = sources.photos("coco", tmp_path)
    assert [photo.name for photo in found] == [f"{i:012d}.png" for i in range(12)]
    for i, photo in enumerate(found):
        assert photo.path == tmp_path / "coco" / photo.name and photo.split == ""
        assert (read_image(photo.path) == (i, 2 * i, 3 * i)).all() and read_image(photo.path).shape == (32, 40 + i, 3)
    assert "coco: twelve photos; free" in capsys.readouterr().out
    assert sources.photos("coco", tmp_path, may_fetch=False) == sources.photos("coco", tmp_path) == found
    assert [path for path, _ in public_set.asked] == ["/missing/val2017.zip", "/good/val2017.zip"]


def test_without_leave_nothing_is_fetched_and_the_words_say_how_to(public_set, tmp_path):
    with pytest.raises(SRGANError, match=r"coco is not here yet\. To fetch it: python -m srgan fetch coco"):
        sources.photos("coco", tmp_path, may_fetch=False)
    assert public_set.asked == [] and list(tmp_path.iterdir()) == []


def test_an_archive_put_there_by_hand_is_unpacked(public_set, tmp_path):
    (tmp_path / "val2017.zip").write_bytes(public_set.files["val2017.zip"])
    assert len(sources.photos("coco", tmp_path)) == 12 and public_set.asked == []


def test_the_archive_can_be_removed_once_it_is_unpacked(public_set, tmp_path):
    sources.photos("coco", tmp_path)
    (tmp_path / "val2017.zip").unlink()
    assert len(sources.photos("coco", tmp_path)) == 12 and len(public_set.asked) == 2


def test_room_for_the_unpacked_photos_is_asked_for_before_the_download(public_set, tmp_path, monkeypatch):
    size = len(public_set.files["val2017.zip"])
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 2 * size - 1}))
    with pytest.raises(SRGANError, match=r"val2017\.zip, fetched and unpacked, takes"):
        sources.photos("coco", tmp_path)
    assert public_set.asked == []


# A choice of photos -------------------------------------------------------------------------------------------------


def sized(folder: Path, *sizes: tuple[int, int]) -> list[sources.Photo]:
    for number, size in enumerate(sizes):
        Image.new("RGB", size, (number, 0, 0)).save(put(folder / f"{number:03d}.png"))
    return sources.photos(f"folder:{folder}")


def wish(**changes) -> Config:
    return settings(**dict(dataset="folder:x", hr_size=32, photos=10) | changes)


def test_all_photos_are_the_choice_unless_a_number_is_wanted(tmp_path):
    found = sized(tmp_path, *[(40, 40)] * 4)
    assert sources.choose(found, wish(photos=0)) == found


def test_the_seed_decides_which_photos_and_nothing_else_does(tmp_path):
    found = sized(tmp_path, *[(40, 40)] * 30)
    chosen = sources.choose(found, wish())
    assert sources.choose(found, wish(batch_size=3, gan_steps=1)) == chosen
    assert len({photo.name for photo in chosen}) == 10 and {photo.path for photo in chosen} <= {photo.path for photo in found}
    assert [photo.name for photo in chosen] == sorted(photo.name for photo in chosen)
    others = {tuple(photo.name for photo in sources.choose(found, wish(seed=seed))) for seed in range(2, 8)}
    assert len(others | {tuple(photo.name for photo in chosen)}) == 7


def test_each_photo_is_chosen_about_as_often_as_another(tmp_path):
    found = sized(tmp_path, *[(40, 40)] * 20)
    often = dict.fromkeys((photo.name for photo in found), 0)
    for seed in range(200):
        for photo in sources.choose(found, wish(seed=seed)):
            often[photo.name] += 1
    # 200 draws of 10 in 20: a binomial of mean 100 and standard deviation 7.1; five of them either way.
    assert all(65 <= count <= 135 for count in often.values())


@pytest.mark.parametrize(
    ("photos", "fraction", "held_out"), [(10, 0.2, 2), (20, 0.2, 4), (10, 0.01, 1), (2, 0.9, 1), (10, 0.25, 2)]
)
def test_the_split_of_the_chosen_is_exact(tmp_path, photos, fraction, held_out):
    chosen = sources.choose(sized(tmp_path, *[(40, 40)] * 25), wish(photos=photos, test_fraction=fraction))
    splits = [photo.split for photo in chosen]
    assert (splits.count("test"), splits.count("train")) == (held_out, photos - held_out)


@pytest.mark.parametrize(("changes", "least"), [({"hr_size": 48}, 48), ({"smallest_side": 50}, 50), ({"smallest_side": 8}, 32)])
def test_small_and_unreadable_photos_are_never_chosen(tmp_path, changes, least):
    sizes = [(20 + i, 60) for i in range(36)] + [(60, 20 + i) for i in range(36)]
    found = sized(tmp_path, *sizes)
    (tmp_path / "000.png").write_bytes(b"no image")
    large = [photo.name for photo, size in zip(found, sizes, strict=True) if min(size) >= least]
    chosen = sources.choose(found, wish(photos=len(large), **changes))
    assert [photo.name for photo in chosen] == large
    with pytest.raises(SRGANError, match=rf"has 72 photos, of which {len(large)} can be read and have no side below {least}"):
        sources.choose(found, wish(photos=len(large) + 1, **changes))
