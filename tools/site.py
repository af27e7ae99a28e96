"""What the site's generator (mkdocs.yml) is told beside its settings: it calls the functions whose names begin with `on_`.

Pages are written for GitHub, and stay as they are. On the site their links that leave docs/ lead to the repository, equations
become MathML, folded answers are Markdown too, and a page of the API stands for each room of the library.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]
TOP = "settings"  # the page of the modules that are in no room
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_LINK = re.compile(r"\]\((\.\.?/[^)\s]+)\)")
_EQUATION = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$([^$\n]+?)\$(?!\w)", re.DOTALL)


def api() -> dict[str, list[str]]:
    """The modules of each page of the API, in order: {"models": ["srgan.models.layers", ...], ...}."""
    pages: dict[str, list[str]] = {TOP: []}
    for path in sorted(PROJECT.glob("srgan/**/*.py")):
        module = path.relative_to(PROJECT).with_suffix("")
        room = module.parts[1] if len(module.parts) > 2 else TOP
        if module.name not in ("__init__", "__main__"):
            pages.setdefault(room, []).append(".".join(module.parts))
    return pages


def linked(markdown: str, page: str, repository: str) -> str:
    """`markdown` of docs/`page` with its links to files outside docs/ as addresses in the repository."""

    def address(found: re.Match) -> str:
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), found[1]))
        if target.startswith("docs/"):
            return found[0]
        return f"]({repository}/blob/main/{target})"

    return _LINK.sub(address, markdown)


def outside_code(markdown: str, change) -> str:
    """`markdown` with `change` made to what is not code."""
    parts = _CODE.split(markdown)
    return "".join(part if i % 2 else change(part) for i, part in enumerate(parts))


def equations(text: str, mathml) -> str:
    """`text` with each $$equation$$ and $equation$ as `mathml(latex, display)` writes it."""

    def written(found: re.Match) -> str:
        display = found[1] is not None
        math = mathml((found[1] or found[2]).strip(), display="block" if display else "inline").replace("*", "&#x2A;")
        return f'\n\n<div style="overflow-x: auto">{math}</div>\n\n' if display else math

    return _EQUATION.sub(written, text)


def repository() -> str:
    """The repository's address, which stands in pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"].rstrip("/")


def on_config(config):
    """A link to the repository at the foot. (`repo_url` would have every reader's browser ask GitHub for its stars.)"""
    config.extra["social"] = [{"icon": "fontawesome/brands/github", "link": repository(), "name": "The repository"}]
    return config


def on_files(files, config):
    """Add the pages of the API."""
    from mkdocs.structure.files import File

    for room, modules in api().items():
        content = f"# {room.capitalize()}\n\n" + "\n\n".join(f"::: {module}" for module in modules) + "\n"
        files.append(File.generated(config, f"api/{room}.md", content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Make a page that was written for GitHub one of the site."""
    from latex2mathml.converter import convert

    markdown = linked(markdown, page.file.src_uri, repository())
    markdown = markdown.replace("<details><summary>", '<details markdown="1"><summary>')
    return outside_code(markdown, lambda text: equations(text, convert))
