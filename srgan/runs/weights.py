"""Weights: what inference needs of a trained generator, in Keras's .weights.h5 with a JSON card beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import keras

from srgan.config import Config, Generator, flat_group, settings
from srgan.errors import SRGANError
from srgan.models import networks, precision
from srgan.models.refinement import is_refinement
from srgan.runs.paths import PROJECT, write_atomically, write_json

SHIPPED = ("srgan", "srresnet", "fast")  # the weights that come with the project, best first


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
        content = json.loads(card_path(path).read_text(encoding="utf-8"))
        if content["sha256"] != sha256(path):
            raise SRGANError(f"{path} is damaged: its sha256 is not the one in {card_path(path).name}. Train again or restore it.")
        return content
    except FileNotFoundError as error:
        raise SRGANError(f"There are no weights at {path}: {error.filename} is missing.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SRGANError(f"{card_path(path)} is not a card of weights ({error}).") from error


def find(name: str) -> Path:
    """Where the weights named lie: those that come with the project (SHIPPED), or the file at that path.

    Raises SRGANError for what is neither by its name.
    """
    if name in SHIPPED:
        return shipped_folder() / f"{name}.weights.h5"
    if not name.endswith(".weights.h5"):
        raise SRGANError(
            f"There are no weights named {name}. Give a file that ends in .weights.h5, or one of {', '.join(SHIPPED)}."
        )
    return Path(name).expanduser()


def shipped_folder() -> Path:
    """Where the weights that come with the project lie: model/ of a checkout; an installed package holds its own copy."""
    inside = Path(__file__).resolve().parents[1] / "shipped"
    return inside if inside.is_dir() else PROJECT / "model"


def shipped() -> dict[str, Path]:
    """Those of SHIPPED that are there, best first: name -> file. Raises SRGANError if there is none."""
    there = {name: find(name) for name in SHIPPED if find(name).is_file()}
    if not there:
        raise SRGANError(
            f"{shipped_folder()} holds no weights: bring those of the project back (git checkout model), or train some "
            "and name them (--model FILE)."
        )
    return there


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
        generator.load_weights(path)
    return content


def _copy_by_name(source: keras.Model, target: keras.Model) -> None:
    """Give each layer of `target`, but those of its refinement, the weights of the layer of that name in `source`."""
    for layer in target.layers:
        if layer.weights and not is_refinement(layer):
            layer.set_weights(source.get_layer(layer.name).get_weights())


def load(path: Path) -> keras.Model:
    """The generator of the weights at `path`, built in float32 from their card."""
    content = card(path)
    try:
        with precision.policy("float32"):
            generator = networks.generator(settings(**content["network"]))
        generator.load_weights(path)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise SRGANError(f"{card_path(path)} does not describe the network of {path.name} ({error}).") from error
    return generator


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
