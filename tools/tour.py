"""docs/tour/: the notebooks as they look after Run all, a page for each, so that they can be read without being run."""

from __future__ import annotations

import base64
import io
import re
import tempfile
from pathlib import Path

import nbformat
from PIL import Image

from srgan.runs import notebook_runner
from srgan.runs.paths import PROJECT, write_atomically

FOLDER = PROJECT / "docs" / "tour"
WIDEST = 1000  # pixels of a picture
HIDDEN = {"setup", "injected-parameters"}  # tags of cells that only a person who runs the notebook needs


def make(executed: Path | None = None) -> list[Path]:
    """Write the pages and their pictures; returns them. `executed`: a folder of executed notebooks (default: run all now)."""
    if executed is None:
        with tempfile.TemporaryDirectory() as workdir:
            run_all(Path(workdir), Path(workdir) / "executed")
            return make(Path(workdir) / "executed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.webp"):
        old.unlink()
    written = []
    for name in notebook_runner.ALL:
        page, pictures = convert(nbformat.read(executed / f"{name}.ipynb", as_version=4), name)
        for file, content in pictures.items():
            write_atomically(FOLDER / file, lambda temporary, content=content: temporary.write_bytes(content))
        write_atomically(FOLDER / f"{name}.md", lambda temporary, page=page: temporary.write_text(page, encoding="utf-8"))
        written += [FOLDER / f"{name}.md", *(FOLDER / file for file in pictures)]
    return written


def run_all(workdir: Path, executed: Path) -> None:
    """Run all seven notebooks as they are by default, with everything they write in `workdir`."""
    for name in notebook_runner.ALL:
        notebook_runner.execute(name, {"workdir": str(workdir)}, executed / f"{name}.ipynb")


def convert(notebook: nbformat.NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """The page of an executed notebook as Markdown, and its pictures as WebP by file name."""
    parts, pictures = [], {}
    for cell in notebook.cells:
        if HIDDEN & set(cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "markdown":
            parts.append(text(cell.source))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                file = f"{name[:2]}_{len(pictures):02d}.webp"
                pictures[file] = _webp(base64.b64decode(data["image/png"]))
                alt = output.metadata.get("image/png", {}).get("alt", "")
                parts.append(f"![{alt}]({file})")
            elif "text/markdown" in data:
                parts.append(data["text/markdown"])
            elif 'class="highlight"' in data.get("text/html", ""):  # the source of a definition
                parts.append(f"```python\n{data['text/plain'].strip()}\n```")
            elif "text/html" in data and not data["text/plain"].startswith("<"):  # the panel of a training
                parts.append(f"```\n{data['text/plain']}\n```")
            elif output.get("name") == "stdout":
                printed = _without_paths(output.text).strip()
                if output is not cell.outputs[0] and parts[-1].startswith("```\n"):  # on in the same block
                    printed = f"{parts.pop()[4:-4]}\n{printed}"
                parts.append(f"```\n{printed}\n```")
    return "\n\n".join(parts) + "\n", pictures


def text(source: str) -> str:
    """A text cell as it stands in the page: its links counted from there, without the badge."""
    lines = [line for line in source.splitlines() if not line.startswith("[![Open in Colab]")]
    source = re.sub(
        r"\[After Run all\]\(\.\./docs/tour/(\w+)\.md\)", r"[The notebook itself](../../notebooks/\1.ipynb)", "\n".join(lines)
    )
    source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.md)", source)
    source = re.sub(r"\]\(\.\./docs/", "](../", source)
    return re.sub(r"\]\(\.\./(srgan|tests|tools)/", r"](../../\1/", source)


def _without_paths(words: str) -> str:
    """What a cell printed, with the folders of the machine that ran it left out."""
    return re.sub(r"(/[\w.-]+)+/(?=(data|model|output|loss|executed)\b)|(/tmp/[\w.-]+)", ".../", words)


def _webp(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((WIDEST, picture.height))
        content = io.BytesIO()
        picture.save(content, format="WEBP", quality=85, method=6)
    return content.getvalue()
