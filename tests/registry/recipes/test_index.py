"""What is generated from the cards: copies, index and tables, and that drift is seen."""

from __future__ import annotations

import json

import pytest
from tsugiki.cards.render import write_card
from tsugiki.cards.validate import validate_card
from tsugiki.errors import CardError
from tsugiki.recipes.index import END, START, check_generated, copy_card, write_generated

from ..card_snapshots import PROSE, provenance_record, write_snapshot

RECIPE = """\
name: {name}
plugin: vision
family: lenet
task: image-classification
license: mit
status: {status}
data: {{id: org/digits, train: train, evaluation: test, license: mit}}
training: {{num_train_epochs: 3}}
"""
SNAPSHOT = "packages/vision/src/tsugiki_vision/pretrained/tiny-net"


def write_recipe(root, name, status):
    folder = root / "hub_cards" / name
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE.format(name=name, status=status))
    (folder / "card.md").write_text(PROSE)
    return folder


@pytest.fixture
def root(tmp_path):
    """A checkout with one trained and one untrained recipe; nothing is rendered yet."""
    write_recipe(tmp_path, "tiny-net", "trained")
    write_recipe(tmp_path, "tiny-net10", "untrained")
    write_snapshot(tmp_path / SNAPSHOT, provenance_record("tiny-net"))
    (tmp_path / "packages/vision/README.md").write_text(f"# vision\n\n{START}\n{END}\n\nMore.\n")
    return tmp_path


def test_everything_is_written_once_and_then_stays(root):
    expected = [
        f"{SNAPSHOT}/README.md",
        "hub_cards/README.md",
        "hub_cards/tiny-net/README.md",
        "hub_cards/tiny-net/confusion_matrix.png",
        "packages/vision/README.md",
    ]
    assert sorted(check_generated(root)) == sorted(expected)
    assert sorted(write_generated(root)) == sorted(expected)
    assert check_generated(root) == []
    assert write_generated(root) == []
    assert validate_card(root / SNAPSHOT) == []


def test_index_has_a_row_for_every_recipe_in_natural_order(root):
    write_recipe(root, "tiny-net2", "untrained")
    write_generated(root)
    rows = [line for line in (root / "hub_cards/README.md").read_text().splitlines() if line.startswith("| [")]
    assert [row.split("`")[1] for row in rows] == ["tiny-net", "tiny-net2", "tiny-net10"]
    assert "accuracy 99.23 % (99.05 to 99.40 %) | 61,706 | 1,800 | mit |" in rows[0]
    assert "(tiny-net/README.md)" in rows[0]
    assert "(tiny-net2/recipe.yaml)" in rows[1] and "untrained" in rows[1]


def test_plugin_readme_keeps_what_stands_around_its_table(root):
    write_generated(root)
    text = (root / "packages/vision/README.md").read_text()
    assert text.startswith(f"# vision\n\n{START}\n| checkpoint |")
    assert text.endswith(f"{END}\n\nMore.\n")
    assert "(../../hub_cards/tiny-net/README.md)" in text
    assert "tiny-net10" not in text


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("hub_cards/README.md", "99.23", "99.33"),
        ("hub_cards/tiny-net/README.md", "99.23", "99.33"),
        ("packages/vision/README.md", "99.23", "99.33"),
        (f"{SNAPSHOT}/README.md", "99.23", "99.33"),
    ],
)
def test_figure_typed_by_hand_is_drift(root, file, old, new):
    write_generated(root)
    path = root / file
    path.write_text(path.read_text().replace(old, new))
    assert check_generated(root) == [file]


def test_new_prose_is_drift_until_it_is_rendered(root):
    write_generated(root)
    (root / "hub_cards/tiny-net/card.md").write_text(PROSE.replace("Tests.", "Tests and nothing else."))
    assert sorted(check_generated(root)) == ["hub_cards/tiny-net/README.md", f"{SNAPSHOT}/README.md"]
    write_generated(root)
    assert check_generated(root) == []
    assert validate_card(root / SNAPSHOT) == []


def test_trained_recipe_without_a_snapshot_is_refused(root):
    write_recipe(root, "other-net", "trained")
    with pytest.raises(CardError, match="other-net says status: trained and has no snapshot"):
        check_generated(root)


def test_untrained_recipe_with_a_snapshot_is_refused(root):
    write_snapshot(root / SNAPSHOT.replace("tiny-net", "tiny-net10"), provenance_record("tiny-net10"))
    with pytest.raises(CardError, match="tiny-net10 says status: untrained and has a snapshot"):
        check_generated(root)


def test_readme_without_markers_is_refused(root):
    (root / "packages/vision/README.md").write_text("# vision\n")
    with pytest.raises(CardError, match="checkpoints:start"):
        check_generated(root)


def test_card_is_copied_with_its_pictures(root, tmp_path):
    write_card(root / SNAPSHOT, PROSE)
    folder = tmp_path / "copy"
    folder.mkdir()
    copy_card(root / SNAPSHOT, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "confusion_matrix.png"]
    pictures = json.loads((root / SNAPSHOT / "provenance.json").read_text())["pictures"]
    assert [picture["file"] for picture in pictures] == ["confusion_matrix.png"]
