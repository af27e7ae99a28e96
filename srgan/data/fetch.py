"""A file from the network: mirror after mirror, resumed where one broke off, believed only after its checksum."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from srgan.data.download import TIMEOUT, MirrorError, disk_faults, download, download_from_drive, human, require_space, size_of
from srgan.errors import SRGANError
from srgan.runs.locks import only_one
from srgan.runs.paths import PARTIAL, write_atomically

DRIVE = "gdrive:"  # how the mirrors on Google Drive begin; the file's id follows


@dataclass(frozen=True)
class RemoteFile:
    """A file that several places offer. With neither checksum nor size published it cannot be had."""

    name: str  # under which it is kept
    mirrors: tuple[str, ...]  # in order of trial: "https://..." or "gdrive:ID"
    bytes: int = 0  # exact; 0: not published
    checksum: str = ""  # "md5:...", "sha1:..." or "sha256:..."; empty: not published


def fetch(file: RemoteFile, folder: Path, room: int = 0, timeout: float = TIMEOUT) -> Path:
    """The path of `file` in `folder`: it is there already, put there by hand, say, or it is fetched.

    It takes its name when it is whole and its checksum is right; until then it is `.partial-NAME`, from which a later
    call goes on. Where no checksum is published the size must be right, and the sha256 found is kept beside the file
    as NAME.sha256, and believed from then on. `room`: bytes that must stay free besides the file's own; `timeout`:
    seconds of silence that end a connection. Raises SRGANError with what every mirror said, or if the disk is too
    small, or if another file lies under the name.
    """
    path = folder / file.name
    with only_one(path):
        return _fetch(file, path, room, timeout)


def _fetch(file: RemoteFile, path: Path, room: int, timeout: float) -> Path:
    file = _with_recorded_checksum(file, path)
    if path.exists():
        complaint = fault(path, file)
        if complaint:
            raise SRGANError(
                f"{path} is not the file that it should be: {complaint}. Move it away and run the same again; "
                "then it is fetched. Or put the right one there."
            )
    else:
        _fetch_from_any(file, path, room, timeout)
    if not file.checksum:
        _record_checksum(path)
    return path


def fault(path: Path, file: RemoteFile) -> str:
    """What is wrong with the file at `path`, in a phrase; empty if size and checksum are those of `file`."""
    if path.is_dir():
        return "it is a folder"
    size = path.stat().st_size
    with open(path, "rb") as opened:
        if _is_page(opened.read(512)):
            return "it is a web page"
    if file.bytes and size != file.bytes:
        return f"it has {size:,} bytes, not {file.bytes:,}"
    if file.checksum:
        algorithm, _, expected = file.checksum.partition(":")
        found = digest(path, algorithm)
        return "" if found == expected else f"its {algorithm} is {found}, not {expected}"
    return "" if file.bytes else "neither size nor checksum of it is published"


def digest(path: Path, algorithm: str = "sha256") -> str:
    """The checksum of the file at `path` in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _with_recorded_checksum(file: RemoteFile, path: Path) -> RemoteFile:
    """`file` with the checksum that an earlier call has kept, where none is published."""
    record = _record(path)
    known = re.match("[0-9a-f]{64}", record.read_text(encoding="utf-8", errors="replace")) if record.is_file() else None
    return replace(file, checksum=f"sha256:{known[0]}") if known and not file.checksum else file


def _record_checksum(path: Path) -> None:
    found = digest(path)
    write_atomically(_record(path), lambda temporary: temporary.write_text(f"{found}  {path.name}\n", encoding="utf-8"))
    print(f"No checksum of {path.name} is published; its size is right. Its sha256, kept beside it, is {found}.")


def _record(path: Path) -> Path:
    """Where the checksum of the file at `path` is kept, in the format of sha256sum."""
    return path.with_name(f"{path.name}.sha256")


def _fetch_from_any(file: RemoteFile, path: Path, room: int, timeout: float) -> None:
    """Try the mirrors in order until one gives the file."""
    partial = path.with_name(f"{PARTIAL}{path.name}")
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path.parent, max(file.bytes - size_of(partial), 0) + room, f"{file.name}, fetched and unpacked,")
    said = []
    for mirror in file.mirrors:
        size = f", {human(file.bytes)}," if file.bytes else ""
        print(f"Fetching {file.name}{size} from {urlsplit(_address(mirror)).netloc}", flush=True)
        try:
            _fetch_from(mirror, file, partial, timeout)
        except MirrorError as error:
            said.append(f"  {_address(mirror)}: {error}")
            print(f"That failed: {error}.", flush=True)
            continue
        with disk_faults(path):
            with open(partial, "rb+") as arrived:
                os.fsync(arrived.fileno())
            os.replace(partial, path)
        return
    what = "\n".join(said)
    raise SRGANError(
        f"{file.name} could not be fetched. What was tried:\n{what}\nWhat has arrived is kept; run the same again later to "
        f"go on. Or fetch it by hand, in a browser, say, and put the file at {path}; it is checked and used."
    )


def _fetch_from(mirror: str, file: RemoteFile, partial: Path, timeout: float) -> None:
    """Let one mirror complete `partial`, and check it. Raises MirrorError; a wrong file is removed."""
    if mirror.startswith(DRIVE):
        resumed = download_from_drive(mirror.removeprefix(DRIVE), partial, timeout)
    else:
        resumed = download(mirror, partial, file.bytes, timeout)
    complaint = fault(partial, file)
    if complaint:
        partial.unlink()
        if not resumed:
            raise MirrorError(complaint)
        _fetch_from(mirror, file, partial, timeout)  # the fault may lie in what was here before


def _address(mirror: str) -> str:
    """The address of `mirror` for a browser."""
    return f"https://drive.google.com/uc?id={mirror.removeprefix(DRIVE)}" if mirror.startswith(DRIVE) else mirror


def _is_page(head: bytes) -> bool:
    """Whether a file that begins like this is HTML."""
    return re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head)\b", head, re.IGNORECASE) is not None
