"""Preparation that happens once and whole or not at all, pairs that stay aligned, and batches that depend on the step only."""

import errno
import hashlib
import json
import mmap
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.io
from PIL import Image

from srgan.config import Config, settings
from srgan.data import images, preparation, sources
from srgan.data.dataset import SPLITS, Dataset, any_cut, patch, random_patch
from srgan.errors import SRGANError
from srgan.runs.paths import PROJECT, Paths


def prepared_settings(folder: Path, **changes) -> Config:
    return settings(**dict(dataset=f"folder:{folder}", hr_size=24, batch_size=4) | changes)


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modification time and contents of everything in `folder`."""
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (_, content) in files(folder).items()}


def noise(folder: Path, *numbers: int, size: tuple[int, int] = (8, 8)) -> Path:
    """A folder with one photo of noise for each number, which is its name and its seed."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return folder


def plain(folder: Path, count: int) -> Path:
    """A folder with `count` photos of one colour each, by which any patch tells the photo it is of."""
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (28, 24), (number, 255 - number, 7)).save(folder / f"{number}.png")
    return folder


def by_name(dataset: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    packs = (dataset.train, dataset.test)
    return {name: pack.pair(i) for pack in packs for i, name in enumerate(pack.names())}


# Preparation --------------------------------------------------------------------------------------------------------


def test_the_samples_keep_their_own_split(paths):
    dataset = preparation.prepare(settings(sampling="centre"), paths)
    assert sorted(dataset.test.names()) == ["chelsea.png", "coffee.png"]
    assert len(dataset.train) == 14 and list(dataset.skipped()) == []


def test_every_photo_is_there_cut_to_a_multiple_of_four_with_its_degraded_self(photo_folder, paths):
    pairs = by_name(preparation.prepare(prepared_settings(photo_folder), paths))
    assert sorted(pairs) == sorted(path.relative_to(photo_folder).as_posix() for path in photo_folder.rglob("*.png"))
    for name, (lr, hr) in pairs.items():
        photo = skimage.io.imread(photo_folder / name)
        height, width = photo.shape[0] - photo.shape[0] % 4, photo.shape[1] - photo.shape[1] % 4
        assert (height, width) != photo.shape[:2]
        assert (hr == photo[:height, :width]).all() and hr.shape == (height, width, 3)
        expected = Image.fromarray(photo[:height, :width]).resize((width // 4, height // 4), Image.Resampling.BICUBIC)
        assert (lr == np.asarray(expected)).all() and lr.shape == (height // 4, width // 4, 3)


def test_preparing_in_two_places_gives_the_same_bytes(photo_folder, tmp_path):
    prepared = []
    for place in ("a", "b"):
        preparation.prepare(prepared_settings(photo_folder), Paths(tmp_path / place, "run"))
        prepared.append(contents(tmp_path / place))
    assert prepared[0] == prepared[1]
    (folder,) = {Path(name).parent for name in prepared[0]}
    assert {Path(name).name for name in prepared[0]} == {"train.u8", "test.u8", "manifest.json"}
    assert str(folder).startswith("data/photos-")


def test_what_is_prepared_is_not_prepared_again(photo_folder, paths, monkeypatch):
    first = preparation.prepare(prepared_settings(photo_folder), paths)
    before = files(paths.workdir)
    monkeypatch.setattr(preparation, "read_image", lambda path: pytest.fail(f"{path} is read again"))
    second = preparation.prepare(prepared_settings(photo_folder), paths)
    assert files(paths.workdir) == before and second.key == first.key


@pytest.mark.parametrize("change", [{"hr_size": 28}, {"seed": 2}, {"sampling": "centre"}, {"test_fraction": 0.5}])
def test_a_changed_setting_prepares_anew_beside_the_old(photo_folder, paths, change):
    old = preparation.prepare(prepared_settings(photo_folder), paths)
    before = files(old.folder)
    new = preparation.prepare(prepared_settings(photo_folder, **change), paths)
    assert new.folder != old.folder and new.folder.parent == old.folder.parent
    assert files(old.folder) == before


def test_settings_of_the_training_do_not_prepare_anew(photo_folder, paths):
    old = preparation.prepare(prepared_settings(photo_folder), paths)
    new = preparation.prepare(prepared_settings(photo_folder, batch_size=2, blocks=1, run="other", gan_steps=3), paths)
    assert new.key == old.key and len(list(paths.data.iterdir())) == 1


def test_folders_of_the_same_name_with_other_photos_do_not_mix(paths, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    ours, theirs = noise(tmp_path / "a" / "photos", 1, 2, 3), noise(tmp_path / "b" / "photos", 4, 5, 6)
    first = preparation.prepare(prepared_settings(ours, hr_size=8), paths)
    second = preparation.prepare(prepared_settings(theirs, hr_size=8), paths)
    assert first.key != second.key
    assert sorted(by_name(first)) == ["001.png", "002.png", "003.png"]
    assert sorted(by_name(second)) == ["004.png", "005.png", "006.png"]


@pytest.mark.parametrize("name", ["my photos & more", "été", "a-b", "[x]", ".hidden"])
def test_a_folder_of_any_name_is_prepared_and_found_again(name, paths, tmp_path):
    folder = noise(tmp_path / name, 1, 2, 3)
    first = preparation.prepare(prepared_settings(folder, hr_size=8), paths)
    shutil.rmtree(folder)
    assert preparation.prepare(prepared_settings(folder, hr_size=8), paths).key == first.key


def test_a_photo_whose_name_is_not_utf_8_is_prepared(paths, tmp_path):
    folder = noise(tmp_path / "photos", 1, 2)
    try:
        os.rename(folder / "001.png", os.fsencode(folder) + b"/caf\xe9.png")
    except OSError:
        pytest.skip("This file system takes no such name.")
    preparation.prepare(prepared_settings(folder, hr_size=8), paths)
    again = preparation.prepare(prepared_settings(folder, hr_size=8), paths)
    assert sorted(by_name(again)) == ["002.png", r"caf\xe9.png"]


# The split ----------------------------------------------------------------------------------------------------------


def test_adding_photos_never_moves_one_from_training_to_the_test(paths, tmp_path):
    config = prepared_settings(noise(tmp_path / "photos", 0, 1), hr_size=8, test_fraction=0.3)
    trained_on, held_out = set(), []
    for number in range(2, 26):
        dataset = preparation.prepare(config, paths)
        trained_on |= set(dataset.train.names())
        held_out.append(len(dataset.test))
        assert not trained_on & set(dataset.test.names())
        assert len(dataset.train) + len(dataset.test) == number
        noise(tmp_path / "photos", number)
    assert len(list(paths.data.iterdir())) == 24  # each prepared anew
    assert 4 <= held_out[-1] <= 12  # of 25, about 7.5


def test_the_split_goes_by_content_not_by_name(paths, tmp_path):
    folder = noise(tmp_path / "photos", *range(12))
    config = prepared_settings(folder, hr_size=8, test_fraction=0.4)

    def held_out() -> set[str]:
        test = preparation.prepare(config, paths).test
        return {hashlib.sha256(test.pair(i)[1].tobytes()).hexdigest() for i in range(len(test))}

    before = held_out()
    for path in sorted(folder.iterdir()):
        path.rename(folder / f"{99 - int(path.stem):03d}_renamed.png")
    assert held_out() == before and 1 < len(before) < 12


def test_the_share_held_out_is_about_the_fraction(paths, tmp_path):
    folder = noise(tmp_path / "photos", *range(120))
    for fraction in (0.1, 0.5):
        dataset = preparation.prepare(prepared_settings(folder, hr_size=8, test_fraction=fraction), paths)
        # Four standard deviations of a binomial distribution.
        assert abs(len(dataset.test) - 120 * fraction) < 4 * (120 * fraction * (1 - fraction)) ** 0.5


def test_another_seed_holds_out_other_photos(paths, tmp_path):
    folder = noise(tmp_path / "photos", *range(30))
    tests = [
        preparation.prepare(prepared_settings(folder, hr_size=8, test_fraction=0.5, seed=seed), paths).test.names()
        for seed in (1, 2)
    ]
    assert set(tests[0]) != set(tests[1])


def test_two_photos_are_enough_one_for_each_side(paths, tmp_path):
    dataset = preparation.prepare(prepared_settings(noise(tmp_path / "photos", 1, 2), hr_size=8), paths)
    assert sorted(dataset.train.names() + dataset.test.names()) == ["001.png", "002.png"]
    assert len(dataset.train) == len(dataset.test) == 1


# What is left out ---------------------------------------------------------------------------------------------------


def test_the_same_file_under_another_name_is_left_out_and_said(photo_folder, paths):
    for copy in ("chelsea (1).png", "z.png"):
        shutil.copy(photo_folder / "chelsea.png", photo_folder / copy)
    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    assert len(by_name(dataset)) == 6
    said = list(dataset.skipped())
    assert said == ["chelsea.png: the same file as chelsea (1).png", "z.png: the same file as chelsea (1).png"]


def test_files_that_cannot_be_used_are_left_out_with_the_reason(photo_folder, paths, monkeypatch):
    Image.new("RGB", (23, 400)).save(photo_folder / "narrow.png")
    Image.fromarray(np.zeros((40, 40), np.uint16)).save(photo_folder / "deep.png")
    (photo_folder / "text.jpg").write_text("words, not pixels")
    (photo_folder / "empty.jpg").touch()
    photo = (photo_folder / "rocket.png").read_bytes()
    (photo_folder / "torn.png").write_bytes(photo[: len(photo) // 2])
    (photo_folder / "locked.png").write_bytes(photo + b"\0")
    opened = os.open

    def locked(path, *arguments, **options) -> int:
        if str(path).endswith("locked.png"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", locked)  # file permissions do not stop an administrator
    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    assert len(by_name(dataset)) == 7
    said = dict(sentence.split(": ", 1) for sentence in dataset.skipped())
    assert sorted(said) == ["empty.jpg", "locked.png", "narrow.png", "text.jpg", "torn.png"]
    assert said["narrow.png"] == "23x400 pixels, smaller than the crop of 24"
    assert said["locked.png"] == "cannot be read (Permission denied)"
    assert said["text.jpg"].startswith("is no image") and said["empty.jpg"].startswith("is no image: it is empty")
    assert said["torn.png"].startswith("cannot be read as an image (")


@pytest.mark.parametrize("usable", [0, 1])
def test_fewer_than_two_usable_photos_are_refused_with_the_reasons(paths, tmp_path, usable):
    folder = noise(tmp_path / "photos", *range(usable), size=(24, 24))
    Image.new("RGB", (20, 30)).save(folder / "small.png")
    (folder / "text.jpg").write_text("words, not pixels")
    with pytest.raises(SRGANError, match=f"has {usable + 2} image files, of which {usable} can be used; at least two") as told:
        preparation.prepare(prepared_settings(folder), paths)
    assert "small.png: 20x30 pixels, smaller than the crop of 24" in str(told.value)
    assert "text.jpg: is no image" in str(told.value)
    assert list(paths.data.iterdir()) == []


def test_a_copy_is_no_second_photo(paths, tmp_path):
    folder = noise(tmp_path / "photos", 1)
    shutil.copy(folder / "001.png", folder / "copy.png")
    with pytest.raises(SRGANError, match=r"has 2 image files, of which 1 can be used.*copy\.png: the same file as 001\.png"):
        preparation.prepare(prepared_settings(folder, hr_size=8), paths)


def test_a_fraction_that_leaves_nothing_to_train_on_is_refused(paths, tmp_path):
    folder = noise(tmp_path / "photos", 1, 2, 3)
    with pytest.raises(SRGANError, match=r"All 3 photos .* fell to the held-out side\. Add photos, or lower test_fraction"):
        preparation.prepare(prepared_settings(folder, hr_size=8, test_fraction=0.999), paths)
    assert list(paths.data.iterdir()) == []


# Batches ------------------------------------------------------------------------------------------------------------


DIHEDRAL = [lambda p, f=f, t=t: np.rot90(p[:, ::-1] if f else p, t) for f in (0, 1) for t in range(4)]


def coordinates(height: int, width: int) -> np.ndarray:
    """An image whose red is x and whose green is y, so that a patch tells where it is from; its blue is noise."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.random.default_rng(5).integers(0, 256, x.shape)], -1).astype(np.uint8)


def test_patches_are_aligned_also_when_flipped_and_turned_and_come_from_everywhere():
    hr = coordinates(36, 48)
    lr = np.asarray(Image.fromarray(hr).resize((12, 9), Image.Resampling.BICUBIC))
    rng, seen = np.random.default_rng(0), Counter()
    for _ in range(1600):
        lr_patch, hr_patch = random_patch(lr, hr, 28, rng)
        assert lr_patch.shape == (7, 7, 3) and hr_patch.shape == (28, 28, 3)
        left, top = int(hr_patch[..., 0].min()), int(hr_patch[..., 1].min())
        here = hr[top : top + 28, left : left + 28]
        (turn,) = [i for i, turned in enumerate(DIHEDRAL) if (turned(here) == hr_patch).all()]
        assert left % 4 == 0 and top % 4 == 0
        assert (lr_patch == DIHEDRAL[turn](lr[top // 4 : top // 4 + 7, left // 4 : left // 4 + 7])).all()
        seen[top, left, turn] += 1
    # 3 x 6 places, 8 ways to turn: 144 outcomes of about 11 draws each.
    assert len(seen) == 3 * 6 * 8 and max(seen.values()) < 33


def test_preparing_does_without_tensorflow():
    check = "import sys, srgan.data; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=PROJECT).returncode == 0


def test_of_several_random_patches_the_most_detailed_is_taken():
    hr = np.full((64, 64, 3), 128, np.uint8)
    hr[::8, :8], hr[::8, 8:16] = 0, 255  # only the left edge has anything on it
    lr, found = images.degrade(hr), {}
    for tries in (1, 60):
        cuts = [any_cut(16, 16, 4, np.random.default_rng(seed), tries) for seed in range(40)]
        found[tries] = sum(bool(np.ptp(patch(lr, hr, 16, cut)[1])) for cut in cuts)
    assert found[1] < 25 and found[60] == 40


def test_smaller_copies_of_the_photos_to_train_on_are_antialiased_and_large_enough_for_a_patch(paths, tmp_path):
    folder = noise(tmp_path / "photos", 0, 1, 2, size=(48, 64))
    config = prepared_settings(folder, test_fraction=0.01)
    plain, more = (preparation.prepare(config.replace(smaller_copies=count), paths) for count in (0, 3))
    assert plain.key != more.key and more.test.names() == plain.test.names()
    names = [f"{name}{size}" for name in plain.train.names() for size in ("", ", 75%", ", 56%")]
    assert more.train.names() == names  # 42 % would be 20 pixels high, less than a patch of 24
    pairs = by_name(more)
    photo = Image.open(folder / plain.train.names()[0])
    lr, hr = pairs[f"{plain.train.names()[0]}, 75%"]
    assert (hr == np.asarray(photo.resize((48, 36), Image.Resampling.BICUBIC))).all()
    assert (lr == images.degrade(hr)).all()
    assert pairs[f"{plain.train.names()[0]}, 56%"][1].shape == (24, 36, 3)  # 27 rows, cut to a multiple of 4


def test_batches_hold_aligned_patches_of_the_training_photos(paths, tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(3):
        hr = coordinates(40, 52)
        hr[..., 2] = (hr[..., 2] // 4) * 4 + i  # who it is
        Image.fromarray(hr).save(tmp_path / "photos" / f"{i}.png")
    config = prepared_settings(tmp_path / "photos", test_fraction=0.01)
    dataset = preparation.prepare(config, paths)
    whole = by_name(dataset)
    turns = set()
    for step in range(20):
        lr_batch, hr_batch = dataset.batch(step)
        assert lr_batch.shape == (4, 6, 6, 3) and hr_batch.shape == (4, 24, 24, 3)
        assert lr_batch.dtype == hr_batch.dtype == np.uint8
        for lr_patch, hr_patch in zip(lr_batch, hr_batch, strict=True):
            name = f"{hr_patch[0, 0, 2] % 4}.png"
            assert name in dataset.train.names()
            lr, hr = whole[name]
            left, top = int(hr_patch[..., 0].min()), int(hr_patch[..., 1].min())
            (turn,) = [i for i, turned in enumerate(DIHEDRAL) if (turned(hr[top : top + 24, left : left + 24]) == hr_patch).all()]
            assert (lr_patch == DIHEDRAL[turn](lr[top // 4 : top // 4 + 6, left // 4 : left // 4 + 6])).all()
            turns.add(turn)
    assert len(turns) == 8


@pytest.mark.parametrize("sampling", ["patches", "centre"])
def test_a_batch_depends_on_seed_and_step_only(photo_folder, paths, sampling):
    config = prepared_settings(photo_folder, sampling=sampling)
    dataset = preparation.prepare(config, paths)
    straight = [dataset.batch(step) for step in range(12)]
    for order in (range(11, -1, -1), (3, 3, 0, 11, 3, 7), np.random.default_rng(0).permutation(12)):
        other = preparation.prepare(config, paths)
        for step in order:
            for ours, theirs in zip(straight[step], other.batch(int(step)), strict=True):
                assert (ours == theirs).all()
    if sampling == "patches":
        assert len({hr.tobytes() for _, hr in straight}) == 12


def test_another_seed_gives_other_batches_of_the_same_photos(photo_folder, paths):
    config = prepared_settings(photo_folder)
    dataset = preparation.prepare(config, paths)
    other = Dataset(dataset.folder, config.replace(seed=2))
    assert not any((dataset.batch(step)[1] == other.batch(step)[1]).all() for step in range(5))


@pytest.mark.parametrize("sampling", ["patches", "centre"])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_each_epoch_goes_through_every_photo_once_in_an_order_of_its_own(paths, tmp_path, sampling, batch_size):
    config = prepared_settings(plain(tmp_path / "photos", 8), sampling=sampling, batch_size=batch_size, test_fraction=0.01)
    dataset = preparation.prepare(config, paths)
    count = len(dataset.train)
    assert count == 7
    steps = -(-6 * count // batch_size)
    slots = np.concatenate([dataset.batch(step)[1] for step in range(steps)])[: 6 * count]
    assert (slots == slots[:, :1, :1]).all()  # one colour each
    orders = slots[:, 0, 0, 0].reshape(6, count).tolist()
    photos = sorted(int(dataset.train.pair(i)[1][0, 0, 0]) for i in range(count))
    assert [sorted(order) for order in orders] == [photos] * 6
    assert len({tuple(order) for order in orders}) == 6


def test_centre_sampling_gives_the_middle_of_each_photo(photo_folder, paths):
    dataset = preparation.prepare(prepared_settings(photo_folder, sampling="centre", batch_size=1), paths)
    middles = {}
    for name in dataset.train.names():
        photo = skimage.io.imread(photo_folder / name)
        top, left = (photo.shape[0] - 24) // 2, (photo.shape[1] - 24) // 2
        middles[photo[top : top + 24, left : left + 24].tobytes()] = name
    seen = Counter()
    for step in range(2 * len(dataset.train)):
        lr, hr = dataset.batch(step)
        seen[middles[hr[0].tobytes()]] += 1
        assert (lr[0] == np.asarray(Image.fromarray(hr[0]).resize((6, 6), Image.Resampling.BICUBIC))).all()
    assert seen == dict.fromkeys(dataset.train.names(), 2)


def test_a_large_pack_stays_on_disk_and_gives_the_same_batches(photo_folder, paths, monkeypatch):
    config = prepared_settings(photo_folder)
    in_memory = preparation.prepare(config, paths)
    monkeypatch.setattr("srgan.data.dataset.IN_MEMORY", 0)
    mapped = preparation.prepare(config, paths)
    bases = []
    for dataset in (in_memory, mapped):
        lr, _ = dataset.train.pair(0)
        while lr.base is not None and not isinstance(lr, np.memmap):
            lr = lr.base
        bases.append(isinstance(lr, np.memmap))
    assert bases == [False, True]
    for step in range(6):
        for ours, theirs in zip(in_memory.batch(step), mapped.batch(step), strict=True):
            assert (ours == theirs).all()


def test_of_a_mapped_photo_that_is_checked_only_the_rows_of_the_patch_are_asked_for(photo_folder, paths, monkeypatch):
    asked = []
    monkeypatch.setattr("srgan.data.dataset.IN_MEMORY", 0)
    train = preparation.prepare(prepared_settings(photo_folder), paths).train
    monkeypatch.setattr(train._pixels, "_mmap", SimpleNamespace(madvise=lambda _, begin, size: asked.append((begin, begin + size))))
    begin, width = train.index[1]["offset"], train.index[1]["width"]
    train.read_ahead(1, 2, 3)
    lr, hr = train.pair(1)
    train.read_ahead(1, 2, 3)
    whole, hr_rows, lr_rows = asked
    for (first, end), wanted, size in (
        (whole, begin, hr.nbytes + lr.nbytes),
        (hr_rows, begin + 8 * width * 3, 4 * width * 3),
        (lr_rows, begin + hr.nbytes + 2 * width // 4 * 3, width // 4 * 3),
    ):
        assert first % mmap.PAGESIZE == 0 and 0 <= wanted - first < mmap.PAGESIZE and end == wanted + size


def test_a_large_pack_is_checked_photo_by_photo(photo_folder, paths, monkeypatch):
    config = prepared_settings(photo_folder)
    prepared = preparation.prepare(config, paths)
    pack, entry = prepared.folder / "train.u8", prepared.manifest["train"][1]
    content = bytearray(pack.read_bytes())
    content[entry["offset"] + 7] ^= 1
    pack.write_bytes(content)
    monkeypatch.setattr("srgan.data.dataset.IN_MEMORY", 0)
    mapped = preparation.prepare(config, paths)
    assert mapped.train.pair(0)
    with pytest.raises(SRGANError, match=r"is damaged at .*Remove the folder (\S+) and run the same again") as told:
        mapped.train.pair(1)
    with pytest.raises(SRGANError, match="is damaged"):  # and it stays so
        mapped.train.pair(1)
    shutil.rmtree(str(told.value).partition("Remove the folder ")[2].partition(" and ")[0])
    assert preparation.prepare(config, paths).train.pair(1)


def test_a_photo_that_vanishes_meanwhile_is_named(photo_folder, paths, monkeypatch):
    photos = sources.photos

    def found(*arguments, **options):
        listed = photos(*arguments, **options)
        (photo_folder / "rocket.png").unlink(missing_ok=True)
        return listed

    monkeypatch.setattr(sources, "photos", found)
    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    assert list(dataset.skipped()) == ["rocket.png: cannot be read (No such file or directory)"] and len(by_name(dataset)) == 5


def test_a_data_set_may_have_a_name_of_250_letters(photo_folder, paths):
    folder = photo_folder.rename(photo_folder.with_name("n" * 250))
    assert len(by_name(preparation.prepare(prepared_settings(folder), paths))) == 6


@pytest.mark.parametrize("seed", [2**32 - 1, 2**32, 2**70])
def test_a_seed_may_be_of_any_size(photo_folder, paths, seed):
    dataset = preparation.prepare(prepared_settings(photo_folder).replace(seed=seed), paths)
    assert dataset.batch(3)[0].shape[0] == prepared_settings(photo_folder).data.batch_size


# What may happen to the files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["removed", "emptied"])
def test_without_the_photos_what_was_prepared_is_found(photo_folder, paths, gone):
    config = prepared_settings(photo_folder)
    before = preparation.prepare(config, paths)
    shutil.rmtree(photo_folder)
    if gone == "emptied":
        photo_folder.mkdir()
    after = preparation.prepare(config, paths)
    assert after.key == before.key and (after.batch(3)[1] == before.batch(3)[1]).all()


def test_without_the_photos_other_settings_are_refused(photo_folder, paths):
    preparation.prepare(prepared_settings(photo_folder), paths)
    shutil.rmtree(photo_folder)
    with pytest.raises(SRGANError, match=f"There is no folder {photo_folder}"):
        preparation.prepare(prepared_settings(photo_folder, hr_size=28), paths)


def test_without_the_photos_the_newest_whole_set_is_taken(paths, tmp_path):
    folder = noise(tmp_path / "photos", 1, 2)
    config = prepared_settings(folder, hr_size=8)
    keys = []
    for number in (3, 4, 5):
        noise(folder, number)
        keys.append(preparation.prepare(config, paths).key)
        os.utime(paths.data / keys[-1], (10**9 + number, 10**9 + number))
    shutil.rmtree(folder)
    assert preparation.prepare(config, paths).key == keys[2]
    (paths.data / keys[2] / "manifest.json").write_text('{"source": "fol')
    (paths.data / f"photos-{'0' * 10}").mkdir()
    (paths.data / f"photos-{'0' * 10}" / "manifest.json").write_text("[]")
    assert preparation.prepare(config, paths).key == keys[1]


def test_a_killed_preparation_leaves_nothing_that_harms(photo_folder, paths):
    script = f"""
import os, signal
from srgan.data import preparation
from srgan.config import settings
from srgan.runs.paths import Paths
from pathlib import Path
degrade, calls = preparation.degrade, []
def die_at_the_third(hr):
    calls.append(hr)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return degrade(hr)
preparation.degrade = die_at_the_third
preparation.prepare(settings(dataset="folder:{photo_folder}", hr_size=24), Paths(Path({str(paths.workdir)!r}), "run"))
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=PROJECT)
    assert killed.returncode == -9
    (left,) = paths.data.glob(".partial-photos-*")
    # A file that a whole one would not have, and remains of a preparation with other settings.
    (left / "rubbish").write_text("old")
    (paths.data / ".partial-photos-0123456789").mkdir()
    (paths.data / ".partial-photos-0123456789" / "manifest.json").write_text("{")

    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    clean = preparation.prepare(prepared_settings(photo_folder), Paths(paths.workdir / "clean", "run"))
    assert contents(dataset.folder) == contents(clean.folder) and len(by_name(dataset)) == 6
    assert {path.name for path in paths.data.iterdir()} == {dataset.key, ".partial-photos-0123456789"}
    shutil.rmtree(photo_folder)
    assert preparation.prepare(prepared_settings(photo_folder), paths).key == dataset.key


@pytest.mark.parametrize("room", [0, 100, 6000, 20_000])
def test_a_full_disk_is_told_and_leaves_nothing_half_made(photo_folder, paths, full_disk, room):
    with full_disk(after=room), pytest.raises(SRGANError, match=os.strerror(errno.EFBIG)) as told:
        preparation.prepare(prepared_settings(photo_folder), paths)
    assert "Free some space or choose another" in str(told.value)
    assert list(paths.data.iterdir()) == []
    assert len(by_name(preparation.prepare(prepared_settings(photo_folder), paths))) == 6


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_is_told_and_leaves_nothing_half_made(photo_folder, paths, monkeypatch, call, number):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(SRGANError, match=os.strerror(number)):
            preparation.prepare(prepared_settings(photo_folder), paths)
    assert list(paths.data.iterdir()) == []


def test_a_file_where_the_data_should_be_is_told_and_kept(photo_folder, paths):
    paths.data.write_text("mine")
    with pytest.raises(SRGANError, match="The prepared photos could not be written to"):
        preparation.prepare(prepared_settings(photo_folder), paths)
    assert paths.data.read_text() == "mine"


def test_stopping_in_the_middle_leaves_nothing_half_made(photo_folder, paths, monkeypatch):
    calls = []

    def stop_at_the_third(hr):
        calls.append(hr)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return images.degrade(hr)

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "degrade", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            preparation.prepare(prepared_settings(photo_folder), paths)
    assert list(paths.data.iterdir()) == []
    assert len(by_name(preparation.prepare(prepared_settings(photo_folder), paths))) == 6


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("damage", ["empty", "half", "a byte short", "a byte long", "missing"])
def test_a_damaged_pack_is_prepared_anew_where_the_photos_are_and_refused_where_they_are_not(
    photo_folder, paths, split, damage, capsys
):
    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    pack = dataset.folder / f"{split}.u8"
    whole = pack.read_bytes()

    def harm():
        if damage == "missing":
            pack.unlink()
        else:
            pack.write_bytes(
                {"empty": b"", "half": whole[: len(whole) // 2], "a byte short": whole[:-1]}.get(damage, whole + b"\0")
            )

    harm()
    assert len(by_name(preparation.prepare(prepared_settings(photo_folder), paths))) == 6
    assert f"{pack} is damaged or missing" in capsys.readouterr().out and pack.read_bytes() == whole
    harm()
    photo_folder.rename(photo_folder.with_name("gone"))
    with pytest.raises(SRGANError, match=rf"{pack} is damaged or missing\."):
        preparation.prepare(prepared_settings(photo_folder), paths)
    photo_folder.with_name("gone").rename(photo_folder)


def test_a_flipped_bit_in_a_pack_is_noticed(photo_folder, paths, capsys):
    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    pack = dataset.folder / "train.u8"
    whole = pack.read_bytes()
    pack.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    preparation.prepare(prepared_settings(photo_folder), paths)
    assert "is damaged" in capsys.readouterr().out and pack.read_bytes() == whole


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"train": 3, "test": []}', "\0" * 50])
def test_a_damaged_manifest_is_made_anew(photo_folder, paths, text, capsys):
    dataset = preparation.prepare(prepared_settings(photo_folder), paths)
    (dataset.folder / "manifest.json").write_text(text)
    assert preparation.prepare(prepared_settings(photo_folder), paths).manifest == dataset.manifest
    assert "manifest.json is damaged or missing" in capsys.readouterr().out


def test_the_manifest_tells_source_settings_and_places(photo_folder, paths):
    config = prepared_settings(photo_folder)
    dataset = preparation.prepare(config, paths)
    manifest = json.loads((dataset.folder / "manifest.json").read_text())
    assert manifest["source"] == config.data.dataset
    assert manifest["settings"] == {"format": 2, "scale": 4, "sampling": "patches", "hr_size": 24, "test_fraction": 0.1, "seed": 1}
    for split in SPLITS:
        pixels = (dataset.folder / f"{split}.u8").read_bytes()
        for entry in manifest[split]:
            photo = skimage.io.imread(photo_folder / entry["name"])[: entry["height"], : entry["width"]]
            assert pixels[entry["offset"] :].startswith(photo.tobytes())


# Public sets and chosen photos --------------------------------------------------------------------------------------


def chosen(**changes) -> Config:
    return settings(**dict(dataset="coco", hr_size=24, batch_size=2, photos=10, test_fraction=0.2) | changes)


def test_a_public_set_is_fetched_chosen_from_and_prepared_with_the_list_kept(public_set, paths):
    dataset = preparation.prepare(chosen(), paths)
    assert dataset.key.startswith("coco-") and (len(dataset.train), len(dataset.test)) == (8, 2)
    assert dataset.manifest["chosen"] == sorted(dataset.train.names() + dataset.test.names())
    assert (dataset.manifest["settings"]["photos"], dataset.manifest["source"]) == (10, "coco")
    for name, (_, hr) in by_name(dataset).items():
        assert (hr == np.array([1, 2, 3]) * int(name.removesuffix(".png"))).all()
    again = preparation.prepare(chosen(gan_steps=7), paths)
    assert again.key == dataset.key and len(public_set.asked) == 2  # a mirror that failed and one that did not


def test_another_choice_is_prepared_beside_the_first(public_set, paths):
    changes = [{}, {"seed": 2}, {"photos": 9}, {"photos": 0}, {"smallest_side": 30}, {"test_fraction": 0.3}]
    assert len({preparation.prepare(chosen(**change), paths).key for change in changes}) == len(changes)


def test_photos_with_a_short_side_are_left_out_and_said(public_set, paths):
    dataset = preparation.prepare(chosen(photos=0, smallest_side=32), paths)
    assert len(by_name(dataset)) == 12 and "chosen" not in dataset.manifest
    with pytest.raises(SRGANError, match="51x32 pixels, smaller than the smallest side of 33"):
        preparation.prepare(chosen(photos=0, smallest_side=33), paths)


def test_on_a_fresh_machine_what_was_prepared_is_used_and_nothing_fetched(public_set, paths):
    before = preparation.prepare(chosen(), paths)
    shutil.rmtree(paths.downloads)
    public_set.asked.clear()
    after = preparation.prepare(chosen(), paths)
    assert after.key == before.key and public_set.asked == [] and not paths.downloads.exists()
    preparation.prepare(chosen(seed=5), paths)
    assert len(public_set.asked) == 2


def test_on_a_fresh_machine_what_was_prepared_and_damaged_is_fetched_and_made_anew(public_set, paths, capsys):
    before = preparation.prepare(chosen(), paths)
    whole = contents(before.folder)
    shutil.rmtree(paths.downloads)
    (before.folder / "train.u8").write_bytes(b"damaged")
    assert contents(preparation.prepare(chosen(), paths).folder) == whole
    assert "is damaged or missing" in capsys.readouterr().out


@pytest.mark.parametrize("other", ["coco-train", "a folder coco", "a folder coco-train"])
def test_a_set_of_a_similar_name_is_not_taken_for_it(public_set, paths, tmp_path, other, monkeypatch):
    if other == "coco-train":
        monkeypatch.setitem(preparation.PHOTOS, other, preparation.PHOTOS["coco"])
        config = chosen(dataset=other)
    else:
        folder = plain(tmp_path / other.removeprefix("a folder "), 12)
        config = chosen(dataset=f"folder:{folder}")
    preparation.prepare(config, paths)
    shutil.rmtree(paths.downloads, ignore_errors=True)
    public_set.asked.clear()
    dataset = preparation.prepare(chosen(), paths)
    assert dataset.manifest["source"] == "coco" and len(public_set.asked) == 2


def test_a_failed_download_is_told_and_leaves_nothing_prepared(public_set, paths):
    public_set.files["val2017.zip"] = b"another file"
    with pytest.raises(SRGANError, match=r"val2017\.zip could not be fetched\. What was tried:"):
        preparation.prepare(chosen(), paths)
    assert [path.name for path in paths.data.iterdir()] == ["downloads"]
