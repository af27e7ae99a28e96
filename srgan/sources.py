"""Where photos come from: those that lie inside installed wheels, or a folder of the user's own."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from srgan.errors import SRGANError
from srgan.images import SUFFIXES

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
        return self.path.stat().st_size


def photos(dataset: str) -> list[Photo]:
    """The photos of `dataset` ("samples" or "folder:PATH"), in order of name.

    Raises SRGANError for a folder that is missing or holds no image file.
    """
    if dataset == "samples":
        return _samples()
    return _folder(Path(dataset.removeprefix("folder:")).expanduser())


def absolute(dataset: str, base: Path) -> str:
    """`dataset` with the folder of "folder:PATH" counted from `base`."""
    if not dataset.startswith("folder:"):
        return dataset
    return f"folder:{(base / Path(dataset.removeprefix('folder:')).expanduser()).resolve()}"


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


def _folder(folder: Path) -> list[Photo]:
    if not folder.is_dir():
        raise SRGANError(f"There is no folder {folder}. Make it and put photos in it, or name another: folder:PATH.")
    found = []
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            found.append(Photo(os.fsencode(inside.as_posix()).decode("utf-8", "backslashreplace"), path))
    if not found:
        raise SRGANError(f"The folder {folder} holds no image ({', '.join(SUFFIXES)}), subfolders included.")
    return sorted(found, key=lambda photo: photo.name)
