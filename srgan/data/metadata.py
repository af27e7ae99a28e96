"""What a picture file says besides its pixels, and what of it still holds when the pixels have become more."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image, TiffImagePlugin

LONGEST = 2**20  # bytes of a text or a profile; other programs refuse what has more
ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
# Tags of TIFF that describe how the pixels lie in the old file; those of EXIF that tell its size; what is kept elsewhere.
STRUCTURE = {*range(254, 270), *range(273, 285), *range(286, 305), 317, 318, 319, *range(320, 348), *range(512, 533), 700, 32781,
             33723, 34377, 34675, 50838, 50839, ORIENTATION}  # fmt: skip
SIZES = {0xA002, 0xA003, 0xA005, 0x9102}
PNG_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # how the numbers of a PNG are meant
PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEY = b"XML:com.adobe.xmp"
WORDS = {
    "icc": "its colour profile",
    "dpi": "its resolution",
    "exif": "its EXIF data",
    "xmp": "its XMP data",
    "iptc": "its IPTC data",
    "comment": "its comment",
    "colour": "what it says of its colours",
    "texts": "its texts",
}


@dataclass
class Metadata:
    """What goes along with the pixels. All of it holds for an upright picture of any size."""

    icc: bytes | None = None  # the colour profile that the numbers are meant in
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None  # a TIFF structure, without "Exif\\0\\0"
    xmp: bytes | None = None
    iptc: bytes | None = None  # as libvips gives it: a block of Photoshop's resources
    comment: str = ""  # of JPEG and GIF
    colour: list[tuple[bytes, bytes]] = field(default_factory=list)  # chunks of PNG, of PNG_COLOUR
    texts: list[tuple[bytes, bytes]] = field(default_factory=list)  # chunks of PNG, of PNG_TEXT

    def words(self) -> dict[str, str]:
        """Of what there is, by the name of its field, the name that a person knows it by."""
        return {name: words for name, words in WORDS.items() if getattr(self, name)}


def clean_exif(blob: bytes) -> bytes | None:
    """EXIF, or a whole TIFF, without what is of the old file: size, orientation, thumbnail. May raise anything if it is broken."""
    exif = Image.Exif()
    exif.load(blob)
    return exif_of(dict(exif), {number: exif.get_ifd(number) for number in (EXIF_IFD, GPS_IFD)})


def exif_is_damaged(blob: bytes) -> bool:
    """Whether some of its first directory cannot be read, or a size in it is negative."""
    blob = blob.removeprefix(b"Exif\0\0")
    order = "<" if blob[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(order + "I", blob, 4)
    (entries,) = struct.unpack_from(order + "H", blob, offset)
    exif = Image.Exif()
    exif.load(blob)
    sizes = [tags.get(number, 1) for tags in (exif, exif.get_ifd(EXIF_IFD)) for number in (0xA002, 0xA003)]
    return len(exif) < entries or not all(isinstance(value, int) and value > 0 for value in sizes)


def exif_of(tags: dict, inner: dict[int, dict]) -> bytes | None:
    """EXIF of the tags of a TIFF and those of its inner directories, less what is of the old file; None if nothing is left."""
    exif = Image.Exif()
    for number, value in tags.items():
        if number not in STRUCTURE | {EXIF_IFD, GPS_IFD} and not str(value).startswith('{"shape"'):  # of tifffile: the old size
            exif[number] = value
    for number, directory in inner.items():
        kept = {tag: value for tag, value in directory.items() if tag not in SIZES}
        if kept:
            exif.get_ifd(number).update(kept)
    if not exif and not any(inner.values()):
        return None
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    Image.Exif().load(content)
    return content


def tiff_directory(tags: dict, offset: int) -> bytes:
    """The tags of an inner directory as bytes that stand at `offset` of a little-endian TIFF file."""
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for number, value in tags.items():
        directory[number] = value
    return directory.tobytes(offset)


# PNG ----------------------------------------------------------------------------------------------------------------


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Type and data of each chunk of a PNG, and whether its checksum is right, as far as the file goes; pixels have no data."""
    at = 8
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        data, checksum = content[at + 8 : at + 8 + length], content[at + 8 + length : at + 12 + length]
        if kind in (b"IDAT", b"fdAT"):
            yield kind, b"", True
        else:
            yield kind, data, checksum == struct.pack(">I", zlib.crc32(kind + data))
        at += 12 + length


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_texts(content: bytes, metadata: Metadata, notes: list[str]) -> None:
    """Add the texts and the meaning of colours of a PNG to `metadata`; what is damaged or too long is told in `notes`."""
    for kind, data, whole in png_chunks(content):
        if kind in PNG_COLOUR and whole and len(data) < 64:
            metadata.colour.append((kind, data))
        elif kind in PNG_TEXT and not (kind == b"iTXt" and data.startswith(XMP_KEY)):
            if whole and _text_fits(kind, data):
                metadata.texts.append((kind, data))
            else:
                notes.append(f"a text of it is {'too long' if whole else 'damaged'} and left out")


def _text_fits(kind: bytes, data: bytes) -> bool:
    """Whether a text is well-formed and not too long when unpacked (PNG specification, third edition, 11.3.3)."""
    key, _, rest = data.partition(b"\0")
    if not 0 < len(key) < 80 or len(data) > LONGEST:
        return False
    packed = rest[1:] if kind == b"zTXt" else None
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if packed is None:
        return True
    try:
        unpacker = zlib.decompressobj()
        unpacker.decompress(packed, LONGEST)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail
