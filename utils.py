"""What every notebook leans on: session set-up, pictures in the output cell, and the training dashboard.

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

from srgan.runs import load_tensorflow as quiet

quiet.load_tensorflow()
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # its notices on fonts and their cache help nobody

import keras
import numpy as np
import tensorflow as tf
from IPython import get_ipython
from IPython.display import HTML, Code, Image, Markdown, display
from matplotlib.figure import Figure
from PIL import Image as PillowImage

import srgan
from srgan import presets
from srgan.config import Config
from srgan.data import sources
from srgan.data.dataset import Pack
from srgan.errors import SRGANError
from srgan.models import precision
from srgan.results import live_curves as curves
from srgan.results import widgets as viewing
from srgan.results.panel import Panel
from srgan.runs import drive as mirror
from srgan.runs import history, machine, status, weights
from srgan.runs import hosting as places
from srgan.runs.hosting import earlier_versions, how_to_attach_a_gpu, in_colab, on_kaggle
from srgan.runs.paths import PROJECT, Paths, open_workdir, write_atomically
from srgan.runs.progress import Budget, Progress
from srgan.upscale import files as upscaling
from srgan.upscale import image_files as pictures
from srgan.upscale import network as upscale

DRIVE = Path(os.environ.get("SRGAN_DRIVE", "/content/drive"))  # where Colab mounts Google Drive
SECONDS_BETWEEN_DRAWINGS, SECONDS_BETWEEN_PANELS = 5.0, 1.0
DRAWING, PANEL = 0.015, 0.003  # the most of the training's time that they may take

INK, BLUE, ORANGE, GREEN, RED = "#333333", "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"


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
    drive = _mount_drive() if colab and use_drive else None
    paths = open_workdir(workdir or _local_folder(), config.name, drive)
    mirror.fetch(paths, Progress())
    _bring_earlier_version(paths)
    print(f"SRGAN {srgan.__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}, Python {sys.version.split()[0]}")
    print(f"Computing on {machine.describe()}, in {precision.resolve(config.optimization.precision)}")
    if preset not in ("quick", "fast", "shipped") and not tf.config.list_physical_devices("GPU"):
        print(f'No GPU is attached, and the preset "{preset}" would take weeks without one. {how_to_attach_a_gpu()}')
    if colab and not use_drive:
        print("Drive is off: everything made here vanishes with this machine.")
    print(f"Run {config.name} on {config.data.dataset}, in {paths.workdir}" + (f", copied to {drive}" if drive else ""))
    print(status.sentence(config, paths))
    return config, paths


def start_upscaling(model: str, workdir: str = "", use_drive: bool = False) -> tuple[upscale.Network, Path]:
    """An upscaler by the weights that `model` names, and the folder for results; prints what was found.

    `model`: "srgan", "srresnet" or "fast", which come with the project, or a path, a relative one counted from the
    working directory. Raises SRGANError if there are no such weights, they are damaged, or nothing can be written.
    """
    drive = _mount_drive() if in_colab() and use_drive else None
    paths = open_workdir(drive or workdir or _local_folder(), "upscaled")
    file = paths.workdir / weights.find(model)
    card = weights.card(file)
    print(f"SRGAN {srgan.__version__}, TensorFlow {tf.__version__}, computing on {machine.describe()}")
    scores = ", ".join(f"{name} {score['psnr_y']:.2f} dB" for name, score in card.get("scores", {}).items())
    print(f"{file.name}: {card['step']:,} steps of training" + (f"; PSNR-Y on {scores}" if scores else ""))
    print(f"Results go to {paths.output}")
    return upscale.load(file), paths.output


def keep(paths: Paths) -> None:
    """Copy what is new to Drive now; without Drive there is nothing to do. (Training does so by itself.)"""
    with mirror.open_mirror(paths, Progress()):
        pass


def _mount_drive() -> Path:
    """Mount Google Drive; the folder on it that keeps the copies."""
    from google.colab import drive

    drive.mount(str(DRIVE))
    if not (DRIVE / "MyDrive").is_dir():
        raise SRGANError("Google Drive was not mounted. Run the cell again and allow access, or set use_drive = False.")
    return DRIVE / "MyDrive" / "srgan"


def _local_folder() -> Path:
    """The project; or a folder on the local disk where the project lies on Drive; or what Kaggle keeps."""
    if on_kaggle():
        return places.KAGGLE / "working"
    return Path.home() / "srgan" if PROJECT.is_relative_to(DRIVE) else PROJECT


def _bring_earlier_version(paths: Paths) -> None:
    """On Kaggle: what an earlier version of the notebook left, if its output is attached as input."""
    for folder in earlier_versions(paths.run) if on_kaggle() else []:
        for sentence in mirror.Mirror(paths, folder).pull():
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


def show(picture) -> None:
    """A PIL image, a matplotlib figure, or the PNG at a path, inline."""
    display(_inline(picture))


def show_table(rows: list[dict]) -> None:
    """Rows with the same keys, as a table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    display(Markdown("\n".join(lines)))


def show_markdown(text: str) -> None:
    display(Markdown(text))


def show_html(page: str) -> None:
    display(HTML(page))


def upload_photos(upscaler: upscale.Network, folder: Path) -> None:
    """A button for photos from the reader's disk; each is upscaled into `folder`, shown before and after, and can be downloaded."""

    def use(name: str, content: bytes) -> None:
        source = folder / "uploaded" / Path(name).name
        try:
            source.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(source, lambda temporary: temporary.write_bytes(content))
            target = folder / f"{source.stem}{upscaling.ending(source)}"
            before = upscaling.upscale_file(source, target, upscaler, force=True)
            after = pictures.read(target)
        except SRGANError as error:
            print(error)
            return
        show_html(viewing.slider(upscale.bicubic(before.shown()), after.shown(), ("bicubic", "upscaled")))
        show_html(viewing.download_link(target))

    display(viewing.upload("image/*", use))


def _inline(picture) -> Image:
    if isinstance(picture, (str, Path)):
        return Image(filename=str(picture))
    buffer = io.BytesIO()
    if isinstance(picture, Figure):
        picture.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
    else:
        picture.save(buffer, format="png")
    return Image(data=buffer.getvalue())


def show_photos(pack: Pack, title: str, limit: int = 32) -> None:
    """The names and thumbnails of the photos in `pack`, the first `limit` of them."""
    names = pack.names()
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    print(f"{title}, {len(names)} photos: {', '.join(names[:limit])}{more}")
    show(contact_sheet([pack.pair(i)[1] for i in range(min(limit, len(pack)))]))


def contact_sheet(photos: list[np.ndarray], side: int = 120, columns: int = 8) -> PillowImage.Image:
    """Thumbnails of (height, width, 3) uint8 images, in rows."""
    rows = -(-len(photos) // columns)
    sheet = PillowImage.new("RGB", (min(columns, len(photos)) * (side + 4), rows * (side + 4)), "white")
    for i, photo in enumerate(photos):
        thumbnail = PillowImage.fromarray(photo)
        thumbnail.thumbnail((side, side))
        sheet.paste(thumbnail, (i % columns * (side + 4), i // columns * (side + 4)))
    return sheet


# Curves -------------------------------------------------------------------------------------------------------------


def show_training(paths: Paths, stage: str) -> None:
    """The loss curves of a stage and its newest sample strip; a sentence if it has not been trained."""
    rows = history.read(paths.history(stage))
    if not rows:
        print(f"Stage {stage} has no steps in this run.")
        return
    show(plot_losses(rows))
    strips = sorted(paths.output.glob(f"samples/{stage}_step_*.png"))
    if strips:
        show(strips[-1])


def plot_losses(
    rows: list[dict], window: tuple[int, int] | None = None, adversarial_weight: float = 1e-3, unit: str = "step"
) -> Figure:
    """The losses of one stage over all steps and, zoomed, between the steps of `window` (default: the last half).

    The content loss of the first steps hides all that comes after it; hence the second panel with its own scale. `unit`:
    what a row's "step" counts, such as "epoch" in the files of older projects.
    """
    last = int(rows[-1]["step"])
    first, end = window or (last // 2, last)
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    whole, detail = figure.subplots(1, 2)
    _draw_losses(whole, rows, adversarial_weight)
    _draw_losses(detail, [row for row in rows if first <= row["step"] <= end])
    whole.set(title=f"all {unit}s", xlabel=unit, yscale="log")
    detail.set(title=f"{unit}s {first:,} to {end:,}", xlabel=unit)
    return figure


def plot_against(rows: dict[str, list[dict]], column: str = "content", window: tuple[int, int] | None = None) -> Figure:
    """One loss of several runs (by the name to show) in one picture: over all steps, and between those of `window`."""
    last = int(max(each[-1]["step"] for each in rows.values()))
    first, end = window or (last // 2, last)
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    whole, detail = figure.subplots(1, 2)
    for (name, each), color in zip(rows.items(), (BLUE, ORANGE, GREEN, RED), strict=False):
        for axes, shown in ((whole, each), (detail, [row for row in each if first <= row["step"] <= end])):
            steps, values = ([row[key] for row in shown] for key in ("step", column))
            axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.35)
            axes.plot(steps, history.smooth(np.array(values)), color=color, label=name)
    for axes in (whole, detail):
        axes.set(xlabel="step", ylabel=f"{column} loss")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    whole.set(title="all steps", yscale="log")
    detail.set(title=f"steps {first:,} to {end:,}")
    return figure


def plot_bars(values: dict[str, dict[str, float]], label: str) -> Figure:
    """One panel a group, one bar a member: {group: {member: value}}, all on one scale."""
    figure = Figure(figsize=(5.5 * len(values), 3), layout="constrained")
    panels = figure.subplots(1, len(values), sharex=True, squeeze=False)[0]
    for axes, (group, members) in zip(panels, values.items(), strict=True):
        bars = axes.barh(list(members), list(members.values()), color=(INK, BLUE, ORANGE, GREEN)[: len(members)])
        axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.invert_yaxis()
        axes.set(title=group, xlabel=label)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_progress(rows: list[dict]) -> Figure:
    """What the dashboard leaves in an executed copy: losses over all steps; beside them D's opinions or the learning rate."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_losses(left, rows)
    left.set(yscale="log")
    steps = [row["step"] for row in rows]
    if "d_hr" in rows[0]:
        right.plot(steps, [row["d_hr"] for row in rows], color=GREEN, label="D(HR)")
        right.plot(steps, [row["d_sr"] for row in rows], color=RED, label="D(SR)")
        right.axhline(0.5, color=INK, linewidth=0.8, linestyle=":", label="D cannot tell")
        right.set(ylim=(0, 1))
    else:
        right.plot(steps, [row["learning_rate"] for row in rows], color=INK, label="learning rate")
    right.set(xlabel="step")
    right.legend(frameon=False)
    right.grid(alpha=0.3)
    return figure


def _draw_losses(axes, rows: list[dict], adversarial_weight: float | None = None) -> None:
    """The loss, or perceptual and content loss and, where a weight is given, its product with the adversarial one."""
    steps = np.array([row["step"] for row in rows])
    curves = {name: (f"{name} loss", color, 1.0) for name, color in (("perceptual", BLUE), ("content", ORANGE))}
    curves["loss"] = ("pixel loss", BLUE, 1.0)
    if rows and "perceptual" not in rows[0]:
        curves["discriminator"] = ("discriminator loss", GREEN, 1.0)  # where D learns alone
    if adversarial_weight:
        curves["adversarial"] = (f"{adversarial_weight:g} x adversarial loss", RED, adversarial_weight)
    for name, (label, color, factor) in curves.items():
        if rows and name in rows[0]:
            values = factor * np.array([row[name] for row in rows])
            axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.35)
            axes.plot(steps, history.smooth(values), color=color, label=label)
    axes.set(xlabel="step")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def save_figure(path: Path, figure: Figure) -> None:
    """Write `figure` as PNG, atomically."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120, bbox_inches="tight"))


class Dashboard(Progress):
    """Training as a notebook shows it: a panel with one bar, one figure and the newest strip, all redrawn in place.

    Drawing is paced by what it costs: it takes two hundredths of the training's time at most.
    """

    def __init__(self, paths: Paths):
        self._paths = paths

    def start(self, stage: str, step: int, horizon: int, batch_size: int) -> None:
        super().start(stage, step, horizon, batch_size)
        self._live = has_display() and not headless()
        # Rows beyond `step` are of work that was lost: training takes them out of the file in a moment.
        self._rows = [row for row in history.read(self._paths.history(stage)) if row["step"] <= step]
        self._sample = self._shown = None
        self._note = ""
        self._panel = self._figure = self._strip = None
        self._drawing, self._panels = Budget(SECONDS_BETWEEN_DRAWINGS, DRAWING), Budget(SECONDS_BETWEEN_PANELS, PANEL)
        written = sorted(self._paths.checkpoints.glob(f"{stage}-*.npz"))
        self._checkpoint = (step, written[-1].stat().st_mtime) if written and step else None
        if self._live:
            self._draw_panel()
            self._draw()

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

    def has_bar(self) -> bool:
        return False

    def share(self) -> float:
        """Of the time since the start, what drawing has taken."""
        return self._drawing.share_spent() + self._panels.share_spent()

    def _draw_panel(self, ended: bool = False) -> None:
        with self._panels.spend():
            row = self._rows[-1] if self._rows else {}
            state = self.stage, self.step, self.horizon, self.seconds_left(), row, self._checkpoint, self.standing()
            self._panel = _redraw(self._panel, Panel(*state, note=self._note, ended=ended))

    def _draw(self, ended: bool = False) -> None:
        """Figure and strip, each where it changed.

        Live, the figure is in the page's colours and cheap; what stays is a PNG, as viewers strip the drawings of
        notebooks that were run elsewhere.
        """
        with self._drawing.spend():
            if self._rows:
                live = self._live and not ended
                drawn = HTML(curves.of_stage(self._rows)) if live else _inline(plot_progress(self._rows))
                self._figure = _redraw(self._figure, drawn)
            if self._sample != self._shown:
                self._strip, self._shown = _redraw(self._strip, _inline(self._sample)), self._sample


def _redraw(handle, picture):
    """Show `picture` where `handle` shows its own, or for the first time; returns the handle."""
    if handle is None:
        return display(picture, display_id=True)
    handle.update(picture)
    return handle
