"""The standard x4 test sets, brought to where evaluation looks for them: data/benchmarks/NAME/{HR,LR_x4}."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

from srgan.config import SCALE
from srgan.data.catalogue import BENCHMARK_ARCHIVE, BENCHMARK_IMAGE, BENCHMARKS, Benchmark
from srgan.data.download import MirrorError, disk_faults, download, human, require_space
from srgan.data.fetch import digest, fetch
from srgan.data.images import crop_to_scale, read_image
from srgan.data.media import PICTURES
from srgan.data.unpack import unpack
from srgan.errors import SRGANError
from srgan.runs.locks import only_one
from srgan.runs.paths import PARTIAL, Paths, remove_folder
from srgan.runs.progress import shows_bars


def fetch_benchmark(name: str, paths: Paths) -> Path:
    """The folder of the benchmark `name`, with equal names under HR and LR_x4; fetched if it is not there yet.

    First image by image where the images' checksum is known, else first in the archive of all four sets; then the
    other way. Raises SRGANError with what each said.
    """
    folder, benchmark = paths.data / "benchmarks" / name, BENCHMARKS[name]
    if (folder / "HR").is_dir() and (folder / "LR_x4").is_dir():
        return folder
    with only_one(folder):
        return _fetch(name, benchmark, folder, paths)


def _fetch(name: str, benchmark: Benchmark, folder: Path, paths: Paths) -> Path:
    if (folder / "HR").is_dir() and (folder / "LR_x4").is_dir():
        return folder  # another process has fetched it meanwhile
    if folder.exists():
        raise SRGANError(f"{folder} is there, but without HR and LR_x4 in it. Move it away and run the same again.")
    ways = [_image_by_image, _from_archive] if benchmark.sha256 else [_from_archive, _image_by_image]
    said = []
    for way in ways:
        try:
            with disk_faults(folder):
                os.replace(way(name, benchmark, folder, paths), folder)
            return folder
        except SRGANError as error:
            said.append(str(error))
            print(error, flush=True)
    reasons = "\n".join(said)
    raise SRGANError(
        f"{name} could not be fetched.\n{reasons}\n"
        f"Or put the images at {folder}/HR and {folder}/LR_x4 by hand, equal names in both."
    )


def _image_by_image(name: str, benchmark: Benchmark, folder: Path, paths: Paths) -> Path:
    """A finished folder beside `folder`, image by image; those that an earlier call has brought are kept."""
    partial = folder.with_name(f"{PARTIAL}{name}-images")
    (partial / "HR").mkdir(parents=True, exist_ok=True)
    (partial / "LR_x4").mkdir(exist_ok=True)
    require_space(partial, benchmark.bytes, name)
    print(f"Fetching {name}, {human(benchmark.bytes)}, image by image from raw.githubusercontent.com", flush=True)
    numbers = tqdm(range(1, benchmark.images + 1), desc=name, unit="image", disable=not shows_bars())
    for number in numbers:
        for side, kept in (("HR", "HR"), ("LR", "LR_x4")):
            path = partial / kept / f"img_{number:03d}.png"
            if not path.exists():
                url = BENCHMARK_IMAGE.format(name=name, number=number, side=side)
                _fetch_image(url, path)
    complaint = _fault(partial, benchmark)
    if complaint:
        shutil.rmtree(partial)
        raise SRGANError(f"The images of {name} came, but {complaint}.")
    return partial


def _fetch_image(url: str, path: Path) -> None:
    unfinished = path.with_name(f"{PARTIAL}{path.name}")
    try:
        download(url, unfinished)
    except MirrorError as error:
        raise SRGANError(f"{url}: {error}. What has arrived is kept.") from error
    os.replace(unfinished, path)


def _fault(folder: Path, benchmark: Benchmark) -> str:
    """What is wrong with the images in `folder`, in a phrase. Where no checksum is published, the one found is kept and said."""
    files = sorted(folder.glob("*/*.png"))
    listing = "".join(f"{digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in files)
    found = hashlib.sha256(listing.encode()).hexdigest()
    if benchmark.sha256:
        return "" if found == benchmark.sha256 else f"the sha256 of them all is {found}, not {benchmark.sha256}"
    size = sum(file.stat().st_size for file in files)
    if abs(size - benchmark.bytes) > benchmark.bytes / 100:
        return f"they have {size:,} bytes together, not about {benchmark.bytes:,}"
    complaint = _pairing(folder, benchmark)
    if not complaint:
        (folder / "SHA256SUMS").write_text(listing, encoding="utf-8")
        print(f"No checksum of these images is published; their number and size are right. The sha256 of all is {found}.")
    return complaint


def _from_archive(name: str, benchmark: Benchmark, folder: Path, paths: Paths) -> Path:
    """A finished folder beside `folder`, out of the archive of all four sets."""
    archive = fetch(BENCHMARK_ARCHIVE, paths.downloads)
    partial = folder.with_name(f"{PARTIAL}{name}-archive")
    remove_folder(partial)
    unpack(archive, partial, lambda member: _name_in_set(member, benchmark.inside))
    complaint = _pairing(partial, benchmark)
    if complaint:
        shutil.rmtree(partial)
        raise SRGANError(f"{archive} is unpacked, but {complaint}.")
    return partial


def _name_in_set(member: str, inside: str) -> str | None:
    """HR/a.png and LR_x4/a.png for benchmark/SET/HR/a.png and benchmark/SET/LR_bicubic/X4/ax4.png."""
    path = PurePosixPath(member)
    if path.suffix.lower() not in PICTURES:
        return None
    if path.parent == PurePosixPath("benchmark", inside, "HR"):
        return f"HR/{path.name}"
    if path.parent == PurePosixPath("benchmark", inside, "LR_bicubic", f"X{SCALE}"):
        return f"LR_x4/{path.stem.removesuffix(f'x{SCALE}')}{path.suffix}"
    return None


def _pairing(folder: Path, benchmark: Benchmark) -> str:
    """What keeps the images in `folder` from being pairs of HR and LR, in a phrase; empty if they are."""
    hr_names, lr_names = ({path.name for path in (folder / side).glob("*.*")} for side in ("HR", "LR_x4"))
    if hr_names != lr_names or len(hr_names) != benchmark.images:
        return f"there are {len(hr_names)} HR and {len(lr_names)} LR images, not {benchmark.images} of equal names"
    for name in sorted(hr_names):
        try:
            hr, lr = crop_to_scale(read_image(folder / "HR" / name)), read_image(folder / "LR_x4" / name)
        except SRGANError as error:
            return str(error)
        if hr.shape[:2] != (SCALE * lr.shape[0], SCALE * lr.shape[1]):
            return f"the LR of {name} is not a quarter of its HR"
    return ""
