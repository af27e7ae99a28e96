"""The paper's networks and both steps in PyTorch, as fast as it runs them without writing kernels: a peer to measure against."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from srgan.config import Config
from tools.bench import work

LEAK = 0.2  # of every LeakyReLU, as in srgan/models/layers.py, which would bring TensorFlow with it
EPSILON = 1e-3  # of Keras's batch norm
VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # of VGG19: filters and convolutions of each block


class Generator(nn.Module):
    """The generator of preset `paper`: LR (B, 3, H, W) in [0, 1] -> SR (B, 3, 4 H, 4 W) towards [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__()
        width, momentum = config.generator.filters, config.generator.momentum
        self.head = nn.Sequential(_conv(3, width, config.generator.head_kernel), _prelu(width))
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(width, width), _norm(width, momentum), _prelu(width), _conv(width, width), _norm(width, momentum))
            for _ in range(config.generator.blocks)
        )
        self.trunk = nn.Sequential(_conv(width, width), _norm(width, momentum))
        self.tail = nn.Sequential(
            _conv(width, 4 * width), nn.PixelShuffle(2), _prelu(width),
            _conv(width, 4 * width), nn.PixelShuffle(2), _prelu(width),
            _conv(width, 3, config.generator.output_kernel),
        )  # fmt: skip

    def forward(self, lr):
        head = x = self.head(lr)
        for block in self.blocks:
            x = x + block(x)
        return self.tail(head + self.trunk(x))


class Discriminator(nn.Sequential):
    """The discriminator of preset `paper`: HR or SR (B, 3, hr_size, hr_size) -> logits (B, 1).

    A convolution of stride 2 pads at the top and on the left, where TensorFlow's pads below and on the right: the same
    network on images, and with kernels, turned by 180 degrees.
    """

    def __init__(self, config: Config):
        base, momentum = config.discriminator.filters, config.discriminator.momentum
        parts, width = [_conv(3, base), nn.LeakyReLU(LEAK, inplace=True)], base
        for multiple, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            parts += [nn.Conv2d(width, multiple * base, 3, stride, padding=1), _norm(multiple * base, momentum)]
            parts += [nn.LeakyReLU(LEAK, inplace=True)]
            width = multiple * base
        parts += [nn.Flatten(), nn.Linear(width * (config.data.hr_size // 16) ** 2, config.discriminator.dense)]
        super().__init__(*parts, nn.LeakyReLU(LEAK, inplace=True), nn.Linear(config.discriminator.dense, 1))


class Features(nn.Module):
    """VGG19 with random weights up to `config`'s content layer, frozen: images in [-1, 1] -> features, scaled."""

    def __init__(self, config: Config):
        super().__init__()
        block, conv = (int(part[-1]) for part in config.loss.content.partition("/")[2].split("_"))  # of "block5_conv4"
        parts, before = [], 3
        for index, (width, count) in enumerate(VGG_BLOCKS[:block], start=1):
            for _ in range(conv if index == block else count):
                parts += [_conv(before, width), nn.ReLU(inplace=True)]
                before = width
            parts += [] if index == block else [nn.MaxPool2d(2)]
        self.convolutions, self.scale = nn.Sequential(*parts).requires_grad_(False), config.loss.content_scale
        self.register_buffer("mean", torch.tensor((103.939, 116.779, 123.68)).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images):
        return self.convolutions((images.flip(1) + 1.0) * 127.5 - self.mean) * self.scale


def pretrain(config: Config, precision: str, channels_last: bool) -> Callable[[], float]:
    """A measurement of one SRResNet update: MSE and Adam."""
    place = Place(precision, channels_last)
    generator = place.put(Generator(config))
    optimizer = torch.optim.Adam(generator.parameters(), config.optimization.pretrain_learning_rate, fused=True)
    lr, hr = place.batch(config)

    def step():
        with place.autocast():
            sr = generator(lr / 255.0)
        loss = functional.mse_loss(sr.float(), hr / 127.5 - 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return work.repeated(step)


def gan(config: Config, precision: str, channels_last: bool) -> Callable[[], float]:
    """A measurement of one joint update of both networks."""
    place = Place(precision, channels_last)
    step = gan_step(config, place, *(place.put(kind(config)) for kind in (Generator, Discriminator, Features)))
    lr, hr = place.batch(config)
    return work.repeated(lambda: step(lr, hr))


def gan_step(config: Config, place: Place, generator: nn.Module, discriminator: nn.Module, features: nn.Module) -> Callable:
    """The mathematics of `steps.gan_step`: (LR, HR), values 0 to 255 -> the perceptual loss.

    G runs once, D once on HR and once on SR, features once on each.
    """
    g_weights, d_weights = list(generator.parameters()), list(discriminator.parameters())
    g_optimizer, d_optimizer = (
        torch.optim.Adam(w, config.optimization.gan_learning_rate, fused=True) for w in (g_weights, d_weights)
    )
    judge = functional.binary_cross_entropy_with_logits

    def step(lr, hr):
        photos = hr / 127.5 - 1.0
        with place.autocast():
            sr = generator(lr / 255.0)
            hr_logits, sr_logits = discriminator(photos).float(), discriminator(sr).float()
            with torch.no_grad():
                wanted = features(photos).float()
            content = functional.mse_loss(features(sr).float(), wanted)
        ones = torch.ones_like(sr_logits)
        d_loss = judge(hr_logits, ones) + judge(sr_logits, 0 * ones)
        g_loss = content + config.loss.adversarial_weight * judge(sr_logits, ones)
        # Only what each network's weights need: no gradient of D's loss in G, none of G's loss in D's weights.
        d_gradients = torch.autograd.grad(d_loss, d_weights, retain_graph=True)
        g_gradients = torch.autograd.grad(g_loss, g_weights)
        for weight, gradient in zip(d_weights + g_weights, d_gradients + g_gradients, strict=True):
            weight.grad = gradient
        d_optimizer.step()
        g_optimizer.step()
        return g_loss.detach()

    return step


def upscale(config: Config, arrays: Path, precision: str, shape: tuple[int, int, int]) -> Callable[[], float]:
    """A measurement of inference by the weights in `arrays` on (count, height, width) images, from uint8 to uint8."""
    place, generator, lr = Place(precision, channels_last=True), Generator(config), work.pixels(*shape)
    with np.load(arrays) as file:
        load(generator, list(file.values()))
    generator = place.put(generator).eval()

    @torch.inference_mode()
    def infer():
        with place.autocast():
            sr = generator(place.images(lr) / 255.0)
        sr = ((sr.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return sr.permute(0, 2, 3, 1).cpu().numpy().mean()

    return work.repeated(infer)


def load(network: nn.Module, arrays: list[np.ndarray]) -> None:
    """Set all weights of `network` (`trained.arrays_for_torch` gives them in this order)."""
    state = network.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    network.load_state_dict(state | {name: torch.from_numpy(array.copy()) for name, array in zip(names, arrays, strict=True)})


class Place:
    """The device, the number format and the layout of one contender."""

    def __init__(self, precision: str, channels_last: bool):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.dtype = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)

    def put(self, network: nn.Module) -> nn.Module:
        return network.to(self.device, memory_format=self.format)

    def images(self, images: np.ndarray) -> torch.Tensor:
        """uint8 (B, H, W, 3) as float32 (B, 3, H, W) of the same values."""
        return torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device, torch.float32).contiguous(memory_format=self.format)

    def batch(self, config: Config) -> tuple[torch.Tensor, torch.Tensor]:
        lr, hr = work.batch(config)
        return self.images(lr), self.images(hr)

    def autocast(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.device, self.dtype) if self.dtype else contextlib.nullcontext()


def _conv(before: int, after: int, kernel: int = 3) -> nn.Module:
    return nn.Conv2d(before, after, kernel, padding=kernel // 2)


def _norm(width: int, momentum: float) -> nn.Module:
    return nn.BatchNorm2d(width, eps=EPSILON, momentum=1.0 - momentum)  # PyTorch's word for the other share


def _prelu(width: int) -> nn.Module:
    return nn.PReLU(width)  # from 0.25, as in Keras here
