"""How large a result shall be: as a scale, or as pixels across and down. The network itself makes four times as much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from srgan.config import SCALE
from srgan.data.pictures import LARGEST
from srgan.errors import SRGANError

MOST = SCALE**2  # times: by the network twice


@dataclass(frozen=True)
class Size:
    """A scale, or the most pixels across and down (0: as many as that gives), so that no picture is distorted."""

    scale: float = SCALE
    width: int = 0
    height: int = 0

    @property
    def suffix(self) -> str:
        """What stands between a file's name and its ending: "_x1.5", "_w1920", "_w1920_h1080"."""
        if self.width or self.height:
            return f"_w{self.width}" * bool(self.width) + f"_h{self.height}" * bool(self.height)
        return f"_x{self.scale:g}"

    def of(self, height: int, width: int, source: Path) -> tuple[int, int]:
        """Height and width of what is made of `source`, `height` x `width`. Raises SRGANError, in words, where that cannot be."""
        scales = [most / side for most, side in ((self.width, width), (self.height, height)) if most]
        scale = min(scales, default=self.scale)
        made = max(1, round(scale * height)), max(1, round(scale * width))
        if not 1 <= scale <= MOST:
            what = "smaller than it is" if scale < 1 else f"{scale:.3g} times as wide, and {MOST} times is the most"
            raise SRGANError(f"{source} has {width}x{height} pixels: {made[1]}x{made[0]} would be {what}. Choose another size.")
        if scale > SCALE and math.prod(between(*made)) > LARGEST:
            raise SRGANError(
                f"{source}: {made[1]}x{made[0]} takes the network twice, and the second time it would see more than the "
                f"{LARGEST / 1e6:.0f} megapixels that are taken. Choose a smaller size, or cut it into parts."
            )
        return made


FOUR_TIMES = Size()


def wanted(scale: float | None = None, width: int | None = None, height: int | None = None) -> Size:
    """The size that a person names; of nothing, four times. Raises SRGANError, in words, for what cannot be."""
    if scale is not None and (width is not None or height is not None):
        raise SRGANError("A scale and a width or a height are two sizes: give one of them.")
    if scale is not None and not 1 <= scale <= MOST:  # NaN is not, either
        raise SRGANError(f"A scale lies between 1 and {MOST}; {scale:g} does not.")
    for name, side in (("width", width), ("height", height)):
        if side is not None and side < 1:
            raise SRGANError(f"A {name} is a number of pixels, 1 or more; {side} is none.")
    return Size(SCALE if scale is None else scale, width or 0, height or 0)


def between(height: int, width: int) -> tuple[int, int]:
    """Where the network works twice for a result of `height` x `width`: what it sees the second time."""
    return math.ceil(height / SCALE), math.ceil(width / SCALE)
