"""Where a run stands, from its checkpoints and the copy on Drive."""

from __future__ import annotations

import datetime
import time

from srgan.config import STAGES, Config
from srgan.runs import checkpoints, drive
from srgan.runs.paths import Paths
from srgan.runs.progress import ago


def sentence(config: Config, paths: Paths) -> str:
    """Where the run stands and what to do next."""
    parts, unfinished, begun = [], [], False
    for stage in config.stages:
        name, total = STAGES[stage], config.total_steps(stage)
        newest = next(checkpoints.about(paths.checkpoints, stage), None)
        begun = begun or newest is not None
        if newest is not None and newest["step"] >= total:
            parts.append(f"{name} done at step {newest['step']:,}")
            continue
        unfinished.append(name)
        where = "not begun" if newest is None else f"at step {newest['step']:,} of {total:,}, {_saved(paths, newest)}"
        parts.append(f"{name} {where}")
    if not unfinished:
        return f"{', '.join(parts)}; nothing is left to train."
    return f"{', '.join(parts)}; run the next cells to {'go on' if begun else 'begin'} with {unfinished[0]}."


def _saved(paths: Paths, about: dict) -> str:
    """When the checkpoint `about` was saved, and whether all of the run is proven to lie on Drive, where there is one."""
    age = ago(time.time() - datetime.datetime.fromisoformat(about["saved"]).timestamp())
    if paths.drive is None:
        return f"saved {age}"
    return f"saved {age} on Drive" if drive.is_on_drive(paths) else f"saved {age}, not all on Drive yet"
