"""The standard test sets: image by image or from one archive, whole and in pairs, where evaluation finds them."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from srgan.data import benchmarks
from srgan.data.benchmarks import fetch_benchmark
from srgan.data.catalogue import BENCHMARKS, Benchmark
from srgan.data.fetch import RemoteFile
from srgan.errors import SRGANError
from srgan.results import evaluation
from tests.servers import serve

NAMES = ("baby", "bird")  # of the archive's images


def png(width: int, height: int, number: int) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


HR = [png(33, 26, 1), png(40, 40, 2)]
LR = [png(8, 6, 3), png(10, 10, 4)]


def sha256sums(hr: list[bytes], lr: list[bytes]) -> str:
    """What `sha256sum HR/* LR_x4/* | sha256sum` prints for img_001.png and so on."""
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {side}/img_{number:03d}.png\n"
        for side, contents in (("HR", hr), ("LR_x4", lr))
        for number, content in enumerate(contents, 1)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def archive(lr: list[bytes] = LR) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        members = {f"benchmark/Set5/HR/{name}.png": data for name, data in zip(NAMES, HR, strict=True)}
        members |= {f"benchmark/Set5/LR_bicubic/X4/{name}x4.png": data for name, data in zip(NAMES, lr, strict=False)}
        members |= {"benchmark/Set5/LR_bicubic/X2/babyx2.png": b"x2", "benchmark/Set14/HR/baby.png": b"other set",
                    "benchmark/Set5/HR/.DS_Store": b""}  # fmt: skip
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return content.getvalue()


@pytest.fixture
def server(monkeypatch):
    """A "Set5" of two images, in both ways. `server.images` and `server.archive` set how they are served."""
    with serve() as running:
        for side, contents in (("HR", HR), ("LR", LR)):
            running.files |= {f"Set5_{number}_{side}.png": content for number, content in enumerate(contents, 1)}
        running.files["benchmark.tar"] = archive()

        def images(way):
            monkeypatch.setattr(benchmarks, "BENCHMARK_IMAGE", running.address(way, "{name}_{number}_{side}.png"))

        def tar(way):
            checksum = f"md5:{hashlib.md5(running.files['benchmark.tar']).hexdigest()}"
            file = RemoteFile("benchmark.tar", (running.address(way, "benchmark.tar"),), checksum=checksum)
            monkeypatch.setattr(benchmarks, "BENCHMARK_ARCHIVE", file)

        running.images, running.archive = images, tar
        images("good")
        tar("good")
        size = sum(map(len, HR + LR))
        monkeypatch.setitem(BENCHMARKS, "Set5", Benchmark(2, size, sha256sums(HR, LR), "Set5", "two images", "free"))
        monkeypatch.setitem(BENCHMARKS, "Urban100", Benchmark(2, size, "", "Set5", "two images", "free"))
        monkeypatch.delenv("SRGAN_BENCHMARKS", raising=False)
        yield running


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


BY_IMAGE = {"HR/img_001.png": HR[0], "HR/img_002.png": HR[1], "LR_x4/img_001.png": LR[0], "LR_x4/img_002.png": LR[1]}
BY_ARCHIVE = {"HR/baby.png": HR[0], "HR/bird.png": HR[1], "LR_x4/baby.png": LR[0], "LR_x4/bird.png": LR[1]}


def test_images_come_one_by_one_to_where_evaluation_finds_them(server, paths):
    folder = fetch_benchmark("Set5", paths)
    assert evaluation.benchmark_folders(paths) == {"Set5": folder}
    assert contents(folder) == BY_IMAGE and folder == paths.data / "benchmarks" / "Set5"
    assert [(name, lr.shape, hr.shape) for name, lr, hr in evaluation.benchmark(folder)] == [
        ("img_001", (6, 8, 3), (24, 32, 3)),
        ("img_002", (10, 10, 3), (40, 40, 3)),
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["Set5"] and not paths.downloads.exists()
    assert fetch_benchmark("Set5", paths) == folder and len(server.asked) == 4


@pytest.mark.parametrize("way", ["missing", "busy", "page", "wrong", "plain_breaks"])
def test_where_the_images_cannot_be_had_the_archive_is_unpacked(server, paths, way, capsys):
    server.images(way)
    server.cut = 100
    folder = fetch_benchmark("Set5", paths)
    assert contents(folder) == BY_ARCHIVE and evaluation.benchmark_folders(paths) == {"Set5": folder}
    assert len(list(evaluation.benchmark(folder))) == 2
    assert [path.name for path in paths.downloads.iterdir()] == ["benchmark.tar"]


def test_images_of_which_no_checksum_is_known_are_the_second_choice(server, paths):
    assert contents(fetch_benchmark("Urban100", paths)) == BY_ARCHIVE
    assert [path for path, _ in server.asked] == ["/good/benchmark.tar"]


def test_where_no_checksum_is_known_sizes_and_pairs_must_be_right_and_the_one_found_is_kept_and_said(server, paths, capsys):
    server.archive("missing")
    server.files |= {name.replace("Set5", "Urban100"): content for name, content in server.files.items()}
    folder = fetch_benchmark("Urban100", paths)
    listing = contents(folder).pop("SHA256SUMS")
    assert hashlib.sha256(listing).hexdigest() == sha256sums(HR, LR) and sha256sums(HR, LR) in capsys.readouterr().out
    assert {name: data for name, data in contents(folder).items() if name != "SHA256SUMS"} == BY_IMAGE
    assert len(list(evaluation.benchmark(folder))) == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("Urban100_1_HR.png", HR[0] + bytes(2000), "bytes together, not about"),
        ("Urban100_1_LR.png", LR[0][:-30], "cannot be read as an image"),
        ("Urban100_1_LR.png", png(6, 8, 3), "the LR of img_001.png is not a quarter of its HR"),
    ],
)
def test_where_no_checksum_is_known_other_images_are_refused(server, paths, name, content, words):
    server.archive("missing")
    server.files |= {known.replace("Set5", "Urban100"): data for known, data in server.files.items()} | {name: content}
    with pytest.raises(SRGANError, match=words):
        fetch_benchmark("Urban100", paths)
    assert evaluation.benchmark_folders(paths) == {}


def test_when_both_ways_fail_each_is_told_and_what_to_do_by_hand(server, paths):
    server.images("busy")
    server.archive("missing")
    with pytest.raises(SRGANError) as told:
        fetch_benchmark("Set5", paths)
    assert f"{server.base}/busy/Set5_1_HR.png: HTTP 503 Service Unavailable" in str(told.value)
    assert f"{server.base}/missing/benchmark.tar: HTTP 404 Not Found" in str(told.value)
    folder = paths.data / "benchmarks" / "Set5"
    assert f"put the images at {folder}/HR and {folder}/LR_x4 by hand" in str(told.value)
    assert f"put the file at {paths.downloads / 'benchmark.tar'}" in str(told.value) and not folder.exists()


def test_images_that_came_are_not_fetched_again(server, paths):
    lost = server.files.pop("Set5_2_LR.png")
    server.images("good_or_missing")
    server.archive("missing")
    with pytest.raises(SRGANError, match=r"Set5_2_LR\.png: HTTP 404"):
        fetch_benchmark("Set5", paths)
    assert evaluation.benchmark_folders(paths) == {}
    server.files["Set5_2_LR.png"] = lost
    assert contents(fetch_benchmark("Set5", paths)) == BY_IMAGE
    asked = [path.rsplit("/", 1)[1] for path, _ in server.asked if path.endswith("png")]
    assert sorted(asked) == sorted([*(name for name in server.files if name.endswith("png")), "Set5_2_LR.png"])


def test_an_archive_without_pairs_is_refused(server, paths):
    server.images("missing")
    server.files["benchmark.tar"] = archive(LR[:1])
    server.archive("good")
    with pytest.raises(SRGANError, match="there are 2 HR and 1 LR images, not 2 of equal names"):
        fetch_benchmark("Set5", paths)
    assert list((paths.data / "benchmarks").glob("*Set5-archive")) == []


def test_a_set_of_ones_own_is_left_alone_and_an_unfinished_one_is_named(server, paths):
    folder = paths.data / "benchmarks" / "Set5"
    (folder / "HR").mkdir(parents=True)
    with pytest.raises(SRGANError, match=r"is there, but without HR and LR_x4 in it\. Move it away"):
        fetch_benchmark("Set5", paths)
    (folder / "LR_x4").mkdir()
    assert fetch_benchmark("Set5", paths) == folder and contents(folder) == {} and server.asked == []


def test_a_full_disk_is_told_and_gone_on_from(server, paths, full_disk):
    with full_disk(after=1000), pytest.raises(SRGANError, match=r"could not be written \(File too large\)"):
        fetch_benchmark("Set5", paths)
    assert contents(fetch_benchmark("Set5", paths)) == BY_IMAGE


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_the_published_images_have_the_size_and_checksum_of_the_table(shared_data, paths, monkeypatch, name):
    published = shared_data / "benchmarks" / name
    with serve() as server:
        for side, kept in (("HR", "HR"), ("LR", "LR_x4")):
            for number, path in enumerate(sorted((published / kept).glob("*.png")), 1):
                server.files[f"{name}_{number}_{side}.png"] = path.read_bytes()
        monkeypatch.setattr(benchmarks, "BENCHMARK_IMAGE", server.address("good", "{name}_{number}_{side}.png"))
        folder = fetch_benchmark(name, paths)
    assert contents(folder) == contents(published)
    assert sum(len(content) for content in contents(folder).values()) == BENCHMARKS[name].bytes
