"""Feature space against pixel space: the study of a run, and of other runs beside it."""

from __future__ import annotations

import math
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from featgeom.certificates.claim import Claim
from featgeom.data.images import ImageSet
from featgeom.data.sources import load_images
from featgeom.proofs import pixels as proof
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.subjects import rows_of
from featgeom.spaces.comparison import SpaceComparison, compare_spaces
from featgeom.spaces.measures import MOST_POINTS, SpaceMeasures

NAMED = ("pixel", "wavelet", "feature")  # spaces that the findings speak of; the others are controls

Compared = dict[str, SpaceComparison]


def study(
    run: Run,
    device: str = "cpu",
    progress: bool = False,
    *,
    train_samples: int,
    test_samples: int,
    flip_samples: int,
    others: tuple[str, ...],
    beside: tuple[Run, ...],
) -> Record:
    """In the hull or not, how far, how wide, which classes meet: in pixel, wavelet and feature space.

    The samples are seeded draws of the run's images, the same in every space; the numbers are in the record.
    ``others`` names sources of images that are asked about as well, ``beside`` other runs of which the same
    is asked, such as one of an adversarially trained network.
    """
    sets: dict[str, ImageSet] = {}
    for source in others:
        sets[unused(source.partition(":")[0], sets)] = load_images(source)
    found: Compared = {}
    for one in (run, *beside):
        found[name_of(one, found)] = _compared(
            one, run.seed, sets, device, (train_samples, test_samples, flip_samples)
        )
    mine = next(iter(found.values()))
    arrays, claims = _arrays(mine), _claims(mine, run)
    said = Found.of(run, claims).beside(arrays)
    return Record(
        (*_findings(found, run), *proved(said, proof.drawn_inside), *proved(said, proof.drawn_apart)),
        {**values(mine), "beside": {name: values(part) for name, part in list(found.items())[1:]}},
        (
            _hull_table(found, run),
            _count_table(found),
            _stranger_table(found),
            _classes_table(found, run.reference_split),
        ),
        arrays,
        claims,
        {
            "train_samples": len(mine.train_rows),
            "test_samples": len(mine.test_rows),
            "flip_samples": len(mine.measures["pixel"].boundary),
            "others": list(sets),
            "beside": list(found)[1:],
            "seed": run.seed,
        },
    )


def _claims(found: SpaceComparison, run: Run) -> dict[str, Claim]:
    """The claims about this run's feature space, about the samples that were drawn."""
    base, rows = f"{run.reference_split}/features", found.train_rows
    labels = run.images(run.reference_split).labels[rows]
    claims: dict[str, Claim] = {}
    for name, claim in found.measures["feature"].certificates.items():
        if name == "inside":
            asked = rows_of(f"{run.question_split}/features", found.test_rows)
            claims[name] = claim.named(points=rows_of(base, rows), queries=asked)
        else:
            a, b = (rows_of(base, rows[labels == int(c)]) for c in name.split("-")[1:])
            claims[name] = claim.named(points_a=a, points_b=b)
    return claims


def name_of(run: Run, taken: Container[str] = ()) -> str:
    """What a run is called beside others: its network's name, or its folder's where that is taken."""
    name = str(run.asked["model"]["name"])
    return name if name not in taken else unused(Path(run.folder).resolve().name, taken)


def unused(name: str, taken: Container[str]) -> str:
    """The name, with the next free number behind it where it is taken, so that nothing is overwritten.

    >>> unused("folder", ["mnist"]), unused("folder", ["folder", "folder 2"])
    ('folder', 'folder 3')
    """
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free


def _compared(
    run: Run, seed: int, others: dict[str, ImageSet], device: str, sizes: tuple[int, int, int]
) -> SpaceComparison:
    parts = run.reference_split, run.question_split
    train_samples, test_samples, flip_samples = sizes
    return compare_spaces(
        run.classifier(device),
        *(run.images(split) for split in parts),
        train_samples=train_samples,
        test_samples=test_samples,
        flip_samples=flip_samples,
        others=others,
        features=(run.features(parts[0]).features, run.features(parts[1]).features),
        device=device,
        seed=seed,
    )


def values(found: SpaceComparison) -> dict[str, Any]:
    """The figures of every space, for programs; lengths with "relative" are parts of the diameter."""
    return {
        name: {
            "dimension": part.dimension,
            "inside": part.inside,
            "median_distance": float(np.median(part.distance)),
            "relative_distance": part.relative(part.distance),
            "relative_neighbour": part.relative(part.neighbour),
            "relative_own": part.relative(part.own),
            "relative_matched": part.relative(part.matched),
            "relative_boundary": part.relative(part.boundary),
            "relative_strangers": {kind: part.relative(d) for kind, d in part.strangers.items()},
            "diameter": part.diameter,
            "radius": part.radius,
            "extreme": part.extreme,
            "pairs": part.pairs,
            "apart": part.apart,
            "meeting": part.meeting,
            "gap": part.gap,
        }
        for name, part in found.measures.items()
    }


def _arrays(found: SpaceComparison) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {"train_rows": found.train_rows, "test_rows": found.test_rows}
    for name, part in found.measures.items():
        key = name.replace(", ", "-").replace(" ", "-")
        arrays |= {f"{key}_distance": part.distance, f"{key}_neighbour": part.neighbour}
        arrays |= {f"{key}_{kind.replace(' ', '-')}": d for kind, d in part.strangers.items()}
        if len(part.boundary):
            arrays[f"{key}_boundary"] = part.boundary
    return arrays


def _asked(found: SpaceComparison, run: Run) -> str:
    return (
        f"{len(found.test_rows):,} {run.question_split} samples and the hull of {len(found.train_rows):,} "
        f"{run.reference_split} samples"
    )


def _findings(found: Compared, run: Run) -> list[Finding]:
    findings: list[Finding] = []
    for network, comparison in found.items():
        of = f"{network}: " if len(found) > 1 else ""
        for name in NAMED:
            part = comparison.measures[name]
            findings.append(
                Finding(
                    f"{of}In {name} space (dimension {part.dimension}; {_asked(comparison, run)}): "
                    f"{100 * part.inside:.1f} % lie inside; the median distance to the hull is "
                    f"{part.relative(part.distance):.4f} of its diameter."
                )
            )
        pixel, feature = comparison.measures["pixel"], comparison.measures["feature"]
        findings.append(
            Finding(
                f"{of}Of {pixel.pairs} pairs of class hulls {pixel.apart} are disjoint in pixel space and "
                f"{feature.apart} in feature space, {pixel.meeting} and {feature.meeting} share a point."
            )
        )
        at = [part.relative(part.boundary) for part in (pixel, feature)]
        if not any(math.isnan(value) for value in at):
            findings.append(
                Finding(
                    f"{of}The nearest change of class lies at {at[0]:.4f} of the hull's diameter in pixel "
                    f"space (found, of {len(pixel.boundary)} samples), at {at[1]:.4f} in feature space "
                    "(exact)."
                )
            )
    return findings


def _rows(found: Compared, row: Any) -> tuple[tuple[Any, ...], ...]:
    """One row for each network and space; the network's name only where there are several."""
    return tuple(
        ((network,) if len(found) > 1 else ()) + (part.space, *row(part))
        for network, comparison in found.items()
        for part in comparison.measures.values()
    )


def _columns(found: Compared, *names: str) -> tuple[Column, ...]:
    first = ("network",) if len(found) > 1 else ()
    return tuple(Column(name) for name in (*first, "space", *names))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _hull_table(found: Compared, run: Run) -> Table:
    def row(part: SpaceMeasures) -> tuple[Any, ...]:
        return (
            part.dimension,
            part.inside,
            float(np.median(part.distance)),
            _or_none(part.relative(part.distance)),
            _or_none(part.relative(part.neighbour)),
            _or_none(part.relative(part.boundary)),
            part.diameter,
            part.radius,
            _or_none(part.extreme),
        )

    lengths = ("median distance", "same / diameter", "nearest sample / diameter", "boundary / diameter")
    return Table(
        "hulls",
        f"The hull in each space: {_asked(next(iter(found.values())), run)}",
        _columns(
            found, "dimension", "share inside", *lengths, "diameter", "enclosing radius", "share extreme"
        ),
        _rows(found, row),
        "Distances are in the units of each space; only those divided by the diameter compare between "
        "spaces. Inside is proved, sample by sample. Boundary: the nearest change of class, of the samples "
        "whose pixel flip was searched for; a boundary is a question of the network, so it has one in pixel "
        "space (an upper bound) and in feature space (exact) alone. Wavelet: coarse Haar coefficients of "
        f"level 2. Vertices of hulls of more than {MOST_POINTS:,} samples are not counted.",
    )


def _count_table(found: Compared) -> Table:
    def row(part: SpaceMeasures) -> tuple[Any, ...]:
        return _or_none(part.relative(part.own)), _or_none(part.relative(part.matched))

    return Table(
        "counts",
        "The hull of the own class, and of as many samples of any class",
        _columns(found, "own class / diameter", "any class / diameter"),
        _rows(found, row),
        "Median distances of the same samples, as parts of the diameter of the hull of all. A hull of one "
        "class has few samples, and few samples alone put a hull far away: the second column says how far.",
    )


def _stranger_table(found: Compared) -> Table:
    kinds = list(dict.fromkeys(k for c in found.values() for p in c.measures.values() for k in p.strangers))

    def row(part: SpaceMeasures) -> tuple[Any, ...]:
        at = [part.relative(part.strangers.get(kind, np.empty(0))) for kind in kinds]
        return tuple(_or_none(value) for value in (part.relative(part.distance), *at))

    return Table(
        "extrapolation",
        "How far from the hull other images lie, as parts of its diameter",
        _columns(found, "test samples", *kinds),
        _rows(found, row),
        "Medians. Midpoints lie halfway between two test images; pixel flips are the images found at which "
        "the class of a test image changes; other data sets are padded or cut to the network's shape, and "
        "never resized.",
    )


def _classes_table(found: Compared, split: str) -> Table:
    def row(part: SpaceMeasures) -> tuple[Any, ...]:
        gap = part.gap / part.diameter if part.diameter else None
        return part.pairs, part.apart, part.meeting, gap

    return Table(
        "classes",
        f"Hulls of two classes of {split} samples",
        _columns(found, "pairs", "disjoint", "meeting", "least gap / diameter"),
        _rows(found, row),
        "Disjoint and meeting are proved (in feature space the proofs are stored); pairs that are neither "
        "were not decided.",
    )
