"""One file upscaled into another: a picture, a video, or panels that show a picture in several versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from srgan.config import SCALE
from srgan.data import images, media, pictures
from srgan.data.pictures import Picture
from srgan.errors import SRGANError
from srgan.runs import weights
from srgan.upscale import image_files, network
from srgan.upscale.ensemble import SelfEnsemble
from srgan.upscale.network import Network
from srgan.upscale.resampling import enlarged_to
from srgan.upscale.size import FOUR_TIMES, Size
from srgan.upscale.targets import require_free

PANELS = ("lr", "nearest", "bicubic", "sr", "hr")
FROM_COLOUR = np.array([0.299, 0.587, 0.114], np.float32)  # gray of R, G, B (ITU-R BT.601)


def upscale_file(
    source: Path,
    target: Path,
    upscaler: Network,
    force: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
    size: Size = FOUR_TIMES,
) -> Picture:
    """Upscale the picture at `source` to `size`, into the file `target`, whose ending says of which kind; returns what was read.

    Gray stays gray, transparency and 16 bits a channel are kept, animations move; colour profile, resolution (DPI), EXIF and texts
    go along. `say` is told before the work of all that does not. Raises SRGANError if the source cannot be read, or the target
    exists (unless `force`), cannot hold the result or cannot be written; then nothing is.
    """
    require_free(target, source, force)
    picture = pictures.read(source)
    height, width = size.of(*picture.frames[0].shape[:2], source)
    image_files.require(target, picture, height, width)
    picture.notes += image_files.left_out(target, picture.metadata)
    for note in picture.notes:
        say(f"{source}: {note}")
    frames = [enlarged_to(height, width, frame, lambda image: enlarged(image, upscaler)) for frame in picture.frames]
    image_files.write(target, frames, height, width, picture)
    return picture


def enlarged(frame: np.ndarray, upscaler: Network) -> Iterator[np.ndarray]:
    """SR of a frame (H, W, C) of a picture, four times as large, in bands (h, 4 W, C) from top to bottom, of the frame's type.

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
    from scipy.ndimage import distance_transform_edt  # takes long to load, and few pictures need it

    rows, columns = distance_transform_edt(alpha == 0, return_distances=False, return_indices=True)
    return colour[rows, columns]


def _rows_of_bicubic(plane: np.ndarray, top: int, count: int) -> np.ndarray:
    """`count` rows from `top` on of the plane (H, W) at four times its size."""
    box = (0, top / SCALE, plane.shape[1], (top + count) / SCALE)
    image = Image.fromarray(plane.astype(np.float32))
    resized = image.resize((SCALE * plane.shape[1], count), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).round().clip(0, np.iinfo(plane.dtype).max).astype(plane.dtype)


def ending(source: Path, preview: bool = False, size: Size = FOUR_TIMES) -> str:
    """What stands behind the stem of the result: moving pictures and TIFF keep their kind, the other images become PNG."""
    is_film = media.kind(source) == "film"
    try:
        if is_film:
            target = _video().default_target(source, size)
            return (_video().preview_path(target) if preview else target).name.removeprefix(source.stem)
        form, moves = pictures.kind(source)
    except SRGANError:  # the reason is told when its turn comes
        return size.suffix + ("_preview" * preview + ".mp4" if is_film else ".png")
    own = {"GIF": ".gif", "WEBP": ".webp"}.get(form, ".png") if moves else ".tif" if form == "TIFF" else ".png"
    keeps = image_files.WRITTEN.get(source.suffix.lower()) == image_files.WRITTEN[own]
    return size.suffix + (source.suffix.lower() if keeps else own)


def upscale_any(
    source: Path,
    target: Path,
    upscaler: Network,
    force: bool,
    preview: bool,
    how: str,
    say: Callable[[str], None],
    size: Size = FOUR_TIMES,
) -> str:
    """Upscale an image or a video; returns in words what it became. Raises SRGANError as `upscale_file` and `video.upscale` do."""
    if media.kind(source) == "film":
        made = _video().upscale(source, target, upscaler, force=force, preview=preview, how=how, say=say, size=size)
        return f"{made.frames:,} frames"
    picture = upscale_file(source, target, upscaler, force, say, size)
    height, width = picture.frames[0].shape[:2]
    tall, wide = size.of(height, width, source)
    frames = f", {len(picture.frames)} frames" if picture.is_moving else ""
    return f"{width}x{height} to {wide}x{tall}{frames}"


def _video():
    from srgan.upscale import video  # which needs the package av, and says so

    return video


def open_model(name: str, strength: float = 1.0, ensemble: bool = False) -> Network | SelfEnsemble:
    """The upscaler by the weights that `name` means: one of those that come with the project, or a file; `strength` as in
    `network.load`. Raises SRGANError if there are none, or if they are damaged or not of this project."""
    upscaler = network.load(weights.find(name), strength)
    return SelfEnsemble(upscaler) if ensemble else upscaler


def pixels(source: Path) -> int:
    """How many pixels the network will see, in all frames, by the header of `source`; 0 where that does not tell."""
    try:
        return _video().pixels(source) if media.kind(source) == "film" else pictures.pixels(source)
    except SRGANError:  # the reason is told when its turn comes
        return 0


# Panels -------------------------------------------------------------------------------------------------------------


def write_panels(source: Path, target: Path, panels: tuple[str, ...], upscalers: dict[str, Network], force: bool = False):
    """Write the picture at `source` in several versions side by side: those named in `panels`, of PANELS, in that order.

    "sr" stands for one panel of each of `upscalers`, under its name. With "hr" among them the picture is HR: it is cut to
    multiples of 4, made four times smaller, and that is upscaled. Raises SRGANError as `upscale_file` does, and for videos.
    """
    if media.kind(source) == "film":
        raise SRGANError(f"{source} is a video, and panels are made of images alone.")
    require_free(target, source, force)
    lr, hr = pictures.read(source).shown(), None
    if "hr" in panels:
        hr = images.crop_to_scale(lr)
        if not hr.size:
            raise SRGANError(f"{source} is smaller than 4 pixels, and so has no LR to compare with.")
        lr = images.degrade(hr)
    made = {
        "lr": lambda: {"LR": lr},
        "nearest": lambda: {"nearest": network.nearest(lr)},
        "bicubic": lambda: {"bicubic": network.bicubic(lr)},
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


def labels(names: list[str]) -> list[str]:
    """The names of weights as panels show them: of files the name, with as many folders as tell them apart."""
    paths = [Path(name) for name in names]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        shown = [str(Path(*path.parts[-count:])) for path in paths]
        if len(set(shown)) == len(shown):
            break
    return shown
