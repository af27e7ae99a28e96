"""Photos out of a zip or tar archive that nobody vouches for: only plain files, only into their folder, all or none."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm.auto import tqdm

from srgan.data.download import require_space
from srgan.errors import SRGANError
from srgan.runs.locks import only_one
from srgan.runs.outside import printable
from srgan.runs.paths import PARTIAL, remove_folder
from srgan.runs.progress import shows_bars

LONGEST_LINK = 4096  # bytes of a link's target, as Linux allows
# A name that is too long, a file below a file: no other disk would take them.
OF_THE_ARCHIVE = (None, errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
Naming = Callable[[str], str | None]  # a member's name in the archive -> its name in the folder, None for what is not wanted


@dataclass(frozen=True)
class _Member:
    name: str
    bytes: int
    plain: bool  # a file, no folder or link
    open: Callable[[], BinaryIO]


def unpack(archive: Path, folder: Path, naming: Naming) -> None:
    """Make `folder` of those members of `archive` that `naming` gives a name, such as "HR/a.png"; it appears when whole.

    Raises SRGANError, before anything is written, if any member has an absolute name or one with "..", is a link that
    leads out or a device, or if the disk is too small; and if the archive is damaged, or holds nothing that is wanted.
    """
    with only_one(folder):
        if not folder.exists():  # else another process has done it meanwhile
            _unpack(archive, folder, naming)


def _unpack(archive: Path, folder: Path, naming: Naming) -> None:
    partial = folder.with_name(f"{PARTIAL}{folder.name}")  # nobody else is at work there
    try:
        remove_folder(partial)
        partial.mkdir(parents=True)
        with _open(archive) as opened:
            members = list(_zipped(opened) if isinstance(opened, zipfile.ZipFile) else _tarred(opened, partial))
            wanted = _wanted(members, naming)
            require_space(folder.parent, sum(member.bytes for member in wanted.values()), f"{archive.name}, unpacked,")
            for name, member in tqdm(wanted.items(), desc=f"unpacking {archive.name}", unit="file", disable=not shows_bars()):
                _write(member, partial / name)
            if isinstance(opened, tarfile.TarFile):
                while opened.fileobj.read(2**20):  # to the end of a compressed one, where its checksum is
                    pass
        os.replace(partial, folder)
    except SRGANError:
        raise
    except Exception as error:  # of damaged archives the two modules raise many kinds, some of them an OSError without a number
        if getattr(error, "errno", None) in OF_THE_ARCHIVE:
            advice = "Remove it and run the same again; then it is fetched."
            raise SRGANError(f"{archive} cannot be unpacked: {error}. {advice}") from error
        raise SRGANError(
            f"{archive} could not be unpacked to {folder} ({error.strerror}). "
            "Free some space or choose another working directory, then run the same again."
        ) from error
    finally:
        remove_folder(partial)


class _Bad(Exception):
    """What is wrong with an archive, in a phrase."""


def _open(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if tarfile.is_tarfile(archive):
        return tarfile.open(archive)
    raise _Bad("it is neither a zip nor a tar archive")


def _zipped(archive: zipfile.ZipFile) -> Iterator[_Member]:
    """The members of a zip file. A link's target is its content, its kind a part of its permissions."""
    for info in archive.infolist():
        _refuse_outside(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFLNK:
            with archive.open(info) as link:
                _refuse_link_outside(info.filename, link.read(LONGEST_LINK).decode("utf-8", "replace"))
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _Bad(f'it holds "{printable(info.filename)}", which is a device or the like')
        plain = kind in (0, stat.S_IFREG) and not info.is_dir()
        yield _Member(info.filename, info.file_size, plain, lambda info=info: archive.open(info))


def _tarred(archive: tarfile.TarFile, folder: Path) -> Iterator[_Member]:
    """The members of a tar file; Python's own filter judges links and devices."""
    for info in archive:
        _refuse_outside(info.name)
        tarfile.data_filter(info, str(folder))
        yield _Member(info.name, info.size, info.isreg(), lambda info=info: archive.extractfile(info))


def _refuse_outside(name: str) -> None:
    """Refuse a member's name that is absolute, on Windows too, or holds a ".."."""
    if _is_absolute(name) or ".." in re.split(r"[/\\]", name):
        raise _Bad(f'it holds "{printable(name)}", which leads out of the folder')


def _refuse_link_outside(name: str, target: str) -> None:
    """Refuse a link whose target, seen from where the link lies, is not in the archive."""
    seen = os.path.normpath(PurePosixPath(name).parent / target.replace("\\", "/"))
    if _is_absolute(target) or seen.split(os.sep)[0] == "..":
        raise _Bad(f'it holds "{printable(name)} -> {printable(target)}", which leads out of the folder')


def _is_absolute(name: str) -> bool:
    return "\0" in name or re.match(r"[/\\]|[A-Za-z]:", name) is not None


def _wanted(members: list[_Member], naming: Naming) -> dict[str, _Member]:
    """The plain files that `naming` wants, by their new names."""
    wanted: dict[str, _Member] = {}
    for member in members:
        name = naming(member.name) if member.plain else None
        if name in wanted:
            raise _Bad(f'both "{wanted[name].name}" and "{member.name}" would become {name}')
        if name is not None:
            wanted[name] = member
    if not wanted:
        raise _Bad("none of the photos that should be in it is there")
    return wanted


def _write(member: _Member, path: Path) -> None:
    """The content of one member, checked against the archive's own word on its size (a zip's CRC is checked in reading)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target)
        if target.tell() != member.bytes:
            raise _Bad(f'"{member.name}" has {target.tell():,} bytes, not {member.bytes:,}')
