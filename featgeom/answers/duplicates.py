"""Samples of a run that are there twice: with the same pixels, or with features that nearly agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.near_pairs import NearPairs, cosine_distances, near_pairs
from featgeom.answers.same_pixels import pixel_digests
from featgeom.arrays import Ints
from featgeom.errors import BadArgument
from featgeom.runs.again import images_by_part
from featgeom.runs.record import Column, Table, shown
from featgeom.text import counted

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.runs.run import Run

NEAR = 1e-2  # cosine distance below which two samples may be near-duplicates
PAIRS = 1000
DRAWN = 1000  # pairs of images that tell which distance in pixels is ordinary
APART = Column("pixels apart", "pixel distance")
TITLE = "Duplicates and near-duplicates"
NOTE = (
    "Same pixels: every value of both images is equal, which is a fact; of more than two alike each is "
    "paired with the first. The others are near in features alone (cosine distance: 1 less the cosine of the "
    "angle of both features), nearest first, which is a suspicion: a network whose features have collapsed "
    "has many such pairs that are no duplicates, so look at the pictures, or at how far apart the pixels are."
)


@dataclass(frozen=True)
class Duplicates:
    """Pairs of samples in ``table``, those with the same pixels first; how many there are is in ``counts``.

    ``alike`` are the names of the samples of each set of images with the same pixels. ``counts`` has, of
    these, the ``sets``, the ``samples`` in them, and the sets ``sets_across`` parts and of several
    ``sets_labels``; all None where not all images are found, or they are of several shapes. Of other samples
    that are near in features it has the ``pairs``, ``pairs_across`` and ``pairs_labels``; how many of those
    in the table are ``near_in_pixels``, too: less than half as far apart as two images drawn are (the
    median); and how many of all these pairs are ``left_out`` of the table.
    """

    table: Table
    counts: Mapping[str, int | None]
    near: float
    alike: tuple[tuple[str, ...], ...] = ()

    def __repr__(self) -> str:
        return f"<Duplicates: {len(self.table.rows)} pairs>"

    @property
    def summary(self) -> str:
        """How many there are, in words."""
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        n = self.counts
        if n["sets"] is None:
            yield "Not all images were found, unchanged and of one shape, so pixels were not compared."
        elif n["sets"] == 0:
            yield "No two images have the same pixels."
        else:
            yield (
                f"{counted(n['sets'], 'set')} of images with the same pixels, {n['samples']:,} in all: "
                f"{n['sets_across']:,} across parts, {n['sets_labels']:,} with several labels."
            )
        if self.near > 0 and not n["pairs"]:
            other = "No two" if not n["sets"] else "No two others"
            yield f"{other} are nearer than a cosine distance of {self.near:g} in features."
        elif self.near > 0:
            yield (
                f"{counted(n['pairs'] or 0, 'other pair')} with a cosine distance below {self.near:g} in "
                f"features: {n['pairs_across']:,} across parts, {n['pairs_labels']:,} with two labels."
            )
        if n["left_out"]:
            yield f"Of each kind the nearest are listed; {counted(n['left_out'], 'pair')} more are not."
        if n["pairs"] and n["near_in_pixels"] is not None:
            yield (
                f"Of those listed {n['near_in_pixels']:,} are near in pixels, too (less than half as far "
                "apart as two images drawn)."
            )


def duplicates(
    run: Run,
    near: float = NEAR,
    most: int = PAIRS,
    progress: bool = False,
    images: Mapping[str, ImageSet | None] | None = None,
) -> Duplicates:
    """Samples of all parts of a run that have the same pixels, or features nearer than ``near``.

    Pixels are compared where the run finds its images: exactly, by digests. Features are compared by angle,
    every two of all parts but for those that repeat the pixels of another; all are counted, and the ``most``
    nearest of both kinds are in the table. ``near`` is a cosine distance; 0 asks for the same pixels alone.
    ``images`` are those of each part, where they were read already.

    Raises BadArgument for ``near`` outside [0, 2], or ``most`` below one.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = duplicates(make_run(f"{folder}/run", "digits", "digits"), near=1e-5)
    >>> found.counts["sets"], found.table.column("A")[:1]
    (0, [])
    """
    if not 0 <= near <= 2:
        raise BadArgument(f"near: a cosine distance from 0 to 2, got {near}")
    if most < 1:
        raise BadArgument(f"most: at least 1, got {most}")
    samples = _Samples(run, images_by_part(run) if images is None else images)
    alike = None if samples.images is None else samples.alike(samples.images)
    same = np.array([(some[0], i) for some in alike or () for i in some[1:]], np.int64).reshape(-1, 2)
    found = NearPairs(most)
    if near > 0:
        rows = samples.by_part(np.setdiff1d(np.arange(len(samples)), same[:, 1]))
        found = near_pairs(samples.features, samples.labels, rows, near, most, progress)
    first, second = (np.concatenate([same[:most, i], f]) for i, f in enumerate((found.first, found.second)))
    is_same = None if alike is None else np.arange(len(first)) < len(same[:most])
    counts = samples.of_sets(alike) | {
        "pairs": found.count,
        "pairs_across": found.across,
        "pairs_labels": found.other,
        "left_out": len(same) + found.count - len(first),
    }
    columns = samples.columns(first, second, is_same)
    apart = columns.get(APART, [])[len(same[:most]) :]
    counts["near_in_pixels"] = None if samples.usual is None else sum(a < samples.usual / 2 for a in apart)
    sets = tuple(tuple(map(samples.name, some)) for some in alike or ())
    return Duplicates(Table.of("duplicates", TITLE, columns, samples.note()), counts, near, sets)


class _Samples:
    """All samples of a run, counted through its parts."""

    def __init__(self, run: Run, images: Mapping[str, ImageSet | None]) -> None:
        self.run = run
        parts = [run.features(split) for split in run.splits]
        self.features = [part.features for part in parts]
        self.labels = [np.asarray(part.labels) if part.labelled else np.full(len(part), -1) for part in parts]
        self.starts = np.cumsum([0, *map(len, parts)])
        found = [part for part in images.values() if part is not None]
        whole = len(found) == len(parts) and len({part.shape for part in found}) == 1
        self.images: list[ImageSet] | None = found if whole else None

    def __len__(self) -> int:
        return int(self.starts[-1])

    def place(self, i: int) -> tuple[int, int]:
        """Of which part a sample is, and in which row of it."""
        part = int(np.searchsorted(self.starts, i, side="right")) - 1
        return part, int(i - self.starts[part])

    def name(self, i: int) -> str:
        """What other commands call a sample."""
        part, row = self.place(i)
        return f"{self.run.splits[part]}:{row}"

    def by_part(self, chosen: Ints) -> list[Ints]:
        """Rows of each part."""
        ends = np.searchsorted(chosen, self.starts)
        return [chosen[a:b] - start for a, b, start in zip(ends, ends[1:], self.starts, strict=False)]

    def alike(self, images: list[ImageSet]) -> list[list[int]]:
        """The sets of two samples or more that have the same pixels."""
        known: dict[bytes, list[int]] = {}
        for i, digest in enumerate(pixel_digests(images)):
            known.setdefault(digest, []).append(i)
        return [some for some in known.values() if len(some) > 1]

    def of_sets(self, alike: list[list[int]] | None) -> dict[str, int | None]:
        """How many sets have the same pixels, and how many of them are of several parts or labels."""
        if alike is None:
            return dict.fromkeys(("sets", "samples", "sets_across", "sets_labels"))
        places = [[self.place(i) for i in some] for some in alike]
        labels = [{int(self.labels[part][row]) for part, row in some} - {-1} for some in places]
        return {
            "sets": len(alike),
            "samples": sum(map(len, alike)),
            "sets_across": sum(len({part for part, _ in some}) > 1 for some in places),
            "sets_labels": sum(len(some) > 1 for some in labels),
        }

    def columns(self, first: Ints, second: Ints, same: Any) -> dict[Column, list[Any]]:
        """The table of some pairs, column by column; whether they have the ``same`` pixels, if known."""
        places = [[self.place(int(i)) for i in chosen] for chosen in (first, second)]
        columns: dict[Column, list[Any]] = {}
        for name, chosen in zip("AB", places, strict=True):
            columns[Column(name)] = [f"{self.run.splits[part]}:{row}" for part, row in chosen]
        for name, chosen in zip("AB", places, strict=True):
            columns[Column(f"label {name}")] = [self._label(part, row) for part, row in chosen]
        columns[Column("cosine distance")] = cosine_distances(self.features, first, second).tolist()
        columns[Column("same pixels")] = [None] * len(first) if same is None else same.tolist()
        if self.images is not None:
            columns[APART] = [self._pixels_apart(a, b) for a, b in zip(*places, strict=True)]
            for name, chosen in zip("AB", places, strict=True):
                if all(images.files is not None for images in self.images):
                    columns[Column(f"image {name}")] = [self._file(part, row) for part, row in chosen]
        return columns

    def _label(self, part: int, row: int) -> str:
        label = int(self.labels[part][row])
        return self.run.classes[label] if label >= 0 else ""

    def _file(self, part: int, row: int) -> str:
        files = self.images[part].files if self.images is not None else None
        return "" if files is None else str(files[row])

    def _pixels_apart(self, a: tuple[int, int], b: tuple[int, int]) -> float:
        """The Euclidean distance of two images in pixel space."""
        assert self.images is not None
        x, y = (self.images[part].pixels([row])[0].astype(np.float64) for part, row in (a, b))
        return float(np.linalg.norm(x - y))

    @cached_property
    def usual(self) -> float | None:
        """How far two images drawn are apart in pixels, the median; None where none are found."""
        if self.images is None or len(self) < 2:
            return None
        rng = np.random.default_rng(self.run.seed)
        drawn = [rng.choice(len(self), 2, replace=False) for _ in range(DRAWN)]
        return float(
            np.median([self._pixels_apart(self.place(int(i)), self.place(int(j))) for i, j in drawn])
        )

    def note(self) -> str:
        """How to read the table, with the distance in pixels that is ordinary."""
        if self.usual is None:
            return NOTE
        usual = shown(self.usual)
        return f"{NOTE} Two images drawn are {usual} apart in pixels (the median of {DRAWN:,} pairs)."
