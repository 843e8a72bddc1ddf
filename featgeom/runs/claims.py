"""Claims on disk: evidence beside a JSON document, subjects by reference (docs/certificates.md)."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.claim import KINDS, Claim
from featgeom.errors import BadArgument, BadData, FeatgeomError
from featgeom.exact.fields import specs
from featgeom.files import read_json, write_json, write_whole
from featgeom.runs.sources import Sources

FORMAT = 1

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StoredClaim:
    """A claim as it was read or, where the record is damaged or altered, what is wrong with it."""

    name: str
    kind: str
    claim: Claim | None
    problem: str


def save_claims(
    folder: Path | str, name: str, claims: Mapping[str, Claim], sources: Mapping[str, NDArray[Any]]
) -> Path:
    """Write claims to ``folder``/``name``.json and .npz, each whole or not at all.

    What the claims are about is not copied where it is found in ``sources`` (an array by name, such as
    "train/features" or "head/weight"): whole, or as some of its rows in any order.

    Raises BadArgument for a field that is neither array, sparse array, number nor string.

    >>> import tempfile
    >>> from featgeom.certificates.guarantees import BrokenHull
    >>> z, w, b = np.array([[2.0], [-1.0]]), np.array([[1.0], [0.0]]), np.zeros(2)
    >>> claim = BrokenHull(z[1:], w, b, 0, np.array([0]), np.array([1]))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     _ = save_claims(place, "test", {"broken": claim}, {"features": z, "weight": w, "bias": b})
    ...     stored = load_claims(f"{place}/test.json", {"features": z, "weight": w, "bias": b})
    >>> stored[0].name, stored[0].claim.check().tally
    ('broken', {'PROVED': 1})
    """
    known = Sources(sources)
    arrays: Arrays = {}
    entries = []
    for label, claim in claims.items():
        subjects = {field for names in claim.subjects.values() for field in names}
        described = {
            name: _described(getattr(claim, name), name in subjects, known, arrays)
            for name, _ in specs(claim)
        }
        entries.append({"name": label, "kind": claim.kind, "count": len(claim), "fields": described})
    for entry in entries:
        entry["sha256"] = _digest_of(entry)
    path = Path(folder) / f"{name}.json"
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    write_whole(path.with_suffix(".npz"), packed.getbuffer())
    write_json(path, {"format": FORMAT, "claims": entries})
    return path


def load_claims(path: Path | str, sources: Mapping[str, NDArray[Any]]) -> list[StoredClaim]:
    """Read the claims of one document; a damaged or altered one is told as such, and raises nothing.

    Raises BadData where the document itself cannot be read or has another format.
    """
    path = Path(path)
    document = read_json(path)
    if document.get("format") != FORMAT or not isinstance(document.get("claims"), list):
        raise BadData(f"{path}: not a list of claims in format {FORMAT}")
    known = Sources(sources)
    try:
        with open(path.with_suffix(".npz"), "rb") as file, np.load(file, allow_pickle=False) as stored:
            return [_loaded(entry, stored, known) for entry in document["claims"]]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadData(f"{path.with_suffix('.npz')}: damaged ({error})") from None


def _loaded(entry: Any, stored: Any, known: Sources) -> StoredClaim:
    name, kind = (str(entry.get(key, "")) if isinstance(entry, dict) else "" for key in ("name", "kind"))
    try:
        if not isinstance(entry, dict) or entry.get("sha256") != _digest_of(entry):
            raise BadData("the record was altered after it was written")
        _import_claims()
        if kind not in KINDS:
            raise BadData(f"no claims of kind '{kind}' are known")
        values = {field: _restored(text, stored, known) for field, text in entry["fields"].items()}
        return StoredClaim(name, kind, KINDS[kind](**values), "")
    except (FeatgeomError, KeyError, TypeError, ValueError, OSError, IndexError, zipfile.BadZipFile) as error:
        return StoredClaim(name, kind, None, str(error) or type(error).__name__)


def _described(value: Any, is_subject: bool, known: Sources, arrays: Arrays) -> dict[str, Any]:
    """One field as JSON; arrays that have to be stored are added to ``arrays``."""
    if isinstance(value, csr_array):
        parts = {part: _stored(getattr(value, part), arrays) for part in ("data", "indices", "indptr")}
        return {"sparse": parts, "shape": [int(n) for n in value.shape]}
    if isinstance(value, np.ndarray):
        found = known.find(value) if is_subject else None
        if found is None:
            return _stored(value, arrays)
        source, rows = found
        described = {"source": source, "dtype": str(value.dtype), "sha256": digest(value)}
        return described | ({} if rows is None else {"rows": _stored(rows, arrays)})
    if isinstance(value, bool | np.bool_):
        return {"truth": bool(value)}
    if isinstance(value, int | np.integer):
        return {"integer": int(value)}
    if isinstance(value, float | np.floating):
        return {"float": float(value).hex()}
    if isinstance(value, str):
        return {"text": value}
    raise BadArgument(f"a claim cannot hold a value of type {type(value).__name__}")


def _restored(field: dict[str, Any], stored: Any, known: Sources) -> Any:
    if "array" in field:
        return _checked(stored[field["array"]], field)
    if "sparse" in field:
        data, indices, indptr = (
            _restored(field["sparse"][p], stored, known) for p in ("data", "indices", "indptr")
        )
        matrix = csr_array((data, indices, indptr), shape=tuple(field["shape"]))
        matrix.check_format(full_check=True)
        return matrix
    if "source" in field:
        rows = _restored(field["rows"], stored, known) if "rows" in field else None
        return _checked(known.get(field["source"], rows).astype(field["dtype"], copy=False), field)
    if "float" in field:
        return float.fromhex(field["float"])
    return next(iter(field[key] for key in ("truth", "integer", "text") if key in field))


def _stored(array: NDArray[Any], arrays: Arrays) -> dict[str, Any]:
    name = f"a{len(arrays)}"
    arrays[name] = np.ascontiguousarray(array)
    return {"array": name, "sha256": digest(array)}


def _checked(array: NDArray[Any], field: dict[str, Any]) -> NDArray[Any]:
    if digest(array) != field["sha256"]:
        what = f"'{field['source']}'" if "source" in field else "its evidence"
        raise BadData(f"{what} is not what it was when the record was written")
    return array


def digest(array: NDArray[Any]) -> str:
    """SHA-256 over type, shape and bytes of an array, read in blocks."""
    from featgeom.arrays import blocks

    result = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    for block in blocks(array) if array.ndim else [array]:
        result.update(np.ascontiguousarray(block).tobytes())
    return result.hexdigest()


def _digest_of(entry: dict[str, Any]) -> str:
    plain = {key: value for key, value in entry.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _import_claims() -> None:
    """Make every kind of claim known."""
    import importlib
    import pkgutil

    import featgeom.certificates as rooms

    for module in pkgutil.iter_modules(rooms.__path__):
        importlib.import_module(f"{rooms.__name__}.{module.name}")
