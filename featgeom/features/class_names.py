"""Names of classes that mean the same, in whatever spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from featgeom.imagenet import imagenet

PLACEHOLDER = re.compile(r"(label|class)?[ _-]?(\d+)", re.IGNORECASE)


def plain(name: str) -> str:
    """Letters and digits alone, in lower case: what two spellings of a name have in common.

    >>> plain("T-shirt/top"), plain("t_shirt_top"), plain("Größe")
    ('tshirttop', 'tshirttop', 'größe')
    """
    letters = unicodedata.normalize("NFKC", name).lower()
    return "".join(letter for letter in letters if letter.isalnum()) or letters.strip()


def are_numbers(names: Sequence[str]) -> bool:
    """Whether the names are only the numbers of their places: 0, 1, 2 or LABEL_0, LABEL_1, LABEL_2."""
    found = [PLACEHOLDER.fullmatch(name) for name in names]
    return all(match and int(match[2]) == place for place, match in enumerate(found))


class Names:
    """The names of a network's classes, and which class a word means.

    A word means the class that has it as its whole name; else as one of the names between commas; else in
    another spelling. ``more`` are further names, one tuple a class.
    """

    def __init__(self, names: Sequence[str], more: Iterable[Iterable[str]] = ()) -> None:
        self.names = tuple(names)
        parts = [[part.strip() for part in name.split(",")] for name in names]
        for known, further in zip(parts, more):
            known += [word for name in further for word in (name, *(p.strip() for p in name.split(",")))]
        self.levels: list[dict[str, set[int]]] = [{}, {}, {}, {}]
        for place, (name, known) in enumerate(zip(names, parts, strict=True)):
            self.levels[0].setdefault(name, set()).add(place)
            self.levels[1].setdefault(plain(name), set()).add(place)
            for word in known:
                self.levels[2].setdefault(word, set()).add(place)
                self.levels[3].setdefault(plain(word), set()).add(place)

    def find(self, word: str) -> set[int]:
        """The classes that a word may mean: none, one, or several.

        >>> Names(["tench, Tinca tinca", "crane", "crane"]).find("Tinca_tinca")
        {0}
        """
        for level, key in zip(self.levels, (word, plain(word), word, plain(word)), strict=True):
            if key in level:
                return level[key]
        return set()


def imagenet_names() -> Names:
    """The names of ImageNet's classes: WordNet ids, short names, all names.

    >>> imagenet_names().find("n01443537"), imagenet_names().find("Great White Shark")
    ({1}, {2})
    """
    synsets = imagenet()
    return Names([s.name for s in synsets], ((s.wordnet, s.names) for s in synsets))


def names_of(classes: Sequence[str]) -> Names:
    """The names of a network's classes; those of ImageNet bring their WordNet ids and other names."""
    if len(classes) == len(imagenet()):
        known = imagenet_names()
        same = sum(place in known.find(name) for place, name in enumerate(classes))
        if same > 0.9 * len(classes):
            return Names(classes, ((s.wordnet, s.name, s.names) for s in imagenet()))
    return Names(classes)
