"""What every notebook needs: setting up the session, showing things, and the dashboard of a training.

First call in each notebook: `config, paths = utils.start(...)`. Everything that trains or measures is in `srgan/`.
"""

from __future__ import annotations

import inspect
import io
import logging
import os
import sys
import time
from pathlib import Path

from srgan.runs import load_tensorflow

load_tensorflow.load_tensorflow()
for noisy in ("matplotlib.font_manager", "tensorflow"):  # fonts and their cache; networks that were traced anew
    logging.getLogger(noisy).setLevel(logging.ERROR)

import keras
import tensorflow as tf
from IPython import get_ipython
from IPython.display import HTML, Code, Image, Markdown, display
from matplotlib.figure import Figure
from PIL import Image as PillowImage

import srgan
from srgan import presets
from srgan.config import Config
from srgan.data import preparation, sources
from srgan.data.dataset import Dataset, Pack
from srgan.errors import SRGANError
from srgan.models import precision
from srgan.results import comparisons, live_curves, plots
from srgan.results.tables import Table
from srgan.results.training_panel import TrainingPanel
from srgan.runs import drive, history, hosting, machine, status, weights
from srgan.runs.hosting import earlier_versions, how_to_attach_a_gpu, in_colab, on_kaggle
from srgan.runs.paths import PROJECT, Paths, open_workdir
from srgan.runs.progress import Budget, Progress
from srgan.upscale import ensemble, size
from srgan.upscale.order import Order

DRIVE = Path(os.environ.get("SRGAN_DRIVE", "/content/drive"))  # where Colab mounts Google Drive
SECONDS_BETWEEN_DRAWINGS, SECONDS_BETWEEN_PANELS = 5.0, 1.0
DRAWING, PANEL = 0.015, 0.003  # the most of the training's time that they may take


# Session ------------------------------------------------------------------------------------------------------------


def start(preset: str, workdir: str = "", use_drive: bool = True, **changes) -> tuple[Config, Paths]:
    """The settings and folders of this run; prints what was found and, in the last line, where the run stands.

    `workdir`: where data/ model/ output/ loss/ are; empty: the project (on Kaggle its working folder, which it keeps). In
    Colab they are copied to Drive as well and brought from there (it asks for access once), unless `use_drive` is off; on
    Kaggle they are brought from an earlier version's output, if that is attached. `changes`: any setting of
    srgan/config.py; a relative "folder:PATH" counts from the project. Raises SRGANError for an unknown preset or
    setting, a folder that cannot be written, or a Drive that cannot be read.
    """
    changes = {name: value for name, value in changes.items() if (name, value) != ("dataset", "")}
    config = presets.preset(preset, **changes)
    config = config.replace(dataset=sources.absolute(config.data.dataset, PROJECT))
    colab = in_colab() and not on_kaggle()
    copies = _mount_drive() if colab and use_drive else None
    paths = open_workdir(workdir or _local_folder(), config.name, copies)
    drive.fetch(paths, Progress())
    _bring_earlier_version(paths)
    print(f"SRGAN {srgan.__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}, Python {sys.version.split()[0]}")
    print(f"Computing on {machine.describe()}, in {precision.resolve(config.optimization.precision)}")
    if preset not in ("quick", "fast", "shipped") and not tf.config.list_physical_devices("GPU"):
        print(f'No GPU is attached, and the preset "{preset}" would take weeks without one. {how_to_attach_a_gpu()}')
    if colab and not use_drive:
        print("Drive is off: everything made here vanishes with this machine.")
    print(f"Run {config.name} on {config.data.dataset}, in {paths.workdir}" + (f", copied to {copies}" if copies else ""))
    print(status.sentence(config, paths))
    return config, paths


def start_upscaling(
    model: str = "auto", workdir: str = "", use_drive: bool = False, scale: float = 4.0, width: int = 0, height: int = 0
) -> tuple[Order, Path]:
    """What is to be made of files, and the folder for results; prints what was found.

    `model`: "auto" for what suits each file, the name of weights that come with the project, or a path, a relative one counted
    from the working directory. `width`, `height`: pixels, instead of `scale`; 0: not said. Raises SRGANError if there are no such
    weights, they are damaged, the size is none, or nothing can be written.
    """
    wanted = size.wanted(None if width or height else scale, width or None, height or None)
    copies = _mount_drive() if in_colab() and use_drive else None
    paths = open_workdir(copies or workdir or _local_folder(), "upscaled")
    print(f"SRGAN {srgan.__version__}, TensorFlow {tf.__version__}, computing on {machine.describe()}")
    if model == "auto":
        order = Order(size=wanted)
    else:
        file = paths.workdir / weights.find(model)
        card = weights.card(file)
        scores = ", ".join(f"{name} {score['psnr_y']:.2f} dB" for name, score in card.get("scores", {}).items())
        print(f"{file.name}: {card['step']:,} steps of training" + (f"; PSNR-Y on {scores}" if scores else ""))
        order = Order(models=(model if model in weights.SHIPPED else str(file),), size=wanted)
    print(f"Results go to {paths.output}")
    return order, paths.output


def prepare(config: Config, paths: Paths) -> Dataset:
    """The run's photos as pairs of LR and HR: prepared now, or found where this was done before."""
    return preparation.prepare(config, paths, ensemble.teacher(config))


def keep(paths: Paths) -> None:
    """Copy what is new to Drive now; without Drive there is nothing to do. (Training does so by itself.)"""
    with drive.open_run(paths, Progress()):
        pass


def _mount_drive() -> Path:
    """Mount Google Drive; the folder on it that keeps the copies."""
    from google.colab import drive as google_drive

    google_drive.mount(str(DRIVE))
    if not (DRIVE / "MyDrive").is_dir():
        raise SRGANError("Google Drive was not mounted. Run the cell again and allow access, or set use_drive = False.")
    folder = DRIVE / "MyDrive" / "srgan"
    folder.mkdir(exist_ok=True)
    return folder


def work_folder(workdir: str = "") -> Path:
    """The folder that data/ model/ output/ loss/ are in."""
    return Path(workdir or _local_folder()).expanduser()


def _local_folder() -> Path:
    """The project; or a folder on the local disk where the project lies on Drive; or what Kaggle keeps."""
    if on_kaggle():
        return hosting.KAGGLE / "working"
    return Path.home() / "srgan" if PROJECT.is_relative_to(DRIVE) else PROJECT


def _bring_earlier_version(paths: Paths) -> None:
    """On Kaggle: what an earlier version of the notebook left, if its output is attached as input."""
    for folder in earlier_versions(paths.run) if on_kaggle() else []:
        for sentence in drive.Mirror(paths, folder).pull():
            print(sentence)


def headless() -> bool:
    """Whether a command executes this notebook, with nobody looking on: then lines are printed instead of a live panel."""
    return bool(os.environ.get("SRGAN_HEADLESS"))


def has_display() -> bool:
    """Whether pictures can be shown: in a notebook's kernel, not in plain Python or a terminal."""
    return hasattr(get_ipython(), "kernel")


# Showing ------------------------------------------------------------------------------------------------------------


def show_source(*definitions) -> None:
    """The real definitions, as they stand in the library."""
    for definition in definitions:
        display(Code(inspect.getsource(definition), language="python"))


def show(thing, caption: str = "") -> None:
    """A PIL image, a matplotlib figure, the PNG at a path, or anything that a notebook can show, such as a table.

    `caption`: what to look at; it stands below, and is read aloud instead of a picture.
    """
    display(_as_image(thing, caption) if isinstance(thing, (str, Path, Figure, PillowImage.Image)) else thing)
    if caption:
        display(Markdown(f"*{caption}*"))


def _as_image(picture, alt: str) -> Image:
    """A PIL image, a matplotlib figure or the PNG at a path, as what stays in the notebook: a PNG."""
    about = {"alt": alt}
    if isinstance(picture, (str, Path)):
        return Image(filename=str(picture), metadata=about)
    buffer = io.BytesIO()
    if isinstance(picture, Figure):
        picture.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
    else:
        picture.save(buffer, format="png")
    return Image(data=buffer.getvalue(), metadata=about)


def show_table(rows: list[dict]) -> None:
    """Rows with the same keys, as a table."""
    display(Table.of(rows))


def show_photos(pack: Pack, title: str, limit: int = 32) -> None:
    """The names and thumbnails of the photos in `pack`, the first `limit` of them."""
    names = pack.names()
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    print(f"{title}, {len(names)} photos: {', '.join(names[:limit])}{more}")
    show(
        comparisons.contact_sheet([pack.pair(i)[1] for i in range(min(limit, len(pack)))]),
        f"{title}: thumbnails in the same order.",
    )


# Training ------------------------------------------------------------------------------------------------------------


def show_training(paths: Paths, stage: str) -> None:
    """The loss curves of a stage and its newest sample strip; a sentence if it has not been trained."""
    rows = history.read(paths.history(stage))
    if not rows:
        print(f"Stage {stage} has no steps in this run.")
        return
    show(plots.losses(rows), "Losses over all steps, and over the last half on a scale of its own. Only the bold mean counts.")
    if strip := newest_sample(paths, stage):
        show(strip, "LR, SR and HR of held-out photos at the last sample.")


def newest_sample(paths: Paths, stage: str) -> Path | None:
    """The newest sample strip of a stage, None where there is none."""
    return max(paths.output.glob(f"samples/{stage}_step_*.png"), default=None)


class Dashboard(Progress):
    """Training as a notebook shows it: a panel with one bar, one figure and the newest strip, all redrawn in place.

    Drawing is paced by what it costs: it takes two hundredths of the training's time at most.
    """

    def __init__(self, paths: Paths):
        self._paths = paths

    def start(self, stage: str, step: int, total_steps: int, batch_size: int) -> None:
        super().start(stage, step, total_steps, batch_size)
        self._begin(stage, step)
        if self._live:
            self._draw_panel()
            self._draw()

    def _begin(self, stage: str, step: int) -> None:
        """What is known of `stage` from its files, and nothing drawn yet."""
        self._live = has_display() and not headless()
        # Rows beyond `step` are of work that was lost: training takes them out of the file in a moment.
        self._rows = [row for row in history.read(self._paths.history(stage)) if row["step"] <= step]
        self._sample, self._shown = newest_sample(self._paths, stage) if step else None, None
        self._note = ""
        self._panel = self._figure = self._strip = None
        self._drawing, self._panels = Budget(SECONDS_BETWEEN_DRAWINGS, DRAWING), Budget(SECONDS_BETWEEN_PANELS, PANEL)
        written = sorted(self._paths.checkpoints.glob(f"{stage}-*.npz"))
        self._checkpoint = (step, written[-1].stat().st_mtime) if written and step else None

    def tick(self, step: int) -> None:
        super().tick(step)
        if self._live and self._panels.allows():
            self._draw_panel()

    def foretell(self, sentence: str) -> None:
        self._note = sentence
        if not self._live:
            super().foretell(sentence)

    def row(self, row: dict) -> None:
        self._rows.append(row)
        if not self._live:
            super().row(row)
        elif self._drawing.allows():
            self._draw()

    def sample(self, path: Path) -> None:
        self._sample = path

    def saved(self, path: Path) -> None:
        self._checkpoint = (self.step, time.time())

    def close(self) -> None:
        super().close()
        if has_display():
            self._draw_panel(ended=True)
            self._draw(ended=True)

    def finished(self, stage: str, step: int, total_steps: int) -> None:
        """What the training had shown at its end: panel, curves and the newest strip."""
        super().finished(stage, step, total_steps)
        if has_display():
            super().start(stage, step, total_steps, 0)
            self._begin(stage, step)
            self._draw_panel(ended=True)
            self._draw(ended=True)

    def has_bar(self) -> bool:
        return False

    def share(self) -> float:
        """Of the time since the start, what drawing has taken."""
        return self._drawing.share_spent() + self._panels.share_spent()

    def _draw_panel(self, ended: bool = False) -> None:
        with self._panels.spend():
            row = self._rows[-1] if self._rows else {}
            state = self.stage, self.step, self.total_steps, self.seconds_left(), row, self._checkpoint, self.standing()
            self._panel = _redraw(self._panel, TrainingPanel(*state, note="" if ended else self._note, ended=ended))

    def _draw(self, ended: bool = False) -> None:
        """Figure and strip, each where it changed.

        Live, the figure is in the page's colours and cheap; what stays is a PNG, as viewers strip the drawings of
        notebooks that were run elsewhere.
        """
        with self._drawing.spend():
            if self._rows:
                live = self._live and not ended
                svg = HTML(live_curves.of_stage(self._rows)) if live else None
                drawn = svg or _as_image(plots.training(self._rows), "The losses of this training")
                self._figure = _redraw(self._figure, drawn)
            if self._sample != self._shown:
                strip = _as_image(self._sample, "The newest samples: LR, SR and HR")
                self._strip, self._shown = _redraw(self._strip, strip), self._sample


def _redraw(handle, picture):
    """Show `picture` where `handle` shows its own, or for the first time; returns the handle."""
    if handle is None:
        return display(picture, display_id=True)
    handle.update(picture)
    return handle
