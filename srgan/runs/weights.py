"""Weights: what inference needs of a trained generator, in Keras's .weights.h5 with a JSON card beside it.

They may be a stranger's. Loading them never runs code, and never takes more memory than the network needs: the card is
checked first, then what the file declares against its size and the network, and only then anything is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from srgan.config import Config, Generator, flat_group, settings
from srgan.errors import SRGANError
from srgan.models import networks, precision
from srgan.models.refinement import is_refinement
from srgan.runs.outside import ANYTHING, NUMBER, SHA256, TEXT, Damaged, read_json, sha256, whole
from srgan.runs.paths import PROJECT, write_atomically, write_json

SHIPPED = ("srgan", "srresnet", "fast", "fast-gan", "photo", "photo-fast")  # the weights that may come with the project, best first

# What a card says. The bounds are far above any network that was ever published, and low enough to be built.
CARD = {
    "network": {
        "blocks": whole(0, 512),
        "filters": whole(1, 2048),
        "head_kernel": whole(1, 63),
        "output_kernel": whole(1, 63),
        "tail_filters?": whole(0, 2048),
    },
    "sha256": SHA256,
    "stage?": TEXT,
    "step?": whole(),
    "seconds?": NUMBER,
    "commit?": TEXT,
    "machine?": TEXT,
    "settings?": {...: ANYTHING},
    "before?": [{"step?": whole(), "seconds?": NUMBER}],
    "scores?": {...: {...: NUMBER}},
}
WENT_WRONG = "Its training went wrong: take an earlier one."
SLACK = 2**22  # bytes of a file beside its numbers; HDF5 takes some kB for each variable


def card_path(weights: Path) -> Path:
    """The card of `NAME.weights.h5` is `NAME.json`."""
    return weights.with_name(weights.name.removesuffix(".weights.h5") + ".json")


def save(path: Path, generator: keras.Model, config: Config, about: dict) -> None:
    """Write the weights, then their card: network, sha256, and `about` (stage, step, ...)."""
    # HDF5 takes the whole process down when the disk fills up under it, so the room is tried first: the parameters,
    # and for each variable more than the 2.4 kB that its entry was measured to take.
    room = 4 * generator.count_params() + 2**13 * len(generator.weights)

    def write(temporary: Path) -> None:
        temporary.write_bytes(bytes(room))
        generator.save_weights(temporary)

    write_atomically(path, write)
    write_json(card_path(path), about | {"network": flat_group(config.generator), "sha256": sha256(path)})


def card(path: Path) -> dict:
    """The card of the weights at `path`. Raises SRGANError if either is missing or they do not belong together."""
    try:
        content = read_json(card_path(path), CARD)
        if content["sha256"] != sha256(path):
            raise SRGANError(f"{path} is damaged: its sha256 is not the one in {card_path(path).name}. Train again or restore it.")
        return content
    except Damaged as error:
        raise SRGANError(f"{card_path(path)} is not a card of weights ({error}).") from error
    except FileNotFoundError as error:
        raise SRGANError(f"There are no weights at {path}: {error.filename} is missing.") from error
    except OSError as error:
        raise SRGANError(f"{path} cannot be read ({error.strerror or error}).") from error


def find(name: str) -> Path:
    """Where the weights named lie: those that come with the project (SHIPPED), or the file at that path.

    Raises SRGANError for what is neither by its name.
    """
    if name in SHIPPED:
        return shipped_folder() / f"{name}.weights.h5"
    if not name.endswith(".weights.h5"):
        told = f"{name} is no file of weights of this project" if Path(name).exists() else f"There are no weights named {name}"
        raise SRGANError(f"{told}. Give a file that ends in .weights.h5, or one of {', '.join(_there())}.")
    return Path(os.path.expanduser(name))  # as it is where there is no such user


def shipped_folder() -> Path:
    """Where the weights that come with the project lie: model/ of a checkout; an installed package holds its own copy."""
    inside = Path(__file__).resolve().parents[1] / "shipped"
    return inside if inside.is_dir() else PROJECT / "model"


def shipped() -> dict[str, Path]:
    """Those of SHIPPED that are there, best first: name -> file. Raises SRGANError if there is none."""
    there = _there()
    if not there:
        raise SRGANError(
            f"{shipped_folder()} holds no weights: bring those of the project back (git checkout model), or train some "
            "and name them (--model FILE)."
        )
    return there


def _there() -> dict[str, Path]:
    return {name: find(name) for name in SHIPPED if find(name).is_file()}


def load_into(generator: keras.Model, path: Path, config: Config) -> dict:
    """Load the weights at `path` into `generator`, which is of the settings `config`; returns their card.

    A network with a refinement takes weights without one too: it begins as theirs. Raises SRGANError if they are missing, damaged
    or of another network.
    """
    content, ours = card(path), flat_group(config.generator)
    theirs = flat_group(Generator()) | content["network"]  # a setting that did not exist yet was as the default is
    grown = bool(ours["tail_filters"]) and not theirs["tail_filters"]
    differing = [
        f"{name} (there {theirs[name]}, here {value})"
        for name, value in ours.items()
        if theirs[name] != value and not (grown and name == "tail_filters")
    ]
    if differing:
        raise SRGANError(f"The weights at {path} are of another network: {', '.join(differing)}. Give this run the same settings.")
    if grown:
        _copy_by_name(load(path), generator)
    else:
        _read(generator, path)
    return content


def _copy_by_name(source: keras.Model, target: keras.Model) -> None:
    """Give each layer of `target`, but those of its refinement, the weights of the layer of that name in `source`."""
    for layer in target.layers:
        if layer.weights and not is_refinement(layer):
            layer.set_weights(source.get_layer(layer.name).get_weights())


def load(path: Path) -> keras.Model:
    """The generator of the weights at `path`, built in float32 from their card. Raises SRGANError like `load_into`."""
    network = card(path)["network"]
    convolutions = 18 * network["blocks"] * network["filters"] ** 2 + 3 * network["filters"] * network["head_kernel"] ** 2
    if 4 * convolutions > path.stat().st_size + SLACK:
        raise SRGANError(f"{card_path(path)} tells of a network that is larger than {path.name}.")
    try:
        with precision.policy("float32"):
            generator = networks.generator(settings(**network))
    except (SRGANError, ValueError, TypeError) as error:
        raise SRGANError(f"{card_path(path)} does not describe the network of {path.name} ({error}).") from error
    _read(generator, path)
    if not np.isfinite(generator(np.full((1, 8, 8, 3), 0.5, np.float32), training=False)).all():
        raise SRGANError(f"{path} makes no picture: its values are not finite. {WENT_WRONG}")
    return generator


def _read(generator: keras.Model, path: Path) -> None:
    """Load the file at `path`, once it is known to hold as many numbers as `generator` has, and check that all are finite."""
    try:
        with h5py.File(path, "r") as file:
            numbers = sum(_numbers(file))
        wanted = sum(int(np.prod(variable.shape)) for variable in generator.weights)
        if numbers != wanted:
            raise Damaged(f"it holds {numbers:,} numbers, the network {wanted:,}")
        generator.load_weights(path)
    except Exception as error:  # of a damaged file h5py and Keras raise many kinds
        raise SRGANError(f"{path} does not hold the network that its card describes ({error}).") from error
    if not all(np.isfinite(variable.numpy()).all() for variable in generator.weights):
        raise SRGANError(f"{path} holds values that are not finite. {WENT_WRONG}")


def _numbers(group: h5py.Group) -> Iterator[int]:
    """The size of each array below `group`. Raises Damaged for arrays that may be larger than the file, or lie outside."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise Damaged(f"{name[:60]!a} is a link")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _numbers(item)
        elif item.dtype.kind != "f" or item.chunks or item.external or item.is_virtual:
            raise Damaged(f"{name[:60]!a} is no plain array of floats")
        else:
            yield item.size
