"""A run of ImageNet's size on disk: what its studies, and the hulls of its classes, read, hold and take.

    python benchmarks/bench_disk.py [--train 1280] [--classes 1000] [--dimension 2048] [--folder DIR]
        [--work plain overview regions boundaries svm collapse verify ...]

By default 1,280,000 + 10,000 samples in 2,048 dimensions, 1,000 classes: 16 GB of disk, written to
``--folder`` and kept there, or to a temporary one (TMPDIR names another place). Each question is asked in a
process of its own, with the file read from the disk however often it is looked at, and told beside one pass:
a float32 product of all features with the head and one read of them; of the hulls, the products of the
questions with the points of their class. ``hulls`` is that alone, ``whole-hull`` asks as many questions as
there are classes of the hull of all, ``hulls-study`` is the study of hulls, which asks both. A study is made
with its claims stored, so ``verify`` checks those that were made in the same folder before. Run it with
OMP_NUM_THREADS=1 and FEATGEOM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from on_disk import Watch, files_of, run_on_disk
from threadpoolctl import threadpool_limits

from featgeom import ConvexHull, open_run
from featgeom.arrays import blocks, read_rows
from featgeom.features.features import FeatureSet
from featgeom.features.store import open_features
from featgeom.runs.run import Run
from featgeom.threads import threads

GIB = 1 << 30
ROWS = 1 << 12  # of a product of the pass


def study(name: str, folder: Path) -> dict[str, float]:
    """A study of a run, stored with its claims."""
    return {"claims": len(open_run(folder).study(name).claims)}


def verify(folder: Path) -> dict[str, float]:
    """The check of all that is stored."""
    return {"holds": open_run(folder).verify().holds}


def opened(folder: Path) -> tuple[FeatureSet, FeatureSet]:
    """The features of both splits, their digests not looked at."""
    train, test = (open_features(folder / "features" / split, verify=False) for split in ("train", "test"))
    return train, test


def hulls(folder: Path) -> dict[str, float]:
    """The distance of every test sample to the hull of its class, which is read class by class."""
    train, test = opened(folder)
    labels, asked = np.asarray(train.labels), np.asarray(test.labels)
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(len(train.classes) + 1))
    gap, passes, supports = 0.0, [], []
    for c in range(len(train.classes)):
        points = read_rows(train.features, order[ends[c] : ends[c + 1]])
        found = ConvexHull(points, memory=GIB).project(test.features[np.flatnonzero(asked == c)])
        gap = max(gap, float(((found.distance - found.lower_bound) / found.distance).max(initial=0.0)))
        passes.append(found.stats.passes)
        supports.append(float(np.diff(found.weights.indptr).mean()))
    return {"gap": gap, "passes": float(np.mean(passes)), "support": float(np.mean(supports))}


def whole(folder: Path) -> dict[str, float]:
    """The distance of as many test samples as there are classes to the hull of all training samples."""
    train, test = opened(folder)
    found = ConvexHull(train.features).project(test.features[: len(train.classes)])
    gap = float(((found.distance - found.lower_bound) / found.distance).max())
    return {"gap": gap, "support": float(np.diff(found.weights.indptr).mean()), "looks": found.stats.passes}


def plain(folder: Path) -> dict[str, float]:
    """One float32 product of all features with the head's weights, which reads them once."""
    train, test = opened(folder)
    weight = np.ascontiguousarray(train.head.weight.T, np.float32)
    for part in (train, test):
        for block in blocks(part.features, part.features[:1].nbytes * ROWS):
            (np.array(block) @ weight).max(axis=1)  # a file is read in its order
    return {}


def plain_hulls(folder: Path) -> dict[str, float]:
    """The products of the test samples with the points of their class, which reads all features once."""
    train, test = opened(folder)
    labels, asked = np.asarray(train.labels), np.asarray(test.labels)
    questions = [test.features[np.flatnonzero(asked == c)] for c in range(len(train.classes))]
    start = 0
    for block in blocks(train.features):
        mine = labels[start : start + len(block)]
        start += len(block)
        for c in np.unique(mine):
            (questions[c] @ block[mine == c].T).max(axis=1, initial=0.0)
    return {}


STUDIES = ("overview", "regions", "boundaries", "svm", "collapse", "hulls")
WORK: dict[str, Callable[[Path], dict[str, float]]] = {
    "plain": plain,
    **{f"{name}-study" if name == "hulls" else name: partial(study, name) for name in STUDIES},
    "verify": verify,
    "plain-hulls": plain_hulls,
    "hulls": hulls,
    "whole-hull": whole,
}
PASS = dict.fromkeys((*STUDIES, "hulls-study", "whole-hull", "verify"), "plain") | {"hulls": "plain-hulls"}
USUAL = ("plain", "overview", "plain-hulls", "hulls")


def one(work: str, folder: Path) -> None:
    """Do one thing in this process, and print what it read, held and took."""
    run = open_run(folder)
    with threadpool_limits(threads()), Watch(*files_of(run)) as seen:
        found = WORK[work](folder)
    told = {name: getattr(seen, name) for name in ("read", "own", "resident", "wall", "cores")}
    print(json.dumps(told | {"found": found}))


def main() -> None:
    """Print a line for each kind of work."""
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("train", 1280), ("test", 10), ("classes", 1000), ("dimension", 2048)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--work", nargs="+", choices=list(WORK), default=list(USUAL))
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        counts = {"train": asked.train, "test": asked.test}
        run = run_on_disk(asked.folder or Path(place) / "run", asked.classes, asked.dimension, counts)
        size = sum(asked.classes * each * asked.dimension * 4 for each in counts.values())
        print(
            f"{run}\nfeatures of {size / GIB:.1f} GiB, in files of {disk_of(run) / GIB:.1f} GiB", flush=True
        )
        told: dict[str, dict[str, float]] = {}
        for work in asked.work:
            words = [sys.executable, __file__, "--one", work, str(run.folder)]
            answer = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
            seen = told[work] = json.loads(answer.splitlines()[-1])
            line = (
                f"{work:<12} read {seen['read'] / size:5.2f} × the features, own memory "
                f"{seen['own'] / GIB:.2f} GiB, resident {seen['resident'] / GIB:.2f} GiB, "
                f"{seen['cores']:.1f} s of the processor, {seen['wall']:.1f} s on the wall"
            )
            if PASS.get(work) in told:
                once = told[PASS[work]]
                line += (
                    f"; {seen['cores'] / once['cores']:.1f} passes (wall {seen['wall'] / once['wall']:.1f})"
                )
            print(f"{line} {seen['found'] or ''}", flush=True)


def disk_of(run: Run) -> int:
    """The bytes of its files of features."""
    return sum(file.stat().st_size for file in files_of(run))


if __name__ == "__main__":
    main()
