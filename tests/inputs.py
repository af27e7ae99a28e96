"""Images of every kind, and what `python -m srgan upscale` makes of them.

python -m tests.inputs > docs/inputs.md
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import tifffile
from PIL import Image, ImageCms

from srgan.data.metadata import ORIENTATION, png_chunk
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import preset
from srgan.upscale import files, network

HEIGHT, WIDTH = 20, 30
PHOTO = Image.fromarray(skimage.data.chelsea()[100 : 100 + HEIGHT, 110 : 110 + WIDTH])
DEEP = np.asarray(PHOTO).astype(np.uint16) * 257 + 3
DISC = ((np.mgrid[:HEIGHT, :WIDTH] - np.array([10, 15])[:, None, None]) ** 2).sum(0) < 60
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write_png(path: Path, width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG of nothing but what is given: `rows` each with its filter before it, `chunks` before the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts))


def deep_png(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> Callable[[Path], None]:
    """Of pixels (H, W, C) uint16."""
    height, width, channels = pixels.shape
    rows = np.pad(np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, -1), ((0, 0), (1, 0))).tobytes()
    return lambda path: write_png(path, width, height, 16, {1: 0, 3: 2, 2: 4, 4: 6}[channels], rows, *chunks)


def cut_out() -> Image.Image:
    """The photo inside a disc, nothing around it."""
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.fromarray((DISC * 255).astype(np.uint8)))
    return image


def frames() -> list[Image.Image]:
    return [PHOTO.rotate(20 * i) for i in range(3)]


def _save(image: Image.Image, **options) -> Callable[[Path], None]:
    return lambda path: image.save(path, **options)


def _moving(**options) -> Callable[[Path], None]:
    first, *others = frames()
    return lambda path: first.save(path, save_all=True, append_images=others, duration=[50, 60, 70], loop=3, **options)


def _cut(path: Path) -> None:
    PHOTO.save(path)
    path.write_bytes(path.read_bytes()[:600])


def _bomb(path: Path) -> None:
    write_png(path, 50_000, 50_000, 8, 2, b"")


def packed_tiff(path: Path) -> None:
    """Gray of 12 bits, two samples in three bytes."""
    pixels = (np.asarray(PHOTO.convert("L")).astype(int) * 16).reshape(-1, 2)
    strip = np.stack([pixels[:, 0] >> 4, (pixels[:, 0] & 15) << 4 | pixels[:, 1] >> 8, pixels[:, 1] & 255], 1).astype(np.uint8)
    tags = {256: WIDTH, 257: HEIGHT, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 12 * 9 + 4, 277: 1, 278: HEIGHT, 279: strip.size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + strip.tobytes())


def _tagged(path: Path) -> None:
    exif = PHOTO.getexif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "a cat"
    PHOTO.save(path, exif=exif, dpi=(300, 300), icc_profile=SRGB, quality=95)


# file name -> (what is special, how it is made)
INPUTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "colour.png": ("", _save(PHOTO)),
    "colour.jpg": ("", _save(PHOTO, quality=95)),
    "colour.webp": ("", _save(PHOTO, lossless=True)),
    "colour.tif": ("", _save(PHOTO)),
    "colour.bmp": ("", _save(PHOTO)),
    "a cat, 猫.png": ("spaces and Unicode in the name", _save(PHOTO)),
    "tags.jpg": ("turned by EXIF, 300 dpi, ICC profile", _tagged),
    "gray.png": ("gray", _save(PHOTO.convert("L"))),
    "gray_alpha.png": ("gray with transparency", _save(cut_out().convert("LA"))),
    "alpha.png": ("transparency", _save(cut_out())),
    "alpha.webp": ("transparency", _save(cut_out(), lossless=True)),
    "palette.png": ("a palette of 16 colours", _save(PHOTO.quantize(16))),
    "palette_alpha.gif": ("a palette with a transparent colour", _save(cut_out())),
    "one_bit.png": ("1 bit", _save(PHOTO.convert("1"))),
    "cmyk.jpg": ("CMYK", _save(PHOTO.convert("CMYK"), quality=95)),
    "cmyk.tif": ("CMYK", _save(PHOTO.convert("CMYK"))),
    "deep_gray.png": ("16 bits, gray", deep_png(DEEP[..., :1])),
    "deep.png": ("16 bits", deep_png(DEEP)),
    "deep_alpha.png": ("16 bits, transparency", deep_png(DEEP[..., [0, 1, 2, 0]])),
    "deep.tif": ("16 bits", lambda path: tifffile.imwrite(path, DEEP, photometric="rgb")),
    "deep_gray.tif": ("16 bits, gray", lambda path: tifffile.imwrite(path, DEEP[..., 0], photometric="minisblack")),
    "moving.gif": ("3 frames", _moving()),
    "moving.webp": ("3 frames", _moving(lossless=True)),
    "moving.png": ("3 frames", _moving()),
    "pages.tif": ("2 pages", lambda path: PHOTO.save(path, save_all=True, append_images=[PHOTO])),
    "one_pixel.png": ("1x1", _save(PHOTO.crop((0, 0, 1, 1)))),
    "line.png": ("1 pixel high", _save(PHOTO.crop((0, 0, WIDTH, 1)))),
    "float.tif": ("floating point", lambda path: tifffile.imwrite(path, DEEP[..., 0].astype(np.float32))),
    "empty.png": ("0 bytes", lambda path: path.write_bytes(b"")),
    "cut.png": ("cut off", _cut),
    "text.jpg": ("text", lambda path: path.write_text("not a photo")),
    "bomb.png": ("its header promises 50,000x50,000 pixels", _bomb),
    "folder.png": ("a folder", lambda path: path.mkdir()),
    "circle.png": ("a link to itself", lambda path: path.symlink_to(path)),
    "vanished.png": ("not there", lambda path: None),
}  # fmt: skip


def small_network() -> network.Network:
    """A small network without training."""
    return network.network(networks.generator(preset("quick", blocks=1, filters=8)))


def outcomes(folder: Path, upscaler: network.Network) -> dict[str, str]:
    """What becomes of each of INPUTS, in words: the result's kind, or the sentence of refusal without the place."""
    told = {}
    for name, (_, make) in INPUTS.items():
        source = folder / name
        make(source)
        target = folder / "out" / (source.stem + files.ending(source))
        try:
            picture = files.upscale_file(source, target, upscaler)
        except SRGANError as error:
            assert not target.exists()
            told[name] = str(error).replace(f"{folder}{os.sep}", "")
        else:
            told[name] = "; ".join((described(target), *picture.notes))
            target.unlink()
    return told


def described(path: Path) -> str:
    """Kind, mode, size and what goes along, as Pillow and tifffile see it."""
    with Image.open(path) as image:
        mode = image.mode
        if path.suffix == ".png" and path.read_bytes()[24] == 16:
            mode += ", 16 bits"
        if path.suffix == ".tif":
            mode += f", {8 * tifffile.imread(path).itemsize} bits"
        count = getattr(image, "n_frames", 1)
        extras = [f"{count} frames"] if count > 1 else []
        extras += ["ICC profile"] if image.info.get("icc_profile") else []
        extras += [f"{float(image.info['dpi'][0]):.0f} dpi"] if image.info.get("dpi", (1, 1))[0] > 1 else []
        extras += ["EXIF: a cat"] if count == 1 and "a cat" in image.getexif().values() else []
        return ", ".join((image.format, mode, f"{image.width}x{image.height}", *extras))


def main() -> None:
    print("# Images of every kind, and what becomes of them\n")
    print(f"Written by `python -m tests.inputs`. Each is {WIDTH}x{HEIGHT} pixels where nothing else is said.\n")
    print("| input | special | outcome |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, outcome in outcomes(Path(folder), small_network()).items():
            print(f"| {name} | {INPUTS[name][0]} | {outcome} |")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
