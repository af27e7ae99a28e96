"""Where a stage begins: at its newest readable checkpoint, or else at the weights that it builds on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from srgan.config import Config, fields
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.runs import checkpoints, weights
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import replicas, weight_average
from srgan.train.state import State


def resume(config: Config, paths: Paths, stage: str, dataset: Dataset, progress: Progress) -> State:
    """The state of the newest readable checkpoint of `stage`, or the state that the stage begins with.

    Of several workers the first reads it, and the others get it from there. Raises SRGANError if the checkpoint is of other
    settings or photos, or if the weights to begin with are missing.
    """
    state = State(config, stage)
    if replicas.is_chief():
        _read(config, paths, state, dataset, progress)
    key = int(hashlib.sha256(dataset.key.encode()).hexdigest()[:12], 16)
    state.step, chiefs_key = replicas.from_chief([state.step, key])
    if key != chiefs_key:
        raise SRGANError(f"This worker has other photos ({dataset.folder}) than the first one. Give all workers the same.")
    replicas.copy_from_chief(list(state.variables().values()))
    return state


def _read(config: Config, paths: Paths, state: State, dataset: Dataset, progress: Progress) -> None:
    """Give `state` what the newest checkpoint of its stage holds, or what the stage begins from."""
    checkpoint, complaints = checkpoints.newest(paths.checkpoints, state.stage)
    for complaint in complaints:
        progress.say(complaint)
    if checkpoint is not None:
        _refuse_other_settings(config, checkpoint, dataset)
        state.load(checkpoint)
        progress.say(f"Going on from {checkpoint.path.name}, saved {checkpoint.about['saved']}.")
    else:
        _begin(config, paths, state)
        weight_average.begin(state.average, state.generator)


def _begin(config: Config, paths: Paths, state: State) -> None:
    """Give the generator the weights of stage srresnet, and D those of stage discriminator, where the run has them.

    The first stage begins from the weights that `initial` names.
    """
    if state.stage != "srresnet" and "srresnet" in config.stages:
        begin_from_weights(config, _srresnet_weights(paths), state)
    elif config.optimization.initial:
        begin_from_weights(config, weights.find(config.optimization.initial), state)
    if state.stage == "srgan" and "discriminator" in config.stages:
        _begin_from_discriminator(config, paths, state)


def begin_from_weights(config: Config, path: Path, state: State) -> None:
    """Load the weights at `path` into the generator, and take over what their card tells of their training."""
    card = weights.load_into(state.generator, path, config)
    training = {key: card[key] for key in ("stage", "step", "seconds", "settings", "commit", "machine")}
    state.provenance = [*card["before"], training]


def _begin_from_discriminator(config: Config, paths: Paths, state: State) -> None:
    checkpoint, _ = checkpoints.newest(paths.checkpoints, "discriminator")
    if checkpoint is None or checkpoint.step < config.optimization.discriminator_steps:
        raise SRGANError(
            f"{paths.checkpoints} has no finished discriminator, and this run's GAN starts from one: "
            "train stage discriminator first (notebook 03, or python -m srgan train, does both in order)."
        )
    for variable in state.discriminator.variables:
        variable.assign(checkpoint.arrays[f"discriminator/{variable.path}"])


def _srresnet_weights(paths: Paths) -> Path:
    path = paths.weights("srresnet")
    if not path.is_file():
        raise SRGANError(
            f"{path.parent} has no SRResNet weights yet, and the GAN starts from them: "
            "run notebook 02 first (python -m srgan pretrain in the shell)."
        )
    return path


def _refuse_other_settings(config: Config, checkpoint: checkpoints.Checkpoint, dataset: Dataset) -> None:
    theirs = Config().flat() | checkpoint.about["config"]  # a setting that did not exist yet was as the default is
    ours = config.flat()
    differing = [
        f"{name} (there {theirs[name]}, here {ours[name]})"
        for name, _, field in fields()
        if not field.metadata["may_change"] and theirs[name] != ours[name]
    ]
    if checkpoint.about["data"] != dataset.key:
        differing.append(f"the photos (there {checkpoint.about['data']}, here {dataset.key})")
    if differing:
        raise SRGANError(
            f"{checkpoint.path} is of other settings: {'; '.join(differing)}. "
            'Go back to the old ones, or begin anew beside it under another name (run = "NAME").'
        )
