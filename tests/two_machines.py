"""Two machines, one Drive: random schedules of a run that is trained on both, by turns and at once.

python -m tests.two_machines --schedules 500 --seed 1

Each machine has a working folder and a clock of its own, up to a day from the other's. Steps of a schedule: start a session
(or be refused), train and save, copy to Drive, look at the status, be killed (at any write), lose the local disk. Drive
delays moves, does them in another order, loses them, does them twice, fails with an error. Nothing real is replaced but the
clock, the threads, and the two functions by which files take their names on Drive.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np

from srgan.errors import SRGANError
from srgan.runs import checkpoints, drive, heartbeat
from srgan.runs.drive import Mirror
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.paths import Paths


class Killed(BaseException):
    """The process is no more."""


class FlakyDrive:
    """Stands between the mirror and the folder: moves and removals happen now, later, never, or twice."""

    def __init__(self, random_: random.Random, folder: Path):
        self.random, self.folder, self.late, self.told = random_, folder, [], Counter()
        self.perfect = False

    def move(self, source: Path, target: Path) -> None:
        self._maybe_killed()
        chance = 1.0 if self.perfect else self.random.random()
        if chance < 0.06:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        if chance < 0.12:
            self.told["lost"] += 1
            source.unlink()
        elif chance < 0.18:
            self.told["late"] += 1
            self.late.append((source.read_bytes(), target))
            source.unlink()
        else:
            if chance < 0.26:
                self.told["twice"] += 1
                self.late.append((source.read_bytes(), target))
            os.replace(source, target)

    def remove(self, path: Path) -> None:
        self._maybe_killed()
        if self.perfect or self.random.random() > 0.1:
            path.unlink(missing_ok=True)

    def arrive(self) -> None:
        """One of the late moves happens, whichever."""
        if self.late:
            content, target = self.late.pop(self.random.randrange(len(self.late)))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def _maybe_killed(self) -> None:
        if not self.perfect and self.random.random() < 0.03:
            self.told["killed in a write"] += 1
            raise Killed


class Machine:
    """One of the two: a working folder, a clock, and a session or none."""

    def __init__(self, name: str, root: Path, schedule: Schedule):
        self.name, self.schedule = name, schedule
        self.paths = Paths(root / name, "run", root / "drive")
        self.ahead = schedule.random.uniform(-86_400, 86_400)
        self.heartbeat: Heartbeat | None = None
        self.away = False  # Drive is, for this machine: it trains on, nothing of it is seen, and it sees nothing

    def start(self) -> None:
        """Hold the run, take what Drive has, go on from the newest checkpoint; or be refused, and write nothing."""
        before = self.schedule.drive_contents()
        beat = Heartbeat(self.paths.session, lambda sentence: None)
        try:
            beat.__enter__()
        except SRGANError:
            assert self.schedule.drive_contents() == before, "a refused session has written to Drive"
            self.schedule.told["refused"] += 1
            return
        self.heartbeat = beat
        with self.schedule.some_not_seen_yet():
            self.mirror = Mirror(self.paths, self.paths.drive, beat)
            self.mirror.pull(holds_run=True)
        newest, _ = checkpoints.newest(self.paths.checkpoints, "srgan")
        self.value = newest.arrays["value"] if newest else np.zeros(0)
        self.step = newest.step if newest else 0
        self.line = [*(checkpoints.line(newest.about) if newest else []), {"life": beat.session, "begun": self.step}]
        self.schedule.told["sessions"] += 1
        if self.schedule.last_proven and not self.schedule.lags:
            life, step = self.schedule.last_proven
            on_line = any(entry["life"] == life for entry in self.line)
            assert on_line and self.step >= step, f"step {self.step} does not go on from the last proven one, {step} of {life[:4]}"

    def train(self) -> None:
        """The state of a training that trains: all the (life, step) that led to it. Two lives that mix would show in it."""
        self.beat()
        if self.heartbeat is None:
            return
        for _ in range(self.schedule.random.randint(1, 3)):
            self.step += 1
            self.value = np.append(self.value, float(int(self.heartbeat.session[:8], 16)))
        about = {"stage": "srgan", "step": self.step, "saved": "2026-11-25T20:00:00+00:00", "seconds": 1.0, "history": "",
                 "window": [], "config": {}, "data": "x", "line": self.line}  # fmt: skip
        checkpoints.save(self.paths.checkpoints, {"value": self.value}, about, keep=2)
        self.paths.history("srgan").parent.mkdir(parents=True, exist_ok=True)
        self.paths.history("srgan").write_text(f"step,loss\n{self.step},{self.value.sum()}\n")
        self.schedule.told["checkpoints"] += 1

    def beat(self) -> None:
        if self.away:
            return
        try:
            self.heartbeat.check()
            self.heartbeat._beat()
        except SRGANError:
            self.heartbeat = None  # taken over: this session ends

    def copy(self) -> None:
        if self.away:
            return
        try:
            self.mirror.copy_all()
        except OSError:
            return
        except SRGANError:
            self.heartbeat = None
            return
        self.schedule.note_proven(self)

    def end(self) -> None:
        self.heartbeat.__exit__()
        self.heartbeat = None

    def lose_disk(self) -> None:
        shutil.rmtree(self.paths.workdir, ignore_errors=True)
        self.heartbeat = None


class Schedule:
    """One random course of events, and what must hold after each."""

    def __init__(self, seed: int, root: Path):
        self.random, self.root, self.told = random.Random(seed), root, Counter()
        self.folder = root / "drive"
        # In every second schedule files may be on Drive and not be seen yet: then nobody can tell which of two lines is newer.
        self.lags = seed % 2 == 1
        self.folder.mkdir()
        self.drive = FlakyDrive(self.random, self.folder)
        self.proven: dict[tuple, bytes] = {}  # (life, step) -> content, of checkpoints proven to lie on Drive
        self.last_proven: tuple | None = None  # (life, step)
        self.now = 0.0
        self.machines = [Machine(name, root, self) for name in ("a", "b")]

    def run(self, events: int = 100) -> Counter:
        for _ in range(events):
            self.now += self.random.uniform(0, 40)
            machine = self.random.choice(self.machines)
            try:
                self.event(machine)
            except Killed:
                machine.heartbeat = None
        self.finish()
        return self.told + self.drive.told

    @contextlib.contextmanager
    def some_not_seen_yet(self):
        """Now and then a file that is on Drive cannot be seen yet by a machine that begins."""
        late = self.lags and self.random.random() < 0.25 and not self.drive.perfect
        files = [path for path in self.folder.rglob("*") if path.suffix in (".npz", ".csv")] if late else []
        hidden = {path: path.read_bytes() for path in self.random.sample(files, min(len(files), 2))}
        for path in hidden:
            path.unlink()
        yield
        for path, content in hidden.items():
            path.write_bytes(content)
        self.told["not seen yet"] += len(hidden)

    def event(self, machine: Machine) -> None:
        chance = self.random.random()
        if chance < 0.06:
            self.drive.arrive()
        elif chance < 0.1:
            machine.away = not machine.away
        elif machine.away and machine.heartbeat is None:
            pass  # its Drive cannot be read: it may not start
        elif machine.heartbeat is None:
            if chance < 0.2:
                machine.lose_disk()
            elif chance < 0.7:
                machine.start()
        elif chance < 0.14:
            machine.heartbeat = None  # killed
        elif chance < 0.18:
            machine.lose_disk() if machine.away else machine.end()
        elif chance < 0.6:
            machine.train()
        else:
            machine.copy()

    def note_proven(self, machine: Machine) -> None:
        """What was proven must be there; and "on Drive" may be said only if all is."""
        if machine.mirror.status() == "on Drive: just now" and machine.mirror.is_complete():
            self.told["said to be on Drive"] += 1
            for name, local in machine.mirror._files(machine.paths.workdir):
                assert (self.folder / name).read_bytes() == local.read_bytes(), f"{name} is said to be on Drive"
        for name, entry in machine.mirror._manifest.items():
            path = self.folder / name
            about = checkpoints.read_about(path) if name.endswith(".npz") and "set-aside" not in name else None
            if about and drive._sha256(path) == entry["sha256"]:
                life = checkpoints.line(about)[-1]["life"]
                self.proven[life, about["step"]] = path.read_bytes()
                if life == machine.heartbeat.session:
                    earlier = self.last_proven[1] if self.last_proven and self.last_proven[0] == life else 0
                    self.last_proven = (life, max(earlier, about["step"]))

    def finish(self) -> None:
        """Both machines are gone, what was late arrives; a third one with an empty disk goes on."""
        for machine in self.machines:
            machine.heartbeat = None
        self.drive.perfect = True
        while self.drive.late:
            self.drive.arrive()
        third = Machine("c", self.root, self)
        third.start()
        assert third.heartbeat is not None
        there = {path.read_bytes() for path in self.folder.rglob("*.npz")}
        newest_of = {}
        for (life, step), content in self.proven.items():
            newest_of[life] = max(newest_of.get(life, (0, b"")), (step, content))
        for life, (step, content) in newest_of.items():
            superseded = any(entry["life"] == life and entry["begun"] >= step for entry in self.lines_after(third, life))
            assert content in there or superseded, f"the proven step {step} of life {life[:8]} is lost"
        self.assert_unmixed(third)
        third.train()
        third.copy()
        self.told["kept in the end"] += len(there)

    def lines_after(self, machine: Machine, life: str) -> list[dict]:
        """The life on the third machine's line, begun where the next one begins: what led there may be removed."""
        lives = machine.line
        return [
            {"life": mine["life"], "begun": following["begun"]}
            for mine, following in itertools.pairwise(lives)
            if mine["life"] == life
        ]

    def assert_unmixed(self, machine: Machine) -> None:
        """The state is what the lives on its line did, each for its own steps, and nobody else's."""
        expected = []
        for life, following in itertools.pairwise(machine.line):
            expected += [float(int(life["life"][:8], 16))] * (following["begun"] - life["begun"])
        assert machine.value.tolist() == expected, "two lives are mixed"

    def drive_contents(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path.name != "session.json"}


@contextlib.contextmanager
def world(schedule: Schedule):
    """The schedule's clock, hosts and Drive in the place of the real ones."""

    def sleep(seconds: float) -> None:
        schedule.now += seconds
        for machine in schedule.machines:  # those that live beat meanwhile
            if machine.heartbeat is not None and schedule.random.random() < 0.9:
                machine.beat()

    clock = mock.Mock(
        monotonic=lambda: schedule.now, sleep=sleep, time=lambda: schedule.now + schedule.random.uniform(-86_400, 86_400)
    )
    with (
        mock.patch.object(heartbeat, "time", clock),
        mock.patch.object(heartbeat.threading, "Thread", mock.Mock()),
        mock.patch.object(heartbeat, "_host", lambda: f"host {schedule.random.random()}"),
        mock.patch.object(drive, "time", clock),
        mock.patch.object(drive, "_move", schedule.drive.move),
        mock.patch.object(drive, "_remove", schedule.drive.remove),
        mock.patch.object(os, "fsync", lambda number: None),
    ):
        yield


def run(seed: int) -> Counter:
    """One schedule. Raises AssertionError if a checkpoint is lost, lives are mixed, or "on Drive" is said of what is not there."""
    with tempfile.TemporaryDirectory() as folder:
        schedule = Schedule(seed, Path(folder))
        with world(schedule):
            return schedule.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    told, failed = Counter(), []
    for seed in range(options.seed, options.seed + options.schedules):
        try:
            told += run(seed)
        except AssertionError as error:
            failed.append((seed, str(error)))
            print(f"seed {seed}: {error}", flush=True)
    print(
        f"{options.schedules} schedules, {len(failed)} failed; "
        + ", ".join(f"{count:,} {what}" for what, count in sorted(told.items()))
    )
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
