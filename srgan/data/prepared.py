"""Photos -> packed LR/HR pairs on disk -> the batch of step s.

A prepared data set is one folder under data/: `train.u8` and `test.u8` hold raw uint8 RGB pixels, for each photo HR
and behind it LR; `manifest.json` says where each begins and which files were skipped, and why. The folder's name
carries a hash of the settings and of the list of files, so that a change of either prepares anew beside the old.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm.auto import tqdm

from srgan.config import SCALE, Config
from srgan.data import sources
from srgan.data.catalogue import PHOTOS
from srgan.data.images import centre_crop, crop_to_scale, degrade, read_image, resize
from srgan.data.sources import Photo
from srgan.errors import SRGANError
from srgan.runs.paths import Paths, write_json

FORMAT = 2
SPLITS = ("train", "test")
IN_MEMORY = 2**30  # bytes; a larger pack stays on disk and is mapped


DAMAGED = "{} is damaged or missing. Where the photos are at hand it is prepared anew; else bring back the folder {}."


class Pack:
    """The LR/HR pairs of one split, in memory or mapped from disk."""

    def __init__(self, path: Path, index: list[dict], sha256: str):
        """Open the pack at `path`. Raises SRGANError if it is not what the manifest says.

        The checksum is taken of packs that fit in memory; of larger ones only the size, as it would take minutes.
        """
        size = sum(_pair_bytes(entry["height"], entry["width"]) for entry in index)
        if not path.is_file() or path.stat().st_size != size:
            raise SRGANError(DAMAGED.format(path, path.parent))
        self.index = index
        if size > IN_MEMORY:
            self._pixels = np.memmap(path, np.uint8, "r")
            return
        self._pixels = np.fromfile(path, np.uint8)
        if hashlib.sha256(self._pixels).hexdigest() != sha256:
            raise SRGANError(DAMAGED.format(path, path.parent))

    def __len__(self) -> int:
        return len(self.index)

    def names(self) -> list[str]:
        return [entry["name"] for entry in self.index]

    def pair(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """LR (height / 4, width / 4, 3) and HR (height, width, 3) of photo `i`, uint8, without a copy."""
        height, width, start = self.index[i]["height"], self.index[i]["width"], self.index[i]["offset"]
        middle, end = start + height * width * 3, start + _pair_bytes(height, width)
        hr = self._pixels[start:middle].reshape(height, width, 3)
        lr = self._pixels[middle:end].reshape(height // SCALE, width // SCALE, 3)
        return lr, hr


class Dataset:
    """A prepared data set: `train` and `test` packs, and the batch of any step."""

    def __init__(self, folder: Path, config: Config):
        self.folder = folder
        self.manifest = _read_manifest(folder)
        self.train, self.test = (
            Pack(folder / f"{split}.u8", self.manifest[split], self.manifest["sha256"][split]) for split in SPLITS
        )
        self._config = config
        self._orders: dict[int, np.ndarray] = {}

    @property
    def key(self) -> str:
        """The folder's name: it identifies settings and photos."""
        return self.folder.name

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """LR (batch, hr_size / 4, hr_size / 4, 3) and HR (batch, hr_size, hr_size, 3), uint8.

        A pure function of (seed, step). Each epoch goes through all photos in an order of its own.
        """
        size, count = self._config.data.hr_size, self._config.data.batch_size
        lr_batch = np.empty((count, size // SCALE, size // SCALE, 3), np.uint8)
        hr_batch = np.empty((count, size, size, 3), np.uint8)
        rng = np.random.default_rng((self._config.run.seed, step))
        for slot in range(count):
            lr, hr = self.train.pair(self._photo(step * count + slot))
            if self._config.data.sampling == "patches":
                lr, hr = random_patch(lr, hr, size, rng, self._config.data.patch_tries)
            lr_batch[slot], hr_batch[slot] = lr, hr
        return lr_batch, hr_batch

    def batches(self, step: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The batches of `count` steps from `step` on, stacked: LR (count, batch, ...) and HR (count, batch, ...)."""
        size, batch = self._config.data.hr_size, self._config.data.batch_size
        lr = np.empty((count, batch, size // SCALE, size // SCALE, 3), np.uint8)
        hr = np.empty((count, batch, size, size, 3), np.uint8)
        for i in range(count):
            lr[i], hr[i] = self.batch(step + i)
        return lr, hr

    def _photo(self, position: int) -> int:
        """The photo at `position` in the endless sequence of epochs, shuffled or not."""
        epoch, place = divmod(position, len(self.train))
        if not self._config.data.shuffle:
            return place
        if epoch not in self._orders:
            order = np.random.default_rng((self._config.run.seed, epoch, 1)).permutation(len(self.train))
            self._orders = {kept: value for kept, value in self._orders.items() if kept == epoch - 1} | {epoch: order}
        return int(self._orders[epoch][place])


def random_patch(
    lr: np.ndarray, hr: np.ndarray, hr_size: int, rng: np.random.Generator, tries: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """An aligned pair of patches, HR of side `hr_size`: of `tries` random ones the most detailed, flipped and turned by chance."""
    lr_size = hr_size // SCALE
    last_top, last_left = lr.shape[0] - lr_size, lr.shape[1] - lr_size
    places = [(int(rng.integers(last_top + 1)), int(rng.integers(last_left + 1))) for _ in range(tries)]
    if tries > 1:
        places.sort(key=lambda place: _variation(lr[place[0] : place[0] + lr_size, place[1] : place[1] + lr_size]))
    top, left = places[-1]
    flip, turns = int(rng.integers(2)), int(rng.integers(4))
    lr = lr[top : top + lr_size, left : left + lr_size]
    hr = hr[top * SCALE : top * SCALE + hr_size, left * SCALE : left * SCALE + hr_size]
    if flip:
        lr, hr = lr[:, ::-1], hr[:, ::-1]
    return np.rot90(lr, turns), np.rot90(hr, turns)


def _variation(image: np.ndarray) -> float:
    """Mean absolute difference of neighbouring pixels of (H, W, 3), down plus across."""
    image = image.astype(np.int16)
    return float(np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean())


class Teacher(Protocol):
    """What redraws HR to train on (`srgan.upscale.ensemble.teacher`)."""

    sha256: str  # of its weights

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8."""


def prepare(config: Config, paths: Paths, teacher: Teacher | None = None) -> Dataset:
    """The data set of `config`, made if it is not there yet, and made anew if it is damaged.

    Where the photos are gone (a fresh machine) but a set prepared with the same settings lies in data/, that one is
    used; else a public set is fetched. Raises SRGANError if there is neither, if fewer than two photos are usable, or if
    `config.data.teacher` names a teacher and `teacher` is None.
    """
    if config.data.teacher and teacher is None:
        raise SRGANError(f"The teacher {config.data.teacher} was not given: prepare(config, paths, ensemble.teacher(config)).")
    teacher = teacher if config.data.teacher else None
    settings = _settings(config, teacher)
    try:
        found = sources.photos(config.data.dataset, paths.downloads, may_fetch=False)
    except SRGANError:
        earlier = _open_earlier(config, settings, paths.data)
        if earlier is not None:
            return earlier
        found = sources.photos(config.data.dataset, paths.downloads)
    photos = sources.choose(found, config)
    folder = paths.data / _key(config, settings, photos)
    if folder.is_dir():
        try:
            return Dataset(folder, config)
        except SRGANError as damage:
            print(damage)
    _write(config, settings, photos, folder, teacher)
    return Dataset(folder, config)


def skipped(dataset: Dataset) -> Iterator[str]:
    """One sentence for each file that the preparation left out."""
    for entry in dataset.manifest["skipped"]:
        yield f"{entry['name']}: {entry['reason']}"


def _read_manifest(folder: Path) -> dict:
    """What `folder` holds. Raises SRGANError if its manifest is not whole."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if {"settings", "skipped", "sha256", *SPLITS} <= manifest.keys():
            return manifest
    except (OSError, ValueError, AttributeError):
        pass  # told below
    raise SRGANError(DAMAGED.format(folder / "manifest.json", folder))


def _settings(config: Config, teacher: Teacher | None) -> dict:
    """All that decides what the prepared files hold, but for the photos themselves."""
    flat = config.flat()
    fields = ("sampling", "hr_size", "test_fraction", "seed")
    chosen = {name: flat[name] for name in ("photos", "smallest_side", "smaller_copies") if flat[name]}
    taught = {"teacher": teacher.sha256} if teacher else {}
    return {"format": FORMAT, "scale": SCALE} | {name: flat[name] for name in fields} | chosen | taught


def _slug(dataset: str) -> str:
    """The name of the data set, or the last part of the folder's name in safe characters."""
    name = Path(dataset.removeprefix("folder:")).expanduser().resolve().name if dataset.startswith("folder:") else dataset
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name) or "folder"


def _key(config: Config, settings: dict, photos: list[Photo]) -> str:
    listing = [settings, [(photo.name, photo.bytes) for photo in photos]]
    return f"{_slug(config.data.dataset)}-{hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:10]}"


def _open_earlier(config: Config, settings: dict, data: Path) -> Dataset | None:
    """The newest prepared set of the same name and settings. Raises SRGANError if it is damaged and cannot be had anew."""
    found = []
    for manifest in data.glob(f"{_slug(config.data.dataset)}-*/manifest.json"):
        with contextlib.suppress(SRGANError):  # a damaged one is as good as none
            content = _read_manifest(manifest.parent)
            if content["settings"] == settings and _same_source(content.get("source", ""), config.data.dataset):
                found.append(manifest.parent)
    if not found:
        return None
    try:
        return Dataset(max(found, key=lambda folder: folder.stat().st_mtime), config)
    except SRGANError as damage:
        if config.data.dataset not in PHOTOS:
            raise
        print(damage)
        return None


def _same_source(one: str, other: str) -> bool:
    """Whether both are the same public set, or folders of the same name, wherever they lie."""
    return one == other or (one.startswith("folder:") and other.startswith("folder:") and _slug(one) == _slug(other))


def _write(config: Config, settings: dict, photos: list[Photo], folder: Path, teacher: Teacher | None) -> None:
    """Prepare into a partial folder beside `folder`, which takes its name only when it is whole."""
    partial = folder.with_name(f".partial-{folder.name}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        manifest = _pack(config, settings, photos, partial, teacher)
        write_json(partial / "manifest.json", manifest)
        shutil.rmtree(folder, ignore_errors=True)  # it is there only if it is damaged
        os.replace(partial, folder)
    except OSError as error:
        raise SRGANError(
            f"The prepared photos could not be written to {folder} ({error.strerror or error}). "
            "Free some space or choose another working directory, then run the same again."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _pack(config: Config, settings: dict, photos: list[Photo], folder: Path, teacher: Teacher | None) -> dict:
    """Crop, degrade and append each photo to its split's file; returns the manifest. A teacher redraws HR to train on."""
    manifest = {"source": config.data.dataset, "settings": settings, "train": [], "test": [], "skipped": []}
    digests: dict[str, str] = {}
    checksums = {split: hashlib.sha256() for split in SPLITS}
    with open(folder / "train.u8", "wb") as train, open(folder / "test.u8", "wb") as test:
        files = {"train": train, "test": test}
        for photo, digest in _by_split(config, photos, manifest["skipped"]):
            try:
                if digest in digests:
                    raise SRGANError(f"the same file as {digests[digest]}")
                hr = _usable(read_image(photo.path), config)
            except SRGANError as error:
                reason = str(error).removeprefix(f"{photo.path}").lstrip(": ")
                manifest["skipped"].append({"name": photo.name, "reason": reason})
                continue
            digests[digest] = photo.name
            # The first usable photo goes to the test split, so that neither split of a small folder is empty.
            split = photo.split or ("test" if not manifest["test"] else _side(config, digest))
            for name, image in [(photo.name, hr), *(_smaller(photo.name, hr, config) if split == "train" else ())]:
                entry = {"name": name, "height": image.shape[0], "width": image.shape[1], "offset": files[split].tell()}
                lr = degrade(image)
                pixels = (teacher(lr) if teacher and split == "train" else image).tobytes() + lr.tobytes()
                files[split].write(pixels)
                checksums[split].update(pixels)
                manifest[split].append(entry)
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    if config.data.photos:
        manifest["chosen"] = [photo.name for photo in photos]
    manifest["sha256"] = {split: checksum.hexdigest() for split, checksum in checksums.items()}
    if not manifest["train"] and len(manifest["test"]) > 1:
        raise SRGANError(
            f"All {len(manifest['test'])} photos of {config.data.dataset} that can be used fell to the held-out side. "
            f"Add photos, or lower test_fraction ({config.data.test_fraction})."
        )
    if not manifest["train"] or not manifest["test"]:
        reasons = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in manifest["skipped"][:5])
        raise SRGANError(
            f"{config.data.dataset} has {len(photos)} image files, of which {len(manifest['train']) + len(manifest['test'])} "
            f"can be used; at least two are needed, one to train on and one held out. Skipped: {reasons or 'none'}."
        )
    return manifest


def _by_split(config: Config, photos: list[Photo], skipped: list[dict]) -> Iterator[tuple[Photo, str]]:
    """The photos with their content's hash, in order of hash: the same for any file names, with a progress bar."""
    hashed = []
    for photo in photos:
        try:
            hashed.append((hashlib.sha256(photo.path.read_bytes() + b"%d" % config.seed).hexdigest(), photo))
        except OSError as error:
            skipped.append({"name": photo.name, "reason": f"cannot be read ({error.strerror})"})
    hashed.sort(key=lambda pair: (pair[0], pair[1].name))
    for digest, photo in tqdm(hashed, desc="preparing", unit="photo", disable=None):
        yield photo, digest


def _side(config: Config, digest: str) -> str:
    """The split that a photo's content decides, so that adding photos never moves one from train to test."""
    return "test" if int(digest[:8], 16) / 16**8 < config.data.test_fraction else "train"


def _usable(hr: np.ndarray, config: Config) -> np.ndarray:
    least = max(config.data.hr_size, config.data.smallest_side)
    if min(hr.shape[:2]) < least:
        what = "crop" if least == config.data.hr_size else "smallest side"
        raise SRGANError(f"{hr.shape[1]}x{hr.shape[0]} pixels, smaller than the {what} of {least}")
    return centre_crop(hr, config.data.hr_size) if config.data.sampling == "centre" else crop_to_scale(hr)


def _smaller(name: str, hr: np.ndarray, config: Config) -> Iterator[tuple[str, np.ndarray]]:
    """The copies of a photo to train on that are smaller, as many as are large enough: their names and HR."""
    for factor in (0.75 ** (1 + i) for i in range(config.data.smaller_copies)):
        copy = resize(hr, round(hr.shape[0] * factor), round(hr.shape[1] * factor))
        if min(copy.shape[:2]) >= config.data.hr_size:
            yield f"{name}, {factor:.0%}", crop_to_scale(copy)


def _pair_bytes(height: int, width: int) -> int:
    return height * width * 3 + height // SCALE * (width // SCALE) * 3
