"""Where photos come from: those that lie inside installed wheels, a folder of the user's own, or a public set."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from srgan.config import Config
from srgan.data import media, pictures
from srgan.data.catalogue import PHOTOS
from srgan.data.fetch import fetch
from srgan.data.unpack import unpack
from srgan.errors import SRGANError
from srgan.runs.paths import PROJECT

# Real photographs shipped with scikit-image (public domain or CC0) and matplotlib (U.S. Navy, public domain).
_SKIMAGE_TRAIN = (
    "astronaut.png", "brick.png", "camera.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
    "ihc.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
_SKIMAGE_TEST = ("chelsea.png", "coffee.png")
_MATPLOTLIB_TRAIN = ("grace_hopper.jpg",)


@dataclass(frozen=True)
class Photo:
    """One photo of a source. `name` is its path inside the source; `split` is "train", "test" or "" (undecided).

    Bytes of a file name that are not UTF-8 stand in `name` as \\xE9, so that it can be printed and written.
    """

    name: str
    path: Path
    split: str = ""

    @property
    def bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:  # it has gone since it was found: whoever reads it will say so
            return 0


def photos(dataset: str, downloads: Path = PROJECT / "data" / "downloads", may_fetch: bool = True) -> list[Photo]:
    """The photos of `dataset` ("samples", "folder:PATH" or a name in catalogue.PHOTOS), in order of name.

    A public set is fetched to `downloads` first where it is not there yet. Raises SRGANError if that fails or is not
    wanted (`may_fetch`), and for a folder that is missing or holds no image file.
    """
    if dataset == "samples":
        return _samples()
    if dataset in PHOTOS:
        folder = downloads / dataset
        if not folder.is_dir() and not may_fetch:
            raise SRGANError(f"{dataset} is not here yet. To fetch it: python -m srgan fetch {dataset}.")
        return [Photo(path.name, path) for path in sorted(fetch_photos(dataset, downloads).iterdir())]
    return _folder(Path(dataset.removeprefix("folder:")).expanduser(), downloads.parents[1])


def fetch_photos(name: str, downloads: Path) -> Path:
    """The folder downloads/NAME with the photos of a public set and nothing else, fetched if it is not there yet."""
    public, folder = PHOTOS[name], downloads / name
    if not folder.is_dir():
        print(f"{name}: {public.about}; {public.licence}", flush=True)
        # Photos do not compress: unpacked they take as much again.
        archive = fetch(public.file, downloads, room=public.file.bytes)
        unpack(archive, folder, lambda member: _photo_in(public.inside, PurePosixPath(member)))
        print(f"Unpacked to {folder}. {archive.name} beside it is no longer needed.", flush=True)
    return folder


def _photo_in(inside: str, member: PurePosixPath) -> str | None:
    """The file name of a member of an archive that is a photo in the folder `inside`."""
    return member.name if str(member.parent) == inside and member.suffix.lower() in media.PICTURES else None


def choose(found: list[Photo], config: Config) -> list[Photo]:
    """`config.data.photos` of the photos `found`, drawn by the seed, in order of name; all of them where it is 0.

    Those with a side below `smallest_side` or the crop are passed over. The chosen ones are split exactly: the share
    `test_fraction`, rounded, is held out. Raises SRGANError if too few are large enough.
    """
    if not config.data.photos:
        return found
    least = max(config.data.smallest_side, config.data.hr_size)
    # A random stream of its own: batches draw from (seed, step), the orders of epochs from (seed, epoch, 1).
    order = np.random.default_rng((config.seed, 0, 2)).permutation(len(found))
    chosen: list[Photo] = []
    for i in order:
        if _is_large(found[i], least):
            chosen.append(found[i])
        if len(chosen) == config.data.photos:
            break
    if len(chosen) < config.data.photos:
        raise SRGANError(
            f"{config.data.dataset} has {len(found)} photos, of which {len(chosen)} can be read and have no side below {least} "
            f"pixels; {config.data.photos} are wanted. Lower photos, smallest_side or hr_size."
        )
    held_out = min(max(round(config.data.photos * config.data.test_fraction), 1), config.data.photos - 1)
    chosen = [replace(photo, split="test" if i < held_out else "train") for i, photo in enumerate(chosen)]
    return sorted(chosen, key=lambda photo: photo.name)


def _is_large(photo: Photo, least: int) -> bool:
    """Whether neither side is below `least` pixels, by the file's header; one that cannot be read is not."""
    try:
        return min(pictures.size(photo.path)) >= least
    except SRGANError:
        return False


def absolute(dataset: str, base: Path) -> str:
    """`dataset` with the folder of "folder:PATH" counted from `base`."""
    if not dataset.startswith("folder:"):
        return dataset
    return f"folder:{(base / Path(dataset.removeprefix('folder:')).expanduser()).resolve()}"


def sample_photo() -> Path:
    """A photo to upscale that no weights of this project learned from: it is among the held-out samples."""
    return next(photo.path for photo in _samples() if photo.split == "test")


def _samples() -> list[Photo]:
    skimage, mpl = _package_folder("skimage") / "data", _package_folder("matplotlib") / "mpl-data" / "sample_data"
    found = [Photo(name, skimage / name, "train") for name in _SKIMAGE_TRAIN]
    found += [Photo(name, mpl / name, "train") for name in _MATPLOTLIB_TRAIN]
    found += [Photo(name, skimage / name, "test") for name in _SKIMAGE_TEST]
    missing = [photo.name for photo in found if not photo.path.is_file()]
    if missing:
        raise SRGANError(
            f"The sample photos {', '.join(missing)} are not where scikit-image and matplotlib ship them. "
            "Install the versions in requirements.txt, or use a folder of your own: folder:PATH."
        )
    return sorted(found, key=lambda photo: photo.name)


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise SRGANError(f"The sample photos need the package {package}: pip install -r requirements.txt.")
    return Path(spec.origin).parent


def _folder(folder: Path, workdir: Path) -> list[Photo]:
    """The photos in `folder`; not those that runs write where it is their working directory, too."""
    if not folder.is_dir():
        raise SRGANError(f"There is no folder {folder}. Make it and put photos in it, or name another: folder:PATH.")
    own = [place for name in ("output", "data/downloads") if (place := workdir / name) != folder]
    found = []
    locked: list[OSError] = []
    for path in media.walk(folder, locked.append):
        if media.kind(path) == "picture" and path.is_file() and not any(path.is_relative_to(place) for place in own):
            inside = path.relative_to(folder).as_posix()
            found.append(Photo(os.fsencode(inside).decode("utf-8", "backslashreplace"), path))
    for error in locked:
        print(f"The folder {error.filename or folder} cannot be read ({error.strerror or error}): its photos are passed over.")
    if not found:
        raise SRGANError(f"The folder {folder} holds no image ({', '.join(media.PICTURES)}), subfolders included.")
    return sorted(found, key=lambda photo: photo.name)
