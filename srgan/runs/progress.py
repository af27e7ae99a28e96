"""What a person sees of a training that runs: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm.auto import tqdm

from srgan.runs import hosting

SECONDS_BETWEEN_LINES = 10.0
SECONDS_TO_MEASURE = 10.0  # of training before its length is foretold
UNMEASURED_CALLS = 2  # of the device: they compile, and say nothing of the speed
WORTH_TELLING = 60.0  # seconds; shorter trainings are not foretold


class Progress:
    """Told of each event by `training.fit`. With a terminal it draws one tqdm bar, without one it prints lines."""

    standing: Callable[[], str] = staticmethod(lambda: "")  # how the copy on Drive stands, where there is one

    def start(self, stage: str, step: int, total_steps: int, batch_size: int) -> None:
        """Training of `stage` goes on from `step` towards `total_steps`."""
        self.stage, self.step, self.total_steps, self.batch_size = stage, step, total_steps, batch_size
        self._measured = step, time.monotonic()  # where the measuring of its speed begins
        self._calls, self._foretold = 0, False
        self._printed = 0.0
        self._bar = None
        if self.has_bar():
            self._bar = tqdm(total=total_steps, initial=step, desc=stage, unit="step", dynamic_ncols=True)

    def tick(self, step: int) -> None:
        """Training has come to `step`; told after each call of the device, several times a second or every few seconds."""
        self.step = step
        self._calls += 1
        if self._calls <= UNMEASURED_CALLS:
            self._measured = step, time.monotonic()
        elif not self._foretold and time.monotonic() - self._measured[1] >= SECONDS_TO_MEASURE:
            self._foretold = True
            if self.seconds_left() > WORTH_TELLING:
                self.foretell(self.forecast())

    def foretell(self, sentence: str) -> None:
        """Tell how long the stage will take."""
        self.say(sentence)

    def seconds_left(self) -> float:
        """Of this stage, at the speed measured so far; 0 before anything was measured."""
        since, begun = self._measured
        return (time.monotonic() - begun) / max(self.step - since, 1) * (self.total_steps - self.step) if self.step > since else 0.0

    def forecast(self) -> str:
        """How long the stage will take, as its first steps went; a warning where the place lends its machine for less."""
        left, session = self.seconds_left(), hosting.free_session()
        speed = left / (self.total_steps - self.step)
        told = f"As the first steps go ({speed:.2g} s each), stage {self.stage} has {lasting(left)} to go."
        return f"{told} {session.warning(left)}".rstrip() if session else told

    def row(self, row: dict[str, float]) -> None:
        """A new row of the loss history."""
        self.step = int(row["step"])
        if self._bar is not None:
            self._bar.update(self.step - self._bar.n)
            self._bar.set_postfix_str(self._summary(row))
        elif self.step >= self.total_steps or time.monotonic() - self._printed > SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            left = f"  {clock(self.seconds_left())} left" if self.step > self._measured[0] else ""
            self.say(f"{self.stage} step {self.step} of {self.total_steps}  {self._summary(row)}{left}")

    def _summary(self, row: dict[str, float]) -> str:
        """The few numbers of `row` that fit behind a bar, and how the copy on Drive stands."""
        shown = [f"{name} {row[name]:.4f}" for name in ("loss", "perceptual", "discriminator") if name in row]
        return "  ".join([*shown, f"{row['images_per_second']:.0f} images/s", self.standing()]).rstrip()

    def sample(self, path: Path) -> None:
        """A new sample strip lies at `path`."""

    def saved(self, path: Path) -> None:
        """A new checkpoint lies at `path`."""

    def finished(self, stage: str, step: int, total_steps: int) -> None:
        """`stage` was finished before: nothing is left to train."""
        self.say(f"{stage} has reached step {step} of {total_steps}: nothing to do.")

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


def lasting(seconds: float) -> str:
    """Seconds as "about 50 seconds", "about 13 minutes", "about 2.5 hours" or "about 12 days"."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 1.5 * length:
            count = seconds / length
            return f"about {count:.1f} {unit}s" if unit != "minute" and count < 9.95 else f"about {count:.0f} {unit}s"
    return f"about {seconds:.0f} seconds"


class Budget:
    """When something may be drawn: every `interval` seconds at most, and never for more than `share` of the time that passes.

    What a drawing costs is measured; only the first is drawn on credit.
    """

    def __init__(self, interval: float, share: float):
        self.interval, self.share = interval, share
        self._begun, self._last, self._cost, self.spent = time.monotonic(), -math.inf, 0.0, 0.0

    def allows(self) -> bool:
        now = time.monotonic()
        return now - self._last >= self.interval and self.spent + self._cost <= self.share * (now - self._begun)

    def share_spent(self) -> float:
        """Of the time that has passed, what drawing has taken."""
        return self.spent / max(time.monotonic() - self._begun, 1e-9)

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        """Measure the drawing that is made in this context."""
        begun = time.monotonic()
        yield
        self._last = time.monotonic()
        self._cost = self._last - begun
        self.spent += self._cost


def shows_bars() -> bool:
    """Whether a bar that redraws itself can be seen: on a terminal, or in a notebook that somebody looks at."""
    return sys.stderr.isatty() or ("ipykernel" in sys.modules and not os.environ.get("SRGAN_HEADLESS"))
