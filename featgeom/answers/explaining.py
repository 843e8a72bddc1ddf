"""One image: what the network says of it, how far that carries, and which training images it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.answers.asked import AskedImage, Asking
from featgeom.answers.class_hulls import ClassHull
from featgeom.answers.conformal import p_values
from featgeom.answers.proved import holds
from featgeom.arrays import Float64
from featgeom.boundaries.crossings import crossings
from featgeom.boundaries.flips import flip_points
from featgeom.data.given import as_image_set
from featgeom.errors import BadArgument
from featgeom.regions.margins import margins_of_block
from featgeom.runs.again import images_of
from featgeom.status import Status
from featgeom.text import visible

if TYPE_CHECKING:
    from featgeom.models.classifier import Classifier
    from featgeom.runs.run import Run

MOST = 100  # images of one question; `featgeom guard` takes streams
PARTS, NEIGHBOURS = 8, 6  # training images that are shown
LONG = 80  # letters of a name in a line
SMALL = 1e-3  # weights of a mixture below which a training image is counted, not named


@dataclass(frozen=True)
class TrainingImage:
    """A training image beside the one that is explained: its row, its label, and weight or distance."""

    row: int
    label: str
    value: float


@dataclass(frozen=True, repr=False)
class Explanation:
    """What is known of one image; ``facts`` hold every figure by name, for programs.

    ``certified`` says of each question whether its claim was proved by its own check, in exact arithmetic.
    ``mixture`` are the training images whose mixture is the nearest point of the hull of the class, with
    their weights, ``neighbours`` the nearest training images, ``way`` those nearest to the middle of each
    part of the straight way to the rival's mean, a class each. ``image`` and ``flip`` are
    pictures (c, h, w), where there are any.
    """

    name: str
    facts: dict[str, Any]
    certified: dict[str, bool]
    mixture: tuple[TrainingImage, ...]
    neighbours: tuple[TrainingImage, ...]
    way: tuple[TrainingImage, ...] = ()
    image: NDArray[Any] | None = None
    flip: NDArray[Any] | None = None

    def __repr__(self) -> str:
        name, said, facts = visible(self.name), visible(self.facts["prediction"]), self.facts
        name = name if len(name) <= LONG else f"...{name[3 - LONG :]}"
        far = "" if facts["hull"] is None else f", {facts['hull']:.4g} from the hull of its class"
        return f"<Explanation {name}: {said[:LONG]}, boundary at {facts['boundary']:.4g}{far}>"

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures."""
        shown = {
            name: [vars(one) for one in getattr(self, name)] for name in ("mixture", "neighbours", "way")
        }
        return {"image": self.name, **self.facts, "certified": self.certified, **shown}


def explain(
    run: Run, images: Any, flip: bool = False, device: str = "cpu", lines: Iterable[str] = ()
) -> list[Explanation]:
    """Explain images, at most 100: words that name them (see `Asking`), or arrays that `as_image_set` takes.

    With ``flip`` the closest image found at which the class changes is looked for in pixels, too. Distances
    are in feature space. A training image is compared with the hull of the others.

    Raises BadArgument for more images, BadData for one that cannot be read.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (found,) = explain(make_run(f"{folder}/run", "digits", "digits"), "test:3")
    >>> found.facts["prediction"], found.facts["inside"], sorted(found.certified)
    ('5', 'OUTSIDE', ['boundary', 'hull', 'inside', 'path'])
    """
    needs = flip or not isinstance(images, str | list | tuple)
    source = run.held is not None or run.asked["model"]["source"] is not None
    classifier = run.classifier(device) if needs or source else None
    words = [images] if isinstance(images, str) else images
    if isinstance(words, list | tuple) and all(isinstance(word, str) for word in words):
        asked = Asking(run, classifier, lines).images(words)
    else:
        asked = Asking(run, classifier).arrays(as_image_set(images))
    if not 0 < len(asked) <= MOST:
        raise BadArgument(
            f"explain: takes 1 to {MOST} images, got {len(asked):,}; `featgeom guard` takes streams"
        )
    return Explaining(run, classifier, flip, device).all(asked)


class Explaining:
    """What the images of one question have in common."""

    def __init__(self, run: Run, classifier: Classifier | None, flip: bool, device: str) -> None:
        self.run, self.classifier, self.flip, self.device = run, classifier, flip, device
        self.head = run.subjects.head
        self.reference = run.features(run.reference_split)
        self.hull_of = cache(lambda c: ClassHull(run, c, device))
        self.pictures = cache(lambda split: images_of(run, split))

    def all(self, asked: Sequence[AskedImage]) -> list[Explanation]:
        """The explanations in order."""
        return [self.one(image) for image in asked]

    def one(self, image: AskedImage) -> Explanation:
        """The explanation of one image."""
        label, pixels = None, None
        if image.sample is None:
            pixels = image.load()
            if self.classifier is None:
                raise BadArgument(
                    f"{image.name}: the run was made of features alone, so it explains its samples"
                )
            z = self.classifier.features(pixels[None]).astype(np.float64)
        else:
            split, row = image.sample
            part = self.run.features(split)
            known = self.pictures(split)
            pixels = None if known is None else known.images[row]
            z = np.asarray(part.features[[row]], np.float64)
            label = self.run.classes[part.labels[row]] if part.labelled else None
        own = int(margins_of_block(self.head, z).classes[0])
        facts: dict[str, Any] = {"label": label, "prediction": self.run.classes[own]}
        certified: dict[str, bool] = {}
        itself = image.sample[1] if image.sample and image.sample[0] == self.run.reference_split else -1
        way = self._boundary(z, itself, facts, certified)
        mixture = self._hull(z, own, image, facts, certified)
        apart = self._apart(z, itself)
        nearest = np.argsort(apart, kind="stable")[:NEIGHBOURS]
        neighbours = tuple(self._training(row, apart[row]) for row in nearest if np.isfinite(apart[row]))
        flipped = self._flip(pixels, facts) if self.flip and pixels is not None else None
        return Explanation(image.name, facts, certified, mixture, neighbours, way, pixels, flipped)

    def _boundary(
        self, z: Float64, itself: int, facts: dict[str, Any], certified: dict[str, bool]
    ) -> tuple[TrainingImage, ...]:
        """The nearest boundary, and the classes on the way to the mean of the class beyond it."""
        logits = np.sort(self.head.logits(z)[0])
        found = flip_points(self.head, z)
        tied = bool(np.isfinite(found.distance[0]))
        absent = found.status[0] is Status.INFEASIBLE
        rival = int(found.classes[0, 1]) if tied else None
        facts |= {
            "logit_margin": float(logits[-1] - logits[-2]),
            "boundary": float(found.distance[0]),
            "boundary_lower": float(found.lower_bound[0]),
            "boundary_status": found.status[0].name,
            "rival": None if rival is None else self.run.classes[rival],
            "path": [], "path_changes": [],
        }  # fmt: skip
        absences = found.certificate_empty
        if tied:
            certified["boundary"] = holds(found.certificate, *([absences] if len(absences) else []))
        else:  # of its class with every other
            certified["boundary"] = len(absences) == self.head.classes - 1 and absent and holds(absences)
        mean = self.run.subjects.means(self.run.reference_split)[[rival or 0]]
        if rival is not None and np.isfinite(mean).all():
            way = crossings(self.head, z, mean)
            cells, changes = way.path(0)
            facts |= {"path": [self.run.classes[c] for c in cells], "path_changes": changes.tolist()}
            certified["path"] = holds(way.certificate)
            ends = np.array([0.0, *changes, 1.0])
            apart = [self._apart(z + t * (mean - z), itself) for t in (ends[:-1] + ends[1:]) / 2]
            return tuple(self._training(far.argmin(), far.min()) for far in apart if np.isfinite(far.min()))
        return ()

    def _hull(
        self, z: Float64, own: int, image: AskedImage, facts: dict[str, Any], certified: dict[str, bool]
    ) -> tuple[TrainingImage, ...]:
        """How far the feature is from the hull of its class, among whom, and what the nearest point is."""
        ours = self.hull_of(own)
        itself = image.sample[1] if image.sample and image.sample[0] == self.run.reference_split else -1
        rows, hull = ours.without(itself)
        names = ("hull", "hull_lower", "p_training", "p_calibration", "training", "calibration")
        one_of_them = bool(itself in ours.rows)
        facts |= dict.fromkeys(names) | {"inside": None, "region": False, "guaranteed": False}
        facts |= {"one_of_them": one_of_them, "mixture_rest": 0}
        if hull is None:
            return ()
        found, member = hull.project(z), hull.contains(z)
        inside = member.status[0]
        within = inside is Status.INSIDE
        tested, far = ours.calibration
        if image.sample and image.sample[0] == self.run.question_split:
            far = far[tested != image.sample[1]]
        region = ours.guarantee.status is Status.GUARANTEED
        lower = 0.0 if within else float(found.lower_bound[0])  # equals are ranked as equals, to no rounding
        facts |= {
            "hull": 0.0 if within else float(found.distance[0]),
            "hull_lower": lower,
            "inside": inside.name,
            "region": region,
            "guaranteed": region and (one_of_them or within),
            "training": len(rows),
            "p_training": float(p_values([lower], ours.training[ours.rows != itself])[0]),
            "calibration": len(far),
            "p_calibration": float(p_values([lower], far)[0]) if len(far) else None,
        }
        certified["hull"] = holds(found.certificate)
        certified["inside"] = holds(member.certificate, *([ours.guarantee.certificate] if region else []))
        weights = found.weights[[0]].toarray()[0]
        order = np.argsort(-weights, kind="stable")
        shown = [i for i in order[:PARTS] if weights[i] > SMALL]
        facts["mixture_rest"] = int((weights > 0).sum()) - len(shown)
        return tuple(self._training(rows[i], weights[i]) for i in shown)

    def _apart(self, z: Float64, itself: int) -> Float64:
        """The distance of every training feature from a point (1, d), (n,); infinite of ``itself``."""
        apart = np.concatenate(
            [
                np.linalg.norm(np.asarray(self.reference.features[i : i + 8192], np.float64) - z, axis=1)
                for i in range(0, len(self.reference), 8192)
            ]
        )
        if itself >= 0:
            apart[itself] = np.inf
        return apart

    def _training(self, row: Any, value: Any) -> TrainingImage:
        return TrainingImage(int(row), self.run.classes[self.reference.labels[row]], float(value))

    def _flip(self, pixels: NDArray[Any], facts: dict[str, Any]) -> NDArray[Any] | None:
        """The closest image found, in pixels, at which the class changes."""
        from featgeom.pixels.flips import pixel_flips

        if self.classifier is None:
            return None
        found = pixel_flips(self.classifier, pixels[None])
        solved = found.status[0] is Status.SOLVED
        facts["flip"] = float(found.distance[0])
        facts["flip_class"] = self.run.classes[int(found.classes[0, 1])] if solved else None
        return found.images[0] if solved else None
