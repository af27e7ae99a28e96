"""The loss files of older projects, a line an epoch, read as a GAN's history so that the same plots come of them."""

from __future__ import annotations

import re
from pathlib import Path

from srgan.errors import SRGANError

COLUMNS = ("step", "discriminator", "perceptual", "content", "adversarial")  # in the order of a line; the epoch is the step
FORM = "EPOCH n  d_loss x  gan_loss [perceptual, content, adversarial]"

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf)"
_LOSS = rf"(?:(?:np|numpy)\.float\d+\(\s*({_NUMBER})\s*\)|({_NUMBER}))"  # NumPy 2 prints np.float32(0.051)
_LINE = re.compile(
    rf"EPOCH\s*:?\s*(\d+)[\s,]+d_loss\s*:?\s*{_LOSS}[\s,]+gan_loss\s*:?\s*"
    rf"\[\s*{_LOSS}[\s,]+{_LOSS}[\s,]+{_LOSS}\s*\]",
    re.IGNORECASE,
)


def read(path: Path) -> list[dict[str, float]]:
    """The rows of the loss file at `path`, oldest first, with COLUMNS.

    A first line without a digit is a title; empty lines do not count. Where the epochs step back, training had gone on
    from an earlier model: the rows that it made again replace the earlier ones. Raises SRGANError, with its number, for
    any other line, and for a file that cannot be read or holds no epoch.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise SRGANError(f"{path} cannot be read ({error.strerror or error}).") from error
    rows: list[dict[str, float]] = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or (number == 1 and not re.search(r"\d", line)):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise SRGANError(f"{path}, line {number}: {line[:80]!r} is not of the form {FORM}. Mend the line or take it out.")
        row = dict(zip(COLUMNS, (float(group) for group in found.groups() if group is not None), strict=True))
        while rows and rows[-1]["step"] >= row["step"]:
            rows.pop()
        rows.append(row)
    if not rows:
        raise SRGANError(f"{path} holds no line of the form {FORM}.")
    return rows
