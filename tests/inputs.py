"""Images of every kind, and what `python -m srgan upscale` makes of them.

python -m tests.inputs > docs/inputs.md
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyvips
import skimage.data
import tifffile
from PIL import Image, ImageCms

from srgan.data import pictures
from srgan.data.metadata import ORIENTATION, XMP_KEY, png_chunk
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import preset
from srgan.results.tables import Table
from srgan.upscale import files, network, video
from tests import clips

HEIGHT, WIDTH = 20, 30
PHOTO = Image.fromarray(skimage.data.chelsea()[100 : 100 + HEIGHT, 110 : 110 + WIDTH])
DEEP = np.asarray(PHOTO).astype(np.uint16) * 257 + 3
DISC = ((np.mgrid[:HEIGHT, :WIDTH] - np.array([10, 15])[:, None, None]) ** 2).sum(0) < 60
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write_png(path: Path, width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG of nothing but what is given: `rows` each with its filter before it, `chunks` before the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts))


def deep_png(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> Callable[[Path], None]:
    """Of pixels (H, W, C) uint16."""
    height, width, channels = pixels.shape
    rows = np.pad(np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, -1), ((0, 0), (1, 0))).tobytes()
    return lambda path: write_png(path, width, height, 16, {1: 0, 3: 2, 2: 4, 4: 6}[channels], rows, *chunks)


def cut_out() -> Image.Image:
    """The photo inside a disc, nothing around it."""
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.fromarray((DISC * 255).astype(np.uint8)))
    return image


def frames() -> list[Image.Image]:
    return [PHOTO.rotate(20 * i) for i in range(3)]


def _save(image: Image.Image, **options) -> Callable[[Path], None]:
    return lambda path: image.save(path, **options)


def _moving(**options) -> Callable[[Path], None]:
    first, *others = frames()
    return lambda path: first.save(path, save_all=True, append_images=others, duration=[50, 60, 70], loop=3, **options)


def _moving_gif(path: Path) -> None:
    first, *others = frames()
    first.save(path, save_all=True, append_images=others, duration=[100, 0, 500])


def _cut(path: Path) -> None:
    PHOTO.save(path)
    path.write_bytes(path.read_bytes()[:600])


def _bomb(path: Path) -> None:
    write_png(path, 50_000, 50_000, 8, 2, b"")


def packed_tiff(path: Path) -> None:
    """Gray of 12 bits, two samples in three bytes."""
    pixels = (np.asarray(PHOTO.convert("L")).astype(int) * 16).reshape(-1, 2)
    strip = np.stack([pixels[:, 0] >> 4, (pixels[:, 0] & 15) << 4 | pixels[:, 1] >> 8, pixels[:, 1] & 255], 1).astype(np.uint8)
    tags = {256: WIDTH, 257: HEIGHT, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 12 * 9 + 4, 277: 1, 278: HEIGHT, 279: strip.size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + strip.tobytes())


def _tagged(path: Path) -> None:
    exif = PHOTO.getexif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "a cat"
    PHOTO.save(path, exif=exif, dpi=(300, 300), icc_profile=SRGB, quality=95)


def _tiff(pixels: np.ndarray, **options) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, pixels, **{"photometric": "rgb", "metadata": None} | options)


def _with_chunks(*chunks: tuple[bytes, bytes], damage: Callable[[bytes], bytes] = lambda chunk: chunk) -> Callable[[Path], None]:
    """The photo as a PNG that says more."""

    def make(path: Path) -> None:
        PHOTO.save(path, "PNG")
        content = path.read_bytes()
        path.write_bytes(content[:33] + b"".join(damage(png_chunk(*chunk)) for chunk in chunks) + content[33:])

    return make


def _hidden_default(path: Path) -> None:
    Image.new("RGB", PHOTO.size, "red").save(path, save_all=True, append_images=frames(), default_image=True, duration=50)


def _sticker(path: Path) -> None:
    first, *others = [cut_out().rotate(90 * i) for i in range(3)]
    first.save(path, save_all=True, append_images=others, disposal=2, duration=100)


def _lacking(**options) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        PHOTO.resize((96, 64)).save(path, **options)
        path.write_bytes(path.read_bytes()[:-20])

    return make


def _broken_exif(path: Path) -> None:
    PHOTO.save(path, quality=95)
    entry = struct.pack("<HHIi", 0xA002, 9, 1, -5) + struct.pack("<HHII", 0x010E, 2, 2**31, 2**31)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + entry + bytes(4)
    content = path.read_bytes()
    path.write_bytes(content[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(exif) + 2) + exif + content[2:])


def _thumbnail_first(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(np.asarray(PHOTO)[::4, ::4], photometric="rgb", subfiletype=1)
        file.write(np.asarray(PHOTO), photometric="rgb")


def _avif(path: Path) -> None:
    pyvips.Image.new_from_array(np.asarray(PHOTO)).heifsave(str(path), compression="av1", Q=90)


def _jpeg_and(behind: Callable[[Path], object] = Path.touch, marker: bytes = b"") -> Callable[[Path], None]:
    """A JPEG with a segment `marker` in its head, and the file that `behind` makes behind it, as phones do it."""

    def make(path: Path) -> None:
        behind(path.with_suffix(".mp4"))
        content = path.with_suffix(".mp4").read_bytes()
        path.with_suffix(".mp4").unlink()
        PHOTO.save(path, quality=95)
        head = struct.pack(">BBH", 0xFF, 0xE2, len(marker) + 2) + marker if marker else b""
        path.write_bytes(path.read_bytes()[:2] + head + path.read_bytes()[2:] + content)

    return make


def _raw(path: Path) -> None:
    """A camera's raw file: first a thumbnail, below it what the sensor saw (Adobe DNG specification 1.4)."""
    with tifffile.TiffWriter(path) as file:
        version = [(50706, "B", 4, b"\1\4\0\0", True)]
        file.write(np.asarray(PHOTO)[::4, ::4], photometric="rgb", subfiletype=1, subifds=1, metadata=None, extratags=version)
        mosaic = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, b"\0\1\1\2", True)]
        file.write(DEEP[..., 1], photometric=32803, subfiletype=0, metadata=None, extratags=mosaic)


def _big_exif(path: Path) -> None:
    """A BigTIFF whose tag 34665 names a directory, which stands at the end, with the time at which it was taken."""
    tifffile.imwrite(path, np.asarray(PHOTO), photometric="rgb", metadata=None, bigtiff=True, extratags=[(34664, "I", 1, 0, True)])
    content = bytearray(path.read_bytes())
    begin, at = content.index(struct.pack("<HHQ", 34664, 4, 1)), len(content) + len(content) % 2
    struct.pack_into("<H", content, begin, 34665)
    struct.pack_into("<I", content, begin + 12, at)
    entry = struct.pack("<QHHQQQ", 1, 36867, 2, 20, at + 36, 0)
    path.write_bytes(content + bytes(len(content) % 2) + entry + b"2024:05:01 12:00:00\0")


def _vast(path: Path) -> None:
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(3 * 10**9)  # holes take no room


LINEAR = (b"gAMA", struct.pack(">I", 100_000))
PREMULTIPLIED = np.dstack([DEEP // 2, np.full(DEEP.shape[:2], 32_767, np.uint16)])
INKS = np.dstack([65_535 - DEEP, np.zeros(DEEP.shape[:2], np.uint16)])

# file name -> (what is special, how it is made)
INPUTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "colour.png": ("", _save(PHOTO)),
    "colour.jpg": ("", _save(PHOTO, quality=95)),
    "colour.webp": ("", _save(PHOTO, lossless=True)),
    "colour.tif": ("", _save(PHOTO)),
    "colour.bmp": ("", _save(PHOTO)),
    "a cat, 猫.png": ("spaces and Unicode in the name", _save(PHOTO)),
    "tags.jpg": ("turned by EXIF, 300 dpi, ICC profile", _tagged),
    "gray.png": ("gray", _save(PHOTO.convert("L"))),
    "gray_alpha.png": ("gray with transparency", _save(cut_out().convert("LA"))),
    "alpha.png": ("transparency", _save(cut_out())),
    "alpha.webp": ("transparency", _save(cut_out(), lossless=True)),
    "palette.png": ("a palette of 16 colours", _save(PHOTO.quantize(16))),
    "palette_alpha.gif": ("a palette with a transparent colour", _save(cut_out())),
    "one_bit.png": ("1 bit", _save(PHOTO.convert("1"))),
    "cmyk.jpg": ("CMYK", _save(PHOTO.convert("CMYK"), quality=95)),
    "cmyk.tif": ("CMYK", _save(PHOTO.convert("CMYK"))),
    "deep_gray.png": ("16 bits, gray", deep_png(DEEP[..., :1])),
    "deep.png": ("16 bits", deep_png(DEEP)),
    "deep_alpha.png": ("16 bits, transparency", deep_png(DEEP[..., [0, 1, 2, 0]])),
    "deep.tif": ("16 bits", lambda path: tifffile.imwrite(path, DEEP, photometric="rgb")),
    "deep_gray.tif": ("16 bits, gray", lambda path: tifffile.imwrite(path, DEEP[..., 0], photometric="minisblack")),
    "moving.gif": ("3 frames", _moving()),
    "moving.webp": ("3 frames", _moving(lossless=True)),
    "moving.png": ("3 frames", _moving()),
    "pages.tif": ("2 pages", lambda path: PHOTO.save(path, save_all=True, append_images=[PHOTO])),
    "one_pixel.png": ("1x1", _save(PHOTO.crop((0, 0, 1, 1)))),
    "line.png": ("1 pixel high", _save(PHOTO.crop((0, 0, WIDTH, 1)))),
    "float.tif": ("floating point", lambda path: tifffile.imwrite(path, DEEP[..., 0].astype(np.float32))),
    "tiled.tif": ("16 bits, in tiles, BigTIFF", _tiff(DEEP, tile=(16, 16), bigtiff=True)),
    "exif.tif": ("EXIF, BigTIFF", _big_exif),
    "premultiplied.tif": ("16 bits, premultiplied alpha", _tiff(PREMULTIPLIED, extrasamples=["assocalpha"])),
    "turned.tif": ("turned by its tag", _tiff(np.asarray(PHOTO), extratags=[(ORIENTATION, "H", 1, 6, True)])),
    "deep_turned.tif": ("16 bits, turned by its tag", _tiff(DEEP, extratags=[(ORIENTATION, "H", 1, 6, True)])),
    "deep_cmyk.tif": ("CMYK of 16 bits", _tiff(INKS, photometric="separated")),
    "min_is_white.tif": ("16 bits, gray, 0 is white", _tiff(DEEP[..., 0], photometric="miniswhite")),
    "packed.tif": ("12 bits, packed", packed_tiff),
    "tags.tif": ("artist, copyright, 600 dpi",
                 _tiff(np.asarray(PHOTO), description="a cat", resolution=(600, 600), resolutionunit="INCH",
                 extratags=[(315, "s", 0, "Ann", True), (33432, "s", 0, "CC0", True)])),
    "absurd_dpi.tif": ("a resolution of 4294967295 dpi",
                 _tiff(np.asarray(PHOTO), resolution=((2**32 - 1, 1),) * 2, resolutionunit="INCH")),
    "thumbnail.tif": ("a thumbnail is its first page", _thumbnail_first),
    "deep_gray_key.png": ("16 bits, one gray level is transparent",
                 deep_png(DEEP[..., :1], (b"tRNS", DEEP[3, 4, :1].astype(">u2").tobytes()))),
    "hidden_default.png": ("3 frames and a picture that is not played", _hidden_default),
    "bad_text.png": ("a text with a wrong checksum", _with_chunks((b"tEXt", b"a\0b"), damage=lambda chunk: chunk[:-1] + b"?")),
    "long_text.png": ("a text of 1.4 MB", _with_chunks((b"zTXt", b"a\0\0" + zlib.compress(bytes(1_400_000))))),
    "texts.png": ("texts and XMP", _with_chunks((b"tEXt", b"parameters\0Steps: 20"), (b"iTXt", XMP_KEY + b"\0\0\0\0\0<x/>"))),
    "linear.png": ("gamma 1.0", _with_chunks(LINEAR)),
    "hdr.png": ("code points of HDR (cICP)", _with_chunks((b"cICP", bytes((9, 16, 0, 1))))),
    "broken_exif.jpg": ("a negative width in EXIF, a text beyond its end", _broken_exif),
    "comment.jpg": ("a comment", _save(PHOTO, quality=95, comment="a cat")),
    "lacking.jpg": ("its last 20 bytes are missing", _lacking(quality=95)),
    "lacking.gif": ("its last 20 bytes are missing", _lacking()),
    "sticker.gif": ("3 frames with transparency", _sticker),
    "once.gif": ("3 frames, played once, one for 0 ms", _moving_gif),
    "gif_named.jpg": ("a GIF of 3 frames", lambda path: _moving(format="GIF")(path)),
    "photo.jfif": ("JPEG by another name", _save(PHOTO, format="JPEG", quality=95)),
    "photo.avif": ("AVIF", _avif),
    "photo.heic": ("HEIC, without the package that reads it", lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))),
    "moving.avif": ("3 frames", _moving(quality=95)),
    "exif_turned.png": ("turned by its EXIF chunk",
                 _with_chunks((b"eXIf", b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", ORIENTATION, 3, 1, 6) + bytes(4)))),
    "fax.tif": ("1 bit, packed as by fax machines", _save(PHOTO.convert("1"), compression="group4")),
    "motion.jpg": ("a short film behind it", _jpeg_and(clips.write)),
    "bright.jpg": ("a second picture behind it (MPF)", _jpeg_and(marker=b"MPF\0II*\0\x08\0\0\0\0\0")),
    "camera.tif": ("a camera's raw file", _raw),
    "vast.png": ("3 GB", _vast),
    "other.png": ("PPM", _save(PHOTO, format="PPM")),
    "empty.png": ("0 bytes", lambda path: path.write_bytes(b"")),
    "cut.png": ("cut off", _cut),
    "text.jpg": ("text", lambda path: path.write_text("not a photo")),
    "bomb.png": ("its header promises 50,000x50,000 pixels", _bomb),
    "folder.png": ("a folder", lambda path: path.mkdir()),
    "circle.png": ("a link to itself", lambda path: path.symlink_to(path)),
    "vanished.png": ("not there", lambda path: None),
}  # fmt: skip


def small_network() -> network.Network:
    """A small network without training."""
    return network.network(networks.generator(preset("quick", blocks=1, filters=8)))


def outcomes(folder: Path, upscaler: network.Network) -> dict[str, str]:
    """What becomes of each of INPUTS, in words: the result's kind, or the sentence of refusal without the place."""
    told = {}
    for name, (_, make) in INPUTS.items():
        source = folder / name
        make(source)
        target = folder / "out" / (source.stem + files.ending(source))
        try:
            picture = files.upscale_file(source, target, upscaler)
        except SRGANError as error:
            assert not target.exists()
            told[name] = str(error).replace(f"{folder}{os.sep}", "")
        else:
            told[name] = "; ".join((described(target), *picture.notes))
            target.unlink()
    return told


def described(path: Path) -> str:
    """Kind, mode, size and what goes along, as Pillow and tifffile see it."""
    with Image.open(path) as image:
        mode = image.mode
        if path.suffix == ".png" and path.read_bytes()[24] == 16:
            mode += ", 16 bits"
        if path.suffix == ".tif":
            mode += f", {8 * tifffile.imread(path).itemsize} bits"
        count = getattr(image, "n_frames", 1)
        extras = [f"{count} frames"] if count > 1 else []
        extras += ["ICC profile"] if image.info.get("icc_profile") else []
        extras += [f"{float(image.info['dpi'][0]):.0f} dpi"] if image.info.get("dpi", (1, 1))[0] > 1 else []
        durations = pictures.read(path).durations
        extras += ["+".join(f"{duration:g}" for duration in durations) + " ms"] if durations else []
        metadata = pictures.read(path).metadata
        extras += ["comment"] if metadata.comment else []
        extras += [f"{len(metadata.texts)} text"] if metadata.texts else []
        extras += ["XMP"] if metadata.xmp else []
        extras += [kind.decode() for kind, _ in metadata.colour]
        extras += ["EXIF: a cat"] if count == 1 and "a cat" in image.getexif().values() else []
        return ", ".join((image.format, mode, f"{image.width}x{image.height}", *extras))


def _film(**options) -> Callable[[Path], None]:
    return lambda path: clips.write(path, **{"stamps": range(50)} | options)


def _joined(path: Path) -> None:
    clips.write(path, audio="aac", stamps=range(50))
    path.write_bytes(path.read_bytes() * 2)


def _late(path: Path) -> None:
    clips.write(path, stamps=range(900_000, 900_050))


def _half(path: Path) -> None:
    clips.write(path, audio="aac", stamps=range(50), options={"g": "1"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _phone(path: Path) -> None:
    def prepare(container) -> None:
        container.metadata["com.apple.quicktime.make"] = "Apple"
        container.metadata["com.apple.quicktime.location.ISO6709"] = "+48.1+011.5/"

    clips.write(path, prepare=prepare, container_options={"movflags": "use_metadata_tags"}, stamps=range(50))


def _two_pictures(path: Path) -> None:
    with av.open(str(path), "w") as container:
        shown = [container.add_stream("libx264", rate=25, width=side, height=32) for side in (48, 64)]
        for stream in shown:
            clips._show(container, stream, range(50), clips.Fraction(1, 25), clips.pattern)
        for stream in shown:
            container.mux(stream.encode(None))


def _begin_cut(path: Path) -> None:
    """A recording that begins in the midst of things: its first key frame comes later."""
    clips.write(path, stamps=range(75), options={"g": "25"})
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 3 // 188 * 188 + 77 :])


FILMS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "film.mp4": ("H.264 and AAC", _film(audio="aac")),
    "film.webm": ("VP9 and Opus", _film(video="libvpx-vp9", audio="libopus")),
    "film.wmv": ("MPEG-4 and old Windows sound", _film(video="mpeg4", audio="wmav2")),
    "film.avi": ("Motion JPEG and sound of telephones", _film(video="mjpeg", audio="pcm_mulaw", tags={"pix_fmt": "yuvj420p"})),
    "joined.ts": ("two recordings in one file", _joined),
    "late.mkv": ("it starts at ten hours", _late),
    "alpha.webm": ("transparency", _film(video="libvpx-vp9", tags={"pix_fmt": "yuva420p"})),
    "phone.mov": ("make and place of a phone", _phone),
    "12:30.mp4": ("a colon in its name", _film()),
    "cut.mkv": ("its second half is missing", _half),
    "fragments.mp4": ("in fragments", _film(audio="aac", container_options={"movflags": "frag_keyframe+empty_moov"})),
    "two.mkv": ("two pictures", _two_pictures),
    "begin.ts": ("its first third is missing", _begin_cut),
    "list.mp4": ("a list of other files", lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nfilm.mp4\n#EXT-X-ENDLIST\n")),
    "sound.mp4": ("sound alone", _film(video=None, audio="aac")),
    "words.mp4": ("text", lambda path: path.write_text("Dear diary, " * 99)),
}


def film_outcomes(folder: Path) -> dict[str, str]:
    """What becomes of each of FILMS, in words, with an upscaler that repeats pixels."""
    told = {}
    for name, (_, make) in FILMS.items():
        make(folder / name)
        remarks: list[str] = []
        try:
            made = video.default_target(folder / name)
            target = made.with_name(f"{name} {made.name}")
            video.upscale(folder / name, target, lambda lr: lr.repeat(4, 0).repeat(4, 1), say=remarks.append)
        except SRGANError as error:
            told[name] = str(error).replace(f"{folder}{os.sep}", "")
            continue
        with av.open(str(target)) as container:
            codecs = " and ".join(stream.codec_context.name for stream in container.streams)
            seconds, own = container.duration / av.time_base, [tag for tag in container.metadata if tag.startswith("com.")]
            parts = [f"{target.suffix[1:]}, {codecs}, {seconds:.1f} s from {container.start_time / av.time_base:.0f}", *own]
        told[name] = "; ".join([", ".join(parts), *(remark.replace(f"{folder / name}: ", "") for remark in remarks)])
    return told


def main() -> None:
    print("# Images and films of every kind, and what becomes of them\n")
    print(
        f"Written by `python -m tests.inputs`. Images have {WIDTH}x{HEIGHT} pixels where nothing else is said, films two seconds.\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        films = film_outcomes(Path(folder))
    print(Table(("film", "special", "outcome"), ((name, FILMS[name][0], outcome) for name, outcome in films.items())))
    with tempfile.TemporaryDirectory() as folder:
        found = outcomes(Path(folder), small_network())
    print()
    print(Table(("image", "special", "outcome"), ((name, INPUTS[name][0], outcome) for name, outcome in found.items())))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
