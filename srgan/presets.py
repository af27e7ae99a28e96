"""The named presets: settings that differ from the defaults of srgan/config.py, which are those of the paper."""

from __future__ import annotations

from srgan.config import Config, settings
from srgan.errors import SRGANError

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

# The paper's size of network with what makes a short training go far.
_DRAWN = _SHIPPED | dict(
    pretrain_steps=16_000,
    gan_steps=6000,
    tail_filters=16,  # neighbouring pixels are drawn with a view of each other: no grid behind the shuffle
    content="lpips",  # wants SRGAN_LPIPS=FILE (docs/lpips.md); layers of vgg19 do without
    content_scale=1.0,  # the weight of LPIPS is its square
    pixel_weight=0.5,
    phase_weight=15.0,  # no grid, and no dashes along the cells of the shuffle
    adversarial="relativistic",
    adversarial_weight=0.3,
    discriminator="unet",
    discriminator_filters=32,
    discriminator_rate=1.2,
    random_shift=15,
    gan_learning_rate=2e-4,
    adam_beta2=0.99,
    ema=0.998,
)

_PRESETS = {
    # A few CPU minutes on the sample photos: a small network that works at LR size throughout. Nothing is downloaded: D's own
    # features stand in for those of a trained network.
    "quick": _LEAN
    | dict(
        blocks=4,
        filters=32,
        content="pixels",
        adversarial="relativistic",
        adversarial_weight=2.0,  # strong, or the pixels keep everything soft
        matching_weight=25.0,
        phase_weight=4.0,  # no grid; more of it takes texture away
        discriminator="patch",
        discriminator_filters=16,
        discriminator_rate=3.0,
        random_shift=15,
        ema=0.995,
        adam_beta2=0.99,
        pretrain_steps=3000,
        gan_steps=1500,
        pretrain_learning_rate=2e-3,
        gan_learning_rate=5e-4,
        gan_schedule="constant",
        warmup_steps=50,
        log_every=10,
        sample_every=500,
        save_minutes=1.0,
    ),
    # The weights that come with the project (model/).
    "shipped": _DRAWN,
    # The same for photos as people have them: softened, resized, noisy, compressed.
    "photo": _DRAWN
    | dict(
        degradation="photo",
        content_scale=0.8,
        pixel_weight=0.7,
        adversarial_weight=0.12,
        texture_weight=1.0,  # as strong as HR's and of its kind, but it may lie elsewhere
        chroma_weight=3.0,  # what LR has lost is guessed: no coloured specks,
        spectrum_weight=0.15,  # nor hatching of any period
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
    config = settings(preset=name, **_PRESETS[name])
    if changes.get("dataset", config.data.dataset) != config.data.dataset:
        changes = {"photos": 0, "smallest_side": 0} | changes  # the preset's count is of its own photos
    return config.replace(**changes)
