"""Which publicly known errors of test labels `featgeom suspects` ranks first, beside cleanlab.

    FEATGEOM_DATA=... python benchmarks/bench_label_errors.py LABEL_ERRORS

LABEL_ERRORS is a checkout of github.com/cleanlab/label-errors (Northcutt et al., Pervasive label errors in
test sets, 2021): images of the test sets of MNIST and CIFAR-10 that confident learning found, each shown to
five people. Wrong is a label that fewer than three of them saw in the image. Nobody was shown the other
images, so errors among these count as right. Printed: how many of the wrong labels stand among as many first
suspects as there are wrong ones, and as were shown, and the average precision; of `fg.suspects` by the
geometry of a shared network (10,000 training images), and of cleanlab's label quality (self-confidence) by
logistic regression on the same training features, where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
from bench_guard import load
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

import featgeom as fg

NETWORKS = {"mnist": "lenet5_clean", "cifar10": "resnet20"}
TRAIN = 10_000


def cleanlab(train: fg.FeatureSet, test: fg.FeatureSet) -> np.ndarray | None:
    """Minus cleanlab's label quality of the test labels; None where it is not installed."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=300).fit(train.features, train.labels)
    return -get_label_quality_scores(np.asarray(test.labels), model.predict_proba(test.features))


def main() -> None:
    """Print a line a data set and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("errors", type=Path)
    asked, data = parser.parse_args(), Path(os.environ["FEATGEOM_DATA"])
    for source, name in NETWORKS.items():
        classifier, _ = load(name, data)
        train, test = (fg.load_images(f"{source}:{data / source}", split=s) for s in ("train", "test"))
        labels = np.load(asked.errors / "original_test_labels" / f"{source}_test_set_original_labels.npy")
        if not np.array_equal(labels, test.labels):
            raise SystemExit(f"{source}: the images are in another order than those of the list")
        shown = json.loads((asked.errors / "mturk" / f"{source}_mturk.json").read_text())
        wrong = np.zeros(len(test), dtype=bool)
        wrong[[image["id"] for image in shown if image["mturk"]["given"] < 3]] = True
        with tempfile.TemporaryDirectory() as folder:
            run = fg.analyze(classifier, {"train": train.take(slice(TRAIN)), "test": test}, folder)
            found = fg.suspects(run, most=len(test)).table
            of_test = np.array(found.column("split")) == "test"
            score = np.empty(len(test))
            score[np.array(found.column("row"))[of_test]] = np.array(found.column("score"))[of_test]
            scores = {"featgeom": score, "cleanlab": cleanlab(run.features("train"), run.features("test"))}
        for method, values in scores.items():
            if values is None:
                continue
            order = np.argsort(-values, kind="stable")
            among = [f"{wrong[order[:k]].sum()} among the first {k}" for k in (wrong.sum(), len(shown))]
            precision = average_precision_score(wrong, values)
            print(
                f"{source}, {name}, {method}: of {wrong.sum()} wrong labels {', '.join(among)}, "
                f"average precision {precision:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
