"""What photos suffer before anybody enlarges them: LR made from HR by blur, resizing, noise, JPEG and H.264, drawn by chance.

Two rounds, as in Real-ESRGAN (https://arxiv.org/abs/2107.10833): the first may end at an in-between size, the second ends at
HR / 4. Every part keeps each pixel at its place, so that LR and HR stay aligned. Images are uint8, (H, W, 3).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.fft
from PIL import Image

from srgan.config import SCALE, Data
from srgan.data import images

MARGIN = 16  # HR pixels around a patch that are degraded with it, so that its edges are no edges of a photo
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
GRID = 16  # side of JPEG's largest block, pixels: 8, twice where colour is stored at half the size
CLEAN_CRF = 17  # of H.264: nobody sees a difference
FULL_COLOUR, HALF_COLOUR = 0, 2  # Pillow's `subsampling`: 4:4:4 and 4:2:0


@dataclass(frozen=True)
class Chain:
    """How likely each part is, and the range that its strength is drawn from, evenly.

    Milder than Real-ESRGAN's, whose strongest (sigma 3, noise 30, JPEG 30, each twice) cost detail where a photo is clean.
    """

    clean: float  # the share of patches that are shrunk by bicubic and nothing else
    blur: float = 0.4
    sigma: tuple[float, float] = (0.2, 2.4)  # of the Gaussian, HR pixels; Real-ESRGAN: 0.2 to 3
    isotropic: float = 0.6  # of the blurs; the others have two sigmas and an angle
    between: float = 0.4  # that there is a first round of resizing, noise and JPEG
    size: tuple[float, float] = (0.8, 2.5)  # of the picture after the first round, against LR
    noise: float = 0.4  # in each round
    level: tuple[float, float] = (1, 22)  # its standard deviation, of 255; Real-ESRGAN: 1 to 30
    poisson: float = 0.4  # of the noises: stronger where it is bright
    gray: float = 0.4  # of the noises: equal in all channels
    first_jpeg: float = 0.6
    jpeg: float = 0.8
    quality: tuple[float, float] = (40, 95)
    half_colour: float = 0.75  # of the JPEGs: most programs' default
    h264: float = 0.0  # instead of a last round: a short film of the patch as it moves, of which the last frame counts
    crf: tuple[float, float] = (20, 36)
    frames: int = 3  # of the film at most
    speed: int = 6  # of the film at most, pixels a frame before the last resizing
    strength: float = 1.0  # multiplies sigma, level, what quality lacks of 100 and what crf has over 17

    def sigma_of(self, rng: np.random.Generator) -> float:
        return self.strength * rng.uniform(*self.sigma)

    def level_of(self, rng: np.random.Generator) -> float:
        return self.strength * rng.uniform(*self.level)

    def quality_of(self, rng: np.random.Generator) -> int:
        return max(1, round(100 - self.strength * (100 - rng.uniform(*self.quality))))

    def crf_of(self, rng: np.random.Generator) -> float:
        return min(51.0, CLEAN_CRF + self.strength * (rng.uniform(*self.crf) - CLEAN_CRF))


def chain(data: Data) -> Chain | None:
    """The chain that the settings name; None for "bicubic", where LR is what is prepared.

    Raises SRGANError for "video" where PyAV is not installed.
    """
    if data.degradation == "bicubic":
        return None
    if data.degradation == "video":
        from srgan.data import h264  # noqa: F401  what is missing is told before the first batch
    films = 0.75 if data.degradation == "video" else 0.0
    return Chain(data.clean_share, h264=films, strength=data.degradation_strength)


def lr_of_patch(hr: np.ndarray, top: int, left: int, side: int, chain: Chain, rng: np.random.Generator) -> np.ndarray:
    """LR (side / 4, side / 4, 3) of the square of a photo that begins at (top, left); all in HR pixels, multiples of 4."""
    above, before = max(top - MARGIN, 0), max(left - MARGIN, 0)
    window = lr_of(hr[above : top + side + MARGIN, before : left + side + MARGIN], chain, rng)
    row, column = (top - above) // SCALE, (left - before) // SCALE
    return window[row : row + side // SCALE, column : column + side // SCALE]


def lr_of(hr: np.ndarray, chain: Chain, rng: np.random.Generator) -> np.ndarray:
    """LR (H / 4, W / 4, 3) of HR, whose sides must be multiples of 4, through a chain drawn from `rng`."""
    if rng.random() < chain.clean:
        return images.degrade(hr)
    height, width = hr.shape[0] // SCALE, hr.shape[1] // SCALE
    image = hr
    if rng.random() < chain.blur:
        image = _any_blur(image, chain, rng)
    if rng.random() < chain.between:
        factor = math.exp(rng.uniform(*np.log(chain.size)))
        image = _round(image, round(height * factor), round(width * factor), chain.first_jpeg, chain, rng)
    if chain.h264 and rng.random() < chain.h264:
        return _filmed(image, height, width, chain, rng)
    return _round(image, height, width, chain.jpeg, chain, rng)


def _round(image: np.ndarray, height: int, width: int, jpegs: float, chain: Chain, rng: np.random.Generator) -> np.ndarray:
    """`image` at (height, width, 3), perhaps with noise and, with the probability `jpegs`, through a JPEG."""
    resize, noise = any_resize(rng), _any_noise(chain, rng)
    image = noise(resize(image, height, width))
    if rng.random() < jpegs:
        subsampling = HALF_COLOUR if rng.random() < chain.half_colour else FULL_COLOUR
        image = jpeg(image, chain.quality_of(rng), subsampling, tuple(rng.integers(GRID, size=2)))
    return image


def _filmed(image: np.ndarray, height: int, width: int, chain: Chain, rng: np.random.Generator) -> np.ndarray:
    """`image` at (height, width, 3) as the last frame of a film in which it came to its place."""
    from srgan.data import h264  # PyAV is not everywhere

    resize, noise = any_resize(rng), _any_noise(chain, rng)
    count, motion = rng.integers(1, chain.frames + 1), rng.integers(-chain.speed, chain.speed + 1, size=2)
    clip = [noise(resize(np.roll(image, motion * ago, (0, 1)), height, width)) for ago in reversed(range(count))]
    return h264.last_frame(clip, chain.crf_of(rng), tuple(rng.integers(h264.BLOCK, size=2)))


def any_resize(rng: np.random.Generator) -> Callable:
    """One of RESIZES, drawn."""
    return list(RESIZES.values())[rng.integers(len(RESIZES))]


def _any_noise(chain: Chain, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """What lays noise over a picture, new noise over each; or what leaves it alone."""
    if rng.random() >= chain.noise:
        return lambda image: image
    noise = poisson_noise if rng.random() < chain.poisson else gaussian_noise
    level, gray = chain.level_of(rng), bool(rng.random() < chain.gray)
    return lambda image: noise(image, level, gray, rng)


def _any_blur(image: np.ndarray, chain: Chain, rng: np.random.Generator) -> np.ndarray:
    sigma = chain.sigma_of(rng)
    if rng.random() < chain.isotropic:
        return blur(image, sigma, sigma)
    return blur(image, sigma, chain.sigma_of(rng), rng.uniform(0, math.pi))


def blur(image: np.ndarray, across: float, along: float, angle: float = 0.0) -> np.ndarray:
    """`image` under a Gaussian of two standard deviations in pixels: `along` the direction `angle` (radians from right to down).

    By its spectrum, which for a Gaussian of any width is a Gaussian again.
    """
    ends = math.ceil(3 * max(across, along)) + 1
    ends = [min(ends, length - 1) for length in image.shape[:2]]  # a mirrored picture has no more
    padded = np.pad(image, [(end, end) for end in ends] + [(0, 0)], "reflect").astype(np.float32)
    down = scipy.fft.fftfreq(padded.shape[0])[:, None]
    right = scipy.fft.rfftfreq(padded.shape[1])
    u, v = right * math.cos(angle) + down * math.sin(angle), down * math.cos(angle) - right * math.sin(angle)
    kernel = np.exp(-2 * math.pi**2 * ((along * u) ** 2 + (across * v) ** 2)).astype(np.float32)
    spectrum = scipy.fft.rfft2(padded, axes=(0, 1))
    blurred = scipy.fft.irfft2(spectrum * kernel[..., None], padded.shape[:2], axes=(0, 1))
    return _rounded(blurred[ends[0] : ends[0] + image.shape[0], ends[1] : ends[1] + image.shape[1]])


def area(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """`image` at (height, width, 3): each pixel is the mean of what it covers, parts of pixels counted as such."""
    rows = _means(image, height)
    return _rounded(_means(rows.swapaxes(0, 1), width).swapaxes(0, 1))


def _means(lines: np.ndarray, count: int) -> np.ndarray:
    """`count` lines for those of (N, ..., 3), by the differences of their running sum at the new lines' ends."""
    sums = np.concatenate([np.zeros_like(lines[:1], np.float64), np.cumsum(lines, axis=0, dtype=np.float64)])
    ends = np.linspace(0, len(lines), count + 1)
    whole = np.minimum(ends.astype(int), len(lines) - 1)
    at_ends = sums[whole] + (ends - whole)[:, None, None] * lines[whole]
    return np.diff(at_ends, axis=0) * (count / len(lines))


RESIZES = {
    "area": area,
    "bilinear": partial(images.resize, filter=Image.Resampling.BILINEAR),
    "bicubic": images.resize,
}


def gaussian_noise(image: np.ndarray, level: float, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """`image` with noise of the standard deviation `level` (of 255), equal in all channels where `gray`."""
    noise = rng.standard_normal((*image.shape[:2], 1 if gray else 3), np.float32)
    return _rounded(image + level * noise)


def poisson_noise(image: np.ndarray, level: float, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """`image` as a sensor counts photons, so few that white has noise of the standard deviation `level` (of 255)."""
    if level == 0:
        return image
    light = image @ np.array(LUMA)[:, None] if gray else image
    photons = 255 / level**2  # per step of brightness: a count of n has the standard deviation of n's root
    return _rounded(image + (rng.poisson(light * photons) / photons - light))


def jpeg(image: np.ndarray, quality: int, subsampling: int = HALF_COLOUR, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """`image` saved as JPEG and read again, its blocks beginning `shift` (rows, columns) before the first pixel."""
    height, width = image.shape[:2]
    shifted = np.pad(image, ((shift[0], 0), (shift[1], 0), (0, 0)), "edge")
    file = io.BytesIO()
    Image.fromarray(shifted).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))[shift[0] : shift[0] + height, shift[1] : shift[1] + width]


def _rounded(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
