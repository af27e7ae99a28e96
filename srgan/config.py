"""The settings of a run, in six frozen groups: each field stands with its unit, its source and its bounds.

`config.data.batch_size` is an attribute of its group. Wherever settings are named from outside (`--set batch_size=8`,
`changes = {"batch_size": 8}`, cards, checkpoints) they are flat, each under one plain name: `settings(batch_size=8)` and
`config.flat()`. The named presets are in srgan/presets.py.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from srgan.errors import SRGANError

SCALE = 4  # HR side / LR side: fixed by the generator's upsampling

# In order of training: name of files -> name shown. A stage of 0 total steps is left out of a run.
STAGES = {"srresnet": "SRResNet", "discriminator": "Discriminator alone", "srgan": "SRGAN"}

PUBLIC_SETS = ("coco", "coco-train", "celeba", "div2k", "div2k-valid")  # photos to fetch by name: srgan/data/catalogue.py


def setting(default, name: str = "", at_least=None, below=None, odd: bool = False, may_change: bool = False):
    """A field of a group.

    `name`: its plain name, where the field's own is shorter. `at_least`, `below`, `odd`: its bounds. `may_change`: a run may
    go on from a checkpoint that has another value.
    """
    told = {"name": name, "at_least": at_least, "below": below, "odd": odd, "may_change": may_change}
    return dataclasses.field(default=default, metadata=told)


class Group:
    """Gives every field its own type and holds it to its bounds. Raises SRGANError for other values."""

    def __post_init__(self):
        types = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _checked(plain_name(field), types[field.name], getattr(self, field.name), field.metadata)
            object.__setattr__(self, field.name, value)


@dataclass(frozen=True)
class Data(Group):
    """Which photos, and what of them is a training batch."""

    # "samples", "folder:PATH" for every image under a folder, or one of PUBLIC_SETS.
    dataset: str = setting("samples", may_change=True)
    photos: int = setting(0, at_least=0, may_change=True)  # how many of them, drawn by the seed; 0: all
    smallest_side: int = setting(0, at_least=0, may_change=True)  # pixels; photos with a shorter side are left out
    sampling: Literal["patches", "centre"] = setting("patches")  # random aligned patches with flips and turns, or one centre crop
    # Smaller copies of each photo to train on, each 3/4 as large as the one before: sharper, and free of JPEG's blocks.
    smaller_copies: int = setting(0, at_least=0)
    patch_tries: int = setting(1, at_least=1)  # random patches of a photo of which the most detailed is taken
    # Weights (like `initial`) whose self-ensemble stands for HR in stage srresnet; empty: HR.
    teacher: str = setting("", may_change=True)
    hr_size: int = setting(96, at_least=1)  # side of an HR training crop in pixels, a multiple of 4; paper §3.2
    # How LR comes from HR: "bicubic", or by chance as photos or videos suffer (data/degradation.py), another way in each batch.
    degradation: Literal["bicubic", "photo", "video"] = setting("bicubic")
    degradation_strength: float = setting(1.0, at_least=0)  # multiplies its blur, noise and compression
    clean_share: float = setting(0.25, at_least=0, below=1)  # of the patches, that stay bicubic all the same
    shuffle: bool = setting(True)  # a new order in each epoch; else always the same
    batch_size: int = setting(16, at_least=1)  # patches; paper §3.2
    test_fraction: float = setting(0.1)  # of the photos, never trained on (the samples' split is fixed by name)

    def __post_init__(self):
        super().__post_init__()
        _require(self.hr_size % SCALE == 0, f"hr_size must be a multiple of {SCALE}, not {self.hr_size}")
        _require(0 < self.test_fraction < 1, f"test_fraction must lie between 0 and 1, not {self.test_fraction}")
        _require(
            self.dataset in ("samples", *PUBLIC_SETS) or self.dataset.startswith("folder:"),
            f'dataset must be "samples", "folder:PATH" or one of {", ".join(PUBLIC_SETS)}, not "{self.dataset}"',
        )
        _require(self.photos != 1, "photos must be 0 (all of them) or at least 2, one to train on and one held out, not 1")
        _require(
            self.dataset != "samples" or not self.photos,
            f"The samples come all or none, with a split of their own: photos must be 0, not {self.photos}",
        )
        _require(
            self.sampling == "patches" or (self.smaller_copies == 0 and self.patch_tries == 1),
            f'sampling "{self.sampling}" takes the middle of each photo: smaller_copies must be 0 and patch_tries 1, '
            f"not {self.smaller_copies} and {self.patch_tries}",
        )
        _require(
            self.degradation == "bicubic" or not self.teacher,
            f'A teacher sees LR as it is prepared: with one, degradation must be "bicubic", not "{self.degradation}"',
        )
        _require(
            self.degradation != "bicubic" or (self.degradation_strength, self.clean_share) == (1.0, 0.25),
            'degradation "bicubic" has no strength and no share: leave degradation_strength at 1 and clean_share at 0.25, '
            "or choose another degradation",
        )


@dataclass(frozen=True)
class Generator(Group):
    """The network that enlarges, paper §2.1.1. All that inference must know of it."""

    blocks: int = setting(16, at_least=0)  # residual blocks
    filters: int = setting(64, at_least=1)
    head_kernel: int = setting(9, at_least=1, odd=True)  # side of the first convolution, pixels
    output_kernel: int = setting(9, at_least=1, odd=True)  # side of the last convolution, pixels
    norm: bool = setting(True, name="generator_norm")  # batch norm
    momentum: float = setting(0.99, name="generator_momentum", at_least=0, below=1)  # of its moving averages
    # Two sub-pixel shuffles, conv and nearest neighbour, or one shuffle by 4 after the last convolution (Shi et al. 2016).
    upsampling: Literal["pixel_shuffle", "nearest", "espcn"] = setting("pixel_shuffle")
    upsampling_activation: Literal["prelu", "leaky_relu"] = setting("prelu")
    output_activation: Literal["linear", "tanh"] = setting("linear")
    global_skip: bool = setting(False)  # add the bicubic upscaling of LR: the network learns the difference only
    tail_filters: int = setting(0, at_least=0)  # of a refinement at HR size behind all that (models/refinement.py); 0: none
    # What the networks see inside; outside, LR is always in [0, 1], HR and SR in [-1, 1].
    lr_range: Literal["zero_one", "minus_one_one"] = setting("zero_one")
    hr_range: Literal["zero_one", "minus_one_one"] = setting("minus_one_one")


@dataclass(frozen=True)
class Discriminator(Group):
    """The network that tells HR from SR, paper §2.1.1."""

    # One logit a picture (the paper), or a map of them (models/patch_discriminators.py).
    kind: Literal["vgg", "patch", "unet"] = setting("vgg", name="discriminator")
    # What the discriminator "unet" sees of a picture: with "lpips" also what the trunk of LPIPS makes of it.
    sees: Literal["pixels", "lpips"] = setting("pixels", name="discriminator_sees")
    filters: int = setting(
        64, name="discriminator_filters", at_least=1
    )  # of the first convolution; "vgg" ends with 8 times so many
    dense: int = setting(1024, name="discriminator_dense", at_least=1)  # units of the layer before the logits
    norm: bool = setting(True, name="discriminator_norm")  # batch norm; without it, each picture is judged alone
    order: Literal["norm_first", "activation_first"] = setting("norm_first", name="discriminator_order")  # BN before LeakyReLU
    momentum: float = setting(0.99, name="discriminator_momentum", at_least=0, below=1)  # of batch norm's moving averages


@dataclass(frozen=True)
class Loss(Group):
    """What is minimized, paper §2.2."""

    pixel_loss: Literal["mse", "mae"] = setting("mse")  # wherever the content is "pixels"
    pixel_weight: float = setting(0.0, at_least=0)  # of the pixel loss beside the features', wherever the content is features
    # Of stage srresnet: "pixels"; or NETWORK/LAYER with NETWORK vgg19 or vgg16, or several of its layers, each with its weight:
    # NETWORK/LAYER:WEIGHT+LAYER:WEIGHT; or "lpips" (models/lpips.py).
    pretrain_content: str = setting("pixels")
    content: str = setting("vgg19/block5_conv4")  # of stage srgan, likewise
    content_scale: float = setting(1 / 12.75)  # features are multiplied by it before the MSE; paper §3.2
    # D judges each picture alone, or HR against SR: the relativistic average GAN (Jolicoeur-Martineau 2018).
    adversarial: Literal["standard", "relativistic"] = setting("standard")
    adversarial_weight: float = setting(1e-3, at_least=0)
    matching_weight: float = setting(0.0, at_least=0)  # of D's own features of HR and SR (losses.feature_matching)
    chroma_weight: float = setting(0.0, at_least=0)  # in stage srgan, of colour alone: no coloured specks (losses.chroma_loss)
    phase_weight: float = setting(0.0, at_least=0)  # in stage srgan, of the two losses on what repeats every 4 pixels (losses.py)
    spectrum_weight: float = setting(0.0, at_least=0)  # in stage srgan, of the power at each frequency (losses.spectrum_loss)
    # Of how the content's features go together in small windows (losses.texture_loss), wherever the content is features.
    texture_weight: float = setting(0.0, at_least=0)
    total_variation_weight: float = setting(0.0, at_least=0)  # of both stages that train the generator
    real_label: float = setting(1.0)  # D's target for HR
    fake_label: float = setting(0.0)  # D's target for SR
    generator_label: float = setting(1.0)  # what G wants D to say of SR
    label_noise: float = setting(0.0, at_least=0)  # standard deviation of a normal distribution around each label ...
    label_noise_on: Literal["all", "fake"] = setting("all")  # ... or around that of SR alone
    # The GAN sees pictures rolled by at most so many pixels, newly drawn each step; 0: as they are.
    random_shift: int = setting(0, at_least=0)

    def __post_init__(self):
        super().__post_init__()
        for name in ("pretrain_content", "content"):
            network, _, layer = getattr(self, name).partition("/")
            _require(
                getattr(self, name) in ("pixels", "lpips") or (network in ("vgg16", "vgg19") and layer != ""),
                f'{name} must be "pixels", "lpips" or like "vgg19/block5_conv4", not "{getattr(self, name)}"',
            )


@dataclass(frozen=True)
class Optimization(Group):
    """How far, how fast, with what arithmetic."""

    # Weights that the run's first stage begins from: a file's path, or the name of shipped ones; empty: random ones.
    initial: str = setting("", may_change=True)
    pretrain_steps: int = setting(1_000_000, at_least=0, may_change=True)  # total of stage srresnet
    discriminator_steps: int = setting(0, at_least=0, may_change=True)  # total of stage discriminator: D alone, before the GAN
    gan_steps: int = setting(200_000, at_least=0, may_change=True)  # total of stage srgan
    pretrain_learning_rate: float = setting(1e-4, at_least=0, may_change=True)  # lower after not a number
    gan_learning_rate: float = setting(1e-4, at_least=0, may_change=True)
    # D's learning rate over G's: the two time-scale update rule (TTUR, Heusel et al. 2017).
    discriminator_rate: float = setting(1.0, at_least=0)
    # "step": a tenth from half of the steps on; paper §3.2.
    pretrain_schedule: Literal["constant", "cosine", "step"] = setting("constant")
    gan_schedule: Literal["constant", "cosine", "step"] = setting("step")
    warmup_steps: int = setting(0, at_least=0)  # linear from 0 at the start of each stage
    alternate: bool = setting(False)  # D moves first and G answers the new D; else both move from one forward pass
    adam_beta1: float = setting(0.9, at_least=0, below=1)
    adam_beta2: float = setting(0.999, at_least=0, below=1)
    adam_epsilon: float = setting(1e-7)
    # Decay of an exponential mean of G's weights, which then is what is exported and measured (train/weight_average.py); 0: none.
    ema: float = setting(0.0, at_least=0, below=1)
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = setting("auto", may_change=True)
    # Of the content loss's feature network: that of the run, or float32.
    feature_precision: Literal["run", "float32"] = setting("run", may_change=True)
    xla: bool = setting(False, may_change=True)  # compile the step; slower on CPUs
    deterministic: bool = setting(False, may_change=True)  # the same numbers in every run on one machine; slower on a GPU


@dataclass(frozen=True)
class Keeping(Group):
    """What is written while training, and how often."""

    log_every: int = setting(50, at_least=1, may_change=True)  # steps between two rows of the loss history
    sample_every: int = setting(5_000, at_least=1, may_change=True)  # steps between two sample strips LR | SR | HR
    save_minutes: float = setting(5.0, at_least=0, may_change=True)  # between two checkpoints: the most that a dying session loses
    keep_checkpoints: int = setting(2, at_least=1, may_change=True)  # the newest of each stage that stay on disk
    keep_hourly: int = setting(0, at_least=0, may_change=True)  # besides them, the last one of each of so many hours
    keep_best: bool = setting(False, may_change=True)  # and the one with the highest PSNR-Y on crops of held-out photos
    tensorboard: bool = setting(False, may_change=True)  # write event files for TensorBoard beside the loss history


@dataclass(frozen=True)
class Run(Group):
    """Its name, and the seed of all that is random in it."""

    preset: str = setting("custom", may_change=True)
    run: str = setting("", may_change=True)  # folder name under model/, loss/ and output/; empty: the preset's name
    seed: int = setting(1, at_least=0)  # of the weights, the split, the batches and the labels

    def __post_init__(self):
        super().__post_init__()
        folder = self.run or self.preset
        plain = folder not in ("", ".", "..") and not any(c in folder for c in "/\\\0")
        _require(plain, f'run must be a plain folder name, not "{self.run}"')


@dataclass(frozen=True)
class Config:
    """One run, whole. Made by `settings` or `presets.preset`. Raises SRGANError on impossible values."""

    run: Run = dataclasses.field(default_factory=Run)
    data: Data = dataclasses.field(default_factory=Data)
    generator: Generator = dataclasses.field(default_factory=Generator)
    discriminator: Discriminator = dataclasses.field(default_factory=Discriminator)
    loss: Loss = dataclasses.field(default_factory=Loss)
    optimization: Optimization = dataclasses.field(default_factory=Optimization)
    keeping: Keeping = dataclasses.field(default_factory=Keeping)

    def __post_init__(self):
        steps = self.optimization
        _require(
            not self.data.teacher or steps.gan_steps == steps.discriminator_steps == 0,
            "A teacher stands for HR in stage srresnet alone: gan_steps and discriminator_steps must be 0, "
            f"not {steps.gan_steps} and {steps.discriminator_steps}",
        )
        _require(
            self.discriminator.sees == "pixels" or self.discriminator.kind == "unet",
            f'The discriminator "{self.discriminator.kind}" sees pixels alone: '
            f'discriminator_sees="{self.discriminator.sees}" wants "unet"',
        )
        _require(
            self.discriminator.kind != "unet" or self.data.hr_size % 8 == 0,
            f'The discriminator "unet" halves its pictures three times: hr_size must be a multiple of 8, not {self.data.hr_size}',
        )

    @property
    def name(self) -> str:
        """The run's folder name under model/, loss/ and output/."""
        return self.run.run or self.run.preset

    @property
    def seed(self) -> int:
        return self.run.seed

    def total_steps(self, stage: str) -> int:
        """The step at which `stage` is done."""
        steps = self.optimization
        return {"srresnet": steps.pretrain_steps, "discriminator": steps.discriminator_steps, "srgan": steps.gan_steps}[stage]

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that this run has, in order of training."""
        return tuple(stage for stage in STAGES if self.total_steps(stage))

    @property
    def generator_stages(self) -> dict[str, str]:
        """Of these, the ones that end with a generator: name of files -> name shown."""
        return {stage: STAGES[stage] for stage in self.stages if stage != "discriminator"}

    def replace(self, **changes) -> Config:
        """A copy with some settings changed, by plain name. Raises SRGANError for one that does not exist."""
        return settings(**self.flat() | changes)

    def flat(self) -> dict:
        """All settings by plain name."""
        return {name: getattr(getattr(self, group), field.name) for name, group, field in fields()}

    def differing(self) -> dict:
        """The settings that are not the default, by plain name."""
        usual = Config().flat()
        return {name: value for name, value in self.flat().items() if value != usual[name]}


def settings(**values) -> Config:
    """The run with these settings, by plain name, and all others at their defaults. Raises SRGANError for wrong ones."""
    known = {name: (group, field.name) for name, group, field in fields()}
    chosen: dict[str, dict] = {field.name: {} for field in dataclasses.fields(Config)}
    for name, value in values.items():
        if name not in known:
            raise SRGANError(f"There is no setting named {name}. The settings are: {', '.join(sorted(known))}.")
        group, field = known[name]
        chosen[group][field] = value
    return Config(**{group.name: group.default_factory(**chosen[group.name]) for group in dataclasses.fields(Config)})


def fields() -> Iterator[tuple[str, str, dataclasses.Field]]:
    """(plain name, name of the group, field) of every setting."""
    for group in dataclasses.fields(Config):
        for field in dataclasses.fields(group.default_factory):
            yield plain_name(field), group.name, field


def plain_name(field: dataclasses.Field) -> str:
    return field.metadata["name"] or field.name


def flat_group(group: Group) -> dict:
    """The settings of one group by plain name."""
    return {plain_name(field): getattr(group, field.name) for field in dataclasses.fields(group)}


def _checked(name: str, kind, value, bounds: typing.Mapping):
    """`value` as a `kind` ("12" for an int comes from a command line) within its bounds, or SRGANError."""
    if typing.get_origin(kind) is Literal:
        _require(value in typing.get_args(kind), f"{name} must be one of {', '.join(typing.get_args(kind))}, not {value!r}")
        return value
    value = _converted(name, kind, value)
    least, limit = bounds["at_least"], bounds["below"]
    if limit is not None:
        _require(least <= value < limit, f"{name} must be {least} or more and less than {limit}, not {value}")
    elif least == 0:
        _require(value >= 0, f"{name} must not be negative, but is {value}")
    elif least is not None:
        _require(value >= least, f"{name} must be {least} or more, not {value}")
    _require(not bounds["odd"] or value % 2 == 1, f"{name} must be odd, not {value}")
    return value


def _converted(name: str, kind: type, value):
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[kind]
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
        raise SRGANError(f"{name} must be {words}, not {value!r}.") from None


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise SRGANError(sentence + ".")
