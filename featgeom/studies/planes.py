"""Planes through three samples, in pixel space and in feature space: the study of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.planes import Plane
from featgeom.boundaries.slices import SlicePartition, slice_cells
from featgeom.certificates.claim import Claim
from featgeom.errors import BadArgument, BadData
from featgeom.pixels.slices import PixelSlice, slice_pixels
from featgeom.proofs import pixels as proof
from featgeom.proofs.proof import Found
from featgeom.proofs.proof import proved as said_by
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.studies.proved_pieces import Window, proved_window, refusals

CELLS_ACROSS = 160  # lattice points along the longer side of a slice


def study(run: Run, device: str = "cpu", progress: bool = False, *, planes: int, proved: int) -> Record:
    """The classes on planes through three samples of different predicted classes, in both spaces.

    A slice of pixel space is a lattice of points at which the network was run, refined near boundaries; one
    of feature space is exact. In feature space a class is one convex piece of every plane, or none. On the
    first ``proved`` planes the affine regions of a small window are counted, with a proof.
    """
    from featgeom.progress import bar

    features = run.features(run.question_split)
    triples = _triples(features.head.classify(features.features), run.seed, planes)
    classifier, images = run.classifier(device), run.images(run.question_split)
    drawn: list[dict[str, Any]] = []
    windows: list[Window] = []
    arrays, claims = dict[str, np.ndarray](), dict[str, Claim]()
    for rows in bar(triples, desc="planes", disable=not progress):
        try:
            part = slice_pixels(classifier, *images.pixels(rows), across=CELLS_ACROSS)
            points = np.asarray(features.features[rows], np.float64)
            shadow = Plane.through(*points)
        except BadArgument:  # three images, or their features, on one line
            continue
        i = len(drawn)
        cells = slice_cells(features.head, shadow, shadow.window(points))
        arrays |= {f"labels_{i}": part.labels, f"u_{i}": part.u, f"v_{i}": part.v}
        claims[f"slice-{i}"] = cells.certificate
        if i < proved:
            windows.append(proved_window(run, classifier, rows, i))
        drawn.append(_described(part, cells, rows, images.pixels(rows), points))
    if not drawn:
        raise BadData(f"{run.folder}: no three samples of the {run.question_split} split span a plane")
    most = max(max(plane["pieces"].values()) for plane in drawn)
    more = sum(sum(count > 1 for count in plane["pieces"].values()) for plane in drawn)
    shown = sum(len(plane["pieces"]) for plane in drawn)
    arrays["rows"] = np.array([plane["rows"] for plane in drawn], dtype=np.int64)
    for window in windows:
        arrays |= window.arrays
        claims |= window.claims
    settings = {"planes": len(drawn), "across": CELLS_ACROSS, "seed": run.seed, "proved": len(windows)}
    said = Found.of(run, claims, settings).beside(arrays)
    return Record(
        (
            Finding(
                f"On {len(drawn)} planes of pixel space through three {run.question_split} samples of "
                f"different classes, {more} of the {shown} classes seen fall into several pieces, the most "
                f"broken into {most} (as far as a lattice of {CELLS_ACROSS} points across can tell)."
            ),
            *_left_out(len(triples) - len(drawn)),
            *said_by(said, proof.planes),
            *said_by(said, proof.windows),
            *refusals(windows),
        ),
        {"planes": drawn, "most_pieces": most, "broken": more, "shown": shown},
        (_table(drawn, run),),
        arrays,
        claims,
        settings,
    )


def _left_out(count: int) -> list[Finding]:
    """What is said of triples without planes."""
    reason = "their images, or the features of these, lie on a line"
    return [Finding(f"Of the samples drawn, {count} more triples fix no plane: {reason}.")] if count else []


def _triples(predicted: Ints, seed: int, count: int) -> list[Ints]:
    """Seeded triples of samples of different predicted classes, as far as there are."""
    generator = np.random.default_rng(seed)
    triples = []
    for _ in range(count):
        order = generator.permutation(len(predicted))
        _, first = np.unique(predicted[order], return_index=True)
        rest = np.setdiff1d(np.arange(len(order)), first)
        triples.append(order[np.concatenate([generator.permutation(first), rest])[:3]])
    return triples


def _described(
    part: PixelSlice, exact: SlicePartition, rows: Ints, images: np.ndarray, features: Float64
) -> dict[str, Any]:
    """One plane, for programs and for the picture."""
    cells = {str(c): shapely.get_coordinates(p).tolist() for c, p in exact.polygons.items()}
    return {
        "rows": rows.tolist(),
        "points": part.plane.drop(images.reshape(3, -1).astype(np.float64)).tolist(),
        "domain": shapely.get_coordinates(part.domain).tolist(),
        "resolution": part.resolution,
        "evaluated": part.evaluated,
        "pieces": {str(c): n for c, n in part.pieces.items()},
        "borders": part.graph.number_of_edges(),
        "cells": cells,
        "cell_borders": exact.graph.number_of_edges(),
        "window": list(exact.window),
        "feature_points": exact.plane.drop(features).tolist(),
    }


def _table(drawn: list[dict[str, Any]], run: Run) -> Table:
    return Table(
        "planes",
        "The same three samples in both spaces",
        (
            Column("samples"), Column("classes in pixels"), Column("pieces in pixels"),
            Column("pairs that meet in pixels"), Column("most pieces of a class"),
            Column("classes in features"), Column("pairs that meet in features"),
            Column("lattice spacing", "pixel distance"),
        ),
        tuple(
            (
                ", ".join(f"#{row}" for row in plane["rows"]), len(plane["pieces"]),
                sum(plane["pieces"].values()), plane["borders"], max(plane["pieces"].values()),
                len(plane["cells"]), plane["cell_borders"], plane["resolution"],
            )
            for plane in drawn
        ),
        "In pixel space the window is the whole part of the plane inside the bounds, and what is finer than "
        "the lattice is not seen. In feature space the window holds the three samples, and cells are exact.",
    )  # fmt: skip
