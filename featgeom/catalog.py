"""The studies: of each its title, its question, its options, and where it is computed and drawn.

Commands, `analyze --studies`, the contents of the report and the tables of the documentation are made from
this file; a default stands here and nowhere else.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from featgeom.errors import BadArgument, BadData, FeatgeomError, nearest_name
from featgeom.options import Count, OneOf, Option, Several, Switch
from featgeom.progress import doing
from featgeom.text import visible

if TYPE_CHECKING:
    from featgeom.figures.style import Drawing
    from featgeom.runs.record import Finding, Record
    from featgeom.runs.run import Run


def triple(value: Any) -> tuple[str, ...]:
    """Three classes, or samples as #17: a text with commas, or three words.

    >>> triple("cat, dog,#17")
    ('cat', 'dog', '#17')
    """
    names = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(value)
    if len(names) != 3 or not all(isinstance(name, str) and name for name in names):
        raise BadArgument(f"expected three classes or samples as A,B,C, got '{value}'")
    return names


def opened(value: Any) -> Run:
    """A run, or the run in a folder."""
    from featgeom.runs.run import Run

    return value if isinstance(value, Run) else Run(value)


def descent(value: Any) -> str:
    """A way of descent for the last layer alone."""
    from featgeom.training.descents import METHODS

    if value not in METHODS:
        raise BadArgument(f"unknown method '{value}'{nearest_name(str(value), list(METHODS))}")
    return str(value)


def _unlabelled(splits: tuple[str, ...]) -> Finding:
    """What is said first of a study whose labels are the network's own predictions."""
    from featgeom.runs.record import Finding

    return Finding(
        f"The labels of the images ({', '.join(splits)}) are unknown: the network's own predictions stand "
        "for them, so that accuracy, errors and confusions mean nothing here."
    )


@dataclass(frozen=True)
class Study:
    """One study: what it asks, what can be chosen, where it is computed and where it is drawn.

    ``study`` and ``draw`` are modules of featgeom with a function of that name, imported on first use.
    ``study(run, device, progress, **options)`` returns a `Record`; ``draw(record, classes)`` returns
    drawings. A study without ``study`` is made by a command of its own. ``answers`` is what a table says of
    it, ``help`` the paragraphs that its command shows, ``examples`` the lines that follow `featgeom NAME`.
    """

    name: str
    title: str
    question: str
    answers: str
    help: str
    study: str
    draw: str
    needs: str = "features"
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ("RUN",)

    def chosen(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every option, as given or by default. Raises BadArgument for an unknown one or a wrong value."""
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                said = nearest_name(name, list(known)) if known else "; it has none"
                raise BadArgument(f"{self.name}: unknown option '{name}'{said}")
        return {name: option.checked(given.get(name, option.default)) for name, option in known.items()}

    def make(self, run: Run, *, device: str = "cpu", progress: bool = False, **given: Any) -> Record:
        """The record of this study of a run, not stored. Raises what `chosen` and the study raise."""
        from featgeom.runs.run import made_with

        options = self.chosen(given)
        started = time.perf_counter()
        with doing(self.name, disable=not progress):
            study = importlib.import_module(f"featgeom.{self.study}").study
            record: Record = study(run, device=device, progress=progress, **options)
        if run.unlabelled:
            record = replace(record, findings=(_unlabelled(run.unlabelled), *record.findings))
        seconds = time.perf_counter() - started
        return replace(self.named(record), made=made_with(options), seconds=seconds)

    def named(self, record: Record) -> Record:
        """The record under this study's name and title."""
        return replace(record, study=self.name, title=self.title)

    def drawings(self, record: Record, classes: tuple[str, ...]) -> list[Drawing]:
        """The pictures of a stored record."""
        draw = importlib.import_module(f"featgeom.{self.draw}").draw if self.draw else lambda *_: ()
        from featgeom.figures.style import names_as_text

        try:
            with names_as_text():
                return list(draw(as_drawn(record), tuple(map(visible, classes))))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, FeatgeomError):
                raise
            raise BadData(
                f"results/{self.name}.json: does not hold what this study stores ({type(error).__name__}: "
                f"{error}); `featgeom {self.name} RUN` makes it again"
            ) from error


def as_drawn(record: Record) -> Record:
    """The record with names whose every letter can be drawn."""

    def shown(value: Any) -> Any:
        if isinstance(value, str):
            return visible(value)
        if isinstance(value, Mapping):
            return {shown(key): shown(one) for key, one in value.items()}
        return type(value)(map(shown, value)) if isinstance(value, list | tuple) else value

    tables = tuple(replace(table, rows=shown(table.rows)) for table in record.tables)
    return replace(record, tables=tables, values=shown(record.values))


FEATURES = (
    Study(
        "overview",
        "Overview",
        "How accurate is the network, and how near are its samples to a boundary?",
        "accuracy, distances to the nearest boundary, which class hulls are guaranteed their class",
        """Accuracy, the distance of every sample to its nearest boundary, guaranteed class hulls.

        Every distance is the radius of a ball in feature space in which the head's class cannot change; it
        says nothing of pixels.""",
        "studies.overview",
        "figures.overview",
    ),
    Study(
        "hulls",
        "Convex hulls of the features",
        "How large are the classes' convex hulls, how far apart, and do new samples fall into them?",
        "class hulls: vertices, diameters, balls, distances between them and of new features to them",
        """Tell how large the hulls of the classes are, how far apart, and how far new features lie outside.

        For every class, of all samples and of the correctly predicted, and for all features: vertices,
        diameter, smallest ball, distances of test features, share inside; and the distance between every two
        class hulls. Every figure is proved; `featgeom verify RUN` re-checks it.""",
        "studies.hulls",
        "figures.hulls",
    ),
    Study(
        "regions",
        "Regions of the feature domain",
        "How is feature space divided among the classes, and which regions are guaranteed a class?",
        "cells: neighbours, size, share of the domain; which test features lie in a guaranteed region",
        """How the head divides the feature domain: cells, neighbours, shares, guaranteed hulls.

        Which cells meet (with evidence on every pair, beyond 100 classes on each with its nearest), the
        largest ball in each, the share of the observed box that each class owns, and which samples lie in a
        hull that is guaranteed its class.""",
        "studies.regions",
        "figures.regions",
    ),
    Study(
        "boundaries",
        "Boundaries",
        "Where does the class change, between whom, and which samples are the most ambiguous?",
        "flip points, pairs of classes, most ambiguous samples, exact slices with the traces of hulls",
        """Nearest boundaries, the most ambiguous samples, flip directions and exact slices of a run.

        The pairs of classes are stored as results/boundaries.graphml, too.""",
        "studies.boundaries",
        "figures.boundaries",
        options=(
            Several(
                "slices",
                (),
                "Slice through three class means, or samples as #17.",
                read=triple,
                metavar="A,B,C",
                word="slice",
            ),
            Switch("traces", True, "Draw where the class hulls cut the slices."),
            OneOf(
                "norm",
                "2",
                "How far a boundary is: in L1, L2, Linf, or in standard deviations of the classes.",
                choices=("1", "2", "inf", "mahalanobis"),
            ),
        ),
        examples=("RUN", "RUN --slice cat,dog,deer --slice cat,dog,#17"),
    ),
    Study(
        "svm",
        "The last layer and support vector machines",
        "Is the last layer a support vector machine?",
        "the head beside the maximum-margin machines",
        """Fit hard-margin machines to the features that the head predicts correctly, and compare.

        Angles, margins, offsets, support vectors and agreement, by pair of classes and as a whole, against
        the standard machine and the augmented one, to which gradient descent with a trainable bias tends.""",
        "studies.svm",
        "figures.svm",
    ),
    Study(
        "collapse",
        "Neural collapse",
        "Have the features gathered at their class means?",
        "neural collapse: NC1 to NC4",
        """Measure how near features and head are to the simplex that training drives them towards.""",
        "studies.collapse",
        "figures.collapse",
    ),
)

LAST_LAYER = (
    Study(
        "retrain",
        "The whole network against its last layer trained anew",
        "What becomes of the last layer when it is trained anew?",
        "the last layer trained anew",
        """Draw the last layer anew, train it alone on the stored features, and compare it with the machines.

        Plain gradient descent, which takes the course that theory gives, and accelerated descent, which
        reaches its limit, from the same fresh weights, in float64, beside the network's own last layer.
        `featgeom train --head-of` trains a last layer anew
        with any loss and optimiser, and writes checkpoints.""",
        "studies.retrain",
        "figures.retrain",
        options=(
            Count("steps", 2_000, "Steps of full-batch descent."),
            Several(
                "methods",
                ("gd", "accelerated_gd"),
                "Way of descent: gd, normalised_gd or accelerated_gd.",
                read=descent,
                metavar="METHOD",
                word="method",
            ),
            Switch("bias", True, "Train the bias, too."),
        ),
        examples=("RUN", "RUN --steps 10000 --method accelerated_gd"),
    ),
    Study(
        "maps",
        "Maps of what the network and a machine decide",
        "Where do head and machine decide differently?",
        "what network and machine decide in a plane",
        """Draw what the network and a support vector machine decide, in feature space and in pixel space.

        For networks with two features, or images of two pixels, as in the first paper: agreement on uniform
        points, both maps and their overlay, support vectors against the samples of highest loss.""",
        "studies.maps",
        "figures.maps",
    ),
    Study(
        "trajectory",
        "Head and machine along the training",
        "Do head and machine approach each other while the network is trained?",
        "head against machine over a series of checkpoints, such as `featgeom train` writes",
        "",
        "",
        "figures.trajectory",
        needs="checkpoints",
    ),
)

PIXELS = (
    Study(
        "invert",
        "Images for chosen features",
        "Which images have chosen features?",
        "images for chosen features",
        """Images for chosen features: other samples, flip points, class means, centres of cells, and beyond.

        Each image is inside the bounds and is read again by the network; the result states the residual,
        whether the features found lie in their class's hull, and how far the image moved from where the
        search began.""",
        "studies.invert",
        "figures.invert",
        "images",
        (
            Count("samples", 4, "Samples to start from; each has five targets."),
            Switch("minimal", True, "Look for images near the start.", off="any"),
        ),
        ("RUN", "RUN --samples 40 --any"),
    ),
    Study(
        "flips",
        "Changes of class in pixel space",
        "How little must an image change for its class to change?",
        "the closest changes of class in pixels, beside the exact ones in features",
        """The closest changes of class in pixel space, beside the exact ones in feature space.

        Each change found is verified by running the network on both sides of the boundary; its distance is
        an upper bound, and a lower bound is computed where the network allows it. With --proved a ball around
        a sample is proved to hold no image of another class, where the network is made of affine layers,
        ReLU, pooling and additions. Images, distances, classes and directions are stored in the run.""",
        "studies.flips",
        "figures.flips",
        "images",
        (
            Count("samples", 64, "Samples to flip, a seeded draw."),
            Count("proved", 0, "The first of them, so many, to prove a ball around that has one class.", 0),
        ),
        ("RUN", "RUN --proved 8", "RUN --samples 1000 --device cuda"),
    ),
    Study(
        "morph",
        "Morphs between samples",
        "What lies between two samples, in pixels and in features?",
        "morphs, straight in pixels and straight in features",
        """Morphs between samples, straight in pixels and straight in features, with every change of class.

        The pictures are figures/morph.png (for each pair a row straight in pixels and one straight in
        features) and figures/morph-N.gif in the run. Also counted: how often a straight segment between two
        samples predicted alike changes class, in either space; with --proved that is proved of some in pixel
        space, with the number of pieces on which the network is affine, where it is made of affine layers,
        ReLU and the like.""",
        "studies.morph",
        "figures.morph",
        "images",
        (
            Count("alike", 64, "Pairs predicted alike, whose segments count."),
            Count("morphs", 3, "Pairs of samples that are morphed."),
            Count("steps", 6, "Steps of a morph; it has one frame more."),
            Count("proved", 0, "The first of the pairs predicted alike, so many, to prove in pixels.", 0),
        ),
        ("RUN", "RUN --morphs 1 --steps 12", "RUN --proved 8"),
    ),
    Study(
        "planes",
        "Planes through three samples",
        "How do the classes lie in a plane of pixel space, and in the plane of their features?",
        "planes through three samples, in both spaces",
        """The classes on planes through three samples, in pixel space and in feature space.

        In feature space the partition of a plane is exact, and a class is one convex piece; in pixel space
        the network is run on a lattice, and the pieces of each class are counted. With --proved the regions
        of a small window are counted on which the network is affine, with a proof.""",
        "studies.planes",
        "figures.planes",
        "images",
        (
            Count("planes", 3, "Planes, each through three samples."),
            Count("proved", 0, "The first planes, so many, with a window whose regions are proved.", 0),
        ),
    ),
    Study(
        "compare",
        "Feature space against pixel space",
        "What differs between feature space and pixel space, on the same samples?",
        "the same questions asked of pixel space, coarse wavelets, features and controls",
        """The same questions in pixel, wavelet and feature space: in the hull, how far, which classes meet.

        Distances are given as a part of each hull's diameter, the only unit that compares between spaces.
        The samples are seeded draws of the run's images; their numbers are in the result.""",
        "studies.compare",
        "figures.compare",
        "images",
        (
            Count("train_samples", 1000, "Samples that hulls are made of."),
            Count("test_samples", 200, "Samples that are asked about."),
            Count("flip_samples", 32, "Of these, samples flipped in pixels."),
            Several(
                "others", (), "Another source of images, asked about as well.", metavar="IMAGES", word="other"
            ),
            Several(
                "beside", (), "Another run, of which the same is asked.", opened, metavar="RUN", word="beside"
            ),
        ),
        (
            "RUN",
            "RUN --other mnist:DIR            also asked: how far from the hulls these lie",
            "CLEAN --beside ROBUST            two networks side by side",
        ),
    ),
)

PAPERS = (
    Study(
        "observations",
        "What the second paper observes",
        "What the second paper observes: does it hold here?",
        "the second paper's observations: what it says, what is measured",
        """One table: what the paper on hulls in feature space observes, and what these networks show.

        Results that a run holds are used as they are; the studies it lacks are made, with their default
        numbers of samples, and stored. To choose those numbers, run the single studies first.
        (arXiv 2202.04052.)""",
        "papers.observations",
        "",
        "images",
        (
            Several(
                "beside", (), "Another run, with a column of its own.", opened, metavar="RUN", word="beside"
            ),
        ),
        ("RUN", "CLEAN --beside ROBUST"),
    ),
)

STUDIES = {study.name: study for study in (*FEATURES, *LAST_LAYER, *PIXELS, *PAPERS)}  # in a reader's order


def find_studies(names: str | Iterable[str]) -> tuple[Study, ...]:
    """The studies of these names, in the order given; "all" stands for every study of feature space.

    Raises BadArgument for a name that is none, and where there is nothing to do.

    >>> [study.name for study in find_studies("svm,collapse")]
    ['svm', 'collapse']
    """
    words = names.split(",") if isinstance(names, str) else list(names)
    chosen: dict[str, Study] = {}
    for word in words:
        name = word.strip()
        if name != "all" and name not in STUDIES:
            raise BadArgument(f"unknown study '{name}'{nearest_name(name, list(STUDIES))}")
        chosen |= {s.name: s for s in FEATURES} if name == "all" else {name: STUDIES[name]}
    if not chosen:
        raise BadArgument(f"no study named; known: {', '.join(STUDIES)}")
    return tuple(chosen.values())
