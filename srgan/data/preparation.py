"""Photos -> a prepared data set on disk, once: cropped, degraded, split into photos to train on and held-out ones.

Its folder's name carries a hash of the settings and of the list of files, so that a change of either prepares anew beside
the old. What the folder holds is told in dataset.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm.auto import tqdm

from srgan.config import SCALE, Config
from srgan.data import sources
from srgan.data.catalogue import PHOTOS
from srgan.data.dataset import SPLITS, Dataset, checksum, read_manifest
from srgan.data.images import centre_crop, crop_to_scale, degrade, read_image, resize
from srgan.data.sources import Photo
from srgan.errors import SRGANError
from srgan.runs.locks import only_one
from srgan.runs.outside import Damaged, open_regular
from srgan.runs.paths import PARTIAL, Paths, remove_folder, write_json

FORMAT = 2
LONGEST_SLUG = 100  # letters of a data set's name in that of its folder


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
    with only_one(folder):
        if folder.is_dir():
            try:
                return Dataset(folder, config)
            except SRGANError as damage:
                print(damage)
        _write(config, settings, photos, folder, teacher)
    return Dataset(folder, config)


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
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name)[:LONGEST_SLUG] or "folder"


def _key(config: Config, settings: dict, photos: list[Photo]) -> str:
    listing = [settings, [(photo.name, photo.bytes) for photo in photos]]
    return f"{_slug(config.data.dataset)}-{hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:10]}"


def _open_earlier(config: Config, settings: dict, data: Path) -> Dataset | None:
    """The newest prepared set of the same name and settings. Raises SRGANError if it is damaged and cannot be had anew."""
    found = []
    for manifest in data.glob(f"{_slug(config.data.dataset)}-*/manifest.json"):
        with contextlib.suppress(SRGANError):  # a damaged one is as good as none
            content = read_manifest(manifest.parent)
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
    partial = folder.with_name(f"{PARTIAL}{folder.name}")  # nobody else is at work there
    try:
        remove_folder(partial)
        partial.mkdir(parents=True)
        manifest = _pack(config, settings, photos, partial, teacher)
        write_json(partial / "manifest.json", manifest | {"checksum": checksum(manifest)})
        remove_folder(folder)  # it is there only if it is damaged
        os.replace(partial, folder)
    except OSError as error:
        raise SRGANError(
            f"The prepared photos could not be written to {folder} ({error.strerror or error}). "
            "Free some space or choose another working directory, then run the same again."
        ) from error
    finally:
        remove_folder(partial)


def _pack(config: Config, settings: dict, photos: list[Photo], folder: Path, teacher: Teacher | None) -> dict:
    """Crop, degrade and append each photo to its split's file; returns the manifest. A teacher redraws HR to train on."""
    manifest = {"source": config.data.dataset, "settings": settings, "train": [], "test": [], "skipped": []}
    if config.data.photos:
        manifest["chosen"] = [photo.name for photo in photos]
    checksums = {split: hashlib.sha256() for split in SPLITS}
    with open(folder / "train.u8", "wb") as train, open(folder / "test.u8", "wb") as test:
        files = {"train": train, "test": test}
        for photo, digest, hr in _readable(config, photos, manifest["skipped"]):
            # The first usable photo goes to the test split, so that neither split of a small folder is empty.
            split = photo.split or ("test" if not manifest["test"] else _side(config, digest))
            for name, image in [(photo.name, hr), *(_smaller(photo.name, hr, config) if split == "train" else ())]:
                place = {"name": name, "height": image.shape[0], "width": image.shape[1], "offset": files[split].tell()}
                lr = degrade(image)
                pixels = (teacher(lr) if teacher and split == "train" else image).tobytes() + lr.tobytes()
                files[split].write(pixels)
                checksums[split].update(pixels)
                manifest[split].append(place | {"crc32": zlib.crc32(pixels)})
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    manifest["sha256"] = {split: checksum.hexdigest() for split, checksum in checksums.items()}
    _refuse_empty_split(config, manifest, len(photos))
    return manifest


def _readable(config: Config, photos: list[Photo], skipped: list[dict]) -> Iterator[tuple[Photo, str, np.ndarray]]:
    """The photos that can be used, with their content's hash and HR; the others go to `skipped`."""
    names: dict[str, str] = {}  # by hash
    for photo, digest in _in_order_of_content(config, photos, skipped):
        try:
            if digest in names:
                raise SRGANError(f"the same file as {names[digest]}")
            hr = _usable(read_image(photo.path), config)
        except SRGANError as error:
            skipped.append({"name": photo.name, "reason": str(error).removeprefix(f"{photo.path}").lstrip(": ")})
            continue
        names[digest] = photo.name
        yield photo, digest, hr


def _refuse_empty_split(config: Config, manifest: dict, count: int) -> None:
    """Raises SRGANError if there is nothing to train on or nothing held out, of `count` files."""
    train, test = len(manifest["train"]), len(manifest["test"])
    if not train and test > 1:
        raise SRGANError(
            f"All {test} photos of {config.data.dataset} that can be used fell to the held-out side. "
            f"Add photos, or lower test_fraction ({config.data.test_fraction})."
        )
    if not train or not test:
        reasons = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in manifest["skipped"][:5])
        raise SRGANError(
            f"{config.data.dataset} has {count} image files, of which {train + test} "
            f"can be used; at least two are needed, one to train on and one held out. Skipped: {reasons or 'none'}."
        )


def _in_order_of_content(config: Config, photos: list[Photo], skipped: list[dict]) -> Iterator[tuple[Photo, str]]:
    """The photos with their content's hash, in order of hash: the same for any file names, with a progress bar."""
    hashed = []
    for photo in photos:
        try:
            with open_regular(photo.path) as file:
                digest = hashlib.file_digest(file, "sha256")
            digest.update(b"%d" % config.seed)
            hashed.append((digest.hexdigest(), photo))
        except (Damaged, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error).rpartition("(")[2].rstrip(")")
            skipped.append({"name": photo.name, "reason": f"cannot be read ({reason})"})
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
