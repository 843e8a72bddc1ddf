"""What claims about a network have that they tell themselves: layer by layer, as numbers, with the head."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from featgeom.arrays import Floats, Ints
from featgeom.certificates.claim import Claim
from featgeom.exact.fields import stored, whole
from featgeom.exact.layers import WIDTH, Layer, Misread, read_network


@dataclass(frozen=True, eq=False)
class OfNetwork(Claim):
    """A claim about the network that ``table``, ``numbers`` and ``index`` tell, with the head.

    It is a function of real numbers (`featgeom.exact.layers`) of images of so many ``pixels``.
    """

    unsaid: ClassVar[tuple[str, ...]] = ("table", "numbers", "index")

    weight: Floats = stored("c", "d")
    bias: Floats = stored("c")
    table: Ints = whole("l", WIDTH, low=-1)
    numbers: Floats = stored("k")
    index: Ints = whole("j", low=-1)

    @property
    @abstractmethod
    def pixels(self) -> int:
        """The values of an image."""

    @cached_property
    def layers(self) -> list[Layer]:
        """The network that is told, the head at its end. Raises Misread."""
        return read_network(self.table, self.numbers, self.index, self.pixels, self.weight, self.bias)

    def misread(self) -> str:
        """Why no network is told, or nothing."""
        try:
            return "" if self.layers else "the claim tells no network"
        except Misread as error:
            return f"the claim tells no network: {error}"
