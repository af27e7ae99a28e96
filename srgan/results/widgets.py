"""What a notebook can be handled by: a slider over two pictures, a button for photos, a link to download.

The one module of the library that imports IPython and ipywidgets; nothing but notebooks and `utils` imports it.
"""

from __future__ import annotations

import base64
import html
import io
import mimetypes
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import ipywidgets
import numpy as np
from IPython.display import HTML, display
from PIL import Image

from srgan.data import images, pictures
from srgan.errors import SRGANError
from srgan.runs.paths import write_atomically
from srgan.upscale import files, network

WIDEST = 1200  # pixels of a picture shown; a larger one is shrunk for showing
MOST_INLINE = 40 * 2**20  # bytes that a link can carry inside a page

_SLIDER = """<div id="{id}" style="position:relative;max-width:{width}px;aspect-ratio:{width}/{height};--at:50%;
background:url({after}) 0 0/100% 100%;font:13px sans-serif;user-select:none;overflow:hidden;border-radius:4px">
<div style="position:absolute;inset:0;background:url({before}) 0 0/100% 100%;clip-path:inset(0 calc(100% - var(--at)) 0 0)"></div>
<div style="position:absolute;top:0;bottom:0;left:var(--at);width:2px;margin-left:-1px;background:#fff;
box-shadow:0 0 4px #000"></div>
<span style="position:absolute;top:6px;left:6px;padding:2px 6px;background:#000a;color:#fff">{before_name}</span>
<span style="position:absolute;top:6px;right:6px;padding:2px 6px;background:#000a;color:#fff">{after_name}</span>
<input type="range" min="0" max="100" value="50" step="0.1" aria-label="{before_name} or {after_name}"
oninput="this.parentNode.style.setProperty('--at', this.value + '%')"
style="position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:ew-resize"></div>"""


def slider(before: np.ndarray, after: np.ndarray, names: tuple[str, str]) -> HTML:
    """`after` with `before` laid over its left part, and a handle to drag. Both (H, W, 3) uint8 of one size.

    Wide pictures are shrunk to WIDEST pixels. Raises ValueError if the sizes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"A slider wants two pictures of one size, not {before.shape} and {after.shape}.")
    shrunk = min(1.0, WIDEST / after.shape[1])
    height, width = (max(1, round(side * shrunk)) for side in after.shape[:2])
    page = _SLIDER.format(
        id=f"slider-{uuid.uuid4().hex[:8]}",
        width=width,
        height=height,
        before=_data_url(_fit(before, height, width)),
        after=_data_url(_fit(after, height, width)),
        before_name=html.escape(names[0]),
        after_name=html.escape(names[1]),
    )
    return HTML(page)


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return image if image.shape[:2] == (height, width) else images.resize(image, height, width, Image.Resampling.LANCZOS)


def _data_url(image: np.ndarray) -> str:
    """The picture as a JPEG of high quality, inside an address."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=95, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def download_link(path: Path) -> HTML:
    """A link that saves the file at `path` to the reader's disk; for one too large, where it lies."""
    size = path.stat().st_size
    name = html.escape(path.name)
    if size > MOST_INLINE:
        where = html.escape(str(path))
        return HTML(f"<p>{name} ({size / 1e6:.0f} MB) is too large for a link in this page. It lies at {where}</p>")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    content = base64.b64encode(path.read_bytes()).decode()
    return HTML(f'<p><a download="{name}" href="data:{kind};base64,{content}">Download {name}</a> ({size / 1e6:.1f} MB)</p>')


def upload(accept: str, use: Callable[[list[tuple[str, bytes]]], None]) -> ipywidgets.Widget:
    """A button that takes files from the reader's disk and calls `use` with the (name, content) of all, its output below.

    `accept`: such as "image/*". Returns the widget, for the notebook to show; works in Colab, Jupyter and VS Code.
    """
    button, output = ipywidgets.FileUpload(accept=accept, multiple=True, description="Choose photos"), ipywidgets.Output()

    def received(change: dict) -> None:
        with output:
            output.clear_output(wait=True)
            use(_files(change["new"]))

    button.observe(received, names="value")
    return ipywidgets.VBox([button, output])


def _files(value) -> list[tuple[str, bytes]]:
    """(name, content) of what a FileUpload holds: a dictionary in ipywidgets 7 (Colab), a tuple in 8."""
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


def upload_photos(upscaler: network.Upscaler, folder: Path) -> ipywidgets.Widget:
    """A button for photos from the reader's disk; each is upscaled into `folder`, shown before and after, and can be downloaded.

    Several at once can be downloaded as one ZIP too.
    """

    def use(chosen: list[tuple[str, bytes]]) -> None:
        made = [target for name, content in chosen if (target := use_one(name, content))]
        if len(made) > 1:
            display(download_link(_zipped(made, folder / "upscaled.zip")))

    def use_one(name: str, content: bytes) -> Path | None:
        source = folder / "uploaded" / Path(name).name
        try:
            source.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(source, lambda temporary: temporary.write_bytes(content))
            target = folder / f"{source.stem}{files.ending(source)}"
            lr = files.upscale_file(source, target, upscaler, force=True)
            sr = pictures.read(target)
        except SRGANError as error:
            print(error)
            return None
        display(slider(network.bicubic(lr.shown()), sr.shown(), ("bicubic", "upscaled")))
        display(download_link(target))
        return target

    return upload("image/*", use)


def _zipped(paths: list[Path], target: Path) -> Path:
    """One ZIP of the files at `paths`; pictures are packed already, so they are only stored."""

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for path in paths:
                archive.write(path, path.name)

    write_atomically(target, write)
    return target
