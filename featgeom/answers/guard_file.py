"""What a guard is kept in: one file of plain arrays that numpy alone reads."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featgeom.answers.score_names import BESIDE
from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points
from featgeom.data.npz import read_arrays
from featgeom.errors import BadData
from featgeom.head import AffineHead

FORMAT = 3


@dataclass(frozen=True)
class GuardFile:
    """Everything that a guard is made of: no more of it is computed again than what these determine."""

    head: AffineHead
    points: Floats
    point_classes: Ints
    calibration: Float64
    known: Float64
    score: str
    false_alarm: float
    said: dict[str, Any]

    def to_bytes(self) -> bytes:
        """The bytes of the file, an .npz; what is ``said`` stands in it as JSON."""
        packed = io.BytesIO()
        np.savez(
            packed,
            format=np.array(FORMAT),
            weight=self.head.weight,
            bias=self.head.bias,
            points=self.points,
            point_classes=self.point_classes,
            calibration=self.calibration,
            known=self.known,
            score=np.array(self.score),
            false_alarm=np.array(self.false_alarm),
            said=np.array(json.dumps(self.said)),
        )
        return packed.getvalue()

    @classmethod
    def read(cls, path: Path) -> GuardFile:
        """What stands in a file. Raises BadData for one that is no guard, damaged, or of another format."""
        try:
            found: dict[str, Any] = read_arrays(path)
            if int(found["format"]) != FORMAT:
                raise BadData(
                    f"{path}: a guard of format {found['format']}, this version reads {FORMAT}; fit it again"
                )
            head = AffineHead(found["weight"], found["bias"])
            points = as_points(found["points"], "points", head.dimension)
            kept = cls(
                head=head,
                points=points,
                point_classes=as_labels(found["point_classes"], n=len(points), classes=head.classes),
                calibration=np.sort(np.asarray(found["calibration"], np.float64).reshape(-1)),
                known=np.asarray(found["known"], np.float64),
                score=str(found["score"]),
                false_alarm=float(found["false_alarm"]),
                said=dict(json.loads(str(found["said"]))),
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadData(f"{path}: not a guard, or damaged ({error})") from None
        beside = BESIDE.get(kept.score)
        if len(kept.known) != (1 + len(beside) if beside else 0):
            raise BadData(
                f"{path}: knows {len(kept.known)} views, its score '{kept.score}' has another number"
            )
        return kept
