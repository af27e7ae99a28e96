"""Folders that cannot be written to are told in words, and a file is either the old one or the new one, whole."""

import errno
import json
import os
from pathlib import Path

import pytest

from srgan.errors import SRGANError
from srgan.runs import paths
from srgan.runs.paths import Paths, open_workdir, write_atomically, write_json


def refuse(number: int):
    """A stand-in for a system call that fails with `number`."""

    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


# The working directory ----------------------------------------------------------------------------------------------


def test_a_missing_working_directory_is_made_and_left_empty(tmp_path):
    opened = open_workdir(tmp_path / "a" / "b", "quick")
    assert opened == Paths(tmp_path / "a" / "b", "quick")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_lies_in_the_working_directory_stays(tmp_path):
    (tmp_path / "mine").write_text("words")
    open_workdir(tmp_path, "quick")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"mine": "words"}


def test_home_and_relative_paths_become_absolute(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "here")
    assert open_workdir("~/work", "quick").workdir == tmp_path / "work"
    assert open_workdir("../other", "quick").workdir == tmp_path / "other"


@pytest.mark.parametrize("inside", ["file", "file/deeper"])
def test_a_file_where_the_working_directory_should_be_is_told_and_kept(tmp_path, inside):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SRGANError, match=f"The working directory {tmp_path / inside} cannot be written to"):
        open_workdir(tmp_path / inside, "quick")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ENOTCONN])
def test_a_disk_that_takes_nothing_is_told_with_the_systems_reason(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", refuse(number))
    with pytest.raises(SRGANError, match=rf"{tmp_path} cannot be written to \({os.strerror(number)}\)\. Free some space or"):
        open_workdir(tmp_path, "quick")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_for_one_block_is_told(tmp_path, full_disk):
    with full_disk(after=100), pytest.raises(SRGANError, match="cannot be written to"):
        open_workdir(tmp_path, "quick")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_home_and_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for workdir in ("~nobody-of-this-name/srgan", tmp_path / "a" / "work"):
        with pytest.raises(SRGANError, match=f"The working directory {workdir} cannot be written to"):
            open_workdir(workdir, "quick")


def test_runs_share_prepared_data_and_nothing_else(tmp_path):
    ours, theirs = Paths(tmp_path, "ours"), Paths(tmp_path, "theirs")
    assert ours.data == theirs.data == tmp_path / "data"
    assert ours.weights("srgan") == tmp_path / "model" / "ours" / "srgan.weights.h5"
    assert ours.checkpoints == tmp_path / "model" / "ours" / "checkpoints"
    assert ours.history("srgan") == tmp_path / "loss" / "ours" / "srgan.csv"
    assert ours.sample("srgan", 42) == tmp_path / "output" / "ours" / "samples" / "srgan_step_0000042.png"
    own = [lambda p: p.model, lambda p: p.output, lambda p: p.history("srresnet")]
    assert all("theirs" in place(theirs).parts or "theirs" in place(theirs).parent.parts for place in own)


# Writing ------------------------------------------------------------------------------------------------------------


def test_a_new_file_has_its_folders_made(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "file.txt", lambda temporary: temporary.write_text("new"))
    assert (tmp_path / "a" / "b" / "file.txt").read_text() == "new"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file.txt"]


def test_while_it_is_written_the_old_file_is_there_whole(tmp_path):
    path = tmp_path / "net.weights.h5"
    path.write_text("old")
    temporaries = []

    def write(temporary: Path) -> None:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
        temporaries.append(temporary)

    write_atomically(path, write)
    assert path.read_text() == "new"
    # Beside it, so that moving it is one step; hidden; and with all its suffixes, which Keras insists on.
    assert temporaries[0].parent == tmp_path and temporaries[0].name.startswith(".")
    assert temporaries[0].name.endswith(".weights.h5")
    assert os.listdir(tmp_path) == ["net.weights.h5"]


def test_the_new_content_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: calls.append(("fsync", os.fstat(number).st_ino)) or fsync(number))
    monkeypatch.setattr(os, "replace", lambda old, new: calls.append(("replace", os.stat(old).st_ino)) or replace(old, new))
    write_atomically(tmp_path / "file", lambda temporary: temporary.write_text("new"))
    number = (tmp_path / "file").stat().st_ino
    assert calls == [("fsync", number), ("replace", number)]


def half(temporary: Path) -> None:
    temporary.write_text("ne")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("point", ["write", "room", "fsync", "replace"])
def test_wherever_writing_fails_the_old_file_stays_and_nothing_beside_it(tmp_path, monkeypatch, full_disk, point):
    path = tmp_path / "file"
    path.write_text("old")
    write = half if point == "write" else lambda temporary: temporary.write_text("new" * 99)
    if point in ("fsync", "replace"):
        monkeypatch.setattr(os, point, refuse(errno.EROFS))
    with full_disk(after=50 if point == "room" else 10**6), pytest.raises(SRGANError, match=f"{path} could not be written") as told:
        write_atomically(path, write)
    reason = {"room": errno.EFBIG, "write": errno.ENOSPC}.get(point, errno.EROFS)
    assert f"({os.strerror(reason)})" in str(told.value) and "What was there before is untouched" in str(told.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}


def test_a_file_where_a_folder_should_be_is_told_and_kept(tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(SRGANError, match="model/quick/file could not be written"):
        write_atomically(tmp_path / "model" / "quick" / "file", lambda temporary: temporary.write_text("new"))
    assert (tmp_path / "model").read_text() == "mine"


def test_a_disk_on_which_nothing_can_be_removed_either_does_not_hide_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "unlink", refuse(errno.EROFS))
    with pytest.raises(SRGANError, match=os.strerror(errno.ENOSPC)):
        write_atomically(tmp_path / "file", half)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_what_is_no_fault_of_the_disk_passes_through_and_leaves_the_old_file(tmp_path, kind):
    (tmp_path / "file").write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("ne")
        raise kind

    with pytest.raises(kind):
        write_atomically(tmp_path / "file", write)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}


def test_json_reads_back_equal_and_is_readable(tmp_path):
    content = {"name": "Åland.png", "values": [1, 2.5, None, True], "raw": "\udce9"}
    write_json(tmp_path / "card.json", content)
    text = (tmp_path / "card.json").read_bytes().decode("utf-8")
    assert json.loads(text) == content
    assert '"Åland.png"' in text and len(text.splitlines()) > len(content) and text.endswith("}\n")


def test_the_project_is_the_folder_of_the_library():
    assert (paths.PROJECT / "srgan" / "runs" / "paths.py").samefile(paths.__file__)
