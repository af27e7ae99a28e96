"""What the notebooks do, from the shell: python -m srgan COMMAND --help.

Commands import what they need when they are run, so that help, `fetch` and `prepare` do not wait for TensorFlow.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from srgan import presets
from srgan.config import STAGES, Config
from srgan.data import sources
from srgan.errors import SRGANError
from srgan.runs import streams
from srgan.runs.load_tensorflow import load_tensorflow
from srgan.runs.outside import printable
from srgan.runs.paths import PROJECT, Paths, open_workdir

Commands = dict[str, tuple[Callable[[argparse.Namespace], None], str, list[tuple[tuple[str, ...], dict]]]]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error told in words, 130 after Ctrl-C."""
    return command_line("python -m srgan", "What the notebooks do, from the shell.", COMMANDS, arguments)


def command_line(prog: str, about: str, commands: Commands, arguments: list[str] | None) -> int:
    """Run the one of `commands` that `arguments` (default: the process's own) name; returns the exit status."""
    parser = argparse.ArgumentParser(prog=prog, description=about)
    names = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (function, text, its_arguments) in commands.items():
        command = names.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        for flags, how in its_arguments:
            command.add_argument(*flags, **how)
    for name in ("SIGTERM", "SIGHUP"):  # they end any work as Ctrl-C does, with its temporary files removed
        number = getattr(signal, name, None)
        if number and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # as it is under nohup
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, signal.default_int_handler)
    try:
        with streams.unfailing():
            options = parser.parse_args(arguments)
            options.function(options)
    except SRGANError as error:
        return _told(f"Error: {error}", 1)
    except KeyboardInterrupt as stopped:
        return _told(str(stopped) or "Stopped.", 130)
    except BrokenPipeError:  # nobody reads on, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the last net
        if os.environ.get("SRGAN_TRACEBACK"):
            raise
        reason = " ".join(str(error).split())[:500]
        return _told(f"Error: {type(error).__name__}: {reason} (SRGAN_TRACEBACK=1 shows where; please report it.)", 1)
    return 0


def _told(sentence: str, status: int) -> int:
    """Print `sentence`, if there is a standard error to print to; returns `status`."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print("\n".join(map(printable, sentence.split("\n"))), file=sys.stderr)  # names in it are strangers' words
    return status


def argument(*flags: str, **how) -> tuple[tuple[str, ...], dict]:
    """One argument of a command, in the words of `argparse.ArgumentParser.add_argument`."""
    return flags, how


def run(options: argparse.Namespace) -> None:
    """Notebooks 01 to 05 in order, then the table."""
    load_tensorflow()
    from srgan.results import evaluation
    from srgan.runs import notebook_runner

    _, paths = _open(options)
    changes = _changes(options)
    dataset = changes.pop("dataset", "")
    parameters = {"preset": options.preset, "dataset": dataset, "workdir": str(paths.workdir), "changes": changes}
    notebook_runner.run(parameters, paths.output)
    results = json.loads((paths.output / "results.json").read_text(encoding="utf-8"))
    print(f"\n{evaluation.table(results)}\n\nPictures, curves and executed notebooks: {paths.output}")


def upscale(options: argparse.Namespace) -> None:
    """Images, videos and folders of them, four times as wide and as high, or of another size."""
    load_tensorflow()
    from srgan.upscale import batch, files, size, targets
    from srgan.upscale.order import Order

    order = Order(
        models=tuple(options.compare or [options.model]),
        size=size.wanted(options.scale, options.width, options.height),
        strength=options.strength,
        ensemble=options.ensemble,
        panels=files.panels_of(options.panels or "sr") if options.panels or options.compare else (),
        preview=options.preview,
    )
    found, failed = batch.find(options.inputs, Path(options.out) if options.out and not targets.is_file(options.out) else None)
    jobs = targets.plan(found, options.out, order.ending, order.how)
    order.tell_choice((job.source for job in jobs if options.force or not job.is_done), batch.tell)
    failed += batch.run(jobs, lambda source, target, force: order.fill(source, target, force, batch.tell), options.force)
    if failed:
        raise SRGANError(f"{len(failed)} of {len(found)} failed:\n" + "\n".join(f"  {reason}" for reason in failed))


def fetch(options: argparse.Namespace) -> None:
    """Public photos and benchmarks by name; without a name, which there are."""
    from srgan.data import benchmarks, catalogue
    from srgan.data.download import human

    known = catalogue.PHOTOS | catalogue.BENCHMARKS
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise SRGANError(f"There is nothing to fetch under the name {', '.join(unknown)}. There are: {', '.join(known)}.")
    paths = open_workdir(options.workdir, "fetch")
    for name in options.names:
        is_benchmark = name in catalogue.BENCHMARKS
        print(benchmarks.fetch_benchmark(name, paths) if is_benchmark else sources.fetch_photos(name, paths.downloads))
    if not options.names:
        for name, item in known.items():
            size = item.bytes if name in catalogue.BENCHMARKS else item.file.bytes
            print(f"{name:12} {human(size):>7}  {item.about}; {item.licence}")


def prepare(options: argparse.Namespace) -> None:
    """Notebook 01."""
    from srgan.data import preparation

    config, paths = _open(options)
    teacher = None
    if config.data.teacher:  # a network: nothing else here needs TensorFlow
        load_tensorflow()
        from srgan.upscale import ensemble

        teacher = ensemble.teacher(config)
    dataset = preparation.prepare(config, paths, teacher)
    for sentence in dataset.skipped():
        print(f"skipped {sentence}")
    print(f"{len(dataset.train)} photos to train on, {len(dataset.test)} held out: {dataset.folder}")


def pretrain(options: argparse.Namespace) -> None:
    """Notebook 02."""
    _fit(options, "srresnet")


def train(options: argparse.Namespace) -> None:
    """Notebooks 03 and 04."""
    _fit(options, "discriminator", "srgan")


def _fit(options: argparse.Namespace, *stages: str) -> None:
    """Train those of `stages` that the run has."""
    load_tensorflow()
    from srgan.runs.progress import Progress
    from srgan.train import training

    config, paths = _open(options)
    own = [stage for stage in stages if stage in config.stages]
    for stage in own:
        training.fit(config, paths, stage, Progress())
        if stage in config.generator_stages:
            print(f"Weights: {paths.weights(stage)}")
    if not own:
        print(f"This run leaves out {' and '.join(stages)}: nothing to do.")


def evaluate(options: argparse.Namespace) -> None:
    """Notebook 05."""
    load_tensorflow()
    from srgan.results import comparisons, evaluation, scores, tables
    from srgan.runs import history

    config, paths = _open(options)
    results = evaluation.evaluate(config, paths)
    print(evaluation.table(results, tuple(scores.MEASURES)))
    print(scores.left_out(results["measures"]))
    for stage in config.stages:
        print(f"\n{STAGES[stage]}\n{tables.of_losses(history.read(paths.history(stage)))}")
    for path in comparisons.write_comparisons(config, paths):
        print(path)


def report(options: argparse.Namespace) -> None:
    """A run as one HTML file."""
    load_tensorflow()
    from srgan.results import report

    config, paths = _open(options)
    print(report.write(config, paths, options.output or paths.output / "report.html"))


def frechet(options: argparse.Namespace) -> None:
    """The distance between two folders of images."""
    load_tensorflow()
    from srgan.results import frechet

    print(frechet.compare(*map(frechet.folder, options.folders), options.features, options.workdir.expanduser()))


def measure(options: argparse.Namespace) -> None:
    """How pictures look, in numbers."""
    load_tensorflow()
    from srgan.results import evaluation, measuring, scores

    folders = evaluation.benchmark_folders(Paths(PROJECT, "measure"))
    results = measuring.measure(options.methods, options.sets.split(","), folders, options.json)
    print(measuring.table(results))
    print(scores.left_out(results["measures"]))


def study(options: argparse.Namespace) -> None:
    """Notebook 07, then the table."""
    load_tensorflow()
    from srgan.results import study
    from srgan.runs import notebook_runner

    workdir = open_workdir(options.workdir, "study").workdir
    folder = workdir / "output" / "study"
    parameters = {name: sources.absolute(getattr(options, name), Path.cwd()) for name in ("varied", "faces", "faces_test")}
    parameters |= {"full": True, "features": options.features, "workdir": str(workdir), "changes": _changes(options)}
    name = notebook_runner.STUDY
    notebook_runner.execute(name, parameters, folder / "notebooks" / f"{name}.ipynb")
    print(f"\n{study.table(study.read(folder))}\n\nPictures, curves and the executed notebook: {folder}")


def export(options: argparse.Namespace) -> None:
    """Weights in a format of other programs."""
    load_tensorflow()
    from srgan.runs import weights
    from srgan.upscale import export

    target, difference = export.export(weights.find(options.weights), options.format, options.output, force=options.force)
    print(f"{target}\nLR (B, H, W, 3) in [0, 1] -> SR (B, 4 H, 4 W, 3) around [-1, 1]; at most {difference:.1g} away from Keras.")


def _open(options: argparse.Namespace) -> tuple[Config, Paths]:
    config = presets.preset(options.preset, **_changes(options))
    config = config.replace(dataset=sources.absolute(config.data.dataset, PROJECT))
    return config, open_workdir(options.workdir, config.name, options.drive)


def _changes(options: argparse.Namespace) -> dict[str, str]:
    """The settings that differ from the preset's."""
    changes = {}
    for change in options.changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise SRGANError(f"--set wants NAME=VALUE, not {change}.")
        changes[name] = value
    if getattr(options, "dataset", None):
        changes["dataset"] = options.dataset
    if "dataset" in changes:  # counted from where the command was given
        changes["dataset"] = sources.absolute(changes["dataset"], Path.cwd())
    return changes


WORKDIR = argument("--workdir", type=Path, default=PROJECT, metavar="DIR",
                   help="where data/ model/ output/ loss/ are (default: the project's folder; installed: here)")  # fmt: skip
FORCE = argument("--force", action="store_true", help="overwrite what is there")
SET = argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="changes",
               help="another value for any setting of srgan/config.py; may be repeated")  # fmt: skip
RUN = [  # which run, and where
    argument("--preset", default="quick", help=f"one of {', '.join(presets.PRESETS)} (default: quick)"),
    WORKDIR,
    argument("--drive", metavar="DIR", help="a second folder, such as one on Google Drive, that keeps a copy"),
    argument("--dataset", metavar="samples|folder:PATH|NAME", help="other photos than the preset's"),
    SET,
]

COMMANDS: Commands = {
    "run": (run, "run notebooks 01 to 05 in order, then print the table of results", RUN),
    "upscale": (
        upscale, "upscale images, videos and folders of them (notebook 06)",
        [
            argument("inputs", nargs="+", type=Path, metavar="INPUT", help="an image, a video, or a folder, subfolders included"),
            argument("-o", "--out", metavar="OUT",
                     help="a folder, or for one input a file (default: beside the input)"),
            argument("--scale", type=float, metavar="1..16",
                     help="so many times as wide and as high (default: 4, what the networks do by themselves)"),
            argument("--width", type=int, metavar="PIXELS",
                     help="as wide as this instead; with --height too, as large as fits into both"),
            argument("--height", type=int, metavar="PIXELS", help="as high as this instead"),
            argument("--model", default="", metavar="NAME|FILE",
                     help="weights of the project, such as srgan, srresnet or fast, or a run's .weights.h5 "
                          "(default: what suits the file, and is told)"),
            argument("--strength", type=float, default=1.0, metavar="0..1",
                     help="between srresnet (0, closest to the truth) and srgan or photo (1, the most texture; the default)"),
            argument("--ensemble", action="store_true",
                     help="the mean over eight orientations: a little closer to the truth, smoother, and eight times as long"),
            FORCE,
            argument("--panels", metavar="lr,nearest,bicubic,sr,hr",
                     help="write these side by side instead; with hr the input is HR, and made smaller first"),
            argument("--compare", nargs=2, metavar=("A", "B"), help="two models side by side instead of --model, in panels"),
            argument("--preview", action="store_true", help="of a video the first second only"),
        ],
    ),
    "fetch": (
        fetch, "fetch public photos or benchmarks by name",
        [argument("names", nargs="*", metavar="NAME", help="none: list those there are"), WORKDIR],
    ),
    "prepare": (prepare, "prepare the photos (notebook 01)", RUN),
    "pretrain": (pretrain, "train SRResNet, or go on with it (notebook 02)", RUN),
    "train": (train, "train the GAN, or go on with it (notebooks 03 and 04)", RUN),
    "evaluate": (evaluate, "measure nearest, bicubic, SRResNet and SRGAN (notebook 05)", RUN),
    "report": (
        report, "write a run, finished or not, as one HTML file with curves, tables, strips and settings",
        [*RUN, argument("-o", "--output", type=Path, metavar="FILE", help="default: output/<run>/report.html")],
    ),
    "frechet": (
        frechet, "measure the FID, or another Fréchet distance, between two folders of images",
        [
            argument("folders", nargs=2, type=Path, metavar="FOLDER", help="a folder of images, subfolders included"),
            argument("--features", default="inception", metavar="inception|mobilenet",
                     help="inception (default) gives FID, mobilenet a distance of its own"),
            argument("--workdir", type=Path, default=PROJECT, metavar="DIR", help="where Inception's graph is kept"),
        ],
    ),
    "measure": (
        measure, "measure how pictures look: LPIPS, NIQE, a Fréchet distance, a grid, beside PSNR",
        [
            argument("methods", nargs="+", metavar="METHOD",
                     help="bicubic; srgan, srresnet, fast or a .weights.h5 (with @0.5 at that strength, with +ensemble the mean "
                          "of eight orientations); peer:NAME, a network of others"),
            argument("--sets", default="Set14", metavar="SET,SET",
                     help="benchmarks, or folders of prepared photos, whose held-out side is taken (default: Set14); "
                          "samples: the photos in installed packages; Set14:jpeg50: of damaged LR, Set14:all: each of nine "
                          "damages, Set14:programs: as three programs save it (docs/degraded.md)"),
            argument("--json", type=Path, metavar="FILE",
                     help="keep the numbers there; what it has already of the same weights and images is not measured again"),
        ],
    ),
    "study": (
        study, "train one network on varied photos and on faces, and compare (notebook 07)",
        [
            argument("--varied", default="coco", metavar="DATASET", help="what Model A learns (default: coco)"),
            argument("--faces", default="celeba", metavar="DATASET", help="what Model B learns (default: celeba)"),
            argument("--faces-test", default="", metavar="DATASET", help="held-out faces (default: a fifth of --faces)"),
            argument("--features", choices=("inception", "mobilenet"), default="inception", help="of the Fréchet distance"),
            WORKDIR,
            SET,
        ],
    ),
    "export": (
        export, "write trained weights as .keras, SavedModel, TFLite or ONNX",
        [
            argument("weights", metavar="WEIGHTS", help="a file .weights.h5 with its card, or srgan, srresnet or fast"),
            argument("--format", required=True, choices=("keras", "savedmodel", "tflite", "onnx")),
            argument("-o", "--output", type=Path, metavar="FILE", help="default: beside the weights"),
            FORCE,
        ],
    ),
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
