"""Attacks on certified radii: each looks for an image of another class inside a ball, or as near as it can.

Where a peer returns nothing its image stays what it was, which breaks no radius. What counts is told by the
network in float64, and distances are of float64 images inside the bounds.
"""

from __future__ import annotations

from collections.abc import Callable

import foolbox
import numpy as np
import torch
import torchattacks

import featgeom as fg
from featgeom.arrays import Float64, Ints

STARTS, STEPS = 20, 60  # of projected gradient
QUERIES = 300  # of the square attack

Attack = Callable[[fg.Classifier, torch.Tensor, torch.Tensor, Float64, float], torch.Tensor]


def attacks(norm: float) -> dict[str, Attack]:
    """Five attacks by name, in each norm: they take images (n, c, h, w), their classes and radii (n,)."""
    boundary = "l2" if norm == 2 else "linf"
    deepfool = foolbox.attacks.L2DeepFoolAttack if norm == 2 else foolbox.attacks.LinfDeepFoolAttack
    hop = foolbox.attacks.HopSkipJumpAttack(steps=8, initial_gradient_eval_steps=40, constraint=boundary)
    found = {
        "projected gradient, 20 starts": projected,
        "DeepFool": _of_foolbox(deepfool()),
        "square": _square,
        "boundary (HopSkipJump)": _of_foolbox(hop),
        "FAB": _fab,
    }
    return found | ({"Newton flip": _newton} if norm == 2 else {})


def distances(moved: Float64, images: Float64, norm: float) -> Float64:
    """How far images were moved (n,)."""
    away = (moved - images).reshape(len(images), -1)
    return np.linalg.norm(away, axis=1) if norm == 2 else np.abs(away).max(1)


def broken(classifier: fg.Classifier, moved: Float64, images: Float64, classes: Ints, norm: float) -> Float64:
    """The distances (n,) of moved images that have another class inside the bounds; inf elsewhere."""
    exact = classifier.to(dtype=torch.float64).network
    with torch.no_grad():
        other = exact(torch.from_numpy(moved)).argmax(1).numpy() != classes
    inside = ((moved >= 0) & (moved <= 1)).all((1, 2, 3))
    return np.where(other & inside, distances(moved, images, norm), np.inf)


def projected(
    classifier: fg.Classifier, x: torch.Tensor, labels: torch.Tensor, radii: Float64, norm: float
) -> torch.Tensor:
    """Projected gradient inside each ball, from twenty starts; float64, so that no ball is left."""
    network, found = classifier.to(dtype=torch.float64).network, []
    for image, own, radius in zip(x.double()[:, None], labels.tolist(), radii.tolist(), strict=True):
        found.append(_descended(network, image, own, min(radius, 1e3), norm))
    return torch.cat(found)


def _descended(
    network: torch.nn.Module, image: torch.Tensor, own: int, radius: float, norm: float
) -> torch.Tensor:
    torch.manual_seed(0)
    x = _into(
        image + radius * torch.randn(STARTS, *image.shape[1:], dtype=torch.float64), image, radius, norm
    )
    for step in range(STEPS):
        logits = network(x.requires_grad_(True))
        others = logits.index_fill(1, torch.tensor([own]), -torch.inf).amax(1)
        lead = logits[:, own] - others
        if (lead < 0).any():
            return x[lead.argmin()].detach()[None]
        (slope,) = torch.autograd.grad(-lead.sum(), x)
        flat = slope.flatten(1)
        length = flat.norm(dim=1).clamp_min(1e-300).view(-1, 1, 1, 1)
        unit = slope / length if norm == 2 else slope.sign()
        x = _into(x.detach() + radius * 0.5 * (1 - step / STEPS) * unit, image, radius, norm)
    with torch.no_grad():
        logits = network(x)
        others = logits.index_fill(1, torch.tensor([own]), -torch.inf).amax(1)
    return x[(logits[:, own] - others).argmin()][None]


def _into(x: torch.Tensor, image: torch.Tensor, radius: float, norm: float) -> torch.Tensor:
    """Inside the bounds and the ball."""
    step = x.clamp(0, 1) - image
    if norm == 2:
        length = step.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        return image + step * (radius * (1 - 1e-9) / length.clamp_min(radius * (1 - 1e-9)))
    return (image + step.clamp(-radius * (1 - 1e-9), radius * (1 - 1e-9))).clamp(0, 1)


def _of_foolbox(attack: foolbox.attacks.base.Attack) -> Attack:
    def run(
        classifier: fg.Classifier, x: torch.Tensor, labels: torch.Tensor, radii: Float64, norm: float
    ) -> torch.Tensor:
        model = foolbox.PyTorchModel(classifier.network, bounds=(0, 1), device="cpu")
        wrong, found = foolbox.criteria.Misclassification(labels[:1]), []
        for image, label in zip(x[:, None], labels[:, None], strict=True):
            wrong = foolbox.criteria.Misclassification(label)
            try:
                found.append(attack(model, image, wrong, epsilons=None)[1].detach())
            except ValueError:  # it found no start
                found.append(image)
        return torch.cat(found)

    return run


def _square(
    classifier: fg.Classifier, x: torch.Tensor, labels: torch.Tensor, radii: Float64, norm: float
) -> torch.Tensor:
    found = []
    for image, label, radius in zip(x[:, None], labels[:, None], radii.tolist(), strict=True):
        name, eps = "L2" if norm == 2 else "Linf", max(1e-9, min(radius, 1e3) * (1 - 1e-6))
        attack = torchattacks.Square(classifier.network, norm=name, eps=eps, n_queries=QUERIES)
        found.append(attack(image, label).detach())
    return torch.cat(found)


def _fab(
    classifier: fg.Classifier, x: torch.Tensor, labels: torch.Tensor, radii: Float64, norm: float
) -> torch.Tensor:
    name, most = ("L2", 100.0) if norm == 2 else ("Linf", 1.0)
    classes = classifier.head.classes
    attack = torchattacks.FAB(classifier.network, norm=name, eps=most, steps=20, n_classes=classes)
    moved: torch.Tensor = attack(x, labels).detach()
    return moved


def _newton(
    classifier: fg.Classifier, x: torch.Tensor, labels: torch.Tensor, radii: Float64, norm: float
) -> torch.Tensor:
    return torch.from_numpy(fg.pixel_flips(classifier, x.numpy()).images)
