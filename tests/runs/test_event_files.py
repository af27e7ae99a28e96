"""Event files for TensorBoard: the same rows as the CSV, once each, however often training was stopped."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from srgan.data import images
from srgan.errors import SRGANError
from srgan.runs import history
from srgan.runs.event_files import Events
from srgan.runs.paths import Paths
from srgan.train import training
from tests.train.test_training import silent

HEADER = "step,loss,learning_rate,images_per_second\n"


def read(paths: Paths, stage: str) -> tuple[list[dict], dict[int, bytes], list[str]]:
    """Rows, strips by step, and the names of the event files, by TensorFlow's own reader."""
    folder = paths.history(stage).parent / "tensorboard" / stage
    rows, strips, files = {}, {}, sorted(path.name for path in folder.iterdir())
    for name in files:
        for event in tf.compat.v1.train.summary_iterator(str(folder / name)):
            for value in event.summary.value:
                if value.HasField("image"):
                    assert event.step not in strips
                    strips[event.step] = value.image
                else:
                    row = rows.setdefault(event.step, {"step": float(event.step)})
                    assert value.tag not in row, f"step {event.step} has {value.tag} twice"
                    row[value.tag] = value.simple_value
    return list(rows.values()), strips, files


def same(found: list[dict], expected: list[dict]) -> None:
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6)


def test_a_run_that_is_stopped_and_gone_on_with_has_each_row_and_strip_once(tiny, paths):
    config = tiny.replace(tensorboard=True, pretrain_steps=8, sample_every=2)
    training.fit(config.replace(pretrain_steps=4), paths, "srresnet", silent())
    training.fit(config, paths, "srresnet", silent())
    rows, strips, files = read(paths, "srresnet")
    same(rows, history.read(paths.history("srresnet")))
    assert sorted(strips) == [2, 4, 6, 8] and len(files) == 1
    for step, strip in strips.items():
        shown = np.asarray(Image.open(io.BytesIO(strip.encoded_image_string)))
        np.testing.assert_array_equal(shown, images.read_image(paths.sample("srresnet", step)))
        assert (strip.height, strip.width) == shown.shape[:2]


def test_work_that_was_lost_is_not_in_the_file_that_goes_on(paths):
    lost = Events(paths, "srresnet")
    for step in (10, 20, 30):
        images.save_png(paths.sample("srresnet", step), np.full((4, 4, 3), step, np.uint8))
        lost.row({"step": step, "loss": 1.0 / step, "learning_rate": 1e-3, "images_per_second": 5.0})
        lost.sample(step)
    assert [row["step"] for row in read(paths, "srresnet")[0]] == [10, 20, 30]  # each is there as soon as it is written
    kept = HEADER + "10,0.1,0.001,5\n20,0.05,0.001,5\n"
    again = Events(paths, "srresnet", kept)
    again.row({"step": 30, "loss": 0.5, "learning_rate": 1e-3, "images_per_second": 5.0})
    rows, strips, files = read(paths, "srresnet")
    same(rows, [*history.parse(kept), {"step": 30, "loss": 0.5, "learning_rate": 1e-3, "images_per_second": 5.0}])
    assert sorted(strips) == [10, 20] and len(files) == 1


def test_without_the_option_nothing_is_written(tiny, paths):
    training.fit(tiny, paths, "srresnet", silent())
    assert [path.name for path in paths.history("srresnet").parent.iterdir()] == ["srresnet.csv"]


def test_a_full_disk_is_told_in_words(paths, full_disk):
    row = {"step": 10, "loss": 0.5, "learning_rate": 1e-3, "images_per_second": 5.0}
    written = Events(paths, "srresnet")
    with full_disk(after=200), pytest.raises(SRGANError, match=r"events.*could not be written.*Free some space"):
        for _ in range(9):
            written.row(row)


def test_tensorboard_itself_reads_what_is_written(paths):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    images.save_png(paths.sample("srresnet", 10), np.zeros((4, 4, 3), np.uint8))
    written = Events(paths, "srresnet")
    written.row({"step": 10, "loss": 0.5, "learning_rate": 1e-3, "images_per_second": 5.0})
    written.sample(10)
    reader = accumulator.EventAccumulator(str(written.path.parent)).Reload()
    assert set(reader.Tags()["scalars"]) == {"loss", "learning_rate", "images_per_second"} and reader.Tags()["images"] == ["sample"]
    assert [(each.step, each.value) for each in reader.Scalars("loss")] == [(10, 0.5)]
