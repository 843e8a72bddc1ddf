"""The page of the shared networks side by side, and its tables in Markdown, as docs/networks.md shows them.

    FEATGEOM_DATA=... python benchmarks/make_networks_page.py OUT [--train 10000] [--test 2000]

For every network of bench_guard.py a run is made in OUT/NAME: the first ``--train`` training and ``--test``
test images of its data, with studies that `featgeom networks` takes figures of. Stopped, it carries on.
Foreign, for NC5, are the first 2,000 test images of the other data set, in OUT/foreign.
Then OUT/page/networks.html and its tables are written, and printed with a line a figure.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_guard import NETWORKS, fitted, load

import featgeom as fg
from featgeom.answers.networks_page import write_networks
from featgeom.runs.record import Table

FLIPS = {"resnet20": 16, "resnet32": 16}  # samples flipped; of the others, where a flip is cheap, MANY
MANY = 64
FOREIGN, PLANES = 2_000, 20
OPTIONS = {"invert": {"samples": 2}, "compare": {"test_samples": 100, "flip_samples": 8}}


def other_data(name: str, run: fg.Run, data: Path, folder: Path) -> str:
    """A source of images of the data set that a network was not trained on, in the size of its own."""
    other = "mnist" if NETWORKS[name][3] == "cifar10" else "cifar10"
    images = fg.load_images(f"{other}:{data / other}", split="test").pixels(slice(FOREIGN))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.npz"
    np.savez(file, images=fitted(images, (1, *run.images("test").shape)), labels=np.zeros(FOREIGN, int))
    return f"npz:{file}"


def markdown(table: Table, turned: bool) -> Iterator[str]:
    """The lines of a table, with a line a figure where it is ``turned``."""
    cells = [[c.heading for c in table.columns], *table.cells()]
    first, *rest = zip(*cells, strict=True) if turned else cells
    yield f"| {' | '.join(first)} |"
    yield "|---" * len(first) + "|"
    for row in rest:
        yield f"| {' | '.join(cell or '–' for cell in row)} |"


def main() -> None:
    """Make what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=2_000)
    asked = parser.parse_args()
    data, runs = Path(os.environ["FEATGEOM_DATA"]), []
    for name in NETWORKS:
        classifier, source = load(name, data)
        counts = {"train": asked.train, "test": asked.test}
        sets = {
            split: fg.load_images(f"{source}:{data / source}", split=split).take(slice(count))
            for split, count in counts.items()
        }
        options = OPTIONS | {"flips": {"samples": FLIPS.get(name, MANY)}}
        runs.append(
            fg.analyze(classifier, sets, asked.out / name, ("hulls", "svm", *options), options=options)
        )
        print(
            f"{name}: {', '.join(f'{r.study} {r.seconds:.0f} s' for r in runs[-1].results.values())}",
            flush=True,
        )
    strange = [
        other_data(name, run, data, asked.out / "foreign") for name, run in zip(NETWORKS, runs, strict=True)
    ]
    found = fg.networks(runs, strange, planes=PLANES)
    print(write_networks(found, asked.out / "page")[0])
    for table in found.tables:
        print("\n" + "\n".join(markdown(table, table is found.networks)))


if __name__ == "__main__":
    main()
