"""What H.264 makes of the frames of a short clip, as phones and the web save video (by PyAV, which brings x264)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from srgan.errors import SRGANError

try:
    import av
except ImportError as error:  # Colab has it not
    raise SRGANError("H.264 needs the package PyAV: pip install av") from error

PRESET = "veryfast"  # of x264
BLOCK = 16  # side of a macroblock, pixels


def last_frame(clip: list[np.ndarray], crf: float, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """The last frame of a clip of (H, W, 3) uint8 after H.264 of the quality `crf` (17: nearly as it was, 51: worst), same shape.

    The first frame stands alone, the others are told by those before. The blocks begin `shift` (rows, columns) before the first
    pixel.
    """
    height, width = clip[0].shape[:2]
    ends = [(before, (before + length) % 2) for before, length in zip(shift, (height, width), strict=True)]  # x264 wants even sides
    padded = [np.pad(frame, (*ends, (0, 0)), "edge") for frame in clip]
    encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
    encoder.height, encoder.width = padded[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.options = {"crf": str(crf), "preset": PRESET, "tune": "zerolatency"}
    encoder.thread_count = decoder.thread_count = 1
    packets = []
    for time, frame in enumerate(padded):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts = time
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    decoded = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return decoded[-1].to_ndarray(format="rgb24")[shift[0] : shift[0] + height, shift[1] : shift[1] + width]
