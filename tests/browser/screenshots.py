"""The best pictures of the last `make test-browser`, small enough for the README: docs/screen_*.jpg.

python -m tests.browser.screenshots
"""

from __future__ import annotations

import sys

from PIL import Image

from srgan.runs.paths import PROJECT, write_atomically
from tests.browser import lab

BEST = {"03_train_srgan_running": "training", "02_pretrain_srresnet_result": "curves", "06_slider": "slider"}
WIDTH = 720  # pixels


def main() -> int:
    for source, name in BEST.items():
        path = lab.SCREENSHOTS / f"{source}.png"
        if not path.is_file():
            print(f"There is no {path}: run make test-browser first.")
            return 1
        with Image.open(path) as screenshot:
            small = screenshot.convert("RGB")
        small.thumbnail((WIDTH, small.height), Image.Resampling.LANCZOS)
        target = PROJECT / "docs" / f"screen_{name}.jpg"
        write_atomically(target, lambda temporary, small=small: small.save(temporary, "JPEG", quality=88, optimize=True))
        print(f"{target}: {small.width}x{small.height}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
