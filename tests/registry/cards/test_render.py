"""Rendering: prose and provenance become the card, the same bytes every time, and nothing is left unfilled."""

from __future__ import annotations

import copy
import json
import re

import pytest
from huggingface_hub import ModelCard
from tsugiki.cards.front_matter import split_card
from tsugiki.cards.prose import fill, slots
from tsugiki.cards.render import render_card, write_card
from tsugiki.cards.results import parse_results, result_rows
from tsugiki.errors import CardError
from tsugiki.snapshots.provenance import Provenance

from ...conftest import REPO
from ..card_snapshots import PROSE, provenance_record, write_snapshot, write_snapshot_with_card


@pytest.fixture
def folder(tmp_path):
    return write_snapshot(tmp_path / "tiny-net")


@pytest.fixture
def record(folder):
    return json.loads((folder / "provenance.json").read_text())


def render(folder, prose, record):
    return render_card(folder, prose, Provenance.from_dict(record))


def test_rendering_twice_gives_the_same_bytes(folder, record):
    first = render(folder, PROSE, record)
    assert first == render(folder, PROSE, copy.deepcopy(record))
    write_card(folder, PROSE)
    again = (folder / "provenance.json").read_bytes(), (folder / "README.md").read_bytes()
    write_card(folder)
    assert again == ((folder / "provenance.json").read_bytes(), (folder / "README.md").read_bytes())
    assert again[1].decode() == first


def test_front_matter_is_what_the_hub_reads(folder, record):
    card = ModelCard(render(folder, PROSE, record))
    assert card.data.license == "mit"
    assert card.data.library_name == "tsugiki"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.datasets == ["org/digits"]
    (result,) = card.data.eval_results
    assert (result.dataset_type, result.dataset_split, result.metric_type) == ("org/digits", "test", "accuracy")
    assert result.metric_value == 0.9923
    assert result.metric_args == {"interval_95": [0.9905, 0.994], "rows": 10000}


def test_results_table_can_be_read_back(folder, record):
    _, text = split_card(render(folder, PROSE, record))
    assert parse_results(text) == result_rows(Provenance.from_dict(record))
    (row,) = parse_results(text)
    assert row.value == "99.23 %"
    assert row.interval == "99.05 to 99.40 %"


def test_card_tells_how_it_was_made(folder, record):
    text = render(folder, PROSE, record)
    for part in (
        "tsugiki train hub_cards/tiny-net",
        "99.23 ± 0.04 %",
        "2 min 3 s",
        "1 process, 2 threads, fp32",
        "torch 2.13.0",
        record["commit"],
        record["weights"]["sha256"],
        "learning_rate: 0.01",
        "ab12ab12ab12ab12",
        "![Which digit was taken for which.](confusion_matrix.png)",
        "tsugiki verify tiny-net",
    ):
        assert part in text


def test_unknown_slot_names_the_nearest(folder, record):
    with pytest.raises(CardError, match=r"acuracy.*Did you mean 'accuracy'"):
        render(folder, PROSE.replace("{{ accuracy }}", "{{ acuracy }}"), record)


def test_slot_without_a_value_is_refused(folder, record):
    for slot, field in (("accuracy_mean", "seeds"), ("base_model", "base_model")):
        with pytest.raises(CardError, match=slot):
            fill(f"{{{{ {slot} }}}}", Provenance.from_dict({**record, field: None}))


@pytest.mark.parametrize("left", ["{{ accuracy", "accuracy }}", "[More Information Needed]"])
def test_half_a_slot_or_a_reminder_is_refused(left, record):
    with pytest.raises(CardError, match=r"line 2.*is not filled"):
        fill(f"first\n{left}\n", Provenance.from_dict(record))


def test_every_slot_has_a_text(record):
    found = slots(Provenance.from_dict(record))
    assert all(value and "None" not in value for value in found.values())
    assert found["accuracy_spread"] == "99.23 ± 0.04 %"


@pytest.mark.parametrize("heading", ["Intended use", "Limits"])
def test_required_section_is_asked_for(heading, folder, record):
    with pytest.raises(CardError, match=f"no section '## {heading}'"):
        render(folder, PROSE.replace(f"## {heading}", "## Something else"), record)


def test_section_without_text_is_refused(folder, record):
    with pytest.raises(CardError, match="'Limits'"):
        render(folder, PROSE.replace("It knows nothing.", ""), record)


@pytest.mark.parametrize("reminder", ["TODO", "tbd.", "**TODO**", "..."])
def test_section_that_is_only_a_reminder_is_refused(folder, record, reminder):
    with pytest.raises(CardError, match=r"section 'Limits' of card\.md is empty"):
        render(folder, PROSE.replace("It knows nothing.", reminder), record)


def test_missing_picture_is_refused(folder, record):
    (folder / "confusion_matrix.png").unlink()
    with pytest.raises(CardError, match=r"confusion_matrix\.png.*missing"):
        render(folder, PROSE, record)


def test_picture_outside_of_the_snapshot_is_refused(folder, record):
    record["pictures"] = [{"file": "../secret.png", "caption": "Not ours."}]
    with pytest.raises(CardError, match="does not lie in the snapshot"):
        render(folder, PROSE, record)


def test_card_without_a_figure_is_refused(folder, record):
    with pytest.raises(CardError, match="'tiny-net' has no evaluation"):
        render(folder, PROSE, {**record, "evaluations": [], "seeds": None})


def test_unknown_licence_names_the_nearest(folder, record):
    with pytest.raises(CardError, match=r"'apache-2'.*'apache-2.0'"):
        render(folder, PROSE, {**record, "license": "apache-2"})


def test_other_licence_needs_its_name(folder, record):
    with pytest.raises(CardError, match="license_name"):
        render(folder, PROSE, {**record, "license": "other"})
    record |= {"license": "other", "license_name": "Museum terms"}
    record["data"]["train"]["source"] = "https://museum.example/digits at 26eb9aaf (corrected)"
    text = render(folder, PROSE, record)
    assert "license_name: Museum terms\nlicense_link: https://museum.example/digits\n" in text
    assert "## License of the weights\n\nMuseum terms." in text


def test_other_licence_needs_a_link(folder, record):
    record |= {"license": "other", "license_name": "Museum terms"}
    record["data"]["train"]["source"] = "made by rule"
    with pytest.raises(CardError, match="license_link"):
        render(folder, PROSE, record)
    text = render(folder, f"---\nlicense_link: https://museum.example/terms\n---\n\n{PROSE}", record)
    assert ModelCard(text).data.license_link == "https://museum.example/terms"


@pytest.mark.parametrize(("written", "read"), [("ja", "ja"), ("[ja, en]", ["ja", "en"]), ("[fil]", "fil")])
def test_prose_may_state_languages(written, read, folder, record):
    text = render(folder, f"---\nlanguage: {written}\n---\n\n{PROSE}", record)
    assert ModelCard(text).data.language == read
    assert split_card(text)[1] == split_card(render(folder, PROSE, record))[1]
    assert ModelCard(render(folder, PROSE, record)).data.language is None


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("language: jp", "language 'jp' is no code of ISO 639"),
        ("language: English", "language 'English' is no code"),
        ("language: no", "a word that YAML reads as a truth value: quote it"),
        ("language: [en, 3]", "language 3 is no code"),
        ("license_link: museum terms", "neither an address nor LICENSE"),
        ("licence_link: LICENSE", "card.md states 'licence_link'.*'license_link'"),
        ("- en", "the front matter of card.md is not a YAML mapping"),
    ],
)
def test_wrong_metadata_of_prose_is_refused(stated, said, folder, record):
    with pytest.raises(CardError, match=said):
        render(folder, f"---\n{stated}\n---\n\n{PROSE}", record)


def test_data_without_a_licence_is_told(folder, record):
    record["data"]["train"]["license"] = "unknown"
    text = render(folder, PROSE, {**record, "license": "unknown"})
    assert "No licence is stated for these weights" in text
    assert "`org/digits` states no licence" in text


def test_data_sets_are_named_in_the_metadata_and_folders_are_not(folder, record):
    for name, lines in (("tsugiki/sign_digits", "datasets:\n- tsugiki/sign_digits\n"), ("/home/somebody/photos", "")):
        record["data"]["train"]["id"] = record["evaluations"][0]["dataset"] = name
        front = (text := render(folder, PROSE, record)).split("model-index")[0]
        assert lines in front and ("datasets:" in front) == bool(lines)
        assert "/home/somebody" not in text


def test_prose_may_say_itself_how_to_use_the_model(folder, record):
    text = render(folder, PROSE + "\n## How to use it\n\nAsk {{ name }}.\n", record)
    assert "Ask tiny-net." in text
    assert "import tsugiki" not in text


def test_snapshot_of_a_wider_field_shows_plain_numbers(tmp_path):
    record = provenance_record("translator", task="text-translation", seeds=None)
    record["evaluations"][0]["metrics"] = {
        "bleu": {"value": 26.68123, "low": 25.9, "high": 27.41, "n": 1000, "kind": "score"}
    }
    folder = write_snapshot_with_card(
        tmp_path / "translator", record, prose=PROSE.replace("{{ accuracy }}", "{{ bleu }}")
    )
    text = (folder / "README.md").read_text()
    assert "| bleu | 26.68 | 25.9 to 27.41 |" in text
    assert 'tsugiki.load("translator")' in text


FACTS = {"duration", "evaluation_rows", "license", "name", "parameters", "seed_count", "size", "train_rows"}
FACTS |= {"accuracy_mean", "accuracy_sd", "accuracy_spread", "accuracy_low", "accuracy_high"}  # other slots are metrics


@pytest.mark.parametrize("prose", sorted(REPO.glob("hub_cards/*/card.md")), ids=lambda path: path.parent.name)
def test_prose_of_every_checkpoint_is_complete(prose, folder, record):
    evaluation = record["evaluations"][0]
    figures = evaluation["metrics"]["accuracy"]
    slots = set(re.findall(r"{{ (\w+) }}", prose.read_text())) - FACTS
    measured = dict.fromkeys(["accuracy", *sorted(slots)], figures)
    evaluations = [{**evaluation, "metrics": measured}]
    text = render(folder, prose.read_text(), {**record, "evaluations": evaluations, "name": prose.parent.name})
    assert f"# {prose.parent.name}\n" in text
    introduction = text.split("## Results")[0]
    assert "99.23 %" in introduction or "0.9923" in introduction
