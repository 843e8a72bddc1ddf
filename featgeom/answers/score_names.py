"""What the scores of a guard are called, and which views of a feature each is made of."""

from __future__ import annotations

PLAIN = ("margin", "energy")  # scores that take no hull
BESIDE: dict[str, tuple[str, ...]] = {  # what stands beside the hull distance, by score
    "hull": (),
    "combined": ("energy",),
    "joint": ("energy", "mahalanobis", "length"),
}
SCORES = ("hull", *PLAIN, "combined", "joint")
