"""One network as a row of figures: what its run says of it, in units that compare with those of others."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.foreign import foreign_features
from featgeom.answers.shared_planes import decisions_on_planes
from featgeom.arrays import Float64, Ints, blocks
from featgeom.collapse import (
    foreign_alignment,
    generalised_collapse,
    neural_collapse,
    variance_by_distance,
)
from featgeom.imbalance import imbalanced_collapse
from featgeom.regions.cells import Cells
from featgeom.remarks import remark
from featgeom.runs.record import Column
from featgeom.runs.subjects import of_class
from featgeom.statistics import median_interval, proportion_interval
from featgeom.status import Status

if TYPE_CHECKING:
    from featgeom.runs.run import Run

Figures = dict[Column, Any]
IMBALANCE = (
    "imbalance", "SELI, head", "SELI, means", "SELI, logits", "minority cosine", "orthogonality",
)  # fmt: skip
STEP = re.compile(r"step-(\d+)")  # what `featgeom train` calls its checkpoints


class Seen:
    """One network as it is seen by its run: decisions and margins of the question part, and figures.

    ``foreign`` names images that are of none of its classes, as `Asking` takes them; ``planes`` is how many
    planes through its images it is asked about.
    """

    def __init__(self, run: Run, foreign: str | None = None, device: str = "cpu", planes: int = 0) -> None:
        self.run, self.foreign, self.device, self.planes = run, foreign, device, planes
        self.reference, self.question = (run.features(s) for s in (run.reference_split, run.question_split))
        self.predicted: Ints = run.subjects.predicted(run.question_split)
        self.labels: Ints = np.asarray(self.question.labels)
        self.spread = spread(self.reference.features)
        reach = Cells(self.question.head).radius(self.question.features).ball
        self.margin: Float64 = reach / self.spread if self.spread > 0 else np.full(len(reach), np.nan)

    @property
    def right(self) -> Any:
        """Which question samples are predicted as labelled, (n,)."""
        return self.predicted == self.labels

    @cached_property
    def on_planes(self) -> Ints:
        """The classes of images on planes through three of its question images, (planes, points)."""
        return decisions_on_planes(self.run, self.planes, self.device)

    def same_images(self, other: Seen) -> bool:
        """Whether both were asked about the same images, with the same labels and classes."""
        mine, theirs = (
            (s.run.asked["data"]["splits"][s.run.question_split]["sha256"], len(s.predicted))
            for s in (self, other)
        )
        from_images = all(s.run.asked["model"].get("weights_sha256") for s in (self, other))
        known = self.question.labelled, other.question.labelled  # unknown, predictions stand for them
        same_labels = known == (False, False) or (all(known) and np.array_equal(self.labels, other.labels))
        return from_images and mine == theirs and self.run.classes == other.run.classes and same_labels

    def figures(self) -> Figures:
        """The row of the network."""
        run, labelled = self.run, self.question.labelled
        interval = proportion_interval(int(self.right.sum()), len(self.right))
        whole = self.spread > 0
        return {
            **self._of_training(),
            Column("data"): run.asked["data"]["name"],
            Column("features"): self.reference.dimension,
            Column("classes"): len(run.classes),
            Column("asked"): len(self.labels),
            Column("accuracy"): float(self.right.mean()) if labelled else None,
            Column("accuracy, from"): float(interval.lower) if labelled else None,
            Column("accuracy, to"): float(interval.upper) if labelled else None,
            Column("guaranteed"): self._guaranteed(True),
            Column("guaranteed, all"): self._guaranteed(False) if self.reference.labelled else None,
            Column("spread"): self.spread,
            Column("margin / spread"): float(np.median(self.margin)) if whole else None,
            Column("margin / spread, 10 %"): float(np.quantile(self.margin, 0.1)) if whole else None,
            **self._of_hulls(),
            **self._of_pixels(),
            **self._of_collapse(),
        }

    def _of_training(self) -> Figures:
        """Which training and which step of it a checkpoint of `featgeom train` is."""
        path = Path((self.run.asked["model"].get("source") or {}).get("path") or "")
        found = STEP.fullmatch(path.stem)
        return {
            Column("training"): path.parent.name if found else None,
            Column("step"): int(found[1]) if found else None,
        }

    def _of_collapse(self) -> Figures:
        """Neural collapse of the training features, by their labels; of predictions it would say nothing."""
        names = (
            "NC1",
            "NC2, norms",
            "NC2, angles",
            "NC3",
            "NC4",
            "CDNV",
            "GNC2",
            "one-vs-rest",
            "GNC3",
            "NC5",
            *IMBALANCE,
        )
        if not self.reference.labelled:
            if self.foreign is not None:
                remark(f"{self.run.folder}: without labels it has no NC5; its foreign images were not read")
            return dict.fromkeys(map(Column, names))
        z, labels, foreign = self.reference.features, self.reference.labels, self.foreign
        head = self.reference.head
        found = neural_collapse(z, labels, head)
        weight = head.weight[found.classes]
        even = generalised_collapse(found.means, weight)
        counted = imbalanced_collapse(found.means, weight, found.counts)
        values = [
            found.nc1, found.nc2.norms, found.nc2.angles, found.nc3, found.nc4,
            variance_by_distance(z, labels), even.uniformity, even.one_vs_rest, even.duality,
            None if foreign is None
            else foreign_alignment(z, labels, foreign_features(self.run, foreign, self.device)),
            *(None if np.isnan(value) else value for value in vars(counted).values()),
        ]  # fmt: skip
        return dict(zip(map(Column, names), values, strict=True))

    def _guaranteed(self, right: bool) -> str:
        """How many of the classes that have features there are guaranteed their hull."""
        kept, some = 0, 0
        cells = Cells(self.run.subjects.head)
        for c in range(len(self.run.classes)):
            points = self.run.subjects.points(of_class(self.run.reference_split, c, right))
            if len(points):
                some += 1
                kept += cells.guarantee(points, c).status is Status.GUARANTEED
        return f"{kept} of {some}"

    def _values(self, study: str) -> dict[str, Any]:
        return self.run.result(study).values if study in self.run.studies else {}

    def _of_hulls(self) -> Figures:
        """What the study of hulls says, by the diameter of the hull of all training features."""
        said = self._values("hulls")
        whole = next((hull["diameter"] for hull in said.get("hulls", []) if hull["label"] < 0), None)
        far = None
        if whole:
            distances = self.run.arrays("hulls").get(
                f"{self.run.question_split}_own_correct", np.full(1, np.nan)
            )
            known = distances[np.isfinite(distances)]
            far = float(np.median(known)) / whole if len(known) else None
        pairs = said.get("pairs", {}).get("correct", [])
        apart = [pair["distance"] for pair in pairs if pair["status"] == "SEPARATED"]
        machines = self._values("svm").get("machines", {}).get("standard", {})
        return {
            Column("hull distance / diameter"): far,
            Column("hulls apart"): f"{len(apart)} of {len(pairs)}" if pairs else None,
            Column("least separation / diameter"): min(apart) / whole if apart and whole else None,
            Column("angle to SVM", "degrees"): machines.get("angle"),
        }

    def _of_pixels(self) -> Figures:
        """What the studies of pixels say: flips in both spaces, images moved by inversion, both compared."""
        flips, spaces = self._values("flips"), self._values("compare")
        pixel, feature = flips.get("median_pixel"), flips.get("median_feature")
        flip = {k: spaces.get(k, {}).get("relative_boundary") for k in ("pixel", "feature")}
        out = {k: spaces.get(k, {}).get("relative_distance") for k in ("pixel", "feature")}
        ratio = feature / pixel if pixel and feature else None
        kinds = self._values("invert").get("kinds", {}).values()
        found = [kind["median_moved"] for kind in kinds if kind["median_moved"] is not None]
        solved, asked = (sum(kind[name] for kind in kinds) for name in ("solved", "targets"))
        sampled: Figures = {}
        for space, median in (("pixel", pixel), ("feature", feature)):
            ends = self._flip_interval(space)
            sampled |= {
                Column("flip", f"{space} distance"): median,
                Column("flip, from", f"{space} distance"): ends[0],
                Column("flip, to", f"{space} distance"): ends[1],
            }
        return {
            **sampled,
            Column("flip, feature by pixel"): ratio,
            Column("flip / diameter, pixels"): flip["pixel"],
            Column("flip / diameter, features"): flip["feature"],
            Column("outside / diameter, pixels"): out["pixel"],
            Column("outside / diameter, features"): out["feature"],
            Column("inverted"): f"{solved} of {asked}" if asked else None,
            Column("inversion moves", "pixel distance"): float(np.median(found)) if found else None,
        }

    def _flip_interval(self, space: str) -> tuple[float | None, float | None]:
        """Between what the median distance of flips lies, by those sampled; None where that is unknown."""
        if "flips" not in self.run.studies:
            return None, None
        distances = self.run.arrays("flips")[f"{space}_distance"]
        ends = median_interval(distances[np.isfinite(distances)])
        low, high = float(ends.lower), float(ends.upper)
        return (low, high) if np.isfinite([low, high]).all() else (None, None)


def spread(features: Any) -> float:
    """The root mean square distance of features (n, d) from their mean.

    >>> spread(np.array([[0.0, 0.0], [0.0, 2.0]]))
    1.0
    """
    mean = np.mean(features, axis=0, dtype=np.float64)
    total = sum(float(((block - mean) ** 2).sum()) for block in blocks(features))
    return float(np.sqrt(total / len(features)))
