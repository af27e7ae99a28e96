"""The loss history and the sample strips once more, as event files for TensorBoard: `tensorboard --logdir loss/<run>`.

Like the CSV they begin again from what the checkpoint kept, in a new file that replaces the old: no gaps, nothing double.
The records are made here, because tf.summary works only where the package tensorboard is installed: training does without it.
"""

from __future__ import annotations

import time
from pathlib import Path

import tensorflow as tf
from PIL import Image

from srgan.errors import SRGANError
from srgan.runs import history
from srgan.runs.paths import Paths

Value, Event = tf.compat.v1.Summary.Value, tf.compat.v1.Event


class Events:
    """The event file of one stage, under loss/<run>/tensorboard/<stage>/."""

    def __init__(self, paths: Paths, stage: str, text: str = ""):
        """Begin a new file with the rows of `text`, a history's, and the strips up to its last step; then remove the old ones."""
        self._paths, self._stage = paths, stage
        folder = paths.history(stage).parent / "tensorboard" / stage
        old = list(folder.glob("events.out.tfevents.*")) if folder.is_dir() else []
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{time.time_ns()}.srgan"
        self._writer = tf.io.TFRecordWriter(str(self.path))
        self._write(Event(file_version="brain.Event:2"))
        # A TensorBoard that is looking on drops what it has read of the old file.
        self._write(Event(session_log=tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START), step=0))
        rows = history.parse(text)
        for row in rows:
            self._write(_scalars(row))
        for strip in sorted(paths.output.glob(f"samples/{stage}_step_*.png")):
            step = int(strip.stem.rpartition("_")[2])
            if rows and step <= rows[-1]["step"]:
                self._write(_picture(strip, step))
        for path in old:
            path.unlink(missing_ok=True)

    def row(self, row: dict[str, float]) -> None:
        """Add a row of the loss history."""
        self._write(_scalars(row))

    def sample(self, step: int) -> None:
        """Add the strip that was written at `step`."""
        self._write(_picture(self._paths.sample(self._stage, step), step))

    def _write(self, event) -> None:
        """Raises SRGANError if the system refuses, as on a full disk."""
        event.wall_time = time.time()
        try:
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except tf.errors.OpError as error:
            raise SRGANError(
                f"{self.path} could not be written ({error.message}). Free some space and run the same again."
            ) from error


def _scalars(row: dict[str, float]):
    values = [Value(tag=name, simple_value=number) for name, number in row.items() if name != "step"]
    return Event(step=int(row["step"]), summary=tf.compat.v1.Summary(value=values))


def _picture(path: Path, step: int):
    """The PNG at `path` as it lies there."""
    with Image.open(path) as image:
        width, height = image.size
    picture = tf.compat.v1.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes())
    return Event(step=step, summary=tf.compat.v1.Summary(value=[Value(tag="sample", image=picture)]))
