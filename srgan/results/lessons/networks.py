"""Notebook 02: the network as a drawing, and why an average of sharp pictures is blurred."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from srgan.config import SCALE, Config, settings
from srgan.results import palette

Part = tuple[str, str, float]  # what it is, its output, width in the drawing
LR, MIDDLE, HR = "h x w", "2h x 2w", "4h x 4w"


def parts(config: Config) -> list[Part]:
    """The generator from left to right; the residual blocks are one part."""
    g = config.generator
    found = [
        ("LR", f"{LR} x 3", 1.0),
        (f"conv {g.head_kernel}x{g.head_kernel}\nPReLU", f"{LR} x {g.filters}", 1.3),
        (
            f"{g.blocks} residual blocks\nconv {'BN ' if g.norm else ''}PReLU conv{' BN' if g.norm else ''} +",
            f"{LR} x {g.filters}",
            2.6,
        ),
        (f"conv 3x3{' BN' if g.norm else ''}\n+ skip", f"{LR} x {g.filters}", 1.3),
    ]
    if g.upsampling == "espcn":
        channels = 3 * SCALE**2
        found.append((f"conv {g.output_kernel}x{g.output_kernel}", f"{LR} x {channels}", 1.3))
        found.append(("pixel\nshuffle by 4", f"{HR} x 3", 1.4))
    else:
        how = "pixel shuffle" if g.upsampling == "pixel_shuffle" else "nearest"
        found += [(f"conv 3x3\n{how} by 2", f"{size} x {g.filters}", 1.6) for size in (MIDDLE, HR)]
        found.append((f"conv {g.output_kernel}x{g.output_kernel}", f"{HR} x 3", 1.3))
    if g.global_skip:
        found.append(("+ bicubic\nof LR", f"{HR} x 3", 1.4))
    if g.tail_filters:
        found.append((f"refinement\n{g.tail_filters} filters", f"{HR} x 3", 1.4))
    return [*found, ("SR", f"{HR} x 3", 1.0)]


def drawing(config: Config) -> Figure:
    """The generator of `config` under that of the paper (figure 4, in our own drawing)."""
    rows = {"the paper's, figure 4": parts(settings()), f"this run's ({config.run.preset})": parts(config)}
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots()
    for row, (title, found) in enumerate(rows.items()):
        _draw_row(axes, 2.4 * (1 - row), title, found)
    axes.set(xlim=(0, 16), ylim=(-0.8, 4.2))
    axes.axis("off")
    return figure


def _draw_row(axes, bottom: float, title: str, found: list[Part]) -> None:
    axes.text(0, bottom + 1.45, title, fontsize=11, weight="bold")
    left = 0.1
    for name, output, width in found:
        large = HR in output
        color = palette.ORANGE if large else palette.BLUE
        axes.add_patch(FancyBboxPatch((left, bottom), width, 1.0, "round,pad=0.02", facecolor=color, alpha=0.22, edgecolor=color))
        axes.text(left + width / 2, bottom + 0.5, name, ha="center", va="center", fontsize=8.5)
        axes.text(left + width / 2, bottom - 0.28, output, ha="center", va="center", fontsize=7.5, color=palette.GRAY)
        left += width + 0.42
        if name != "SR":
            axes.annotate("", (left - 0.05, bottom + 0.5), (left - 0.37, bottom + 0.5), arrowprops={"arrowstyle": "->"})


def ambiguous_edge(
    places: tuple[int, ...] = (4, 5, 6, 7, 7, 8, 9, 11), width: int = 16
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Several HR rows that all fit one LR row, black left and white right of an edge, and the best single answers to them.

    Returns the rows (N, width) in [0, 1] and {"MSE": their mean, "MAE": their median}.
    """
    rows = (np.arange(width) >= np.array(places)[:, None]).astype(float)
    return rows, {"MSE": rows.mean(axis=0), "MAE": np.median(rows, axis=0)}


def edge_figure() -> Figure:
    """The answers to an ambiguous edge, and what each costs in both losses."""
    rows, answers = ambiguous_edge()
    answers = {"one of them": rows[2], **answers}
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    panels = figure.subplots(1, 4, sharey=True)
    for row in rows:
        panels[0].step(range(row.size), row, color=palette.GRAY, alpha=0.6, where="mid")
    panels[0].set(title="HR: the edge may lie anywhere", ylabel="brightness")
    for axes, (name, answer), color in zip(panels[1:], answers.items(), (palette.GREEN, palette.BLUE, palette.ORANGE), strict=True):
        mse, mae = np.mean((rows - answer) ** 2), np.mean(np.abs(rows - answer))
        axes.step(range(answer.size), answer, color=color, where="mid", linewidth=2)
        title = name if name not in ("MSE", "MAE") else f"best by {name}"
        axes.set(title=f"{title}\nMSE {mse:.3f}, MAE {mae:.3f}")
    for axes in panels:
        axes.set(xlabel="pixel")
        axes.grid(alpha=0.3)
    return figure
