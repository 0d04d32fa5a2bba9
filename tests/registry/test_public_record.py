"""What may be read by others: names without folders, options from a list, and files without tokens."""

from __future__ import annotations

import pytest
from tsugiki import public_record
from tsugiki.public_record import find_secret, public_arguments, public_model_name, public_name, public_value
from tsugiki.training.arguments import argument_names

TOKEN = "hf_" + "aB3dE6gH9j" * 3 + "kLmN"


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("/home/alice/clinic/patients", "patients"),
        ("~/clinic/patients", "patients"),
        ("../alice/patients.csv", "patients.csv"),
        (r"C:\Users\alice\patients", "patients"),
        ("org/name", "org/name"),
        ("https://alice:secret@example.org/data/rows.csv?token=1", "https://example.org/data/rows.csv"),
        ("~", "unnamed"),
        ("..", "unnamed"),
        ("~alice", "unnamed"),
    ],
)
def test_of_a_path_the_last_part_is_public(name, public):
    assert public_name(name) == public


def test_a_folder_is_no_hub_id_and_a_home_has_no_name(tmp_path, monkeypatch):
    (tmp_path / "alice" / "patients").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "alice"))
    assert public_name("alice/patients") == "patients"
    assert public_model_name("alice/patients") == "./patients"
    assert public_name(tmp_path / "alice") == "unnamed"
    assert public_model_name("vision:lenet5-mnist") == "vision:lenet5-mnist"


def test_values_lose_their_folders_and_nothing_else(tmp_path):
    kept = {"pattern": r"\w+/\d", "method": "sgns", "sizes": [3, 2.5, None, True], "id2label": {"0": "/home/x"}}
    assert public_value({**kept, "vectors": str(tmp_path), "more": ["/home/alice/v"]}) == {
        **kept,
        "vectors": f"./{tmp_path.name}",
        "more": ["./v"],
    }


@pytest.mark.parametrize("value", [TOKEN, "/home/alice/models", "Alice Liddell", {"key": "Alice"}, ["Alice"]])
def test_no_option_of_the_trainer_takes_a_secret_into_a_record(value):
    assert public_arguments(dict.fromkeys(argument_names(), value)) == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TOKEN, "a Hugging Face token"),
        ("ghp_" + "a1B2" * 9, "a GitHub token"),
        ("AKIA" + "Z1" * 8, "an AWS key"),
        ("sk-ant-api03-" + "x_Y-" * 9, "a key of an AI service"),
        ("xoxb-1234567890-abcdef", "a Slack token"),
        ("sk_live_" + "aB3d" * 6, "a Stripe key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.abcdefghijklmnop", "a signed web token"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        ("tell-me-tiny", "the token in use here"),
    ],
)
def test_a_token_is_found_in_any_file(tmp_path, text, kind):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"\x00\xff" * 5000 + text.encode() + b"\x00")
    assert find_secret(file, {"the token in use here": "tell-me-tiny"}) == kind


@pytest.mark.parametrize("secret", [TOKEN, "tell-me-tiny"])
@pytest.mark.parametrize("before", range(60, 101, 3))
def test_a_token_is_found_wherever_the_file_is_cut_for_reading(tmp_path, monkeypatch, secret, before):
    monkeypatch.setattr(public_record, "_CHUNK", 100)
    monkeypatch.setattr(public_record, "_OVERLAP", 50)
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"\x00" * before + secret.encode() + b"\x00" * 300)
    assert find_secret(file, {"ours": "tell-me-tiny"}) is not None


@pytest.mark.parametrize("text", ["", "hf_transfer hf_hub_download", "0123456789abcdef" * 4, "ask-" + "a" * 50])
def test_what_is_no_token_is_let_through(tmp_path, text):
    file = tmp_path / "tokenizer.json"
    file.write_text(text)
    assert find_secret(file, {}) is None
