"""The live page: the picture of a run, served to this machine's own browser."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any

from featgeom.errors import FeatgeomError
from featgeom.report.live import Asked, Explain, LiveView
from featgeom.report.policy import content_policy
from featgeom.report.posted import Refused, body_of
from featgeom.runs.record import plain

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from featgeom.runs.run import Run

LOCAL = "127.0.0.1"
HOSTS = (LOCAL, "localhost")
QUEUE = 500  # questions that may wait for their turn
CONNECTIONS = 800  # that may be open at a time
GRACE = 1  # seconds for answers under way when the server is to end
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ViewServer:
    """A server of one run on localhost: the page, images, exact crossings, hull distances, inversions.

    Where ``explain`` is given, the page takes pictures, and shows what it says of their bytes. ``port`` 0
    takes any free one; ``address`` says which. Nothing but this machine can reach it, and no page but its
    own. Raises OSError or OverflowError for a port that cannot be had.
    """

    def __init__(
        self, run: Run, port: int = 0, first: dict[str, str] | None = None, explain: Explain | None = None
    ) -> None:
        import uvicorn

        from featgeom.report.patience import Impatient

        self.view = LiveView(run, first, explain)
        self.ended = threading.Event()
        self.ended.set()
        self.socket = socket.create_server((LOCAL, port), backlog=512)
        self.port = int(self.socket.getsockname()[1])
        silent = logging.getLogger("uvicorn.error")  # the terminal belongs to the command
        silent.propagate = False
        silent.handlers = [logging.NullHandler()]
        self.server = uvicorn.Server(
            uvicorn.Config(
                application(self.view, self.port),
                http=Impatient,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=GRACE,
            )
        )

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{LOCAL}:{self.port}/"

    def page(self, asked: Asked) -> str:
        """The page of a view; what was not asked for is as the command line said."""
        return self.view.page(asked)

    def serve_forever(self) -> None:
        """Answer until `shutdown`, or until Ctrl-C in the main thread, which raises KeyboardInterrupt."""
        self.ended.clear()
        try:
            self.server.run(sockets=[self.socket])
        finally:
            self.ended.set()

    def shutdown(self) -> None:
        """Let `serve_forever` end, and wait until it has."""
        self.server.should_exit = True
        self.ended.wait(2 * GRACE)

    def __enter__(self) -> ViewServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.socket.close()
        self.view.searches.close()


def application(view: LiveView, port: int) -> Any:
    """The ASGI application of a view that is served at a port."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    turn = Turn()

    def found(kind: str, answer: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            return await answered(request, kind, answer, view, port, turn)

        return respond

    async def nothing(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        words = {404: "there is nothing here", 405: "this cannot be asked for so"}
        said = words.get(status, f"internal error, {type(error).__name__}: {error}")
        return refusal(status, said, wants_page(request))

    ours = [
        ("/", "text/html", view.page),
        ("/image", "image/png", view.image),
        *(
            (f"/{what}", "application/json", getattr(view, what))
            for what in ("segment", "sample", "inversion")
        ),
    ]
    routes = [Route(path, found(kind, answer), methods=["GET"]) for path, kind, answer in ours]
    if view.explain is not None:
        routes.append(Route("/explain", found("application/json", view.explain), methods=["POST"]))
    return Starlette(routes=routes, exception_handlers={404: nothing, 405: nothing, Exception: nothing})


class Turn:
    """The kernels are not made for two callers at a time: one works, others wait in order, up to `QUEUE`."""

    def __init__(self) -> None:
        self.waiting = 0
        self.lock = asyncio.Lock()


async def answered(
    request: Request, kind: str, answer: Callable[[Any], Any], view: LiveView, port: int, turn: Turn
) -> Response:
    """What a page of ours asked for; every error is one line."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response

    page = kind == "text/html"
    if not from_our_page(request, port):
        return refusal(403, "this page is for this machine alone, and for no other page", page)
    try:
        asked = await body_of(request) if request.method == "POST" else dict(request.query_params)
    except Refused as error:
        return refusal(error.status, str(error), page)
    if turn.waiting >= QUEUE:
        return refusal(503, "too many questions wait already; ask again in a moment", page)
    turn.waiting += 1
    try:
        async with turn.lock:
            if await request.is_disconnected():
                return Response(status_code=499)
            body = await run_in_threadpool(answer, asked)
    except FeatgeomError as error:
        return refusal(400, str(error), page)
    finally:
        turn.waiting -= 1
    headers = HEADERS | ({"Cache-Control": "max-age=3600"} if kind == "image/png" else {})
    if page:
        headers["Content-Security-Policy"] = f"{view.policy}; frame-ancestors 'none'"
    content = json.dumps(plain(body)) if kind == "application/json" else body
    return Response(content, media_type=kind, headers=headers)


def from_our_page(request: Request, port: int) -> bool:
    """Whether a request names this server, and comes from a page of ours or from no page."""
    names = {f"{host}:{port}" for host in HOSTS}
    hosts, origins = (request.headers.getlist(name) for name in ("host", "origin"))
    if len(hosts) != 1 or hosts[0] not in names:
        return False
    if any(origin not in {f"http://{name}" for name in names} for origin in origins):
        return False
    elsewhere = request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
    return not elsewhere or request.headers.get("sec-fetch-mode") == "navigate"


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer."""
    return "text/html" in request.headers.get("accept", "")


def refusal(status: int, message: str, page: bool) -> Response:
    """A line that says what was wrong: in a page that leads back, or as JSON."""
    from starlette.responses import JSONResponse, Response

    if not page:
        return JSONResponse({"error": message}, status, HEADERS)
    policy = {"Content-Security-Policy": f"{content_policy([])}; frame-ancestors 'none'"}
    return Response(refusal_page(message), status, HEADERS | policy, "text/html")


def refusal_page(message: str) -> str:
    """The page of a refusal.

    >>> refusal_page("no class '<x>'").count("&lt;x&gt;")
    1
    """
    return (
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<p style="font:16px system-ui;margin:2rem">{escape(message)}<br><a href="./">Back</a></p>'
    )
