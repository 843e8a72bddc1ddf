"""The 1,000 classes of ImageNet: their order, WordNet ids and names."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parent / "imagenet.tsv"


class Synset(NamedTuple):
    """One class: its WordNet id, a short name that no other class has, and all its names, with commas."""

    wordnet: str
    name: str
    names: str


@cache
def imagenet() -> tuple[Synset, ...]:
    """The classes in the order in which networks number them.

    >>> len(imagenet()), imagenet()[134]
    (1000, Synset(wordnet='n02012849', name='crane bird', names='crane'))
    """
    lines = TABLE.read_text("utf-8").splitlines()
    return tuple(Synset(*line.split("\t")) for line in lines if not line.startswith("#"))
