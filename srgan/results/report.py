"""A run as one HTML file that can be sent to somebody: curves, tables, strips, settings, versions; nothing from elsewhere."""

from __future__ import annotations

import base64
import datetime
import html
import io
from pathlib import Path

from PIL import Image

from srgan.config import STAGES, Config
from srgan.errors import SRGANError
from srgan.presets import PRESETS, preset
from srgan.results import evaluation, live_curves, scores, tables
from srgan.runs import checkpoints, history, machine, status
from srgan.runs.outside import read_json
from srgan.runs.paths import Paths, write_atomically
from srgan.runs.progress import clock

STRIPS = 3  # of each stage: the first, one in the middle, the newest
COMPARISONS = 6
WIDEST = 1400  # pixels; larger pictures are shrunk to it

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem;
  background: Canvas; color: CanvasText }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
figure { margin: 1rem 0 } img { max-width: 100%; height: auto; border-radius: 4px }
figcaption, .soft { opacity: .75; font-size: .9rem }
.changed { background: var(--soft); font-weight: 600 } summary { cursor: pointer; margin: 1rem 0 }
"""


def write(config: Config, paths: Paths, target: Path) -> Path:
    """Write the report of the run `config`, finished or running, to `target`, and return it.

    Raises SRGANError if the run has trained nothing yet, or if the file cannot be written.
    """
    text = page(config, paths)
    write_atomically(target, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="backslashreplace"))
    return target


def page(config: Config, paths: Paths) -> str:
    """The report as HTML. Raises SRGANError if the run has trained nothing yet."""
    rows = {stage: history.read(paths.history(stage)) for stage in config.stages}
    if not any(rows.values()):
        raise SRGANError(
            f"Run {config.name} has nothing to report yet: no losses in {paths.history('').parent}. Run notebook 02 first."
        )
    abouts = {stage: next(checkpoints.about(paths.checkpoints, stage), None) for stage in config.stages}
    about = next((found for found in reversed(abouts.values()) if found), {})
    title = f"SRGAN run {config.name}"
    parts = [
        f"<h1>{_escape(title)}</h1>",
        f"<p>{_escape(status.sentence(config, paths).partition(';')[0])}.</p>",
        f'<p class="soft">Preset {_escape(config.run.preset)} on {_escape(config.data.dataset)}; written {_now()}.</p>',
        _results(paths),
        *(_stage(config, paths, stage, rows[stage], abouts[stage]) for stage in config.stages if rows[stage]),
        _comparisons(paths),
        _settings(about.get("config") or config.flat()),
        _made_with(about),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_escape(title)}</title>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _results(paths: Paths) -> str:
    """What notebook 05 measured; a sentence if it has not been there, or if its file is damaged."""
    path = paths.output / "results.json"
    if not path.is_file():
        return "<h2>Results</h2><p>Not measured yet: notebook 05 does that (python -m srgan evaluate).</p>"
    try:
        results = read_json(path, evaluation.RESULTS)
        table = evaluation.table(results, tuple(scores.MEASURES)).html()
        steps = ", ".join(f"{STAGES[stage]} at step {step:,}" for stage, step in results["steps"].items())
        told = f"{steps}; {clock(results['seconds'])} of training, measured on {results['machine']}, commit {results['commit']}."
    except Exception as error:  # this section's last net: the others are written all the same
        return f"<h2>Results</h2><p>{_escape(path.name)} cannot be read ({_escape(error)}): run notebook 05 again.</p>"
    return f'<h2>Results</h2>{table}<p class="soft">{_escape(told)}</p>'


def _stage(config: Config, paths: Paths, stage: str, rows: list[dict], about: dict | None) -> str:
    told = f"Step {rows[-1]['step']:,.0f} of {config.total_steps(stage):,}"
    if about:
        score = about.get("metrics", {}).get("psnr_y")
        told += f"; last checkpoint {about['saved']}, after {clock(about['seconds'])} of training"
        told += f", PSNR-Y {score:.2f} dB on crops of held-out photos" if score else ""
    strips = sorted(paths.output.glob(f"samples/{stage}_step_*.png"))
    shown = dict.fromkeys(strips[i] for i in ({0, len(strips) // 2, len(strips) - 1} if strips else ()))
    pictures = "".join(picture(path, f"Step {int(path.stem.rpartition('_')[2]):,}") for path in sorted(shown)[-STRIPS:])
    table = tables.of_losses(rows).html()
    return f"<h2>{STAGES[stage]}</h2><p>{_escape(told)}.</p>{live_curves.of_stage(rows)}{table}{pictures}"


def _comparisons(paths: Paths) -> str:
    found = sorted((paths.output / "comparisons").glob("*.png"))[:COMPARISONS]
    return "<h2>Comparisons</h2>" + "".join(picture(path, path.stem) for path in found) if found else ""


def _settings(settings: dict) -> str:
    """Every setting; those that differ from the preset's are marked."""
    name = settings.get("preset")
    usual = preset(name).flat() if name in PRESETS else settings
    lines = "".join(
        f"<tr{' class=changed' if usual.get(key) != value else ''}><td>{_escape(key)}</td><td>{_escape(value)}</td></tr>"
        for key, value in settings.items()
    )
    note = "<p class=soft>Marked: what differs from the preset.</p>" if name in PRESETS else ""
    return f"<h2>Settings</h2><details open><summary>All numbers of this run</summary>{note}<table>{lines}</table></details>"


def _made_with(about: dict) -> str:
    versions = about.get("versions") or machine.versions()
    made = {"commit": about.get("commit", machine.commit()), "machine (of this report)": machine.describe()} | versions
    lines = "".join(f"<tr><td>{_escape(key)}</td><td>{_escape(value)}</td></tr>" for key, value in made.items())
    return f"<h2>Made with</h2><table>{lines}</table>"


def picture(path: Path, caption: str) -> str:
    """The picture at `path` inside the page, as JPEG; a sentence if it cannot be read."""
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            image.thumbnail((WIDEST, 20 * WIDEST))
            content = io.BytesIO()
            image.save(content, format="JPEG", quality=88, subsampling=0)
    except OSError as error:
        return f"<p>{_escape(path.name)} cannot be shown ({_escape(error)}).</p>"
    source = f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
    words = _escape(caption)
    return f'<figure><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _escape(value: object) -> str:
    """As text of HTML. The report may be passed on, so the home folder, which names its owner, is "~"."""
    return html.escape(str(value).replace(str(Path.home()), "~"))


def _now() -> str:
    return datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
