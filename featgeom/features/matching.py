"""Which class of the network each class of the images is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featgeom.arrays import Ints
from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument, BadData, nearest_name
from featgeom.features.class_map import ClassMap, Given, read_class_map
from featgeom.features.class_names import PLACEHOLDER, Names, are_numbers, imagenet_names, names_of
from featgeom.models.classifier import Classifier
from featgeom.remarks import caution, remark

LEFT_OUT = -1
SAMPLE = 256  # images that are looked at where two orders of the classes are possible
SHOWN = 40  # lines of a table of classes
REMEDY = "--class-map FILE says which is which"


@dataclass(frozen=True)
class Option:
    """One way to number the classes of the images: in words, and the network's class of each."""

    how: str
    places: Ints


@dataclass(frozen=True)
class Matching:
    """The classes of a network, those of the images (``words``), and which is which.

    ``places`` holds the network's class of each word, or -1 where its images are left out.
    """

    classes: tuple[str, ...]
    words: tuple[str, ...]
    places: Ints
    how: str

    def apply(self, images: ImageSet) -> ImageSet:
        """Images with the network's classes and numbers, without those that are left out."""
        if not images.labelled:
            return replace(images, classes=self.classes, by_name=False)
        if images.classes != self.words:
            raise BadData(f"{images.name} {images.split}: has other classes than were matched")
        labels = self.places[images.labels]
        kept = labels != LEFT_OUT
        if not kept.any():
            raise BadData(f"{images.name} {images.split}: no image of a class of the network")
        chosen = images if kept.all() else images.rows(kept)
        return replace(chosen, labels=labels[kept], classes=self.classes, by_name=False)

    def table(self, images: ImageSet) -> str:
        """One line a class of the images: number and name in the network, name in the images, how many."""
        counts = np.bincount(images.labels[images.labels >= 0], minlength=len(self.words))
        names = ["left out" if p == LEFT_OUT else f"{p:>4} {self.classes[p]}" for p in self.places]
        rows = [f"  {n} ← {w} ({c:,})" for n, w, c in zip(names, self.words, counts, strict=True)]
        more = [f"  ... and {len(rows) - SHOWN:,} more"] if len(rows) > SHOWN else []
        head = f"classes of the network ← of {images.name} (images), matched {self.how}:"
        return "\n".join([head, *rows[:SHOWN], *more])

    def to_json(self) -> list[list[str | int | None]]:
        """Pairs of a word and the network's class, None where it is left out."""
        return [[w, None if p == LEFT_OUT else int(p)] for w, p in zip(self.words, self.places, strict=True)]


def matching_from(record: dict[str, Any], classes: tuple[str, ...]) -> Matching:
    """What `Matching.to_json` and ``how`` were stored as, for a network of these classes."""
    places = [LEFT_OUT if place is None else int(place) for _, place in record["mapping"]]
    words = tuple(word for word, _ in record["mapping"])
    return Matching(classes, words, np.array(places, np.int64), record["matched"])


def match_classes(clf: Classifier, images: ImageSet, given: Given | None = None) -> Matching:
    """Find the network's class of every class of the images, and say how it was found.

    A map that is ``given`` counts alone (see `read_class_map`). Else names that both sides have count, in any
    spelling or order, and among ImageNet's classes WordNet ids and all names; else numbers, where the source
    has its own. Folders are counted by the order of their names as text, as torchvision does, or, where
    these are numbers, by the numbers: where both are possible, the predictions for a sample of the images
    decide, and both outcomes are said.

    Raises BadData where the classes cannot be told, BadArgument for a map that does not fit.
    """
    count = clf.head.classes
    known = None if given is None else read_class_map(given)
    own = None if are_numbers(clf.classes) else clf.classes
    if known and known.names is not None:
        own = _fitting(known, count)
    if not images.labelled:
        return Matching(own or clf.classes, (), np.zeros(0, np.int64), "without labels")
    if known and known.targets is not None:
        chosen = Option("by the map given", _mapped(known, own, images.classes, count))
    else:
        chosen = _decided(_options(clf, own, images), clf, images)
    matching = Matching(_unique(_names(chosen, own, images.classes, count)), images.classes, *_pair(chosen))
    _say(matching, images)
    return matching


def _pair(option: Option) -> tuple[Ints, str]:
    return option.places, option.how


def _fitting(known: ClassMap, count: int) -> tuple[str, ...]:
    assert known.names is not None  # the caller asked
    if len(known.names) != count:
        raise BadArgument(
            f"--class-map {known.where}: names {len(known.names)} classes, the network has {count}"
        )
    return known.names


def _mapped(known: ClassMap, own: tuple[str, ...] | None, words: Sequence[str], count: int) -> Ints:
    """The places that a map gives; what it does not name is left out."""
    assert known.targets is not None  # the caller asked
    unknown = [word for word in known.targets if word not in words]
    if len(unknown) == len(known.targets):
        raise BadArgument(f"--class-map {known.where}: the images have no class '{unknown[0]}'"
                          f"{nearest_name(unknown[0], list(words))}")  # fmt: skip
    names = names_of(own) if own else imagenet_names() if count == 1000 else Names([])
    places = np.full(len(words), LEFT_OUT, np.int64)
    for row, word in enumerate(words):
        target = known.targets.get(word)
        found = {target} if isinstance(target, int) else set() if target is None else names.find(target)
        if target is not None and (len(found) != 1 or not 0 <= min(found) < count):
            several = f", it may be {sorted(found)}" if len(found) > 1 else ""
            raise BadArgument(f"--class-map {known.where}: the network has no class '{target}'{several}")
        places[row] = min(found) if found else LEFT_OUT
    return places


def _options(clf: Classifier, own: tuple[str, ...] | None, images: ImageSet) -> list[Option]:
    """All ways to number the classes that make sense, the likeliest first."""
    words, count = images.classes, clf.head.classes
    if own == words:
        return [Option("by name", np.arange(count))]
    numbers = all(PLACEHOLDER.fullmatch(word) for word in words)
    options: list[Option] = []
    if own is not None:
        found = _by_name(names_of(own), images)
        places = np.arange(len(words))
        counted = len(words) == count and not images.by_name
        if counted and ((found == LEFT_OUT) | (found == places)).all():
            return [Option("by number", places)]
        if 2 * (found != LEFT_OUT).sum() >= len(words):
            return [Option("by name", found)]
        if not numbers:
            raise BadData(_strangers(clf, images, found))
    elif count == 1000 and not numbers:
        found = _by_name(imagenet_names(), images)
        options += [Option("by ImageNet's names", found)] if (found != LEFT_OUT).all() else []
    options += _by_folder(words, count, own is None) if images.by_name else _by_number(clf, images)
    if not options:
        raise BadData(
            f"{images.name} has {len(words)} classes ({_some(words)}), {clf.name} has {count}"
            f"{'' if own else ' without names'}; {REMEDY}"
        )
    return options


def _by_name(names: Names, images: ImageSet) -> Ints:
    """The class that each word means; LEFT_OUT where it means none."""
    places = np.full(len(images.classes), LEFT_OUT, np.int64)
    for row, word in enumerate(images.classes):
        found = names.find(word)
        if row in found and not images.by_name:
            found = {row}
        if len(found) > 1:
            raise BadData(f"{images.name}: '{word}' may be any of the classes {sorted(found)}; {REMEDY}")
        places[row] = min(found, default=LEFT_OUT)
    return places


def _by_number(clf: Classifier, images: ImageSet) -> list[Option]:
    """The numbers of a source that has its own."""
    words, count = images.classes, clf.head.classes
    if len(words) != count and not are_numbers(words):
        return []
    if images.labels.max() >= count:
        raise BadData(
            f"labels of {images.name} reach {images.labels.max()}, out of range for the {count} classes "
            f"of {clf.name}"
        )
    places = np.arange(len(words))
    return [Option("by number", np.where(places < count, places, LEFT_OUT))]


def _by_folder(words: tuple[str, ...], count: int, as_text_first: bool) -> list[Option]:
    """The orders in which folders may have been counted."""
    options = []
    if len(words) == count:
        options.append(Option("in the order of their names as text, as torchvision counts folders",
                              np.arange(count)))  # fmt: skip
    parts = [re.fullmatch(r"(\D*)(\d+)(\D*)", word) for word in words]
    if all(parts) and len({(p[1], p[3]) for p in parts if p}) == 1:
        numbers = np.array([int(p[2]) for p in parts if p])
        if numbers.max() < count:
            options.append(Option("by their numbers", numbers))
        if numbers.min() >= 1 and numbers.max() <= count:
            options.append(Option("by their numbers, counted from 1", numbers - 1))
        if len(words) == count and len(set(numbers.tolist())) == count:
            options.append(Option("in the order of their numbers", np.argsort(np.argsort(numbers))))
    different = {tuple(o.places.tolist()): o for o in reversed(options)}
    kept = [o for o in options if different[tuple(o.places.tolist())] is o]
    return kept if as_text_first else kept[1:] + kept[:1] if len(kept) > 1 else kept


def _decided(options: list[Option], clf: Classifier, images: ImageSet) -> Option:
    """The one that the network's predictions for a sample of the images agree with best."""
    if len(options) == 1:
        return options[0]
    order = np.argsort(images.labels, kind="stable")
    rows = np.unique(order[np.linspace(0, len(order) - 1, min(SAMPLE, len(order))).astype(int)])
    predicted = clf.logits(images.images[rows]).argmax(axis=1)
    agree = [float((o.places[images.labels[rows]] == predicted).mean()) for o in options]
    best = int(np.argmax(agree))
    others = "; ".join(
        f"{o.how} it would be {a:.0%}" for o, a in zip(options, agree) if o is not options[best]
    )
    caution(
        f"classes of {images.name}, taken {options[best].how}: {agree[best]:.0%} of {len(rows)} images agree "
        f"with the network; {others}; --class-map FILE decides otherwise"
    )
    return options[best]


def _names(chosen: Option, own: tuple[str, ...] | None, words: Sequence[str], count: int) -> tuple[str, ...]:
    """The network's own names, or those that the images give its classes; numbers for the rest."""
    if own is not None:
        return own
    if chosen.how == "by ImageNet's names":
        return imagenet_names().names
    names = [str(place) for place in range(count)]
    for word, place in zip(words, chosen.places):
        if place != LEFT_OUT:
            names[place] = word
    return tuple(names) if len(set(names)) == count else tuple(map(str, range(count)))


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same names, those of several classes with their numbers."""
    return tuple(n if names.count(n) == 1 else f"{n} ({i})" for i, n in enumerate(names))


def _say(matching: Matching, images: ImageSet) -> None:
    same = (p != LEFT_OUT and matching.classes[p] == w for p, w in zip(matching.places, matching.words))
    if not all(same) or matching.how not in ("by name", "by number"):
        remark(matching.table(images))
    dropped = [w for w, p in zip(matching.words, matching.places, strict=True) if p == LEFT_OUT]
    lost = int((matching.places[images.labels] == LEFT_OUT).sum())
    if lost:
        caution(f"{images.name}: {lost:,} images of {_some(dropped)} are left out, no class of the network")


def _strangers(clf: Classifier, images: ImageSet, found: Ints) -> str:
    unknown = [word for word, place in zip(images.classes, found, strict=True) if place == LEFT_OUT]
    there, here = f"{images.name} ({_some(unknown)})", f"{clf.name} ({_some(clf.classes)})"
    return (
        f"{len(unknown)} of the {len(images.classes)} classes of {there} are none of the {clf.head.classes} "
        f"of {here}; {REMEDY}"
    )


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:3]) + (", ..." if len(words) > 3 else "")
