"""How much of the distance to a pixel flip is proved free of flips; and attacks on what was proved.

FEATGEOM_DATA names the folder of real data; the arguments are the number of images (8), the seconds of
processor time for each (30), the norm (2 or inf), and the networks (all). For the first test images of each
network: the median of the certified radius with intervals alone and with the time given, of the flip found,
and of lower / found. Then every certified radius is attacked: in the Euclidean norm by five attacks, four of
foolbox and torchattacks and our own; in the other by projected gradient, which gives `found`. An image of
another class inside the radius would be an error here.

    python benchmarks/bench_pixel_bounds.py 8 30 2 digits lenet-adv
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


def largest_changes(classifier: fg.Classifier, images: np.ndarray) -> np.ndarray:
    """The least largest change of a pixel at which projected gradient finds another class, by bisection."""
    network, found = classifier.to(dtype=torch.float32).network, []
    for image in torch.from_numpy(np.asarray(images, np.float32))[:, None]:
        own, low, high = int(network(image).argmax()), 0.0, 0.5
        for _ in range(10):
            middle = (low + high) / 2
            low, high = (low, middle) if _flips(network, image, own, middle) else (middle, high)
        found.append(high)
    return np.array(found)


def _flips(network: torch.nn.Module, image: torch.Tensor, own: int, radius: float) -> bool:
    torch.manual_seed(0)
    x = (image + radius * (2 * torch.rand(20, *image.shape[1:]) - 1)).clamp(0, 1)
    for step in range(60):
        logits = network(x.requires_grad_(True))
        if (logits.argmax(1) != own).any():
            return True
        others = logits.index_fill(1, torch.tensor([own]), -torch.inf).amax(1)
        (slope,) = torch.autograd.grad((others - logits[:, own]).sum(), x)
        moved = x.detach() + radius * 0.1 * (1 - step / 60) * slope.sign()
        x = moved.clamp(image - radius, image + radius).clamp(0, 1)
    return bool((network(x).argmax(1) != own).any())


def main(n: int, seconds: float, norm: float, names: list[str]) -> None:
    """Print one row a network."""
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("| network | images | intervals | now | found | intervals / found | now / found | s | attacks |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for name in names:
        classifier, images = loaded(name, n)
        euclid = norm == 2
        found = fg.pixel_flips(classifier, images).distance if euclid else largest_changes(classifier, images)
        before = fg.pixel_lower_bounds(classifier, images, norm=norm).lower_bound
        begun = thread_time()
        now = fg.pixel_lower_bounds(classifier, images, norm=norm, seconds=seconds)
        spent = (thread_time() - begun) / n
        broken = ["projected gradient"] if (found <= now.lower_bound).any() else []
        attacks = attacked(classifier, images, now.classes[:, 0]) if euclid else {}
        for attack, moved in attacks.items():
            away = np.linalg.norm((moved.astype(np.float64) - images).reshape(n, -1), axis=1)
            other = classifier.logits(moved).argmax(1) != now.classes[:, 0]
            inside = (
                other & (away <= now.lower_bound) & (moved >= 0).all((1, 2, 3)) & (moved <= 1).all((1, 2, 3))
            )
            broken += [attack] if inside.any() else []
        row = [np.median(v) for v in (before, now.lower_bound, found)]
        shares = [np.median(v / found) for v in (before, now.lower_bound)]
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
        float(sys.argv[3]) if sys.argv[3:] else 2.0,
        sys.argv[4:] or list(NETWORKS),
    )
