"""The public photos and benchmarks that can be had by name: where they are, how large, by which checksum they are known.

Addresses, sizes and checksums as gluon-cv, torchvision, torchSR, deepinv and TensorFlow Datasets give them. Mirrors of
which neither checksum nor size is published anywhere are left out (the benchmarks' copies on Hugging Face and Drive).
"""

from __future__ import annotations

from dataclasses import dataclass

from srgan.data.fetch import RemoteFile


@dataclass(frozen=True)
class PublicPhotos:
    """Photos in one archive. `inside`: the folder in the archive that holds them and nothing else that is an image."""

    file: RemoteFile
    inside: str
    about: str
    licence: str


@dataclass(frozen=True)
class Benchmark:
    """HR and published LR of the standard x4 test sets, image by image or in one archive with the three others.

    `bytes` and `sha256` are of the images one by one: the sum of their sizes, and the checksum of the output of
    `sha256sum HR/* LR_x4/*`; empty where nobody has published it, and then the sum must be right within a hundredth.
    """

    images: int
    bytes: int
    sha256: str
    inside: str  # the folder in the archive, under benchmark/
    about: str
    licence: str


PHOTOS = {
    "coco": PublicPhotos(
        RemoteFile(
            "val2017.zip",
            ("https://s3.amazonaws.com/images.cocodataset.org/zips/val2017.zip",
             "http://images.cocodataset.org/zips/val2017.zip"),
            815_585_330,
            "md5:442b8da7639aecaf257c1dceb8ba8c80",
        ),
        "val2017",
        "5,000 everyday photos, about 640x480 (COCO val2017)",
        "each photo's own Creative Commons licence",
    ),
    "coco-train": PublicPhotos(
        RemoteFile(
            "train2017.zip",
            ("https://s3.amazonaws.com/images.cocodataset.org/zips/train2017.zip",
             "http://images.cocodataset.org/zips/train2017.zip"),
            19_336_861_798,
            "md5:cced6f7f71b7629ddf16f17bbcfab6b2",
        ),
        "train2017",
        "118,287 of the same kind (COCO train2017)",
        "each photo's own Creative Commons licence",
    ),
    "celeba": PublicPhotos(
        RemoteFile(
            "img_align_celeba.zip",
            ("https://s3-us-west-1.amazonaws.com/udacity-dlnfd/datasets/celeba.zip",
             "https://s3.amazonaws.com/pytorch-tutorial-assets/img_align_celeba.zip",
             "gdrive:0B7EVK8r0v71pZjFTYXZWM3FlRnM",
             "gdrive:1zmsC4yvw-e089uHXj5EdP0BSZ0AlDQRR",
             "gdrive:1O7m1010EJjLE5QxLZiM9Fpjs7Oj6e684"),
            1_443_490_838,
            "md5:00d2c5bc6d35e252742224ab0c1e8fcb",
        ),
        "img_align_celeba",
        "202,599 aligned faces, 178x218 (CelebA)",
        "non-commercial research only",
    ),
    "div2k": PublicPhotos(
        RemoteFile(
            "DIV2K_train_HR.zip",
            ("https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
             "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip"),
            3_530_603_713,
            "md5:bdc2d9338d4e574fe81bf7d158758658",
        ),
        "DIV2K_train_HR",
        "800 varied photos, 2,040 pixels wide or high (DIV2K)",
        "academic research only",
    ),
    "div2k-valid": PublicPhotos(
        RemoteFile(
            "DIV2K_valid_HR.zip",
            ("https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
             "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip"),
            448_993_893,
            "md5:9fcdda83005c5e5997799b69f955ff88",
        ),
        "DIV2K_valid_HR",
        "100 more of them",
        "academic research only",
    ),
}  # fmt: skip

BENCHMARKS = {
    "Set5": Benchmark(
        5,
        924_594,
        "60b4b14d1d79446faa09ab3f15f74da5844fd0ecf91af20306dcc00e9036f670",
        "Set5",
        "5 photos with their published LR",
        "customary research set",
    ),
    "Set14": Benchmark(
        14,
        5_338_861,
        "180fcc20c5d329ac09bc1786f7b42f3e68b545a9e76bc98eedddbd4e923a3070",
        "Set14",
        "14 of them",
        "customary research set",
    ),
    "BSD100": Benchmark(
        100,
        29_027_111,
        "fd28150396ccd4e3e0a7265e0a086ddb60e9f2819ef658f027eeed0f3f0b8bf6",
        "B100",
        "100 of them, nature and people",
        "non-commercial research",
    ),
    "Urban100": Benchmark(100, 145_000_000, "", "Urban100", "100 of them, buildings", "customary research set"),
}

BENCHMARK_ARCHIVE = RemoteFile(
    "benchmark.tar",  # of 250 MB
    ("https://cv.snu.ac.kr/research/EDSR/benchmark.tar",),
    checksum="md5:4ace41d33c2384b97e6b320cd0afd6ba",
)
# The authors of SelfExSR keep the images of the four sets one by one.
BENCHMARK_IMAGE = (
    "https://raw.githubusercontent.com/jbhuang0604/SelfExSR/8f6dd8c1d20cb7e8792a7177b4f6fd677633f598"
    "/data/{name}/image_SRF_4/img_{number:03d}_SRF_4_{side}.png"
)
