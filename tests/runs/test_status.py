"""The sentence that says where a run stands."""

from __future__ import annotations

import datetime

import numpy as np

from srgan.runs import checkpoints, drive, status
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress


def test_the_status_says_how_far_each_stage_is(tiny, paths):
    assert status.sentence(tiny, paths) == ("SRResNet not begun, SRGAN not begun; run the next cells to begin with SRResNet.")
    saved = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=200)).isoformat(timespec="seconds")
    for stage, step in (("srresnet", 1000), ("srgan", 30)):
        about = {"stage": stage, "step": step, "saved": saved}
        checkpoints.save(paths.checkpoints, {"a": np.zeros(1, np.float32)}, about, keep=2)
    assert status.sentence(tiny.replace(pretrain_steps=1000, gan_steps=2000), paths) == (
        "SRResNet done at step 1,000, SRGAN at step 30 of 2,000, saved 3 minutes ago; run the next cells to go on with SRGAN."
    )


def test_the_status_says_whether_drive_has_the_last_checkpoint(tiny, tmp_path):
    paths = Paths(tmp_path / "machine", "tiny", tmp_path / "drive")
    paths.drive.mkdir()
    saved = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=200)).isoformat(timespec="seconds")
    longer = tiny.replace(pretrain_steps=0, gan_steps=2000)
    for step, words in ((30, "not all on Drive yet"), (60, "not all on Drive yet")):
        about = {"stage": "srgan", "step": step, "saved": saved}
        checkpoints.save(paths.checkpoints, {"a": np.zeros(1, np.float32)}, about, keep=2)
        told = f"SRGAN at step {step} of 2,000, saved 3 minutes ago{{}}; run the next cells to go on with SRGAN."
        assert status.sentence(longer, paths) == told.format(f", {words}")
        with drive.open_run(paths, Progress()):
            pass
        assert status.sentence(longer, paths) == told.format(" on Drive")
