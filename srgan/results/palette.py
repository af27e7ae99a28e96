"""The colours and names of all curves, in notebooks, the dashboard and the report alike."""

from __future__ import annotations

# Readable on white and on black.
BLUE, ORANGE, GREEN, RED, GRAY = "#2f86d0", "#e8820c", "#2a9d3f", "#dd4444", "#888888"

Series = dict[str, tuple[str, str]]  # column of the loss history -> (name to show, colour)

GENERATOR_LOSSES: Series = {
    "loss": ("loss", BLUE),
    "perceptual": ("perceptual loss", BLUE),
    "content": ("content loss", ORANGE),
}
DISCRIMINATOR_LOSS: Series = {"discriminator": ("discriminator loss", BLUE)}
DISCRIMINATOR_OUTPUTS: Series = {"d_hr": ("D(HR)", GREEN), "d_sr": ("D(SR)", RED)}


def losses(row: dict[str, float]) -> Series:
    """The losses to draw of a stage whose history has the columns of `row`: the generator's, or D's where it learns alone."""
    return {name: shown for name, shown in GENERATOR_LOSSES.items() if name in row} or DISCRIMINATOR_LOSS
