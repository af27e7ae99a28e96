"""Damage every file of a run in every way, fail every local write and every download, and see what comes of it.

python -m tests.faults > docs/faults.md
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from srgan.config import Config
from srgan.data import preparation
from srgan.data.fetch import RemoteFile, fetch
from srgan.data.unpack import unpack
from srgan.errors import SRGANError
from srgan.results.tables import Table
from srgan.runs import checkpoints
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import held_out, resuming, saving, training
from srgan.train.state import State
from srgan.upscale import network
from tests.archives import tar_of, zip_of
from tests.servers import drive_at, serve

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "emptied": lambda content: b"",
    "cut to 1 byte": lambda content: content[:1],
    "cut to a half": lambda content: content[: len(content) // 2],
    "cut by 1 byte": lambda content: content[:-1],
    "zeroed": lambda content: bytes(len(content)),
    "a bit flipped": lambda content: _flip(content, len(content) // 2),
    "removed": lambda content: None,
}  # fmt: skip
OPERATIONS = ("open", "write", "fsync", "replace", "mkdir")
MOST_TRIED = 40  # calls of one operation in one save; of more, so many are tried, spread over all
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.ENOTCONN)

DOWNLOADS = {  # what a server does -> its way in tests/servers.py, or a file on its Google Drive
    "answers 404": "missing",
    "answers 503": "busy",
    "sends a web page": "page",
    "sends a web page as the file": "disguised_page",
    "sends other bytes": "wrong",
    "sends another file": "other",
    "sends more than the file": "more",
    "breaks off, knows ranges": "breaks",
    "breaks off, knows no ranges": "plain_breaks",
    "falls silent": "stalls",
    "Drive: a quota page": "gdrive:quota",
    "Drive: a quota page as the file": "gdrive:page",
    "Drive: no such file": "gdrive:forbidden",
    "Drive: falls silent": "gdrive:stalls",
    "Drive: breaks off": "gdrive:breaks",
}  # fmt: skip
ARCHIVES = {  # what an archive holds besides a photo -> how it is made
    "../evil.jpg in a zip": lambda path, photos: zip_of(path, photos | {"../evil.jpg": b""}),
    "../evil.jpg in a tar": lambda path, photos: tar_of(path, photos | {"../evil.jpg": b""}),
    "/tmp/evil.jpg in a zip": lambda path, photos: zip_of(path, photos | {"/tmp/evil.jpg": b""}),
    "/tmp/evil.jpg in a tar": lambda path, photos: tar_of(path, photos | {"/tmp/evil.jpg": b""}),
    "a link out of a zip": lambda path, photos: zip_of(path, photos, [("link.jpg", stat.S_IFLNK | 0o777, "../../evil.jpg")]),
    "a link out of a tar": lambda path, photos: tar_of(path, photos, [("link.jpg", tarfile.SYMTYPE, "../../evil.jpg")]),
    "a device in a tar": lambda path, photos: tar_of(path, photos, [("device.jpg", tarfile.CHRTYPE, "")]),
    "garbage": lambda path, photos: path.write_bytes(b"garbage"),
    "no photo": lambda path, photos: zip_of(path, {"notes.txt": b"words"}),
}  # fmt: skip


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :]


class Silent(Progress):
    """Keeps what training says."""

    def __init__(self):
        self.said = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def has_bar(self) -> bool:
        return False


def make_run(config: Config, paths: Paths) -> None:
    """Both stages, with two checkpoints each: at the end, and one step before."""
    for stage in config.stages:
        earlier = config.replace(pretrain_steps=config.optimization.pretrain_steps - 1, gan_steps=config.optimization.gan_steps - 1)
        training.fit(earlier, paths, stage, Silent())
        training.fit(config, paths, stage, Silent())


def damaged_files(config: Config, paths: Paths, pattern: str = "*") -> Iterator[tuple[str, str, str]]:
    """(file, damage, outcome) for each file of the run but pictures; `paths` is as before afterwards."""
    for path in sorted(path for path in paths.workdir.rglob(pattern) if path.is_file() and path.suffix != ".png"):
        for damage, change in DAMAGES.items():
            with tempfile.TemporaryDirectory() as copy:
                workdir = Path(copy) / "machine"
                shutil.copytree(paths.workdir, workdir)
                victim = workdir / path.relative_to(paths.workdir)
                content = change(victim.read_bytes())
                victim.unlink() if content is None else victim.write_bytes(content)
                yield _kind(path.relative_to(paths.workdir)), damage, _outcome(config, Paths(workdir, paths.run))


def _kind(path: Path) -> str:
    """The file's name without the hash in its folder's."""
    return re.sub(r"-[0-9a-f]{10}/", "-*/", path.as_posix())


def _outcome(config: Config, paths: Paths) -> str:
    """What both stages resume from, or what they say instead."""
    outcomes = []
    for stage, name in config.generator_stages.items():
        progress = Silent()
        try:
            checkpoint, _ = checkpoints.newest(paths.checkpoints, stage)
            if checkpoint is not None and checkpoint.step >= config.total_steps(stage):
                state = training.fit(config, paths, stage, progress)  # does not train, but mends the weights
            else:
                state = resuming.resume(config, paths, stage, preparation.prepare(config, paths), progress)
        except SRGANError as error:
            return f"stopped in words: {_shorten(str(error), paths)}"
        passed = sum("passed over" in sentence for sentence in progress.said)
        outcomes.append(f"{name} at step {state.step}" + (f" ({passed} passed over)" if passed else ""))
    return "goes on: " + ", ".join(outcomes)


def _shorten(sentence: str, paths: Paths) -> str:
    return re.sub(r"-[0-9a-f]{10}", "-*", sentence.replace(f"{paths.workdir}/", "")).split(". ")[0]


class _Writer:
    """A file opened for writing that asks before each write."""

    def __init__(self, file, ask):
        self._file, self._ask = file, ask

    def write(self, content):
        self._ask()
        return self._file.write(content)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@contextlib.contextmanager
def failing(operation: str, nth: int, number: int) -> Iterator[list[int]]:
    """The n-th call (from 1) of `operation` fails with `number`; yields the list of calls so far."""
    calls: list[int] = []

    def ask() -> None:
        calls.append(1)
        if len(calls) == nth:
            raise OSError(number, os.strerror(number))

    def wrapped(*arguments, **keywords):
        ask()
        return original(*arguments, **keywords)

    def opened(path, mode="r", *arguments, **keywords):
        if not set(mode) & set("wa+"):
            return open_before(path, mode, *arguments, **keywords)
        if operation == "open":
            ask()
        file = open_before(path, mode, *arguments, **keywords)
        return _Writer(file, ask) if operation == "write" else file

    open_before = open
    with contextlib.ExitStack() as patches:
        if operation in ("open", "write"):
            for target in ("builtins.open", "io.open"):  # pathlib uses the second
                patches.enter_context(mock.patch(target, opened))
        else:
            owner = Path if operation == "mkdir" else os
            original = getattr(owner, operation)
            patches.enter_context(mock.patch.object(owner, operation, wrapped))
        yield calls


def failed_saves(config: Config, paths: Paths, errors: tuple[int, ...] = ERRORS) -> Iterator[tuple[str, str, str]]:
    """(operation, error, outcome) for the calls that a save makes, failing in turn."""
    dataset = preparation.prepare(config, paths)
    state = resuming.resume(config, paths, "srgan", dataset, Silent())
    before = state.step
    upscaler = network.network(state.generator)
    score = held_out.score(upscaler, dataset)  # written again and again: to measure it takes longer than to save it
    again = State(config, "srgan")

    def save(operation: str, nth: int, number: int) -> tuple[int, bool]:
        """How many calls there were, and whether it stopped in words; then all is as before."""
        state.step, again.step, stopped = before + 1, -1, False
        with mock.patch.object(held_out, "score", lambda *_: score), failing(operation, nth, number) as calls:
            try:
                saving.save(config, paths, state, dataset, upscaler)
            except SRGANError:
                stopped = True
        resuming._read(config, paths, again, dataset, Silent())  # `resume` without building the networks each time
        assert again.step in (before, before + 1), f"{operation} {nth}: step {again.step}"
        for path in paths.checkpoints.glob(f"srgan-{before + 1:08d}.npz"):
            path.unlink()
        return len(calls), stopped

    for operation in OPERATIONS:
        for number in errors:
            count, _ = save(operation, 0, number)
            tried = sorted({1 + round(i * (count - 1) / (MOST_TRIED - 1)) for i in range(MOST_TRIED)})
            stopped = sum(save(operation, nth, number)[1] for nth in tried)
            yield (
                operation,
                errno.errorcode[number],
                f"{len(tried)} of {count} calls tried: {stopped} stopped in words, all resumed",
            )


def failed_downloads() -> Iterator[tuple[str, str, str]]:
    """(what the server does, outcome, outcome with a second mirror that works) for each of DOWNLOADS."""
    content = bytes(range(256)) * 2**13  # 2 MB
    with serve() as server, drive_at(server):
        server.files = dict.fromkeys(("photos.zip", "page", "stalls", "breaks"), content)
        server.cut = 2**20
        for what, way in DOWNLOADS.items():
            mirror = way if way.startswith("gdrive:") else server.address(way, "photos.zip")
            mirrors = ((mirror,), (mirror, server.address("good", "photos.zip")))
            alone, helped = (_download_outcome(choice, content) for choice in mirrors)
            yield what, alone, helped


def _download_outcome(mirrors: tuple[str, ...], content: bytes) -> str:
    """What `fetch` gives, or says of the first mirror, and how much it keeps to go on from."""
    file = RemoteFile("photos.zip", mirrors, len(content), f"md5:{hashlib.md5(content).hexdigest()}")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        try:
            path = fetch(file, Path(folder), timeout=1.0)
        except SRGANError as error:
            (said,) = re.findall(r"(?m)^  \S+: (.*)$", str(error))
            kept = sum(left.stat().st_size for left in Path(folder).iterdir())
            assert not (Path(folder) / file.name).exists()
            return f"stopped in words: {said.split('. ')[0].rstrip('.')}; {kept:,} bytes kept"
        assert path.read_bytes() == content
        return "the file"


def bad_archives() -> Iterator[tuple[str, str]]:
    """(what is in it, outcome) for each of ARCHIVES."""
    for what, make in ARCHIVES.items():
        with tempfile.TemporaryDirectory() as folder:
            archive, target = Path(folder) / "archive", Path(folder) / "photos"
            make(archive, {"photo.jpg": b"photo"})
            try:
                unpack(archive, target, lambda name: name if name.endswith(".jpg") else None)
                outcome = f"unpacked: {', '.join(sorted(path.name for path in target.iterdir()))}"
            except SRGANError as error:
                assert [path.name for path in Path(folder).iterdir()] == ["archive"]
                outcome = f"refused, nothing written: {str(error).split('unpacked: ')[1].split('. ')[0]}"
            yield what, outcome.replace(folder, "FOLDER")


def main() -> None:
    from srgan.presets import preset

    config = preset("quick", run="faults", blocks=1, filters=4, hr_size=32, batch_size=2, discriminator_filters=2,
                    discriminator_dense=4, pretrain_steps=3, gan_steps=3)  # fmt: skip
    preparation.print = lambda *_: None  # what preparing anew says would stand between the table's rows
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder), "faults")
        make_run(config, paths)
        print(
            "# Faults tried, and what training made of them\n\n"
            "Written by `python -m tests.faults`; the run had reached step 3 in both stages.\n"
        )
        print(Table(("file", "damage", "outcome"), damaged_files(config, paths)))
        print("\nEach call of a save failing in turn:\n")
        print(Table(("operation", "error", "outcome"), failed_saves(config, paths)))
    print("\nA download of 2,097,152 bytes:\n")
    print(Table(("the server", "outcome", "with a second mirror"), failed_downloads()))
    print("\nAn archive with a photo and something else:\n")
    print(Table(("in it", "outcome"), bad_archives()))


if __name__ == "__main__":
    main()
