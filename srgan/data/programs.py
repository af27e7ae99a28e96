"""LR as people's programs make it: a picture shrunk and saved as JPEG by Pillow, FFmpeg and libvips, each at its own defaults."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyvips
from PIL import Image

from srgan.errors import SRGANError


def pillow(hr: np.ndarray, height: int, width: int) -> np.ndarray:
    """By `Image.thumbnail` and `Image.save`: bicubic after whole pixels are joined, quality 75, colour at half size."""
    image, file = Image.fromarray(hr), io.BytesIO()
    image.thumbnail((width, height))
    image.save(file, "JPEG")
    return _decoded(file.getvalue())


def ffmpeg(hr: np.ndarray, height: int, width: int) -> np.ndarray:
    """By its filter `scale`, which is bicubic, and its encoder mjpeg. Raises SRGANError without PyAV."""
    try:
        import av
    except ImportError as error:
        raise SRGANError("FFmpeg's JPEGs need the package PyAV: pip install av") from error
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = width, height, "yuvj420p", 25
    frame = av.VideoFrame.from_ndarray(hr, "rgb24").reformat(width, height, "yuvj420p")
    return _decoded(b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None))))


def libvips(hr: np.ndarray, height: int, width: int) -> np.ndarray:
    """By `thumbnail` and `jpegsave`: Lanczos of three lobes, quality 75, colour at half size."""
    image = pyvips.Image.new_from_array(hr).copy(interpretation="srgb")
    return _decoded(image.thumbnail_image(width, height=height, size="force").jpegsave_buffer())


SHRUNK_AND_SAVED: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    program.__name__: program for program in (pillow, ffmpeg, libvips)
}  # HR (H, W, 3) uint8, height and width of LR -> LR (height, width, 3) uint8


def _decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
