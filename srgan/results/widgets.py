"""What a notebook can be handled by: a slider over two pictures, a dial, a button for files, a link to download.

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
from dataclasses import replace
from pathlib import Path

import ipywidgets
import numpy as np
from IPython.display import HTML, display
from PIL import Image

from srgan.data import images, media, pictures
from srgan.runs.paths import write_atomically
from srgan.upscale import batch, network, targets
from srgan.upscale.order import Order
from srgan.upscale.strength import Dial

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
    return HTML(f'<p><a download="{name}" href="{_inline(path, kind)}">Download {name}</a> ({size / 1e6:.1f} MB)</p>')


_DIAL = """<figure id="{id}" style="margin:0;max-width:{width}px;font:13px sans-serif">
<div style="position:relative;aspect-ratio:{width}/{height}">{pictures}</div>
<label style="display:flex;gap:8px;align-items:center">{start}
<input type="range" min="0" max="{last}" value="{last}" aria-label="strength" style="flex:1" oninput="
const dial = this.closest('figure');
dial.querySelectorAll('img').forEach((picture, step) => picture.style.visibility = step == this.value ? 'visible' : 'hidden');
dial.querySelector('output').value = (this.value / {last}).toFixed(3);">{end} <output>1.000</output></label></figure>"""
_STEP = """<img src="{url}" alt="strength {share:g}" style="position:absolute;inset:0;width:100%;height:100%;margin:0;
max-width:none;image-rendering:pixelated;visibility:{visibility}">"""


def dial(lr: np.ndarray, start: Path, end: Path, steps: int = 8, width: int = 480) -> HTML:
    """SR of `lr` (H, W, 3) uint8 by mixtures of the weights `start` and `end`, and a handle to go through them in `steps` steps.

    Raises SRGANError as `strength.Dial` does.
    """
    mixture, pages = Dial(start, end), []
    upscaler = network.network(mixture.generator)  # traced once; it follows the weights
    for step in range(steps + 1):
        mixture.turn(step / steps)
        visibility = "visible" if step == steps else "hidden"
        pages.append(_STEP.format(url=_data_url(upscaler(lr)), share=step / steps, visibility=visibility))
    names = {name: html.escape(path.name.removesuffix(".weights.h5")) for name, path in (("start", start), ("end", end))}
    about = {"width": width, "height": round(width * lr.shape[0] / lr.shape[1]), "last": steps, "pictures": "".join(pages)}
    return HTML(_DIAL.format(id=f"dial-{uuid.uuid4().hex[:8]}", **about, **names))


# Files dropped here go through the button beside it, whose own chooser of files is left out.
_DROP = """<div style="padding:18px;border:2px dashed #888;border-radius:6px;text-align:center" ondragover="event.preventDefault()"
ondrop="
event.preventDefault();
const files = event.dataTransfer.files, click = HTMLInputElement.prototype.click;
HTMLInputElement.prototype.click = function () { this.files = files; this.dispatchEvent(new Event('change')); };
try { this.closest('.widget-vbox').querySelector('button').click(); } finally { HTMLInputElement.prototype.click = click; }
">or drop files here</div>"""


def upload(accept: str, use: Callable[[list[tuple[str, bytes]]], None]) -> ipywidgets.Widget:
    """A button that takes files from the reader's disk and calls `use` with the (name, content) of all, its output below.

    `accept`: such as "image/*". Files can be dropped on the place beside it, too. Returns the widget, for the notebook to show;
    works in Colab, Jupyter and VS Code.
    """
    button, output = ipywidgets.FileUpload(accept=accept, multiple=True, description="Choose files"), ipywidgets.Output()

    def received(change: dict) -> None:
        with output:
            output.clear_output(wait=True)
            use(_files(change["new"]))

    button.observe(received, names="value")
    return ipywidgets.VBox([button, ipywidgets.HTML(_DROP), output])


def _files(value) -> list[tuple[str, bytes]]:
    """(name, content) of what a FileUpload holds: a dictionary in ipywidgets 7 (Colab), a tuple in 8."""
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


def upload_files(order: Order, folder: Path) -> ipywidgets.Widget:
    """A button for photos and videos from the reader's disk. Each is upscaled into `folder`, as the shell does it, shown before and
    after, and can be downloaded; several as one ZIP, too."""

    def use(chosen: list[tuple[str, bytes]]) -> None:
        sources = [folder / "uploaded" / Path(name).name for name, _ in chosen]
        for source, (_, content) in zip(sources, chosen, strict=True):
            write_atomically(source, lambda temporary, content=content: temporary.write_bytes(content))
        jobs = targets.plan([(source, Path(source.name)) for source in sources], str(folder), order.ending, order.how)
        order.tell_choice(sources, print)
        for reason in batch.run(jobs, use_one, force=True):
            print(reason)
        if len(made) > 1:
            display(download_link(_zipped(made, folder / "upscaled.zip")))
        made.clear()

    def use_one(source: Path, target: Path, force: bool) -> str:
        said = order.fill(source, target, force, print)
        before, after = before_and_after(source, target)
        display(slider(before, after, ("bicubic", "upscaled")))
        display(download_link(target))
        made.append(target)
        return said

    made: list[Path] = []
    return upload("image/*,video/*", use)


def before_and_after(source: Path, target: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first picture of `source`, enlarged by bicubic interpolation to the size of that of `target`, and that one."""
    before, after = (_first_picture(path) for path in (source, target))
    return images.resize(before, *after.shape[:2]), after


def _first_picture(path: Path) -> np.ndarray:
    if media.kind(path) != "film":
        return pictures.read(path).shown()
    from srgan.upscale import video  # which needs the package av, and says so

    return video.first_picture(path)


def show_film(order: Order, source: Path, folder: Path, whole: bool = False) -> None:
    """Upscale the first second of the video at `source`, and show it before and after; `whole`: all of it, to download.

    Raises SRGANError as `Order.fill` does.
    """
    order = order if whole else replace(order, preview=True)
    target = folder / f"{source.stem}{order.ending(source)}"
    order.fill(source, target, True, print)
    before, after = before_and_after(source, target)
    display(slider(before, after, ("bicubic", "upscaled")))
    if target.suffix != ".mkv" and target.stat().st_size <= MOST_INLINE:  # browsers do not play Matroska
        display(HTML(f'<video controls loop muted style="max-width:100%" src="{_inline(target, "video/mp4")}"></video>'))
    display(download_link(target))


def _inline(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _zipped(paths: list[Path], target: Path) -> Path:
    """One ZIP of the files at `paths`; pictures are packed already, so they are only stored."""

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for path in paths:
                archive.write(path, path.name)

    write_atomically(target, write)
    return target
