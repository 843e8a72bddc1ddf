"""A small run, and ways to alter it whose author makes every digest anew."""

import hashlib
import json
from contextlib import contextmanager

import numpy as np

from featgeom import open_run
from featgeom.proofs.proof import Found, proved
from featgeom.proofs.studies import PROOFS
from featgeom.runs.claims import about_of, save_claims
from featgeom.runs.index import INDEX, Index, Part, read_index, recorded
from featgeom.runs.making import arrays_run
from featgeom.runs.record import plain
from featgeom_cli.main import run as featgeom_run

STUDIES = ("overview", "hulls", "regions", "boundaries", "svm", "collapse")


def small_run(folder, train=30, test=12):
    """Three classes of so many samples, with the studies of feature space and their report."""
    rng = np.random.default_rng(11)
    arrays = {"weight": np.eye(3, dtype=np.float32), "bias": np.zeros(3)}
    for split, n in (("train", train), ("test", test)):
        labels = np.tile([0, 1, 2], n)
        features = np.abs(np.eye(3)[labels] * 3 + rng.standard_normal((3 * n, 3)))
        arrays |= {f"features_{split}": features.astype(np.float32), f"labels_{split}": labels}
    np.savez(folder / "features.npz", **arrays)
    run = open_run(arrays_run(folder / "run", folder / "features.npz").folder)
    for study in STUDIES:
        run.study(study)
    run.report()
    return run


def seal(run):
    """Record every file of the run as it is now, and forget those that are gone: all digests are right."""
    index = read_index(run.folder)
    parts = {
        name: Part(
            {p: recorded((run.folder / p).read_bytes()) for p in part.files if (run.folder / p).exists()},
            part.of,
        )
        for name, part in index.parts.items()
    }
    path = run.folder / INDEX
    path.write_bytes(Index(parts=parts).to_bytes())
    base = open_run(run.folder).base
    parts = {n: Part(p.files, base if n.startswith("results/") else p.of) for n, p in parts.items()}
    path.write_bytes(Index(parts=parts).to_bytes())


@contextmanager
def edited(run, study):
    """The document of a record, to be changed."""
    path = run.folder / "results" / f"{study}.json"
    document = json.loads(path.read_text())
    yield document
    path.write_text(json.dumps(document))
    seal(run)


@contextmanager
def restored_array(run, study):
    """The arrays of a record, to be changed."""
    path = run.folder / "results" / f"{study}.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    yield arrays
    np.savez(path, **arrays)
    seal(run)


def claims_of(run, study):
    """The claims of a study under the words they are stored with."""
    return {one.name: one.claim.named(**one.about) for one in run.claims(study)}


def sealed_claims(run, study, claims):
    """Claims stored in place of a study's own, with their digests."""
    save_claims(run.folder / "claims", study, claims, run.subjects.beside(run.arrays(study)))
    seal(run)


def altered(run, split, name, change, sealed):
    """An array of stored features changed where it lies; sealed, with the digest in the manifest."""
    folder = run.folder / "features" / split
    path = folder / "features.safetensors"
    raw = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    entry = json.loads(raw[8:start])[name]
    first, last = (start + offset for offset in entry["data_offsets"])
    dtype = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}[entry["dtype"]]
    before = np.frombuffer(bytes(raw[first:last]), dtype).reshape(entry["shape"])
    after = np.ascontiguousarray(change(before), dtype)
    assert after.shape == before.shape
    assert (after != before).any()
    raw[first:last] = after.tobytes()
    path.write_bytes(raw)
    if sealed:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["shards"][0]["sha256"] = hashlib.sha256(raw).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        seal(run)


class Text:
    """A text to be changed."""

    def __init__(self, text):
        self.text = text

    def replace(self, old, new, count=-1):
        assert old in self.text
        self.text = self.text.replace(old, new, count)


@contextmanager
def page(run):
    """The report of a run, to be changed."""
    path = run.folder / "report.html"
    text = Text(path.read_text("utf-8"))
    yield text
    path.write_text(text.text, "utf-8")
    seal(run)


def remade(run, study, claims, arrays=None, settings=None):
    """A record of these claims, that says what they 'prove', and the report; all sealed."""
    path = run.folder / "results" / f"{study}.json"
    document = json.loads(path.read_text())
    document["settings"] |= settings or {}
    packed = path.with_suffix(".npz")
    known = (dict(np.load(packed)) if packed.exists() else {}) | (arrays or {})
    subjects = run.subjects.beside(known)
    about = {name: about_of(claim) for name, claim in claims.items()}
    found, proof = Found(claims, about, subjects, run.classes, document["settings"]), PROOFS[study]
    said = [finding for sentence in proof.sentences for finding in proved(found, sentence)]
    document["findings"] = [f for f in document["findings"] if f["standing"] != "proved"]
    document["findings"] += [{"text": f.text, "standing": f.standing, "by": f.by} for f in said]
    makers = proof.tables(found)
    document["tables"] = [_filled(table, makers, found) for table in document["tables"]]
    document["values"] = _merged(document["values"], plain(dict(proof.values(found))))
    np.savez(packed, **(known | proof.arrays(found)))
    path.write_text(json.dumps(document))
    save_claims(run.folder / "claims", study, claims, subjects)
    seal(run)
    run = open_run(run.folder)
    run.report()
    return [finding.text for finding in said]


def _filled(table, makers, found):
    if table["name"] not in makers:
        return table
    columns = {column.name: plain(list(values)) for column, values in makers[table["name"]](found).items()}
    count = len(next(iter(columns.values()), []))
    empty = [[None] * len(table["columns"])] * count
    rows = [list(row) for row in [*table["rows"], *empty][:count]]
    for j, column in enumerate(table["columns"]):
        for i, value in enumerate(columns[column["name"]] if column["proved"] else ()):
            rows[i][j] = value
    return table | {"rows": rows}


def _merged(old, new):
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_merged(a, b) for a, b in zip(old, new, strict=True)]
    both = isinstance(old, dict) and isinstance(new, dict)
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}} if both else new


def told(run, capsys):
    """What verify prints of a run that it does not pass."""
    capsys.readouterr()
    status = featgeom_run(["verify", str(run.folder)])
    out = capsys.readouterr().out
    assert status == 1, out
    return out


def faults(run, study, claims, settings=None, arrays=None):
    """What is wrong with claims of a study, by name."""
    found = Found.of(run, claims, settings).beside(arrays or {})
    PROOFS[study].claims(found)
    return found.faults
