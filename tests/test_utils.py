"""What the notebooks show."""

from pathlib import Path

import numpy as np
import pytest

import utils
from srgan import images
from srgan.errors import SRGANError
from srgan.history import History
from srgan.paths import PROJECT, Paths
from srgan.progress import ago


class Display:
    """Stands in for IPython's display: counts what is shown anew and what is redrawn in place."""

    def __init__(self):
        self.shown, self.redrawn = [], []

    def __call__(self, picture, display_id=False):
        self.shown.append(picture)
        return self if display_id else None

    def update(self, picture):
        self.redrawn.append(picture)


@pytest.fixture
def display(monkeypatch):
    stand_in = Display()
    monkeypatch.setattr(utils, "display", stand_in)
    return stand_in


GAN_ROW = {"perceptual": 0.06, "content": 0.05, "adversarial": 0.7, "discriminator": 1.4, "d_hr": 0.5, "d_sr": 0.5,
           "learning_rate": 1e-4, "images_per_second": 100.0}  # fmt: skip


def train_in_front_of(dashboard, paths: Paths, steps: int) -> None:
    history = History(paths.history("srgan"), ("step", *GAN_ROW), 0)
    dashboard.start("srgan", 0, steps, 16)
    for step in range(1, steps + 1):
        row = {"step": step} | GAN_ROW
        history.append(row)
        dashboard.row(row)
        images.save_png(paths.sample("srgan", step), np.zeros((8, 8, 3), np.uint8))
        dashboard.sample(paths.sample("srgan", step))
    dashboard.close()


def test_the_dashboard_draws_one_figure_and_one_strip_and_redraws_them_in_place(tmp_path, display, monkeypatch):
    monkeypatch.setattr(utils, "SECONDS_BETWEEN_DRAWINGS", 0.0)
    train_in_front_of(utils.Dashboard(Paths(tmp_path, "quick")), Paths(tmp_path, "quick"), 4)
    assert len(display.shown) == 2
    # The figure is redrawn at each row but the first, and at the end; the strip came between the first two rows.
    assert len(display.redrawn) == 4 + 3


def test_without_an_onlooker_the_dashboard_prints_lines_and_draws_once(tmp_path, display, monkeypatch, capsys):
    monkeypatch.setenv("SRGAN_HEADLESS", "1")
    monkeypatch.setattr(utils, "SECONDS_BETWEEN_DRAWINGS", 0.0)
    train_in_front_of(utils.Dashboard(Paths(tmp_path, "quick")), Paths(tmp_path, "quick"), 4)
    assert len(display.shown) == 2 and not display.redrawn
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("srgan step 1 of 4  perceptual 0.0600  discriminator 1.4000  100 images/s")
    assert lines[-1].startswith("srgan step 4 of 4") and len(lines) == 2


def test_the_zoomed_panel_holds_only_its_window():
    rows = [{"step": float(step), "loss": 1.0 / step} for step in range(1, 101)]
    whole, detail = utils.plot_losses(rows, window=(40, 60)).axes
    assert (whole.lines[0].get_xdata().min(), whole.lines[0].get_xdata().max()) == (1, 100)
    assert (detail.lines[0].get_xdata().min(), detail.lines[0].get_xdata().max()) == (40, 60)
    assert np.allclose(detail.lines[0].get_ydata(), [1.0 / step for step in range(40, 61)])


def test_the_gan_curves_weigh_the_adversarial_loss():
    rows = [{"step": float(step)} | GAN_ROW for step in range(1, 11)]
    whole = utils.plot_losses(rows, adversarial_weight=0.01).axes[0]
    by_label = {line.get_label(): line.get_ydata() for line in whole.lines}
    assert np.allclose(by_label["0.01 x adversarial loss"], 0.007)
    assert np.allclose(by_label["content loss"], 0.05)


def test_smoothing_keeps_a_constant_and_the_mean_of_a_long_curve():
    assert np.allclose(utils._smooth(np.full(90, 3.0)), 3.0)
    noisy = 5 + np.random.default_rng(0).normal(size=3000)
    smooth = utils._smooth(noisy)
    assert abs(smooth.mean() - noisy.mean()) < 0.02 and smooth.std() < noisy.std() / 5


def test_start_tells_machine_run_and_standing(tmp_path, capsys):
    config, paths = utils.start("quick", workdir=str(tmp_path), dataset="", run="mine", pretrain_steps=7)
    printed = capsys.readouterr().out
    assert (config.dataset, config.pretrain_steps, paths) == ("samples", 7, Paths(tmp_path.resolve(), "mine"))
    assert f"Run mine on samples, in {tmp_path.resolve()}" in printed
    assert "SRResNet not begun; SRGAN not begun." in printed


def test_a_relative_folder_counts_from_the_project(tmp_path):
    config, _ = utils.start("quick", workdir=str(tmp_path), dataset="folder:data/photos")
    assert config.dataset == f"folder:{PROJECT / 'data' / 'photos'}"


def test_drive_that_was_not_granted_is_told_in_words(tmp_path, monkeypatch):
    import sys
    import types

    drive = types.SimpleNamespace(mount=lambda path: None)
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(drive=drive))
    monkeypatch.setattr(utils, "in_colab", lambda: True)
    monkeypatch.setattr(utils, "DRIVE", tmp_path / "drive")
    with pytest.raises(SRGANError, match="Google Drive was not mounted"):
        utils.start("quick")


def test_colab_without_drive_works_in_the_project_and_warns(monkeypatch, capsys):
    monkeypatch.setattr(utils, "in_colab", lambda: True)
    _, paths = utils.start("quick", use_drive=False)
    assert paths.workdir == PROJECT
    assert "vanishes with this machine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (59, "just now"), (60, "1 minute ago"), (200, "3 minutes ago"), (7200, "2 hours ago"), (2e5, "2 days ago")],
)
def test_ages_are_told_as_people_do(seconds, words):
    assert ago(seconds) == words


def test_a_contact_sheet_has_every_photo_in_its_place():
    sheet = utils.contact_sheet([np.full((40, 40, 3), 20 * i, np.uint8) for i in range(1, 11)], side=20, columns=4)
    assert sheet.size == (4 * 24, 3 * 24)
    for i in range(10):
        assert sheet.getpixel((i % 4 * 24 + 10, i // 4 * 24 + 10)) == (20 * (i + 1),) * 3


def test_nothing_in_the_library_leans_on_the_notebooks_side():
    for path in (PROJECT / "srgan").glob("*.py"):
        words = path.read_text(encoding="utf-8")
        for package in ("matplotlib", "IPython", "google.colab", "utils"):
            assert f"import {package}" not in words and f"from {package}" not in words, f"{Path(path).name}: {package}"
