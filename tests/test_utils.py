"""What the notebooks show."""

import datetime
import os
import time

import numpy as np
import pytest

import utils
from srgan.data import images
from srgan.errors import SRGANError
from srgan.runs import checkpoints, history, hosting
from srgan.runs.history import History
from srgan.runs.paths import PROJECT, Paths
from srgan.runs.progress import ago


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


def train_in_front_of(dashboard, paths: Paths, steps: int, first: int = 0) -> None:
    history = History(paths.history("srgan"), ("step", *GAN_ROW), 0)
    dashboard.start("srgan", first, steps, 16)
    for step in range(first + 1, steps + 1):
        row = {"step": step} | GAN_ROW
        history.append(row)
        dashboard.tick(step)
        dashboard.row(row)
        images.save_png(paths.sample("srgan", step), np.zeros((8, 8, 3), np.uint8))
        dashboard.sample(paths.sample("srgan", step))
    dashboard.close()


def kinds(pictures) -> list[str]:
    return [type(picture).__name__ for picture in pictures]


def test_the_dashboard_draws_one_panel_one_figure_and_one_strip_and_redraws_them_in_place(tmp_path, display, monkeypatch):
    monkeypatch.setattr(utils, "has_display", lambda: True)
    monkeypatch.setattr(utils.Budget, "allows", lambda self: True)
    train_in_front_of(utils.Dashboard(Paths(tmp_path, "quick")), Paths(tmp_path, "quick"), 4)
    assert kinds(display.shown) == ["TrainingPanel", "HTML", "Image"]
    # Panel and figure at each row and at the end, the strip (written after its row) at the rows behind the first and at the end.
    redrawn = kinds(display.redrawn)
    # What stays of the figure is a PNG.
    assert (redrawn.count("TrainingPanel"), redrawn.count("HTML"), redrawn.count("Image")) == (5, 3, 1 + 3)
    assert display.redrawn[-3].state() == "done" and display.redrawn[-3].row["d_hr"] == 0.5


def test_the_dashboard_draws_no_more_than_its_share_of_the_time(tmp_path, display, monkeypatch):
    """A clock of our own: an hour of training at a row a second, where a figure takes 0.4 s and a panel 0.01 s."""
    now = [1000.0]
    monkeypatch.setattr("srgan.runs.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr(utils, "has_display", lambda: True)

    def update(self, shown):
        now[0] += 0.4 if isinstance(shown, utils.HTML) else 0.01

    monkeypatch.setattr(Display, "update", update)
    monkeypatch.setattr(utils.Dashboard, "say", lambda self, sentence: None)
    paths, training = Paths(tmp_path, "quick"), 0
    dashboard = utils.Dashboard(paths)
    dashboard.start("srgan", 0, 10_000, 16)
    drawn = []
    for step in range(1, 3601):
        now[0] += 1.0
        before = now[0]
        dashboard.tick(step)
        dashboard.row({"step": step} | GAN_ROW)
        training += 1
        if now[0] - before > 0.3:
            drawn.append(step)
    share = (now[0] - 1000.0 - training) / training
    assert 0.012 < share < 0.02  # and it does not draw much less either
    assert drawn[0] <= 12 and max(np.diff(drawn)) < 45 and share == pytest.approx(dashboard.share(), rel=0.05)


def test_a_dashboard_that_goes_on_shows_the_old_curve_at_once_without_the_rows_that_were_lost(tmp_path, display, monkeypatch):
    monkeypatch.setattr(utils, "has_display", lambda: True)
    drawn = []
    monkeypatch.setattr(utils.live_curves, "of_stage", lambda rows: drawn.append([row["step"] for row in rows]) or "")
    plot = utils.plots.training
    monkeypatch.setattr(utils.plots, "training", lambda rows: drawn.append([row["step"] for row in rows]) or plot(rows))
    paths = Paths(tmp_path, "quick")
    train_in_front_of(utils.Dashboard(paths), paths, 6)
    drawn.clear()
    dashboard = utils.Dashboard(paths)
    dashboard.start("srgan", 4, 10, 16)  # the checkpoint was of step 4
    assert drawn == [[1, 2, 3, 4]]
    dashboard.row({"step": 5} | GAN_ROW)
    dashboard.close()
    assert drawn[-1] == [1, 2, 3, 4, 5]


def test_the_panel_tells_checkpoint_and_drive_with_their_ages(tmp_path, display, monkeypatch):
    monkeypatch.setattr(utils, "has_display", lambda: True)
    paths = Paths(tmp_path, "quick")
    paths.checkpoints.mkdir(parents=True)
    old = paths.checkpoints / "srgan-00000030.npz"
    old.write_bytes(b"")
    os.utime(old, (time.time() - 200, time.time() - 200))
    dashboard = utils.Dashboard(paths)
    dashboard.standing = lambda: "on Drive: 5 minutes ago (quota <exceeded>, trying again)"
    dashboard.start("srgan", 30, 100, 16)
    (panel,) = display.shown
    assert panel.saved() == "checkpoint of step 30: 3 minutes ago; on Drive: 5 minutes ago (quota <exceeded>, trying again)"
    assert "quota &lt;exceeded&gt;" in panel._repr_html_() and "width:30.0%" in panel._repr_html_()
    assert panel._repr_html_().count("progressbar") == 1 and "step 30 of 100" in repr(panel)
    dashboard.foretell("As the first steps go, 5 hours: more than <4>.")
    dashboard.step = 60
    dashboard.saved(paths.checkpoints / "srgan-00000060.npz")
    dashboard.close()
    assert (
        display.redrawn[-1].saved().startswith("checkpoint of step 60: just now; on Drive")
        and display.redrawn[-1].state() == "stopped"
    )


def test_without_an_onlooker_the_dashboard_prints_lines_and_draws_once(tmp_path, display, monkeypatch, capsys):
    monkeypatch.setenv("SRGAN_HEADLESS", "1")
    monkeypatch.setattr(utils, "has_display", lambda: True)
    train_in_front_of(utils.Dashboard(Paths(tmp_path, "quick")), Paths(tmp_path, "quick"), 4)
    assert kinds(display.shown) == ["TrainingPanel", "Image", "Image"] and not display.redrawn
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("srgan step 1 of 4  perceptual 0.0600  discriminator 1.4000  100 images/s")
    assert lines[-1].startswith("srgan step 4 of 4") and len(lines) == 2


def test_without_a_display_the_dashboard_prints_lines_and_nothing_else(tmp_path, display, capsys):
    train_in_front_of(utils.Dashboard(Paths(tmp_path, "quick")), Paths(tmp_path, "quick"), 4)
    assert not display.shown and not display.redrawn
    assert [line[:17] for line in capsys.readouterr().out.splitlines()] == ["srgan step 1 of 4", "srgan step 4 of 4"]


def test_smoothing_keeps_a_constant_and_the_mean_of_a_long_curve():
    assert np.allclose(history.smooth(np.full(90, 3.0)), 3.0)
    noisy = 5 + np.random.default_rng(0).normal(size=3000)
    smooth = history.smooth(noisy)
    assert abs(smooth.mean() - noisy.mean()) < 0.02 and smooth.std() < noisy.std() / 5


def test_start_tells_machine_run_and_standing(tmp_path, capsys):
    config, paths = utils.start("quick", workdir=str(tmp_path), dataset="", run="mine", pretrain_steps=7)
    printed = capsys.readouterr().out
    assert (config.data.dataset, config.optimization.pretrain_steps, paths) == ("samples", 7, Paths(tmp_path.resolve(), "mine"))
    assert f"Run mine on samples, in {tmp_path.resolve()}" in printed
    assert "SRResNet not begun, SRGAN not begun; run the next cells to begin with SRResNet." in printed


def test_a_relative_folder_counts_from_the_project(tmp_path):
    config, _ = utils.start("quick", workdir=str(tmp_path), dataset="folder:data/photos")
    assert config.data.dataset == f"folder:{PROJECT / 'data' / 'photos'}"


def test_drive_that_was_not_granted_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "tests" / "stand_in"))
    from google.colab import drive

    monkeypatch.setattr(drive, "mount", lambda path: None)
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
    ("place", "words"),
    [("colab", "Runtime > Change runtime type > T4 GPU"), ("kaggle", "Accelerator > GPU T4 x2"), ("", "choose the preset quick")],
)
def test_without_a_gpu_a_preset_that_wants_one_says_how_to_attach_one(tmp_path, monkeypatch, capsys, place, words):
    for name in ("in_colab", "on_kaggle"):
        monkeypatch.setattr(hosting, name, lambda name=name: name.endswith(place or "nowhere"))
    monkeypatch.setattr(utils.tf.config, "list_physical_devices", lambda kind: [])
    utils.start("paper", workdir=str(tmp_path))
    printed = capsys.readouterr().out
    assert 'No GPU is attached, and the preset "paper" would take weeks' in printed and words in printed
    utils.start("quick", workdir=str(tmp_path))
    assert "GPU is attached" not in capsys.readouterr().out


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A stand-in for Kaggle: input/ and working/."""
    for name in ("input", "working"):
        (tmp_path / "kaggle" / name).mkdir(parents=True)
    monkeypatch.setattr(hosting, "KAGGLE", tmp_path / "kaggle")
    monkeypatch.setattr(utils, "in_colab", lambda: True)  # its image holds Colab's package
    return tmp_path / "kaggle"


def test_on_kaggle_work_goes_to_the_folder_that_is_kept_and_drive_is_not_asked_for(kaggle, capsys):
    _, paths = utils.start("quick")
    assert (paths.workdir, paths.drive) == ((kaggle / "working").resolve(), None)
    assert "Drive" not in capsys.readouterr().out and hosting.free_session().whose == "Kaggle's sessions"


@pytest.mark.parametrize("slug", ["my-training", "notebooks/somebody/my-training"])
def test_on_kaggle_an_earlier_versions_output_is_gone_on_from(kaggle, capsys, slug):
    earlier = Paths(kaggle / "input" / slug, "quick")
    about = {"stage": "srgan", "step": 100, "saved": datetime.datetime.now().astimezone().isoformat()}
    checkpoints.save(earlier.checkpoints, {"a": np.zeros(1, np.float32)}, about, keep=2)
    checkpoints.save(Paths(kaggle / "input" / slug, "other").checkpoints, {"a": np.zeros(1, np.float32)}, about, keep=2)
    _, paths = utils.start("quick", gan_steps=200)
    printed = capsys.readouterr().out
    assert f"Brought 1 files from {earlier.workdir}" in printed and "SRGAN at step 100 of 200, saved just now;" in printed
    assert [path.name for path in paths.checkpoints.iterdir()] == ["srgan-00000100.npz"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (59, "just now"), (60, "1 minute ago"), (200, "3 minutes ago"), (7200, "2 hours ago"), (2e5, "2 days ago")],
)
def test_ages_are_told_as_people_do(seconds, words):
    assert ago(seconds) == words


def test_a_stage_that_was_finished_before_shows_its_panel_curves_and_strip(tmp_path, display, monkeypatch, capsys):
    monkeypatch.setattr(utils, "has_display", lambda: True)
    paths = Paths(tmp_path, "quick")
    train_in_front_of(utils.Dashboard(paths), paths, 4)
    display.shown.clear()
    utils.Dashboard(paths).finished("srgan", 4, 4)
    panel, figure, strip = display.shown
    assert panel.state() == "done" and panel.row["d_hr"] == 0.5
    assert figure.data.startswith(b"\x89PNG") and strip.data == paths.sample("srgan", 4).read_bytes()
    assert "srgan has reached step 4 of 4: nothing to do." in capsys.readouterr().out
