"""Notebook 03: the smallest GAN there is, in NumPy alone: G shifts and stretches noise on a line, D is a curve over the line."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from srgan.results import palette

REAL = (2.0, 0.5)  # mean and spread of what is real


def play(steps: int = 1500, held: float = 0.1, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """(G's (shift, stretch), D's three weights) after each of 0 to `steps` updates of both.

    `held`: how strongly D's weights are drawn to 0, so that D is never too sure. At 0 the two swing around each other.
    """
    rng = np.random.default_rng(seed)
    g, d = np.array([0.0, 1.0]), np.zeros(3)
    played = [(g, d)]
    for _ in range(steps):
        z, real = rng.normal(size=(2, 256))
        real, fake = REAL[0] + REAL[1] * real, g[0] + g[1] * z
        # D: the gradient of -log D(real) - log(1 - D(fake)), and the pull to 0.
        to_d = seen(real) @ (probability(d, real) - 1) + seen(fake) @ probability(d, fake)
        d = d - 0.3 * (to_d / z.size + held * d)
        # G: that of -log D(fake), through D's slope at each number it made.
        slope = (probability(d, fake) - 1) * (d[1] + 2 * d[2] * (fake - 1))
        g = g - 0.02 * np.array([slope.mean(), (slope * z).mean()])
        played.append((g, d))
    return played


def seen(x: np.ndarray) -> np.ndarray:
    """What D sees of numbers (N,): 1, how far they lie from 1, and the square of that less 1, (3, N)."""
    return np.stack([np.ones_like(x), x - 1, (x - 1) ** 2 - 1])


def probability(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    """D of numbers (N,): how likely each is real."""
    return 1 / (1 + np.exp(-d @ seen(x)))


def figure(played: list[tuple[np.ndarray, np.ndarray]], steps: tuple[int, ...] = (0, 50, 200, 1500)) -> Figure:
    """What is real, what G makes and what D says, after each of `steps`."""
    x = np.linspace(-3, 5, 201)
    drawn = Figure(figsize=(11, 2.6), layout="constrained")
    for axes, step in zip(drawn.subplots(1, len(steps), sharey=True), steps, strict=True):
        g, d = played[step]
        for (mean, spread), name, color in ((REAL, "real", palette.BLUE), (g, "G's", palette.RED)):
            density = np.exp(-(((x - mean) / spread) ** 2) / 2) / abs(spread) / np.sqrt(2 * np.pi)
            axes.fill_between(x, density, color=color, alpha=0.35, label=name)
        axes.plot(x, probability(d, x), color="black", label="D")
        axes.set(title=f"step {step:,}", xlabel="number")
        axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return drawn
