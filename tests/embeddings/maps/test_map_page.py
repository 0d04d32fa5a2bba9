from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tsugiki_embeddings.maps.map_page import inline_json, map_data, page, write_page
from tsugiki_embeddings.maps.tsne_map import Map

NASTY = '</script><script>alert("x")</script> & <!-- {{ data }} {{ title }} \u2028 end'


def nasty_map() -> Map:
    positions = np.array([[-3.0, 2.0], [5.0, 1.0], [0.0, 0.0]])
    return Map(NASTY, positions, [NASTY, "b", ""], ["", NASTY, "c"], np.array([0, 1, 1]), [NASTY, "B"], [1])


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        key = attributes.get("id") or tag
        self.texts[key] = self.texts.get(key, "") + data


def parsed(text: str) -> _Elements:
    elements = _Elements()
    elements.feed(text)
    return elements


def test_page_needs_nothing_from_elsewhere():
    text = page(nasty_map())
    elements = parsed(text)
    assert not [a for _, attributes in elements.tags for a in attributes if a in ("src", "href", "srcset", "action")]
    assert not {"link", "img", "iframe", "object", "embed", "form"} & {tag for tag, _ in elements.tags}
    outside = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.S)
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest|import\(|eval\(|innerHTML", outside)
    policy = [
        attributes for tag, attributes in elements.tags if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in (policy[0]["content"] or "")


def test_whatever_the_texts_say_the_page_stays_two_scripts():
    elements = parsed(page(nasty_map()))
    assert [attributes.get("id") for tag, attributes in elements.tags if tag == "script"] == ["data", None]
    assert elements.texts["h1"].strip() == NASTY
    assert elements.texts["title"].strip() == NASTY


def test_data_comes_back_as_it_was():
    drawn = nasty_map()
    data = json.loads(parsed(page(drawn)).texts["data"])
    assert data == json.loads(json.dumps(map_data(drawn)))
    assert data["labels"] == [NASTY, "b", ""]
    assert data["groups"] == [0, 1, 1]
    assert data["marked"] == [1]


def test_coordinates_keep_their_shape_with_y_downwards():
    data = map_data(nasty_map())
    assert data["x"] == [0, 1, 0.375]
    assert data["y"] == pytest.approx([0, 0.125, 0.25])
    same = Map("t", np.zeros((2, 2)), ["a", "b"], ["", ""], np.zeros(2, np.int64), [""])
    assert map_data(same)["x"] == [0, 0]


def test_json_has_no_sign_that_ends_a_script():
    text = inline_json([NASTY])
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == [NASTY]


def test_page_is_written_whole(tmp_path):
    write_page(nasty_map(), tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == page(nasty_map())
    assert [file.name for file in tmp_path.iterdir()] == ["map.html"]
