"""What a Python program holds is as good as a source: arrays, data sets, loaders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

import featgeom as fg
from featgeom.data.given import as_image_set
from featgeom.errors import BadArgument, BadData
from featgeom.remarks import heard

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 3, 6, 5)).astype(np.uint8)
LABELS = np.arange(12) % 3
FLOATS = torch.tensor(PIXELS).float() / 255


class Pictures(Dataset):  # type: ignore[type-arg]
    """Items made by a function of the row."""

    classes: Any = ("ant", "bee", ("cow", "Bos taurus"))

    def __init__(self, item: Any) -> None:
        self.item = item

    def __len__(self) -> int:
        return len(PIXELS)

    def __getitem__(self, row: int) -> Any:
        return self.item(row)


def picture(row: int) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(PIXELS[row].transpose(1, 2, 0)))


TENSORS = TensorDataset(FLOATS, torch.tensor(LABELS))
FORMS = {
    "tuple of arrays": (PIXELS, LABELS),
    "tuple of tensors": (FLOATS, torch.tensor(LABELS)),
    "channels last": (PIXELS.transpose(0, 2, 3, 1), LABELS.tolist()),
    "with names": (PIXELS, LABELS, ("ant", "bee", "cow")),
    "tensors": TENSORS,
    "a part": Subset(TENSORS, range(12)),
    "pictures": Pictures(lambda row: (picture(row), int(LABELS[row]))),
    "arrays": Pictures(lambda row: (PIXELS[row].transpose(1, 2, 0), np.int64(LABELS[row]))),
    "dictionaries": Pictures(lambda row: {"img": picture(row), "label": int(LABELS[row])}),
    "a loader": DataLoader(TENSORS, batch_size=5),
    "a shuffled loader that drops the rest": DataLoader(TENSORS, batch_size=5, shuffle=True, drop_last=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_images_in_every_form(form: str) -> None:
    images = as_image_set(FORMS[form])
    np.testing.assert_allclose(images.pixels(), PIXELS / np.float32(255), rtol=1e-6)
    assert images.labels.tolist() == LABELS.tolist()
    named = isinstance(FORMS[form], Pictures) or form == "with names"
    assert images.classes[0] == ("ant" if named else "0")
    assert len(images.classes) == 3


def test_images_alone_have_no_labels() -> None:
    for given in (PIXELS, FLOATS, Pictures(picture), Pictures(lambda row: (picture(row),))):
        images = as_image_set(given)
        assert (len(images), images.labelled) == (12, False)


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter(zip(FLOATS, LABELS))


def test_a_loader_of_a_sampler_of_its_own_or_of_a_stream() -> None:
    loaders: list[Any] = [
        DataLoader(TENSORS, batch_size=5, sampler=WeightedRandomSampler(np.ones(12), 7)),
        DataLoader(Stream(), batch_size=5),
    ]
    for loader, count in zip(loaders, (7, 12)):
        lines: list[str] = []
        with heard(lines.append, alone=True):
            assert len(as_image_set(loader)) == count
        assert "batches are taken as they come" in lines[0]


def test_a_transform_that_depends_on_chance_is_told() -> None:
    rng = np.random.default_rng(0)
    lines: list[str] = []
    with heard(lines.append, alone=True):
        as_image_set(Pictures(lambda row: (PIXELS[row] * np.float32(rng.random() / 255), 0)))
    assert "depends on chance" in lines[0]


@pytest.mark.parametrize(
    ("given", "error", "piece"),
    [
        (3, BadArgument, "expected a source such as folder:DIR"),
        (Pictures(lambda row: (PIXELS[row][:, : 3 + row % 2], 0)), BadData, "items 0 and 1 are of shapes"),
        (Pictures(lambda row: {"picture": 0}), BadData, "it has picture"),
        (Pictures(lambda row: (PIXELS[row], 5)), BadData, "label 5 is out of range for 3 classes"),
        (Pictures(lambda row: ("words", 0)), BadArgument, "expected numbers"),
        ((PIXELS, LABELS[:3]), BadData, "expected 12 labels, got 3"),
        ((PIXELS[:0], LABELS[:0]), BadData, "expected images of shape"),
    ],
)
def test_one_clear_line(given: Any, error: type[Exception], piece: str) -> None:
    with pytest.raises(error) as caught:
        as_image_set(given)
    assert piece in str(caught.value)
    assert "\n" not in str(caught.value)


def test_extract_and_analyze_take_them(tmp_path: Any) -> None:
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(90, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)
    )
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((3, 6, 5)))
    one, other = (fg.extract(clf, FORMS[form]) for form in ("pictures", "tuple of arrays"))
    np.testing.assert_array_equal(one.features, other.features)
    assert one.classes == ("ant", "bee", "cow, Bos taurus")
    run = fg.analyze(net, {"train": TENSORS, "test": FORMS["a loader"]}, out=tmp_path / "run")
    assert run.splits == ("train", "test")
    normalised = TensorDataset((FLOATS - 0.5) / 0.25, torch.tensor(LABELS))
    with pytest.raises(BadData, match="no mean subtracted"):
        fg.extract(clf, normalised)
