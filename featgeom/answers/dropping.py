"""A picture that is dropped on the live page: what `explain` says of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from featgeom.answers.asked import Asking
from featgeom.answers.explain_page import shown
from featgeom.answers.explaining import Explaining
from featgeom.remarks import heard
from featgeom.runs.again import images_of

if TYPE_CHECKING:
    from featgeom.report.live import Explain
    from featgeom.runs.run import Run


def explainer(run: Run, device: str = "cpu") -> Explain | None:
    """What says of a picture's bytes what `explain` says of the file; None for a run without its network.

    The network is loaded, and hulls are made, when they are first asked for. What it says raises BadData for
    bytes that are no picture, or one of a size that the network does not take.
    """
    if run.held is None and run.asked["model"]["source"] is None:
        return None

    @cache
    def ready() -> tuple[Asking, Explaining]:
        classifier = run.classifier(device)
        return Asking(run, classifier), Explaining(run, classifier, False, device)

    def answer(content: bytes) -> dict[str, object]:
        asking, explaining = ready()
        said: list[str] = []
        found = explaining.one(asking.picture(content, "the picture"))
        with heard(said.append, alone=True):
            asking.remarks()
        page = shown(run, found, images_of(run, run.reference_split))
        return page | {"said": [*page["said"], *((f"{line[0].upper()}{line[1:]}.", False) for line in said)]}

    return answer
