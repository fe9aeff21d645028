"""Pages for people: who gets them, and what a browser may do with them."""

import gzip
import hashlib
import re

import httpx
import pytest

from devtools.executor import Executor, running

_PAGES = ("/", "/status", "/docs")


def _policy(response: httpx.Response) -> dict[str, str]:
    directives = response.headers["Content-Security-Policy"].split("; ")
    return dict(directive.partition(" ")[::2] for directive in directives)


@pytest.mark.parametrize("path", _PAGES)
def test_a_page_loads_from_this_server_alone_and_has_no_inline_code(executor: Executor, path: str) -> None:
    response = executor.http.get(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    policy = _policy(response)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=|https?://", response.text)
    for asset in re.findall(r'(?:src|href)="(assets/[^"]+)"', response.text):
        loaded = executor.http.get(f"/{asset}")
        assert loaded.status_code == 200
        assert "immutable" in loaded.headers["Cache-Control"]


def test_each_answer_has_a_nonce_of_its_own(executor: Executor) -> None:
    nonces = set()
    for _ in range(3):
        response = executor.http.get("/")
        [nonce] = re.findall(r"'nonce-([\w-]{24})'", response.headers["Content-Security-Policy"])
        assert f'data-nonce="{nonce}"' in response.text
        nonces.add(nonce)
    assert len(nonces) == 3


@pytest.mark.parametrize("name", ["../app.py", "%2e%2e%2fapp.py", "nothing.js", "playground.html", ".", "a%00b"])
def test_nothing_but_what_pages_load_is_an_asset(executor: Executor, name: str) -> None:
    response = executor.http.get(f"/assets/{name}")
    assert response.status_code in (404, 405)
    assert response.headers["Content-Type"] == "application/problem+json"


def test_an_asset_is_compressed_for_those_who_take_it(executor: Executor) -> None:
    [name] = re.findall(r"assets/playground-\w+\.js", executor.http.get("/").text)
    with executor.http.stream("GET", f"/{name}", headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        body = b"".join(packed.iter_raw())
    plain = executor.http.get(f"/{name}", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(body) == plain.content


def test_pages_need_no_key_and_show_nothing_that_does() -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    with running({"EXECUTOR_API_KEYS": f"teacher:{digest}"}) as executor:
        for path in (*_PAGES, "/assets/licences.txt"):
            assert executor.http.get(path).status_code == 200
        for path in ("/languages", "/metrics", "/nothing"):
            assert executor.http.get(path).status_code == 401


def test_without_the_playground_no_page_leads_to_it() -> None:
    with running({"EXECUTOR_PLAYGROUND": "0"}) as executor:
        assert executor.http.get("/").status_code == 404
        for path in ("/docs", "/status"):
            response = executor.http.get(path)
            assert response.status_code == 200
            assert '<a href="./" hidden>' in response.text


def test_only_the_playground_goes_into_frames_and_only_of_pages_that_are_named() -> None:
    origins = "https://moodle.example.org https://*.example.net:8443"
    with running({"EXECUTOR_FRAME_ORIGINS": origins}) as executor:
        assert _policy(executor.http.get("/"))["frame-ancestors"] == origins
        assert _policy(executor.http.get("/docs"))["frame-ancestors"] == "'none'"


def test_another_site_s_page_cannot_have_a_program_run(executor: Executor) -> None:
    """A browser sends what a form can send without asking; for all else it asks first, and nobody says yes."""
    asked = executor.http.options(
        "/execute",
        headers={
            "Origin": "https://evil.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,authorization",
        },
    )  # fmt: skip
    assert "Access-Control-Allow-Origin" not in asked.headers
    body = '{"language": "python", "code": "print(1)"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        sent = executor.http.post("/execute", content=body, headers={"Content-Type": kind, "Origin": "https://evil.example"})
        assert sent.status_code == 415
    sent = executor.http.send(httpx.Request("POST", f"{executor.url}/execute", content=body, headers={"Origin": "null"}))
    assert sent.status_code == 415
