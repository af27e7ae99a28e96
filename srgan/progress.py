"""What a person sees of a training that runs: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Told of each event by `training.fit`. With a terminal it draws one tqdm bar, without one it prints lines."""

    standing: Callable[[], str] = staticmethod(lambda: "")  # how the copy on Drive stands, where there is one

    def start(self, stage: str, step: int, horizon: int, batch_size: int) -> None:
        """Training of `stage` goes on from `step` towards `horizon`."""
        self.stage, self.step, self.horizon, self.batch_size = stage, step, horizon, batch_size
        self._first, self._begun, self._printed = step, time.monotonic(), 0.0
        self._bar = None
        if self.has_bar():
            self._bar = tqdm(total=horizon, initial=step, desc=stage, unit="step", dynamic_ncols=True)

    def row(self, row: dict[str, float]) -> None:
        """A new row of the loss history."""
        self.step = int(row["step"])
        if self._bar is not None:
            self._bar.update(self.step - self._bar.n)
            self._bar.set_postfix_str(self._summary(row))
        elif self.step >= self.horizon or time.monotonic() - self._printed > SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            left = (self._printed - self._begun) / (self.step - self._first) * (self.horizon - self.step)
            self.say(f"{self.stage} step {self.step} of {self.horizon}  {self._summary(row)}  {clock(left)} left")

    def _summary(self, row: dict[str, float]) -> str:
        """The few numbers of `row` that fit behind a bar, and how the copy on Drive stands."""
        shown = [f"{name} {row[name]:.4f}" for name in ("loss", "perceptual", "discriminator") if name in row]
        return "  ".join([*shown, f"{row['images_per_second']:.0f} images/s", self.standing()]).rstrip()

    def sample(self, path: Path) -> None:
        """A new sample strip lies at `path`."""

    def saved(self, path: Path) -> None:
        """A new checkpoint lies at `path`."""

    def say(self, sentence: str) -> None:
        """Tell the person something in words."""
        if getattr(self, "_bar", None) is not None:
            self._bar.write(sentence)
        else:
            print(sentence, flush=True)

    def close(self) -> None:
        """Training has ended, whatever the reason."""
        if getattr(self, "_bar", None) is not None:
            self._bar.close()
            self._bar = None

    def has_bar(self) -> bool:
        return sys.stderr.isatty()


def clock(seconds: float) -> str:
    """Seconds as "1:02:03" or "2:03"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def ago(seconds: float) -> str:
    """Seconds as "just now", "3 minutes ago", "5 hours ago" or "2 days ago"."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def shows_bars() -> bool:
    """Whether a bar that redraws itself can be seen: on a terminal, or in a notebook that somebody looks at."""
    return sys.stderr.isatty() or ("ipykernel" in sys.modules and not os.environ.get("SRGAN_HEADLESS"))
