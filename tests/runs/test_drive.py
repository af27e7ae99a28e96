"""The copy on Drive: proven before it counts, patient with a Drive that fails, and enough to go on from."""

import errno
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from srgan.errors import SRGANError
from srgan.runs import checkpoints, drive
from srgan.runs.drive import Mirror, open_run
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def paths(tmp_path):
    """A run with two checkpoints, weights, a history and prepared data."""
    paths = Paths(tmp_path / "machine", "quick", tmp_path / "drive")
    for name, text in {
        "model/quick/srgan.weights.h5": "weights",
        "loss/quick/srgan.csv": "step,loss\n10,0.5\n",
        "output/quick/samples/srgan_step_0000010.png": "picture",
        "data/samples-0123456789/train.u8": "pixels",
        "data/samples-0123456789/manifest.json": "{}",
    }.items():
        (paths.workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (paths.workdir / name).write_text(text)
    for step in (10, 20):
        save(paths, step)
    return paths


FIRST = {"life": "first", "begun": 0}


def save(paths: Paths, step: int, *line: dict) -> Path:
    """A checkpoint of `step` whose line is the life "first" and then `line`."""
    about = {"stage": "srgan", "step": step, "saved": "2026-11-25T20:00:00+00:00", "seconds": 1.0, "history": "", "window": []}
    about |= {"config": {}, "data": "x", "line": [FIRST, *line]}
    return checkpoints.save(paths.checkpoints, {"a": np.full(3, step, np.float32)}, about, keep=99)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(drive, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(drive, "LONGEST_WAIT", 0.05)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "proven.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def copied(paths: Paths) -> Mirror:
    """A mirror that has finished one round."""
    if not paths.drive.is_dir():
        paths.drive.mkdir()
    copies = Mirror(paths, paths.drive)
    copies.start()
    copies.close(patience=20)
    return copies


def test_everything_is_copied_and_listed_with_its_checksum(paths):
    status = copied(paths).status()
    assert contents(paths.drive) == contents(paths.workdir)
    listed = json.loads((paths.drive / "model/quick/proven.json").read_text())["files"]
    assert listed["loss/quick/srgan.csv"]["sha256"] == drive._sha256(paths.workdir / "loss/quick/srgan.csv")
    assert set(listed) == set(contents(paths.workdir))
    assert status == "on Drive: just now"


def test_downloads_stay_on_the_machine_and_feature_networks_are_copied(paths):
    kept = {"data/features/vgg19.h5": b"network", "data/README.md": b"words", "data/benchmarks/Set5/HR/a.png": b"photo"}
    for name in (*kept, "data/downloads/coco.zip", "data/downloads/coco/1.jpg", "data/features/.partial-graph.tgz"):
        (paths.workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (paths.workdir / name).write_bytes(kept.get(name, b"not wanted"))
    before = contents(paths.workdir)
    copied(paths)
    assert contents(paths.drive) == {name: text for name, text in before.items() if text != b"not wanted"}
    assert kept.items() <= contents(paths.drive).items()
    assert paths.features / "vgg19.h5" == paths.workdir / "data/features/vgg19.h5"


def test_a_second_round_copies_only_what_changed(paths):
    copied(paths)
    before = {path: path.stat().st_ino for path in paths.drive.rglob("*") if path.is_file()}
    with open(paths.workdir / "loss/quick/srgan.csv", "a") as file:
        file.write("20,0.4\n")
    copied(paths)
    changed = {path.name for path, inode in before.items() if path.stat().st_ino != inode}
    assert changed == {"srgan.csv", "proven.json"}
    assert contents(paths.drive) == contents(paths.workdir)


def test_a_fresh_machine_gets_everything_and_copies_nothing_back(paths):
    copied(paths)
    kept = contents(paths.workdir)
    shutil.rmtree(paths.workdir)
    assert Mirror(paths, paths.drive).pull() == [f"Brought {len(kept)} files from {paths.drive}."]
    assert contents(paths.workdir) == kept
    before = {path: path.stat().st_mtime_ns for path in paths.drive.rglob("*.*") if path.name != "proven.json"}
    copied(paths)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_drives_files_replace_those_here_only_where_its_checkpoints_are_newer(paths):
    copied(paths)
    (paths.workdir / "loss/quick/srgan.csv").write_text("step,loss\n10,0.5\n20,0.4\n")
    os.utime(paths.workdir / "loss/quick/srgan.csv", (1, 1))  # clocks do not count
    assert Mirror(paths, paths.drive).pull(holds_run=True) == []
    assert "20,0.4" in (paths.workdir / "loss/quick/srgan.csv").read_text()
    (paths.workdir / "model/quick/checkpoints/srgan-00000020.npz").unlink()
    assert Mirror(paths, paths.drive).pull() == [f"Brought 1 files from {paths.drive}."]
    (paths.workdir / "model/quick/checkpoints/srgan-00000020.npz").unlink()
    assert Mirror(paths, paths.drive).pull(holds_run=True) == [f"Brought 2 files from {paths.drive}."]
    assert "20,0.4" not in (paths.workdir / "loss/quick/srgan.csv").read_text()


def test_a_file_that_rotted_on_drive_is_named_and_passed_over(paths):
    copied(paths)
    rotten = paths.drive / "model/quick/checkpoints/srgan-00000020.npz"
    rotten.write_bytes(rotten.read_bytes().replace(b"srgan", b"srgun"))
    shutil.rmtree(paths.workdir)
    told = Mirror(paths, paths.drive).pull()
    assert any(f"{rotten} is passed over" in sentence and "checksum" in sentence for sentence in told)
    assert not (paths.workdir / "model/quick/checkpoints/srgan-00000020.npz").exists()
    assert checkpoints.newest(paths.checkpoints, "srgan")[0].step == 10


@pytest.mark.parametrize("text", ["", "{", '{"files": 3}', "\0" * 50])
def test_a_torn_manifest_does_not_hide_the_files(paths, text):
    copied(paths)
    (paths.drive / "model/quick/proven.json").write_text(text)
    kept = contents(paths.workdir)
    shutil.rmtree(paths.workdir)
    Mirror(paths, paths.drive).pull()
    assert contents(paths.workdir) == kept


def test_an_unfinished_copy_is_never_brought(paths):
    copied(paths)
    (paths.drive / "model/quick/checkpoints/srgan-00000030.npz.copying").write_text("thi")
    shutil.rmtree(paths.workdir)
    Mirror(paths, paths.drive).pull()
    assert not list(paths.workdir.rglob("*30*"))


def test_old_checkpoints_leave_drive_only_when_two_newer_ones_are_proven(paths):
    copied(paths)
    folder = "model/quick/checkpoints"
    (paths.workdir / folder / "srgan-00000010.npz").unlink()
    copied(paths)
    assert (paths.drive / folder / "srgan-00000010.npz").exists()
    save(paths, 30)
    copied(paths)
    assert sorted(path.name for path in (paths.drive / folder).iterdir()) == ["srgan-00000020.npz", "srgan-00000030.npz"]


def test_a_run_begun_anew_does_not_push_better_checkpoints_off_drive(paths):
    copied(paths)
    shutil.rmtree(paths.workdir)
    save(paths, 5)
    copied(paths)
    assert {path.name for path in (paths.drive / "model/quick/checkpoints").iterdir()} >= {
        "srgan-00000010.npz",
        "srgan-00000020.npz",
    }


class FailingDrive:
    """Makes the n-th call of one operation below `root` fail with `number`; counts the calls."""

    def __init__(self, root: Path, operation: str, nth: int, number: int, monkeypatch):
        self.calls, self.failed = 0, False

        def wrap(function):
            def call(*arguments, **keywords):
                if any(str(root) in str(argument) for argument in arguments) or operation == "fsync":
                    self.calls += 1
                    if self.calls == nth:
                        self.failed = True
                        raise OSError(number, os.strerror(number))
                return function(*arguments, **keywords)

            return call

        target = {"open": (drive, "open"), "replace": (os, "replace"), "fsync": (os, "fsync"), "mkdir": (Path, "mkdir")}[operation]
        original = open if operation == "open" else getattr(*target)
        monkeypatch.setattr(*target, wrap(original), raising=False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.ENOTCONN], ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", ["open", "replace", "fsync", "mkdir"])
def test_whichever_call_drive_fails_at_the_copy_is_whole_in_the_end(paths, monkeypatch, operation, number):
    for nth in range(1, 40):
        shutil.rmtree(paths.drive, ignore_errors=True)
        paths.drive.mkdir()
        with monkeypatch.context() as patch:
            failing = FailingDrive(paths.drive, operation, nth, number, patch)
            copied(paths)
        assert contents(paths.drive) == contents(paths.workdir), f"{operation} number {nth}"
        if not failing.failed:
            assert nth > 2, f"{operation} was never called"
            return
    raise AssertionError("a round takes more calls than this test tries")


def test_a_drive_that_stays_away_is_told_and_nothing_waits_for_it(paths, monkeypatch):
    asked = []

    def away(*_, **__):
        asked.append(threading.current_thread())
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    paths.drive.mkdir()
    monkeypatch.setattr(os, "replace", away)
    copies = Mirror(paths, paths.drive)
    copies.start()
    copies.wake()
    wait_until(lambda: "Transport endpoint is not connected, trying again" in copies.status())
    copies.wake()
    assert threading.current_thread() not in asked
    assert "nothing yet" in copies.close(patience=0.0)


def test_a_drive_that_was_unmounted_is_not_replaced_by_a_folder(paths):
    copied(paths)
    shutil.rmtree(paths.drive)
    copies = Mirror(paths, paths.drive)
    copies.start()
    wait_until(lambda: f"nothing yet ({paths.drive} is gone, trying again)" in copies.status())
    copies.close(patience=0.0)
    assert not paths.drive.exists()


def test_a_drive_that_hangs_holds_nobody_up(paths, monkeypatch):
    paths.drive.mkdir()
    hangs, answers = threading.Event(), threading.Event()
    monkeypatch.setattr(drive, "_copy_bytes", lambda *_: hangs.set() or answers.wait(PATIENCE))
    copies = Mirror(paths, paths.drive)
    copies.start()
    assert hangs.wait(PATIENCE)
    copies.wake()
    assert "nothing yet" in copies.close(patience=0.3)
    assert copies._thread.is_alive(), "it waited for Drive"
    answers.set()
    copies._thread.join()


def test_a_drive_that_cannot_be_read_at_the_start_stops_in_words(paths, monkeypatch):
    def away(*_, **__):
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(Path, "mkdir", away)
    with pytest.raises(SRGANError, match="Mount it again"), open_run(paths, Progress()):
        raise AssertionError("training must not begin")
