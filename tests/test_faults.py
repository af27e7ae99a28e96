"""Damaged files and failing writes, a part of what `python -m tests.faults` tries."""

import errno
import re

import pytest

from srgan.presets import preset
from srgan.runs import checkpoints, weights
from srgan.runs.paths import Paths
from tests import faults


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run at step 3 of both stages, with a checkpoint each at steps 2 and 3."""
    config = preset("quick", run="faults", blocks=1, filters=4, hr_size=32, batch_size=2, discriminator_filters=2,
                    discriminator_dense=4, pretrain_steps=3, gan_steps=3)  # fmt: skip
    paths = Paths(tmp_path_factory.mktemp("faults"), "faults")
    faults.make_run(config, paths)
    return config, paths


def test_however_the_newest_checkpoint_is_damaged_the_one_before_it_is_used(run):
    outcomes = {damage: outcome for _, damage, outcome in faults.damaged_files(*run, pattern="srgan-00000003.npz")}
    assert outcomes.keys() == faults.DAMAGES.keys()
    for damage, outcome in outcomes.items():
        passed = "" if damage == "removed" else " (1 passed over)"
        assert outcome == f"goes on: SRResNet at step 3, SRGAN at step 2{passed}", damage


@pytest.mark.parametrize("pattern", ["srresnet.weights.h5", "srresnet.json"])
def test_however_weights_or_their_card_are_damaged_they_are_written_again_from_the_checkpoint(run, pattern):
    for _, damage, outcome in faults.damaged_files(*run, pattern=pattern):
        assert outcome == "goes on: SRResNet at step 3, SRGAN at step 3", damage


@pytest.mark.parametrize("pattern", ["train.u8", "manifest.json"])
def test_damaged_prepared_photos_are_prepared_anew(run, pattern, capsys):
    for _, damage, outcome in faults.damaged_files(*run, pattern=pattern):
        assert outcome == "goes on: SRResNet at step 3, SRGAN at step 3", damage
        # A line end less at the end of JSON is no damage.
        assert ("is damaged or missing" in capsys.readouterr().out) == ((pattern, damage) != ("manifest.json", "cut by 1 byte"))


def test_whichever_call_of_a_save_fails_training_stops_in_words_and_resumes(run):
    rows = list(faults.failed_saves(*run, errors=(errno.ENOSPC,)))
    assert [row[0] for row in rows] == list(faults.OPERATIONS)
    for operation, _, outcome in rows:
        tried, calls, stopped = (int(word) for word in outcome.split() if word.isdigit())
        assert calls >= tried >= 3 and stopped == tried, f"{operation}: {outcome}"


def test_weights_written_again_are_those_of_the_checkpoint(run):
    config, paths = run
    saved = checkpoints.newest(paths.checkpoints, "srgan")[0].about
    paths.weights("srgan").write_bytes(b"damaged")
    faults.training.fit(config, paths, "srgan", faults.Silent())
    after = weights.card(paths.weights("srgan"))
    assert (after["step"], after["metrics"]) == (saved["step"], saved["metrics"])


def test_whatever_a_server_does_the_file_comes_from_the_next_or_words_tell():
    rows = {what: outcomes for what, *outcomes in faults.failed_downloads()}
    assert rows.keys() == faults.DOWNLOADS.keys()
    for what, (alone, helped) in rows.items():
        assert helped == "the file", what
        assert (alone == "the file") == (what in ("breaks off, knows ranges", "Drive: breaks off")), what
        assert re.fullmatch(r"the file|stopped in words: .+; [\d,]+ bytes kept", alone)


def test_no_archive_gets_anything_out_of_its_folder():
    rows = dict(faults.bad_archives())
    assert rows.keys() == faults.ARCHIVES.keys()
    assert all(outcome.startswith("refused, nothing written: ") for outcome in rows.values()), rows
