"""Where a notebook runs: Google Colab, Kaggle, or a machine of one's own; what that place offers, and for how long."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

KAGGLE = Path(os.environ.get("SRGAN_KAGGLE", "/kaggle"))  # holds input/, read-only, and working/, which is kept


@dataclass(frozen=True)
class FreeSession:
    """How long a machine that costs nothing is lent, in hours. No promise of theirs: as users met it in 2026."""

    whose: str
    often: float  # many end by then
    most: float

    def warning(self, seconds: float) -> str:
        """What to say of a training that needs `seconds` more; nothing if it fits."""
        if seconds <= self.often * 3600:
            return ""
        shorter = f", and often end after about {self.often:g}" if self.often < self.most else ""
        takes = "needs several of them" if seconds > self.most * 3600 else "may need two of them"
        return (
            f"{self.whose} last {self.most:g} hours at most{shorter}: this training {takes}. "
            "Nothing is lost: open the notebook again and run it, and it goes on from its last checkpoint."
        )


COLAB_SESSION, KAGGLE_SESSION = FreeSession("Colab's free sessions", 4, 12), FreeSession("Kaggle's sessions", 12, 12)


def in_colab() -> bool:
    """Whether this is Google Colab."""
    return importlib.util.find_spec("google") is not None and importlib.util.find_spec("google.colab") is not None


def on_kaggle() -> bool:
    """Whether this is a Kaggle notebook."""
    return (KAGGLE / "working").is_dir()


def free_session() -> FreeSession | None:
    """The session that this place lends; None on a machine of one's own."""
    if on_kaggle():  # first: its image holds google.colab too
        return KAGGLE_SESSION
    return COLAB_SESSION if in_colab() else None


def how_to_attach_a_gpu() -> str:
    """What to click, in a sentence."""
    if on_kaggle():
        return "Attach one: in the right-hand panel, Session options > Accelerator > GPU T4 x2, then Run all."
    if in_colab():
        return "Attach one: Runtime > Change runtime type > T4 GPU > Save, then Run all."
    return "Open the notebook in Colab, which lends one, or choose the preset quick."


def earlier_versions(run: str) -> list[Path]:
    """Folders with model/`run` under Kaggle's input: the output of an earlier version of the notebook, attached to this one."""
    depths = ("*/" * depth + f"model/{run}" for depth in range(1, 6))
    return sorted(found.parent.parent for pattern in depths for found in (KAGGLE / "input").glob(pattern))
