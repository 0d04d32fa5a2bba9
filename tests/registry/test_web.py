"""Files behind an address, from a server on this machine."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tsugiki
from huggingface_hub import constants
from PIL import Image
from tsugiki import cli, images, web
from tsugiki.errors import DataError
from tsugiki.inputs import TEXTS
from tsugiki.registry import registry
from tsugiki.web import Address, fetch, is_address


def png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (28, 28), 200).save(file, "png")
    return file.getvalue()


FILES = {
    "/a.png": png(),
    "/lines.txt": b"good film\n\nbad film\n",
    "/table.csv": b"body\na good film\n",
    "/page": b"\n<!DOCTYPE html><p>good",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/moved.png":
            self.send_response(302)
            self.send_header("Location", "/a.png")
            self.end_headers()
            return
        self.send_response(200 if path in FILES else 404)
        self.end_headers()
        self.wfile.write(FILES.get(path, b"nothing"))

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name, value in (("HF_HUB_OFFLINE", "0"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")):
        monkeypatch.setenv(name, value)


def test_what_is_an_address():
    assert is_address("https://example.org/a.png")
    assert not is_address("see https://example.org") and not is_address("https://example.org is good")


def test_a_file_is_fetched_where_it_has_moved_too(server, online):
    assert fetch(f"{server}/moved.png") == FILES["/a.png"]
    assert images.fetch_image(f"{server}/a.png").size == (28, 28)


@pytest.mark.parametrize(
    ("path", "said"), [("/none.png", "404 Not Found"), ("/a.png", "more than 0 MB"), (None, "cannot be fetched")]
)
def test_what_cannot_be_fetched_is_one_error(path, said, server, online):
    with pytest.raises(DataError, match=said) as caught:
        fetch(f"{server}{path}" if path else "http://127.0.0.1:1/a.png", limit=10)
    assert "\n" not in str(caught.value)


def test_nothing_is_fetched_offline(server, online, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"a\.png is not fetched: HF_HUB_OFFLINE forbids the network"):
        fetch(f"{server}/a.png")


def test_texts_are_lines_or_rows_of_a_table_and_no_page(server, online):
    lines, table, page = (Address(f"{server}{path}") for path in ("/lines.txt", "/table.csv?raw=1", "/page"))
    assert TEXTS.find([("lines", lines)]) == [("lines:1", "good film"), ("lines:3", "bad film")]

    def read(path):
        assert path.suffix == ".csv"
        return path.read_text().splitlines()[1:]

    assert TEXTS.find([("table", table)], read) == [("table:1", "a good film")]
    with pytest.raises(DataError, match="page is a page of the web"):
        TEXTS.find([("page", page)])


def test_predict_fetches_pictures(server, online, tmp_path, capsys):
    tsugiki.create_model("plain").save_pretrained(tmp_path)
    registry().family("plain").processor_class()().save_pretrained(tmp_path)
    code = cli.main(["predict", str(tmp_path), f"{server}/a.png", f"{server}/none.png", "--json", "-k", "1"])
    answers = json.loads(capsys.readouterr().out)
    assert [answer["input"].rpartition("/")[2] for answer in answers] == ["a.png", "none.png"]
    assert code == 1 and "predictions" in answers[0] and "404" in answers[1]["error"]


def test_a_server_that_sends_for_ever_is_left(server, online, monkeypatch):
    monkeypatch.setattr(web, "_LONGEST", -1.0)
    with pytest.raises(DataError, match="takes more than"):
        fetch(f"{server}/a.png", timeout=5)
