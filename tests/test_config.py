"""Settings: what is refused, in which words, and what a shell's strings become."""

import dataclasses
import json

import pytest

from srgan.config import STAGES, Config, fields, flat_group, settings
from srgan.errors import SRGANError
from srgan.presets import PRESETS, preset


def test_an_unknown_preset_is_named_together_with_those_there_are():
    with pytest.raises(SRGANError, match='There is no preset "quik"') as told:
        preset("quik")
    assert all(name in str(told.value) for name in PRESETS)


@pytest.mark.parametrize("make", [preset, lambda name, **changes: preset(name).replace(**changes)])
def test_an_unknown_setting_is_named_together_with_those_there_are(make):
    with pytest.raises(SRGANError, match="There is no setting named gan_stepz") as told:
        make("quick", gan_stepz=3)
    assert all(name in str(told.value) for name in Config().flat())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blocks": "many"}, "blocks must be a whole number, not 'many'"),
        ({"blocks": "4.5"}, "blocks must be a whole number, not '4.5'"),
        ({"blocks": 4.0}, "blocks must be a whole number, not 4.0"),
        ({"blocks": True}, "blocks must be a whole number, not True"),
        ({"blocks": None}, "blocks must be a whole number, not None"),
        ({"gan_learning_rate": "fast"}, "gan_learning_rate must be a number, not 'fast'"),
        ({"gan_learning_rate": False}, "gan_learning_rate must be a number, not False"),
        ({"gan_learning_rate": [1e-4]}, r"gan_learning_rate must be a number, not \[0.0001\]"),
        ({"content_scale": "nan"}, "content_scale must be a number, not 'nan'"),
        ({"real_label": float("inf")}, "real_label must be a number, not inf"),
        ({"save_minutes": 10**400}, "save_minutes must be a number, not 1000"),
        ({"global_skip": "yes"}, "global_skip must be true or false, not 'yes'"),
        ({"global_skip": 1}, "global_skip must be true or false, not 1"),
        ({"dataset": 3}, "dataset must be text, not 3"),
        ({"sampling": "center"}, "sampling must be one of patches, centre, not 'center'"),
        ({"pixel_loss": ""}, "pixel_loss must be one of mse, mae, not ''"),
        ({"precision": None}, "precision must be one of auto, float32, mixed_float16, mixed_bfloat16, not None"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_it_must_be(changes, words):
    with pytest.raises(SRGANError, match=words):
        settings(**changes)


@pytest.mark.parametrize("name", Config().flat())
def test_no_setting_takes_a_dictionary(name):
    with pytest.raises(SRGANError, match=f"^{name} must be "):
        settings(**{name: {}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hr_size": 98}, "hr_size must be a multiple of 4, not 98"),
        ({"hr_size": 44, "discriminator": "unet"}, "halves its pictures three times: hr_size must be a multiple of 8, not 44"),
        ({"hr_size": 0}, "hr_size must be 1 or more, not 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, not 0"),
        ({"keep_checkpoints": 0}, "keep_checkpoints must be 1 or more, not 0"),
        ({"log_every": -1}, "log_every must be 1 or more, not -1"),
        ({"test_fraction": 0.0}, "test_fraction must lie between 0 and 1, not 0.0"),
        ({"test_fraction": "1"}, "test_fraction must lie between 0 and 1, not 1.0"),
        ({"head_kernel": 4}, "head_kernel must be odd, not 4"),
        ({"output_kernel": 2}, "output_kernel must be odd, not 2"),
        ({"seed": -1}, "seed must not be negative, but is -1"),
        ({"blocks": -1}, "blocks must not be negative, but is -1"),
        ({"gan_steps": "-5"}, "gan_steps must not be negative, but is -5"),
        ({"pretrain_learning_rate": -1e-4}, "pretrain_learning_rate must not be negative, but is -0.0001"),
        ({"adam_beta1": 1.0}, "adam_beta1 must be 0 or more and less than 1, not 1.0"),
        ({"generator_momentum": -0.1}, "generator_momentum must be 0 or more and less than 1, not -0.1"),
        ({"content": "vgg19"}, 'content must be "pixels", "lpips" or like "vgg19/block5_conv4", not "vgg19"'),
        ({"content": "vgg19/"}, "content must be"),
        ({"content": "resnet50/conv1"}, "content must be"),
        (
            {"dataset": "imagenet"},
            'dataset must be "samples", "folder:PATH" or one of coco, coco-train, celeba, div2k, div2k-valid, not "imagenet"',
        ),
        ({"dataset": "coco", "photos": 1}, r"photos must be 0 \(all of them\) or at least 2"),
        ({"dataset": "coco", "photos": -2}, "photos must not be negative, but is -2"),
        ({"photos": 5}, "The samples come all or none, with a split of their own: photos must be 0, not 5"),
        ({"smallest_side": -1}, "smallest_side must not be negative, but is -1"),
        ({"smaller_copies": -1}, "smaller_copies must not be negative, but is -1"),
        ({"patch_tries": 0}, "patch_tries must be 1 or more, not 0"),
        (
            {"sampling": "centre", "smaller_copies": 2},
            'sampling "centre" takes the middle of each photo: smaller_copies must be 0 and patch_tries 1, not 2 and 1',
        ),
        (
            {"teacher": "fast", "gan_steps": 5},
            "A teacher stands for HR in stage srresnet alone: gan_steps and discriminator_steps must be 0, not 5 and 0",
        ),
        ({"run": "a/b"}, 'run must be a plain folder name, not "a/b"'),
        ({"run": ".."}, "run must be a plain folder name"),
        ({"run": "a\\b"}, "run must be a plain folder name"),
        ({"preset": ""}, "run must be a plain folder name"),
    ],
)
def test_an_impossible_value_is_named_with_what_is_possible(changes, words):
    with pytest.raises(SRGANError, match=words):
        settings(**changes)


def test_replace_checks_as_the_constructor_does():
    with pytest.raises(SRGANError, match="hr_size must be a multiple of 4, not 30"):
        preset("quick").replace(hr_size=30)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("gan_steps", "1000", 1000),
        ("gan_steps", "1_000", 1000),
        ("gan_learning_rate", "2e-4", 0.0002),
        ("save_minutes", "3", 3.0),
        ("global_skip", "true", True),
        ("global_skip", "False", False),
        ("generator_norm", "FALSE", False),
        ("run", "12", "12"),
        ("sampling", "centre", "centre"),
    ],
)
def test_strings_of_a_shell_become_the_settings_own_type(name, text, value):
    found = preset("quick", **{name: text}).flat()[name]
    assert found == value and type(found) is type(value)


def test_a_whole_number_is_a_number():
    rate = settings(gan_learning_rate=1).optimization.gan_learning_rate
    assert rate == 1.0 and type(rate) is float


def test_replace_gives_a_copy_and_leaves_the_original():
    original = preset("quick")
    before = original.flat()
    changed = original.replace(gan_steps=7, run="mine")
    assert original.flat() == before and original.optimization.gan_steps == before["gan_steps"] != 7
    assert changed.flat() == before | {"gan_steps": 7, "run": "mine"}


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("quick").optimization = Config().optimization
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("quick").optimization.gan_steps = 7


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_builds_under_its_own_name_and_survives_json(name):
    config = preset(name)
    assert (config.run.preset, config.name) == (name, name)
    assert settings(**json.loads(json.dumps(config.flat()))) == config


def test_the_run_goes_by_its_own_name_if_it_has_one():
    assert preset("quick", run="mine").name == "mine"
    assert settings().name == "custom"


def test_each_stage_has_its_own_total_of_steps():
    config = settings(pretrain_steps=11, discriminator_steps=5, gan_steps=22)
    assert {stage: config.total_steps(stage) for stage in STAGES} == {"srresnet": 11, "discriminator": 5, "srgan": 22}
    assert config.stages == ("srresnet", "discriminator", "srgan")


def test_a_stage_without_steps_is_left_out():
    config = settings(pretrain_steps=0, gan_steps=22)
    assert config.stages == ("srgan",)
    assert config.generator_stages == {"srgan": "SRGAN"}
    assert settings(discriminator_steps=1).generator_stages == {"srresnet": "SRResNet", "srgan": "SRGAN"}


def test_the_preset_paper_is_the_paper():
    config = preset("paper")
    # Ledig et al. 2017, §2.1.1 and figure 4: 16 blocks of 64 filters with batch norm, 9x9 at both ends; no skip of the image.
    g, d = config.generator, config.discriminator
    assert (g.blocks, g.filters, g.head_kernel, g.output_kernel) == (16, 64, 9, 9)
    assert (g.norm, g.upsampling, g.global_skip) == (True, "pixel_shuffle", False)
    assert (d.filters, d.dense) == (64, 1024)
    # §2.2: VGG54 rescaled by 1/12.75 (0.006 after the square), and 1e-3 times the adversarial loss.
    loss = config.loss
    assert (loss.pixel_loss, loss.content, loss.adversarial_weight) == ("mse", "vgg19/block5_conv4", 1e-3)
    assert loss.content_scale**2 == pytest.approx(0.006, rel=0.03)
    # §3.2: batches of 16 crops 96x96; Adam with beta1 0.9 at 1e-4; a million steps, then 1e5 at 1e-4 and 1e5 at 1e-5.
    assert (config.data.batch_size, config.data.hr_size) == (16, 96)
    steps = config.optimization
    assert (steps.pretrain_steps, steps.gan_steps, steps.gan_schedule) == (10**6, 2 * 10**5, "step")
    assert (steps.adam_beta1, steps.pretrain_learning_rate, steps.gan_learning_rate, steps.warmup_steps) == (0.9, 1e-4, 1e-4, 0)


@pytest.mark.parametrize("group", dataclasses.fields(Config), ids=lambda group: group.name)
def test_plain_names_are_unique_and_each_default_keeps_to_its_bounds(group):
    names = [name for name, _, _ in fields()]
    assert len(names) == len(set(names))
    assert flat_group(group.default_factory()).items() <= Config().flat().items()
