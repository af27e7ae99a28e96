"""Image files of any kind as arrays, and back: gray or colour, with transparency, 8 or 16 bits a channel, still or moving."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageSequence

from srgan.errors import SRGANError
from srgan.runs.paths import write_atomically
from srgan.upscale import png_bands as png

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # that are read
LARGEST = 100_000_000  # pixels of an input, all frames together
MOST_IN_MEMORY = 400_000_000  # pixels of an output in a format that cannot be written row by row, as PNG can
MOVING = ("GIF", "PNG", "WEBP")
WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP",
           ".gif": "GIF"}  # fmt: skip
LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "BMP": 2**31 - 1, "TIFF": 2**31 - 1, "PNG": png.LARGEST}
# How the EXIF tag "orientation" is undone, on arrays (H, W, C).
ORIENTATION = 0x0112
TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass
class Picture:
    """What a file holds: `frames`, arrays (H, W, C) of uint8 or uint16 with C = 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA."""

    frames: list[np.ndarray]
    format: str  # of the file that it was read from
    icc: bytes | None = None  # the colour profile that the numbers are meant in
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None  # upright already
    durations: list[int] = field(default_factory=list)  # of moving pictures, milliseconds a frame
    loop: int = 0  # how often they are played; 0: for ever
    notes: list[str] = field(default_factory=list)  # what was not kept, in words

    @property
    def is_moving(self) -> bool:
        return len(self.frames) > 1

    def shown(self) -> np.ndarray:
        """The first frame as a page shows it, (H, W, 3) uint8: 8 bits, over white."""
        frame = self.frames[0]
        frame = frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8)
        colour = frame[..., :3] if frame.shape[2] > 2 else np.repeat(frame[..., :1], 3, axis=2)
        if frame.shape[2] in (1, 3):
            return colour
        alpha = frame[..., -1:] / 255
        return (colour * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


# Reading ------------------------------------------------------------------------------------------------------------


def read(path: Path) -> Picture:
    """The picture at `path`, turned upright as its EXIF data say. Raises SRGANError, with the reason, for what cannot be read."""
    with _opened(path) as image:
        if is_moving(image):
            return _moving(image)
        exif = image.getexif()
        turn = TURNS.get(exif.get(ORIENTATION, 1), lambda a: a)
        frame, notes, icc = _still(path, image)
        if getattr(image, "n_frames", 1) > 1:
            notes.append(f"the first of {image.n_frames} pages")
        exif.pop(ORIENTATION, None)
        dpi = image.info.get("dpi")
        return Picture(
            frames=[np.ascontiguousarray(turn(frame))],
            format=image.format,
            icc=icc if icc and _fits(icc, frame) else None,
            dpi=tuple(float(value) for value in dpi) if dpi and min(dpi) > 1 else None,
            exif=exif.tobytes() if len(exif) else None,
            notes=notes,
        )


def kind(path: Path) -> tuple[str, bool]:
    """The format of the picture at `path`, and whether it moves, by its header. Raises SRGANError for what is none."""
    with _opened(path) as image:
        return image.format, is_moving(image)


def is_moving(image: Image.Image) -> bool:
    """Whether an opened image is an animation."""
    return image.format in MOVING and getattr(image, "n_frames", 1) > 1


class _opened:
    """The file opened by Pillow, its size judged by the header; whatever Pillow raises on damaged files becomes an SRGANError."""

    def __init__(self, path: Path):
        self._path, self._warnings = path, warnings.catch_warnings()

    def __enter__(self) -> Image.Image:
        self._warnings.__enter__()
        Image.init()  # else Pillow knows only the commonest kinds
        warnings.simplefilter("ignore")  # on odd metadata, and on sizes that are judged here
        try:
            self._image = Image.open(self._path, formats=FORMATS)
            frames = getattr(self._image, "n_frames", 1) if self._image.format in MOVING else 1
        except Exception as error:
            self._warnings.__exit__(None, None, None)
            raise self._told(error) from error
        pixels = self._image.width * self._image.height * frames
        if pixels > LARGEST:
            self.__exit__(None, None, None)
            raise self._told(Image.DecompressionBombError())
        return self._image

    def __exit__(self, kind, error, traceback) -> None:
        self._image.close()
        self._warnings.__exit__(None, None, None)
        if isinstance(error, Exception) and not isinstance(error, SRGANError):
            raise self._told(error) from error

    def _told(self, error: Exception) -> SRGANError:
        if isinstance(error, FileNotFoundError):
            return SRGANError(f"There is no file {self._path}.")
        if isinstance(error, IsADirectoryError):
            return SRGANError(f"{self._path} is a folder, not a file.")
        if isinstance(error, Image.DecompressionBombError):
            return SRGANError(f"{self._path} has more than the {LARGEST / 1e6:.0f} megapixels that are taken. Cut it into parts.")
        if isinstance(error, Image.UnidentifiedImageError):
            return SRGANError(f"{self._path} is no image, or of none of the kinds {', '.join(FORMATS)}.")
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        return SRGANError(
            f"{self._path} cannot be read as an image ({reason}). It may be damaged: open and save it in another program."
        )


def _still(path: Path, image: Image.Image) -> tuple[np.ndarray, list[str], bytes | None]:
    """The pixels of a still picture, what was not kept, and the profile that they are in."""
    icc = image.info.get("icc_profile")
    if image.mode == "F":
        raise SRGANError(f"{path} holds numbers of floating point, not pixels. Save it with 8 or 16 bits a channel.")
    if image.mode.startswith("I;16") or image.mode == "I":
        return _deep_gray(path, np.asarray(image)), [], icc
    if _has_sixteen_bits(path, image):
        return _deep_colour(path, image), [], icc
    if image.mode == "CMYK":
        return *_rgb_of_cmyk(image, icc), None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1), [], icc


def _deep_gray(path: Path, pixels: np.ndarray) -> np.ndarray:
    if pixels.min() < 0 or pixels.max() > 65_535:
        raise SRGANError(f"{path} has more than 16 bits a channel. Save it with 8 or 16.")
    return pixels.astype(np.uint16)[..., None]


def _has_sixteen_bits(path: Path, image: Image.Image) -> bool:
    """Whether this is a PNG or TIFF of several channels of 16 bits, of which Pillow would give the upper 8."""
    if image.format == "PNG":
        with open(path, "rb") as file:
            return file.read(25)[24:] == b"\x10"
    return image.format == "TIFF" and set(image.tag_v2.get(258, (8,))) == {16}


def _deep_colour(path: Path, image: Image.Image) -> np.ndarray:
    """(H, W, C) uint16, decoded by FFmpeg."""
    try:
        import av
    except ImportError as error:
        raise SRGANError(f"{path} has 16 bits a channel, and reading that needs the package av: pip install av") from error

    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    if (frame.height, frame.width) != (image.height, image.width):
        raise SRGANError(f"{path} cannot be read as an image (its size is told in two ways).")
    if "gray" in frame.format.name:
        return frame.reformat(format="gray16le").to_ndarray()[..., None]
    pixels = frame.reformat(format="rgba64le").to_ndarray()
    if frame.format.name.startswith("ya"):
        return pixels[..., [0, 3]]
    return pixels if "a" in frame.format.name.replace("planar", "") else pixels[..., :3]


def _rgb_of_cmyk(image: Image.Image, icc: bytes | None) -> tuple[np.ndarray, list[str]]:
    """Printing inks as sRGB, by their profile where there is one."""
    note = "CMYK became sRGB"
    if icc:
        try:
            source, target = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
            return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB")), [f"{note} by its profile"]
        except (ImageCms.PyCMSError, OSError):
            note += ", as its profile is damaged"
    return np.asarray(image.convert("RGB")), [note]


def _fits(icc: bytes, frame: np.ndarray) -> bool:
    """Whether a profile is for as many colours as the picture has (bytes 16 to 20 of an ICC profile name its space)."""
    return icc[16:20] == (b"GRAY" if frame.shape[2] < 3 else b"RGB ")


def _moving(image: Image.Image) -> Picture:
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        frames.append(np.asarray(frame.convert("RGBA")))
        durations.append(int(frame.info.get("duration", 100)))  # known once the frame is read
    if all(frame[..., 3].min() == 255 for frame in frames):
        frames = [frame[..., :3] for frame in frames]
    icc = image.info.get("icc_profile")
    return Picture(
        frames,
        image.format,
        icc if icc and _fits(icc, frames[0]) else None,
        durations=durations,
        loop=int(image.info.get("loop", 0)),
    )


# Writing ------------------------------------------------------------------------------------------------------------


def require(target: Path, picture: Picture, height: int, width: int) -> None:
    """Raises SRGANError, in words, if a file of the kind of `target` cannot hold the picture at `height` x `width`."""
    form = WRITTEN.get(target.suffix.lower())
    if form is None:
        raise SRGANError(f'{target}: files of the kind "{target.suffix}" are not written. Choose one of {", ".join(WRITTEN)}.')
    channels, deep = picture.frames[0].shape[2], picture.frames[0].dtype == np.uint16
    if max(height, width) > LONGEST_SIDE[form]:
        raise SRGANError(f"{target}: {form} holds at most {LONGEST_SIDE[form]:,} pixels a side, not {width}x{height}. Choose .png.")
    if picture.is_moving and form not in MOVING:
        raise SRGANError(f"{target}: {form} does not move, and there are {len(picture.frames)} frames. Choose .gif, .webp or .png.")
    if channels in (2, 4) and form in ("JPEG", "BMP"):
        raise SRGANError(f"{target}: {form} has no transparency, and the picture has. Choose .png, .webp or .tif.")
    if deep and form not in ("PNG", "TIFF"):
        raise SRGANError(f"{target}: {form} has 8 bits a channel, and the picture 16. Choose .png or .tif.")
    if (form != "PNG" or picture.is_moving) and height * width * len(picture.frames) > MOST_IN_MEMORY:
        size = height * width * len(picture.frames) / 1e6
        raise SRGANError(
            f"{target}: {size:,.0f} megapixels are too many for {form}, which is made in memory. Choose .png, one frame."
        )


def write(target: Path, frames: list[Iterable[np.ndarray]], height: int, width: int, like: Picture) -> None:
    """Write `frames`, each as bands (h, width, C) from top to bottom, with what `like` knows besides pixels. Atomically."""
    form = WRITTEN[target.suffix.lower()]
    if form == "PNG" and len(frames) == 1:
        png.write(target, width, height, frames[0], _chunks(like))
        return
    whole = [np.concatenate(list(bands)) for bands in frames]
    write_atomically(target, lambda temporary: (_write_tiff if form == "TIFF" else _write_by_pillow)(temporary, form, whole, like))


def _chunks(like: Picture) -> list[tuple[bytes, bytes]]:
    """What a PNG says besides its pixels (PNG specification, third edition, 11.3)."""
    chunks = []
    if like.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(like.icc)))
    if like.dpi:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in like.dpi), 1)))
    if like.exif:
        chunks.append((b"eXIf", like.exif.removeprefix(b"Exif\0\0")))
    return chunks


def _write_tiff(path: Path, form: str, whole: list[np.ndarray], like: Picture) -> None:
    import tifffile

    (pixels,) = whole
    if pixels.shape[2] == 2 and pixels.dtype == np.uint16:
        pixels = pixels[..., [0, 0, 0, 1]]  # few programs read gray with transparency of 16 bits
    channels = pixels.shape[2]
    tifffile.imwrite(
        path,
        pixels[..., 0] if channels == 1 else pixels,
        photometric="minisblack" if channels < 3 else "rgb",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        resolution=like.dpi,
        resolutionunit="INCH" if like.dpi else None,
        iccprofile=like.icc,
        metadata=None,
        bigtiff=pixels.nbytes > 2**31,
    )


def _write_by_pillow(path: Path, form: str, whole: list[np.ndarray], like: Picture) -> None:
    images = [Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame) for frame in whole]
    options: dict = {"format": form}
    if form != "BMP":
        options |= {name: value for name, value in (("icc_profile", like.icc), ("exif", like.exif), ("dpi", like.dpi)) if value}
    if form == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
    if form == "WEBP":
        options |= {"lossless": True}
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:], "duration": like.durations, "loop": like.loop}
        if form == "GIF":
            options |= {"disposal": 2 if images[0].mode == "RGBA" else 0}
    content = io.BytesIO()  # Pillow's own way to the disk does not notice every failure there
    images[0].save(content, **options)
    path.write_bytes(content.getbuffer())
