"""The slices that the study of boundaries stores: exact cells, hull traces, and the view beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from featgeom.arrays import Float64
from featgeom.boundaries.hull_trace import slice_hull
from featgeom.boundaries.planes import Plane
from featgeom.boundaries.slices import SlicePartition, slice_cells
from featgeom.boundaries.views import decision_view
from featgeom.certificates.claim import Claim
from featgeom.errors import BadArgument
from featgeom.features.features import FeatureSet
from featgeom.runs.run import Run
from featgeom.runs.sharing import shared
from featgeom.runs.subjects import of_class
from featgeom.status import Status

TRACE_RTOL = 0.01
TRACE_PIVOTS = 20_000  # for each trace: some 17 s in 200 dimensions
TRACE_WORK = 1.6e9  # pivots times dimensions² of a trace: half a minute
SAMPLES_DRAWN = 400  # of each class, in the view: every k-th, and the caption says so


@dataclass(frozen=True)
class Triple:
    """Three points of feature space (3, d) to slice through, with their names and (predicted) classes."""

    names: tuple[str, str, str]
    points: Float64
    classes: tuple[int, int, int]


def stored_slices(
    triples: list[Triple], run: Run, traces: bool
) -> tuple[list[dict[str, Any]], dict[str, Claim]]:
    """For each triple its slice, the traces of its classes' hulls, and their decision-exact view.

    Raises BadArgument where the three points of a triple lie on a line.
    """
    drawn: list[dict[str, Any]] = []
    claims: dict[str, Claim] = {}
    asked = [
        (triple.points, of, run.subjects.rows(of))
        for triple in triples
        for of in (of_class(run.reference_split, c, True) for c in sorted(set(triple.classes)))
        if traces
    ]
    made = shared(run, traced, asked, "traces of hulls")
    for number, triple in enumerate(triples):
        plane = Plane.through(*triple.points)
        window = plane.window(triple.points, margin=0.35)
        part = slice_cells(run.subjects.head, plane, window)
        claims[f"slice-{number}"] = part.certificate
        found = {}
        for c in sorted(set(triple.classes)) if traces else ():
            claim, shapes = next(made)
            if claim is not None:
                claims[f"trace-{number}-{c}"] = claim
            if shapes:
                found[str(c)] = shapes
        drawn.append(
            {
                "names": list(triple.names),
                "classes": list(triple.classes),
                "window": list(window),
                "polygons": _polygons(part),
                "points": plane.drop(triple.points).tolist(),
                "traces": found,
                "view": decided_view(triple.classes, run.features(run.question_split)),
            }
        )
    return drawn, claims


def traced(run: Run, asked: tuple[Float64, str, Any]) -> tuple[Claim | None, dict[str, Any]]:
    """The trace of the hull of some samples, told by words and rows, on the plane through three points.

    That is its claim, and what is drawn of it; None and nothing where there is none.
    """
    through, of, rows = asked
    run.subjects.know({of: rows})
    chosen = run.subjects.points(of)
    if not len(chosen):
        return None, {}
    pivots = trace_pivots(*chosen.shape)
    trace = slice_hull(chosen, Plane.through(*through), rtol=TRACE_RTOL, pivots=pivots)
    claim = trace.certificate.named(points=of)
    if trace.status is Status.INFEASIBLE:
        return claim, {}
    shapes = {side: _corners(getattr(trace, side)) for side in ("inner", "outer")}
    return claim, {**shapes, "gap": trace.gap, "samples": len(chosen)}


def trace_pivots(n: int, d: int) -> int:
    """How many pivots the trace of a hull of n points may take; 1 where too few are allowed to find a point.

    A pivot costs as much as there are dimensions, squared, and each point or dimension takes one or more.
    """
    allowed = int(min(TRACE_PIVOTS, TRACE_WORK / d**2))
    return allowed if allowed >= min(n, d) else 1


def decided_view(classes: tuple[int, ...], part: FeatureSet) -> dict[str, Any] | None:
    """The plane in which three classes are told apart exactly, with samples of theirs.

    None where there are not three, or their rows span no plane.
    """
    if len(set(classes)) < 3:
        return None
    try:
        view = decision_view(part.head, classes)
    except BadArgument:
        return None
    if len(view.basis) != 2:
        return None
    flat = Plane(np.zeros(2), np.eye(2))
    rows = {c: np.flatnonzero(part.labels == c) for c in classes}
    stride = max(1, -(-max(len(r) for r in rows.values()) // SAMPLES_DRAWN))
    places = {c: view.project(np.asarray(part.features[rows[c][::stride]])) for c in classes}
    window = flat.window(np.concatenate(list(places.values())), margin=0.05)
    cells = _polygons(slice_cells(view.head, flat, window))
    return {
        "window": list(window),
        "polygons": {str(classes[int(k)]): ring for k, ring in cells.items()},
        "samples": {str(c): at.tolist() for c, at in places.items()},
        "stride": stride,
    }


def _polygons(part: SlicePartition) -> dict[str, list[list[float]]]:
    return {str(c): _corners(polygon) for c, polygon in part.polygons.items()}


def _corners(shape: Any) -> list[list[float]]:
    """The corners of a convex shape: a polygon, a segment or a point."""
    coordinates = shapely.get_coordinates(shape)
    corners: list[list[float]] = (coordinates[:-1] if shape.geom_type == "Polygon" else coordinates).tolist()
    return corners
