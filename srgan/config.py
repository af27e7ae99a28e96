"""Every number of a run in one frozen dataclass, and the named presets.

Read a field's comment for its unit and reason. A preset is a `Config` under a name; anything can be changed on
top of it: `preset("quick", gan_steps=1000)`, or `--set gan_steps=1000` in the shell.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import Literal

from srgan.catalogue import PHOTOS
from srgan.errors import SRGANError

SCALE = 4  # HR side / LR side; the generator's two sub-pixel stages of 2 each fix it

# In order of training: name of files -> name shown. A stage whose horizon is 0 is left out of a run.
STAGES = {"srresnet": "SRResNet", "discriminator": "Discriminator alone", "srgan": "SRGAN"}


@dataclass(frozen=True)
class Config:
    """One run, whole: data, networks, losses, optimisation, bookkeeping. Raises SRGANError on impossible values."""

    preset: str = "custom"
    run: str = ""  # folder name under model/, loss/ and output/; empty: the preset's name
    seed: int = 1  # of the weights, the split, the batches and the labels

    # Data
    dataset: str = "samples"  # "samples", "folder:PATH" for every image under a folder, or a public set of srgan/catalogue.py
    photos: int = 0  # how many of them, drawn by the seed; 0: all
    smallest_side: int = 0  # pixels; photos with a shorter side are left out
    sampling: Literal["patches", "centre"] = "patches"  # random aligned patches with flips and turns, or one centre crop a photo
    smaller_copies: int = 0  # of each photo to train on, each 3/4 as large as the one before: sharper, and free of JPEG's blocks
    patch_tries: int = 1  # random patches of a photo of which the most detailed is taken
    teacher: str = ""  # weights (like `initial`) whose mean over eight orientations stands for HR in stage srresnet; empty: HR
    hr_size: int = 96  # side of an HR training crop in pixels; paper §3.2
    shuffle: bool = True  # an order of its own in each epoch; else always the same
    batch_size: int = 16  # paper §3.2
    test_fraction: float = 0.1  # of the photos, never trained on (the samples' split is fixed by name)

    # Generator, paper §2.1.1
    blocks: int = 16  # residual blocks
    filters: int = 64
    head_kernel: int = 9  # side of the first convolution
    output_kernel: int = 9  # side of the last convolution
    generator_norm: bool = True  # batch norm in the generator
    generator_momentum: float = 0.99  # of its moving averages
    upsampling: Literal["pixel_shuffle", "nearest", "espcn"] = (
        "pixel_shuffle"  # "espcn": one shuffle by 4 after the last convolution
    )
    upsampling_activation: Literal["prelu", "leaky_relu"] = "prelu"
    output_activation: Literal["linear", "tanh"] = "linear"
    global_skip: bool = False  # add the bicubic upscaling of LR to the output: the network learns the difference only
    # What the networks see inside; outside, LR is always in [0, 1], HR and SR in [-1, 1].
    lr_range: Literal["zero_one", "minus_one_one"] = "zero_one"
    hr_range: Literal["zero_one", "minus_one_one"] = "minus_one_one"

    # Discriminator, paper §2.1.1
    discriminator_filters: int = 64  # of the first convolution; the last one has 8 times as many
    discriminator_dense: int = 1024
    discriminator_norm: bool = True  # batch norm in D; without, each picture is judged alone
    discriminator_order: Literal["norm_first", "activation_first"] = "norm_first"  # conv-BN-LeakyReLU or conv-LeakyReLU-BN
    discriminator_momentum: float = 0.99

    # Losses, paper §2.2
    pixel_loss: Literal["mse", "mae"] = "mse"  # wherever the content is "pixels"
    pixel_weight: float = 0.0  # of the pixel loss beside the features', wherever the content is features
    pretrain_content: str = "pixels"  # of stage srresnet: "pixels", or NETWORK/LAYER with NETWORK vgg19 or vgg16
    content: str = "vgg19/block5_conv4"  # of stage srgan, likewise
    content_scale: float = 1 / 12.75  # features are multiplied by it before the MSE; paper §3.2
    adversarial_weight: float = 1e-3
    total_variation_weight: float = 0.0  # of both stages that train the generator
    real_label: float = 1.0  # D's target for HR
    fake_label: float = 0.0  # D's target for SR
    generator_label: float = 1.0  # what G wants D to say of SR
    random_shift: int = 0  # pixels by which the GAN sees pictures rolled at most, newly drawn each step; 0: as they are
    label_noise: float = 0.0  # standard deviation of a normal distribution around each label ...
    label_noise_on: Literal["all", "fake"] = "all"  # ... or around that of SR alone

    # Optimisation
    initial: str = ""  # weights that the run's first stage begins from: a file's path, or the name of shipped ones; empty: noise
    pretrain_steps: int = 1_000_000  # horizon of stage srresnet
    discriminator_steps: int = 0  # horizon of stage discriminator: D learns alone before the GAN, G stands still
    gan_steps: int = 200_000  # horizon of stage srgan
    pretrain_learning_rate: float = 1e-4
    gan_learning_rate: float = 1e-4
    discriminator_rate: float = 1.0  # D's learning rate, as a multiple of the GAN's
    pretrain_schedule: Literal["constant", "cosine", "step"] = "constant"
    gan_schedule: Literal["constant", "cosine", "step"] = "step"  # "step": a tenth from half of the horizon on; paper §3.2
    warmup_steps: int = 0  # linear from 0 at the start of each stage
    alternate: bool = False  # D moves first and G answers the new D; else both move from one forward pass
    adam_beta1: float = 0.9
    adam_epsilon: float = 1e-7
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"
    xla: bool = False  # compile the step; slower on CPUs, and on a GPU `python -m srgan bench` tells

    # Bookkeeping
    log_every: int = 50  # steps between two rows of the loss history
    sample_every: int = 5_000  # steps between two sample strips LR | SR | HR
    save_minutes: float = 5.0  # between two checkpoints: the most work that a dying session can lose
    keep_checkpoints: int = 2  # the newest of each stage that stay on disk
    keep_hourly: int = 0  # besides them, the last one of each of so many hours
    keep_best: bool = False  # and the one with the highest PSNR-Y on crops of held-out photos
    tensorboard: bool = False  # write event files for TensorBoard beside the loss history
    deterministic: bool = False  # the same numbers to the last bit in every run on the same machine; slower on a GPU

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        self._require(self.hr_size % SCALE == 0, f"hr_size must be a multiple of {SCALE}, not {self.hr_size}")
        self._require(0 < self.test_fraction < 1, f"test_fraction must lie between 0 and 1, not {self.test_fraction}")
        for name in ("head_kernel", "output_kernel"):
            self._require(getattr(self, name) % 2 == 1, f"{name} must be odd, not {getattr(self, name)}")
        for name in ("pretrain_content", "content"):
            network, _, layer = getattr(self, name).partition("/")
            self._require(
                getattr(self, name) == "pixels" or (network in ("vgg16", "vgg19") and layer != ""),
                f'{name} must be "pixels" or like "vgg19/block5_conv4", not "{getattr(self, name)}"',
            )
        self._require(
            self.dataset == "samples" or self.dataset in PHOTOS or self.dataset.startswith("folder:"),
            f'dataset must be "samples", "folder:PATH" or one of {", ".join(PHOTOS)}, not "{self.dataset}"',
        )
        self._require(self.photos != 1, "photos must be 0 (all of them) or at least 2, one to train on and one held out, not 1")
        self._require(
            self.dataset != "samples" or not self.photos,
            f"The samples come all or none, with a split of their own: photos must be 0, not {self.photos}",
        )
        self._require(
            self.sampling == "patches" or (self.smaller_copies == 0 and self.patch_tries == 1),
            f'sampling "{self.sampling}" takes the middle of each photo: smaller_copies must be 0 and patch_tries 1, '
            f"not {self.smaller_copies} and {self.patch_tries}",
        )
        self._require(
            not self.teacher or self.gan_steps == self.discriminator_steps == 0,
            "A teacher stands for HR in stage srresnet alone: gan_steps and discriminator_steps must be 0, "
            f"not {self.gan_steps} and {self.discriminator_steps}",
        )
        plain = self.name not in ("", ".", "..") and not any(c in self.name for c in "/\\\0")
        self._require(plain, f'run must be a plain folder name, not "{self.run}"')
        at_least_one = ("patch_tries", "hr_size", "batch_size", "filters", "head_kernel", "output_kernel", "discriminator_filters",
                        "discriminator_dense", "log_every", "sample_every", "keep_checkpoints")  # fmt: skip
        not_negative = ("seed", "photos", "smallest_side", "smaller_copies", "blocks", "pretrain_steps", "discriminator_steps",
                        "gan_steps", "random_shift", "warmup_steps", "save_minutes", "keep_hourly", "label_noise",
                        "pretrain_learning_rate", "gan_learning_rate", "discriminator_rate", "pixel_weight",
                        "adversarial_weight", "total_variation_weight")  # fmt: skip
        for name in ("adam_beta1", "generator_momentum", "discriminator_momentum"):
            self._require(0 <= getattr(self, name) < 1, f"{name} must be 0 or more and less than 1, not {getattr(self, name)}")
        for name in at_least_one:
            self._require(getattr(self, name) >= 1, f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in not_negative:
            self._require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")

    @staticmethod
    def _require(condition: bool, sentence: str) -> None:
        if not condition:
            raise SRGANError(sentence + ".")

    @property
    def name(self) -> str:
        """The run's folder name under model/, loss/ and output/."""
        return self.run or self.preset

    def horizon(self, stage: str) -> int:
        """The step at which `stage` is done."""
        return {"srresnet": self.pretrain_steps, "discriminator": self.discriminator_steps, "srgan": self.gan_steps}[stage]

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that this run has, in order of training."""
        return tuple(stage for stage in STAGES if self.horizon(stage))

    @property
    def networks(self) -> dict[str, str]:
        """Of these, the ones that end with a generator: name of files -> name shown."""
        return {stage: STAGES[stage] for stage in self.stages if stage != "discriminator"}

    def replace(self, **changes) -> Config:
        """A copy with some fields changed. Raises SRGANError for a field that does not exist."""
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise SRGANError(f"There is no setting named {name}. The settings are: {', '.join(sorted(known))}.")
        return dataclasses.replace(self, **changes)

    def differing(self) -> dict:
        """The settings that are not the default."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)


def _checked(field: dataclasses.Field, value):
    """`value` in the field's own type ("12" for an int comes from a command line), or SRGANError."""
    kind = _TYPES[field.name]
    if typing.get_origin(kind) is Literal:
        if value not in typing.get_args(kind):
            raise SRGANError(f"{field.name} must be one of {', '.join(typing.get_args(kind))}, not {value!r}.")
        return value
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    accepted = {int: (int, str), float: (int, float, str), str: (str,), bool: (bool,)}[kind]
    try:
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise ValueError
        if kind is float and not math.isfinite(float(value)):
            raise ValueError
        return kind(value)
    except (ValueError, OverflowError):
        raise SRGANError(f"{field.name} must be {_KINDS[kind]}, not {value!r}.") from None


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_TYPES = typing.get_type_hints(Config)

_UPSAMPLER = dict(
    photos=2500,
    hr_size=176,
    batch_size=32,
    sampling="centre",
    test_fraction=0.2,  # 2,000 of 2,500 photos to train on
    lr_range="minus_one_one",
    generator_momentum=0.5,
    upsampling="nearest",
    upsampling_activation="leaky_relu",
    output_activation="tanh",
    discriminator_momentum=0.5,
    content_scale=1.0,
    real_label=0.9,
    fake_label=0.1,
    generator_label=0.9,
    label_noise=0.05,
    pretrain_steps=0,
    gan_steps=2_500 * 2_000 // 32,  # 2,500 epochs
    gan_schedule="constant",
    adam_epsilon=1e-8,
    log_every=62,  # an epoch
    sample_every=62,
)

# All convolutions at LR size, no batch norm, and only the difference to bicubic to learn.
_LEAN = dict(
    head_kernel=3,
    output_kernel=3,
    generator_norm=False,
    upsampling="espcn",
    global_skip=True,
    pixel_loss="mae",
    pretrain_schedule="cosine",
)

_SHIPPED = _LEAN | dict(
    dataset="folder:data/photos",
    test_fraction=0.03,
    pretrain_learning_rate=1e-3,
    gan_schedule="cosine",
    warmup_steps=200,
    sample_every=1000,
)

_PRESETS = {
    # A few CPU minutes on the sample photos: a small network that works at LR size throughout, and pixel losses only,
    # so that nothing is downloaded.
    "quick": _LEAN
    | dict(
        blocks=4,
        filters=32,
        discriminator_filters=16,
        discriminator_dense=128,
        content="pixels",
        pretrain_steps=3000,
        gan_steps=300,
        pretrain_learning_rate=2e-3,
        gan_learning_rate=1e-4,
        gan_schedule="constant",
        warmup_steps=50,
        log_every=10,
        sample_every=500,
        save_minutes=1.0,
    ),
    # The weights that come with the project (model/): the paper's size of network with what makes a short training go far.
    "shipped": _SHIPPED
    | dict(
        pretrain_steps=16_000,
        gan_steps=2000,
        content="vgg19/block1_conv2",  # before the first max-pooling, which would welcome a fine grid (docs/weights.md)
        content_scale=1.0,  # of a VGG19 whose channels are normalised
        pixel_weight=5.0,
        adversarial_weight=0.15,  # by their gradients in SR: content 5, adversarial 5, pixels 1
        discriminator_norm=False,
        discriminator_steps=150,
        discriminator_rate=5.0,  # else G learns to draw a grid before D learns to see it
        random_shift=15,
        discriminator_filters=32,
        discriminator_dense=256,
    ),
    # The small one of them, for CPUs and video: a twelfth of the work.
    "fast": _SHIPPED | dict(blocks=4, filters=32, pretrain_learning_rate=2e-3, pretrain_steps=20_000, gan_steps=0),
    # Ledig et al. 2017 as published; wants a GPU, days, and a folder of many photos.
    "paper": dict(dataset="folder:data/photos"),
    # UpSampler (2019): one network, trained on varied photos and again on faces. No pre-training.
    "coco44": _UPSAMPLER | dict(dataset="coco"),
    "celeba44": _UPSAMPLER | dict(dataset="celeba"),
    # The same author's earlier SRGAN: 800 of 1,000 photos, 50 steps an epoch, 500 epochs; only the label of SR is noisy.
    "coco64": _UPSAMPLER
    | dict(
        dataset="coco",
        photos=1000,
        smallest_side=360,
        hr_size=256,
        batch_size=16,
        real_label=1.0,
        generator_label=1.0,
        label_noise_on="fake",
        gan_steps=500 * 50,
        log_every=50,
        sample_every=50,
    ),
    # Stages by VGG16: perceptual pre-training with total variation, D alone, everything. One epoch of 80,000, one photo a step.
    "vgg16tv": dict(
        dataset="coco-train",
        batch_size=1,
        pretrain_content="vgg16/block2_conv2",
        content="vgg16/block5_conv3",
        content_scale=1.0,
        total_variation_weight=1e-4,
        pretrain_steps=80_000,
        discriminator_steps=80_000,
        gan_steps=80_000,
        gan_schedule="constant",
    ),
    # A Keras post of 2020: everything in [0, 1], batches cut in order, D before G. 100 epochs of 2,000 photos.
    "blog25": dict(
        dataset="coco",
        photos=2500,
        hr_size=100,
        batch_size=20,
        sampling="centre",
        shuffle=False,
        test_fraction=0.2,
        lr_range="zero_one",
        hr_range="zero_one",
        generator_momentum=0.5,
        upsampling="nearest",
        discriminator_order="activation_first",
        discriminator_momentum=0.8,
        content="vgg19/block3_conv3",
        content_scale=1.0,
        alternate=True,
        pretrain_steps=0,
        gan_steps=100 * 100,
        gan_learning_rate=1e-3,
        gan_schedule="constant",
        log_every=100,
        sample_every=1000,
    ),
}

PRESETS = tuple(_PRESETS)


def preset(name: str, **changes) -> Config:
    """The preset `name`, with `changes` on top. Raises SRGANError for an unknown preset or setting."""
    if name not in _PRESETS:
        raise SRGANError(f'There is no preset "{name}". Choose one of: {", ".join(PRESETS)}.')
    config = Config(preset=name, **_PRESETS[name])
    if changes.get("dataset", config.dataset) != config.dataset:
        changes = {"photos": 0, "smallest_side": 0} | changes  # the preset's count is of its own photos
    return config.replace(**changes)
