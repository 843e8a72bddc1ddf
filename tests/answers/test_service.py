"""The service in the documentation answers as the guard does."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import featgeom as fg

PAGE = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[-1]


def asked(app, body):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

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
    status, said = asked(names["app"], b"no picture")
    assert status == 400
    assert "error" in said
