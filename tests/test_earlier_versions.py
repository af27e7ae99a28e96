"""A run that the last version with flat settings wrote (commit 44ae85f): everything of it loads, and training goes on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from srgan.config import Config
from srgan.presets import preset
from srgan.results import evaluation
from srgan.runs import checkpoints, history, status, weights
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import training

FIXTURE = Path(__file__).parent / "fixtures" / "run_before_rooms.zip"
SETTINGS = dict(run="old", blocks=1, filters=4, hr_size=16, batch_size=2, discriminator_filters=2, discriminator_dense=4,
                pretrain_steps=6, gan_steps=4, warmup_steps=2, log_every=2, sample_every=4, precision="float32",
                test_fraction=0.3)  # fmt: skip
# Then quick's GAN was the paper's.
THEN = ("discriminator", "discriminator_rate", "adversarial", "adversarial_weight", "matching_weight", "phase_weight",
        "random_shift", "ema", "adam_beta2")  # fmt: skip
SETTINGS |= {name: value for name, value in Config().flat().items() if name in THEN}


@pytest.fixture
def earlier(tmp_path):
    """Its settings and paths, unpacked."""
    with zipfile.ZipFile(FIXTURE) as packed:
        packed.extractall(tmp_path)
    return preset("quick", **SETTINGS, dataset=f"folder:{tmp_path / 'photos'}"), Paths(tmp_path, "old")


def test_it_is_done_and_its_results_have_their_table(earlier):
    config, paths = earlier
    assert status.sentence(config, paths) == "SRResNet done at step 6, SRGAN done at step 4; nothing is left to train."
    stored = json.loads((paths.output / "results.json").read_text())
    assert f"{stored['sets']['held-out']['srgan']['psnr_y']:.2f}" in str(evaluation.table(stored))
    # It lacks a measure that came later, so it is measured again, of the same weights: that one more, and the same numbers but for
    # half precision, and for the edges, beyond which the network sees a mirror image since then.
    again = evaluation.evaluate(config, paths)
    assert again["weights"] == stored["weights"] and again["inputs"] == stored["inputs"]
    for method, values in stored["sets"]["held-out"].items():
        found = again["sets"]["held-out"][method]
        assert {key: found[key] for key in values} == pytest.approx(values, abs=0.1), method


def test_its_weights_load_by_their_cards(earlier):
    _, paths = earlier
    arrays = checkpoints.newest(paths.checkpoints, "srgan")[0].arrays
    for variable in weights.load(paths.weights("srgan")).variables:
        np.testing.assert_array_equal(variable.numpy(), arrays[f"generator/{variable.path}"])


def test_training_goes_on_from_its_checkpoint_with_its_prepared_photos(earlier):
    config, paths = earlier
    prepared = {path: path.stat().st_mtime_ns for path in paths.data.rglob("*") if path.is_file()}
    said, progress = [], Progress()
    progress.say = said.append
    state = training.fit(config.replace(gan_steps=6), paths, "srgan", progress)
    assert state.step == 6 and any(sentence.startswith("Going on from srgan-00000004.npz") for sentence in said)
    assert [row["step"] for row in history.read(paths.history("srgan"))] == [2, 4, 6]
    assert {path: path.stat().st_mtime_ns for path in paths.data.rglob("*") if path.is_file()} == prepared
