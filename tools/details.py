"""A sheet of 20 enlarged details, the same places each time, to see what weights do to fur, cloth, letters and smooth places."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from srgan.data import images, sources
from srgan.errors import SRGANError
from srgan.results import degraded, evaluation, measuring
from srgan.runs.paths import PROJECT, write_atomically

SHEET = PROJECT / "docs" / "details.jpg"
SIDE, ZOOM = 80, 2  # pixels of HR, and how often each is drawn in a row
MOST = 600_000  # bytes of the sheet
NAMES = ("bicubic", "srresnet", "srgan")


class Place(NamedTuple):
    """A square of HR: what is there, the photo (of the sample photos or of a benchmark), and its upper left corner."""

    what: str
    set: str
    photo: str
    top: int
    left: int


PLACES = (
    Place("cat's eye", "samples", "chelsea.png", 72, 116),
    Place("face", "samples", "astronaut.png", 64, 184),
    Place("grass", "samples", "grass.png", 200, 200),
    Place("evening sky", "samples", "rocket.jpg", 60, 200),
    Place("baboon's hair", "Set14", "img_001.png", 352, 60),
    Place("scarf and skin", "Set14", "img_002.png", 140, 412),
    Place("striped cloth", "Set14", "img_002.png", 400, 520),
    Place("skin and curls", "Set14", "img_006.png", 120, 60),
    Place("feathers", "Set14", "img_009.png", 320, 100),
    Place("letters", "Set14", "img_013.png", 232, 72),
    Place("old face", "BSD100", "img_035.png", 200, 120),
    Place("foxes' fur", "BSD100", "img_025.png", 100, 180),
    Place("down", "BSD100", "img_028.png", 40, 200),
    Place("stones", "BSD100", "img_033.png", 180, 60),
    Place("wall", "BSD100", "img_068.png", 60, 120),
    Place("willow", "BSD100", "img_086.png", 40, 200),
    Place("hay", "BSD100", "img_080.png", 220, 60),
    Place("dark forest", "BSD100", "img_029.png", 40, 120),
    Place("dark fur", "BSD100", "img_064.png", 100, 220),
    Place("clouds", "BSD100", "img_067.png", 40, 60),
)


def make(
    folders: dict[str, Path],
    target: Path = SHEET,
    names: tuple[str, ...] = NAMES,
    places: tuple[str, ...] = (),
    degradation: str = "",
) -> Path:
    """Write the sheet of PLACES as the methods `names` (of `measuring.method`) and HR have them; returns its path.

    `places`: what is at those to show; all of them if empty. `degradation`: what LR suffers, one of degraded.DEGRADATIONS;
    nothing if empty. Raises SRGANError for a place or degradation that is not there, and if a benchmark or weights are missing.
    """
    if degradation:
        degraded.refuse_unknown(degradation)
    unknown = set(places) - {place.what for place in PLACES}
    if unknown:
        raise SRGANError(f"There is no place {unknown.pop()}. There are: {', '.join(place.what for place in PLACES)}.")
    methods = [measuring.method(name) for name in names]
    upscalers = {method.shown: method.open() for method in methods}
    made: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    rows = []
    for place in (place for place in PLACES if not places or place.what in places):
        key = place.set, place.photo
        if key not in made:
            lr, hr = _pair(place, folders)
            if degradation:
                ((_, lr, _),) = degraded.degraded([(place.photo, lr, hr)], degradation)
            made[key] = {name: upscaler(lr) for name, upscaler in upscalers.items()} | {"HR": hr}
        rows.append(_row(place, made[key]))
    half = -(-len(rows) // 2) if len(rows) > 5 else len(rows)  # a few stand in one column
    columns = [images.stack(column) for column in (rows[:half], rows[half:]) if column]
    _write(_side_by_side(columns), target)
    return target


def _pair(place: Place, folders: dict[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """LR and HR of a place's photo; a benchmark's LR is the published one."""
    if place.set == "samples":
        (path,) = (photo.path for photo in sources.photos("samples") if photo.name == place.photo)
        hr = images.crop_to_scale(images.read_image(path))
        return images.degrade(hr), hr
    if place.set not in folders:
        raise SRGANError(f"The sheet needs {place.set}: python -m srgan fetch {place.set}")
    found = {name: (lr, hr) for name, lr, hr in evaluation.benchmark(folders[place.set]) if f"{name}.png" == place.photo}
    return found[Path(place.photo).stem]


def _row(place: Place, made: dict[str, np.ndarray]) -> Image.Image:
    cut = slice(place.top, place.top + SIDE), slice(place.left, place.left + SIDE)
    named = {(f"{place.what}: {name}" if i == 0 else name): image[cut] for i, (name, image) in enumerate(made.items())}
    return images.strip(named, height=ZOOM * SIDE)


def _side_by_side(columns: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (sum(column.width for column in columns), columns[0].height), "white")
    left = 0
    for column in columns:
        sheet.paste(column, (left, 0))
        left += column.width
    return sheet


def _write(sheet: Image.Image, target: Path) -> None:
    """As JPEG of the best quality that stays below MOST bytes."""
    for quality in range(92, 50, -4):
        content = io.BytesIO()
        sheet.save(content, format="JPEG", quality=quality, subsampling=0)
        if content.tell() < MOST:
            break
    write_atomically(target, lambda temporary: temporary.write_bytes(content.getvalue()))
