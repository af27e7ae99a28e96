"""Checkpoints: what goes in comes out bit for bit, and a damaged file costs no more than itself."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest

from srgan.errors import SRGANError
from srgan.runs import checkpoints

RNG = np.random.default_rng(0)
ARRAYS = {
    "generator/head_conv/kernel": RNG.normal(size=(3, 3, 3, 8)).astype(np.float32),
    "generator/half": RNG.normal(size=(5, 4)).astype(np.float16),
    "g_optimizer/adam_generator/iteration": np.array(2**40 + 1, np.int64),
    "g_optimizer/adam_generator/counts": RNG.integers(-(2**62), 2**62, (7,)),
    "extremes": np.array([0.0, -0.0, 1e-45, np.finfo(np.float32).max, -np.finfo(np.float32).tiny], np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "turned": np.asfortranarray(RNG.normal(size=(6, 5))),
}


ABOUT = {"saved": "2026-11-25T20:00:00+00:00", "seconds": 1.0, "history": "", "window": [], "config": {"blocks": 16}, "data": "x"}


def save(folder, step: int, value: float | None = None, stage: str = "srgan", keep: int = 2):
    """A checkpoint of ARRAYS, or of one small array full of `value`."""
    arrays = ARRAYS if value is None else {"generator/a": np.full((6, 4), value, np.float32), "n": np.arange(3)}
    return checkpoints.save(folder, arrays, ABOUT | {"stage": stage, "step": step}, keep)


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


def same(found: dict, expected: dict) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype and found[name].shape == array.shape and found[name].tobytes() == array.tobytes()
        for name, array in expected.items()
    )


# The round trip -----------------------------------------------------------------------------------------------------


def test_arrays_come_back_bit_for_bit_with_what_the_file_says_of_itself(tmp_path):
    about = ABOUT | {"stage": "srgan", "step": 42, "window": [{"loss": [0.1]}], "config": {"run": "Åland", "seed": 1}}
    path = checkpoints.save(tmp_path / "deep" / "er", ARRAYS, about, keep=2)
    checkpoint, complaints = checkpoints.newest(tmp_path / "deep" / "er", "srgan")
    assert same(checkpoint.arrays, ARRAYS) and complaints == []
    assert (checkpoint.path, checkpoint.step) == (path, 42)
    assert {name: checkpoint.about[name] for name in about} == about


def test_numpy_alone_reads_a_checkpoint(tmp_path):
    path = save(tmp_path, 3)
    with np.load(path) as file:
        assert same({name: file[name] for name in ARRAYS}, ARRAYS)
        assert json.loads(file["about"].tobytes())["step"] == 3


def test_a_folder_without_checkpoints_has_no_newest(tmp_path):
    assert checkpoints.newest(tmp_path / "none", "srgan") == (None, [])
    assert list(checkpoints.about(tmp_path / "none", "srgan")) == []


def test_the_newest_is_that_of_the_most_steps_in_its_own_stage(tmp_path):
    for step in (999, 1000, 5):
        save(tmp_path, step, value=step, keep=9)
    save(tmp_path, 77_777, value=1, stage="srresnet")
    assert checkpoints.newest(tmp_path, "srgan")[0].step == 1000
    assert checkpoints.newest(tmp_path, "srresnet")[0].step == 77_777
    assert [about["step"] for about in checkpoints.about(tmp_path, "srgan")] == [1000, 999, 5]
    assert next(checkpoints.about(tmp_path, "srgan"))["config"] == {"blocks": 16}


def test_other_files_in_the_folder_are_no_checkpoints_and_stay(tmp_path):
    others = ["srgan-best.npz", "srgan-00000009.npz.bak", ".partial-1-srgan-00000009.npz", "srgan-9.npz", "notes.txt"]
    for name in others:
        (tmp_path / name).write_text("mine")
    for step in (1, 2, 3):
        save(tmp_path, step, value=step)
    assert names(tmp_path) == sorted([*others, "srgan-00000002.npz", "srgan-00000003.npz"])
    assert checkpoints.newest(tmp_path, "srgan")[1] == []


def test_saving_the_same_step_again_replaces_it(tmp_path):
    for value in (1, 2):
        save(tmp_path, 5, value=value)
    assert names(tmp_path) == ["srgan-00000005.npz"]
    assert (checkpoints.newest(tmp_path, "srgan")[0].arrays["generator/a"] == 2).all()


# How many stay ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_few_of_each_stage_stay(tmp_path, keep):
    save(tmp_path, 1, value=1, stage="srresnet", keep=keep)
    for step in (100, 200, 300, 400):
        save(tmp_path, step, value=step, keep=keep)
    kept = [f"srgan-{step:08d}.npz" for step in (100, 200, 300, 400)][-keep:]
    assert names(tmp_path) == [*kept, "srresnet-00000001.npz"]


@pytest.mark.parametrize("keep", [1, 2])
def test_damaged_files_of_later_steps_do_not_push_out_the_good_ones(tmp_path, keep):
    for step in (400, 500):
        (tmp_path / f"srgan-{step:08d}.npz").write_bytes(b"\0" * 1000)
    for step in (100, 200, 300):
        save(tmp_path, step, value=step, keep=keep)
        checkpoint, complaints = checkpoints.newest(tmp_path, "srgan")
        assert checkpoint.step == step and len(complaints) == 2
    assert len(names(tmp_path)) == 2 + keep
    for step in (400, 500, 600):  # and once training gets there, they are gone
        save(tmp_path, step, value=step, keep=keep)
    assert names(tmp_path) == ["srgan-00000500.npz", "srgan-00000600.npz"][-keep:]
    assert checkpoints.newest(tmp_path, "srgan")[1] == []


# Damage -------------------------------------------------------------------------------------------------------------


def passed_over(folder, path) -> bool:
    """Whether the checkpoint of step 1 is taken, and the file at `path` complained of by name."""
    checkpoint, complaints = checkpoints.newest(folder, "srgan")
    return (
        checkpoint.step == 1
        and (checkpoint.arrays["generator/a"] == 1).all()
        and len(complaints) == 1
        and complaints[0].startswith(f"{path} cannot be read (")
        and complaints[0].endswith("): passed over.")
    )


def test_a_file_truncated_anywhere_is_passed_over(tmp_path):
    save(tmp_path, 1, value=1)
    path = save(tmp_path, 2, value=2)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert passed_over(tmp_path, path), length


@pytest.mark.parametrize("part", ["all", "first half", "last half", "middle"])
def test_a_file_of_zeros_is_passed_over(tmp_path, part):
    save(tmp_path, 1, value=1)
    path = save(tmp_path, 2, value=2)
    whole = path.read_bytes()
    third, half = len(whole) // 3, len(whole) // 2
    first, last = {"all": (0, len(whole)), "first half": (0, half), "last half": (half, len(whole))}.get(part, (third, 2 * third))
    path.write_bytes(whole[:first] + b"\0" * (last - first) + whole[last:])
    assert passed_over(tmp_path, path)


def test_a_flipped_bit_is_passed_over_unless_it_means_nothing(tmp_path):
    save(tmp_path, 1, value=1)
    path = save(tmp_path, 2, value=2)
    whole = path.read_bytes()
    expected = checkpoints.newest(tmp_path, "srgan")[0].arrays
    over = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        checkpoint, complaints = checkpoints.newest(tmp_path, "srgan")
        if complaints:
            over += passed_over(tmp_path, path)
        else:  # the time of day in the archive, for one
            assert checkpoint.step == 2 and same(checkpoint.arrays, expected), place
    assert over > len(whole) / 2


@pytest.mark.parametrize(("old", "new"), [(b"(4096, 4)", b"(1096, 4)"), (b"<f4", b"<f2")])
def test_an_array_whose_header_says_less_than_it_holds_is_passed_over(tmp_path, old, new):
    save(tmp_path, 1, value=1)
    path = checkpoints.save(tmp_path, {"large": np.ones((4096, 4), np.float32)}, {"stage": "srgan", "step": 2}, keep=2)
    whole = path.read_bytes()
    assert whole.count(old) == 1
    path.write_bytes(whole.replace(old, new))  # numpy reads what the header says, and never comes to the CRC
    assert passed_over(tmp_path, path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"\x93NUMPY\x01\0", b"words"],
    ids=["empty", "two bytes", "empty archive", "torn array", "text"],
)
def test_a_file_that_is_no_checkpoint_is_passed_over(tmp_path, content):
    save(tmp_path, 1, value=1)
    (tmp_path / "srgan-00000002.npz").write_bytes(content)
    assert passed_over(tmp_path, tmp_path / "srgan-00000002.npz")


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b"{}", b'{"format": 2, "step": 2}', b"\xff", b'{"format": 1, "arrays": 5}'])
def test_a_checkpoint_that_says_nothing_sensible_of_itself_is_passed_over(tmp_path, text):
    save(tmp_path, 1, value=1)
    np.savez(tmp_path / "srgan-00000002.npz", about=np.frombuffer(text, np.uint8), a=np.zeros(1))
    assert passed_over(tmp_path, tmp_path / "srgan-00000002.npz")


def test_a_single_array_in_place_of_an_archive_is_passed_over(tmp_path):
    save(tmp_path, 1, value=1)
    with open(tmp_path / "srgan-00000002.npz", "wb") as file:
        np.save(file, np.zeros(3))
    assert passed_over(tmp_path, tmp_path / "srgan-00000002.npz")


def test_if_no_file_can_be_read_there_is_none_and_each_is_named(tmp_path):
    for step in (1, 2):
        (tmp_path / f"srgan-{step:08d}.npz").touch()
    checkpoint, complaints = checkpoints.newest(tmp_path, "srgan")
    assert checkpoint is None and list(checkpoints.about(tmp_path, "srgan")) == []
    for complaint, step in zip(complaints, (2, 1), strict=True):
        assert complaint.startswith(f"{tmp_path / f'srgan-{step:08d}.npz'} cannot be read")


def test_what_checkpoints_say_of_themselves_leaves_out_the_damaged(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, step, value=step, keep=3)
    (tmp_path / "srgan-00000002.npz").write_bytes(b"\0" * 99)
    assert [about["step"] for about in checkpoints.about(tmp_path, "srgan")] == [3, 1]


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_reading_a_checkpoint_never_runs_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, 1, value=1)
    np.savez(
        tmp_path / "srgan-00000002.npz",
        about=np.frombuffer(b'{"format": 1, "stage": "srgan", "step": 2}', np.uint8),
        bomb=np.array([Bomb()], object),
    )
    assert passed_over(tmp_path, tmp_path / "srgan-00000002.npz")
    with zipfile.ZipFile(tmp_path / "srgan-00000003.npz", "w") as archive:  # "about" itself, and a bare pickle
        array = io.BytesIO()
        np.save(array, np.array([Bomb()], object))
        archive.writestr("about.npy", array.getvalue())
    assert [about["step"] for about in checkpoints.about(tmp_path, "srgan")] == [2, 1]
    assert len(checkpoints.newest(tmp_path, "srgan")[1]) == 2
    assert not (tmp_path / "exploded").exists()
    # The bomb is live: numpy sets it off if it is allowed to.
    with np.load(tmp_path / "srgan-00000002.npz", allow_pickle=True) as file:
        file["bomb"]
    assert (tmp_path / "exploded").is_dir()


def test_an_array_of_objects_is_not_saved(tmp_path):
    save(tmp_path, 1, value=1)
    with pytest.raises(SRGANError, match=r"srgan-00000002\.npz could not be written \(it reads back wrong"):
        checkpoints.save(tmp_path, {"a": np.array([{}], object)}, {"stage": "srgan", "step": 2}, keep=1)
    assert names(tmp_path) == ["srgan-00000001.npz"]


# What is refused, and what fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_name_and_costs_no_file(tmp_path, kind, value):
    save(tmp_path, 1, value=1, keep=1)
    before = (tmp_path / "srgan-00000001.npz").read_bytes()
    arrays = {"good": np.zeros(3, np.float32), "generator/bad": np.array([[0, 1], [value, 2]], kind)}
    with pytest.raises(SRGANError, match=r"Not saved: generator/bad is not finite\. The checkpoints before it are untouched"):
        checkpoints.save(tmp_path, arrays, {"stage": "srgan", "step": 2}, keep=1)
    assert names(tmp_path) == ["srgan-00000001.npz"] and (tmp_path / "srgan-00000001.npz").read_bytes() == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ENOTCONN])
def test_a_disk_that_refuses_is_told_and_the_older_ones_stay(tmp_path, monkeypatch, call, number):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    save(tmp_path, 1, value=1, keep=1)
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(SRGANError, match=rf"srgan-00000002\.npz could not be written \({os.strerror(number)}\)"):
        save(tmp_path, 2, value=2, keep=1)
    assert names(tmp_path) == ["srgan-00000001.npz"]
    assert checkpoints.newest(tmp_path, "srgan")[0].step == 1


@pytest.mark.parametrize("room", [0, 1, 300, 900])
def test_a_full_disk_is_told_and_the_older_ones_stay(tmp_path, full_disk, room):
    size = save(tmp_path, 1, value=1, keep=1).stat().st_size
    assert room < size
    with full_disk(after=room), pytest.raises(SRGANError, match=os.strerror(errno.EFBIG)):
        save(tmp_path, 2, value=2, keep=1)
    assert names(tmp_path) == ["srgan-00000001.npz"]
    assert checkpoints.newest(tmp_path, "srgan")[0].step == 1


def test_what_the_disk_does_not_give_back_is_not_taken_for_saved(tmp_path, monkeypatch):
    save(tmp_path, 1, value=1, keep=1)
    savez = np.savez

    def lossy(file, **arrays):
        savez(file, **arrays)
        file.seek(500)
        file.write(b"\xff" * 20)

    monkeypatch.setattr(np, "savez", lossy)
    with pytest.raises(SRGANError, match=r"srgan-00000002\.npz could not be written \(it reads back wrong"):
        save(tmp_path, 2, value=2, keep=1)
    assert names(tmp_path) == ["srgan-00000001.npz"]


# What stays ---------------------------------------------------------------------------------------------------------


def saved_at(folder, step: int, hour: int, psnr: float, **keep):
    about = {"stage": "srgan", "step": step, "saved": f"2026-11-21T{hour:02d}:30:00+00:00", "metrics": {"psnr_y": psnr}}
    checkpoints.save(folder, {"a": np.full(3, step, np.float32)}, about, keep=1, **keep)


def steps_kept(folder) -> list[int]:
    return [about["step"] for about in checkpoints.about(folder, "srgan")]


def test_on_request_the_last_checkpoint_of_each_of_the_newest_hours_stays(tmp_path):
    for step, hour in enumerate((8, 8, 9, 9, 9, 10, 11, 11), start=1):
        saved_at(tmp_path, step, hour, psnr=0.0, hourly=3)
    assert steps_kept(tmp_path) == [8, 6, 5]  # of 11, 10 and 9 o'clock; 8 o'clock was the fourth


def test_on_request_the_best_checkpoint_stays_until_a_better_one_comes(tmp_path):
    for step, psnr in enumerate((20.0, 25.0, 22.0, 21.0), start=1):
        saved_at(tmp_path, step, 8, psnr, best=True)
    assert steps_kept(tmp_path) == [4, 2]
    saved_at(tmp_path, 5, 8, 26.0, best=True)
    assert steps_kept(tmp_path) == [5]


def test_without_a_request_only_the_newest_stay(tmp_path):
    for step in range(1, 6):
        saved_at(tmp_path, step, step, psnr=50.0 - step)
    assert steps_kept(tmp_path) == [5]
