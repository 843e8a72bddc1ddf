"""What a drawing inside a page may hold: so little that a browser cannot take any of it for text of the page.

It is read byte for byte, not as a lenient parser reads it: a comment, a declaration, an element or an
attribute beside those that our drawings have is refused, and words stand only where they are drawn.
"""

from __future__ import annotations

import re

ATTRIBUTES = {  # of each element
    "svg": {"xmlns:xlink", "width", "height", "viewBox", "xmlns", "version"},
    "metadata": set[str](),
    "rdf:RDF": {"xmlns:dc", "xmlns:cc", "xmlns:rdf"},
    "cc:Work": set[str](),
    "dc:type": {"rdf:resource"},
    "dc:format": set[str](),
    "defs": set[str](),
    "style": {"type"},
    "g": {"id", "clip-path", "transform"},
    "clipPath": {"id"},
    "rect": {"x", "y", "width", "height"},
    "path": {"d", "style", "id", "clip-path"},
    "use": {"xlink:href", "x", "y", "style"},
    "image": {"xlink:href", "id", "transform", "x", "y", "width", "height"},
    "text": {"style", "transform", "x", "y"},
    "tspan": {"style", "x", "y"},
}
DRAWN = {"text", "tspan"}
SAID = {"style": "*{stroke-linejoin: round; stroke-linecap: butt}", "dc:format": "image/svg+xml"}
LINKS = {"use": "#", "image": "data:image/png;base64,"}  # how the only addresses begin

PIECE = re.compile(r'<(/?)([A-Za-z:]+)((?:[ \n]+[A-Za-z:-]+="[^"<>]*")*)[ \n]*(/?)>|([^<>]+)')
ATTRIBUTE = re.compile(r'([A-Za-z:-]+)="([^"<>]*)"')


def drawing_fault(svg: str) -> str:
    """What a drawing holds that no drawing of ours does, or nothing.

    >>> drawing_fault('<svg width="9pt"><g id="a"><text x="1">cat</text></g></svg>')
    ''
    >>> drawing_fault("<svg><p>All is proved.</p></svg>"), drawing_fault("<svg></svg>cat")
    ('<p>', 'cat')
    """
    place, within = 0, list[str]()
    while place < len(svg):
        piece = PIECE.match(svg, place)
        if piece is None:
            return svg[place:].split("\n")[0]
        if not (place == 0 or within) and piece.group().strip(" \n"):
            return piece.group()
        closing, tag, attributes, empty, text = piece.groups()
        if text is not None:
            fine = _text_belongs(text, within)
        elif closing:
            fine = not attributes and not empty and bool(within) and within.pop() == tag
        else:
            fine = _opens(tag, attributes) and (tag == "svg") == (place == 0)
            within += [] if empty else [tag]
        if not fine:
            return piece.group()
        place = piece.end()
    return f"<{within[-1]}> without an end" if within else ""


def _text_belongs(text: str, within: list[str]) -> bool:
    inner = within[-1] if within else ""
    return inner in DRAWN or text.strip(" \n") in ("", SAID.get(inner, ""))


def _opens(tag: str, attributes: str) -> bool:
    given = ATTRIBUTE.findall(attributes)
    names = [name for name, _ in given]
    return (
        tag in ATTRIBUTES
        and set(names) <= ATTRIBUTES[tag]
        and len(set(names)) == len(names)
        and all(value.startswith(LINKS[tag]) for name, value in given if name == "xlink:href")
    )
