"""What stands over and under each table in which something is proved: its title, and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featgeom.proofs.hulls import SAMPLES
from featgeom.proofs.proof import Found
from featgeom.proofs.regions import BALLS_UP_TO, PAIRS_OF_ALL, few
from featgeom.runs.record import Column, Table

Words = Mapping[str, tuple[str, str]]  # title and note of each table, by its name


def overview(found: Found) -> Words:
    """Guarantees, and distances of every part."""
    note = (
        "The radius of the largest ball around the sample in which the head's class cannot change, in R^d, "
        "rounded down."
    )
    return {
        "guarantees": (
            f"Hulls of {found.reference} features inside their class's cell",
            "The worst margin is the least by which the class's logit beats another at any sample (negative "
            "where it loses); the distance is from the hull to the boundary of the cell. Inflation is the "
            "factor by which the hull can be scaled about its centroid before it leaves the cell.",
        ),
        **{
            f"distance-{split}": (
                f"Distance of {split} samples to the nearest boundary, by predicted class",
                note,
            )
            for split in found.subjects.parts
        },
    }


def hulls(found: Found) -> Words:
    """Hulls, the nearest of each class, and pairs."""
    near = (
        "Of the hulls measured with that of the class; no hull at all, measured or not, is nearer than the "
        "bound beside it."
    )
    apart = (
        "The distance of two disjoint hulls is twice the margin of the hard-margin support vector machine."
    )
    return {
        "hulls": (
            "Hulls, their lengths, and how far new features lie from them",
            "Vertices: samples proved to lie outside the hull of all the others. Inside: proved to be in the "
            "hull. Questions to the hull of a class are the features labelled so. A distance means something "
            "only beside a length of the same space.",
        ),
        **{f"nearest-{s}": (f"The nearest hull of each class, {text}", near) for s, text in SAMPLES.items()},
        **{f"pairs-{s}": (f"Distances of class hulls, {text}", apart) for s, text in SAMPLES.items()},
    }


def regions(found: Found) -> Words:
    """Cells, and who lies inside guaranteed hulls."""
    return {
        "cells": (
            "Cells",
            "Neighbours: classes whose cell meets this one in the domain, apart from all others"
            + ("" if few(found) else f"; of more than {PAIRS_OF_ALL} classes not every pair is asked about")
            + ". Nearest "
            "borders with: the rival of least margin for most samples. Largest ball and share are those in "
            "the box of observed bounds; the share is of its volume, estimated by uniform samples, most of "
            "which are unlike any feature. Largest balls are sought where classes² times dimensions are at "
            f"most {BALLS_UP_TO:,}.",
        ),
        "inside": (
            f"{found.question.capitalize()} features inside guaranteed hulls of {found.reference} features",
            "Inside is proved by the hull engine; in d dimensions almost no new feature lies in the hull of "
            "the old ones once d is large, so look at distances (featgeom hulls) beside these counts.",
        ),
    }


def svm(found: Found) -> Words:
    """Machines of all classes, and of two."""
    return {
        "machines": (
            "The head against one machine of all classes",
            "Agreement is on points drawn uniformly from the box of the features (estimated). The last "
            "columns: the share of support vectors among as many samples of highest loss.",
        ),
        "pairs": (
            "The head against machines of two classes",
            "Place in gap: where the head's boundary lies between the two classes along its normal, 0 at "
            "the first class, 0.5 halfway; ∞ where they have no gap along it.",
        ),
    }


HEADINGS: dict[str, Callable[[Found], Words]] = {
    "overview": overview,
    "hulls": hulls,
    "regions": regions,
    "svm": svm,
}


def headed(study: str, name: str, found: Found, columns: Mapping[Column, Sequence[Any]]) -> Table:
    """A table of a study under its title and over its note."""
    title, note = HEADINGS[study](found)[name]
    return Table.of(name, title, columns, note)
