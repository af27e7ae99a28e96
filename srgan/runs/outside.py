"""The one reader of what others may have written or damaged: JSON and arrays from disks, Drive, networks and strangers.

A file is opened only if it is a regular one. What it declares (types, ranges, sizes) is checked before anything is made
of it, and sizes against the file's own: memory is bounded by what really lies there. Whatever is wrong ends in Damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from srgan.errors import SRGANError

MOST_JSON = 2**28  # bytes; a history of millions of rows has less
MOST_HEADER = 4096  # bytes of the header of one array
PLAIN = "biuf"  # kinds of arrays: truth values, whole numbers, floats


class Damaged(SRGANError):
    """A file is not what it should be; the message names it and the fault."""


class Kind:
    """A leaf of a shape: the words for it, and the test."""

    def __init__(self, words: str, test):
        self.words, self.test = words, test


def whole(least: int = 0, most: int = 2**62) -> Kind:
    return Kind(f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most)


NUMBER = Kind("a number", lambda value: type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value))
TEXT = Kind("text", lambda value: isinstance(value, str))
SHA256 = Kind("a sha256", lambda value: isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"))
ANYTHING = Kind("anything", lambda value: True)


def check(value, shape, where: str) -> None:
    """Raises Damaged if `value` is not of `shape`.

    {"a": shape, "b?": shape} is an object with "a", perhaps "b", and whatever else; {...: shape} one whose values all are of
    that shape; [shape] a list; a Kind stands for itself.
    """
    if isinstance(shape, Kind):
        if not shape.test(value):
            raise Damaged(f"{where} is {_short(value)}, not {shape.words}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Damaged(f"{where} is {_short(value)}, not a list")
        for number, each in enumerate(value):
            check(each, shape[0], f"{where}[{number}]")
    else:
        if not isinstance(value, dict):
            raise Damaged(f"{where} is {_short(value)}, not an object")
        for name, inner in shape.items():
            if name is ...:
                for key, each in value.items():
                    check(each, inner, f"{where}, {_short(key)}")
            elif name.removesuffix("?") in value:
                check(value[name.removesuffix("?")], inner, f"{where}, {name.removesuffix('?')}")
            elif not name.endswith("?"):
                raise Damaged(f"{where} has no {name}")


def printable(text: str) -> str:
    """`text` with what a terminal would act upon, such as escape sequences, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _short(value) -> str:
    text = ascii(value)[:60] if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return text


def parse_json(text: bytes, shape, name: str):
    """What the JSON `text` says. Raises Damaged, which begins with `name`, if it is none or not of `shape`."""
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of bytes, of syntax, of numbers with thousands of digits; of nesting
        raise Damaged(f"{name} is no JSON ({str(error)[:100]})") from error
    check(value, shape, name)
    return value


def read_json(path: Path, shape, most: int = MOST_JSON):
    """What the JSON file at `path` says. Raises Damaged if it cannot be read or is not of `shape`, FileNotFoundError if none."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise Damaged(f"{path} is larger than {most:,} bytes")
        try:
            content = file.read(most)
        except OSError as error:
            raise Damaged(f"{path} cannot be read ({error.strerror})") from error
    return parse_json(content, shape, str(path))


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, open to read. Raises Damaged for a folder, a pipe, a device or what may not be read."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Damaged(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Damaged(f"{path} is no regular file")
    with os.fdopen(number, "rb") as file:
        yield file


def sha256(path: Path) -> str:
    """The checksum of the file at `path` in hexadecimal. Raises Damaged as `open_regular` does."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_arrays(path: Path, only: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of the uncompressed .npz at `path`, or those named; numbers only.

    Raises Damaged if it is none, if an array is not as large as it declares, or if they are larger together than the file;
    FileNotFoundError if there is none.
    """
    with open_regular(path) as file:
        room = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                if len({info.filename for info in infos}) < len(infos):
                    raise Damaged("two arrays of one name")
                if any(info.compress_type or info.flag_bits & 1 for info in infos) or sum(i.file_size for i in infos) > room:
                    raise Damaged("its arrays are compressed, or larger than the file")
                names = {info.filename.removesuffix(".npy"): info for info in infos}
                return {name: _array(archive, names[name]) for name in (only or names) if name in names}
        except Exception as error:  # of a damaged file zipfile raises many kinds, struct.error and NotImplementedError among them
            raise Damaged(f"{path} cannot be read ({str(error)[:100] or type(error).__name__})") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One member, once its header is known to be true."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read_header(member, max_header_size=MOST_HEADER)
        name = ascii(info.filename)[:60]
        if dtype.kind not in PLAIN or any(side < 0 for side in shape):
            raise Damaged(f"{name} holds no plain numbers")
        if math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise Damaged(f"{name} is not as large as it declares")
        flat = np.frombuffer(bytearray(member.read()), dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
