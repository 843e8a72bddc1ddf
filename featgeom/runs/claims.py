"""Claims on disk: what they are about in words, evidence beside a JSON document (docs/certificates.md)."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import KINDS, Claim
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.certificates.hulls import HullMembership
from featgeom.data.npz import packed, read_arrays
from featgeom.errors import BadArgument, BadData, FeatgeomError
from featgeom.files import read_json, write_whole
from featgeom.limits import memory_budget
from featgeom.runs.evidence import Arrays, restored, stored
from featgeom.runs.subjects import Subjects

FORMAT = 2
OF_A_HULL, BARE = GuaranteedHull | BrokenHull | HullMembership, "points"
MOST_HELD = 1 << 30  # bytes of points of hulls, beyond which claims about them go without


@dataclass(frozen=True)
class StoredClaim:
    """A claim as it was read or, where the record is damaged or altered, what is wrong with it.

    ``about`` are the words by which it names its subjects.
    """

    name: str
    kind: str
    claim: Claim | None
    problem: str
    about: Mapping[str, str] = field(default_factory=dict)


def save_claims(folder: Path | str, name: str, claims: Mapping[str, Claim], subjects: Subjects) -> Path:
    """Write claims to ``folder``/``name``.json and .npz, each whole or not at all.

    What they are about is not stored: each names it in words (see `Claim.named`), by which it is found again.

    Raises BadArgument for a claim that is about something else than its words say, and for a field that is
    neither array, sparse array, number nor string.

    >>> import tempfile
    >>> from featgeom import AffineHead
    >>> from featgeom.certificates.guarantees import BrokenHull
    >>> from featgeom.features.features import FeatureSet
    >>> part = FeatureSet.of(np.array([[2.0], [-1.0]]), [0, 1], AffineHead([[1.0], [0.0]]))
    >>> known = Subjects({"all": part})
    >>> head = part.head.weight, part.head.bias
    >>> claim = BrokenHull(part.features[1:], *head, 0, np.array([0]), np.array([1]))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     said = {"broken": claim.named(points="all/features of class 1")}
    ...     stored = load_claims(save_claims(place, "test", said, known), known)
    >>> print(stored[0].claim.statement(0))
    number 0 of all/features of class 1 (1) does not lie strictly inside the cell of class 0: class 1 has as \
large a logit
    """
    files = claim_files(name, claims, subjects)
    for file, content in files.items():
        write_whole(Path(folder) / file, content)
    return Path(folder) / f"{name}.json"


def claim_files(
    name: str, claims: Mapping[str, Claim], subjects: Subjects, folder: Path | None = None
) -> dict[str, bytes | memoryview]:
    """The files that `save_claims` writes, by name, that which is read first last.

    What memory should not hold of them is put into a file without a name in ``folder``.
    """
    arrays = Arrays()
    entries = []
    for label, claim in claims.items():
        about = about_of(claim)
        _agree(label, claim, about, subjects)
        fields = {name: stored(value, arrays) for name, value in claim.evidence.items()}
        entry = {"name": label, "kind": claim.kind, "count": len(claim), "about": about, "fields": fields}
        entries.append(entry | {"sha256": _digest_of(entry)})
    return {
        f"{name}.npz": packed(arrays, folder),
        f"{name}.json": _document(entries),
    }


def _document(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """The document of claims, one a line: of thousands that is written much faster than indented."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries)
    return f'{{"format": {FORMAT}, "claims": [\n{lines}\n]}}\n'.encode()


def about_of(claim: Claim) -> dict[str, str]:
    """The words for each subject of a claim; there is one head only, which needs none."""
    return {subject: claim.words.get(subject, subject) for subject in claim.subjects}


def _agree(label: str, claim: Claim, about: Mapping[str, str], subjects: Subjects) -> None:
    """Raise BadArgument unless a claim is about what its words say."""
    try:
        named = subjects.fields(type(claim), about, without=BARE if is_bare(claim) else "")
    except BadData as error:
        raise BadArgument(f"claim '{label}': {error}") from None
    for name, value in named.items():
        if not _same(value, getattr(claim, name)):
            raise BadArgument(f"claim '{label}': its {name} is not what its words say ({about})")


def _same(named: NDArray[Any], given: Any) -> bool:
    if named is given:
        return True  # of what is on disk, nothing is read
    value = np.asarray(given)
    return named.shape == value.shape and np.array_equal(named, value)


def bare(claim: Claim) -> Claim:
    """A claim about a hull in a cell, or who lies in it, without the points of that hull.

    Its words find them again in the run. It tells and stores what the claim says, and proves nothing. So are
    held claims about more points than memory should hold twice, as `should_be_bare` says. Other kinds come
    back as they are.
    """
    if not isinstance(claim, OF_A_HULL):
        return claim
    return replace(claim, points=claim.points[:0].copy())  # a view would hold them all


def should_be_bare(features: NDArray[Any]) -> bool:
    """Whether claims about the hulls of all classes of these features are better held `bare`."""
    return 2 * features.nbytes > min(MOST_HELD, memory_budget())


def is_bare(claim: Claim) -> bool:
    """Whether a claim is `bare`."""
    return isinstance(claim, OF_A_HULL) and len(claim.points) == 0


def load_claims(path: Path | str, subjects: Subjects) -> list[StoredClaim]:
    """`read_claims`, all at once."""
    return list(read_claims(path, subjects))


class StoredClaims(Sequence[StoredClaim]):
    """The claims of one document, each made when it is asked for."""

    def __init__(
        self, entries: Sequence[Any], arrays: Mapping[str, NDArray[Any]], subjects: Subjects
    ) -> None:
        self._entries, self._arrays, self._subjects = entries, arrays, subjects

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, chosen: int) -> StoredClaim: ...
    @overload
    def __getitem__(self, chosen: slice) -> StoredClaims: ...
    def __getitem__(self, chosen: int | slice) -> StoredClaim | StoredClaims:
        """One claim, or some of them, which are not made yet."""
        if isinstance(chosen, slice):
            return StoredClaims(self._entries[chosen], self._arrays, self._subjects)
        return _loaded(self._entries[chosen], self._arrays, self._subjects)


def read_claims(path: Path | str, subjects: Subjects) -> StoredClaims:
    """Read the claims of one document; a damaged or altered one is told as such, and raises nothing.

    Raises BadData where the document itself cannot be read or has another format.
    """
    path = Path(path)
    document = read_json(path)
    if document.get("format") != FORMAT or not isinstance(document.get("claims"), list):
        raise BadData(f"{path}: not a list of claims in format {FORMAT}")
    try:
        arrays = read_arrays(path.with_suffix(".npz"), folder=path.parent)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadData(f"{path.with_suffix('.npz')}: damaged ({error})") from None
    return StoredClaims(document["claims"], arrays, subjects)


def _loaded(entry: Any, arrays: Mapping[str, NDArray[Any]], subjects: Subjects) -> StoredClaim:
    name, kind = (str(entry.get(key, "")) if isinstance(entry, dict) else "" for key in ("name", "kind"))
    try:
        if not isinstance(entry, dict) or entry.get("sha256") != _digest_of(entry):
            raise BadData("the record was altered after it was written")
        import_claims()
        if kind not in KINDS:
            raise BadData(f"no claims of kind '{kind}' are known")
        about = {str(subject): str(words) for subject, words in entry["about"].items()}
        values = {field: restored(text, arrays) for field, text in entry["fields"].items()}
        if twice := set(values) & {field for names in KINDS[kind].subjects.values() for field in names}:
            raise BadData(f"stores {', '.join(sorted(twice))}, which it may only name")
        named = subjects.fields(KINDS[kind], about)
        words = {subject: subjects.said(text) for subject, text in about.items()}
        claim = KINDS[kind](**values, **named, words=words)
        if len(claim) != entry["count"]:
            raise BadData(f"holds {len(claim):,} statements, not {entry['count']}")
        return StoredClaim(name, kind, claim, "", about)
    except (FeatgeomError, TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        return StoredClaim(name, kind, None, str(error) or type(error).__name__)


def _digest_of(entry: dict[str, Any]) -> str:
    plain = {key: value for key, value in entry.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@cache
def import_claims() -> None:
    """Make every kind of claim known."""
    import importlib
    import pkgutil

    import featgeom.certificates as rooms

    for module in pkgutil.iter_modules(rooms.__path__):
        importlib.import_module(f"{rooms.__name__}.{module.name}")
