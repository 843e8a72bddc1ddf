"""How much of the distance to a pixel flip is proved free of flips; and attacks on what was proved.

FEATGEOM_DATA names the folder of real data; the arguments are the number of images (8), the seconds of
processor time for each (30), and the networks (all). For the first test images of each network: the median of
the certified Euclidean radius with intervals alone and with the time given, of the flip found, and of lower /
found. Then every certified radius is attacked by five attacks, four of foolbox and torchattacks and our own:
an image of another class inside the radius would be an error here.

    python benchmarks/bench_pixel_bounds.py 8 30 digits lenet-adv
"""

from __future__ import annotations

import os
import sys
import warnings
from time import thread_time

import foolbox
import numpy as np
import torch
import torchattacks

import featgeom as fg

FOLDER = os.environ.get("FEATGEOM_DATA", "")
NETWORKS = {
    "digits": ("digits", None, "digits"),
    "lenet": ("lenet5_clean.safetensors", "lenet5", "mnist"),
    "lenet-adv": ("lenet5_adversarial.safetensors", "lenet5", "mnist"),
    "cnn-adv": ("cnn_a_adversarial.safetensors", "cnn_a", "cifar10"),
    "resnet20": ("resnet20-12fca82f.th", "cifar_resnet20", "cifar10"),
}


def loaded(name: str, n: int) -> tuple[fg.Classifier, np.ndarray]:
    """A network and its first test images."""
    file, arch, data = NETWORKS[name]
    if arch is None:
        return fg.load_classifier(file), fg.load_splits(data)["test"].pixels(slice(n))
    folder = f"{FOLDER}/checkpoints"
    arch = arch if arch.startswith("cifar_") else f"{folder}/architectures.py:{arch}"
    classifier = fg.load_classifier(f"{folder}/{file}", arch=arch)
    return classifier, fg.load_images(f"{data}:{FOLDER}/{data}", split="test").pixels(slice(n))


def attacked(classifier: fg.Classifier, images: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """The images that five attacks return."""
    x, labels = torch.from_numpy(np.asarray(images, np.float32)), torch.from_numpy(classes)
    model = foolbox.PyTorchModel(classifier.network, bounds=(0, 1), device="cpu")
    wrong = foolbox.criteria.Misclassification(labels)
    found = {}
    for name, attack in {
        "DDN": foolbox.attacks.DDNAttack(steps=100),
        "DeepFool": foolbox.attacks.L2DeepFoolAttack(),
        "Carlini-Wagner": foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=3, steps=100),
        "Newton flip": None,
        "FAB": torchattacks.FAB(classifier.network, norm="L2", steps=20, n_classes=classifier.head.classes),
    }.items():
        if name == "Newton flip":
            found[name] = fg.pixel_flips(classifier, images).images
        elif name == "FAB":
            found[name] = attack(x, labels).detach().numpy()
        else:
            found[name] = attack(model, x, wrong, epsilons=None)[1].detach().numpy()
    return found


def main(n: int, seconds: float, names: list[str]) -> None:
    """Print one row a network."""
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("| network | images | intervals | now | found | intervals / found | now / found | s | attacks |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for name in names:
        classifier, images = loaded(name, n)
        found = fg.pixel_flips(classifier, images)
        before = fg.pixel_lower_bounds(classifier, images).lower_bound
        begun = thread_time()
        now = fg.pixel_lower_bounds(classifier, images, seconds=seconds)
        spent = (thread_time() - begun) / n
        broken = []
        for attack, moved in attacked(classifier, images, now.classes[:, 0]).items():
            away = np.linalg.norm((moved.astype(np.float64) - images).reshape(n, -1), axis=1)
            other = classifier.logits(moved).argmax(1) != now.classes[:, 0]
            inside = (
                other & (away <= now.lower_bound) & (moved >= 0).all((1, 2, 3)) & (moved <= 1).all((1, 2, 3))
            )
            broken += [attack] if inside.any() else []
        row = [np.median(v) for v in (before, now.lower_bound, found.distance)]
        shares = [np.median(v / found.distance) for v in (before, now.lower_bound)]
        print(
            f"| {name} | {n} | {row[0]:.3g} | {row[1]:.3g} | {row[2]:.3g} | {shares[0]:.2g} | "
            f"{shares[1]:.2g} | {spent:.0f} | {', '.join(broken) or 'none succeeds'} |",
            flush=True,
        )
        if broken:
            raise SystemExit(f"a certified radius is wrong: {name}, {broken}")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if sys.argv[1:] else 8,
        float(sys.argv[2]) if sys.argv[2:] else 30.0,
        sys.argv[3:] or list(NETWORKS),
    )
