"""Two sessions on one run."""

import json
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from srgan.errors import SRGANError
from srgan.runs import heartbeat
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.paths import PROJECT
from tests.waiting import wait_until


def write(path, **changes):
    content = {"session": "other", "host": "elsewhere", "pid": 1, "time": time.time()} | changes
    path.write_text(json.dumps(content))


def test_a_second_session_is_told_of_the_first_and_stops(tmp_path):
    path = tmp_path / "model" / "session.json"
    with Heartbeat(path), pytest.raises(SRGANError, match=f"process {os.getpid()} on .*Stop it, or wait"), Heartbeat(path):
        raise AssertionError("two sessions at work")
    assert not path.exists()


@pytest.mark.parametrize("ahead", [-86_400, -300, 0, 7_200])  # seconds that the other machine's clock is ahead of this one's
def test_a_session_of_another_machine_counts_as_long_as_its_file_changes(tmp_path, monkeypatch, ahead):
    path, said, now = tmp_path / "session.json", [], [0.0]
    beats = [20.0]  # on the other machine, by a clock of our own

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if beats and now[0] >= beats[0]:
            write(path, time=time.time() + ahead + beats.pop())

    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep, time=time.time))
    write(path, time=time.time() + ahead)
    with pytest.raises(SRGANError, match="process 1 on elsewhere"), Heartbeat(path, said.append):
        pass
    assert now == [20.0] and "Watching for 1:00 whether it still changes" in said[0]
    with Heartbeat(path, said.append):  # it is silent by now
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert now == [20.0 + 60.0]


@pytest.mark.parametrize("change", [{"pid": 10**30}, {"pid": -1}, {"time": float("nan")}, {"host": 3}, {"session": None}])
def test_values_that_cannot_be_are_nobody(tmp_path, change):
    path = tmp_path / "session.json"
    write(path, **change)
    with Heartbeat(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_folder_in_the_place_of_the_sign_of_life_is_told_and_goes_by_being_removed(tmp_path):
    path = tmp_path / "session.json"
    path.mkdir()
    with (
        pytest.raises(SRGANError, match="sign of life, but is a folder"),
        Heartbeat(path),
    ):
        raise AssertionError("at work without a sign of life")
    path.rmdir()
    with Heartbeat(path):
        assert path.is_file()


def test_a_beat_that_drive_refuses_does_not_hinder_the_next(tmp_path, monkeypatch):
    path, real = tmp_path / "session.json", os.replace
    with Heartbeat(path) as beating:
        first = path.read_text()
        monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(5, "Drive is away")))
        beating._beat()
        assert [file.name for file in tmp_path.iterdir()] == ["session.json"]
        monkeypatch.setattr(os, "replace", real)
        time.sleep(0.01)
        beating._beat()
        assert path.read_text() != first
    assert not list(tmp_path.iterdir())


def test_a_killed_process_of_this_machine_is_not_waited_for(tmp_path):
    path = tmp_path / "session.json"
    code = (
        "import os, sys, pathlib; from srgan.runs.heartbeat import Heartbeat; "
        "Heartbeat(pathlib.Path(sys.argv[1])).__enter__(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, path], cwd=PROJECT, check=False)
    assert path.is_file()
    with Heartbeat(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("whose", [os.getpid, os.getppid])
def test_another_process_with_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path, whose):
    """After a new start of a container the session that was killed may have had the number that a process has now."""
    path = tmp_path / "session.json"
    write(path, host=heartbeat._host(), pid=whose(), started="1")
    with Heartbeat(path):
        assert json.loads(path.read_text())["session"] != "other"


def test_no_beat_comes_behind_the_end(tmp_path, monkeypatch):
    """A kernel lives on when its training has ended: it must not take its own last beat for another session."""
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    path, beat = tmp_path / "session.json", Heartbeat._beat

    def slow(self) -> None:
        time.sleep(0.03)
        beat(self)

    monkeypatch.setattr(Heartbeat, "_beat", slow)
    monkeypatch.setattr(threading.Thread, "join", lambda thread, patience, join=threading.Thread.join: join(thread, 5))
    for _ in range(10):
        with Heartbeat(path):
            time.sleep(0.015)
        assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"session": "x"}'])
def test_a_torn_file_is_nobody(tmp_path, text):
    path = tmp_path / "session.json"
    path.write_text(text)
    with Heartbeat(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_session_that_was_taken_over_notices_and_leaves_the_file_to_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    path = tmp_path / "session.json"
    with Heartbeat(path) as mine:
        write(path)
        wait_until(lambda: mine.lost)
    assert json.loads(path.read_text())["session"] == "other"


def test_it_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    path = tmp_path / "session.json"
    with Heartbeat(path):
        first = path.read_text()
        wait_until(lambda: path.read_text() != first)


def test_a_folder_that_cannot_be_written_does_not_end_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with Heartbeat(tmp_path / "file" / "session.json") as mine:
        assert not mine.lost
