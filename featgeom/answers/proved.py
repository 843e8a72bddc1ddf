"""Whether what claims state may be called proved."""

from __future__ import annotations

from featgeom.certificates.claim import Claim


def holds(*claims: Claim | None) -> bool:
    """Whether there are claims, each states something, and all of it is proved by its own check.

    >>> holds(), holds(None)
    (False, False)
    """
    return bool(claims) and all(
        claim is not None and len(claim) > 0 and set(claim.check().tally) == {"PROVED"} for claim in claims
    )
