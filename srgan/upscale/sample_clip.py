"""A clip to try videos with: a second of moving over a photo."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

from srgan.runs.paths import write_atomically

SIZE = (96, 64)  # pixels across and down
FRAMES = RATE = 12


def write(path: Path, photo: np.ndarray) -> Path:
    """Write the clip, MP4, of the middle of `photo` (H, W, 3) uint8, which is shrunk by 3; returns `path`."""
    width, height = (3 * side for side in SIZE)
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width - FRAMES) // 2

    def encode(temporary: Path) -> None:
        with av.open(str(temporary), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=RATE, width=SIZE[0], height=SIZE[1], options={"crf": "10"})
            for moved in range(FRAMES):
                piece = Image.fromarray(photo[top : top + height, left + moved : left + moved + width])
                container.mux(stream.encode(av.VideoFrame.from_image(piece.resize(SIZE, Image.Resampling.BICUBIC))))
            container.mux(stream.encode(None))

    write_atomically(path, encode)
    return path
