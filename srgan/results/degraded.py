"""Test sets that suffered: fixed degradations of the LR of any set, each a list of parts and numbers, no pictures.

"Set14:jpeg50" is Set14 under the degradation jpeg50, "Set14:all" all nine, "Set14:programs" HR as three programs shrink and save
it. The same pictures come out wherever they are made (of one version of the packages): the only chance is in the numbers of the
picture in its set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from srgan.config import SCALE
from srgan.data import degradation, images, programs
from srgan.errors import SRGANError
from srgan.results.evaluation import TestImage

LIGHT = {"first": (0.4, 1.5), "second": (0.6, 1.2), "quality": (75, 95)}  # sides against HR, then against LR; JPEG, twice
DEGRADATIONS: dict[str, tuple[tuple, ...]] = {
    "jpeg50": (("jpeg", 50),),
    "jpeg75": (("jpeg", 75),),
    "jpeg90": (("jpeg", 90),),
    "twice": (("jpeg", 75, (3, 5)), ("jpeg", 60)),  # its first blocks begin at another place
    "noise5": (("noise", 5),),
    "noise15": (("noise", 15),),
    "blur1": (("blur", 1.0),),  # of HR, pixels
    "blur2": (("blur", 2.0),),
    "light": (("light",),),
    "jpeg60": (("jpeg", 60),),  # to compare with single figures
    "pillow": (("program", "pillow"),),
    "ffmpeg": (("program", "ffmpeg"),),
    "libvips": (("program", "libvips"),),
}
NINE = tuple(DEGRADATIONS)[:9]
PROGRAMS = tuple(DEGRADATIONS)[-3:]
GROUPS = {"all": NINE, "programs": PROGRAMS}


def refuse_unknown(name: str, *groups: str) -> None:
    """Raises SRGANError if `name` is no degradation, nor one of `groups`."""
    known = (*groups, *DEGRADATIONS)
    if name not in known:
        raise SRGANError(f'There is no degradation "{name}". There are: {", ".join(known)}.')


def split(name: str) -> tuple[str, str]:
    """The set and the degradation in a name such as "Set14:jpeg50"; "" where it has none."""
    stem, colon, ending = name.rpartition(":")
    return (stem, ending) if colon and ending in DEGRADATIONS else (name, "")


def expanded(names: Iterable[str]) -> list[str]:
    """The names, those that end in ":all" or ":programs" replaced by the set under each degradation of the group."""
    found = []
    for name in names:
        stem, _, group = name.rpartition(":")
        found += [f"{stem}:{each}" for each in GROUPS[group]] if stem and group in GROUPS else [name]
    return found


def degraded(test_images: Iterable[TestImage], name: str) -> Iterator[TestImage]:
    """The images of a set with LR under the degradation `name`."""
    for number, (image, lr, hr) in enumerate(test_images):
        rng = np.random.default_rng((number, 15))
        for part, *numbers in DEGRADATIONS[name]:
            lr = _suffered(part, numbers, lr, hr, rng)
        yield image, lr, hr


def _suffered(part: str, numbers: list, lr: np.ndarray, hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if part == "jpeg":
        quality, *shift = numbers
        return degradation.jpeg(lr, quality, degradation.HALF_COLOUR, *shift)
    if part == "noise":
        return degradation.gaussian_noise(lr, *numbers, gray=False, rng=rng)
    if part == "blur":
        return images.degrade(degradation.blur(hr, *numbers, *numbers))
    if part == "program":
        return programs.SHRUNK_AND_SAVED[numbers[0]](hr, *lr.shape[:2])
    return _light(hr, rng)


def _light(hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """LR by way of two in-between sizes and two JPEG: what most pictures of the web went through. No blur, no noise."""
    height, width = hr.shape[0] // SCALE, hr.shape[1] // SCALE
    sides = SCALE * rng.uniform(*LIGHT["first"]), rng.uniform(*LIGHT["second"])
    qualities = [round(rng.uniform(*LIGHT["quality"])) for _ in sides]
    resizes = [degradation.any_resize(rng) for _ in sides]
    first, second = ((round(height * side), round(width * side)) for side in sides)
    image = degradation.jpeg(resizes[0](hr, *first), qualities[0])
    return degradation.jpeg(images.resize(resizes[1](image, *second), height, width), qualities[1])
