"""Bytes from one place: over HTTP, resumed where the server allows it, or from Google Drive by gdown."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tqdm.auto import tqdm

from srgan.errors import SRGANError
from srgan.runs.outside import printable
from srgan.runs.paths import PARTIAL
from srgan.runs.progress import SECONDS_BETWEEN_LINES, shows_bars

TIMEOUT = 60.0  # seconds without a byte, after which a server counts as dead
ATTEMPTS = 5  # requests to one mirror that breaks off again and again
CHUNK = 2**18  # bytes
SLOWEST = 500  # bytes a second on average over TIMEOUT seconds; a server below that counts as dead
MOST_UNTOLD = 10**9  # bytes of a file whose size neither the catalogue nor the server tells


class MirrorError(Exception):
    """What one mirror did wrong, in a phrase; there may be others."""


class BrokenOff(MirrorError):
    """The connection ended early or fell silent; what arrived is kept."""


def download(url: str, path: Path, count: int = 0, timeout: float = TIMEOUT) -> bool:
    """Append to the file at `path` what it lacks of `url`; returns whether something was there before.

    `count`: its size in bytes, 0 if unknown. A server without ranges sends all of it again. A broken connection is
    taken up again as long as that brings more. Raises MirrorError, and SRGANError if the disk fails.
    """
    resumed = size_of(path) > 0
    try:
        _persist(lambda: _request(url, path, count, timeout), lambda: size_of(path))
    finally:
        if not size_of(path):
            path.unlink(missing_ok=True)
    return resumed


def _request(url: str, path: Path, count: int, timeout: float) -> None:
    """One request for the rest of the file."""
    import requests
    import urllib3

    have, name = size_of(path), path.name.removeprefix(PARTIAL)
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
            chunks = _chunks(response.raw, timeout) if response.status_code != 416 else ()
            at = _append(path, _metered(chunks, name, start, total), start, total)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise BrokenOff(f"{_reason(error)} (after {size_of(path):,} bytes)") from error
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
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch("[0-9]{1,15}", length) else 0
    told = re.fullmatch(r"bytes (?:([0-9]{1,15})-[0-9]{1,15}|\*)/([0-9]{1,15}|\*)", response.headers.get("Content-Range", ""))
    total = int(told[2]) if told and told[2] != "*" else 0
    if status == 416:  # nothing lies beyond what is here: if that is all there is, it is whole
        return (have, have) if total == have else (-1, 0)
    return (int(told[1]), total) if told and told[1] else (-1, 0)


def _chunks(raw, timeout: float) -> Iterator[bytes]:
    """The bytes as they come. Raises BrokenOff if they drip."""
    begun, came = time.monotonic(), 0
    while chunk := raw.read1(CHUNK, decode_content=False):
        yield chunk
        came += len(chunk)
        seconds = time.monotonic() - begun
        if seconds > timeout:
            if came < SLOWEST * seconds:
                raise BrokenOff(f"only {came:,} bytes in {seconds:.0f} seconds")
            begun, came = time.monotonic(), 0


def _append(path: Path, chunks: Iterable[bytes], start: int, total: int) -> int:
    """Write `chunks` from byte `start` on; returns where they end.

    Raises MirrorError if they exceed `total`, or MOST_UNTOLD where it is 0. A link under the file's name is not followed.
    """
    at, most = start, total or MOST_UNTOLD
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if start else os.O_TRUNC) | getattr(os, "O_NOFOLLOW", 0)
    with disk_faults(path), open(path, "wb", opener=lambda name, _: os.open(name, flags, 0o666)) as file:
        for chunk in chunks:
            at += len(chunk)
            if at > most:
                raise MirrorError(f"it sends more than the {most:,} bytes of the file")
            file.write(chunk)
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


def download_from_drive(identity: str, path: Path, timeout: float) -> bool:
    """Let gdown fetch the file with this id to `path`; returns whether a part of it was there before.

    gdown keeps its part beside `path` and goes on from it. Raises MirrorError, and SRGANError if the disk fails.
    """
    output = path.with_name(f"{PARTIAL}drive-{path.name.removeprefix(PARTIAL)}")
    resumed = bool(_parts(output))
    _persist(lambda: _ask_gdown(identity, output, timeout), lambda: sum(_parts(output).values()))
    with disk_faults(path):
        os.replace(output, path)
    return resumed


def _ask_gdown(identity: str, output: Path, timeout: float) -> None:
    """One call of gdown for the rest of the file."""
    import gdown
    import requests

    before = _parts(output)
    try:
        with _impatient(timeout), disk_faults(output, but=requests.RequestException):
            gdown.download(id=identity, output=str(output), quiet=not shows_bars(), use_cookies=False, resume=True)
    except gdown.exceptions.FileURLRetrievalError as error:
        raise MirrorError(_reason(error)) from error
    except SRGANError:
        raise
    except Exception as error:  # gdown's own, those of requests, and what an unexpected answer makes of its code
        if before and _parts(output) == before and not isinstance(error, requests.RequestException):
            for part in before:  # it cannot go on from that
                part.unlink()
            return _ask_gdown(identity, output, timeout)
        raise BrokenOff(_reason(error)) from error
    if not output.exists():
        raise MirrorError("gdown gave no file")


def _parts(output: Path) -> dict[Path, int]:
    """What gdown has left of earlier attempts at `output`, with sizes."""
    return {part: part.stat().st_size for part in output.parent.glob(f"{output.name}*")}


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


def _persist(attempt: Callable[[], None], size: Callable[[], int]) -> None:
    """Make the attempt again after it broke off, as long as each time there is more than before."""
    for number in range(1, ATTEMPTS + 1):
        before = size()
        try:
            return attempt()
        except BrokenOff:
            if number == ATTEMPTS or size() <= before:
                raise


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


@contextlib.contextmanager
def disk_faults(path: Path, but: type[Exception] | tuple = ()) -> Iterator[None]:
    """Tell in words what the system says against writing `path`; errors of the kind `but` are none of the disk."""
    try:
        yield
    except but:
        raise
    except OSError as error:
        final = path.with_name(path.name.removeprefix(PARTIAL).removeprefix("drive-"))
        raise SRGANError(
            f"{final} could not be written ({error.strerror or error}). "
            "Free some space or choose another working directory, then run the same again: it goes on from what has arrived."
        ) from error


def size_of(path: Path) -> int:
    """The bytes of the file at `path`; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _title(page: bytes) -> str:
    """The title of a web page in brackets; empty if it has none."""
    found = re.search(rb"<title>\s*(.*?)\s*</title>", page, re.IGNORECASE | re.DOTALL)
    return f" ({printable(found[1][:300].decode('utf-8', 'replace'))})" if found else ""


def _reason(error: Exception) -> str:
    """What went wrong in one line: of nested network errors the innermost, without addresses of hosts and objects."""
    while isinstance(getattr(error, "reason", None) or (error.args and error.args[0]), Exception):
        error = getattr(error, "reason", None) or error.args[0]
    text = str(error.args[0] if error.args and isinstance(error.args[0], str) else error)
    text = " ".join(re.sub(r"HTTPS?Connection(Pool)?\([^)]*\): |<[^<>]* at 0x[0-9a-f]+>:? ?", "", text).split())
    text = printable(text)
    return (text[:300] + " ...") if len(text) > 300 else text or type(error).__name__
