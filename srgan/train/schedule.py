"""The learning rate of each update."""

from __future__ import annotations

import math

from srgan.config import Config


def learning_rate(config: Config, stage: str, step: int) -> float:
    """G's learning rate at update `step` (0 is the first): linear warm-up, then the stage's schedule. D's is a multiple of it."""
    settings, pretraining = config.optimization, stage == "srresnet"
    peak = settings.pretrain_learning_rate if pretraining else settings.gan_learning_rate
    schedule = settings.pretrain_schedule if pretraining else settings.gan_schedule
    done = min(step / max(config.total_steps(stage), 1), 1.0)
    warmth = min((step + 1) / (settings.warmup_steps + 1), 1.0)
    decay = {
        "constant": 1.0,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
        "step": 1.0 if done < 0.5 else 0.1,
    }[schedule]
    return peak * warmth * decay
