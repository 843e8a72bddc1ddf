"""The service in the documentation answers as the guard does."""

import asyncio
import io
import json
import re
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import featgeom as fg

PAGE = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[-1]


def asked(app, body, more=False):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(event):
        sent.append(event)

    with ThreadPoolExecutor(1) as pool:  # this thread may have the event loop of a browser
        pool.submit(asyncio.run, app({"type": "http"}, receive, send)).result()
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_the_service_answers_as_the_guard_does(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(CODE, "service.py", "exec"), names)
    for row in range(10):
        status, said = asked(names["app"], (pictures / f"{row}.png").read_bytes())
        assert status == 200
        pixels = np.rint(fg.load_images("digits", split="test").images[[row]] * 255).astype(np.uint8)
        found = names["guard"].judge(names["clf"].features(pixels))
        assert said["p_value"] == found.p_value[0]
        assert said["alarm"] == bool(found.alarm[0])
    for broken in (b"no picture", b"", bomb(), (pictures / "0.png").read_bytes()[:60]):
        assert asked(names["app"], broken) == (400, {"error": "send a picture, such as PNG or JPEG"})
    large = io.BytesIO()
    Image.new("RGB", (30, 20)).save(large, "PNG")
    status, said = asked(names["app"], large.getvalue())
    assert (status, "images are 1x20x30" in said["error"]) == (400, True)
    names["LARGEST"] = 100
    assert asked(names["app"], bytes(1000), more=True)[0] == 413


def bomb():
    """A picture of a few bytes that says of itself that it is huge."""
    picture = io.BytesIO()
    Image.new("L", (8, 8)).save(picture, "BMP")
    content = bytearray(picture.getvalue())
    content[18:26] = (60_000).to_bytes(4, "little") * 2
    return bytes(content)


def test_a_real_server_serves_it(pictures, tmp_path):
    """As its reader starts it: saved as a file, served by uvicorn, asked over HTTP."""
    (tmp_path / "service.py").write_text(CODE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "uvicorn", "service:app", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            said = ""
            while "running on" not in said:
                said = server.stderr.readline()
                assert said, "the server ended"
            ask = urllib.request.Request(f"http://127.0.0.1:{port}/", (pictures / "0.png").read_bytes())
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(ask, timeout=60) as answer:
                found = json.load(answer)
        finally:
            server.terminate()
    assert set(found) == {"class", "alarm", "p_value", "margin"}
    assert found["class"] == str(fg.load_images("digits", split="test").labels[0])
