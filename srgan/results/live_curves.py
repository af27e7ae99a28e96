"""Loss curves as SVG in the page's own colours: cheap enough to redraw while training runs, sharp at every size.

`of_stage` gives one figure whose panels stand side by side, or one under the other where the page is narrow.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable

from srgan.results import palette
from srgan.runs.history import smooth, thinned

WIDTH, HEIGHT = 360, 205  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 38, 22  # its margins: title and legend stand above
POINTS = 400  # of a curve: as many as can be told apart in a panel


def of_stage(rows: list[dict[str, float]]) -> str:
    """The figure of one stage, as HTML: losses, of all and of the newest steps; D(HR) and D(SR), or the learning rate; the speed.

    `rows` as `history.read` gives them, at least one.
    """
    shown = palette.losses(rows[0])
    newest = rows[-max(len(rows) // 5, 20) :]
    rows = thinned(rows, POINTS)
    panels = [plot("Loss, all steps", rows, shown, logarithmic=True), plot("Loss, the newest steps", newest, shown)]
    if "d_hr" in rows[0]:
        panels.append(plot("D(HR) and D(SR), means", rows, palette.DISCRIMINATOR_OUTPUTS, limits=(0, 1), line=0.5))
    elif "learning_rate" in rows[0]:
        panels.append(plot("Learning rate", rows, {"learning_rate": ("", palette.GRAY)}))
    if "images_per_second" in rows[0]:
        fastest = max(row["images_per_second"] for row in rows)
        panels.append(plot("Images a second", rows, {"images_per_second": ("", palette.GRAY)}, limits=(0, 1.1 * fastest or 1)))
    style = "display:flex;flex-wrap:wrap;gap:6px 14px;max-width:760px"
    return f'<div class="srgan-curves" style="{style}">{"".join(panels)}</div>'


def plot(
    title: str,
    rows: list[dict[str, float]],
    series: palette.Series,
    logarithmic: bool = False,
    limits: tuple[float, float] | None = None,
    line: float | None = None,
) -> str:
    """One set of axes with a curve for each column of `series`: as recorded in a pale line, smoothed in a bold one. As SVG."""
    rows = thinned(rows, POINTS)
    steps = [row["step"] for row in rows]
    drawn = {name: [row[name] for row in rows] for name in series}
    smoothed = {name: [float(value) for value in smooth(values)] for name, values in drawn.items()}
    values = [value for each in drawn.values() for value in each]
    logarithmic = logarithmic and min(values) > 0
    low, high = limits or (min(values), max(values))
    if low == high:
        low, high = low - abs(low or 1) / 10, high + abs(high or 1) / 10
    across = _scale(steps[0], steps[-1], LEFT, WIDTH - RIGHT, False)
    up = _scale(low, high, HEIGHT - BOTTOM, TOP, logarithmic)
    parts = [_axes(title, steps, low, high, across, up, logarithmic)]
    if line is not None:
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(line):.1f}" y2="{up(line):.1f}"'
        parts.append(f'<line {ends} stroke="currentColor" stroke-dasharray="2 4"/>')
    legend = LEFT
    for name, (label, colour) in series.items():
        parts.append(_curve(steps, drawn[name], across, up, f'stroke="{colour}" stroke-width="1" opacity=".35"'))
        parts.append(_curve(steps, smoothed[name], across, up, f'stroke="{colour}" stroke-width="2"'))
        if label:
            parts.append(f'<rect x="{legend}" y="23" width="12" height="3" fill="{colour}"/>')
            parts.append(_text(legend + 16, 28, label, "start", 11))
            legend += 30 + 6.3 * len(label)
    return (
        f'<svg role="img" aria-label="{html.escape(title)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="flex:1 1 300px;min-width:0;max-width:{WIDTH}px" font-family="system-ui,sans-serif" fill="currentColor">'
        f"{''.join(parts)}</svg>"
    )


def _axes(title: str, steps, low: float, high: float, across: Callable, up: Callable, logarithmic: bool) -> str:
    parts = [_text(LEFT, 14, title, "start", 13)]
    for value in ticks(low, high, logarithmic):
        y = f"{up(value):.1f}"
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="currentColor" opacity=".15"/>')
        parts.append(_text(LEFT - 5, up(value) + 4, f"{value:.4g}", "end", 11))
    parts.append(_text(LEFT, HEIGHT - 5, f"{steps[0]:,.0f}", "start", 11))
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 5, f"step {steps[-1]:,.0f}", "end", 11))
    return "".join(parts)


def ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    """Round numbers from `low` to `high`, about five of them: 1, 2 and 5 times powers of ten."""
    if logarithmic and high / low >= 4:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [digit * 10.0**power for power in powers for digit in ((1, 2, 5) if high / low < 100 else (1,))]
    else:
        rough = (high - low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
        found = [i * step for i in range(math.floor(low / step), math.ceil(high / step) + 1)]
    return [value for value in found if low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high)]


def _scale(low: float, high: float, start: float, end: float, logarithmic: bool) -> Callable[[float], float]:
    """From a number to its place in pixels."""
    change = math.log10 if logarithmic else float
    first, last = change(low), change(high)
    span = (last - first) or 1.0
    return lambda value: start + (change(value) - first) / span * (end - start)


def _curve(steps, values, across: Callable, up: Callable, style: str) -> str:
    points = " ".join(f"{across(step):.1f},{up(value):.1f}" for step, value in zip(steps, values, strict=True))
    return f'<polyline points="{points}" fill="none" {style}/>'


def _text(x: float, y: float, words: str, anchor: str, size: int) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{html.escape(words)}</text>'
