"""A teacher: the mean over eight orientations, which takes HR's place on the photos to train on and nowhere else."""

import numpy as np
import pytest

from srgan.config import Config, settings
from srgan.data import images, preparation
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights
from srgan.upscale import ensemble, network

ORIENTATIONS = [(flip, turns) for flip in (1, -1) for turns in range(4)]
LR = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def slanted(lr: np.ndarray) -> np.ndarray:
    """An upscaler that is not the same in all orientations: it darkens the first rows."""
    sr = network.nearest(lr).astype(float)
    sr[:8] *= 0.5
    return sr.astype(np.uint8)


def turned(image: np.ndarray, flip: int, turns: int) -> np.ndarray:
    return np.rot90(image[:, ::flip], turns)


def test_an_upscaler_that_treats_all_orientations_alike_is_its_own_mean():
    assert (ensemble.SelfEnsemble(network.nearest)(LR) == network.nearest(LR)).all()


def test_the_mean_is_the_same_in_all_orientations_and_rounded():
    mean = ensemble.SelfEnsemble(slanted)
    assert not (slanted(np.rot90(LR)) == np.rot90(slanted(LR))).all()
    for flip, turns in ORIENTATIONS:
        assert (mean(turned(LR, flip, turns)) == turned(mean(LR), flip, turns)).all()
    turned_back = [np.rot90(slanted(turned(LR, flip, turns)), -turns)[:, ::flip] for flip, turns in ORIENTATIONS]
    assert (mean(LR) == np.round(np.mean(turned_back, axis=0))).all()


def prepared(config: Config, paths):
    return preparation.prepare(config, paths, ensemble.teacher(config))


@pytest.fixture
def taught(tiny, tmp_path) -> Config:
    """Settings with a teacher of random weights."""
    config = settings(blocks=1, filters=4)
    weights.save(tmp_path / "teacher.weights.h5", networks.generator(config), config, {})
    return tiny.replace(teacher=str(tmp_path / "teacher.weights.h5"), gan_steps=0, smaller_copies=1)


def test_the_teacher_stands_for_hr_on_the_photos_to_train_on_alone(taught, tiny, paths):
    dataset, usual = (prepared(config, paths) for config in (taught, tiny.replace(smaller_copies=1)))
    assert dataset.key != usual.key and dataset.train.names() == usual.train.names()
    upscaler = ensemble.teacher(taught)
    for i in range(len(usual.train)):
        (lr, target), (usual_lr, hr) = dataset.train.pair(i), usual.train.pair(i)
        assert (lr == usual_lr).all() and (lr == images.degrade(hr)).all()
        assert (target == upscaler(lr)).all() and (target != hr).any()
    for i in range(len(usual.test)):
        assert (dataset.test.pair(i)[1] == usual.test.pair(i)[1]).all()


def test_another_teacher_is_another_data_set_and_the_same_one_elsewhere_is_not(taught, paths, tmp_path):
    key = prepared(taught, paths).key
    (tmp_path / "moved").mkdir()
    for name in ("teacher.weights.h5", "teacher.json"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    with pytest.raises(SRGANError, match="There are no weights at"):
        prepared(taught, paths)
    moved = taught.replace(teacher=str(tmp_path / "moved" / "teacher.weights.h5"))
    assert prepared(moved, paths).key == key
    config = settings(blocks=1, filters=4)
    weights.save(tmp_path / "teacher.weights.h5", networks.generator(config), config, {})
    assert prepared(taught, paths).key != key


def test_a_teacher_that_was_not_given_is_asked_for(taught, paths):
    with pytest.raises(SRGANError, match="was not given"):
        preparation.prepare(taught, paths)
