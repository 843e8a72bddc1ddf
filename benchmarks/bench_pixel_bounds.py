"""How much of the distance to a pixel flip is proved free of flips; attacks on what was proved; a picture.

FEATGEOM_DATA names the folder of real data. For the first test images of each network: the certified radius
with intervals alone and with ``--seconds`` of processor time for each image, and the least distance of an
image of another class that anything finds: our flips in the Euclidean norm, projected gradient at growing
radii in the other, and the attacks. These are five, or six, against every certified radius: an image of
another class inside would be an error here. With ``--parts`` a ball is proved around each image as well,
cut into at most so many parts, its claim checked again, and attacked like the others. `small` is a network
of 80 ReLUs on digits, trained here; for the largest change of a pixel its distance is computed by
mixed-integer programming, too.

    python benchmarks/bench_pixel_bounds.py --images 8 --seconds 15 --norm inf digits lenet-adv
    python benchmarks/bench_pixel_bounds.py --images 8 --save figures.jsonl
    python benchmarks/bench_pixel_bounds.py --images 4 --parts 64 --seconds 10 digits cnn-adv
    python benchmarks/bench_pixel_bounds.py --table figures.jsonl --picture docs/pictures/pixel-intervals.png
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import torch
from pixel_attacks import attacks, broken, projected
from pixel_oracle import exact_distance
from torch import nn

import featgeom as fg
from featgeom.arrays import Float64, Ints

FOLDER = os.environ.get("FEATGEOM_DATA", "")
NETWORKS = {
    "small": ("", None, "digits"),
    "digits": ("digits", None, "digits"),
    "lenet": ("lenet5_clean.safetensors", "lenet5", "mnist"),
    "lenet-adv": ("lenet5_adversarial.safetensors", "lenet5", "mnist"),
    "cnn-adv": ("cnn_a_adversarial.safetensors", "cnn_a", "cifar10"),
    "resnet20": ("resnet20-12fca82f.th", "cifar_resnet20", "cifar10"),
}
TITLES = {
    "small": "80 ReLUs",
    "digits": "digits",
    "lenet": "LeNet-5",
    "lenet-adv": "LeNet-5, adversarial",
    "cnn-adv": "small CNN, adversarial",
    "resnet20": "ResNet-20",
}
PLOTTED = "digits", "lenet", "lenet-adv", "cnn-adv"
HALVINGS = 10


def loaded(name: str, n: int) -> tuple[fg.Classifier, np.ndarray]:
    """A network and its first test images."""
    file, arch, data = NETWORKS[name]
    if arch is None:
        images = fg.load_splits(data)["test"].pixels(slice(n))
        return (fg.load_classifier(file) if file else small()), images
    folder = f"{FOLDER}/checkpoints"
    arch = arch if arch.startswith("cifar_") else f"{folder}/architectures.py:{arch}"
    classifier = fg.load_classifier(f"{folder}/{file}", arch=arch)
    return classifier, fg.load_images(f"{data}:{FOLDER}/{data}", split="test").pixels(slice(n))


def small() -> fg.Classifier:
    """Two hidden layers of forty, trained on digits in a second."""
    torch.manual_seed(0)
    train = fg.load_splits("digits")["train"]
    x = torch.from_numpy(np.asarray(train.pixels(slice(None)), np.float32))
    y = torch.from_numpy(np.asarray(train.labels))
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(x[0].numel(), 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 10)
    )
    adam = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-4)
    for _ in range(300):
        adam.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        adam.step()
    return fg.load_classifier(net.eval(), pixels=fg.PixelSpec(tuple(x.shape[1:])))


def least_changes(classifier: fg.Classifier, images: Float64, classes: Ints) -> Float64:
    """The least largest change of a pixel at which projected gradient finds another class, by bisection."""
    low, high = np.zeros(len(images)), np.full(len(images), 0.5)
    x, labels, found = torch.from_numpy(images), torch.from_numpy(classes), np.full(len(images), np.inf)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        moved = projected(classifier, x, labels, middle, np.inf).numpy()
        here = broken(classifier, moved, images, classes, np.inf)
        found = np.minimum(found, here)
        low, high = np.where(here < np.inf, low, middle), np.where(here < np.inf, middle, high)
    return found


def balls(classifier: fg.Classifier, images: Float64, norm: float, parts: int) -> dict[str, Any]:
    """The radii of proved balls, and the seconds that finding and checking one takes."""
    begun = thread_time()
    found = fg.prove_pixel_balls(classifier, images, norm=norm, parts=parts)
    proved = thread_time()
    assert found.certificate.check().tally.get("PROVED", 0) == len(found.certificate)
    spent, check = proved - begun, thread_time() - proved
    return {"proved": found.radius.tolist(), "proving": spent / len(images), "check": check / len(images)}


def measured(name: str, n: int, seconds: float, norm: float, parts: int) -> dict[str, Any]:
    """Everything of one network in one norm."""
    torch.manual_seed(0)
    classifier, images = loaded(name, n)
    exact = np.asarray(images, np.float64)
    before = fg.pixel_lower_bounds(classifier, images, norm=norm)
    classes = before.classes[:, 0]
    begun = thread_time()
    now = fg.pixel_lower_bounds(classifier, images, norm=norm, seconds=seconds)
    spent = (thread_time() - begun) / n
    proofs = balls(classifier, images, norm, parts) if parts else {}
    lower = np.maximum(now.lower_bound, proofs.get("proved", 0.0))
    found = np.full(n, np.inf) if norm == 2 else least_changes(classifier, exact, classes)
    failed = []
    x, labels = torch.from_numpy(np.asarray(images, np.float32)), torch.from_numpy(classes)
    for attack, run in attacks(norm).items():
        moved = run(classifier, x, labels, lower, norm).numpy().astype(np.float64)
        here = broken(classifier, moved, exact, classes, norm)
        found = np.minimum(found, here)
        failed += [attack] if (here <= lower).any() else []
    record: dict[str, Any] = {
        "network": name, "norm": str(norm), "seconds": seconds, "spent": spent, "broken": failed,
        "attacks": len(attacks(norm)), "intervals": before.lower_bound.tolist(),
        "lower": now.lower_bound.tolist(), "found": found.tolist(), **proofs,
    }  # fmt: skip
    if name == "small" and norm == np.inf:
        record["exact"] = [
            exact_distance(classifier, image, int(own), float(top))
            for image, own, top in zip(exact, classes, found, strict=True)
        ]
    return record


def row(record: dict[str, Any]) -> str:
    """One line of the table."""
    lower, found, before = (np.array(record[key]) for key in ("lower", "found", "intervals"))
    shares = lower / found
    exact = record.get("exact")
    meets = f"; {np.nanmedian(lower / exact):.3f} of the exact distance" if exact else ""
    proved = np.array(record.get("proved", [np.nan]))
    told = (
        f"{np.median(proved):.3g} ({record['proving']:.0f}, {record['check']:.1f} s)"
        if "proved" in record
        else "–"
    )
    told += f" | {np.median(proved / found):.2g}" if "proved" in record else " | –"
    broken_ = ", ".join(record["broken"]) or f"none of {record['attacks']} succeeds"
    return (
        f"| {TITLES[record['network']]} | {record['norm']} | {len(lower)} | {record['spent']:.0f} | "
        f"{np.median(before / found):.2g} | {np.median(lower):.3g} | {np.median(found):.3g} | "
        f"{np.median(shares):.2g} ({shares.min():.2g} to {shares.max():.2g}{meets}) | {told} | {broken_} |"
    )


def draw(records: list[dict[str, Any]], file: Path) -> None:
    """The interval of each sample's flip distance, for four networks and both norms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    units = {"2.0": "Euclidean distance", "inf": "largest change of a pixel"}
    norms = [norm for norm in units if any(r["norm"] == norm and r["network"] in PLOTTED for r in records)]
    size = 11, 0.5 + 2.4 * len(norms)
    figure, axes = pyplot.subplots(
        len(norms), len(PLOTTED), figsize=size, squeeze=False, layout="constrained"
    )
    for line, norm in enumerate(norms):
        for axis, name in zip(axes[line], PLOTTED, strict=True):
            mine = [r for r in records if r["network"] == name and r["norm"] == norm]
            if not mine:
                axis.set_axis_off()
                continue
            lower, found, before = (np.array(mine[-1][key]) for key in ("lower", "found", "intervals"))
            order = found.argsort()
            at = np.arange(len(order))
            axis.vlines(at, lower[order], found[order], color="#4477aa", linewidth=5, alpha=0.35)
            axis.plot(at, found[order], "v", color="#bb5566", markersize=5, label="nearest flip found")
            axis.plot(at, lower[order], "^", color="#004488", markersize=5, label="free of flips, computed")
            if "proved" in mine[-1]:
                proved = np.array(mine[-1]["proved"])
                axis.plot(
                    at, proved[order], "o", color="#228833", markersize=5, label="free of flips, proved"
                )
            axis.plot(at, before[order], "_", color="#999999", markersize=6, label="by intervals alone")
            axis.set_ylim(0, None)
            axis.set_xticks([])
            share = np.median(lower / found)
            axis.set_title(f"{TITLES[name]}\nmedian lower / found {share:.2f}", fontsize=9)
            axis.tick_params(labelsize=8)
        axes[line][0].set_ylabel(units[norm], fontsize=9)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=4, fontsize=9, frameon=False)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Print one row a network, or a table and a picture of what was saved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--parts", type=int, default=0, help="of a proved ball, at most; 0: none is proved")
    parser.add_argument("--norm", type=float, choices=[2.0, np.inf])
    parser.add_argument("--save", type=Path, help="a file to which each network's record is added")
    parser.add_argument("--table", type=Path, help="such a file: nothing is computed anew")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    heads = ["network", "norm", "images", "s", "intervals / found", "lower", "found", "lower / found"]
    print("|", " | ".join([*heads, "proved (finding, checking)", "proved / found", "attacks"]), "|")
    print("|---|---|---:|---:|---:|---:|---:|---|---|---:|---|")
    if given.table:
        records = [json.loads(text) for text in given.table.read_text().splitlines()]
        print("\n".join(map(row, records)))
    else:
        records = []
        for name in given.networks or list(NETWORKS):
            for norm in [given.norm] if given.norm else [2.0, np.inf]:
                records.append(measured(name, given.images, given.seconds, norm, given.parts))
                print(row(records[-1]), flush=True)
                if given.save:
                    with given.save.open("a") as file:
                        file.write(json.dumps(records[-1]) + "\n")
    if given.picture:
        draw(records, given.picture)
    failed = [r["network"] for r in records if r["broken"]]
    if failed:
        raise SystemExit(f"certified radii are wrong: {failed}")


if __name__ == "__main__":
    main()
