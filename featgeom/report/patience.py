"""The protocol of the live page: uvicorn's, with an end to its patience."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0  # seconds in which the head of a request must have come


class Impatient(H11Protocol):
    """Hangs up on a client that keeps a connection without asking anything, or asks a letter at a time."""

    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client came; it has `PATIENCE` to ask."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Part of a request, or all of it."""
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        if self.waiting:
            self.waiting.cancel()

    def _look(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            if self.waiting:
                self.waiting.cancel()
                self.waiting = None
        elif self.waiting is None:
            self.waiting = self.loop.call_later(PATIENCE, self.transport.close)
