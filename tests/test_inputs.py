"""Every kind of image in, the right kind out or a sentence: the table of `python -m tests.inputs`."""

from __future__ import annotations

import pytest

from tests import inputs

PNG, TIFF = "PNG, {}, 120x80", "TIFF, {}, 120x80"
EXPECTED = {
    **dict.fromkeys(("colour.png", "colour.jpg", "colour.webp", "a cat, 猫.png", "palette.png"), PNG.format("RGB")),
    "colour.bmp": "PNG, RGB, 120x80, 96 dpi",
    "colour.tif": TIFF.format("RGB, 8 bits"),
    "tags.jpg": "PNG, RGB, 80x120, ICC profile, 300 dpi, EXIF: a cat",
    "gray.png": PNG.format("L"),
    "one_bit.png": PNG.format("L"),
    "gray_alpha.png": PNG.format("LA"),
    **dict.fromkeys(("alpha.png", "alpha.webp", "palette_alpha.gif"), PNG.format("RGBA")),
    "cmyk.jpg": PNG.format("RGB") + "; CMYK became sRGB",
    "cmyk.tif": TIFF.format("RGB, 8 bits") + "; CMYK became sRGB",
    "deep_gray.png": PNG.format("I;16, 16 bits"),
    "deep.png": PNG.format("RGB, 16 bits"),
    "deep_alpha.png": PNG.format("RGBA, 16 bits"),
    "deep.tif": TIFF.format("RGB, 16 bits"),
    "deep_gray.tif": TIFF.format("I;16, 16 bits"),
    "moving.png": PNG.format("RGB") + ", 3 frames",
    "pages.tif": TIFF.format("RGB, 8 bits") + "; the first of 2 pages",
    "one_pixel.png": "PNG, RGB, 4x4",
    "line.png": "PNG, RGB, 120x4",
    "vanished.png": "There is no file vanished.png.",
    "folder.png": "folder.png is a folder, not a file.",
    "bomb.png": "bomb.png has more than the 100 megapixels that are taken. Cut it into parts.",
}
PARTS = {  # of what is said
    "moving.gif": ("GIF, ", "120x80, 3 frames"),
    "moving.webp": ("WEBP, ", "120x80, 3 frames"),
    "float.tif": ("floating point", "Save it with 8 or 16 bits"),
    "empty.png": ("empty.png is no image",),
    "text.jpg": ("text.jpg is no image",),
    "cut.png": ("cut.png cannot be read as an image", "damaged"),
    "circle.png": ("circle.png cannot be read", "symbolic links"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return inputs.outcomes(tmp_path_factory.mktemp("inputs"), inputs.small_network())


def test_every_input_is_told_of():
    assert inputs.INPUTS.keys() == EXPECTED.keys() | PARTS.keys()


@pytest.mark.parametrize("name", inputs.INPUTS)
def test_what_becomes_of(name, told):
    if name in EXPECTED:
        assert told[name] == EXPECTED[name]
    else:
        assert all(part in told[name] for part in PARTS[name]), told[name]
