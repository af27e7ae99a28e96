"""Archives as nobody should make them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path


def zip_of(path: Path, members: dict[str, bytes], extra=()) -> Path:
    """A zip file; `extra`: (name, mode, content) for links and worse."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for name, mode, content in extra:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, content)
    return path


def tar_of(path: Path, members: dict[str, bytes], extra=(), mode="w") -> Path:
    """A tar file; `extra`: (name, type, target) for links and worse."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind, target in extra:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return path
