from __future__ import annotations

import json
import shutil

import keras
import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.metrics
from PIL import Image

from srgan.config import Config
from srgan.data import images, preparation
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.results import comparisons, evaluation, metrics, perceptual, published, scores
from srgan.results.tables import Bold
from srgan.runs import weights
from srgan.runs.paths import Paths
from srgan.upscale import network
from srgan.upscale.border import Bordered

METHODS = ["nearest", "bicubic", "srresnet", "srgan"]
MEASURES = {"psnr_y", "ssim_y", "ssim_y_uniform", "psnr_rgb", "grid", "detail"}  # that need no file


@pytest.fixture(scope="module", autouse=True)
def no_files():
    """None of the files that some measures need."""
    with pytest.MonkeyPatch.context() as patched:
        for variable in ("SRGAN_NIQE", "SRGAN_LPIPS_ALEX", "SRGAN_MOBILENET"):
            patched.delenv(variable, raising=False)
        patched.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
        yield


def give_weights(config: Config, paths: Paths, stage: str, seed: int, step: int = 0, seconds: float = 0.0) -> keras.Model:
    """Put an untrained generator where the weights of `stage` belong."""
    keras.utils.set_random_seed(seed)
    generator = networks.generator(config)
    weights.save(paths.weights(stage), generator, config, {"stage": stage, "step": step, "seconds": seconds})
    return generator


@pytest.fixture(scope="module")
def evaluated_once(tiny, tmp_path_factory):
    """A run with weights of both stages and a Set5 of two, measured: its paths and results."""
    workdir = tmp_path_factory.mktemp("evaluated")
    paths = Paths(workdir, "tiny")
    give_weights(tiny, paths, "srresnet", seed=1, step=4, seconds=60.4)
    give_weights(tiny, paths, "srgan", seed=2, step=9, seconds=30.2)
    give_benchmark(paths.data / "benchmarks" / "Set5")
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("SRGAN_BENCHMARKS", raising=False)
        return paths, evaluation.evaluate(tiny, paths)


@pytest.fixture
def evaluated(evaluated_once, tmp_path, monkeypatch):
    """A copy of one's own of it."""
    monkeypatch.delenv("SRGAN_BENCHMARKS", raising=False)
    paths, results = evaluated_once
    shutil.copytree(paths.workdir, tmp_path, dirs_exist_ok=True)
    return Paths(tmp_path, "tiny"), results


def give_benchmark(folder) -> None:
    """A colour pair with an HR size that is no multiple of 4, and a gray one."""
    for name, photo in (("cat", skimage.data.chelsea()[100:147, 150:203]), ("man", skimage.data.camera()[50:90, 200:245])):
        save_pair(folder, name, photo)


def save_pair(folder, name: str, hr: np.ndarray) -> None:
    (folder / "HR").mkdir(parents=True, exist_ok=True)
    (folder / "LR_x4").mkdir(exist_ok=True)
    whole = Image.fromarray(hr)
    whole.save(folder / "HR" / f"{name}.png")
    height, width = hr.shape[0] // 4, hr.shape[1] // 4
    lr = whole.crop((0, 0, 4 * width, 4 * height)).resize((width, height), Image.Resampling.BICUBIC)
    lr.save(folder / "LR_x4" / f"{name}.png")


def luma_of(image: np.ndarray) -> np.ndarray:
    return skimage.color.rgb2ycbcr(image)[..., 0]


def luma_psnr(hr: np.ndarray, sr: np.ndarray) -> float:
    hr, sr = (luma_of(image)[4:-4, 4:-4] for image in (hr, sr))
    return skimage.metrics.peak_signal_noise_ratio(hr, sr, data_range=255)


# results.json -------------------------------------------------------------------------------------------------------


def test_results_have_the_structure_that_is_promised(tiny, evaluated):
    paths, results = evaluated
    promised = {"sets", "measures", "per_image", "preset", "commit", "machine", "seconds", "steps", "weights", "inputs",
                "versions"}  # fmt: skip
    assert set(results) == promised
    assert json.loads((paths.output / "results.json").read_text(encoding="utf-8")) == results
    assert list(results["sets"]) == list(results["per_image"]) == ["held-out", "Set5"]
    dataset = preparation.prepare(tiny, paths)
    names = {"held-out": dataset.test.names(), "Set5": ["cat", "man"]}
    for name, by_method in results["sets"].items():
        assert list(by_method) == list(results["per_image"][name]) == [*METHODS, "HR"]
        for method, values in by_method.items():
            taken = MEASURES if method != "HR" else {"grid"}
            assert set(values) == taken | {"images"}
            assert values["images"] == len(names[name])
            per_image = results["per_image"][name][method]
            assert list(per_image) == names[name]
            assert all(set(measured) == taken for measured in per_image.values())
    assert set(results["measures"]) == MEASURES
    assert "11x11" in results["measures"]["ssim_y"] and "7x7" in results["measures"]["ssim_y_uniform"]


def test_results_tell_where_they_come_from(evaluated):
    paths, results = evaluated
    assert results["preset"] == "tiny"
    assert results["seconds"] == 91  # 60.4 + 30.2, of both stages
    assert results["steps"] == {"srresnet": 4, "srgan": 9}
    assert results["weights"] == {stage: weights.sha256(paths.weights(stage)) for stage in ("srresnet", "srgan")}
    assert results["versions"]["keras"] == keras.__version__


def test_the_means_are_the_means_of_the_images(evaluated):
    _, results = evaluated
    for name, by_method in results["sets"].items():
        for method, values in by_method.items():
            measured = results["per_image"][name][method].values()
            for measure in values.keys() - {"images"}:
                rounded = 0.6 * 10 ** -(scores.MEASURES[measure].decimals + 1)
                assert values[measure] == pytest.approx(sum(m[measure] for m in measured) / len(measured), abs=rounded)


def test_each_method_is_measured_on_each_image_as_by_hand(tiny, evaluated):
    paths, results = evaluated
    lr, hr = preparation.prepare(tiny, paths).test.pair(0)
    name = preparation.prepare(tiny, paths).test.names()[0]
    size = (hr.shape[1], hr.shape[0])
    networks = {stage: network.load(paths.weights(stage))(lr) for stage in ("srresnet", "srgan")}
    by_hand = {"nearest": lr.repeat(4, axis=0).repeat(4, axis=1),
               "bicubic": np.asarray(Image.fromarray(lr).resize(size, Image.Resampling.BICUBIC))} | networks  # fmt: skip
    assert not np.array_equal(by_hand["srresnet"], by_hand["srgan"])
    for method, sr in by_hand.items():
        measured = results["per_image"]["held-out"][method][name]
        inner, luma = ([convert(image)[4:-4, 4:-4] for image in (hr, sr)] for convert in (np.asarray, luma_of))
        assert measured["psnr_y"] == pytest.approx(luma_psnr(hr, sr), abs=1e-6)
        assert measured["psnr_rgb"] == pytest.approx(skimage.metrics.peak_signal_noise_ratio(*inner, data_range=255), abs=1e-6)
        assert measured["ssim_y_uniform"] == pytest.approx(skimage.metrics.structural_similarity(*luma, data_range=255), abs=1e-6)


def test_a_second_call_measures_nothing_and_returns_the_same(tiny, evaluated, monkeypatch):
    paths, results = evaluated
    before = (paths.output / "results.json").stat().st_mtime_ns

    def never(*arguments):
        raise AssertionError("measured again")

    monkeypatch.setattr(metrics, "psnr_y", never)
    assert evaluation.evaluate(tiny, paths) == results
    assert (paths.output / "results.json").stat().st_mtime_ns == before


def test_results_of_other_measures_are_measured_anew(tiny, evaluated):
    paths, results = evaluated
    path = paths.output / "results.json"
    older = {key: value for key, value in results.items() if key != "measures"}  # as the version before wrote them
    path.write_text(json.dumps(older), encoding="utf-8")
    assert evaluation.evaluate(tiny, paths)["sets"] == results["sets"]
    assert json.loads(path.read_text(encoding="utf-8"))["measures"] == results["measures"]


def test_results_stand_where_a_file_of_theirs_is_missing_now(tiny, evaluated):
    paths, results = evaluated
    more = results | {"measures": results["measures"] | {"niqe": "NIQE"}}
    more["sets"] = {name: {method: values | {"niqe": 5.0} for method, values in by.items()} for name, by in results["sets"].items()}
    (paths.output / "results.json").write_text(json.dumps(more), encoding="utf-8")
    assert evaluation.evaluate(tiny, paths) == more


def test_a_picture_equal_to_hr_leaves_results_json_valid(tiny, paths, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("black")
    for i in range(4):
        Image.new("RGB", (64, 64), (i, 0, 0)).save(folder / f"{i}.png")
    monkeypatch.delenv("SRGAN_BENCHMARKS", raising=False)
    config = tiny.replace(dataset=f"folder:{folder}")
    for seed, stage in enumerate(("srresnet", "srgan")):
        give_weights(config, paths, stage, seed)
    results = evaluation.evaluate(config, paths)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    text = (paths.output / "results.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == results
    count = len(preparation.prepare(config, paths).test)
    perfect = {"psnr_y": None, "ssim_y": 1.0, "ssim_y_uniform": 1.0, "psnr_rgb": None, "grid": 0.0, "detail": None, "images": count}
    assert results["sets"]["held-out"]["bicubic"] == perfect
    assert "null: infinite" in results["measures"]["psnr_y"] and "null: infinite" in results["measures"]["psnr_rgb"]
    assert isinstance(results["sets"]["held-out"]["srgan"]["psnr_y"], float)
    assert "| bicubic | **∞** | **1.0000** |" in evaluation.table(results).markdown()


def test_new_weights_are_measured_anew(tiny, evaluated):
    paths, before = evaluated
    give_weights(tiny, paths, "srgan", seed=3, step=12)
    after = evaluation.evaluate(tiny, paths)
    assert after["steps"]["srgan"] == 12
    assert after["weights"]["srresnet"] == before["weights"]["srresnet"]
    assert after["sets"]["Set5"]["srresnet"] == before["sets"]["Set5"]["srresnet"]
    assert after["sets"]["Set5"]["srgan"] != before["sets"]["Set5"]["srgan"]
    assert json.loads((paths.output / "results.json").read_text(encoding="utf-8")) == after


def test_a_new_benchmark_is_measured_too(tiny, evaluated):
    paths, before = evaluated
    give_benchmark(paths.data / "benchmarks" / "BSD100")
    after = evaluation.evaluate(tiny, paths)
    assert list(after["sets"]) == ["held-out", "Set5", "BSD100"]
    assert after["sets"]["BSD100"] == after["sets"]["Set5"] == before["sets"]["Set5"]


# Benchmarks ---------------------------------------------------------------------------------------------------------


def test_benchmarks_are_read_in_colour_and_gray_and_hr_is_cut_to_four_times_lr(tmp_path):
    give_benchmark(tmp_path / "Set5")
    (tmp_path / "Set5" / "HR" / "readme.txt").write_text("not an image")
    cat, man = evaluation.benchmark(tmp_path / "Set5")
    assert (cat[0], cat[1].shape, cat[2].shape) == ("cat", (11, 13, 3), (44, 52, 3))
    np.testing.assert_array_equal(cat[2], skimage.data.chelsea()[100:144, 150:202])
    assert (man[0], man[1].shape, man[2].shape) == ("man", (10, 11, 3), (40, 44, 3))
    np.testing.assert_array_equal(man[2], skimage.data.camera()[50:90, 200:244, None].repeat(3, axis=2))


def test_the_environment_decides_where_benchmarks_are(tiny, evaluated, tmp_path_factory, monkeypatch):
    paths, before = evaluated
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    give_benchmark(elsewhere / "Set14")
    monkeypatch.setenv("SRGAN_BENCHMARKS", str(elsewhere))
    assert evaluation.benchmark_folders(paths) == {"Set14": elsewhere / "Set14"}
    results = evaluation.evaluate(tiny, paths)
    assert list(results["sets"]) == ["held-out", "Set14"]
    assert results["sets"]["Set14"] == before["sets"]["Set5"]


def test_without_benchmarks_there_are_the_held_out_photos_alone(paths, monkeypatch):
    monkeypatch.delenv("SRGAN_BENCHMARKS", raising=False)
    assert evaluation.benchmark_folders(paths) == {}
    (paths.data / "benchmarks" / "Set5" / "HR").mkdir(parents=True)  # without LR_x4
    assert evaluation.benchmark_folders(paths) == {}


def test_an_environment_that_names_a_folder_without_benchmarks_is_refused(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("SRGAN_BENCHMARKS", str(tmp_path / "typo"))
    with pytest.raises(SRGANError, match=r"SRGAN_BENCHMARKS names .*typo, which has none of Set5, Set14, BSD100"):
        evaluation.benchmark_folders(paths)


def test_an_lr_that_is_no_quarter_of_hr_is_refused(tmp_path):
    give_benchmark(tmp_path / "Set5")
    Image.new("RGB", (13, 12)).save(tmp_path / "Set5" / "LR_x4" / "cat.png")
    with pytest.raises(SRGANError, match=r"LR_x4/cat\.png is 13x12, not a quarter of .*HR/cat\.png, 52x44"):
        list(evaluation.benchmark(tmp_path / "Set5"))


def test_an_lr_that_is_missing_is_named(tmp_path):
    give_benchmark(tmp_path / "Set5")
    (tmp_path / "Set5" / "LR_x4" / "man.png").unlink()
    with pytest.raises(SRGANError, match=r"LR_x4/man\.png"):
        list(evaluation.benchmark(tmp_path / "Set5"))


# Methods ------------------------------------------------------------------------------------------------------------


def test_missing_weights_name_the_notebook_that_makes_them(tiny, paths):
    with pytest.raises(SRGANError, match="no SRResNet weights yet: run notebook 02 first"):
        evaluation.evaluate(tiny, paths)
    give_weights(tiny, paths, "srresnet", seed=1)
    with pytest.raises(SRGANError, match="no SRGAN weights yet: run notebook 03 first"):
        evaluation.evaluate(tiny, paths)
    assert not (paths.output / "results.json").exists()


def test_the_methods_are_those_of_the_table_in_its_order(tiny, paths):
    generators = [give_weights(tiny, paths, stage, seed) for seed, stage in enumerate(("srresnet", "srgan"))]
    methods = evaluation.upscalers(tiny, paths)
    assert list(methods) == METHODS
    lr = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    bordered = Bordered(lr)
    for method, generator in zip(("srresnet", "srgan"), generators, strict=True):
        sr = generator((bordered[:, :] / 255)[None].astype(np.float32), training=False).numpy()[0]
        expected = images.to_uint8(next(bordered.removed([sr])))
        assert np.abs(methods[method](lr).astype(int) - expected).max() <= 1


def test_measure_gives_each_image_to_each_method(monkeypatch):
    rng = np.random.default_rng(0)
    pairs = [(name, rng.integers(0, 256, (6, 6, 3), np.uint8), rng.integers(0, 256, (24, 24, 3), np.uint8)) for name in "ab"]
    given = []

    def spy(lr):
        given.append(lr)
        return network.nearest(lr)

    measured, means = evaluation.measure(iter(pairs), {"spy": spy, "perfect": lambda lr: pairs[0][2]})
    assert [lr is pair[1] for lr, pair in zip(given, pairs, strict=True)] == [True, True]
    one = pytest.approx(1.0)
    assert measured["perfect"]["a"] == {"psnr_y": None, "psnr_rgb": None, "ssim_y": one, "ssim_y_uniform": one, "detail": one}
    assert means["perfect"] == scores.mean(measured["perfect"]) and means["HR"] == {"images": 2}  # too small for a grid
    means = means["perfect"]
    assert means["psnr_y"] is None and means["ssim_y"] < 1 and means["images"] == 2
    assert measured["spy"]["b"]["psnr_y"] == pytest.approx(luma_psnr(pairs[1][2], network.nearest(pairs[1][1])))


# What is shown ------------------------------------------------------------------------------------------------------


def test_the_table_marks_the_best_of_each_set():
    results = {"sets": {
        "held-out": {
            "nearest": {"psnr_y": 25.004, "ssim_y": 0.7, "images": 2},
            "bicubic": {"psnr_y": 28.126, "ssim_y": 0.81239, "images": 2},
            "srresnet": {"psnr_y": 28.5, "ssim_y": 0.79, "images": 2},
            "srgan": {"psnr_y": 26.0, "ssim_y": 0.75, "images": 2},
        },
        "mine": {"nearest": {"psnr_y": 26.0, "ssim_y": 0.5, "images": 5}, "bicubic": {"psnr_y": 26.0, "ssim_y": 0.4, "images": 5}},
    }}  # fmt: skip
    assert evaluation.table(results).markdown().splitlines() == [
        "| set (images) | method | PSNR-Y, dB | SSIM-Y |",
        "|---|---|---|---|",
        "| held-out (2) | nearest | 25.00 | 0.7000 |",
        "| held-out (2) | bicubic | 28.13 | **0.8124** |",
        "| held-out (2) | SRResNet | **28.50** | 0.7900 |",
        "| held-out (2) | SRGAN | 26.00 | 0.7500 |",
        "| mine (5) | nearest | **26.00** | **0.5000** |",
        "| mine (5) | bicubic | **26.00** | 0.4000 |",
    ]


def test_the_table_can_show_every_measure():
    values = {"psnr_y": 30.0, "ssim_y": 0.9, "ssim_y_uniform": 0.91, "psnr_rgb": None, "detail": 0.5, "images": 3}
    lines = evaluation.table({"sets": {"held-out": {"bicubic": values}}}, tuple(scores.MEASURES)).markdown().splitlines()
    assert lines == [
        "| set (images) | method | PSNR-Y, dB | SSIM-Y | SSIM-Y 7x7 | PSNR-RGB, dB | detail |",
        "|---|---|---|---|---|---|---|",
        "| held-out (3) | bicubic | **30.00** | **0.9000** | **0.9100** | **∞** | **0.50** |",
    ]


def test_the_table_of_older_results_has_the_measures_that_they_have():
    results = {"sets": {"held-out": {"bicubic": {"psnr_y": 30.0, "ssim_y": 0.9, "images": 3}}}}
    assert evaluation.table(results, tuple(scores.MEASURES)).head[2:] == ("PSNR-Y, dB", "SSIM-Y")


def test_hr_has_a_row_of_what_it_has_itself_and_is_never_the_best():
    values = {"psnr_y": 30.0, "niqe": 6.0, "grid": 1.3, "images": 3}
    sets = {"held-out": {"srgan": values, "HR": {"niqe": 4.0, "grid": 1.8, "images": 3}}}
    assert evaluation.table({"sets": sets}).markdown().splitlines() == [
        "| set (images) | method | PSNR-Y, dB | NIQE | grid |",
        "|---|---|---|---|---|",
        "| held-out (3) | SRGAN | **30.00** | **6.00** | 1.30 |",
        "| held-out (3) | HR |  | 4.00 | 1.80 |",
    ]


def test_the_best_detail_is_as_much_as_hr_has():
    values = {method: {"detail": detail, "images": 3} for method, detail in (("bicubic", 0.5), ("srresnet", 0.9), ("srgan", 1.2))}
    rows = evaluation.table({"sets": {"held-out": values}}, ("detail",)).rows
    assert [str(cell) for _, _, cell in rows if isinstance(cell, Bold)] == ["0.90"]


# Table 2 of arXiv 1609.04802v5, as its text has it: Set5, Set14, BSD100; SRCNN, SelfExSR, SRResNet, SRGAN among its columns.
TABLE_2 = """
nearest bicubic SRCNN SelfExSR DRCN ESPCN SRResNet SRGAN
26.26 28.43 30.07 30.33 31.52 30.76 32.05 29.40
0.7552 0.8211 0.8627 0.872 0.8938 0.8784 0.9019 0.8472
24.64 25.99 27.18 27.45 28.02 27.66 28.49 26.02
0.7100 0.7486 0.7861 0.7972 0.8074 0.8004 0.8184 0.7397
25.02 25.94 26.68 26.83 27.21 27.02 27.58 25.16
0.6606 0.6935 0.7291 0.7387 0.7493 0.7442 0.7620 0.6688
"""


def test_published_numbers_are_those_of_the_papers_table():
    names, *rows = (line.split() for line in TABLE_2.strip().splitlines())
    for i, name in enumerate(("Set5", "Set14", "BSD100")):
        psnr, ssim = (dict(zip(names, map(float, row), strict=True)) for row in rows[2 * i : 2 * i + 2])
        assert list(published.NUMBERS[name]) == ["bicubic", "SRCNN", "SelfExSR", "SRResNet", "SRGAN"]
        for method, values in published.NUMBERS[name].items():
            assert values == {"psnr_y": psnr[method], "ssim_y": ssim[method]}


def test_published_rows_stand_behind_the_measured_ones_of_their_set_and_are_never_in_bold():
    measured = {"psnr_y": 27.0, "ssim_y": 0.8, "ssim_y_uniform": 0.81, "psnr_rgb": 25.0, "images": 5}
    sets = {"held-out": {"bicubic": measured}, "Set5": {"bicubic": measured, "srgan": measured}}
    lines = evaluation.table({"sets": sets}, ("psnr_y", "psnr_rgb")).markdown().splitlines()
    assert lines[2:5] == [
        "| held-out (5) | bicubic | **27.00** | **25.00** |",
        "| Set5 (5) | bicubic | **27.00** | **25.00** |",
        "| Set5 (5) | SRGAN | **27.00** | **25.00** |",
    ]
    assert lines[5:10] == [
        "| Set5 (5) | bicubic, published | 28.43 |  |",
        "| Set5 (5) | SRCNN, published | 30.07 |  |",
        "| Set5 (5) | SelfExSR, published | 30.33 |  |",
        "| Set5 (5) | SRResNet, published | 32.05 |  |",
        "| Set5 (5) | SRGAN, published | 29.40 |  |",
    ]
    assert lines[10] == "" and "Ledig et al. 2017" in lines[11] and "table 2" in lines[11]


@pytest.mark.parametrize("top, left", [(0, 0), (24, 48), (96, 144)])
def test_most_detailed_finds_the_square_of_greatest_variance(top, left):
    hr = np.full((200, 240, 3), 90, np.uint8)
    hr[top : top + 96, left : left + 96] = np.random.default_rng(0).integers(0, 2, (96, 96, 1), np.uint8) * 255
    assert comparisons.most_detailed(hr) == (top, left, 96)


@pytest.mark.parametrize("height, width, side", [(96, 96, 96), (64, 48, 48), (44, 52, 44), (400, 24, 24), (10, 300, 8)])
def test_most_detailed_stays_inside_and_on_the_grid_of_lr(height, width, side):
    hr = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    top, left, found = comparisons.most_detailed(hr)
    assert found == side and found % 4 == top % 4 == left % 4 == 0
    assert 0 <= top <= height - side and 0 <= left <= width - side


def test_a_comparison_has_five_panels_and_their_details_beneath_as_wide():
    rng = np.random.default_rng(0)
    lr, hr = rng.integers(0, 256, (16, 24, 3), np.uint8), rng.integers(0, 256, (64, 96, 3), np.uint8)
    plain = {"srresnet": np.full_like(hr, 50), "srgan": np.full_like(hr, 200)}
    methods = {"nearest": network.nearest, "bicubic": network.bicubic} | {k: lambda _, sr=sr: sr for k, sr in plain.items()}
    top, left, side = 16, 32, 32
    sheet = np.asarray(comparisons.comparison(lr, hr, methods, (top, left, side)))

    photo, detail, gap, head = (256, 384), (384, 384), 6, 22  # 256 high, 3:2; the detail is square
    assert sheet.shape == (head + photo[0] + gap + head + detail[0] + gap, 5 * photo[1] + 6 * gap, 3)
    whole = [lr, network.bicubic(lr), plain["srresnet"], plain["srgan"], hr]
    for i, image in enumerate(whole):
        x = gap + i * (photo[1] + gap)
        expected = Image.fromarray(image).resize(photo[::-1], Image.Resampling.NEAREST)
        np.testing.assert_array_equal(sheet[head : head + photo[0], x : x + photo[1]], expected)
        unit = 4 if i == 0 else 1
        cut = image[top // unit : (top + side) // unit, left // unit : (left + side) // unit]
        zoom = 384 // cut.shape[0]
        y = head + photo[0] + gap + head
        np.testing.assert_array_equal(sheet[y : y + 384, x : x + 384], cut.repeat(zoom, axis=0).repeat(zoom, axis=1))


def test_comparisons_are_written_for_the_first_photos_of_each_set(tiny, evaluated):
    paths, _ = evaluated
    written = comparisons.write_comparisons(tiny, paths, per_set=1)
    name = preparation.prepare(tiny, paths).test.names()[0].removesuffix(".png")
    assert written == [paths.output / "comparisons" / f"{picture}.png" for picture in (f"held-out_{name}", "Set5_cat")]
    with Image.open(written[1]) as picture:
        width = round(256 * 52 / 44)
        assert picture.size == (5 * width + 6 * 6, 22 + 256 + 6 + 22 + width + 6)


def test_photos_of_the_same_name_in_two_folders_have_two_comparisons(tiny, paths, tmp_path_factory, monkeypatch):
    monkeypatch.delenv("SRGAN_BENCHMARKS", raising=False)
    folder = tmp_path_factory.mktemp("nested")
    for i in range(6):
        (folder / f"part{i}").mkdir()
        Image.fromarray(skimage.data.coffee()[50 * i : 50 * i + 48, 150:214]).save(folder / f"part{i}" / "photo.png")
    config = tiny.replace(dataset=f"folder:{folder}", test_fraction=0.5)
    for stage in ("srresnet", "srgan"):
        give_weights(config, paths, stage, seed=1)
    shown = len(preparation.prepare(config, paths).test)
    assert 2 <= shown <= 5
    assert len(set(comparisons.write_comparisons(config, paths, per_set=6))) == shown
