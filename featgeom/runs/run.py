"""A run: one folder that holds what was asked, the features, and every result."""

from __future__ import annotations

import io
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom._version import __version__
from featgeom.errors import BadData
from featgeom.features.features import FeatureSet
from featgeom.features.store import open_features
from featgeom.files import read_json, write_json, write_whole
from featgeom.runs.claims import save_claims
from featgeom.runs.record import Record, plain

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.models.classifier import Classifier

FORMAT = 1
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
    What is ``held`` need not be read again.
    """

    def __init__(self, folder: Path | str, held: Held | None = None) -> None:
        self.folder, self.held = Path(folder), held
        path = self.folder / "run.json"
        if not path.exists():
            raise BadData(f"{self.folder}: no run there (no run.json); `featgeom analyze` makes one")
        self.asked = read_json(path)
        if self.asked.get("format") != FORMAT:
            raise BadData(
                f"{path}: format {self.asked.get('format')}, this version of featgeom reads format {FORMAT}"
            )

    def __repr__(self) -> str:
        model, data = self.asked["model"], self.asked["data"]
        sizes = ", ".join(f"{split} {part['samples']:,}" for split, part in data["splits"].items())
        made = ", ".join(path.stem for path in sorted((self.folder / "results").glob("*.json"))) or "none yet"
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
    def seed(self) -> int:
        """The seed of everything random in this run."""
        return int(self.asked["seed"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        return tuple(self.asked["model"]["classes"])

    @cached_property
    def _features(self) -> dict[str, FeatureSet]:
        return {split: open_features(self.folder / "features" / split) for split in self.splits}

    def features(self, split: str) -> FeatureSet:
        """The features of one part, memory-mapped."""
        if split not in self.splits:
            raise BadData(f"{self.folder}: has no split '{split}', only {', '.join(self.splits)}")
        return self._features[split]

    def classifier(self, device: str = "cpu") -> Classifier:
        """The network itself, loaded again from its checkpoint, which must not have changed."""
        from featgeom.models.pixel_spec import PixelSpec
        from featgeom.models.sources import load_classifier

        if self.held is not None:
            return self.held.classifier if device == "cpu" else self.held.classifier.to(device)
        model, source = self.asked["model"], self.asked["model"]["source"]
        if source is None:
            raise BadData(
                f"{self.folder}: says of no file that holds the network (made from features alone, or from a "
                "network in memory); questions that need it have no answer"
            )
        classifier = load_classifier(
            source["path"],
            arch=source["arch"],
            classes=model["classes"],
            pixels=PixelSpec.from_json(model["pixels"]),
            device=device,
        )
        if classifier.weights_hash != model["weights_sha256"]:
            raise BadData(f"{source['path']}: has changed since {self.folder} was made")
        return classifier

    def images(self, split: str) -> ImageSet:
        """The images of one part, read again from their source, which must not have changed."""
        from featgeom.data.images import keep_classes
        from featgeom.data.sources import load_images

        if self.held is not None and split in self.held.images:
            return self.held.images[split]
        data = self.asked["data"]
        if data["source"] is None:
            raise BadData(
                f"{self.folder}: says of no source of its images (made from features alone, or from "
                "images in memory)"
            )
        images = keep_classes(load_images(data["source"], split=split), tuple(data.get("classes", ())))
        if images.hash != data["splits"][split]["sha256"]:
            raise BadData(f"{data['source']}: has changed since {self.folder} was made")
        return images

    @property
    def results(self) -> Mapping[str, Record]:
        """Every stored record, by the name of its study."""
        return {
            path.stem: self.result(path.stem) for path in sorted((self.folder / "results").glob("*.json"))
        }

    def result(self, study: str) -> Record:
        """The stored record of one study."""
        path = self.folder / "results" / f"{study}.json"
        if not path.exists():
            raise BadData(f"{self.folder}: has no result of '{study}'; `featgeom {study} RUN` makes it")
        document = read_json(path)
        arrays_path = path.with_suffix(".npz")
        arrays: dict[str, np.ndarray] = {}
        if arrays_path.exists():
            with np.load(arrays_path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        return Record.from_json(document, arrays)

    def kept(self, study: str, options: Mapping[str, Any]) -> Record | None:
        """The stored record of a study, if this version made it with these options."""
        if not (self.folder / "results" / f"{study}.json").exists():
            return None
        record = self.result(study)
        return record if record.made == made_with(options) else None

    @property
    def sources(self) -> dict[str, np.ndarray]:
        """What claims are about, by name: the features of every split, and the head."""
        parts = {split: self.features(split) for split in self.splits}
        head = parts[self.reference_split].head
        named: dict[str, np.ndarray] = {f"{split}/features": part.features for split, part in parts.items()}
        return named | {"head/weight": head.weight, "head/bias": head.bias}

    def save(self, record: Record) -> None:
        """Store a record: claims and arrays first, so that a result that can be read is complete."""
        for place, content in record.files.items():
            write_whole(self.folder / place, content)
        if record.claims:
            save_claims(self.folder / "claims", record.study, record.claims, self.sources)
        path = self.folder / "results" / f"{record.study}.json"
        if record.arrays:
            packed = io.BytesIO()
            np.savez(packed, **record.arrays)  # type: ignore[arg-type]
            write_whole(path.with_suffix(".npz"), packed.getbuffer())
        write_json(path, record.to_json())


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


def write_run(
    folder: Path, model: dict[str, Any], data: dict[str, Any], seed: int, command: list[str]
) -> Run:
    """Write run.json, or open the run that is there when it asks exactly the same.

    ``command`` holds the words that follow `featgeom analyze` to make this run again, if there are any.
    Raises BadData where the folder holds another run.
    """
    asked = plain({"format": FORMAT, "model": model, "data": data, "seed": seed})
    path = folder / "run.json"
    if path.exists():
        stored = read_json(path)
        for key, value in asked.items():
            if stored.get(key) != value:
                raise BadData(
                    f"{folder}: holds another run (its {key} differs); choose another folder with -o"
                )
        return Run(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BadData(f"{folder}: is not empty and is no run folder; choose another folder with -o")
    stamp = {"versions": describe_machine(), "created": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(path, asked | stamp | {"command": command})
    return Run(folder)
