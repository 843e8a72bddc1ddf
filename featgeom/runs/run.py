"""A run: one folder that holds what was asked, the features, and every result."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from featgeom._version import __version__
from featgeom.data.npz import arrays_of
from featgeom.errors import BadData
from featgeom.features.features import FeatureSet
from featgeom.features.store import open_features
from featgeom.files import json_bytes, parsed, read_json
from featgeom.remarks import caution
from featgeom.runs.again import images_again, network_again
from featgeom.runs.claims import StoredClaim, claim_files, load_claims
from featgeom.runs.commit import commit, consistently, settled
from featgeom.runs.documents import FORMAT, ClaimsSaid, ResultSaid, RunSaid
from featgeom.runs.index import INDEX, Index, damages, read_index, read_recorded, remedy
from featgeom.runs.record import Record, plain
from featgeom.runs.subjects import Subjects

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.models.classifier import Classifier

RUN = "run.json"
PACKAGES = ("numpy", "scipy", "torch")


@dataclass(frozen=True)
class Held:
    """Network and images, by split, that a run was made from and that are still in memory."""

    classifier: Classifier
    images: Mapping[str, ImageSet]


class Run:
    """An opened run folder.

    ``asked`` is the content of run.json; ``splits`` names the parts of the data ("train", "test", or "all");
    ``features(split)`` opens their features as memory maps; ``results`` holds every stored record by study.
    What is ``held`` need not be read again; ``arch`` names the file with the network's architecture, which
    the user trusts.
    """

    def __init__(self, folder: Path | str, held: Held | None = None, arch: str | None = None) -> None:
        self.folder, self.held, self.arch = Path(folder).expanduser(), held, arch
        if not (self.folder / RUN).exists() and not (self.folder / INDEX).exists():
            raise BadData(f"{self.folder}: no run there (no {RUN}); `featgeom analyze` makes one")
        self.asked = consistently(self.folder, self._read_asked)
        self._opened: dict[str, FeatureSet] = {}

    def _read_asked(self) -> dict[str, Any]:
        """What run.json says, which is what was written."""
        path = self.folder / RUN
        if path.exists() and not (self.folder / INDEX).exists():
            written = read_json(path).get("format")
            said = f"format {written}, this version of featgeom reads format {FORMAT} with its {INDEX}"
            raise BadData(f"{path}: {said}; {remedy('run')}")
        content = read_recorded(self.folder, self._part("run"), "run", RUN)
        parsed(content, RunSaid, path)
        return parsed(content, dict[str, Any], path)

    def _part(self, name: str, why: str = "") -> Index:
        """The index, which has this part."""
        index = read_index(self.folder)
        if name not in index.parts:
            raise BadData(why or f"{self.folder / INDEX}: has no part '{name}'; {remedy(name)}")
        return index

    def __repr__(self) -> str:
        model, data = self.asked["model"], self.asked["data"]
        sizes = ", ".join(f"{split} {part['samples']:,}" for split, part in data["splits"].items())
        made = ", ".join(self.studies) or "none yet"
        return f"<Run {self.folder}: {model['name']} on {data['name']} ({sizes}); studies {made}>"

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts of the data, training part first."""
        return tuple(self.asked["data"]["splits"])

    @property
    def reference_split(self) -> str:
        """The part that hulls and class means are made of: train where there is one."""
        return self.splits[0]

    @property
    def question_split(self) -> str:
        """The part that is asked about: test where there is one."""
        return self.splits[-1]

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The parts whose labels are unknown, so that the network's own predictions stand for them."""
        return tuple(split for split in self.splits if not self.features(split).labelled)

    @property
    def seed(self) -> int:
        """The seed of everything random in this run."""
        return int(self.asked["seed"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        return tuple(self.asked["model"]["classes"])

    def features(self, split: str, checked: bool = True) -> FeatureSet:
        """The features of one part, memory-mapped.

        They are those that the run was made with, to the bit, which is not looked at where ``checked`` is
        false. Raises BadData where they are missing, unfinished, damaged or exchanged.
        """
        if split not in self.splits:
            raise BadData(f"{self.folder}: has no split '{split}', only {', '.join(self.splits)}")
        if not checked:
            return open_features(self.folder / "features" / split, verify=False)
        if split not in self._opened:
            self._opened[split] = consistently(self.folder, lambda: self._checked_features(split))
        return self._opened[split]

    def _checked_features(self, split: str) -> FeatureSet:
        part, model = f"features/{split}", self.asked["model"]
        index = self._part(part, f"{self.folder / part}: features are unfinished; {remedy(part)}")
        for line in damages(self.folder, index, part):
            raise BadData(line)
        found = open_features(self.folder / part)
        sizes = len(found), found.dimension, found.classes
        said = self.asked["data"]["splits"][split]["samples"], model["dimension"], tuple(model["classes"])
        if sizes != said:
            raise BadData(f"{self.folder / part}: are not the features that {RUN} describes; {remedy(part)}")
        return found

    @property
    def base(self) -> str:
        """A digest of what studies are made of: what was asked, and the features."""
        index = read_index(self.folder)
        asked = {key: self.asked[key] for key in ("model", "data", "seed")}
        made = {split: index.parts[f"features/{split}"].files for split in self.splits}
        return hashlib.sha256(json_bytes([asked, msgspec.to_builtins(made)])).hexdigest()

    def classifier(self, device: str = "cpu") -> Classifier:
        """The network itself, loaded again from its checkpoint, which must not have changed.

        Code of a file is run only if the user named that file, as ``arch`` or when the run was made.
        """
        if self.held is not None:
            return self.held.classifier if device == "cpu" else self.held.classifier.to(device)
        return network_again(self.asked, self.folder, self.arch, device)

    def images(self, split: str) -> ImageSet:
        """The images of one part, read again from their source, which must not have changed."""
        if self.held is not None and split in self.held.images:
            return self.held.images[split]
        return images_again(self.asked, self.folder, split)

    @property
    def studies(self) -> list[str]:
        """The studies that are stored, by name."""
        return read_index(self.folder).studies()

    @property
    def results(self) -> Mapping[str, Record]:
        """Every stored record, by the name of its study."""
        return {study: self.result(study) for study in self.studies}

    def result(self, study: str) -> Record:
        """The stored record of one study, whose files are those that it wrote for these features."""
        return consistently(self.folder, lambda: self._read_result(study))

    def _read_result(self, study: str) -> Record:
        part = f"results/{study}"
        path = self.folder / f"{part}.json"
        index = self._part(
            part, f"{self.folder}: has no result of '{study}'; `featgeom {study} RUN` makes it"
        )
        if index.parts[part].of != self.base:
            raise BadData(f"{path}: was made of other features or for another run; {remedy(part)}")
        for line in damages(self.folder, index, part):
            raise BadData(line)
        content = read_recorded(self.folder, index, part, f"{part}.json")
        arrays = self._read_arrays(index, study)
        parsed(content, ResultSaid, path)
        record = Record.from_json(parsed(content, dict[str, Any], path), arrays)
        if record.study != study:
            raise BadData(f"{path}: is the result of '{record.study}'; {remedy(part)}")
        return record

    def arrays(self, study: str) -> dict[str, np.ndarray]:
        """The arrays of the stored record of one study; none where it has none."""
        return consistently(self.folder, lambda: self._read_arrays(self._part(f"results/{study}"), study))

    def _read_arrays(self, index: Index, study: str) -> dict[str, np.ndarray]:
        part, place = f"results/{study}", f"results/{study}.npz"
        if place not in index.parts[part].files:
            return {}
        packed = read_recorded(self.folder, index, part, place)
        return arrays_of(io.BytesIO(packed), self.folder / place)

    def claims(self, study: str) -> list[StoredClaim]:
        """The stored claims of one study, each with what it is about. Raises BadData for a damaged one."""
        path = self.folder / "claims" / f"{study}.json"
        if not self.statements(study):
            return []
        return load_claims(path, self.subjects.beside(self.arrays(study)))

    def statements(self, study: str) -> int:
        """How many statements the stored claims of one study hold."""
        return consistently(self.folder, lambda: self._read_statements(study))

    def _read_statements(self, study: str) -> int:
        part, place = f"results/{study}", f"claims/{study}.json"
        index = self._part(part)
        if place not in index.parts[part].files:
            return 0
        for line in damages(self.folder, index, part):
            raise BadData(line)
        content = read_recorded(self.folder, index, part, place)
        return sum(claim.count for claim in parsed(content, ClaimsSaid, self.folder / place).claims)

    def kept(self, study: str, options: Mapping[str, Any]) -> Record | None:
        """The stored record of a study, if it is whole and this version made it with these options."""
        if study not in self.studies:
            return None
        try:
            record = self.result(study)
        except BadData as error:
            caution(f"{error}; it is made again")
            return None
        return record if record.made == made_with(options) else None

    def damages(self) -> list[str]:
        """What is wrong with the files of the run, a line each: missing, damaged, exchanged, unfinished."""
        lines = consistently(self.folder, self._damages)
        return self._damages() if lines and settled(self.folder) else lines

    def _damages(self) -> list[str]:
        index = read_index(self.folder)
        wanted = ["run", *(f"features/{split}" for split in self.splits)]
        lines = [
            f"{self.folder / part}: is missing in {INDEX}; {remedy(part)}"
            for part in wanted
            if part not in index.parts
        ]
        if lines:
            return lines
        lines = [line for part in index.parts for line in damages(self.folder, index, part)]
        for study in index.studies():
            if index.parts[f"results/{study}"].of != self.base:
                path = self.folder / "results" / f"{study}.json"
                lines.append(
                    f"{path}: was made of other features or for another run; {remedy(f'results/{study}')}"
                )
        return lines

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all that a report shows: run.json, features, results and claims."""
        parts = read_index(self.folder).parts
        shown = {name: part for name, part in parts.items() if name not in ("report", "paper", "guard")}
        return hashlib.sha256(json_bytes(msgspec.to_builtins(shown))).hexdigest()

    @cached_property
    def subjects(self) -> Subjects:
        """What claims are about: the features of every part, found by words."""
        return self.stored_subjects()

    def stored_subjects(self, checked: bool = True) -> Subjects:
        """`subjects`; where not ``checked``, as they are now, be they damaged."""
        return Subjects({split: self.features(split, checked) for split in self.splits})

    def save(self, record: Record) -> None:
        """Store a record with its arrays, claims and files, all at once."""
        files: dict[str, bytes | memoryview] = dict(record.files)
        if record.claims:
            known = self.subjects.beside(record.arrays)
            claims = claim_files(record.study, record.claims, known, self.folder)
            files |= {f"claims/{name}": content for name, content in claims.items()}
        if record.arrays:
            packed = io.BytesIO()
            np.savez(packed, **record.arrays)  # type: ignore[arg-type]
            files[f"results/{record.study}.npz"] = packed.getbuffer()
        files[f"results/{record.study}.json"] = json_bytes(record.to_json())
        commit(self.folder, f"results/{record.study}", files, self.base)


def describe_machine() -> dict[str, str]:
    """Versions that a figure may depend on."""
    versions = {"featgeom": __version__, "python": platform.python_version()}
    return versions | {name: version(name) for name in PACKAGES}


def made_with(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a record depends on beside the run itself: the options of its study, and this version."""

    def words(value: Any) -> Any:
        if isinstance(value, tuple):
            return [words(one) for one in value]
        return {"run": str(value.folder), "asked": value.asked} if isinstance(value, Run) else value

    return {"featgeom": __version__, "options": plain({name: words(v) for name, v in options.items()})}
