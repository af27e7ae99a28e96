"""Two machines, one Drive: some of the schedules of tests/two_machines.py, and single cases."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from srgan.errors import SRGANError
from srgan.runs import checkpoints, heartbeat
from srgan.runs.drive import Mirror, open_run
from srgan.runs.paths import Paths, open_workdir
from srgan.runs.progress import Progress
from tests import two_machines

A, B = {"life": "aaaa", "begun": 0}, {"life": "bbbb", "begun": 80}


@pytest.fixture
def machines(tmp_path) -> tuple[Paths, Paths]:
    (tmp_path / "drive").mkdir()
    return tuple(Paths(tmp_path / name, "run", tmp_path / "drive") for name in ("a", "b"))


def save(paths: Paths, step: int, *line: dict) -> None:
    about = {"stage": "srgan", "step": step, "saved": "2026-11-25T20:00:00+00:00", "seconds": 1.0, "history": "", "window": []}
    about |= {"config": {}, "data": "x", "line": list(line)}
    checkpoints.save(paths.checkpoints, {"a": np.full(3, len(line), np.float32)}, about, keep=9)


def copied(paths: Paths) -> Mirror:
    mirror = Mirror(paths, paths.drive)
    mirror.copy_all()
    return mirror


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_in_random_schedules_nothing_proven_is_lost_no_lives_are_mixed_and_no_status_is_false():
    told = sum((two_machines.run(seed) for seed in range(1, 13)), Counter())
    assert told["sessions"] > 40 and told["late"] > 5 and told["said to be on Drive"] > 40


def test_a_session_that_is_refused_has_written_nothing(machines, monkeypatch):
    a, b = machines
    save(a, 80, A)
    save(b, 999, A)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.2)
    with open_run(a, Progress()):
        monkeypatch.setattr(heartbeat, "_host", lambda: "elsewhere")
        with pytest.raises(SRGANError, match="Another session trains this run"), open_run(b, Progress()):
            raise AssertionError("two sessions at work")
        after = contents(a.drive)
    assert not any("999" in name for name in after)


def test_the_later_life_wins_over_the_later_step_and_the_other_is_set_aside(machines):
    a, b = machines
    save(a, 80, A)
    copied(a)
    Mirror(b, b.drive).pull(holds_run=True)
    save(b, 90, A, B)
    copied(b)
    save(a, 100, A)  # the older machine comes back
    told = Mirror(a, a.drive).pull(holds_run=True)
    assert "srgan-00000100.npz here is of another line" in told[0]
    checkpoint, _ = checkpoints.newest(a.checkpoints, "srgan")
    assert checkpoint.step == 90 and checkpoints.line(checkpoint.about) == [A, B]
    assert (a.checkpoints / "set-aside" / "srgan-00000100-aaaa.npz").is_file()
    shutil.rmtree(b.workdir)
    copied(a)
    Mirror(b, b.drive).pull(holds_run=True)
    assert checkpoints.newest(b.checkpoints, "srgan")[0].step == 90


def test_a_checkpoint_of_another_life_on_drive_is_not_overwritten(machines):
    a, b = machines
    save(a, 100, A)
    copied(a)
    save(b, 100, A, B)
    copied(b)
    folder = a.drive / "model" / "run" / "checkpoints"
    assert checkpoints.line(checkpoints.read_about(folder / "srgan-00000100.npz")) == [A, B]
    kept = folder / "set-aside" / "srgan-00000100-aaaa.npz"
    assert checkpoints.line(checkpoints.read_about(kept) or {}) == [] and kept.is_file()


@pytest.mark.parametrize("run", [".hidden", "visible"])
def test_on_drive_is_said_only_if_all_files_of_the_run_are_there(tmp_path, run):
    paths = Paths(tmp_path / ".deep" / "machine", run, tmp_path / "drive")
    paths.drive.mkdir()
    save(paths, 80, A)
    mirror = copied(paths)
    assert mirror.is_complete() and mirror.status() == "on Drive: just now"
    assert (paths.drive / "model" / run / "checkpoints" / "srgan-00000080.npz").is_file()
    paths.history("srgan").parent.mkdir(parents=True)
    paths.history("srgan").write_text("new")
    assert not Mirror(paths, paths.drive).is_complete()
    mirror.copy_all()
    (paths.drive / "loss" / run / "srgan.csv").unlink()  # somebody tidies up
    assert not Mirror(paths, paths.drive).is_complete()


def test_whatever_happens_to_the_copying_is_told(machines, monkeypatch):
    a, _ = machines
    save(a, 80, A)
    mirror = Mirror(a, a.drive)
    monkeypatch.setattr(Mirror, "_copy", lambda *_: [].pop())
    mirror.start()
    assert "pop from empty list, trying again" in mirror.close(patience=0.5)


def test_a_manifest_cannot_point_out_of_the_run(machines):
    a, _ = machines
    save(a, 80, A)
    copied(a)
    outside = a.drive.parent / "model" / "run" / "checkpoints"
    outside.mkdir(parents=True)
    (outside / "srgan-00000001.npz").write_text("mine")
    entry = {"bytes": 4, "mtime_ns": 1, "sha256": "0" * 64}
    mirror = Mirror(a, a.drive)
    names = [f"../model/run/checkpoints/srgan-0000000{i}.npz" for i in range(9)]
    mirror._write_manifest(mirror._manifest | dict.fromkeys(names, entry))
    mirror.copy_all()
    assert (outside / "srgan-00000001.npz").read_text() == "mine"


@pytest.mark.parametrize("where", ["missing", "machine/inside", "machine"])
def test_a_drive_that_is_not_there_or_lies_in_the_working_folder_is_refused(tmp_path, where):
    (tmp_path / "machine" / "inside").mkdir(parents=True)
    with pytest.raises(SRGANError, match=r"There is no folder|must not lie in it"):
        open_workdir(tmp_path / "machine", "run", tmp_path / where)
    assert not (tmp_path / "missing").exists()
