"""Files upscaled into files: which become what, one after the other; what fails is told at the end and stops nobody else."""

from __future__ import annotations

import mimetypes
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from srgan.config import SCALE
from srgan.data import images
from srgan.errors import SRGANError
from srgan.runs import weights
from srgan.runs.progress import shows_bars
from srgan.upscale import image_files as pictures
from srgan.upscale import network as upscale
from srgan.upscale.image_files import Picture

SUFFIX = "_x4"  # between a file's name and its ending
PANELS = ("lr", "nearest", "bicubic", "sr", "hr")
FROM_COLOUR = np.array([0.299, 0.587, 0.114], np.float32)  # gray of R, G, B (ITU-R BT.601)


def upscale_file(source: Path, target: Path, upscaler: upscale.Network, force: bool = False) -> Picture:
    """Upscale the picture at `source` into the file `target`, whose ending says of which kind; returns what was read.

    Gray stays gray, transparency and 16 bits a channel are kept, animations move, colour profile, resolution (DPI) and EXIF
    go along. Raises SRGANError if the source cannot be read, or the target exists (unless `force`), cannot hold the
    result or cannot be written; then nothing is.
    """
    require_free(target, source, force)
    picture = pictures.read(source)
    height, width = (SCALE * side for side in picture.frames[0].shape[:2])
    pictures.require(target, picture, height, width)
    pictures.write(target, [enlarged(frame, upscaler) for frame in picture.frames], height, width, picture)
    return picture


def enlarged(frame: np.ndarray, upscaler: upscale.Network) -> Iterator[np.ndarray]:
    """SR of a frame (H, W, C) of `pictures.Picture` in bands (h, 4 W, C) from top to bottom, of the frame's type.

    The network sees gray as three equal channels; transparency is enlarged by bicubic interpolation, and under what is wholly
    transparent the network sees the nearest colour that is not.
    """
    alpha = frame[..., -1] if frame.shape[2] in (2, 4) else None
    colour = frame[..., : 3 if frame.shape[2] > 2 else 1]
    if alpha is not None:
        colour = _bled(colour, alpha)
    top = 0
    for band in upscaler.bands(colour if colour.shape[2] == 3 else np.repeat(colour, 3, axis=2)):
        if colour.shape[2] == 1:
            band = (band @ FROM_COLOUR).round().astype(frame.dtype)[..., None]
        if alpha is not None:
            band = np.concatenate([band, _rows_of_bicubic(alpha, top, len(band))[..., None]], axis=2)
        top += len(band)
        yield band


def _bled(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`colour` (H, W, C) with that of the nearest pixel that can be seen wherever nothing can."""
    if alpha.all() or not alpha.any():
        return colour
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(alpha == 0, return_distances=False, return_indices=True)
    return colour[rows, columns]


def _rows_of_bicubic(plane: np.ndarray, top: int, count: int) -> np.ndarray:
    """`count` rows from `top` on of the plane (H, W) at four times its size."""
    box = (0, top / SCALE, plane.shape[1], (top + count) / SCALE)
    image = Image.fromarray(plane.astype(np.float32))
    resized = image.resize((SCALE * plane.shape[1], count), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).round().clip(0, np.iinfo(plane.dtype).max).astype(plane.dtype)


def require_free(target: Path, source: Path, force: bool) -> None:
    """Raises SRGANError if `target` exists and may not be overwritten, or is the source itself."""
    if target.exists() and source.exists() and target.samefile(source):
        raise SRGANError(f"{source} would be written over itself. Choose another place with -o.")
    if target.exists() and not force:
        raise SRGANError(f"{target} is there already; --force makes it anew.")


# Panels -------------------------------------------------------------------------------------------------------------


def write_panels(source: Path, target: Path, panels: tuple[str, ...], upscalers: dict[str, upscale.Network], force: bool = False):
    """Write the picture at `source` in several versions side by side: those named in `panels`, of PANELS, in that order.

    "sr" stands for one panel of each of `upscalers`, under its name. With "hr" among them the picture is HR: it is cut to
    multiples of 4, made four times smaller, and that is upscaled. Raises SRGANError as `upscale_file` does.
    """
    require_free(target, source, force)
    lr, hr = images.read_image(source), None
    if "hr" in panels:
        hr = images.crop_to_scale(lr)
        if not hr.size:
            raise SRGANError(f"{source} is smaller than 4 pixels, and so has no LR to compare with.")
        lr = images.degrade(hr)
    made = {
        "lr": lambda: {"LR": lr},
        "nearest": lambda: {"nearest": upscale.nearest(lr)},
        "bicubic": lambda: {"bicubic": upscale.bicubic(lr)},
        "sr": lambda: {name: upscaler(lr) for name, upscaler in upscalers.items()},
        "hr": lambda: {"HR": hr},
    }
    shown: dict[str, np.ndarray] = {}
    for panel in panels:
        shown |= made[panel]()
    images.save_png(target, images.strip(shown, height=SCALE * lr.shape[0]))


def panels_of(text: str) -> tuple[str, ...]:
    """The panels named in "lr,bicubic,sr,hr". Raises SRGANError for names that are not in PANELS."""
    panels = tuple(text.lower().split(","))
    unknown = [panel for panel in panels if panel not in PANELS]
    if unknown:
        raise SRGANError(f"There is no panel {', '.join(unknown)}. There are: {', '.join(PANELS)}.")
    return panels


# Many files ---------------------------------------------------------------------------------------------------------


def find(inputs: list[Path]) -> list[tuple[Path, Path]]:
    """(file, its place below the input it was found in) of every input; a folder stands for all images and videos in it.

    Left out: hidden files, and results of earlier (NAME_x4) beside the NAME that they were made of. Links are followed, circles
    not twice. Raises SRGANError for a folder that holds none.
    """
    found = []
    for path in inputs:
        if not path.is_dir():
            found.append((path, Path(path.name)))
            continue
        inside = sorted(_walk(path, set()))
        if not inside:
            raise SRGANError(f"The folder {path} holds no image and no video, subfolders included.")
        found += [(file, file.relative_to(path)) for file in inside]
    return found


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise SRGANError(f"The folder {folder} cannot be read ({error.strerror}).") from error
    stems = {entry.stem for entry in entries}
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry, seen)
        elif (entry.suffix.lower() in images.SUFFIXES or _is_called_video(entry)) and entry.stem.removesuffix(
            SUFFIX
        ) not in stems - {entry.stem}:
            yield entry


def is_video(path: Path) -> bool:
    """Whether `path` is for `srgan.upscale.video`: by its name, or by its content where that tells nothing."""
    if path.suffix.lower() in images.SUFFIXES or not path.is_file():
        return False
    return _is_called_video(path) or _video().is_video(path)


def _is_called_video(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "").startswith("video/")


def _video() -> ModuleType:
    from srgan import video  # which needs the package av, and says so

    return video


def upscale_video(source: Path, target: Path, upscaler: upscale.Network, force: bool = False, preview: bool = False) -> str:
    """Upscale the video at `source` as `video.upscale` does, which prints what is worth telling; returns how many frames it had."""
    return f"{_video().upscale(source, target, upscaler, force=force, preview=preview).frames:,} frames"


def targets(found: list[tuple[Path, Path]], out: Path | None, ending: Callable[[Path], str]) -> list[Path]:
    """Where the result of each file goes: beside it, below the folder `out`, or for a single file into the file `out`.

    `ending` gives what stands behind the stem, such as "_x4.png". Where two would meet, both keep their old ending in the name.
    """
    if out is not None and len(found) == 1 and out.suffix and not out.is_dir() and found[0][1] == Path(found[0][0].name):
        return [out]
    places = [place if out is None else out / inside for (place, inside) in found]
    plain = [place.with_name(place.stem + ending(source)) for place, (source, _) in zip(places, found, strict=True)]
    counts = Counter(plain)
    return [
        target if counts[target] == 1 else place.with_name(place.name.replace(".", "_") + ending(source))
        for target, place, (source, _) in zip(plain, places, found, strict=True)
    ]


def ending(source: Path) -> str:
    """What stands behind the stem of the result: moving pictures and TIFF keep their kind, the other images become PNG."""
    try:
        if is_video(source):
            return _video().default_target(source).name.removeprefix(source.stem)
        form, moves = pictures.kind(source)
    except SRGANError:  # the reason is told when its turn comes
        return SUFFIX + (".mp4" if _is_called_video(source) else ".png")
    keeps = moves or form == "TIFF"
    return SUFFIX + (source.suffix.lower() if keeps and source.suffix.lower() in pictures.WRITTEN else ".png")


def run(jobs: list[tuple[Path, Path]], work: Callable[[Path, Path], str]) -> list[str]:
    """`work(source, target)` for each of the jobs, which returns a sentence; prints a line for each.

    Returns what failed, in words.
    """
    failed = []
    for source, target in tqdm(jobs, unit="file", disable=len(jobs) < 2 or not shows_bars()):
        begun = time.monotonic()
        try:
            said = work(source, target)
        except SRGANError as error:
            failed.append(str(error))
            tqdm.write(f"{source}: failed")
        else:
            tqdm.write(f"{source} -> {target}: {said}, {time.monotonic() - begun:.1f} s")
    return failed


def described(picture: Picture) -> str:
    """The sizes before and after, and what was not kept."""
    height, width = picture.frames[0].shape[:2]
    frames = f", {len(picture.frames)} frames" if picture.is_moving else ""
    notes = f" ({'; '.join(picture.notes)})" if picture.notes else ""
    return f"{width}x{height} to {SCALE * width}x{SCALE * height}{frames}{notes}"


def open_model(name: str) -> upscale.Network:
    """The upscaler by the weights that `name` means: "" for the best of those that come with the project, one of their names, or a
    file. Raises SRGANError if there are none, or if they are damaged or not weights of this project."""
    return upscale.load(weights.find(name) if name else next(iter(weights.shipped().values())))
