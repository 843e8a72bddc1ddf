"""`featgeom guard`: fitted and calibrated in one command, a stream of images scored and carried on."""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import betabinom

import featgeom as fg
from featgeom.answers.asked import Asking
from featgeom.answers.calibrating import FILE, guard_of, stored_guard
from featgeom.answers.makers import Makers
from featgeom.answers.score_names import SCORES
from featgeom.answers.stream import COLUMNS, Watch, write_scores
from featgeom.errors import BadArgument, BadData, FeatgeomError
from featgeom.runs.commit import commit
from featgeom.runs.making import make_run
from featgeom.text import counted, visible
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def classifier():
    return fg.load_classifier("digits")


@pytest.fixture
def watch(digits_run, classifier):
    return Watch(classifier, fg.fit_guard(digits_run, 0.1), "one")


@pytest.mark.parametrize("score", SCORES)
def test_calibration_is_a_random_half_of_the_test_part(digits_run, score):
    guard = fg.fit_guard(digits_run, 0.1, score)
    test = digits_run.features("test")
    said = guard.said_["calibration"]
    assert (said["part"], said["samples"], said["of"], said["seed"]) == ("test", 250, 500, 0)
    rows = np.sort(np.random.default_rng(0).permutation(500)[:250])
    by_hand = fg.Guard(test.head, 0.1, score=score)
    train = digits_run.features("train")
    by_hand.fit(train.features, train.labels, test.features[rows])
    assert by_hand.threshold_ == guard.threshold_
    left, rest = guard.said_["left"], np.setdiff1d(np.arange(500), rows)
    alarms = (by_hand.judge(test.features[rest]).score > by_hand.threshold_).sum()
    assert (left["samples"], left["alarms"], left["rate"]) == (250, alarms, alarms / 250)
    m = 125 if score in ("combined", "joint") else 250
    beyond = int(0.1 * (m + 1))  # so many of m calibration scores may lie beyond the threshold
    assert left["expected"] == list(betabinom(250, beyond, m + 1 - beyond).interval(0.95))
    assert left["expected"][0] <= alarms <= left["expected"][1]


def test_a_run_of_one_part_keeps_features_aside_and_says_what_that_costs(tmp_path, caplog):
    test = fg.extract(fg.load_classifier("digits"), fg.load_images("digits", split="test"))
    np.savez(
        tmp_path / "f.npz",
        features=test.features, labels=test.labels, weight=test.head.weight, bias=test.head.bias,
    )  # fmt: skip
    run = make_run(tmp_path / "run", str(tmp_path / "f.npz"))
    guard = fg.fit_guard(run, 0.1)
    assert guard.said_["calibration"]["samples"] == 50
    assert len(guard.points_) <= 450
    assert guard.said_["left"] is None
    assert "trained on them" in caplog.text


def test_no_command_promises_an_alarm_beyond_infinity(run_of, capsys):
    z = 3 * np.eye(3).repeat(40, axis=0) + np.random.default_rng(0).random((120, 3))
    labels = np.repeat([0, 1, 2], 40)
    known = labels != 2
    run = run_of(features_train=z[known], labels_train=labels[known], features_test=z, labels_test=labels)
    assert featgeom(["guard", str(run.folder)]) == 0
    said = capsys.readouterr()
    assert "no feature can raise an alarm" in said.out
    assert "no feature can raise an alarm" in said.err
    assert "inf," not in said.out + said.err
    assert stored_guard(run).said_["left"] == {"samples": 60, "alarms": 0, "rate": 0.0, "expected": [0, 0]}
    assert featgeom(["guard", str(run.folder), "--score", "energy"]) == 0
    assert "alarm beyond" in capsys.readouterr().out


def test_the_guard_is_a_part_of_its_run(digits_run, caplog):
    first = guard_of(digits_run, 0.1, "margin")
    assert stored_guard(digits_run).said_ == first.said_
    assert guard_of(digits_run).said_ == first.said_  # asks for nothing else
    caplog.set_level("INFO", "featgeom")
    assert guard_of(digits_run, 0.1, "margin", 0.4).said_["calibration"]["share"] == 0.4
    caplog.clear()
    again = guard_of(digits_run, false_alarm=0.2)
    assert (again.said_["score"], again.said_["calibration"]["share"]) == ("margin", 0.4)
    assert f"{FILE}: made again with its own score margin, share 0.4" in caplog.text
    guard_of(digits_run, share=0.5)
    path = digits_run.folder / FILE
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1])
        assert any("guard.npz: damaged" in line for line in digits_run.damages())
        with pytest.raises(BadData, match="`featgeom guard RUN` makes it again"):
            stored_guard(digits_run)
    finally:
        path.write_bytes(content)


@pytest.fixture
def kept_guard(digits_run):
    """The guard that the run holds, which is there again afterwards."""
    guard_of(digits_run, 0.1, "hull")
    content = (digits_run.folder / FILE).read_bytes()
    yield content
    commit(digits_run.folder, "guard", {FILE: content}, digits_run.base)


def older(content):
    """A guard of an older format."""
    with np.load(io.BytesIO(content)) as found:
        arrays = dict(found) | {"format": np.array(1)}
    return packed(arrays)


def unsaid(content):
    """A guard of which nothing is said."""
    with np.load(io.BytesIO(content)) as found:
        arrays = dict(found) | {"said": np.array("{}")}
    return packed(arrays)


def packed(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("damage", ["cut", "longer", "missing", "older", "unsaid"])
def test_a_guard_that_cannot_be_read_is_made_again_by_the_command_that_is_named(
    digits_run, kept_guard, damage, capsys
):
    path = digits_run.folder / FILE
    if damage in ("older", "unsaid"):
        changed = {"older": older, "unsaid": unsaid}[damage](kept_guard)
        commit(digits_run.folder, "guard", {FILE: changed}, digits_run.base)
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(kept_guard[:-1] if damage == "cut" else kept_guard + b"x")
    with pytest.raises(BadData):
        stored_guard(digits_run)
    assert featgeom(["guard", str(digits_run.folder), "--false-alarm", "0.2"]) == 0
    assert "it is made again, by the defaults" in capsys.readouterr().err
    assert stored_guard(digits_run).said_["false_alarm"] == 0.2
    assert digits_run.damages() == []


def test_a_guard_of_other_features_is_none(digits_run, kept_guard):
    assert stored_guard(digits_run) is not None
    commit(digits_run.folder, "guard", {FILE: kept_guard}, "0" * 64)
    assert stored_guard(digits_run) is None


@pytest.mark.parametrize("score", ["hull", "combined", "joint"])
def test_samples_that_made_the_guard_are_counted(digits_run, classifier, score, caplog):
    caplog.set_level("INFO", "featgeom")
    guard = fg.fit_guard(digits_run, 0.1, score)
    makers = Makers.of(digits_run, guard)
    asking = Asking(digits_run, classifier)
    aside = set(np.random.default_rng(0).permutation(500)[:250].tolist())
    train = digits_run.features("train")
    right = int((train.predictions == train.labels).sum())
    assert right == len(guard.points_)
    assert len(makers.calibrators) == len(guard.calibration_)
    for words, spanning, setting in (
        ("train", right, 0), ("test", 0, 250), ("test:0-9", 0, len(aside & set(range(10)))), ("digits", 0, 0),
    ):  # fmt: skip
        caplog.clear()
        makers.remark(asking.images([words]))
        said = caplog.text
        assert (f"{spanning:,} of the images asked span the hulls" in said) == (spanning > 0)
        assert (f"{setting:,} of the images asked set the threshold" in said) == (setting > 0)


def test_a_calibrator_is_no_evidence_for_itself(digits_run, classifier):
    guard = fg.fit_guard(digits_run, 0.1, "margin")
    makers = Makers.of(digits_run, guard)
    asked = Asking(digits_run, classifier).images(["test"])
    rows = Watch(classifier, guard, "one", makers).rows(asked)
    own = np.array(makers.calibrate(asked))
    assert own.sum() == 250
    z = digits_run.features("test").features
    scores = -fg.Cells(guard.head).radius(z).radius
    for i in np.flatnonzero(own)[:40]:
        others = scores[own & (np.arange(500) != i)]
        assert rows[i]["p_value"] == pytest.approx((1 + (others >= scores[i]).sum()) / 250, abs=1.5 / 250)
        assert rows[i]["alarm"] == (rows[i]["p_value"] <= 0.1)
    for i in np.flatnonzero(~own)[:40]:
        expected = (1 + (scores[own] >= scores[i]).sum()) / 251
        assert rows[i]["p_value"] == pytest.approx(expected, abs=1.5 / 251)
    most = max(i for i in np.flatnonzero(own) if scores[i] == scores[own].max())
    assert rows[most]["p_value"] == 1 / 250


def test_rows_say_what_the_guard_says(digits_run, watch):
    asked = Asking(digits_run, watch.classifier).images(["test:3-7", "test:0"])
    assert [image.name for image in asked] == ["test:3", "test:4", "test:5", "test:6", "test:7", "test:0"]
    rows = watch.rows(asked)
    features = digits_run.features("test").features[[3, 4, 5, 6, 7, 0]]
    found = watch.guard.judge(features)
    assert [row["alarm"] for row in rows] == found.alarm.tolist()
    for name, values in (("score", found.score), ("score_lower", found.lower), ("distance", found.distance)):
        np.testing.assert_allclose([row[name] for row in rows], values, rtol=1e-3)
    again = watch.guard.judge(watch.classifier.features(np.stack([image.load() for image in asked])))
    assert [row["score"] for row in rows] == again.score.tolist()
    assert [row["score_lower"] for row in rows] == again.lower.tolist()
    assert (again.lower < again.score).all()  # rounding alone puts a distance between two bounds
    np.testing.assert_allclose([row["margin"] for row in rows], found.radius, rtol=1e-5)
    assert [row["prediction"] for row in rows] == [str(c) for c in found.classes]


def test_words_name_images(digits_run, classifier, pictures, tmp_path, monkeypatch):
    asking = Asking(digits_run, classifier, [f"{pictures / '3.png'}\n", "\n", "test:1\n"])
    assert len(asking.images([str(pictures)])) == 10
    assert len(asking.images([f"folder:{pictures}"])) == 10
    assert [i.name for i in asking.images(["-"])] == [str(pictures / "3.png"), "test:1"]
    assert len(asking.images(["test"])) == 500
    assert len(asking.images(["digits"])) == 1797
    (tmp_path / "empty").mkdir()
    refused = {
        "test:500": "samples 0 to 499", "test:7-3": "samples", "nothing": "no such file",
        "digit": "no such file", str(tmp_path / "empty"): "no picture in it",
    }  # fmt: skip
    for word, said in refused.items():
        with pytest.raises(FeatgeomError, match=said):
            asking.images([word])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test").mkdir()
    with pytest.raises(BadArgument, match=r"write \./test"):
        asking.images(["test"])


def test_a_picture_is_read_as_the_run_reads_its_images(digits_run, classifier, pictures):
    asking = Asking(digits_run, classifier)
    files, samples = (asking.images(words) for words in ([str(pictures)], ["test:0-9"]))
    for file, sample in zip(files, samples, strict=True):
        assert file.load().dtype == np.uint8
        np.testing.assert_allclose(file.load() / 255, sample.load(), atol=0.5 / 255 + 1e-6)
    coloured = pictures / "colour.png"
    Image.open(pictures / "0.png").convert("RGB").save(coloured)
    np.testing.assert_array_equal(asking.images([str(coloured)])[0].load(), files[0].load())
    Image.open(pictures / "0.png").resize((20, 12)).save(pictures / "large.png")
    with pytest.raises(BadData, match="is 20x12 with 1 channel, the images of this run are 8x8"):
        asking.images([str(pictures / "large.png")])[0].load()
    assert asking.images([f"folder:{pictures}@8"])[-1].load().shape == (1, 8, 8)


def test_what_cannot_be_read_is_a_row_of_its_own(digits_run, watch, pictures):
    (pictures / "5.png").write_bytes(b"no picture")
    rows = watch.rows(Asking(digits_run, watch.classifier).images([str(pictures)]))
    assert [bool(row["error"]) for row in rows] == [i == 5 for i in range(10)]
    assert rows[5]["alarm"] is None
    assert "not an image" in rows[5]["error"]
    assert all(set(row) == set(COLUMNS) for row in rows)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_format_holds_every_row(digits_run, watch, tmp_path, ending):
    asked = Asking(digits_run, watch.classifier).images(["test:0-19"])
    if ending == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / f"scores.{ending}"
    rows = write_scores(watch, asked, out)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == [out.name]
    if ending == "parquet":
        assert parquet.read_table(out).to_pylist() == rows
    elif ending == "jsonl":
        assert [json.loads(line) for line in out.read_text().splitlines()] == rows
    else:
        read = list(csv.DictReader(io.StringIO(out.read_text())))
        assert [float(line["p_value"]) for line in read] == [row["p_value"] for row in rows]
        assert [line["image"] for line in read] == [f"test:{i}" for i in range(20)]
    with pytest.raises(BadArgument, match=r"ends in \.csv"):
        write_scores(watch, asked, tmp_path / "scores.txt")


class Stopped(Exception):
    pass


def test_rows_of_a_group_that_is_not_whole_are_not_kept(digits_run, watch, tmp_path, monkeypatch, read):
    """As where the machine went off amid writing them: what is judged with them would be other images."""
    monkeypatch.setattr("featgeom.answers.stream.GROUP", 16)
    asked = Asking(digits_run, watch.classifier).images(["test:0-39"])
    out = tmp_path / "scores.csv"
    begun(watch, asked, out, monkeypatch, batches=4)
    part = tmp_path / "scores.csv.part"
    part.write_bytes(b"\n".join([*part.read_bytes().split(b"\n")[:26], b""]))  # 25 of 32 rows
    monkeypatch.setattr("featgeom.answers.stream.BATCH", 8)
    read.clear()
    write_scores(watch, asked, out)
    assert read == [f"test:{i}" for i in range(16, 40)]


def test_pictures_that_were_not_read_are_not_read_again(
    digits_run, watch, pictures, tmp_path, monkeypatch, read
):
    (pictures / "5.png").write_bytes(b"no picture")
    asked = Asking(digits_run, watch.classifier).images([str(pictures), "test:0-9"])
    out = tmp_path / "scores.csv"
    begun(watch, asked, out, monkeypatch)
    monkeypatch.setattr("featgeom.answers.stream.BATCH", 8)
    read.clear()
    rows = write_scores(watch, asked, out)
    assert len(read) == 12
    assert [bool(row["error"]) for row in rows] == [i == 5 for i in range(20)]
    assert rows[6]["score"] == pytest.approx(watch.rows([asked[6]])[0]["score"], rel=2e-3)


@pytest.mark.parametrize("group", [8, 16, 64])
def test_a_stopped_stream_carries_on_and_ends_in_the_same_bytes(
    digits_run, watch, tmp_path, monkeypatch, group
):
    """Nothing that was read is read again, and the same images are judged together as without a stop."""
    monkeypatch.setattr("featgeom.answers.stream.BATCH", 8)
    monkeypatch.setattr("featgeom.answers.stream.GROUP", group)
    asked = Asking(digits_run, watch.classifier).images(["test:0-39"])
    write_scores(watch, asked, tmp_path / "whole.csv")
    judged = []
    once = Watch.read

    def breaking(self, images):
        if len(judged) == 24 and not judged[-1].startswith("again"):
            judged.append("again")
            raise Stopped
        judged.extend(image.name for image in images)
        return once(self, images)

    monkeypatch.setattr(Watch, "read", breaking)
    out = tmp_path / "scores.csv"
    with pytest.raises(Stopped):
        write_scores(watch, asked, out)
    assert not out.exists()
    with open(tmp_path / "scores.csv.part", "ab") as part:
        part.write(b'{"image": "test:24", "predi')  # a line cut off
    lines = (tmp_path / "scores.csv.part").read_bytes().split(b"\n")[1:-1]
    assert [b'"row"' in line for line in lines] == [i < 24 // group * group for i in range(24)]
    write_scores(watch, asked, out)
    assert judged == [f"test:{i}" for i in range(24)] + ["again"] + [f"test:{i}" for i in range(24, 40)]
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def begun(watch, asked, out, monkeypatch, batches=1):
    """Score some images, and stop after a few batches of 8."""
    monkeypatch.setattr("featgeom.answers.stream.BATCH", 8)
    once, left = Watch.read, [batches]

    def breaking(self, images):
        left[0] -= 1
        if left[0] < 0:
            raise Stopped
        return once(self, images)

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "read", breaking)
        with pytest.raises(Stopped):
            write_scores(watch, asked, out)


@pytest.fixture
def read(monkeypatch):
    """The names of the images that were judged since."""
    names, once = [], Watch.read

    def telling(self, images):
        names.extend(image.name for image in images)
        return once(self, images)

    monkeypatch.setattr(Watch, "read", telling)
    return names


@pytest.mark.parametrize("what", ["nothing", "guard", "images", "run", "format"])
def test_what_was_begun_for_something_else_is_begun_again(
    digits_run, watch, tmp_path, what, monkeypatch, read, run_of
):
    asking = Asking(digits_run, watch.classifier)
    out = tmp_path / "scores.csv"
    begun(watch, asking.images(["test:0-19"]), out, monkeypatch)
    read.clear()
    asked = asking.images(["test:1-20" if what == "images" else "test:0-19"])
    if what == "guard":
        watch = Watch(watch.classifier, watch.guard, "another")
    if what == "run":
        asked = [replace(image, identity=lambda: "another run") for image in asked]
    if what == "format":
        part = tmp_path / "scores.csv.part"
        part.write_bytes(b"\n".join([*part.read_bytes().split(b"\n")[:1], b'{"image": "test:0"}', b""]))
    rows = write_scores(watch, asked, out)
    assert read == [image.name for image in asked][8 if what == "nothing" else 0 :]
    assert [row["image"] for row in rows] == [image.name for image in asked]


@pytest.mark.parametrize("what", ["nothing", "preparation", "content", "gone", "touched", "longer"])
def test_pictures_are_known_by_content_and_preparation(digits_run, watch, tmp_path, what, monkeypatch, read):
    folder = tmp_path / "large"
    folder.mkdir()
    images = fg.load_images("digits", split="test").images
    for row in range(12):
        large = np.kron(np.rint(images[row, 0] * 255).astype(np.uint8), np.ones((2, 2), np.uint8))
        Image.fromarray(large).save(folder / f"{row:02}.bmp")
    asking = Asking(digits_run, watch.classifier)
    word, other = (f"folder:{folder}@resize={s},crop=8,interpolation=nearest" for s in (8, 16))
    out = tmp_path / "scores.csv"
    begun(watch, asking.images([word]), out, monkeypatch)
    read.clear()
    third, last = folder / "03.bmp", folder / "11.bmp"
    stamp = third.stat()
    if what == "content":  # of the same size, and of the same date
        third.write_bytes(last.read_bytes())
        os.utime(third, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert (third.stat().st_size, third.stat().st_mtime_ns) == (stamp.st_size, stamp.st_mtime_ns)
    if what == "touched":
        os.utime(third, ns=(1, 1))
    if what == "longer":
        Image.open(last).save(folder / "12.bmp")
    asked = asking.images([other if what == "preparation" else word])
    if what == "gone":
        third.unlink()
    rows = write_scores(watch, asked, out)
    judged = len(read)
    fresh = watch.rows(asked)
    known = [[row["score"] for row in some if not row["error"]] for some in (rows, fresh)]
    assert known[0] == pytest.approx(known[1], rel=1e-3)
    assert [row["image"] for row in rows if row["error"]] == ([str(third)] if what == "gone" else [])
    assert judged == {"nothing": 4, "touched": 4, "longer": 5}.get(what, 12)


def test_sources_are_known_by_content(digits_run, watch, tmp_path, monkeypatch, read):
    images = fg.load_images("digits", split="test")
    out = tmp_path / "scores.csv"
    asked = {}
    for first in (0, 40):
        np.savez(tmp_path / "x.npz", images=images.images[first : first + 20], labels=images.labels[:20])
        asked[first] = Asking(digits_run, watch.classifier).images([f"npz:{tmp_path / 'x.npz'}"])
    for first, judged in ((0, 12), (40, 20)):
        begun(watch, asked[0], out, monkeypatch)
        read.clear()
        write_scores(watch, asked[first], out)
        assert len(read) == judged


HOSTILE = ("a\rb.png", 'a,"b.png', "a\nc.png", "=x.png", os.fsdecode(b"x\xff.png"))


@pytest.fixture
def hostile(pictures, tmp_path):
    """Pictures whose names hold what splits rows, what spreadsheets compute, and bytes that are not UTF-8."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in HOSTILE:
        try:
            (folder / name).write_bytes((pictures / "0.png").read_bytes())
        except (OSError, UnicodeError):
            pytest.skip("this system has no such names")
    return folder


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_name_splits_no_row_and_ends_no_format(digits_run, watch, hostile, tmp_path, ending):
    asked = Asking(digits_run, watch.classifier).images([str(hostile)])
    out = tmp_path / f"s.{ending}"
    if ending == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    write_scores(watch, asked, out)
    if ending == "parquet":
        names = parquet.read_table(out)["image"].to_pylist()
        assert names == [image.name.replace("\udcff", "\\udcff") for image in asked]
    elif ending == "jsonl":
        lines = out.read_bytes().split(b"\n")[:-1]
        assert [json.loads(line)["image"] for line in lines] == [image.name for image in asked]
    else:
        assert out.read_bytes().count(b"\r") == 0
        read = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
        assert [row["image"] for row in read] == [visible(image.name) for image in asked]
        assert all(float(row["p_value"]) <= 1 for row in read)


def test_parquet_columns_keep_their_type_where_nothing_stands_in_them(digits_run, watch, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "z.png").write_bytes(b"no picture")
    asking = Asking(digits_run, watch.classifier)
    schemas = []
    for name, words in (("bad", [str(tmp_path / "bad")]), ("good", ["test:0"]), ("none", [])):
        write_scores(watch, asking.images(words), tmp_path / f"{name}.parquet")
        schemas.append(parquet.read_schema(tmp_path / f"{name}.parquet"))
    assert schemas[0].equals(schemas[1])
    assert schemas[2].equals(schemas[1])
    assert [str(kind) for kind in schemas[1].types] == [
        "string", "string", "bool", "double", "double", "double", "double", "double", "string",
    ]  # fmt: skip
    write_scores(watch, [], tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_wrong_ending_is_refused_before_anything_is_done(digits_run, kept_guard, tmp_path, capsys):
    words = ["guard", str(digits_run.folder), "test:0", "--false-alarm", "0.3", "-o", str(tmp_path / "s.xls")]
    assert featgeom(words) == 2
    assert "write to a file that ends in" in capsys.readouterr().err
    assert (digits_run.folder / FILE).read_bytes() == kept_guard


def test_two_processes_do_not_write_one_file(digits_run, watch, tmp_path):
    out = tmp_path / "scores.csv"
    asked = Asking(digits_run, watch.classifier).images(["test:0-9"])
    code = (
        "import sys, time; from pathlib import Path; from featgeom.locks import owned_file\n"
        f"with owned_file(Path({str(out)!r})): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BadData, match=rf"scores.csv: process {other.pid} .* is writing there"):
            write_scores(watch, asked, out)
        assert len(write_scores(watch, asked, tmp_path / "others.csv")) == 10
        other.stdin.close()
    assert len(write_scores(watch, asked, out)) == 10
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
        "scores.csv",
        "others.csv",
    }


def test_the_command(digits_run, pictures, tmp_path, capsys, monkeypatch):
    folder = str(digits_run.folder)
    assert featgeom(["guard", folder, "--false-alarm", "0.1", "--score", "hull", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["calibration"]["samples"] == 250
    out = str(tmp_path / "s.csv")
    assert featgeom(["guard", folder, str(pictures), "-o", out, "--quiet"]) == 0
    with open(out) as file:
        alarms = [row["alarm"] for row in csv.DictReader(file)].count("True")
    assert capsys.readouterr().out == f"10 images, {counted(alarms, 'alarm')}: {out}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{pictures / '0.png'}\n{pictures / 'none.png'}\n"))
    assert featgeom(["guard", folder, "-", "--quiet"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["prediction"] for row in rows] == [str(digits_run.features("test").predictions[0]), ""]
    assert rows[1]["error"].endswith("none.png: no such file")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{pictures / 'none.png'}\n"))
    assert featgeom(["guard", folder, "-"]) == 1
    said = capsys.readouterr().err
    assert "none.png: no such file" in said
    assert "1 image, 0 alarms, 1 could not be read" in said
    assert featgeom(["guard", folder, "-o", out]) == 2


def test_the_guard_judges_many_batches_at_a_time(digits_run, watch, monkeypatch):
    """Its passes over the training features are shared by a group of images; the rows are the same."""
    monkeypatch.setattr("featgeom.answers.stream.BATCH", 8)
    monkeypatch.setattr("featgeom.answers.stream.GROUP", 24)
    sizes, judge = [], fg.Guard.judge
    monkeypatch.setattr(
        fg.Guard, "judge", lambda self, z, own: (sizes.append(len(z)), judge(self, z, own))[1]
    )
    asked = Asking(digits_run, watch.classifier).images(["test:0-59"])
    groups = list(watch.stream(asked))
    assert sizes == [24, 24, 12]
    assert [len(rows) for rows in groups] == sizes
    rows = [row for group in groups for row in group]
    assert [row["image"] for row in rows] == [f"test:{i}" for i in range(60)]
    one_by_one = [watch.rows([image])[0] for image in asked]
    np.testing.assert_allclose(
        [row["score"] for row in rows], [row["score"] for row in one_by_one], rtol=2e-3, atol=1e-6
    )
