"""Notebook 03: the two gradients that G could follow, what a feature network sees, and where D finds a picture false."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from srgan.data import images
from srgan.results import palette


def generator_gradients(logits: np.ndarray) -> dict[str, np.ndarray]:
    """How strongly each loss of G pulls the logit of D(SR) up: the size of its derivative, at each of `logits`.

    With D = sigmoid(logit): of log(1 - D) it is D, of -log D it is 1 - D.
    """
    d = 1 / (1 + np.exp(-logits))
    return {"log(1 - D(SR))": d, "-log D(SR)": 1 - d}


def gradients_figure() -> Figure:
    """Both losses of G and their gradients over D(SR)."""
    logits = np.linspace(-6, 6, 201)
    d = 1 / (1 + np.exp(-logits))
    losses = {"log(1 - D(SR))": np.log(1 - d), "-log D(SR)": -np.log(d)}
    figure = Figure(figsize=(10, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, gradient), color in zip(generator_gradients(logits).items(), (palette.RED, palette.BLUE), strict=True):
        left.plot(d, losses[name], color=color, label=name)
        right.plot(d, gradient, color=color, label=name)
    left.set(title="what G minimizes", xlabel="D(SR)")
    right.set(title="how strongly it pulls", xlabel="D(SR)", ylabel="size of the gradient in D's logit")
    right.axvspan(0, 0.1, color=palette.GRAY, alpha=0.2)
    right.text(0.12, 0.5, "here training\nbegins: D wins", fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def first_features(generator: keras.Model, layer: str = "block1_add") -> Callable[[np.ndarray], np.ndarray]:
    """A function from a picture (H, W, 3) uint8 to what `generator` has made of it behind `layer`, (H, W, C)."""
    front = keras.Model(generator.input, generator.get_layer(layer).output)
    return lambda picture: np.asarray(front(images.to_float(picture)[None], training=False))[0]


def feature_maps(features: dict[str, np.ndarray], count: int = 6) -> Figure:
    """The `count` channels of the first picture's features (h, w, C) that vary most, one row for each of the pictures by name."""
    first = next(iter(features.values()))
    chosen = np.argsort(first.var(axis=(0, 1)))[::-1][:count]
    figure = Figure(figsize=(1.9 * count, 2.1 * len(features)), layout="constrained")
    panels = figure.subplots(len(features), count, squeeze=False)
    for row, (name, maps) in zip(panels, features.items(), strict=True):
        for axes, channel in zip(row, chosen, strict=True):
            limits = first[..., channel].min(), first[..., channel].max()
            axes.imshow(maps[..., channel], cmap="gray", vmin=limits[0], vmax=limits[1])
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{name}, {channel}", fontsize=9)
    return figure


def d_map(discriminator: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, side: int, pace: int = 0) -> np.ndarray:
    """D's logit for each window of `picture` (H, W, 3) in [-1, 1]: (rows, columns).

    `discriminator` takes (B, side, side, 3) and gives logits (B, ...), of which the mean is taken. Windows lie `pace` pixels
    apart (default: a quarter of the side). Raises ValueError if the picture is smaller than a window.
    """
    pace = pace or side // 4
    if min(picture.shape[:2]) < side:
        raise ValueError(f"A picture of {picture.shape[1]}x{picture.shape[0]} has no window of {side} pixels.")
    rows, columns = (range(0, length - side + 1, pace) for length in picture.shape[:2])
    windows = np.stack([picture[top : top + side, left : left + side] for top in rows for left in columns])
    logits = np.concatenate([np.asarray(discriminator(windows[i : i + 16])).reshape(len(windows[i : i + 16]), -1).mean(axis=1)
                             for i in range(0, len(windows), 16)])  # fmt: skip
    return logits.reshape(len(rows), len(columns))


def beliefs(hr_logits: np.ndarray, sr_logits: np.ndarray, adversarial: str) -> dict[str, np.ndarray]:
    """{"HR": ..., "SRGAN": ...}: D's beliefs as probabilities of a photo; a relativistic D's beside the other's mean."""
    if adversarial == "relativistic":
        hr_logits, sr_logits = hr_logits - sr_logits.mean(), sr_logits - hr_logits.mean()
    return {name: 1 / (1 + np.exp(-logits)) for name, logits in (("HR", hr_logits), ("SRGAN", sr_logits))}


def d_figure(pictures: dict[str, np.ndarray], maps: dict[str, np.ndarray], side: int) -> Figure:
    """`pictures` (H, W, 3) uint8 by name with D's map laid over each: green where D takes it for a photo, red where not."""
    figure = Figure(figsize=(4.6 * len(pictures), 3.6), layout="constrained")
    panels = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axes, (name, picture) in zip(panels, pictures.items(), strict=True):
        height, width = picture.shape[:2]
        axes.imshow(picture)
        reach = (side / 2 - side / 8, width - side / 2 + side / 8, height - side / 2 + side / 8, side / 2 - side / 8)
        shown = axes.imshow(maps[name], cmap="RdYlGn", vmin=0, vmax=1, alpha=0.45, extent=reach, interpolation="bilinear")
        axes.set(title=f"{name}: mean D = {maps[name].mean():.2f}", xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    figure.colorbar(shown, ax=list(panels), shrink=0.8, label="D: probability of a photo")
    return figure


def players() -> Figure:
    """Who learns from what: in each half of a step one network learns (green) and the other stands still (grey)."""
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    boxes = {"LR": (0, 0.5), "G": (2, 0.5), "SR": (4, 0.5), "HR": (4, 1.7), "D": (6, 1.1), "verdict": (8, 1.1)}
    halves = {"D learns: HR is real, SR is false": "D", "G learns: D shall say real of SR": "G"}
    for axes, (title, learner) in zip(figure.subplots(1, 2), halves.items(), strict=True):
        for name, (left, bottom) in boxes.items():
            color = palette.GREEN if name == learner else palette.GRAY if name in "GD" else palette.BLUE
            axes.add_patch(FancyBboxPatch((left, bottom), 1.1, 0.6, "round,pad=0.04", facecolor=color, alpha=0.3, edgecolor=color))
            axes.text(left + 0.55, bottom + 0.3, name, ha="center", va="center", fontsize=10)
        forward = [("LR", "G"), ("G", "SR"), ("SR", "D"), ("D", "verdict"), *([("HR", "D")] if learner == "D" else [])]
        for start, end in forward:
            _arrow(axes, boxes[start], boxes[end], "black", 0.0)
        back = [("verdict", "D")] if learner == "D" else [("verdict", "D"), ("D", "SR"), ("SR", "G")]
        for start, end in back:
            _arrow(axes, boxes[end], boxes[start], palette.RED, -0.35)
        axes.set(xlim=(-0.3, 9.4), ylim=(-0.2, 2.6))
        axes.set_title(title, fontsize=11)
        axes.axis("off")
    return figure


def _arrow(axes, left: tuple[float, float], right: tuple[float, float], color: str, below: float) -> None:
    """From box to box, to the right; or, where it lies `below`, back again."""
    start, end = (left[0] + 1.15, left[1] + 0.3 + below), (right[0] - 0.05, right[1] + 0.3 + below)
    axes.annotate("", *((start, end) if below else (end, start)), arrowprops={"arrowstyle": "->", "color": color})
