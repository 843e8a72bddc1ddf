"""Images with chosen features: the inversion study of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.flips import flip_points
from featgeom.certificates.claim import Claim
from featgeom.certificates.pixels import MovedImage, ReachedFeatures
from featgeom.errors import Unsupported
from featgeom.exact.rounding import rounded_up
from featgeom.hulls.hull import ConvexHull
from featgeom.pixels.inversion import Inversion, invert
from featgeom.pixels.reach import reachable
from featgeom.progress import in_batches
from featgeom.proofs import pixels as proof
from featgeom.proofs.proof import Found, proved
from featgeom.regions.cells import Cells
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.subjects import of_class, rows_of
from featgeom.status import Status, StatusArray, status_array
from featgeom.studies.regions import observed_box

RESTARTS = 2
SPARE = 1000  # reference images, those of nearest features to start again from
AT_ONCE = 8  # inversions between two steps of the progress bar
SHOWN = 3  # samples whose images are drawn

Summary = dict[str, float | int | None]


def study(run: Run, device: str = "cpu", progress: bool = False, *, samples: int, minimal: bool) -> Record:
    """From seeded samples of the question split to targets of five kinds, each within reach or not.

    Another sample's features; the nearest flip point (in the orthant where no feature is negative); the mean
    of the correctly predicted of the nearest rival class (a point of their hull); the centre of the largest
    ball in that class's cell, in the box of observed features; and a point beyond: twice as far from the mean
    of all as the sample is.

    Each image found is read again by the network; its residual is relative to the target's length.
    ``minimal`` looks for images near the start. A search that fails starts again from reference images with
    features near the target. Where no image is found, the ends of all features over all images may tell that
    there is none; else the target is open.
    """
    reference, question = run.features(run.reference_split), run.features(run.question_split)
    points = np.asarray(question.features, np.float64)
    order = np.random.default_rng(run.seed).permutation(len(question))
    rows, others = order[:samples], np.roll(order, -1)[:samples]
    targets = _targets(run, points, rows, others)
    stacked = np.concatenate(list(targets.values()))
    kind = np.repeat(np.arange(len(targets)), len(rows))
    images = run.images(run.question_split).pixels(rows)
    starts = np.tile(images, (len(targets), 1, 1, 1))
    found = _inverted(run, stacked, starts, minimal, device, progress)
    reach, no_bounds = _reached(run, stacked, found, device)
    hulls, claims = _in_hulls(run, found.target_classes, {"targets": stacked, "found": found.features})
    low, high = run.classifier(device).pixels.bounds
    flat, start = (x.reshape(len(stacked), -1) for x in (found.images, starts))
    moved, residual = rounded_up(found.moved, flat.shape[1]), rounded_up(found.residual, stacked.shape[1])
    classes = Cells(reference.head).margins(found.features).certificate
    claims |= {
        "images": MovedImage(start, flat, low, high, moved).named(
            start=rows_of("record/start", np.tile(np.arange(len(rows)), len(targets))), images="record/images"
        ),
        "features": ReachedFeatures(stacked, found.features, residual).named(
            targets="record/targets", found="record/found"
        ),
        "classes": classes.named(points="record/found"),
    }
    said = {name: _summary(found, reach, hulls, kind == k) for k, name in enumerate(targets)}
    drawn = np.arange(len(stacked)).reshape(len(targets), -1)[:, :SHOWN].ravel()
    return Record(
        (
            *(_finding(name, summary) for name, summary in said.items()),
            *proved(Found.of(run, claims), proof.inverted),
        ),
        {
            "kinds": said,
            "guaranteed": _guaranteed(reach, hulls),
            "drawn": drawn.tolist(),
            "bounds": [low, high],
            "no_bounds": no_bounds,
        },
        (
            _table(said, run.question_split, run.reference_split),
            _each(list(targets), np.tile(rows, len(targets)), kind, reach, run.question_split, no_bounds),
        ),
        {
            "rows": rows,
            "kind": kind,
            "targets": stacked,
            "found": found.features,
            "start": images,
            "images": found.images,
            "residual": residual,
            "moved": moved,
            "lower_bound": reach.lower_bound,
            "distance": reach.distance,
            "class": classes.own,
            "target_class": found.target_classes,
        },
        claims,
        {"samples": len(rows), "restarts": RESTARTS, "spare": SPARE, "minimal": minimal, "seed": run.seed},
    )


def _targets(run: Run, points: Float64, rows: Ints, others: Ints) -> dict[str, Float64]:
    """What images are sought for, by kind; a sample without a flip point keeps its own features."""
    own, reference = points[rows], run.features(run.reference_split)
    flips = flip_points(reference.head, own, domain=run.subjects.domain)
    rivals = np.where(np.isfinite(flips.distance), flips.classes[:, 1], reference.head.classify(own))
    features, right = reference.features, _right(run)
    means, centres = np.empty_like(own), np.empty_like(own)
    boxed = Cells(reference.head, observed_box(features))
    for c in np.unique(rivals):
        mine = right == c
        means[rivals == c] = np.asarray(features[mine] if mine.any() else features, np.float64).mean(axis=0)
        ball = boxed.chebyshev(int(c))
        centres[rivals == c] = means[rivals == c] if ball.centre is None else ball.centre
    flipped = np.where(np.isfinite(flips.distance)[:, None], flips.point, own)
    middle = np.mean(features, axis=0, dtype=np.float64)
    return {
        "features of another sample": points[others],
        "nearest flip point": flipped,
        "mean of the nearest rival class": means,
        "centre of the rival's cell": centres,
        "twice as far from the mean of all": middle + 2 * (own - middle),
    }


def _right(run: Run) -> Ints:
    """The class of each reference sample that is predicted right, −1 of the others."""
    own = run.subjects.predicted(run.reference_split)
    return np.where(own == np.asarray(run.features(run.reference_split).labels), own, -1)


def _inverted(
    run: Run, targets: Float64, starts: np.ndarray, minimal: bool, device: str, progress: bool
) -> Inversion:
    """All inversions."""
    classifier, images = run.classifier(device), run.images(run.reference_split)
    spare = images.pixels(np.random.default_rng(run.seed).permutation(len(images))[:SPARE])

    def ask(rows: slice) -> Inversion:
        return invert(
            classifier, targets[rows], starts[rows], minimal=minimal, restarts=RESTARTS, spare=spare
        )

    return in_batches(ask, len(targets), AT_ONCE, "inversions", progress)


@dataclass(frozen=True)
class _Reach:
    """Of each target: what is known of the distance that all features keep from it, and the answer."""

    lower_bound: Float64
    distance: Float64
    status: StatusArray


def _reached(run: Run, targets: Float64, found: Inversion, device: str) -> tuple[_Reach, str | None]:
    """How near images come to the targets, or why nothing is known beyond the images found."""
    try:
        reach = reachable(run.classifier(device), targets, found, seconds=0.0)
    except Unsupported as error:
        distance = np.linalg.norm(found.features - targets, axis=1)
        status = status_array(len(targets))
        status[found.status == Status.SOLVED] = Status.SOLVED
        return _Reach(np.zeros_like(distance), distance, status), str(error).removeprefix("no bounds: ")
    # what the network's own arithmetic solved is solved, whatever the last digits of the real numbers are
    solved = found.status == Status.SOLVED
    status = reach.status.copy()
    status[(status == Status.SOLVED) & ~solved] = Status.UNDECIDED
    status[solved] = Status.SOLVED
    return _Reach(np.where(solved, 0.0, reach.lower_bound), reach.distance, status), None


@dataclass(frozen=True)
class _Hulls:
    """Whether targets and found features lie in the hull of the correctly predicted of the target's class."""

    targets: StatusArray
    found: StatusArray


def _in_hulls(run: Run, classes: Ints, asked: dict[str, Float64]) -> tuple[_Hulls, dict[str, Claim]]:
    status = {name: status_array(len(classes), Status.UNDECIDED) for name in asked}
    claims: dict[str, Claim] = {}
    for c in np.unique(classes):
        of, mine = of_class(run.reference_split, int(c), True), np.flatnonzero(classes == c)
        chosen = run.subjects.points(of)
        if not len(chosen):
            continue
        hull = ConvexHull(chosen)
        for name, points in asked.items():
            member = hull.contains(points[mine])
            status[name][mine] = member.status
            claims[f"{name}-in-hull-{c}"] = member.certificate.named(
                points=of, queries=rows_of(f"record/{name}", mine)
            )
    return _Hulls(**status), claims


def _summary(found: Inversion, reach: _Reach, hulls: _Hulls, mine: np.ndarray) -> Summary:
    solved = mine & (found.status == Status.SOLVED)
    out = mine & (reach.status == Status.UNREACHABLE)
    some = bool(solved.any())
    return {
        "targets": int(mine.sum()),
        "targets_in_hull": int((hulls.targets[mine] == Status.INSIDE).sum()),
        "solved": int(solved.sum()),
        "out_of_reach": int(out.sum()),
        "open": int(mine.sum() - solved.sum() - out.sum()),
        "found_in_hull": int((hulls.found[solved] == Status.INSIDE).sum()),
        "class_of_target": int((found.classes == found.target_classes)[solved].sum()),
        "largest_residual_solved": float(found.residual[solved].max()) if some else None,
        "least_residual": float(found.residual[mine].min()),
        "median_moved": float(np.median(found.moved[solved])) if some else None,
        "median_bound_of_distance": (
            float(np.median(reach.lower_bound[out] / reach.distance[out])) if out.any() else None
        ),
    }


def _guaranteed(reach: _Reach, hulls: _Hulls) -> dict[str, int]:
    """How many targets of all kinds are in a region of guaranteed class, and what is known of these.

    The region is the hull of the correctly predicted of the target's class, which is in its cell.
    """
    inside = hulls.targets == Status.INSIDE
    return {
        "targets": int(inside.sum()),
        "solved": int((inside & (reach.status == Status.SOLVED)).sum()),
        "out_of_reach": int((inside & (reach.status == Status.UNREACHABLE)).sum()),
    }


def _finding(name: str, said: Summary) -> Finding:
    text = (
        f"{name[0].upper()}{name[1:]}: an image was found for {said['solved']} of {said['targets']} targets"
    )
    if said["solved"]:
        text += f", moving the start by {said['median_moved']:.4g} (median, pixel space)"
    else:
        text += f"; the least residual left is {said['least_residual']:.3g} of the target's length"
    if said["out_of_reach"]:
        text += (
            f"; {said['out_of_reach']} are out of reach of every image, by bounds computed, not proved, that "
            f"are {said['median_bound_of_distance']:.3g} of the distance left (median)"
        )
    if said["open"]:
        text += f"; {said['open']} are open"
    return Finding(text + ".")


def _table(said: dict[str, Summary], question: str, reference: str) -> Table:
    columns: tuple[tuple[Any, ...], ...] = (
        ("target",),
        ("asked",),
        ("of these in the hull",),
        ("solved",),
        ("out of reach",),
        ("open",),
        ("found in the hull",),
        ("class of the target",),
        ("largest residual of the solved", "relative"),
        ("least residual", "relative"),
        ("median moved", "pixel distance"),
        ("bound / distance left", "median of those out of reach"),
    )
    return Table(
        "inversions",
        f"Inversions from {question} samples",
        tuple(Column(*column) for column in columns),
        tuple((name, *summary.values()) for name, summary in said.items()),
        "Solved: relative residual at most 1e-6 when the network reads the image again, inside the bounds. "
        "Out of reach: no image inside the bounds has these features, by a bound computed in float64. Open: "
        "no image was found, and none is excluded. In the hull: proved inside the hull of the correctly "
        f"predicted {reference} features of the target's class. A flip point lies on a boundary: either "
        "class may show.",
    )


def _each(
    names: list[str], rows: Ints, kind: Ints, reach: _Reach, question: str, no_bounds: str | None
) -> Table:
    """Of each target what is known."""
    words = {Status.SOLVED: "found", Status.UNREACHABLE: "out of reach"}
    note = (
        "Distances in feature space from the target: the features of every image inside the bounds keep at "
        "least the first, and those of the image found the second. The first is computed in float64, with "
        "slack for rounding, for the network as a function of real numbers; it is not proved."
    )
    if no_bounds is not None:
        note += f" Here nothing is known of it: {no_bounds}."
    return Table(
        "reach",
        "What is known of each target",
        (
            Column("target"),
            Column(f"{question} sample"),
            Column("answer"),
            Column("all images stay away, at least", "feature distance"),
            Column("nearest image found", "feature distance"),
        ),
        tuple(
            (names[k], int(row), words.get(status, "open"), float(low), float(high))
            for k, row, status, low, high in zip(
                kind, rows, reach.status, reach.lower_bound, reach.distance, strict=True
            )
        ),
        note,
    )
