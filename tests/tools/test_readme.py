"""README's results come from a run's files."""

import json

import numpy as np
import pytest

from srgan.config import settings
from srgan.data import images
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights
from srgan.upscale import network
from tools import readme, ship
from tools.__main__ import main

BEGIN = readme.BEGIN.format("readme")

RESULTS = {
    "sets": {
        "held-out": {
            "bicubic": {"psnr_y": 29.376, "ssim_y": 0.78554, "images": 2},
            "srresnet": {"psnr_y": 30.421, "ssim_y": 0.81934, "images": 2},
        }
    },
    "preset": "quick",
    "commit": "abc123",
    "machine": "2 cores, some processor",
    "seconds": 305,
    "steps": {"srresnet": 3000, "srgan": 300},
    "versions": {"tensorflow": "2.21.0"},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text(f"above\n{BEGIN}\nold numbers\n{readme.END}\nbelow\n")
    monkeypatch.setattr(readme, "PROJECT", tmp_path)
    monkeypatch.setattr(readme, "PICTURE", tmp_path / "docs" / "comparison.jpg")
    run = tmp_path / "output" / "quick"
    images.save_png(run / "comparisons" / "held-out_chelsea.png", np.full((60, 90, 3), 200, np.uint8))
    (run / "results.json").write_text(json.dumps(RESULTS))
    return tmp_path


def test_table_and_picture_replace_the_old_ones_and_the_rest_stays(project):
    readme.update(project / "output" / "quick" / "results.json")
    text = (project / "README.md").read_text()
    assert text.startswith(f"above\n{BEGIN}\n") and text.endswith(f"{readme.END}\nbelow\n")
    assert "old numbers" not in text
    assert "| held-out (2) | SRResNet | **30.42** | **0.8193** |" in text
    assert "3,000 + 300 steps (SRResNet + GAN) trained in 5:05 minutes on 2 cores, some processor, commit `abc123`" in text
    assert images.read_image(project / "docs" / "comparison.jpg").shape == (40, 60, 3)


def test_writing_twice_changes_nothing(project):
    readme.update(project / "output" / "quick" / "results.json")
    once = (project / "README.md").read_text()
    readme.update(project / "output" / "quick" / "results.json")
    assert (project / "README.md").read_text() == once


def test_a_readme_without_markers_is_refused_and_untouched(project):
    (project / "README.md").write_text("mine")
    with pytest.raises(SRGANError, match="has no lines"):
        readme.update(project / "output" / "quick" / "results.json")
    assert (project / "README.md").read_text() == "mine"


def test_the_weights_that_come_with_the_project_are_told_with_a_photo_before_and_after(project, monkeypatch):
    monkeypatch.setattr(weights, "PROJECT", project)
    monkeypatch.setattr(readme, "BEFORE_AND_AFTER", project / "docs" / "before_after.jpg")
    monkeypatch.setattr(readme, "DETAILS", project / "docs" / "weights.jpg")
    with pytest.raises(SRGANError, match=r"model holds no weights: bring those of the project back"):
        readme.update_weights()
    config = settings(blocks=1, filters=4)
    (project / "model").mkdir()
    scores = {name: {"psnr_y": 12.3, "detail": 0.5} for name in ship.BENCHMARKS}
    weights.save(
        weights.find("fast"), networks.generator(config), config, {"scores": scores, "step": 1200, "seconds": 5400, "before": []}
    )
    (project / "README.md").write_text(f"{BEGIN}\nkept\n{readme.END}\n{readme.BEGIN.format('ship')}\nold\n{readme.END}\nbelow\n")
    readme.update_weights()
    text = (project / "README.md").read_text()
    assert f"{BEGIN}\nkept\n{readme.END}" in text and text.endswith(f"{readme.END}\nbelow\n") and "old" not in text
    assert "| 12.30 | 12.30 | 12.30 | 0.50 | 1,200 steps, 1.5 h |" in text
    height, width = (4 * side for side in images.read_image(readme.PHOTO).shape[:2])
    strip = images.read_image(project / "docs" / "before_after.jpg")
    assert strip.shape[0] > height and strip.shape[1] > 2 * width
    np.testing.assert_allclose(
        strip[30:60, 20:50].mean((0, 1)), network.bicubic(images.read_image(readme.PHOTO))[8:38, 14:44].mean((0, 1)), atol=4
    )
    details = images.read_image(project / "docs" / "weights.jpg")
    assert details.shape[0] > 3 * 2 * 96 and details.shape[1] > 3 * 2 * 96  # three photos; bicubic, fast and HR


def test_the_committed_readme_has_the_markers_and_its_picture():
    text = (readme.PROJECT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(readme.BEGIN.format("ship")) == 1 and text.count(readme.END) == 2
    assert readme.PICTURE.is_file() and readme.BEFORE_AND_AFTER.is_file() and readme.DETAILS.is_file() and readme.PHOTO.is_file()


def test_readme_without_results_says_what_to_run(tmp_path, capsys):
    before = (readme.PROJECT / "README.md").read_bytes()
    assert main(["readme", "--results", str(tmp_path / "none.json")]) == 1
    assert "make run first" in capsys.readouterr().err
    assert (readme.PROJECT / "README.md").read_bytes() == before
