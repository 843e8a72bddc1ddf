"""What claims are about, in the run's own words, found again from its stored features, labels and head.

The words, of which docs/certificates.md tells the grammar, are these:

    head
    space, orthant, box of POINTS, hull of POINTS             domains
    POINTS is  train/features                                 all samples of a part,
               train/features of class 3                      those labelled so,
               train/features of classes 3, 5
               train/features of class 3 predicted 3          and those that the head gives that class,
               train/features predicted as labelled           or their own;
               train/features rows 7,2,2                      some samples by number,
               train/means rows 0,3                           means of those "of class 0 predicted 0", ...
               record/NAME, record/NAME rows 0,1              rows of an array of the study's own record

The head predicts the class of largest logit in exact arithmetic, of several the one with the lowest number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, Self, TypeVar
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints, blocks, read_rows
from featgeom.certificates.claim import Claim
from featgeom.errors import BadData
from featgeom.exact.heads import exact_classes
from featgeom.exact.numbers import column_sums
from featgeom.features.features import FeatureSet
from featgeom.limits import memory_budget
from featgeom.remarks import caution
from featgeom.runs.spool import Spool, is_too_large

POINTS = re.compile(
    r"(?P<split>[^/ ]+)/(?P<name>[^/ ]+)"
    r"(?: of class(?:es)? (?P<classes>\d+(?:, \d+)*))?"
    r"(?: predicted (?P<predicted>\d+|as labelled))?"
    r"(?: rows (?P<rows>\d+(?:,\d+)*))?"
)
BOX, HULL = "box of ", "hull of "
Made = TypeVar("Made")
AT_ONCE = 1 << 29  # bytes of features that are looked at before their pages are given back
WHO = 6  # so many numbers of rows are told in print


def rows_of(base: str, rows: Any) -> str:
    """The words for some rows of an array.

    >>> rows_of("test/features", np.array([3, 1]))
    'test/features rows 3,1'
    """
    return f"{base} rows {','.join(str(int(row)) for row in rows)}"


def of_class(split: str, c: int, right: bool = False) -> str:
    """The words for the features of a class, all or those that the head gives that class.

    >>> of_class("train", 3, True)
    'train/features of class 3 predicted 3'
    """
    return f"{split}/features of class {c}" + (f" predicted {c}" if right else "")


class Subjects:
    """The features of a run by the names of its parts, and the arrays of the record that claims belong to.

    Raises BadData where the parts have different heads.

    >>> from featgeom import AffineHead
    >>> part = FeatureSet.of(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), [0, 1, 1], AffineHead(np.eye(2)))
    >>> known = Subjects({"all": part})
    >>> known.points("all/features of class 1 predicted 0"), known.said("all/features of class 1")
    (array([[3., 1.]]), 'all/features of class 1 (2)')
    """

    def __init__(self, parts: Mapping[str, FeatureSet], arrays: Mapping[str, Any] | None = None) -> None:
        self.parts, self.arrays = dict(parts), dict(arrays or {})
        self.head = next(iter(self.parts.values())).head
        for split, part in self.parts.items():
            same = np.array_equal(part.head.weight, self.head.weight)
            if not same or not np.array_equal(part.head.bias, self.head.bias):
                raise BadData(f"the features of '{split}' have another head than the others")
        self._classes: dict[str, Ints] = {}
        self._means: dict[str, Float64] = {}
        self._rows: dict[str, Ints | None] = {}
        self._made: dict[Hashable, Any] = {}
        self._shared: WeakValueDictionary[str, NDArray[Any]] = WeakValueDictionary()

    def beside(self, arrays: Mapping[str, Any]) -> Self:
        """The same features, with the arrays of a record."""
        other = type(self)(self.parts, arrays)
        other._classes, other._means, other._rows = self._classes, self._means, self._rows
        other._made, other._shared = self._made, self._shared
        return other

    def once(self, what: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` makes of the features and the head alone, made once: it is kept under ``what``."""
        if what not in self._made:
            self._made[what] = make()
        made: Made = self._made[what]
        return made

    def know(self, rows: Mapping[str, Ints], predicted: Mapping[str, Ints] | None = None) -> None:
        """Take from who knows which rows some words name, and the ``predicted`` classes of some parts."""
        self._rows |= rows
        self._classes |= predicted or {}

    def predicted(self, split: str) -> Ints:
        """The class that the head gives each sample, exactly, (n,)."""
        if split not in self._classes:
            part = self._part(split)
            each = blocks(part.features, min(AT_ONCE, memory_budget() // 4))
            found = [self.classified(block) for block in each]
            self._classes[split] = np.concatenate(found) if found else np.zeros(0, np.int64)
        return self._classes[split]

    def classified(self, points: Floats) -> Ints:
        """The class that the head gives each of some points (n, d), exactly, (n,)."""
        return exact_classes(points, self.head.weight, self.head.bias)

    def means(self, split: str) -> Float64:
        """The mean of the samples of each class that are predicted so, rounded once, (C, d); NaN of none."""
        if split not in self._means:
            found = np.full(self.head.weight.shape, np.nan)
            for c in range(len(found)):
                points = self.points(f"{split}/features of class {c} predicted {c}")
                if len(points):
                    found[c] = exact_mean(points)
            self._means[split] = found
        return self._means[split]

    def rows(self, words: str) -> Ints | None:
        """Which rows of their array the words name; None for all. Raises BadData where they name none."""
        found = self._parsed(words)
        if found["rows"] is not None:
            rows = np.array([int(row) for row in found["rows"].split(",")], dtype=np.int64)
            if rows.max() >= len(self._whole(words)):
                raise BadData(f"'{_short(words)}': there are no such rows")
            return rows
        if found["classes"] is None and found["predicted"] is None:
            return None
        if words not in self._rows:
            split, said = found["split"], found["predicted"]
            labels = np.asarray(self._part(split).labels)
            rows = np.arange(len(labels))
            if found["classes"] is not None:
                asked = sorted({int(c) for c in found["classes"].split(",")})
                rows = np.sort(np.concatenate([self._labelled(split, c) for c in asked]))
            if said is not None:
                mine = labels[rows] if said == "as labelled" else int(said)
                rows = rows[self.predicted(split)[rows] == mine]
            self._rows[words] = rows
        return self._rows[words]

    def _labelled(self, split: str, c: int) -> Ints:
        """The rows of one class, in their order; all labels are sorted once."""

        def by_class() -> tuple[Ints, Ints]:
            labels = np.asarray(self._part(split).labels)
            order = np.argsort(labels, kind="stable")
            return order, labels[order]

        order, labels = self.once(("rows by class", split), by_class)
        first, last = np.searchsorted(labels, [c, c + 1])
        return np.asarray(order[first:last])

    def points(self, words: str) -> NDArray[Any]:
        """The rows that the words name, (n, d). Raises BadData for words that name nothing here."""
        if ("kept", words) in self._made:
            return self.kept(words)
        whole, rows = self._whole(words), self.rows(words)
        points = whole if rows is None else read_rows(whole, rows)
        return points if points.ndim == 2 else points.reshape(len(points), -1)

    def kept(self, words: str) -> NDArray[Any]:
        """`points`, for who keeps them: in a file that lasts as long, where memory should not hold them.

        That is so where the array is on disk, and twice its size is more than the memory that may be held.
        Otherwise all who keep the same share one copy, gone with the last of them.
        """
        if ("kept", words) not in self._made:
            whole, rows = self._whole(words), self.rows(words)
            if rows is None or " rows" in words or words.startswith("record/"):
                return self.points(words)
            if not is_too_large(whole):
                shared = self._shared.get(words)
                if shared is None:
                    shared = self._shared[words] = self.points(words)
                return shared
            try:
                spool: Spool = self.once(("spool", self._parsed(words)["split"]), lambda: Spool(whole))
                self._made["kept", words] = spool.rows(rows)
            except OSError as error:
                caution(f"no room beside the features for a copy of them ({error}): memory holds '{words}'")
                return self.points(words)
        found: NDArray[Any] = self._made["kept", words]
        return found

    def labels(self, words: str) -> Ints:
        """The labels of features, numbered anew from 0 in rising order, as machines have them, (n,)."""
        found = self._parsed(words)
        if found["name"] != "features":
            raise BadData(f"'{_short(words)}' has no labels")
        labels, rows = np.asarray(self._part(found["split"]).labels), self.rows(words)
        return np.unique(labels if rows is None else labels[rows], return_inverse=True)[1]

    def box(self, words: str) -> tuple[Float64, Float64]:
        """The bounds (d,) of a domain. Raises BadData for words that name none."""
        d = self.head.weight.shape[1]
        if words == "space":
            return np.full(d, -np.inf), np.full(d, np.inf)
        if words == "orthant":
            return np.zeros(d), np.full(d, np.inf)
        if not words.startswith(BOX):
            raise BadData(f"'{_short(words)}' is no domain")
        of = words.removeprefix(BOX)
        return self._ends(of) if of.startswith("record/") else self.once(words, lambda: self._ends(of))

    def _ends(self, words: str) -> tuple[Float64, Float64]:
        """The least and the greatest of every coordinate of the points that the words name."""
        ends = [(b.min(axis=0), b.max(axis=0)) for b in blocks(self.points(words))]
        low, high = np.min([e[0] for e in ends], axis=0), np.max([e[1] for e in ends], axis=0)
        return low.astype(np.float64), high.astype(np.float64)

    @cached_property
    def domain(self) -> str:
        """The domain of features: the orthant where none of the run is negative, else all of space."""
        some = [f"{BOX}{split}/features" for split, part in self.parts.items() if len(part.features)]
        least = min(float(self.box(words)[0].min()) for words in some)
        return "orthant" if least >= 0 else "space"

    def fields(self, kind: type[Claim], about: Mapping[str, str], without: str = "") -> dict[str, Any]:
        """The fields of a kind of claim that its subjects fill, named by ``about``. Raises BadData.

        Of a subject ``without`` which the claim is held there are no points, though its words name some.
        """
        if set(about) != set(kind.subjects):
            raise BadData(f"says what it is about as {', '.join(about)}; not {', '.join(kind.subjects)}")
        found: dict[str, Any] = {}
        for subject, names in kind.subjects.items():
            if subject == without:
                self.rows(about[subject])  # which raises where the words name nothing
                found |= dict.fromkeys(names, np.zeros((0, self.head.weight.shape[1])))
            else:
                found |= self._fields(names, about[subject])
        return found

    def _fields(self, names: tuple[str, ...], words: str) -> dict[str, Any]:
        if set(names) <= {"weight", "bias"}:
            if words != "head":
                raise BadData(f"'{_short(words)}' is no head")
            values: dict[str, Any] = {"weight": self.head.weight, "bias": self.head.bias}
        elif "lo" in names:
            hull = words.startswith(HULL)
            if hull and "vertices" not in names:
                raise BadData(f"'{_short(words)}' is a hull, and this kind of claim is about boxes")
            lo, hi = self.box("space" if hull else words)
            vertices = self.kept(words.removeprefix(HULL)) if hull else np.zeros((0, len(lo)))
            values = {"lo": lo, "hi": hi, "vertices": vertices}
        elif "y" in names:
            values = {"x": self.kept(words), "y": self.labels(words)}
        else:
            values = {name: self.kept(words) for name in names}
        return {name: values[name] for name in names}

    def said(self, words: str) -> str:
        """The words as they are printed: with the number of samples, and without a long list of rows."""
        if words in ("head", "space", "orthant"):
            return words
        for first in (BOX, HULL):
            if words.startswith(first):
                return first + self.said(words.removeprefix(first))
        rows, whole = self.rows(words), self._whole(words)
        if rows is None:
            return f"{words} ({len(whole):,})"
        if " rows" in words:
            base = words.partition(" rows")[0]
            return f"{words}" if len(rows) <= WHO else f"{len(rows):,} rows of {base}"
        return f"{words} ({len(rows):,})"

    def _parsed(self, words: str) -> dict[str, Any]:
        found = POINTS.fullmatch(words)
        plain = found and found["classes"] is None and found["predicted"] is None
        if not found or (not plain and (found["name"] != "features" or found["rows"])):
            raise BadData(f"'{_short(words)}' names nothing in a run")
        return found.groupdict()

    def _part(self, split: str) -> FeatureSet:
        if split not in self.parts:
            raise BadData(f"there is no part '{split}' to check against")
        return self.parts[split]

    def _whole(self, words: str) -> NDArray[Any]:
        found = self._parsed(words)
        split, name = found["split"], found["name"]
        if split == "record":
            if name not in self.arrays:
                raise BadData(f"the record has no array '{name}'")
            return np.asarray(self.arrays[name])
        if name == "features":
            return self._part(split).features
        if name == "means":
            return self.means(split)
        raise BadData(f"'{_short(words)}' names nothing in a run")


def exact_mean(points: Floats) -> Float64:
    """The mean (d,) of points (n, d), rounded once, to the nearest float64.

    >>> from fractions import Fraction
    >>> exact_mean(np.array([[0.1], [0.2], [0.3]])).item() == float(sum(map(Fraction, (0.1, 0.2, 0.3))) / 3)
    True
    """
    return np.array([float(total / len(points)) for total in column_sums(points)])


def _short(words: str) -> str:
    return words if len(words) < 80 else words[:77] + "..."
