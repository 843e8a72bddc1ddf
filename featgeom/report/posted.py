"""A picture that a page of ours sends to its server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST = 20_000_000  # bytes of a picture; view_drop.js says the same
PATIENCE = 30.0  # seconds in which all of it must have come
KIND = "application/octet-stream"  # no form of a foreign page can send this


class Refused(Exception):
    """Why a body is not taken, and the status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def body_of(request: Request) -> bytes:
    """The bytes of a picture. Raises Refused for what is too large or too slow, or of another kind.

    Browsers name the origin of whatever they post; without one it is no page that asks.
    """
    if "origin" not in request.headers:
        raise Refused(403, "a picture is taken from the page alone")
    if request.headers.get("content-type") != KIND:
        raise Refused(415, f"a picture is sent as {KIND}")
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and len(said) < 20 and int(said) > LARGEST:
        raise Refused(413, f"a picture has {LARGEST / 1e6:.0f} MB at most")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > LARGEST:
                    raise Refused(413, f"a picture has {LARGEST / 1e6:.0f} MB at most")
                parts.append(part)
    except TimeoutError:
        raise Refused(408, f"the picture did not come within {PATIENCE:.0f} seconds") from None
    return b"".join(parts)
