"""The loss history: what is written, what a crash may leave, and what resuming makes of it."""

import csv
import errno
import os
import statistics

import pytest

from srgan.errors import SRGANError
from srgan.runs import history
from srgan.runs.history import History

COLUMNS = ("step", "loss", "learning_rate")


def row(step: int) -> dict[str, float]:
    return {"step": step, "loss": 1 / step, "learning_rate": 1e-4}


def filled(path, steps=(10, 20, 30)) -> History:
    log = History(path, COLUMNS)
    for step in steps:
        log.append(row(step))
    return log


def test_a_new_history_has_a_header_and_no_rows(tmp_path):
    History(tmp_path / "loss" / "quick" / "srgan.csv", COLUMNS)
    assert (tmp_path / "loss" / "quick" / "srgan.csv").read_bytes() == b"step,loss,learning_rate\n"
    assert history.read(tmp_path / "loss" / "quick" / "srgan.csv") == []


def test_a_history_that_is_not_there_has_no_rows(tmp_path):
    assert history.read(tmp_path / "none.csv") == []


def test_each_row_is_in_the_file_as_soon_as_it_is_appended(tmp_path):
    log = History(tmp_path / "a.csv", COLUMNS)
    for count, step in enumerate((10, 20, 12_345_678), start=1):
        log.append(row(step))
        with open(tmp_path / "a.csv", newline="") as file:
            written = list(csv.reader(file))
        assert written[0] == list(COLUMNS) and len(written) == 1 + count
        assert written[-1][0] == str(step)  # whole, however large
        assert float(written[-1][1]) == pytest.approx(1 / step, rel=1e-6) and float(written[-1][2]) == 1e-4


def test_rows_read_back_as_numbers_in_order(tmp_path):
    filled(tmp_path / "a.csv")
    rows = history.read(tmp_path / "a.csv")
    assert [list(found) for found in rows] == [list(COLUMNS)] * 3
    for found, step in zip(rows, (10, 20, 30), strict=True):
        assert found == pytest.approx(row(step), rel=1e-6)


def test_columns_may_be_given_in_another_order(tmp_path):
    log = History(tmp_path / "a.csv", COLUMNS)
    log.append(dict(reversed(row(10).items())))
    assert (tmp_path / "a.csv").read_text().splitlines() == ["step,loss,learning_rate", "10,0.1,0.0001"]


def test_a_resumed_history_is_what_the_checkpoint_kept_whatever_came_after(tmp_path):
    log = filled(tmp_path / "a.csv", steps=(10, 20))
    kept, lines = log.text, (tmp_path / "a.csv").read_bytes()
    log.append(row(30))
    (tmp_path / "a.csv").write_bytes(b"torn")
    History(tmp_path / "a.csv", COLUMNS, kept)
    assert (tmp_path / "a.csv").read_bytes() == lines
    assert [found["step"] for found in history.read(tmp_path / "a.csv")] == [10, 20]


def test_the_text_to_keep_is_the_file(tmp_path):
    log = filled(tmp_path / "a.csv")
    assert log.text == (tmp_path / "a.csv").read_text()


def test_a_row_torn_at_any_byte_is_left_out(tmp_path):
    filled(tmp_path / "a.csv")
    whole = (tmp_path / "a.csv").read_bytes()
    complete = history.read(tmp_path / "a.csv")
    header = whole.index(b"\n") + 1
    for length in range(header, len(whole) + 1):
        (tmp_path / "a.csv").write_bytes(whole[:length])
        # Whole is what has come to the end of its line: the first half of a number is a number too.
        assert history.read(tmp_path / "a.csv") == complete[: whole[:length].count(b"\n") - 1]


@pytest.mark.parametrize("rubbish", [b"\0" * 40, b"\xff\xfe\xfd,\x80,3", b"20,0.5", b"20,0.5,0.1,7", b"", b"20,a,b", b"20,,0.1"])
def test_a_damaged_row_is_left_out_and_its_neighbours_stay(tmp_path, rubbish):
    filled(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_bytes().split(b"\n")
    (tmp_path / "a.csv").write_bytes(b"\n".join([*lines[:2], rubbish, *lines[3:]]))
    assert [found["step"] for found in history.read(tmp_path / "a.csv")] == [10, 30]


def test_a_full_disk_is_told_and_costs_no_earlier_row(tmp_path, full_disk):
    log = filled(tmp_path / "a.csv")
    size = (tmp_path / "a.csv").stat().st_size
    with full_disk(after=size + 4), pytest.raises(SRGANError, match=rf"a\.csv could not be written \({os.strerror(errno.EFBIG)}\)"):
        log.append(row(40))
    assert [found["step"] for found in history.read(tmp_path / "a.csv")] == [10, 20, 30]
    assert log.text.count("\n") == 4  # a row that is not in the file is not kept in a checkpoint either


def test_resuming_on_a_full_disk_leaves_the_history_as_it_was(tmp_path, full_disk):
    kept = filled(tmp_path / "a.csv").text
    before = (tmp_path / "a.csv").read_bytes()
    with full_disk(after=30), pytest.raises(SRGANError, match=r"a\.csv could not be written"):
        History(tmp_path / "a.csv", COLUMNS, kept)
    assert (tmp_path / "a.csv").read_bytes() == before and os.listdir(tmp_path) == ["a.csv"]


def test_the_summary_is_that_of_the_standard_library_for_every_loss_and_nothing_else(tmp_path):
    columns = ("step", "perceptual", "accuracy_hr", "learning_rate", "images_per_second")
    values = [(10, 0.5, 0.25, 1e-4, 80.0), (20, 0.125, 1.0, 1e-5, 90.0), (30, 2.0, 0.5, 1e-6, 70.0)]
    log = History(tmp_path / "a.csv", columns)
    for line in values:
        log.append(dict(zip(columns, line, strict=True)))
    found = history.summary(history.read(tmp_path / "a.csv"))
    assert [entry["loss"] for entry in found] == ["perceptual", "accuracy_hr"]
    for entry, column in zip(found, (1, 2), strict=True):
        numbers = [line[column] for line in values]
        assert entry["mean"] == pytest.approx(statistics.mean(numbers))
        assert entry["standard deviation"] == pytest.approx(statistics.pstdev(numbers))
        assert entry["minimum"] == min(numbers)


def test_nothing_recorded_has_no_summary():
    assert history.summary([]) == []


def test_a_history_of_two_gigabytes_is_none(tmp_path):
    with open(tmp_path / "a.csv", "wb") as file:
        file.write(b"step,loss\n1,2\n")
        file.truncate(2 * 10**9)  # holes take no room
    assert history.read(tmp_path / "a.csv") == []
