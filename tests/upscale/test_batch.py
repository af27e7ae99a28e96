"""Many files: what a folder holds, where results go, what a second run does, and what one failure costs the others."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan.__main__ import main
from srgan.data import media, pictures, sources
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import preset
from srgan.runs import weights
from srgan.upscale import batch, files, network, targets
from tests import clips, inputs


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    config = preset("quick", blocks=1, filters=8)
    path = tmp_path_factory.mktemp("weights") / "mine.weights.h5"
    weights.save(path, networks.generator(config), config, {"stage": "srresnet", "step": 1})
    return str(path)


@pytest.fixture(scope="module")
def loaded(model):
    return network.load(Path(model))


@pytest.fixture
def upscale(model, loaded, monkeypatch):
    monkeypatch.setattr(network, "load", lambda path, *options: loaded)
    return lambda *arguments: main(["upscale", *map(str, arguments), "--model", model])


def photo(path: Path, shade: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.asarray(inputs.PHOTO) // 2 + shade)[:8, :12].astype(np.uint8)).save(path, **options)
    return path


def results(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*_x4*") if path.is_file())


# What a folder holds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPG", "a.avif", "a.heic", "a.apng", "a.hif", "no_ending", "a.jpg_large"])
def test_a_picture_is_found_by_its_ending_or_its_first_bytes(name, tmp_path):
    photo(tmp_path / name, format="JPEG")
    assert [file.name for file, _ in batch.find([tmp_path])[0]] == [name]
    assert [found.name for found in sources.photos(f"folder:{tmp_path}")] == [name]  # a data set by the same rule


@pytest.mark.parametrize("name", ["a.MTS", "a.m2ts", "a.vob", "a.3gp", "a.mkv", "a.m4v", "a.wmv", "a.flv", "a.ogv", "a.webm"])
def test_a_film_is_found_without_a_table_of_mime_types(name, tmp_path):
    (tmp_path / name).write_bytes(b"no matter")
    assert [file.name for file, _ in batch.find([tmp_path])[0]] == [name]


def test_a_transport_stream_is_told_from_a_program_and_sound_is_no_film(tmp_path):
    packets = (b"G" + bytes(187)) * 3
    for name, content in (
        ("a.ts", packets),
        ("b.ts", b"const a: number = 1;\n" * 30),
        ("c.m4a", b"\0\0\0\x20ftypM4A "),
        ("d.MTS", b""),
    ):
        (tmp_path / name).write_bytes(content)
    assert {path.name: media.kind(path) for path in tmp_path.iterdir()} == {
        "a.ts": "film",
        "b.ts": None,
        "c.m4a": None,
        "d.MTS": "film",
    }


def test_what_is_neither_is_named(tmp_path):
    photo(tmp_path / "a.png")
    for name in ("notes.txt", "b.json"):
        (tmp_path / name).write_text("words")
    said = []
    batch.find([tmp_path], say=said.append)
    assert said == [f"{tmp_path}: passed over, as neither image nor video: b.json, notes.txt"]


def test_linked_folders_are_followed_for_training_too(tmp_path):
    photo(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere")
    assert [found.name for found in sources.photos(f"folder:{tmp_path / 'set'}")] == ["link/a.png"]


def test_the_strips_of_a_run_never_become_its_photos(tmp_path):
    for name in ("a.png", "output/quick/samples/srresnet_step_0000004.png", "data/downloads/coco/b.png"):
        photo(tmp_path / name)
    assert [found.name for found in sources.photos(f"folder:{tmp_path}", tmp_path / "data" / "downloads")] == ["a.png"]


def test_a_heic_names_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(SRGANError, match="pip install pillow-heif"):
        files.upscale_file(tmp_path / "a.heic", tmp_path / "a.png", upscaler=None)


# Again --------------------------------------------------------------------------------------------------------------


def test_a_second_run_does_what_is_new_and_nothing_else(tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    assert upscale(tmp_path) == 0 and results(tmp_path) == ["a_x4.png"]
    first = (tmp_path / "a_x4.png").stat().st_mtime_ns
    photo(tmp_path / "b.jpg")
    assert upscale(tmp_path) == 0 and results(tmp_path) == ["a_x4.png", "b_x4.png"]
    assert (tmp_path / "a_x4.png").stat().st_mtime_ns == first
    assert f"{tmp_path / 'a.png'}: done earlier" in capsys.readouterr().out
    assert upscale(tmp_path, "--force") == 0 and (tmp_path / "a_x4.png").stat().st_mtime_ns > first


@pytest.mark.parametrize("out", ["sub/out", "."])
def test_results_inside_the_input_are_never_enlarged(out, tmp_path, upscale):
    photo(tmp_path / "a.png")
    for _ in range(2):
        assert upscale(tmp_path, "-o", tmp_path / out) == 0
    assert upscale(tmp_path) == 0
    assert all(name.count("_x4") == 1 for name in results(tmp_path))


def test_panels_are_no_input(tmp_path, upscale):
    photo(tmp_path / "a.png")
    for _ in range(2):
        assert upscale(tmp_path, "--panels", "lr,sr") == 0
    assert upscale(tmp_path) == 0
    assert sorted(os.listdir(tmp_path)) == [targets.RECORD, "a.png", "a_panels.png", "a_x4.png"]


def test_what_has_changed_is_made_again_but_not_over_what_a_person_made_of_it(tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    assert upscale(tmp_path) == 0
    first = (tmp_path / "a_x4.png").read_bytes()
    photo(tmp_path / "a.png", shade=90)
    assert upscale(tmp_path) == 0 and (tmp_path / "a_x4.png").read_bytes() != first
    photo(tmp_path / "a.png", shade=50)
    (tmp_path / "a_x4.png").write_text("mine")
    assert upscale(tmp_path) == 1 and "is there already" in capsys.readouterr().err
    assert (tmp_path / "a_x4.png").read_text() == "mine"


@pytest.mark.parametrize("record", ["words", "[]", '{"results": {"a_x4.png": {"source": 1}}}'])
def test_a_damaged_record_makes_nothing_be_overwritten(record, tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    assert upscale(tmp_path) == 0
    (tmp_path / targets.RECORD).write_text(record)
    assert upscale(tmp_path) == 1 and "is there already" in capsys.readouterr().err
    assert upscale(tmp_path, "--force") == 0 and upscale(tmp_path) == 0 and "done earlier" in capsys.readouterr().out


def test_what_failed_is_tried_again(tmp_path, upscale):
    photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    assert upscale(tmp_path) == 1 and results(tmp_path) == ["a_x4.png"]
    photo(tmp_path / "b.png")
    assert upscale(tmp_path) == 0 and results(tmp_path) == ["a_x4.png", "b_x4.png"]


def test_both_may_be_moved_together(tmp_path, upscale):
    photo(tmp_path / "old" / "photos" / "a.png")
    assert upscale(tmp_path / "old" / "photos", "-o", tmp_path / "old" / "out") == 0
    (tmp_path / "old").rename(tmp_path / "new")
    before = (tmp_path / "new" / "out" / "a_x4.png").stat().st_mtime_ns
    assert upscale(tmp_path / "new" / "photos", "-o", tmp_path / "new" / "out") == 0
    assert results(tmp_path / "new") == ["out/a_x4.png"] and (tmp_path / "new" / "out" / "a_x4.png").stat().st_mtime_ns == before


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("folders", [True, False])
def test_equal_names_get_two_results(together, folders, tmp_path, upscale):
    days = [photo(tmp_path / day / "IMG_1.png", shade) for day, shade in (("day1", 10), ("day2", 90))]
    places = [path.parent if folders else path for path in days]
    for _ in range(2):
        for group in [places] if together else [[place] for place in places]:
            assert upscale(*group, "-o", tmp_path / "out", "--force") == 0
    made = results(tmp_path / "out")
    assert made == ["IMG_1_png_x4.png", "IMG_1_x4.png"]
    shades = sorted(round(np.asarray(Image.open(tmp_path / "out" / name)).mean() / 80) for name in made)
    assert shades[0] != shades[1]


def test_force_overwrites_what_it_was_told_to(tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("mine")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png") == 1 and "is there already" in capsys.readouterr().err
    assert (tmp_path / "b.png").read_text() == "mine"
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--force") == 0
    assert Image.open(tmp_path / "b.png").size == (48, 32)


def test_a_folder_may_have_a_dot_in_its_name(tmp_path, upscale):
    photo(tmp_path / "a.png")
    for out in ("2024.05", "my.results/", "photo.jpg/"):
        assert upscale(tmp_path / "a.png", "-o", f"{tmp_path}/{out}") == 0
        assert results(tmp_path / out) == ["a_x4.png"]


def test_two_models_of_one_name_are_two_panels(model):
    other = Path(model).parent / "run" / "mine.weights.h5"
    other.parent.mkdir(exist_ok=True)
    for suffix in (".weights.h5", ".json"):
        (other.parent / f"mine{suffix}").write_bytes(Path(model.replace(".weights.h5", suffix)).read_bytes())
    assert files.labels([model, str(other)]) == [f"{Path(model).parent.name}/mine.weights.h5", "run/mine.weights.h5"]
    assert files.labels([model]) == ["mine.weights.h5"]


# One failure and the others -----------------------------------------------------------------------------------------


def test_no_exception_ends_a_batch(tmp_path, capsys):
    jobs = [targets.Job(photo(tmp_path / f"{i}.png"), tmp_path / f"{i}_x4.png", "", False, False) for i in range(3)]

    def work(source: Path, target: Path, force: bool) -> str:
        if source.name == "1.png":
            raise RuntimeError("a codec's own")
        target.touch()
        return "done"

    (failed,) = batch.run(jobs, work)
    assert "1.png could not be upscaled (RuntimeError: a codec's own)" in failed
    assert results(tmp_path) == ["0_x4.png", "2_x4.png"]


def test_a_locked_folder_is_named_and_the_rest_done(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    (tmp_path / "lost+found").mkdir()
    real = Path.iterdir

    def iterdir(folder):
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found, failed = batch.find([tmp_path])
    assert [file.name for file, _ in found] == ["a.png"]
    assert failed == [f"The folder {tmp_path / 'lost+found'} cannot be read (Permission denied)."]


@pytest.mark.parametrize("length", [200, 230, 247, 255])
def test_long_names_are_done_or_told(length, tmp_path, upscale, capsys):
    name = ("猫" * 82 + "abcdefgh" * 2)[: (length - 4) // 3] + ".png" if length == 200 else "n" * (length - 4) + ".png"
    photo(tmp_path / name)
    if upscale(tmp_path) == 0:
        assert len(results(tmp_path)) == 1 and length < 253
    else:
        assert "Choose a shorter one with -o" in capsys.readouterr().err and length > 250
        assert upscale(tmp_path / name, "-o", tmp_path / "short.png") == 0


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_names_that_the_console_cannot_print_are_done(encoding, tmp_path, model):
    photo(tmp_path / "猫.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes((tmp_path / "猫.png").read_bytes())
    command = [sys.executable, "-m", "srgan", "upscale", str(tmp_path), "--model", model]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(results(tmp_path)) == 2


def test_panels_of_a_film_are_refused_in_words(tmp_path, upscale, capsys):
    (tmp_path / "a.mp4").write_bytes(b"no matter")
    assert upscale(tmp_path / "a.mp4", "--panels", "lr,sr") == 1
    assert "is a video, and panels are made of images alone" in capsys.readouterr().err


def test_what_a_killed_run_left_goes(tmp_path, upscale):
    photo(tmp_path / "a.png")
    (tmp_path / ".partial-4194304-a_x4.png").write_text("half")
    assert upscale(tmp_path) == 0
    assert sorted(os.listdir(tmp_path)) == [targets.RECORD, "a.png", "a_x4.png"]


def test_a_pipe_is_never_opened(tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert upscale(tmp_path) == 0 and results(tmp_path) == ["a_x4.png"]
    assert upscale(tmp_path / "b.png") == 1 and "is no regular file" in capsys.readouterr().err


def test_a_name_that_no_disk_takes_costs_no_other(tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    assert upscale("n" * 5000 + ".png", tmp_path / "a.png", "-o", tmp_path / "o") == 1
    assert results(tmp_path / "o") == ["a_x4.png"] and "1 of 2 failed" in capsys.readouterr().err


def test_a_result_is_as_private_as_its_source(tmp_path, upscale):
    photo(tmp_path / "a.png").chmod(0o600)
    assert upscale(tmp_path) == 0
    assert (tmp_path / "a_x4.png").stat().st_mode & 0o777 == 0o600


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path, upscale, capsys):
    photo(tmp_path / "a.png")
    (tmp_path / "a_x4.png").symlink_to(tmp_path / "gone")
    assert upscale(tmp_path / "a.png") == 1 and "is there already" in capsys.readouterr().err
    assert (tmp_path / "a_x4.png").is_symlink() and not (tmp_path / "gone").exists()


def test_raw_files_of_cameras_are_passed_over_in_words(tmp_path, capsys):
    photo(tmp_path / "a.jpg")
    for name in ("a.nef", "b.CR3", "c.dng"):
        (tmp_path / name).write_bytes(b"II*\0" + bytes(20) if name != "b.CR3" else b"\0\0\0\x18ftypcrx " + bytes(20))
    said = []
    assert [file.name for file, _ in batch.find([tmp_path], say=said.append)[0]] == ["a.jpg"]
    assert "a.nef, b.CR3, c.dng" in said[0]


def test_what_another_process_has_made_meanwhile_is_done(tmp_path):
    source, target = photo(tmp_path / "a.png"), tmp_path / "a_x4.png"
    jobs = targets.plan([(source, Path("a.png"))], None, lambda source: "_x4.png", lambda source: "how")

    def work(source: Path, target: Path, force: bool) -> str:
        target.write_text("made")
        return "done"

    assert batch.run(jobs, work) == [] == batch.run(jobs, work)  # the same plan, as of two that began together
    assert target.read_text() == "made" and not list(tmp_path.glob(".partial-*"))


# Time left ----------------------------------------------------------------------------------------------------------


def test_the_time_left_goes_by_pixels_and_failures_take_none(tmp_path, monkeypatch, capsys):
    for name, side in (("a", 10), ("b", 20), ("d", 30)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"")
    jobs = [targets.Job(tmp_path / f"{name}.png", tmp_path / f"{name}_x4.png", "", False, False) for name in "abcd"]
    clock = itertools.count(0, 1.0)
    monkeypatch.setattr(batch, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))

    def work(source, target, force):
        pictures.read(source)
        target.touch()
        return "done"

    monkeypatch.setattr(batch, "shows_bars", lambda: False)
    assert len(batch.run(jobs, work)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("done, 1.0 s, 0:13 left")  # 1,300 of 1,400 pixels
    assert lines[1].endswith("done, 1.0 s, 0:04 left") and lines[2].endswith("failed") and lines[3].endswith("done, 1.0 s")


def test_pixels_are_counted_by_the_header(tmp_path):
    inputs.INPUTS["moving.gif"][1](tmp_path / "moving.gif")
    assert files.pixels(tmp_path / "moving.gif") == 3 * inputs.WIDTH * inputs.HEIGHT
    assert files.pixels(clips.write(tmp_path / "clip.mp4")) == 10 * 48 * 32
    (tmp_path / "a.png").write_text("words")
    assert files.pixels(tmp_path / "a.png") == files.pixels(tmp_path / "gone.mp4") == 0
