"""Files that nobody has chosen: images of any size and kind survive, damaged ones are read or refused in words."""

from __future__ import annotations

import faulthandler
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from srgan.data import pictures
from srgan.errors import SRGANError
from srgan.upscale import image_files
from tests import inputs

SHARED_FOLDER = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = [
    name for name in inputs.INPUTS if name not in ("empty.png", "folder.png", "circle.png", "vanished.png", "bomb.png", "vast.png")
]
HOLDS = {  # kinds of file that lose nothing -> the channels they hold, and the depths
    ".png": ((1, 2, 3, 4), (np.uint8, np.uint16)),
    ".tif": ((1, 2, 3, 4), (np.uint8, np.uint16)),
    ".bmp": ((1, 3), (np.uint8,)),
    ".webp": ((3,), (np.uint8,)),
}


@st.composite
def stills(draw):
    """(pixels, the ending of a file that holds them)."""
    suffix = draw(st.sampled_from(sorted(HOLDS)))
    channels, depths = (draw(st.sampled_from(choices)) for choices in HOLDS[suffix])
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)), channels)
    return draw(arrays.arrays(depths, shape)), suffix


@given(stills())
@SHARED_FOLDER
def test_what_is_written_is_read_again_pixel_for_pixel(tmp_path, still):
    pixels, suffix = still
    path = tmp_path / f"x{suffix}"
    image_files.write(path, [[pixels]], *pixels.shape[:2], pictures.Picture([pixels], "PNG"))
    (found,) = pictures.read(path).frames
    if suffix == ".tif" and pixels.dtype == np.uint16 and pixels.shape[2] == 2:
        pixels = pixels[..., [0, 0, 0, 1]]  # gray with transparency of 16 bits is written as colour
    assert found.dtype == pixels.dtype and np.array_equal(found, pixels)


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    for name in WHOLE:
        inputs.INPUTS[name][1](folder / name)
    return {name: (folder / name).read_bytes() for name in WHOLE}


@st.composite
def damages(draw):
    """A function that damages bytes: some changed, a piece cut out, doubled or put elsewhere, or the end missing."""
    kind = draw(st.sampled_from(("change", "change", "cut", "double", "move", "end")))
    places = [draw(st.floats(0, 1)) for _ in range(3)]
    changes = draw(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=12))

    def damage(content: bytes) -> bytes:
        first, second, third = sorted(round(place * len(content)) for place in places)
        if kind == "change":
            changed = bytearray(content)
            for place, value in changes:
                changed[int(place**3 * len(content))] = value  # mostly near the beginning, where the headers are
            return bytes(changed)
        piece = content[first:second]
        return {
            "cut": content[:first] + content[second:],
            "double": content[:second] + piece + content[second:],
            "move": content[:first] + content[second:third] + piece + content[third:],
            "end": content[:first],
        }[kind]

    return damage


def check(path: Path) -> None:
    """What is at `path` is a picture as promised, or refused by name."""
    try:
        picture = pictures.read(path)
    except SRGANError as error:
        assert str(path) in str(error) and "\n" not in str(error).strip()
        return
    for frame in picture.frames:
        assert frame.dtype in (np.uint8, np.uint16) and frame.ndim == 3 and 1 <= frame.shape[2] <= 4 and frame.size
        assert frame.shape == picture.frames[0].shape
    assert len(picture.durations) in (0, len(picture.frames))
    assert picture.shown().shape == (*picture.frames[0].shape[:2], 3)
    for suffix in (".png", ".tif"):  # and whatever came with the pixels can be written
        if not (picture.is_moving and suffix == ".tif"):
            target = path.with_name(f"again{suffix}")
            image_files.write(target, [[frame] for frame in picture.frames], *picture.frames[0].shape[:2], picture)
            assert np.array_equal(pictures.read(target).shown(), picture.shown())


@pytest.mark.parametrize("name", WHOLE)
@given(damages())
@settings(SHARED_FOLDER, max_examples=60)
def test_a_damaged_file_is_a_picture_or_refused_by_name(originals, tmp_path, monkeypatch, name, damage):
    monkeypatch.setattr(pictures, "LARGEST", 1_000_000)  # a header that promises more is refused; reading so much takes long
    faulthandler.enable()  # a decoder that crashes shows where
    path = tmp_path / name
    path.write_bytes(damage(originals[name]))
    check(path)
