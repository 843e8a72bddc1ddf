"""The live page under load: everyone is answered or refused in a line, and whoever leaves is forgotten."""

import http.client
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import featgeom as fg
from featgeom.report import between, patience
from featgeom.report.serve import LOCAL, ViewServer

from .conftest import write_arrays

CLIENTS = int(os.environ.get("FEATGEOM_CLIENTS", "200"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = tmp_path_factory.mktemp("load")
    run = fg.analyze(write_arrays(place / "f.npz"), out=place / "run", studies="overview")
    with ViewServer(run) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def asked(server, path, headers=None, method="GET", seconds=120):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection(LOCAL, server.port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def raw(server, content):
    """The first line of the answer to these bytes."""
    with socket.create_connection((LOCAL, server.port), timeout=30) as open_socket:
        open_socket.sendall(content)
        return open_socket.recv(1000).split(b"\r\n")[0].decode()


def test_many_clients_at_once_are_all_answered(server):
    paths = [f"/segment?split=all&from={i % 120}&to={(i * 7) % 120}" for i in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda path: asked(server, path), paths))
    assert {status for status, _, _ in answers} == {200}
    for (_, _, body), path in zip(answers, paths, strict=True):
        assert json.loads(body) == json.loads(asked(server, path)[2])


def test_slow_clients_and_clients_that_leave_keep_nobody_waiting(server, capfd):
    slow = [socket.create_connection((LOCAL, server.port)) for _ in range(CLIENTS)]
    for one in slow:
        one.sendall(b"GET / HTTP/1.1\r\nHost: ")
    for number in range(50):  # ask, and go before the answer comes
        with socket.create_connection((LOCAL, server.port)) as gone:
            gone.sendall(f"GET /?view=decision HTTP/1.1\r\nHost: {LOCAL}:{server.port}\r\n\r\n".encode())
            if number % 2:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert asked(server, "/sample?split=all&row=3")[0] == 200
    for one in slow:
        one.close()
    assert asked(server, "/sample?split=all&row=4")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_clients_that_never_ask_are_hung_up_on(server, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    with socket.create_connection((LOCAL, server.port), timeout=60) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHo")
        begun = time.monotonic()
        assert idle.recv(100) == b""
        assert time.monotonic() - begun < 30
    assert asked(server, "/sample?split=all&row=5")[0] == 200


def test_a_flood_of_searches_is_bounded_and_ends_when_its_client_goes(server, monkeypatch):
    running, released = threading.Event(), threading.Event()

    def follow(self, question, search):
        running.set()
        while not (search.abandoned or released.is_set()):
            time.sleep(0.01)

    monkeypatch.setattr(between.Searches, "_follow", follow)
    monkeypatch.setattr(between, "PATIENCE", 4.0)
    with ThreadPoolExecutor(20) as pool:
        paths = [f"/inversion?split=all&from={i % 120}&to={i // 120}" for i in range(CLIENTS)]
        answers = [json.loads(body) for _, _, body in pool.map(lambda path: asked(server, path), paths)]
    assert running.is_set()
    states = [answer["state"] for answer in answers]
    assert 1 <= states.count("working") <= between.WAITING + 1
    assert "searches wait already" in next(a["said"] for a in answers if a["state"] == "refused")
    deadline = time.monotonic() + 60
    while server.view.searches.worker is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not any(search.open for search in server.view.searches.known.values())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_pages_get_nothing(server, headers, status):
    got, given, body = asked(server, "/sample?split=all&row=3", headers)
    assert got == status
    assert given["Content-Type"] == "application/json"
    assert ("error" in json.loads(body)) == (status != 200)


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nothing", 404), ("POST", "/", 405), ("BREW", "/", 405), ("GET", "/sample?row=x", 400),
    ("GET", "/%00%ff%c0", 404), ("GET", "/sample?split=all&row=" + "9" * 20_000, 400),
])  # fmt: skip
def test_errors_are_json_unless_a_person_looks(server, method, path, status):
    got, headers, body = asked(server, path, method=method)
    assert (got, headers["Content-Type"]) == (status, "application/json")
    assert len(json.loads(body)["error"]) < 500
    got, headers, body = asked(server, path, {"Accept": "text/html"}, method)
    assert got == status
    if status in (404, 405):
        assert headers["Content-Type"].startswith("text/html")
        assert "Content-Security-Policy" in headers


def test_words_that_are_no_http(server, capfd):
    host = f"{LOCAL}:{server.port}"
    for content in (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: evil.example\r\nHost: {host}\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: " + "a" * 200_000 + "\r\n\r\n",
        f"GET http://evil.example/ HTTP/1.1\r\nHost: {host}x\r\n\r\n",
    ):
        try:
            line = raw(server, content.encode("latin-1"))
        except ConnectionError:
            continue
        assert line.split()[1] in ("400", "403", "404"), (content[:60], line)
    assert capfd.readouterr() == ("", "")
    assert asked(server, "/sample?split=all&row=6")[0] == 200
