"""What a file is, by its name or its first bytes: a picture, a film, or neither. And the files below a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

PICTURES = (".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff",
            ".webp")  # fmt: skip
FILMS = (".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
         ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m")  # fmt: skip
SOUNDS = (".aac", ".flac", ".m4a", ".m4b", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")
# Of a camera's sensor, not developed: they begin like TIFF or like films, and show a thumbnail at most.
RAWS = (".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf",
        ".rw2", ".sr2", ".srf", ".srw", ".x3f")  # fmt: skip
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
# How files begin. "?" stands for any byte.
SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "WEBP": (b"RIFF????WEBP",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "BMP": (b"BM????\0\0\0\0",),
    "AVIF": (b"????ftypavif", b"????ftypavis"),
    "HEIC": tuple(b"????ftyp" + brand for brand in HEIC_BRANDS),
}
FILM_SIGNATURES = (b"????ftyp", b"????moov", b"\x1aE\xdf\xa3", b"RIFF????AVI ", b"FLV\x01", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3",
                   b"0&\xb2u\x8ef\xcf\x11")  # fmt: skip
TRANSPORT = 188  # bytes of a packet of an MPEG transport stream, each begins with "G"; on discs 4 bytes stand before it


def picture_format(head: bytes) -> str | None:
    """The format of the picture that begins with `head` (16 bytes or more), a key of SIGNATURES; None for what is no picture."""
    form = next((name for name, begins in SIGNATURES.items() if any(_matches(head, begin) for begin in begins)), None)
    return "AVIF" if form == "HEIC" and b"avif" in head[12:32] else form  # some say what they are in second place


def kind(path: Path) -> str | None:
    """ "picture", "film" or None: by the ending of its name; by its first bytes where that tells nothing or several things."""
    if os.path.exists(path) and not os.path.isfile(path):  # those of Path raise on names that are too long
        return None  # a pipe or a device, which may never end
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "picture"
    if suffix in FILMS and suffix != ".ts":  # which is what programs in TypeScript end in, too
        return "film"
    if suffix in SOUNDS + RAWS or not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            head = file.read(2 * TRANSPORT + 5)
    except OSError:
        return None
    if picture_format(head):
        return "picture"
    return "film" if any(_matches(head, begin) for begin in FILM_SIGNATURES) or _is_transport(head) else None


def _matches(head: bytes, signature: bytes) -> bool:
    return len(head) >= len(signature) and all(want in (ord("?"), got) for got, want in zip(head, signature, strict=False))


def _is_transport(head: bytes) -> bool:
    return any(head[first : first + 1] == b"G" == head[first + step : first + step + 1] for first, step in ((0, 188), (4, 192)))


def walk(folder: Path, unreadable: Callable[[OSError], None], seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Every file below `folder` in order of name, but for hidden ones. Links are followed, circles not.

    `unreadable` is told of each folder that cannot be read; the others go on.
    """
    try:
        real = folder.resolve()
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except (OSError, RuntimeError) as error:  # RuntimeError: of links in a circle
        unreadable(error)
        return
    if real in seen:
        return
    for entry in entries:
        try:
            is_folder = entry.is_dir()
        except OSError:
            is_folder = False
        if is_folder:
            yield from walk(entry, unreadable, seen | {real})
        else:
            yield entry
