"""The state of a running training as a small piece of HTML: a bar and a line of numbers, in the colours of the page."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass, field

from srgan.config import STAGES
from srgan.results import palette
from srgan.runs.progress import ago, clock

SHOWN = {"loss": "loss", "perceptual": "perceptual loss", "content": "content loss", "discriminator": "discriminator loss",
         "d_hr": "D(HR)", "d_sr": "D(SR)", "images_per_second": "images/s", "learning_rate": "learning rate"}  # fmt: skip
FORMATS = {"d_hr": "{:.2f}", "d_sr": "{:.2f}", "images_per_second": "{:,.0f}", "learning_rate": "{:.2g}"}

# No colour of text: it is the page's, light or dark. Rows wrap where the page is narrow.
_OUTER = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.6;max-width:760px"
_ROW = "display:flex;flex-wrap:wrap;gap:0 1.4em"
_BAR = "height:9px;margin:3px 0;border-radius:5px;overflow:hidden;background:rgba(128,128,128,.3)"
_FILL = f"height:100%;background:{palette.BLUE}"


@dataclass
class TrainingPanel:
    """What is known of a training. A notebook shows it as HTML, anything else as one line."""

    stage: str
    step: int
    total_steps: int
    seconds_left: float = 0.0  # 0: not known
    row: dict[str, float] = field(default_factory=dict)  # the newest of the loss history
    checkpoint: tuple[int, float] | None = None  # the last one's step, and when it was saved (time.time)
    drive: str = ""  # how the copy on Drive stands, where there is one
    note: str = ""  # how long it will take, with a warning where that is too long
    ended: bool = False

    def state(self) -> str:
        """ "4:10 left", "done" or "stopped"."""
        if self.ended or self.step >= self.total_steps:
            return "done" if self.step >= self.total_steps else "stopped"
        return f"{clock(self.seconds_left)} left" if self.seconds_left else "measuring the speed"

    def numbers(self) -> dict[str, str]:
        """The newest row's numbers by the name to show."""
        return {SHOWN[name]: FORMATS.get(name, "{:.4f}").format(self.row[name]) for name in SHOWN if name in self.row}

    def saved(self) -> str:
        """Where and when the last checkpoint was saved."""
        if self.checkpoint is None:
            return "no checkpoint yet"
        step, when = self.checkpoint
        return "; ".join(filter(None, (f"checkpoint of step {step:,}: {ago(time.time() - when)}", self.drive)))

    def _repr_html_(self) -> str:
        done = 100 * min(self.step / max(self.total_steps, 1), 1)
        head = (f"<b>{STAGES[self.stage]}</b>", f"step {self.step:,} of {self.total_steps:,}", f"{done:.0f} %", self.state())
        numbers = (f'<span style="opacity:.7">{name}</span> {value}' for name, value in self.numbers().items())
        return (
            f'<div class="srgan-panel" style="{_OUTER}"><div style="{_ROW}">{_spans(head)}</div>'
            f'<div role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{done:.0f}" style="{_BAR}">'
            f'<div style="{_FILL};width:{done:.1f}%"></div></div>'
            f'<div style="{_ROW}">{_spans(numbers)}</div>'
            f'<div style="{_ROW};opacity:.8">{_spans([html.escape(self.saved())])}</div>'
            f'<div style="opacity:.8">{html.escape(self.note)}</div></div>'
        )

    def __repr__(self) -> str:
        numbers = "  ".join(f"{name} {value}" for name, value in self.numbers().items())
        told = f"{STAGES[self.stage]} step {self.step:,} of {self.total_steps:,}, {self.state()}"
        return "  ".join(filter(None, (told, numbers, self.saved(), self.note)))


def _spans(parts) -> str:
    return "".join(f"<span>{part}</span>" for part in parts)
