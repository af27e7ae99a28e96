"""What is measured: each section is a race, with what its numbers are worth."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from srgan.config import SCALE, Config
from srgan.data import preparation
from srgan.models import networks, precision
from srgan.presets import preset
from srgan.runs import weights
from srgan.runs.paths import Paths
from tools.bench import flops, peers, running, trained
from tools.bench.race import Contender, race


@dataclass(frozen=True)
class Plan:
    """How large and how often. The defaults are the paper's network and batch."""

    config: Config = field(default_factory=lambda: preset("paper", dataset="samples"))
    image: int = 256  # side of the one LR image
    rounds: int = 8  # measurements of a contender; even, as every second round goes backward
    few: int = 4  # of those that take seconds and compare with nothing
    copies: int = 16  # of the sample photos in the pack on disk
    trained_steps: int = 400  # of the weights that inference is measured with
    saved: tuple[str, ...] = ("quick", "paper")  # presets whose checkpoints are timed
    everything: bool = True  # else only one contender of each library, in the format that suits the machine

    @functools.cached_property
    def policy(self) -> str:
        """What "auto" stands for on this machine, or what the configuration says."""
        return precision.resolve(self.config.optimization.precision)

    @property
    def half(self) -> str:
        """The half precision that this machine's peers are tried in."""
        return "float16" if self.policy == "mixed_float16" else "bfloat16"

    def count_flops(self, count: Callable, shape: tuple[int, int, int]) -> float:
        """Units of 1e9 operations of the generator on (batch, height, width) of LR."""
        return count(networks.generator(self.config), shape) / 1e9


QUICK = Plan(
    preset("paper", dataset="samples", blocks=4, filters=32, hr_size=48, batch_size=8, discriminator_filters=16,
           discriminator_dense=128, content="vgg19/block2_conv2"),
    image=64, trained_steps=40, rounds=2, few=1, copies=2, saved=("quick",), everything=False,
)  # fmt: skip
GPU = Plan(image=512, rounds=4, few=2, saved=("quick",))
SIZES = {  # of a bench: its plan, and the sections that it leaves out
    "whole": (Plan(), ()),
    "quick": (QUICK, ("image",)),  # a minute or two: it shows that all of it runs, and little more
    "gpu": (GPU, ("checkpoint", "resume")),
}


def peaks(plan: Plan, folder: Path, done: dict) -> dict:
    """What the machine can do at most in each format."""
    formats = dict.fromkeys(["float32", plan.half] if plan.everything else [_format(plan.policy)])
    counts = {"matmul": flops.matmul_count(), "convolution": flops.convolution_count()}
    contenders = [
        Contender(f"{kind}, {each}", f"tools.bench.flops:{kind}", {"precision": each}, each) for each in formats for kind in counts
    ]
    rows = race(contenders, plan.few)
    for row in rows:
        _add_rate(row, "GFLOP/s", counts[row["name"].partition(",")[0]] / 1e9)
    sides = "x".join(str(side) for side in flops.IMAGES[:3])
    title = f"Peaks: a matrix product of side {flops.SIDE}, and a 3x3 convolution of {sides} with 64 channels, in TensorFlow"
    return {"title": title, "compares": False, "rows": rows}


def pretrain(plan: Plan, folder: Path, done: dict) -> dict:
    """One SRResNet update: MSE and Adam."""
    contenders = _our_steps(plan, "pretrain")
    contenders.append(Contender("stock Keras", "tools.bench.classic:pretrain", {"config": plan.config, "xla": False}))
    if plan.everything:
        by_default = {"config": plan.config, "xla": True}
        contenders.append(Contender("stock Keras with XLA, its default", "tools.bench.classic:pretrain", by_default))
    contenders += _torch(plan, "pretrain", {"channels_last": True})
    if plan.everything:
        default = {"config": plan.config, "precision": "float32", "channels_last": False}
        contenders.append(Contender("PyTorch, default layout", "tools.bench.torch_twin:pretrain", default))
    rows = race(contenders, plan.rounds)
    side = plan.config.data.hr_size // SCALE
    gigas = plan.count_flops(flops.training, (plan.config.data.batch_size, side, side))
    for row in rows:
        _add_rate(row, "images/s", plan.config.data.batch_size)
        _add_rate(row, "GFLOP/s", gigas, _rows(done, "peaks"))
    return {"title": f"Pre-training step: {_size(plan.config)}, MSE, Adam", "compares": True, "rows": rows}


def gan(plan: Plan, folder: Path, done: dict) -> dict:
    """One update of both networks."""
    contenders = _our_steps(plan, "gan")
    contenders.append(Contender("classic loop", "tools.bench.classic:gan", {"config": plan.config, "xla": False}))
    rows = race(contenders + _torch(plan, "gan", {"channels_last": True}), plan.rounds)
    for row in rows:
        _add_rate(row, "images/s", plan.config.data.batch_size)
    return {"title": f"GAN step: {_size(plan.config)}, content loss on {plan.config.loss.content}", "compares": True, "rows": rows}


def batch(plan: Plan, folder: Path, done: dict) -> dict:
    """Inference on as many small images as a training batch has."""
    side = plan.config.data.hr_size // SCALE
    return _inference(plan, (plan.config.data.batch_size, side, side), folder, done)


def image(plan: Plan, folder: Path, done: dict) -> dict:
    """Inference on one larger image."""
    return _inference(plan, (1, plan.image, plan.image), folder, done)


def _inference(plan: Plan, shape: tuple[int, int, int], folder: Path, done: dict) -> dict:
    path = trained.train(plan.config, plan.trained_steps, folder)
    arrays = trained.save_for_torch(path, folder / "for_torch.npz")
    contenders = _our_weights("ours", path, plan, shape)
    arguments = {"config": plan.config, "path": path, "shape": shape, "xla": False}
    contenders.append(Contender("stock Keras", "tools.bench.classic:upscale", arguments))
    contenders += _torch(plan, "upscale", {"shape": shape, "arrays": arrays})
    rows = race(contenders, plan.rounds)
    count, height, width = shape
    gigas = plan.count_flops(flops.forward, shape)
    for row in rows:
        _add_rate(row, "MP/s", count * height * width * SCALE**2 / 1e6)
        _add_rate(row, "GFLOP/s", gigas, _rows(done, "peaks"))
    sizes = f"{count} x {height}x{width} -> {SCALE * height}x{SCALE * width}"
    title = f"Inference: {sizes}, from uint8 to uint8, weights of {plan.trained_steps} steps"
    return {"title": title, "compares": True, "rows": rows}


def shipped(plan: Plan, folder: Path, done: dict) -> dict:
    """The weights that come with the project, and networks of others: how fast, and how near to HR."""
    shape = (1, plan.image, plan.image)
    contenders, quality = [], {}
    for name, path in weights.shipped().items():
        contenders += _our_weights(name, path, plan, shape)
        quality[name] = weights.card(path)["scores"]["Set14"]["psnr_y"]
    contenders += [Contender(name, "tools.bench.peers:measure", {"name": name, "shape": shape}) for name in peers.PEERS]
    rows = race(contenders, plan.rounds)
    quality |= {row["name"]: peers.psnr_y(row["name"], "Set14") for row in rows if row["name"] in peers.PEERS and not row["failed"]}
    for row in rows:
        _add_rate(row, "MP/s", (SCALE * plan.image) ** 2 / 1e6)
        score = quality.get(row["name"].partition(" (")[0])
        if score and not row["failed"]:
            row["also"]["PSNR-Y on Set14, dB"] = score
    sizes = f"{plan.image}x{plan.image} -> {SCALE * plan.image}x{SCALE * plan.image}"
    return {"title": f"The weights that come with the project, and peers: {sizes}", "compares": False, "rows": rows}


def pipeline(plan: Plan, folder: Path, done: dict) -> dict:
    """The input pipeline, from memory and from disk."""
    dataset = _prepare(plan.config, folder)
    large = folder / "data" / "large"
    running.enlarge(dataset, large, plan.copies)
    size = (large / "train.u8").stat().st_size / 1e6
    contenders = [
        Contender("from memory", "tools.bench.running:batches_in_memory", {"config": plan.config, "folder": dataset}, ""),
        *(
            Contender(f"from disk, mapped, {size:.0f} MB, cold, {name}", "tools.bench.running:batches_from_disk",
                      {"config": plan.config, "folder": large, "checked": checked}, "")
            for name, checked in (("first epoch", False), ("later", True))
        ),
    ]  # fmt: skip
    rows = race(contenders, plan.rounds)
    steps = [row["median"] for row in _rows(done, "pretrain") if row["name"] == "ours" and not row["failed"]]
    for row in rows:
        _add_rate(row, "batches/s", 1)
        if steps:
            _add_rate(row, "batches in our fastest pre-training step (wanted: 20)", min(steps))
    return {"title": f"Input: a batch of {plan.config.data.batch_size} patches", "compares": False, "rows": rows}


def checkpoint(plan: Plan, folder: Path, done: dict) -> dict:
    """One save of everything, and how large it is."""
    configs = {name: preset(name, dataset="samples") for name in plan.saved}
    for config in configs.values():
        _prepare(config, folder)
    contenders = [
        Contender(name, "tools.bench.running:save", {"config": config, "stage": "srgan", "workdir": folder}, "")
        for name, config in configs.items()
    ]
    rows = race(contenders, plan.few)
    for row in rows:
        saved = [path for path in (folder / "model" / f"{row['name']}-srgan").rglob("*") if path.is_file()]
        row["also"] = {"MB": sum(path.stat().st_size for path in saved) / 1e6}
    return {"title": "A save of stage SRGAN: metrics, checkpoint and weights", "compares": False, "rows": rows}


def resume(plan: Plan, folder: Path, done: dict) -> dict:
    """The way from a process's start back into training."""
    contender = Contender("quick", "tools.bench.running:resume", {"changes": {}, "workdir": folder / "resume"}, "")
    title = "From the start of `python -m srgan pretrain` to the end of the first resumed step"
    return {"title": title, "compares": False, "rows": race([contender], plan.few)}


SECTIONS = {each.__name__: each for each in (peaks, pretrain, gan, batch, image, shipped, pipeline, checkpoint, resume)}


def _ours(plan: Plan, function: str, arguments: dict) -> list[Contender]:
    """Ours in the format that this machine computes fastest in, and in float32 for machines that have no other."""
    policies = dict.fromkeys([plan.policy, "float32"] if plan.everything else [plan.policy])
    configs = {policy: plan.config.replace(precision=policy) for policy in policies}
    return [
        Contender("ours", f"tools.bench.ours:{function}", arguments | {"config": config}, _format(policy))
        for policy, config in configs.items()
    ]


def _our_weights(name: str, path: Path, plan: Plan, shape: tuple[int, int, int]) -> list[Contender]:
    """Inference by the weights at `path` as users get it, and in float32 where that may be something else."""
    policies = dict.fromkeys([plan.policy, "float32"] if plan.everything else [plan.policy])
    return [
        Contender(name, "tools.bench.ours:upscale", {"path": path, "precision": policy, "shape": shape}, _format(policy))
        for policy in policies
    ]


def _our_steps(plan: Plan, stage: str) -> list[Contender]:
    """The same for a training step, and through XLA."""
    found = _ours(plan, stage, {"xla": False})
    if plan.everything:
        fastest = found[0]
        found.append(Contender("ours with XLA", fastest.function, fastest.arguments | {"xla": True}, fastest.format))
    return found


def _torch(plan: Plan, function: str, arguments: dict) -> list[Contender]:
    """PyTorch in its fastest layout, in both formats."""
    formats = ["float32", plan.half] if plan.everything else [_format(plan.policy)]
    return [
        Contender("PyTorch, channels last", f"tools.bench.torch_twin:{function}",
                  arguments | {"config": plan.config, "precision": each}, each)
        for each in formats
    ]  # fmt: skip


def _format(policy: str) -> str:
    return policy.removeprefix("mixed_")


def _size(config: Config) -> str:
    side = config.data.hr_size // SCALE
    sizes = f"{side}x{side} -> {config.data.hr_size}x{config.data.hr_size}"
    return f"{config.generator.blocks} blocks of {config.generator.filters} filters, batch {config.data.batch_size}, {sizes}"


def _prepare(config: Config, folder: Path) -> Path:
    """The folder of the sample photos, prepared; contenders must not do so at the same time."""
    return preparation.prepare(config, Paths(folder, "bench")).folder


def _add_rate(row: dict, unit: str, amount: float, peaks: list[dict] | None = None) -> None:
    """`amount` for each unit of work as a rate, and its share of the convolution's peak in the row's format."""
    if row["failed"]:
        return
    row["also"] = row.get("also", {}) | {unit: amount / row["median"]}
    for peak in peaks or []:
        if peak["name"] == f"convolution, {row['format']}" and not peak["failed"]:
            row["also"]["of the convolution's peak"] = row["also"][unit] / peak["also"][unit]


def _rows(done: dict, section: str) -> list[dict]:
    """The rows of a section that was measured before; none if it was left out."""
    return done.get(section, {"rows": []})["rows"]
