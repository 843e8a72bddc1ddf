"""Class names in any script, with commas and signs, can be drawn without a warning."""

from __future__ import annotations

import pytest

from featgeom.figures import letters
from featgeom.figures.style import new_figure, pdf, png, svg
from featgeom.remarks import heard


@pytest.mark.parametrize("name", ["tench, Tinca tinca", "猫", "חתול", "बिल्ली", "\U000f0123"])
def test_every_name_can_be_drawn(name: str) -> None:
    figure, axes = new_figure(5, 4)
    axes.set_title(name)
    axes.plot([0, 1], label=f"{name} twice")
    axes.legend()
    lines: list[str] = []
    letters._fonts_with.cache_clear()
    with heard(lines.append, alone=True):
        assert name in svg(figure)
        assert png(figure).startswith(b"\x89PNG")
        assert pdf(figure).startswith(b"%PDF")
    covered = all(letter in letters._letters(letters._default()) for letter in name)
    if covered:
        assert not lines
    if name == "\U000f0123":  # of private use: no font has it
        assert len(lines) == 1
        assert "no installed font has the letters" in lines[0]
