"""Figures of losses and scores by matplotlib: all of them but the live curves of the dashboard (`live_curves`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from srgan.results import palette
from srgan.runs.history import smooth
from srgan.runs.paths import write_atomically

Rows = list[dict[str, float]]  # of a loss history, as `history.read` gives them; at least one
Window = tuple[int, int] | None  # (first step, last step); None: the last half


def losses(
    rows: Rows, window: Window = None, adversarial_weight: float = 0.0, unit: str = "step", marks: Iterable[int] = ()
) -> Figure:
    """The losses of one stage over all steps, and in a second panel between the steps of `window`.

    The first steps hide all that comes after them, so the second panel has a scale of its own. With `adversarial_weight` the
    first also has the adversarial loss, times this weight. `unit`: what a row's "step" counts, such as "epoch". `marks`:
    steps to mark by a line, such as those where training was resumed.
    """
    figure, (whole, detail) = _two_panels()
    first, last = _window(rows, window)
    _draw_losses(whole, rows, adversarial_weight)
    _draw_losses(detail, _between(rows, first, last))
    whole.set(title=f"all {unit}s", xlabel=unit, yscale="log")
    detail.set(title=f"{unit}s {first:,} to {last:,}", xlabel=unit)
    for axes in (whole, detail):
        for mark in marks:
            if axes is whole or first <= mark <= last:
                axes.axvline(mark, color=palette.GRAY, linestyle="--", label=f"resumed at {unit} {mark:,}")
        axes.legend(frameon=False)
    return figure


def training(rows: Rows) -> Figure:
    """A stage at one glance: its losses; beside them D(HR) and D(SR), or the learning rate where there is no D."""
    figure, (left, right) = _two_panels()
    _draw_losses(left, rows)
    left.set(xlabel="step", yscale="log")
    left.legend(frameon=False)
    steps = [row["step"] for row in rows]
    if "d_hr" in rows[0]:
        for name, (label, color) in palette.DISCRIMINATOR_OUTPUTS.items():
            right.plot(steps, [row[name] for row in rows], color=color, label=label)
        right.axhline(0.5, color=palette.GRAY, linestyle=":", label="D cannot tell")
        right.set(ylim=(0, 1))
    else:
        right.plot(steps, [row["learning_rate"] for row in rows], color=palette.GRAY, label="learning rate")
    right.set(xlabel="step")
    right.legend(frameon=False)
    return figure


def runs(rows: dict[str, Rows], column: str = "content", window: Window = None) -> Figure:
    """One loss of several runs, by the name to show: over all steps, and between those of `window`."""
    figure, (whole, detail) = _two_panels()
    first, last = _window(max(rows.values(), key=lambda each: each[-1]["step"]), window)
    for (name, each), color in zip(rows.items(), (palette.BLUE, palette.ORANGE, palette.GREEN, palette.RED), strict=False):
        for axes, shown in ((whole, each), (detail, _between(each, first, last))):
            _draw_curve(axes, shown, column, name, color, style="-" if color == palette.BLUE else "--")
    for axes in (whole, detail):
        axes.set(xlabel="step", ylabel=column if column == "loss" else f"{column} loss")
        axes.legend(frameon=False)
    whole.set(title="all steps", yscale="log")
    detail.set(title=f"steps {first:,} to {last:,}")
    return figure


def bars(values: dict[str, dict[str, float]], label: str) -> Figure:
    """One panel a group, one bar a member: {group: {member: value}}, all on one scale."""
    figure = Figure(figsize=(5.5 * len(values), 3), layout="constrained")
    panels = figure.subplots(1, len(values), sharex=True, squeeze=False)[0]
    colors = (palette.GRAY, palette.BLUE, palette.ORANGE, palette.GREEN)
    for axes, (group, members) in zip(panels, values.items(), strict=True):
        drawn = axes.barh(list(members), list(members.values()), color=colors[: len(members)])
        axes.bar_label(drawn, fmt="%.2f", padding=3)
        axes.invert_yaxis()
        axes.set(title=group, xlabel=label)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def bias(means: dict[int, float], label: str) -> Figure:
    """{pictures in each set: the mean distance of two sets of one kind}, which an unbiased measure would have at 0."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(means), list(means.values()), "o-", color=palette.BLUE)
    axes.set(xlabel="pictures in each set", ylabel=label, ylim=(0, None), title="two sets of the same kind")
    axes.grid(alpha=0.3)
    return figure


def plane(ours: dict[str, tuple[float, float]], theirs: dict[str, tuple[float, float]], title: str, label: str) -> Figure:
    """Perception against distortion (Blau and Michaeli 2018): {name: (PSNR, LPIPS)}, right and up are better.

    `ours` filled; `theirs`, published and by another LPIPS, hollow. `label`: of our LPIPS. Names with an @ (strengths of the dial)
    are small and joined by a line.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    dial = {name: point for name, point in ours.items() if "@" in name}
    if dial:
        axes.plot(*zip(*dial.values(), strict=True), ".-", color=palette.ORANGE, linewidth=1, label="the dial between two networks")
    named = {name: point for name, point in ours.items() if name not in dial}
    _points(axes, named, palette.BLUE, palette.BLUE, f"measured here: {label}")
    _points(axes, theirs, palette.GRAY, "none", "published: another LPIPS, compare only relations")
    axes.invert_yaxis()
    axes.set(title=title, xlabel="PSNR-Y, dB (right: closer to the truth)", ylabel="LPIPS (up: closer to it for the eye)")
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    axes.legend(frameon=False, loc="lower right")
    return figure


def dial(values: dict[str, dict[float, dict[str, float]]], measures: dict[str, str]) -> Figure:
    """{set: {strength: {measure: value}}} over the strength, a panel for each of `measures` (measure: its name)."""
    figure = Figure(figsize=(3.8 * len(measures), 3.2), layout="constrained")
    for axes, (measure, name) in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures.items(), strict=True):
        for (set_name, by_strength), color in zip(values.items(), (palette.BLUE, palette.ORANGE, palette.GREEN), strict=False):
            axes.plot(list(by_strength), [each[measure] for each in by_strength.values()], "o-", color=color, label=set_name)
        axes.set(title=name, xlabel="--strength")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    return figure


def _points(axes, points: dict[str, tuple[float, float]], edge: str, face: str, label: str) -> None:
    axes.scatter([x for x, _ in points.values()], [y for _, y in points.values()], edgecolors=edge, facecolors=face, label=label)
    for name, point in points.items():
        axes.annotate(name, point, textcoords="offset points", xytext=(6, 5), fontsize=8, color=edge)


def save(path: Path, figure: Figure) -> None:
    """Write `figure` as PNG, atomically."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120, bbox_inches="tight"))


def _two_panels():
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes in panels:
        axes.grid(alpha=0.3)
    return figure, panels


def _window(rows: Rows, window: Window) -> tuple[int, int]:
    last = int(rows[-1]["step"])
    return window or (last // 2, last)


def _between(rows: Rows, first: int, last: int) -> Rows:
    return [row for row in rows if first <= row["step"] <= last]


def _draw_losses(axes, rows: Rows, adversarial_weight: float = 0.0) -> None:
    for name, (label, color) in (palette.losses(rows[0]) if rows else {}).items():
        _draw_curve(axes, rows, name, label, color)
    if adversarial_weight and "adversarial" in rows[0]:
        _draw_curve(axes, rows, "adversarial", f"{adversarial_weight:g} x adversarial loss", palette.RED, adversarial_weight)


def _draw_curve(axes, rows: Rows, column: str, label: str, color: str, factor: float = 1.0, style: str = "-") -> None:
    """As recorded in a pale line, and smoothed in a bold one."""
    steps, values = [row["step"] for row in rows], factor * np.array([row[column] for row in rows])
    axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.35)
    axes.plot(steps, smooth(values), style, color=color, label=label)
