"""A video's frame as pixels and back: its colours by the stream's own matrix and range, its picture upright.

Codes of matrix, range, primaries and transfer are those of ITU-T H.273, which FFmpeg uses too.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation

from srgan.errors import SRGANError
from srgan.upscale.size import Size

RGB, BT709, UNSPECIFIED, SMPTE170M = 0, 1, 2, 6  # matrices
KNOWN = (BT709, 4, 5, SMPTE170M, 7, 9)  # besides these two FCC, BT.601 of 625 lines, SMPTE 240M, BT.2020
LIMITED, FULL = 1, 2  # ranges
HDR = (16, 18)  # transfers: PQ and HLG
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
UPRIGHT = (1, 0, 0, 1)


class FrameFormat(NamedTuple):
    """What the first frame tells of all of them."""

    width: int  # pixels of the frame as it is stored
    height: int
    aspect: Fraction  # width of a pixel / its height, as shown
    turn: tuple[int, int, int, int]  # a, b, c, d: what is stored at (x, y) is shown at (a x + c y, b x + d y)
    matrix: int
    range: int
    primaries: int
    transfer: int
    shape: tuple[int, int] = (0, 0)  # height and width of SR, upright
    remarks: tuple[str, ...] = ()

    @property
    def sideways(self) -> bool:
        return self.turn[0] == 0

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width of LR as it is shown."""
        return (self.width, self.height) if self.sideways else (self.height, self.width)

    def sized(self, size: Size, source: Path) -> FrameFormat:
        """The same, whose SR has the size wanted, its sides even, as H.264 has them. Raises SRGANError as `Size.of` does."""
        made = size.of(*self.upright, source)
        even = tuple(max(2, 2 * round(side / 2)) for side in made)
        odd = f"{made[1]}x{made[0]} becomes {even[1]}x{even[0]}, as a film's sides are even."
        return self._replace(shape=even, remarks=self.remarks + (odd,) * (made != even))


def frame_format(frame: av.VideoFrame, aspect: Fraction | None) -> FrameFormat:
    """The format of a video with the first frame `frame`. Raises SRGANError if its colours are of a kind that is not known here."""
    turn, remarks = _turn(frame)
    kind = frame.format
    bits = max(component.bits for component in kind.components)
    if frame.color_trc in HDR:
        remarks.append("it is HDR. Its curve is kept, but 8 bits a colour are less than it needs: smooth skies may show bands.")
    elif bits > 8:
        remarks.append(f"its {bits} bits a colour become 8.")
    if any(component.is_alpha for component in kind.components) and kind.name != "pal8":
        remarks.append("its transparency is left out.")
    return FrameFormat(
        frame.width, frame.height, aspect or Fraction(1), turn, _matrix(frame), _range(frame),
        frame.color_primaries, frame.color_trc, remarks=tuple(remarks),
    )  # fmt: skip


def to_rgb(frame: av.VideoFrame, like: FrameFormat) -> np.ndarray:
    """The frame as LR (H, W, 3) uint8, upright."""
    if not _is_rgb(frame):
        frame.colorspace, frame.color_range = like.matrix, like.range
    rgb = frame.reformat(like.width, like.height, "rgb24", interpolation=EXACT).to_ndarray()
    a, b, c, d = like.turn
    across, down = (c, b) if like.sideways else (a, d)
    rgb = rgb.swapaxes(0, 1) if like.sideways else rgb
    return np.ascontiguousarray(rgb[:: down or 1, :: across or 1])


def to_yuv(sr: np.ndarray, like: FrameFormat) -> av.VideoFrame:
    """SR (H, W, 3) uint8 as a yuv420p frame of the matrix and range of `like`."""
    matrix = 5 if like.matrix == SMPTE170M else like.matrix  # here PyAV takes swscale's codes: 5 is BT.601, of 525 lines too
    frame = av.VideoFrame.from_ndarray(sr, "rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=like.range, interpolation=EXACT)


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.name == "pal8" or frame.colorspace == RGB


def _matrix(frame: av.VideoFrame) -> int:
    """The matrix of the frame, or the one by which players show it if it does not say: BT.709 for HD, BT.601 for what is smaller.

    So SR must say it: it is larger.
    """
    if _is_rgb(frame):
        return BT709
    if frame.colorspace == UNSPECIFIED:
        return BT709 if frame.width >= 1280 or frame.height > 576 else SMPTE170M
    if frame.colorspace not in KNOWN:
        raise SRGANError(f"its colours are of a kind that is not supported (matrix {frame.colorspace}); convert it to BT.709")
    return frame.colorspace


def _range(frame: av.VideoFrame) -> int:
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    return FULL if full and not _is_rgb(frame) else LIMITED


def _turn(frame: av.VideoFrame) -> tuple[tuple[int, int, int, int], list[str]]:
    """How the display matrix turns and mirrors the picture, each number of it as -1, 0 or 1, and what is to be said of it."""
    stored = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if stored is None:
        return UPRIGHT, []
    a, b, _, c, d = struct.unpack_from("=5i", bytes(stored))
    across, along = np.hypot(a, d), np.hypot(b, c)
    if across == along == 0:
        return UPRIGHT, []
    turn = (np.sign(a), 0, 0, np.sign(d)) if across >= along else (0, np.sign(b), np.sign(c), 0)
    crooked = min(across, along) > 0.01 * max(across, along)
    remarks = ["it is to be shown at a slant, which is left out: it is turned to the next right angle."] if crooked else []
    return tuple(int(number) for number in turn), remarks
