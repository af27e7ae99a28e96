"""A file from the network: mirror after mirror, resumed where one broke off, believed only after its checksum."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from srgan.errors import SRGANError
from srgan.paths import PARTIAL, write_atomically
from srgan.progress import SECONDS_BETWEEN_LINES, shows_bars

TIMEOUT = 60.0  # seconds without a byte, after which a server counts as dead
ATTEMPTS = 5  # requests to one mirror that breaks off again and again
CHUNK = 2**18  # bytes
DRIVE = "gdrive:"  # how the mirrors on Google Drive begin; the file's id follows


@dataclass(frozen=True)
class RemoteFile:
    """A file that several places offer. With neither checksum nor size published it cannot be had."""

    name: str  # under which it is kept
    mirrors: tuple[str, ...]  # in order of trial: "https://..." or "gdrive:ID"
    bytes: int = 0  # exact; 0: not published
    checksum: str = ""  # "md5:...", "sha1:..." or "sha256:..."; empty: not published


class MirrorError(Exception):
    """What one mirror did wrong, in a phrase; there may be others."""


class BrokenOff(MirrorError):
    """The connection ended early or fell silent; what arrived is kept."""


def fetch(file: RemoteFile, folder: Path, room: int = 0, timeout: float = TIMEOUT) -> Path:
    """The path of `file` in `folder`: it is there already, put there by hand, say, or it is fetched.

    It takes its name when it is whole and its checksum is right; until then it is `.partial-NAME`, from which a later
    call goes on. Where no checksum is published the size must be right, and the sha256 found is kept beside the file
    as NAME.sha256, and believed from then on. `room`: bytes that must stay free besides the file's own; `timeout`:
    seconds of silence that end a connection. Raises SRGANError with what every mirror said, or if the disk is too
    small, or if another file lies under the name.
    """
    path = folder / file.name
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


def human(count: int) -> str:
    """A number of bytes as "816 MB" or "1.4 GB", in powers of a thousand."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count} bytes"


def require_space(folder: Path, count: int, purpose: str) -> None:
    """Raise SRGANError if the disk of `folder` has less than `count` bytes free."""
    free = shutil.disk_usage(folder).free
    if count > free:
        raise SRGANError(
            f"{purpose} takes {human(count)}, and the disk of {folder} has {human(free)} free. "
            "Free some space or choose another working directory, then run the same again."
        )


def _with_recorded_checksum(file: RemoteFile, path: Path) -> RemoteFile:
    """`file` with the checksum that an earlier call has kept, where none is published."""
    record = _record(path)
    if file.checksum or not record.is_file():
        return file
    return RemoteFile(file.name, file.mirrors, file.bytes, f"sha256:{record.read_text(encoding='utf-8').split()[0]}")


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
    with _disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path.parent, max(file.bytes - _size(partial), 0) + room, f"{file.name}, fetched and unpacked,")
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
        os.replace(partial, path)
        return
    what = "\n".join(said)
    raise SRGANError(
        f"{file.name} could not be fetched. What was tried:\n{what}\nWhat has arrived is kept; run the same again to go on, "
        f"today or tomorrow. Or fetch it by hand, in a browser, say, and put the file at {path}; it is checked and used."
    )


def _fetch_from(mirror: str, file: RemoteFile, partial: Path, timeout: float) -> None:
    """Let one mirror complete `partial`, and check it. Raises MirrorError; a wrong file is removed."""
    if mirror.startswith(DRIVE):
        resumed = _download_from_drive(mirror.removeprefix(DRIVE), partial, timeout)
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


# HTTP ---------------------------------------------------------------------------------------------------------------


def download(url: str, path: Path, count: int = 0, timeout: float = TIMEOUT) -> bool:
    """Append to the file at `path` what it lacks of `url`; returns whether something was there before.

    `count`: its size in bytes, 0 if unknown. A server without ranges sends all of it again. A broken connection is
    taken up again as long as that brings more. Raises MirrorError, and SRGANError if the disk fails.
    """
    resumed = _size(path) > 0
    for attempt in range(1, ATTEMPTS + 1):
        before = _size(path)
        try:
            _request(url, path, count, timeout)
            break
        except BrokenOff:
            if attempt == ATTEMPTS or _size(path) <= before:
                raise
    return resumed


def _request(url: str, path: Path, count: int, timeout: float) -> None:
    """One request for the rest of the file."""
    import requests
    import urllib3

    have, name = _size(path), path.name.removeprefix(PARTIAL)
    if count and have == count:
        return  # all of it came, but nobody was left to check it
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            start, total = _span(response, have)
            if count and total not in (0, count):
                raise MirrorError(f"it offers {total:,} bytes, not {count:,}")
            if start not in (0, have):  # the server has less than lies here, or cannot go on from there
                path.unlink()
                return _request(url, path, count, timeout)
            total = total or count
            require_space(path.parent, total - start, name)
            chunks = response.raw.stream(CHUNK, decode_content=False) if response.status_code != 416 else ()
            at = _append(path, _metered(chunks, name, start, total), start, total)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise BrokenOff(f"{_reason(error)}, after {_size(path):,} bytes") from error
    if at < total:
        raise BrokenOff(f"it broke off after {at:,} of {total:,} bytes")


def _span(response, have: int) -> tuple[int, int]:
    """At which byte the answer begins, and how many the whole file has (0: not told). Raises MirrorError if it is no file."""
    status = response.status_code
    if status not in (200, 206) and not (status == 416 and have):
        raise MirrorError(f"HTTP {status} {response.reason}".rstrip())
    if status != 416 and response.headers.get("Content-Type", "").startswith("text/html"):
        raise MirrorError(f"a web page instead of the file{_title(response.raw.read(CHUNK))}")
    if status == 200:
        return 0, int(response.headers.get("Content-Length", 0))
    told = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    total = int(told[2]) if told and told[2] != "*" else 0
    if status == 416:  # nothing lies beyond what is here: if that is all there is, it is whole
        return (have, have) if total == have else (-1, 0)
    return (int(told[1]), total) if told and told[1] else (-1, 0)


def _append(path: Path, chunks: Iterable[bytes], start: int, total: int) -> int:
    """Write `chunks` from byte `start` on; returns where they end. Raises MirrorError if they exceed `total` (0: no bound)."""
    at = start
    with _disk_faults(path), open(path, "ab" if start else "wb") as file:
        for chunk in chunks:
            at += len(chunk)
            if total and at > total:
                raise MirrorError(f"it sends more than the {total:,} bytes of the file")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return at


def _metered(chunks: Iterable[bytes], name: str, start: int, total: int) -> Iterator[bytes]:
    """Pass `chunks` on and show how far they are: on a bar, or a line now and then where there can be none."""
    at, told = start, time.monotonic()
    with tqdm(total=total or None, initial=start, desc=name, unit="B", unit_scale=True, delay=1, disable=not shows_bars()) as bar:
        for chunk in chunks:
            at += len(chunk)
            bar.update(len(chunk))
            if bar.disable and time.monotonic() - told > SECONDS_BETWEEN_LINES:
                told = time.monotonic()
                print(f"{name}: {human(at)}" + (f" of {human(total)}" if total else ""), flush=True)
            yield chunk


# Google Drive -------------------------------------------------------------------------------------------------------


def _download_from_drive(identity: str, path: Path, timeout: float) -> bool:
    """Let gdown fetch the file with this id to `path`; returns whether a part of it was there before.

    gdown keeps its part beside `path` and goes on from it. Raises MirrorError, and SRGANError if the disk fails.
    """
    import gdown
    import requests

    output = path.with_name(f"{PARTIAL}drive-{path.name.removeprefix(PARTIAL)}")
    before = _parts(output)
    try:
        with _impatient(timeout), _disk_faults(path, but=requests.RequestException):
            gdown.download(id=identity, output=str(output), quiet=not shows_bars(), use_cookies=False, resume=True)
    except SRGANError:
        raise
    except Exception as error:  # gdown's own, those of requests, and what an unexpected answer makes of its code
        refused = isinstance(error, gdown.exceptions.FileURLRetrievalError | requests.RequestException)
        if before and not refused and _parts(output) == before:  # it cannot go on from that
            _remove(output, *before)
            return _download_from_drive(identity, path, timeout)
        raise MirrorError(_reason(error)) from error
    if not output.exists():
        raise MirrorError("gdown gave no file")
    os.replace(output, path)
    return bool(before)


def _parts(output: Path) -> dict[Path, int]:
    """What gdown has left of earlier attempts at `output`, with sizes."""
    return {part: part.stat().st_size for part in output.parent.glob(f"{output.name}*")}


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _impatient(timeout: float) -> Iterator[None]:
    """Requests without a timeout of their own get this one: gdown 5, Colab's, knows none and would wait forever."""
    import requests

    patient = requests.Session.request

    def request(self, method, url, **keywords):
        return patient(self, method, url, **keywords | {"timeout": keywords.get("timeout") or timeout})

    requests.Session.request = request
    try:
        yield
    finally:
        requests.Session.request = patient


# Common -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _disk_faults(path: Path, but: type[Exception] | tuple = ()) -> Iterator[None]:
    """Tell in words what the system says against writing `path`; errors of the kind `but` are none of the disk."""
    try:
        yield
    except but:
        raise
    except OSError as error:
        raise SRGANError(
            f"{path.with_name(path.name.removeprefix(PARTIAL))} could not be written ({error.strerror or error}). "
            "Free some space or choose another working directory, then run the same again: it goes on from what has arrived."
        ) from error


def _size(path: Path) -> int:
    """The bytes of the file at `path`; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _is_page(head: bytes) -> bool:
    """Whether a file that begins like this is HTML."""
    return re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head)\b", head, re.IGNORECASE) is not None


def _title(page: bytes) -> str:
    """The title of a web page in brackets; empty if it has none."""
    found = re.search(rb"<title>\s*(.*?)\s*</title>", page, re.IGNORECASE | re.DOTALL)
    return f" ({found[1].decode('utf-8', 'replace')})" if found else ""


def _reason(error: Exception) -> str:
    """The error in one line, without addresses of objects in memory."""
    text = " ".join(re.sub(r"<[^<>]* at 0x[0-9a-f]+>:?", "", str(error)).split())
    return (text[:300] + " ...") if len(text) > 300 else text or type(error).__name__
