"""Picture files of every kind as arrays: gray or colour, with transparency, 8 or 16 bits a channel, still or moving.

libvips reads them (https://www.libvips.org). Pillow reads what libvips does not: BMP, animated PNG and, by pillow-heif, HEIC.
"""

from __future__ import annotations

import io
import logging
import os
import re
import struct
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageSequence

from srgan.data.media import SIGNATURES, picture_format
from srgan.data.metadata import (
    EXIF_IFD,
    GPS_IFD,
    LONGEST,
    Metadata,
    clean_exif,
    exif_is_damaged,
    exif_of,
    png_chunks,
    png_texts,
)
from srgan.errors import SRGANError
from srgan.runs.outside import Damaged, open_regular

try:
    import pyvips
except (ImportError, OSError) as error:  # OSError: pyvips is there, libvips is not
    raise SRGANError("Images need the packages pyvips and pyvips-binary: pip install pyvips pyvips-binary") from error

pyvips.cache_set_max(0)  # each file is read once
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is odd in a file is told in notes

LARGEST = 100_000_000  # pixels of a picture, all frames together: a small file may promise more than the memory holds
MOST_FRAMES = 20_000
MOST_BYTES = 2 * 10**9  # of a file, which is read as a whole
DNG_VERSION, SUB_IFDS = 50706, 330  # tags of TIFF
OF_A_SENSOR = (32803, 34892)  # what the numbers of a camera's raw file stand for (photometric interpretation)
MOVING = ("GIF", "PNG", "WEBP")
FORGIVING = ("JPEG", "GIF")  # where the end is missing, the rest can be shown
DPI = (1, 65_535)  # what a resolution can be
X_RESOLUTION = 0x011A
FILM = rb"\0\0\0[\x10-\x80]ftyp(mp4|iso|qt  |avc|3gp|M4V)"  # how an MP4 begins: phones put one behind a photo
LAB = ("lab", "labq", "labs")
# How the EXIF tag "orientation" is undone, on arrays (H, W, C).
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
    format: str  # of the file that it was read from, a key of SIGNATURES
    metadata: Metadata = field(default_factory=Metadata)
    durations: list[float] = field(default_factory=list)  # of moving pictures, milliseconds a frame
    loop: int = 0  # how often they are played; 0: for ever
    notes: list[str] = field(default_factory=list)  # what was damaged or not kept, in words

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


def read(path: Path, strict: bool = False) -> Picture:
    """The picture at `path`, upright. Raises SRGANError, with the reason, for what cannot be read.

    Of a JPEG or GIF whose end is missing, what is there, with a note; it is refused where `strict`.
    """
    content, form = _opened(path)
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd metadata, and on sizes that are judged here
            if _needs_pillow(content, form):
                picture, turn = _by_pillow(path, content, form, notes), 1
            else:
                picture, turn = _by_vips(path, content, form, notes, strict)
    except SRGANError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise _told(path, error) from error
    turned = TURNS.get(turn, lambda a: a)
    picture.frames = [np.ascontiguousarray(turned(frame)) for frame in picture.frames]
    if turn in (5, 6, 7, 8) and picture.metadata.dpi:
        picture.metadata.dpi = picture.metadata.dpi[::-1]
    return picture


def kind(path: Path) -> tuple[str, bool]:
    """The format of the picture at `path`, and whether it moves, by its header. Raises SRGANError for what is none."""
    content, form = _opened(path)
    if form == "PNG":
        return form, _is_animated_png(content)
    try:
        if _needs_pillow(content, form):
            return form, form == "AVIF"
        image = _header(content, form)
        return form, form in MOVING and image.get_typeof("n-pages") != 0 and image.get("n-pages") > 1
    except pyvips.Error as error:
        raise _told(path, error) from error


def size(path: Path) -> tuple[int, int]:
    """Two sides in pixels, by the header alone. Raises SRGANError for what is no picture."""
    content, form = _opened(path)
    try:
        if _needs_pillow(content, form) and form != "PNG":
            with _pillow(path, content, form) as image:
                return image.size
        image = pyvips.Image.new_from_buffer(content, "")
        return image.width, image.height
    except Exception as error:
        raise error if isinstance(error, SRGANError) else _told(path, error) from error


def pixels(path: Path) -> int:
    """How many pixels all its frames have, by the header alone. Raises SRGANError for what is no picture."""
    content, form = _opened(path)
    try:
        if _needs_pillow(content, form):
            with _pillow(path, content, form) as image:
                return image.width * image.height * getattr(image, "n_frames", 1)
        image = _header(content, form)
        return image.width * image.height
    except Exception as error:
        raise error if isinstance(error, SRGANError) else _told(path, error) from error


def _opened(path: Path) -> tuple[bytes, str]:
    """The bytes of the file and its format."""
    try:
        if Path(path).is_dir():
            raise SRGANError(f"{path} is a folder, not a file.")
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BYTES:
                raise SRGANError(f"{path} has {size / 1e9:.1f} GB, more than an image can have that is taken. Cut it into parts.")
            content = file.read()
    except FileNotFoundError:
        raise SRGANError(f"There is no file {path}.") from None
    except Damaged as error:
        raise SRGANError(f"{error}.") from error
    except OSError as error:
        raise SRGANError(f"{path} cannot be read ({error.strerror}).") from error
    pyvips.vips_lib.vips_error_clear()  # what libvips told of earlier files
    if not content:
        raise SRGANError(f"{path} is no image: it is empty (0 bytes). Copy or download it again.")
    form = picture_format(content[:32])
    if form is None:
        raise SRGANError(f"{path} is no image, or of none of the kinds {', '.join(sorted(SIGNATURES))}.")
    return content, form


def _told(path: Path, error: Exception) -> SRGANError:
    text = re.sub(r" <[^<>]* at 0x[0-9a-f]+>", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("unable to ")]
    reason = (lines[0].partition(": ")[2] or lines[0]) if lines else type(error).__name__
    return SRGANError(
        f"{path} cannot be read as an image ({reason}). It is damaged or of a rare kind: open and save it in another program."
    )


def _require_size(path: Path, width: int, height: int, frames: int = 1) -> None:
    if width * height * frames > LARGEST or frames > MOST_FRAMES:
        raise _too_large(path)


def _too_large(path: Path) -> SRGANError:
    return SRGANError(f"{path} has more than the {LARGEST / 1e6:.0f} megapixels that are taken. Cut it into parts.")


# libvips ------------------------------------------------------------------------------------------------------------


def _header(content: bytes, form: str, **options) -> pyvips.Image:
    """The picture, of which nothing but the header has been read; of moving ones all frames, one under the other."""
    if form in ("GIF", "WEBP"):
        options["n"] = -1
    return pyvips.Image.new_from_buffer(content, "", access="sequential", **options)


def _by_vips(path: Path, content: bytes, form: str, notes: list[str], strict: bool) -> tuple[Picture, int]:
    """The picture as it is stored, and its orientation."""
    tiff = _tiff_page(path, content, notes) if form == "TIFF" else {}
    image, pixels, damaged = _decoded(path, content, form, {"page": tiff["page"]} if tiff else {})
    if damaged and strict:
        raise SRGANError(f"{path} cannot be read as an image (its end is missing). Copy or download it again.")
    if damaged:
        notes.append("its end is missing or damaged; what could be read is kept")
    if image.interpretation in LAB:
        notes.append("CIELAB became sRGB")
    metadata = _metadata(image, content, form, notes)
    tall = _page_height(image, form)
    pixels = _plain(pixels, image, tiff, metadata, notes)
    if metadata.icc and metadata.icc[16:20] != (b"GRAY" if pixels.shape[2] < 3 else b"RGB "):
        metadata.icc = None  # of other colours than the pixels have
    frames = [pixels[top : top + tall] for top in range(0, len(pixels), tall)]
    if len(frames) > 1 and pixels.shape[2] == 4 and pixels[..., 3].min() == 255:
        frames = [frame[..., :3] for frame in frames]
    picture = Picture(frames, form, metadata, notes=notes)
    if picture.is_moving:
        picture.durations = [float(each) for each in image.get("delay")[: len(frames)]] if image.get_typeof("delay") else []
        picture.durations += [100.0] * (len(frames) - len(picture.durations))
        picture.loop = image.get("loop") if image.get_typeof("loop") else 0
    return picture, image.get("orientation") if image.get_typeof("orientation") else 1


def _decoded(path: Path, content: bytes, form: str, options: dict) -> tuple[pyvips.Image, np.ndarray, bool]:
    """The header, the pixels (H, W, C), and whether their end is missing."""
    for fail_on in ("error", "none"):
        try:
            image = _header(content, form, fail_on=fail_on, **options)
            tall = _page_height(image, form)
            _require_size(path, image.width, tall, image.height // tall)
            _require_pixels(path, image)
            colour = image.colourspace("srgb" if image.coding == "labq" else "rgb16") if image.interpretation in LAB else image
            pixels = colour.numpy().reshape(colour.height, colour.width, colour.bands)
        except pyvips.Error:
            if form not in FORGIVING or fail_on == "none":
                raise
        else:
            return image, pixels, fail_on == "none" or (form == "GIF" and not content[-64:].rstrip(b"\0").endswith(b";"))


def _page_height(image: pyvips.Image, form: str) -> int:
    return image.get("page-height") if form in MOVING and image.get_typeof("page-height") else image.height


def _require_pixels(path: Path, image: pyvips.Image) -> None:
    if image.format in ("uchar", "ushort") or image.interpretation in LAB:
        return
    kind = "of floating point" if image.format in ("float", "double", "complex", "dpcomplex") else f"of the type {image.format}"
    raise SRGANError(f"{path} holds numbers {kind}, not pixels. Save it with 8 or 16 bits a channel.")


def _plain(pixels: np.ndarray, image: pyvips.Image, tiff: dict, metadata: Metadata, notes: list[str]) -> np.ndarray:
    """The pixels as gray or RGB, with alpha or without; other colours are converted, other channels left out."""
    colours = image.interpretation
    if colours == "cmyk":
        rgb = _rgb_of_cmyk(pixels[..., :4], metadata, notes)
        notes += ["its channels besides the four inks are left out"] if pixels.shape[2] > 4 else []
        return rgb
    count = 3 if pixels.shape[2] > 2 and colours not in ("b-w", "grey16") else 1
    has_alpha = pixels.shape[2] > count and tiff.get("extra") != 0
    if pixels.shape[2] > count + has_alpha:
        notes.append("its channels besides colour and transparency are left out")
    return pixels[..., : count + has_alpha]


def _rgb_of_cmyk(inks: np.ndarray, metadata: Metadata, notes: list[str]) -> np.ndarray:
    """Printing inks (H, W, 4) as sRGB, by their profile where there is one."""
    note = "CMYK became sRGB"
    if metadata.icc:
        image = pyvips.Image.new_from_array(np.ascontiguousarray(inks), interpretation="cmyk").copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", metadata.icc)
        try:
            rgb = image.icc_transform("srgb", embedded=True, depth=8 * inks.itemsize, black_point_compensation=True).numpy()
            notes.append(f"{note} by its profile")
            return rgb
        except pyvips.Error:
            note += ", as its profile is damaged"
    notes.append(note)
    most = np.iinfo(inks.dtype).max
    rgb = np.empty((*inks.shape[:2], 3), inks.dtype)
    for i in range(3):
        rgb[..., i] = np.round((most - inks[..., i].astype(np.float32)) * (most - inks[..., 3].astype(np.float32)) / most)
    return rgb


def _tiff_page(path: Path, content: bytes, notes: list[str]) -> dict[str, int]:
    """Of the first page of a TIFF that is no thumbnail: its number, and what its first extra channel means (0: not told).

    Raises SRGANError for a camera's raw file: what can be seen of it is a thumbnail.
    """
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        pages = [file.pages[i] for i in range(len(file.pages))]
        if content[8:10] == b"CR" or any(_is_of_a_sensor(page) for page in pages):
            raise SRGANError(f"{path} is a camera's raw file. Save it as TIFF or JPEG in a program that develops photos.")
        whole = [number for number, page in enumerate(pages) if not getattr(page, "is_reduced", False)] or [0]
        if len(whole) > 1:
            notes.append(f"the first of {len(whole)} pages")
        return {"page": whole[0], "extra": int((*pages[whole[0]].extrasamples, 2)[0])}


def _is_of_a_sensor(page) -> bool:
    """Whether this page of a TIFF, or one below it, holds what a camera's sensor saw."""
    below = list(page.pages or ()) if SUB_IFDS in page.tags else []
    return DNG_VERSION in page.tags or any(int(getattr(each, "photometric", 0) or 0) in OF_A_SENSOR for each in (page, *below))


def _exif_of_bigtiff(content: bytes, notes: list[str]) -> bytes | None:
    """The texts among its tags: Pillow reads no EXIF in files of this kind."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tags = {tag.code: tag.value for tag in file.pages[0].tags.values()}
    if tags.keys() & {EXIF_IFD, GPS_IFD}:
        notes.append("its EXIF data are left out, as it is a BigTIFF")
    return exif_of({number: value for number, value in tags.items() if isinstance(value, str)}, {})


def _metadata(image: pyvips.Image, content: bytes, form: str, notes: list[str]) -> Metadata:
    """What the file says besides its pixels; what is damaged or too long goes, with a note."""

    def blob(name: str) -> bytes | None:
        return bytes(image.get(name)) if image.get_typeof(name) else None

    metadata = Metadata(blob("icc-profile-data"), None, None, blob("xmp-data"), blob("iptc-data"))
    for name, word in (("icc", "colour profile"), ("xmp", "XMP")):
        if len(getattr(metadata, name) or b"") > LONGEST:
            setattr(metadata, name, None)
            notes.append(f"its {word} is too long and left out")
    try:
        if form == "TIFF":
            metadata.exif = _exif_of_bigtiff(content, notes) if content[2:4] in (b"+\0", b"\0+") else clean_exif(content)
        elif blob("exif-data"):
            metadata.exif = clean_exif(blob("exif-data"))
            notes += ["its EXIF data are damaged; what can be read is kept"] if exif_is_damaged(blob("exif-data")) else []
    except Exception:  # Pillow raises nearly anything on broken EXIF
        notes.append("its EXIF data are damaged and left out")
    metadata.dpi = _dpi(image, content, form, notes)
    if form == "PNG":
        png_texts(content, metadata, notes)
    if form == "JPEG":
        if b"MPF\0" in content[: 2**18]:
            notes.append("its further pictures, such as one for bright screens, are left out")
        if re.search(FILM, content):
            notes.append("the short film behind it is left out")
        metadata.comment = _by_pillow_of_jpeg(content).get("comment", b"").rstrip(b"\0").decode("utf-8", "replace")
    if form == "GIF":
        metadata.comment = image.get("gif-comment") if image.get_typeof("gif-comment") else ""
    return metadata


def _by_pillow_of_jpeg(content: bytes) -> dict:
    """What Pillow reads in the header of a JPEG: its comment and its resolution, which libvips makes up where there is none."""
    try:
        image = Image.open(io.BytesIO(content), formats=["JPEG"])
        says = image.info.get("jfif_unit") or X_RESOLUTION in image.getexif()
        return image.info | ({} if says else {"dpi": None})
    except Exception:  # on headers that are no reason to refuse the picture, Pillow raises nearly anything
        return {}


def _dpi(image: pyvips.Image, content: bytes, form: str, notes: list[str]) -> tuple[float, float] | None:
    """Pixels an inch, across and down, where the file says so."""
    if form not in ("JPEG", "PNG", "TIFF"):
        return None
    dpi = (image.xres * 25.4, image.yres * 25.4)
    if form == "TIFF" and not image.get_typeof("resolution-unit"):
        return None
    if form == "PNG":
        said = next((data for kind, data, whole in png_chunks(content) if kind == b"pHYs" and whole and len(data) == 9), None)
        if said is None or said[8] != 1:
            return None
        dpi = tuple(number * 0.0254 for number in struct.unpack(">II", said[:8]))
    if form == "JPEG":
        dpi = _by_pillow_of_jpeg(content).get("dpi")
    if not dpi or set(dpi) == {0}:
        return None
    dpi = tuple(round(float(value), 3) for value in dpi)
    if min(dpi) < DPI[0] or max(dpi) > DPI[1]:
        notes.append(f"its resolution ({dpi[0]:.3g} dpi) cannot be and is left out")
        return None
    return dpi


# Pillow -------------------------------------------------------------------------------------------------------------


def _needs_pillow(content: bytes, form: str) -> bool:
    moves = (form == "PNG" and _is_animated_png(content)) or (form == "AVIF" and content[8:12] == b"avis")
    return moves or form in ("BMP", "HEIC")


def _is_animated_png(content: bytes) -> bool:
    """Whether it says before its pixels that it moves."""
    for kind, data, whole in png_chunks(content):
        if kind == b"IDAT":
            return False
        if kind == b"acTL" and whole and len(data) == 8:
            return int.from_bytes(data[:4], "big") > 1
    return False


def _pillow(path: Path, content: bytes, form: str) -> Image.Image:
    if form == "HEIC":
        try:
            import pillow_heif  # not everybody's: its H.265 is patented in some countries
        except ImportError:
            raise SRGANError(f"{path} is HEIC, which needs the package pillow-heif: pip install pillow-heif") from None
        pillow_heif.register_heif_opener()
        form = "HEIF"
    Image.init()
    return Image.open(io.BytesIO(content), formats=[form])


def _by_pillow(path: Path, content: bytes, form: str, notes: list[str]) -> Picture:
    """The picture upright, as Pillow reads it."""
    with _pillow(path, content, form) as image:
        _require_size(path, *image.size, getattr(image, "n_frames", 1) if form in ("PNG", "AVIF") else 1)
        metadata = Metadata(image.info.get("icc_profile"), xmp=image.info.get("xmp"))
        if form == "PNG":
            if content[24] == 16:
                notes.append("its 16 bits a channel became 8, as it moves")
            png_texts(content, metadata, notes)
        if form in ("PNG", "AVIF"):
            return _moving(image, form, metadata, notes)
        if image.info.get("bit_depth", 8) > 8:
            notes.append(f"its {image.info['bit_depth']} bits a channel became 8")
        if getattr(image, "n_frames", 1) > 1:
            notes.append(f"the first of {image.n_frames} pictures")
        dpi = image.info.get("dpi")
        metadata.dpi = tuple(map(float, dpi)) if dpi and min(dpi) >= DPI[0] and max(dpi) <= DPI[1] else None
        metadata.exif = clean_exif(image.info["exif"]) if image.info.get("exif") else None
        mode = image.mode if image.mode in ("L", "LA", "RGB", "RGBA") else "L" if image.mode == "1" else "RGB"
        pixels = np.asarray(image.convert(mode))
        return Picture([pixels.reshape(*pixels.shape[:2], -1)], form, metadata, notes=notes)


def _moving(image: Image.Image, form: str, metadata: Metadata, notes: list[str]) -> Picture:
    """The frames of an animated PNG or AVIF, without a picture that is not among them (APNG specification, "default image")."""
    frames, durations = [], []
    for number, frame in enumerate(ImageSequence.Iterator(image)):
        if number or not getattr(image, "default_image", False):
            frames.append(np.asarray(frame.convert("RGBA")))
            durations.append(float(frame.info.get("duration", 100)))  # known once the frame is read
    if not frames:
        raise ValueError("it is said to move, and has no frames")
    if all(frame[..., 3].min() == 255 for frame in frames):
        frames = [frame[..., :3] for frame in frames]
    return Picture(frames, form, metadata, durations if len(frames) > 1 else [], int(image.info.get("loop", 0)), notes)
