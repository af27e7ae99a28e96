"""The finished parts of an interrupted film: used where they are whole and of this very film, and made anew where not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from srgan.upscale import video
from srgan.upscale.network import nearest
from srgan.upscale.size import Size
from tests import clips


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A film of ten frames, of which four are done, each in a part of its own."""
    monkeypatch.setattr("srgan.upscale.video_segments.SECONDS", 0.0)
    source, seen = clips.write(tmp_path / "clip.mkv", stamps=range(10)), []

    def stops(lr):
        seen.append(lr)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return nearest(lr)

    with pytest.raises(KeyboardInterrupt):
        video.upscale(source, tmp_path / "sr.mkv", stops, how="a")
    return source


def frames_made(source, **options) -> int:
    """How many frames the next run upscales; its film must be whole."""
    seen = []
    video.upscale(source, source.with_name("sr.mkv"), lambda lr: (seen.append(lr), nearest(lr))[1], how="a", **options)
    assert [clips.number_of(image) for image in clips.pictures(source.with_name("sr.mkv"))] == list(range(10))
    return len(seen)


def test_the_next_run_tells_where_it_goes_on(interrupted):
    said = []
    assert frames_made(interrupted, say=said.append) == 6
    assert said == [f"{interrupted}: goes on after frame 4, where an earlier run was interrupted."]


def test_the_parts_end_in_the_film_that_an_untouched_run_makes(interrupted):
    frames_made(interrupted)
    whole = interrupted.with_name("whole.mkv")
    video.upscale(interrupted, whole, nearest, how="a")
    assert all(map(np.array_equal, clips.pictures(whole), clips.pictures(interrupted.with_name("sr.mkv"))))


def test_parts_of_another_size_are_not_used(interrupted):
    assert frames_made(interrupted, size=Size(2)) == 10


def test_parts_that_were_made_steady_in_another_way_are_not_used(interrupted, monkeypatch):
    """Of an earlier version, whose state has other names."""
    monkeypatch.setattr(video, "KIND", video.KIND + 1)
    assert frames_made(interrupted) == 10


def test_only_the_newest_parts_keep_what_the_next_frame_depends_on(interrupted):
    (folder,) = interrupted.parent.glob(".unfinished-*")
    assert sorted(path.name for path in folder.glob("*.state")) == [f"00000000{frames}.state" for frames in (2, 3, 4)]


def test_where_another_process_goes_on_its_newer_table_is_read(interrupted, monkeypatch):
    """The state that the first table tells of is gone before it is read."""
    (folder,) = interrupted.parent.glob(".unfinished-*")
    table = json.loads((folder / "about.json").read_text())
    older = table | {"parts": table["parts"][:1]}  # whose state the others have removed
    tables = iter([older, table])
    monkeypatch.setattr("srgan.upscale.video_segments.read_json", lambda *_: next(tables))
    assert frames_made(interrupted) == 6


@pytest.mark.parametrize("kind", ["packets", "state"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "table", "no table"])
def test_damaged_parts_are_made_anew(damage, kind, interrupted):
    (folder,) = interrupted.parent.glob(".unfinished-*")
    part = sorted(folder.glob(f"*.{kind}"))[-1]
    content = part.read_bytes()
    if damage == "gone":
        part.unlink()
    elif damage == "table":
        (folder / "about.json").write_text('{"about": {}, "parts": [{"frames": -1}]}')
    elif damage == "no table":
        (folder / "about.json").unlink()
    else:
        part.write_bytes(content[:-5] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    assert frames_made(interrupted) == 10
