"""The first paper's maps: what network and machine decide, point by point, where a plane shows it all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import Claim
from featgeom.errors import BadData
from featgeom.head import AffineHead
from featgeom.margins.comparison import (
    HeadComparison,
    compare_head,
    cross_entropy,
)
from featgeom.margins.machine import LinearSVM
from featgeom.proofs import machines as proof
from featgeom.proofs.machines import MAPS_C as C
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.statistics import proportion_interval
from featgeom.studies.svm import MOST_UNKNOWNS, machines_of

if TYPE_CHECKING:
    from featgeom.models.classifier import Classifier

FEATURE_POINTS = 30_000  # as in the paper
PIXEL_POINTS = 100_000
GRID = 240  # points a side of a picture


@dataclass(frozen=True, eq=False)
class PlaneMap:
    """What network and machine decide in one plane.

    ``share`` of the points drawn uniformly from ``window`` (umin, vmin, umax, vmax) get one class from both,
    with its 95 % ``interval``; ``network`` and ``machine`` (GRID, GRID) are classes on a grid for a picture.
    """

    name: str
    window: tuple[float, float, float, float]
    points: int
    share: float
    interval: tuple[float, float]
    network: Ints
    machine: Ints

    def to_json(self) -> dict[str, Any]:
        """All but the pictures."""
        return {
            "window": list(self.window),
            "points": self.points,
            "share": self.share,
            "interval": list(self.interval),
        }


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Maps of feature space where it has two dimensions, and of pixel space where an image has two pixels.

    As in the first paper (Li, Ding and Gao, arXiv 1808.05385) the machine has C = 1, a free bias and all
    reference samples; for more than two classes it is one machine of all. Agreement is on points drawn
    uniformly: from the box of the features, and from all of pixel space.

    Raises BadData where neither space is a plane.
    """
    features = run.features(run.reference_split)
    x, y, head = np.asarray(features.features), np.asarray(features.labels), features.head
    classifier = _classifier_on_a_plane(run, device)
    if head.dimension != 2 and classifier is None:
        raise BadData(
            f"{run.folder}: {head.dimension} features and no images of two pixels: no plane to draw maps of"
        )
    machines = machines_of(x, y, ("standard",), C)
    if not machines or np.isinf(machines["standard"].margin):
        why = (
            "it tells no classes apart" if machines else f"it would have more than {MOST_UNKNOWNS:,} unknowns"
        )
        if len(np.unique(y)) < 2:
            why = "there are samples of one class only"
        return Record((Finding(f"No machine to draw: {why}."),), {"planes": {}})
    svm = machines["standard"]
    compared = compare_head(head, svm, x, y, seed=run.seed, points=FEATURE_POINTS)
    planes = []
    if head.dimension == 2:
        planes.append(_of_features(head, svm, compared, x))
    if classifier is not None:
        planes.append(_of_pixels(classifier, svm, run.seed))
    loss = cross_entropy(head, x, y)
    hardest = np.argsort(-loss, kind="stable")[: len(svm.support)]
    arrays = {
        f"{plane.name}_{who}": getattr(plane, who) for plane in planes for who in ("network", "machine")
    }
    arrays |= {"labels": y, "support": svm.support, "hardest": hardest, "loss": loss}
    if head.dimension == 2:
        arrays["feature_points"] = x
    if classifier is not None:
        arrays["pixel_points"] = run.images(run.reference_split).pixels().reshape(-1, 2)
    claims: dict[str, Claim] = {"machine": svm.certificate.named(samples=f"{run.reference_split}/features")}
    return Record(
        findings=(
            *_findings(planes, svm, compared, float(loss.mean())),
            *proved(Found.of(run, claims), proof.soft),
        ),
        values={
            "planes": {plane.name: plane.to_json() for plane in planes},
            "angle": compared.overall_angle,
            "pair_angles": compared.angle.tolist(),
            "positions": compared.head.position.tolist(),
            "sample_agreement": compared.sample_agreement,
            "loss": float(loss.mean()),
            "support_vectors": len(svm.support),
            "support_overlap": compared.support_overlap,
            "support_chance": compared.support_chance,
        },
        tables=(_table(planes), _support_table(svm, compared)),
        arrays=arrays,
        claims=claims,
        settings={"split": run.reference_split, "samples": "all", "C": C, "bias": "standard"},
    )


def _classifier_on_a_plane(run: Run, device: str) -> Classifier | None:
    """The network, where its images have two pixels."""
    model = run.asked["model"]
    if model["source"] is None or tuple(model["pixels"]["shape"] or ()) != (1, 1, 2):
        return None
    return run.classifier(device)


def _of_features(head: AffineHead, svm: LinearSVM, compared: HeadComparison, x: Floats) -> PlaneMap:
    low, high = x.min(axis=0).astype(float), x.max(axis=0).astype(float)
    edge = 0.06 * np.maximum(high - low, 1e-9 + 0.01 * float((high - low).max()))
    window = (*(low - edge), *(high + edge))
    grid = grid_of(window)
    mine, machine = head.classify(grid), svm.classify(grid)
    return PlaneMap(
        "feature",
        window,
        FEATURE_POINTS,
        compared.domain_agreement,
        compared.domain_interval,
        mine.reshape(GRID, GRID),
        machine.reshape(GRID, GRID),
    )


def _of_pixels(classifier: Classifier, svm: LinearSVM, seed: int) -> PlaneMap:
    low, high = classifier.pixels.bounds

    def decide(points: Float64) -> tuple[Ints, Ints]:
        images = points.astype(np.float32).clip(low, high).reshape(-1, 1, 1, 2)
        parts = [(z, logits.argmax(axis=1)) for z, logits in classifier.run_batches(images, 4096)]
        own = np.concatenate([classes for _, classes in parts])
        return own, np.concatenate([svm.classify(z) for z, _ in parts])

    drawn = decide(np.random.default_rng(seed).uniform(low, high, (PIXEL_POINTS, 2)))
    alike = drawn[0] == drawn[1]
    found = proportion_interval(int(alike.sum()), PIXEL_POINTS)
    window = (low, low, high, high)
    own, other = decide(grid_of(window))
    return PlaneMap(
        "pixel",
        window,
        PIXEL_POINTS,
        float(alike.mean()),
        (float(found.lower), float(found.upper)),
        own.reshape(GRID, GRID),
        other.reshape(GRID, GRID),
    )


def grid_of(window: tuple[float, float, float, float]) -> Float64:
    """GRID × GRID points (·, 2) of a window, row by row from below, each in the middle of its little square.

    >>> grid_of((0.0, 0.0, 1.0, 1.0)).shape
    (57600, 2)
    """
    steps = (np.arange(GRID) + 0.5) / GRID
    u, v = (window[i] + steps * (window[i + 2] - window[i]) for i in (0, 1))
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)


def _findings(
    planes: list[PlaneMap], svm: LinearSVM, compared: HeadComparison, loss: float
) -> tuple[Finding, ...]:
    spaces = {"feature": "the box of the features", "pixel": "pixel space"}
    agreeing = [
        Finding(
            f"On {100 * plane.share:.2f} % of {spaces[plane.name]} network and machine give the same class "
            f"(95 % interval {100 * plane.interval[0]:.2f} to {100 * plane.interval[1]:.2f} %; "
            f"{plane.points:,} uniform points).",
            "estimated",
        )
        for plane in planes
    ]
    return (
        *agreeing,
        Finding(
            f"The machine with C = {C:g} over all samples has {len(svm.support):,} support vectors that hold "
            "more than a negligible multiplier."
        ),
        Finding(
            f"The network's loss on these samples is {loss:.3g}; its head is {compared.overall_angle:.2f}° "
            f"from the machine, and they agree on {100 * compared.sample_agreement:.2f} % of the samples."
        ),
        Finding(
            f"{100 * compared.support_overlap:.1f} % of the support vectors are among as many samples of "
            f"highest loss; by chance it would be {100 * compared.support_chance:.1f} %."
        ),
    )


def _table(planes: list[PlaneMap]) -> Table:
    return Table(
        "agreement",
        "Where network and machine agree",
        (Column("space"), Column("points"), Column("agreement"), Column("at least"), Column("at most")),
        tuple((plane.name, plane.points, plane.share, *plane.interval) for plane in planes),
        "Shares of points drawn uniformly (estimated, with 95 % intervals).",
    )


def _support_table(svm: LinearSVM, compared: HeadComparison) -> Table:
    row: tuple[Any, ...] = (len(svm.support), compared.support_overlap, compared.support_chance)
    return Table(
        "support",
        "Support vectors against the samples of highest loss",
        (Column("support vectors"), Column("among highest loss"), Column("by chance")),
        (row,),
        "The share of the support vectors among as many samples of the network's highest cross-entropy loss.",
    )
