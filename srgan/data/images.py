"""Images between files and arrays. Arrays here are uint8, shape (height, width, 3), RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srgan.config import SCALE
from srgan.data import pictures
from srgan.runs.paths import write_atomically


def read_image(path: Path) -> np.ndarray:
    """The image as (height, width, 3) uint8, turned upright as its EXIF data say; gray becomes three equal channels.

    16 bits become 8, transparency is laid over white, of moving pictures the first frame counts. Raises SRGANError, with the
    reason, for what cannot be read whole.
    """
    return pictures.read(path, strict=True).shown()


def crop_to_scale(hr: np.ndarray) -> np.ndarray:
    """`hr` without the last rows and columns that exceed a multiple of the scale, as the benchmarks do it."""
    height, width = hr.shape[0] // SCALE * SCALE, hr.shape[1] // SCALE * SCALE
    return hr[:height, :width]


def centre_crop(hr: np.ndarray, size: int) -> np.ndarray:
    """The (size, size, 3) middle of `hr`, which must be that large."""
    top, left = (hr.shape[0] - size) // 2, (hr.shape[1] - size) // 2
    return hr[top : top + size, left : left + size]


def resize(image: np.ndarray, height: int, width: int, filter: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    """`image` at (height, width, 3). Pillow's filters are antialiased when they shrink."""
    return np.asarray(Image.fromarray(image).resize((width, height), filter))


def degrade(hr: np.ndarray) -> np.ndarray:
    """LR of `hr`: antialiased bicubic / 4, paper §3.2 in Pillow's words. Both sides must be multiples of 4."""
    return resize(hr, hr.shape[0] // SCALE, hr.shape[1] // SCALE)


def to_float(image: np.ndarray) -> np.ndarray:
    """A uint8 LR image or batch as the generator takes it: float32 in [0, 1]."""
    return image.astype(np.float32) / 255.0


def to_uint8(image: np.ndarray) -> np.ndarray:
    """The generator's output, float in [-1, 1] and beyond, as uint8."""
    return np.clip(np.round((image + 1.0) * 127.5), 0, 255).astype(np.uint8)


def strip(images: dict[str, np.ndarray], height: int | None = None) -> Image.Image:
    """The images side by side under their names, all enlarged without smoothing to `height` (default: the tallest)."""
    height = height or max(image.shape[0] for image in images.values())
    gap, head = 6, 22
    panels = []
    for image in images.values():
        width = round(image.shape[1] * height / image.shape[0])
        panels.append(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST))
    sheet = Image.new("RGB", (sum(panel.width + gap for panel in panels) + gap, height + head + gap), "white")
    draw, left = ImageDraw.Draw(sheet), gap
    for name, panel in zip(images, panels, strict=True):
        draw.text((left, 4), name, fill="black", font=ImageFont.load_default(13))
        sheet.paste(panel, (left, head))
        left += panel.width + gap
    return sheet


def stack(sheets: list[Image.Image]) -> Image.Image:
    """The sheets one under the other."""
    stacked = Image.new("RGB", (max(s.width for s in sheets), sum(s.height for s in sheets)), "white")
    top = 0
    for sheet in sheets:
        stacked.paste(sheet, (0, top))
        top += sheet.height
    return stacked


def save_png(path: Path, image: Image.Image | np.ndarray) -> None:
    """Write `image` as PNG, atomically."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    write_atomically(path, lambda temporary: image.save(temporary, format="PNG"))
