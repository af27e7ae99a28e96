"""Weights: the generator that was saved is the generator that is loaded, or the file at fault is named."""

import errno
import hashlib
import json
import os
import resource
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from srgan.config import Config, settings
from srgan.errors import SRGANError
from srgan.models import networks, precision
from srgan.runs import weights

SMALL = dict(blocks=1, filters=8, head_kernel=3, output_kernel=3)
NETWORKS = {
    "paper": settings(**SMALL),
    "quick": settings(**SMALL, upsampling="espcn", generator_norm=False, global_skip=True),
    "refined": settings(**SMALL, upsampling="espcn", global_skip=True, tail_filters=4),
    "others": settings(**SMALL, upsampling="nearest", upsampling_activation="leaky_relu", output_activation="tanh"),
    "deep and narrow": settings(blocks=20, filters=1, generator_momentum=0.8),
    "shallow and narrow": settings(blocks=0, filters=1),
}
LR = np.random.default_rng(0).random((1, 6, 5, 3)).astype(np.float32)


def generator_of(config: Config, seed: int = 0) -> keras.Model:
    """A generator with all its variables, statistics too, away from where they begin."""
    rng = np.random.default_rng(seed)
    generator = networks.generator(config)
    for variable in generator.weights:
        variable.assign(variable + rng.uniform(-0.05, 0.05, variable.shape))
    return generator


@pytest.fixture(scope="module")
def quick() -> keras.Model:
    return generator_of(NETWORKS["quick"])


@pytest.fixture
def path(tmp_path, quick) -> Path:
    """Weights with their card."""
    path = tmp_path / "model" / "srgan.weights.h5"
    weights.save(path, quick, NETWORKS["quick"], {"stage": "srgan", "step": 7})
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_the_generator_loaded_gives_the_very_same_picture(tmp_path, name):
    generator = generator_of(NETWORKS[name])
    weights.save(tmp_path / "srgan.weights.h5", generator, NETWORKS[name], {})
    loaded = weights.load(tmp_path / "srgan.weights.h5")
    assert [w.path for w in loaded.weights] == [w.path for w in generator.weights]
    for theirs, ours in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)
    sr = generator(LR, training=False).numpy()
    assert sr.shape == (1, 24, 20, 3) and sr.std() > 0
    np.testing.assert_array_equal(loaded(LR, training=False).numpy(), sr)


def test_weights_trained_in_half_precision_are_loaded_in_full(tmp_path):
    with precision.policy("mixed_bfloat16"):
        generator = generator_of(NETWORKS["paper"])
    weights.save(tmp_path / "srgan.weights.h5", generator, NETWORKS["paper"], {})
    with precision.policy("mixed_bfloat16"):
        loaded = weights.load(tmp_path / "srgan.weights.h5")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"  # as the caller had it
    assert {layer.dtype_policy.name for layer in loaded.layers} == {"float32"}
    for theirs, ours in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_the_card_tells_network_sha256_and_what_was_said(path):
    assert sorted(os.listdir(path.parent)) == ["srgan.json", "srgan.weights.h5"]
    written = json.loads((path.parent / "srgan.json").read_text())
    assert written["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (written["stage"], written["step"]) == ("srgan", 7)
    assert written["network"] == {
        "blocks": 1, "filters": 8, "head_kernel": 3, "output_kernel": 3, "generator_norm": False, "generator_momentum": 0.99,
        "upsampling": "espcn", "upsampling_activation": "prelu", "output_activation": "linear", "global_skip": True,
            "lr_range": "zero_one", "hr_range": "minus_one_one", "tail_filters": 0,
    }  # fmt: skip
    assert weights.card(path) == written


def test_weights_saved_again_replace_the_old_ones(path):
    other = generator_of(NETWORKS["paper"], seed=1)
    weights.save(path, other, NETWORKS["paper"], {"step": 8})
    assert weights.card(path)["step"] == 8
    for theirs, ours in zip(weights.load(path).get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("missing", ["srgan.weights.h5", "srgan.json"])
def test_the_file_that_is_missing_is_named(path, missing):
    (path.parent / missing).unlink()
    for read in (weights.card, weights.load):
        with pytest.raises(SRGANError, match=f"There are no weights at {path}: {path.parent / missing} is missing"):
            read(path)


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(SRGANError, match=f"There are no weights at {tmp_path / 'none' / 'srgan.weights.h5'}"):
        weights.load(tmp_path / "none" / "srgan.weights.h5")


@pytest.mark.parametrize("damage", ["empty", "truncated", "a flipped bit", "zeros", "longer"])
def test_damaged_weights_are_refused_by_name(path, damage):
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes(
        {"empty": b"", "truncated": whole[:-100], "a flipped bit": flipped, "zeros": bytes(len(whole))}.get(damage, whole + b"\0")
    )
    for read in (weights.card, weights.load):
        with pytest.raises(SRGANError, match=rf"{path} is damaged: its sha256 is not the one in srgan\.json"):
            read(path)


def test_weights_beside_the_card_of_others_are_refused(path):
    mine = path.read_bytes()
    weights.save(path, generator_of(NETWORKS["quick"], seed=1), NETWORKS["quick"], {})
    path.write_bytes(mine)
    with pytest.raises(SRGANError, match="is damaged"):
        weights.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"3", b'"words"', b"\xff\xfe", b"\0" * 30])
def test_a_damaged_card_is_refused_by_name(path, content):
    (path.parent / "srgan.json").write_bytes(content)
    with pytest.raises(SRGANError, match=rf"{path.parent / 'srgan.json'} is not a card of weights"):
        weights.load(path)


@pytest.mark.filterwarnings("ignore")  # Keras warns of each layer that finds no weights before it gives up
@pytest.mark.parametrize(
    "network",
    [
        None,
        [],
        {"blocks": 0},
        {"blocks": 2},
        {"filters": 16},
        {"layers": 3},
        {"global_skip": "perhaps"},
        {"upsampling": "pixel_shuffle"},
    ],
    ids=str,
)
def test_a_card_of_another_network_is_refused(path, network):
    card = json.loads((path.parent / "srgan.json").read_text())
    card["network"] = card["network"] | network if isinstance(network, dict) else network
    (path.parent / "srgan.json").write_text(json.dumps(card))
    with pytest.raises(SRGANError):
        weights.load(path)


def test_a_card_without_its_network_is_refused_by_name(path):
    card = json.loads((path.parent / "srgan.json").read_text())
    del card["network"]
    (path.parent / "srgan.json").write_text(json.dumps(card))
    with pytest.raises(SRGANError, match=r"srgan\.json is not a card of weights .*has no network"):
        weights.load(path)


# A full disk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 5000, 50_000])
def test_a_full_disk_is_told_before_hdf5_meets_it_and_the_old_weights_stay(path, quick, monkeypatch, full_disk, room):
    before = {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)}
    assert room < path.stat().st_size
    # HDF5 itself must not be asked: it crashes the process when a write of its own fails.
    monkeypatch.setattr(type(quick), "save_weights", lambda *arguments: pytest.fail("HDF5 met the full disk"))
    with full_disk(after=room), pytest.raises(SRGANError, match=rf"{path} could not be written \({os.strerror(errno.EFBIG)}\)"):
        weights.save(path, quick, NETWORKS["quick"], {"step": 8})
    assert {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)} == before


@pytest.mark.parametrize("name", NETWORKS)
def test_the_room_that_is_tried_is_enough(tmp_path, monkeypatch, name):
    generator, sizes = networks.generator(NETWORKS[name]), []
    save_weights = type(generator).save_weights

    def measured(model, temporary: Path) -> None:
        sizes.append(temporary.stat().st_size)
        save_weights(model, temporary)
        sizes.append(temporary.stat().st_size)

    monkeypatch.setattr(type(generator), "save_weights", measured)
    weights.save(tmp_path / "srgan.weights.h5", generator, NETWORKS[name], {})
    tried, needed = sizes
    assert needed == (tmp_path / "srgan.weights.h5").stat().st_size
    assert needed <= tried < needed + 2 * 2**20


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_is_told_and_the_old_weights_stay(path, quick, monkeypatch, call):
    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    before = {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)}
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(SRGANError, match=os.strerror(errno.EROFS)):
        weights.save(path, quick, NETWORKS["quick"], {"step": 8})
    assert {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)} == before


def test_of_the_weights_that_come_with_the_project_those_that_are_there_are_found_best_first(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PROJECT", tmp_path)
    with pytest.raises(SRGANError, match=r"model holds no weights: .* name them \(--model FILE\)"):
        weights.shipped()
    (tmp_path / "model").mkdir()
    for name in ("fast", "srresnet"):
        (tmp_path / "model" / f"{name}.weights.h5").touch()
    assert weights.shipped() == {name: weights.find(name) for name in ("srresnet", "fast")}


# Weights from a stranger --------------------------------------------------------------------------------------------


def forged(path, change) -> None:
    """Change the HDF5 file by `change(file)`, and let its card agree with it."""
    with h5py.File(path, "r+") as file:
        change(file)
    card = json.loads((path.parent / "srgan.json").read_text())
    (path.parent / "srgan.json").write_text(json.dumps(card | {"sha256": weights.sha256(path)}))


def first_kernel(file: h5py.File) -> str:
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) and item.ndim == 4 else None)
    return found[0]


def replaced(file: h5py.File, **how) -> None:
    name = first_kernel(file)
    del file[name]
    file.create_dataset(name, **how)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: replaced(file, shape=(10**9, 3), dtype="f4", compression="gzip"),  # 12 GB in some bytes
        lambda file: replaced(file, shape=(10**5, 10**5), dtype="f4"),  # declared, never written
        lambda file: file.__setitem__("layers/more", h5py.ExternalLink("/etc/hostname", "/")),
        lambda file: file.__setitem__("layers/more", h5py.SoftLink("/")),
        lambda file: replaced(file, data=np.array([b"text"])),
        lambda file: file[first_kernel(file)].__setitem__((0, 0, 0, 0), np.nan),
    ],
    ids=["compressed", "declared", "another file", "a circle", "text", "not a number"],
)
def test_forged_weights_are_refused_in_words_and_in_little_memory(path, change):
    forged(path, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SRGANError, match=r"does not hold the network|not finite"):
        weights.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


@pytest.mark.parametrize(
    "network", [{"blocks": 10**9}, {"blocks": 500}, {"filters": 10**9}, {"filters": -1}, {"head_kernel": 1e300}]
)
def test_a_card_of_an_impossible_network_is_refused_and_not_built(path, network, monkeypatch):
    card = json.loads((path.parent / "srgan.json").read_text())
    card["network"] |= network | ({"filters": 2000} if network == {"blocks": 500} else {})
    (path.parent / "srgan.json").write_text(json.dumps(card))
    monkeypatch.setattr(networks, "generator", lambda *_, **__: pytest.fail("it is being built"))
    with pytest.raises(SRGANError, match=r"srgan\.json"):
        weights.load(path)
