"""A token, a home and a name in every option of every command that writes a snapshot: none of them is in a file."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import datasets
import pytest
import yaml
from tsugiki import cli
from tsugiki.cards.publish import publish
from tsugiki.errors import TsugikiError
from tsugiki.training.arguments import argument_names, training_arguments
from tsugiki.transfer.options import Options, read_options

from .. import transfer_data
from ..card_snapshots import PROSE
from ..tiny_snapshots import write_snapshot

TOKEN, NAME, HOME = "hf_" + "aB3dE6gH9j" * 3 + "kLmN", "Alice Liddell", "home-of-alice"
PRIVATE = {"token": TOKEN, "home": f"/{HOME}/secret", "name": NAME}
OPTIONS = sorted({*argument_names(), *(item.name for item in fields(Options))} - {"output_dir", "training"})
# Taken by the Trainer as they are, to find software, files or figures of these names when the training starts.
NEEDS_MORE = {
    "activation_checkpointing_kwargs",
    "attn_implementation",
    "dataloader_multiprocessing_context",
    "deepspeed",
    "fsdp",
    "fsdp_config",
    "gradient_checkpointing_kwargs",
    "lr_scheduler_kwargs",
    "log_level",
    "log_level_replica",
    "metric_for_best_model",
    "optim_args",
    "parallelism_config",
    "report_to",
    "resume_from_checkpoint",
    "torch_compile_backend",
    "torch_compile_mode",
}


SHORT = ["--max-steps", "2", "--per-device-train-batch-size", "8", "--learning-rate", "0.001"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a base model and photographs in folders by class."""
    home = tmp_path / HOME
    monkeypatch.setenv("HOME", str(home))
    base = write_snapshot(home / "models" / "base")
    config = json.loads((base / "config.json").read_text()) | {"_name_or_path": str(base)}
    (base / "config.json").write_text(json.dumps(config))
    for number, row in enumerate(transfer_data.dataset(5).cast_column("image", datasets.Image(decode=False))):
        folder = home / "clinic" / "photos" / transfer_data.NAMES[row["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(row["image"]["bytes"])
    return home


def assert_private(folder: Path) -> None:
    """Nothing of the home, the name and the token is in any file, and there are files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"README.md", "provenance.json", "config.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        for secret in (TOKEN, HOME, NAME, "Alice", "alice", str(folder.parent)):
            assert secret.encode() not in content, f"{path.name} holds {secret}"


def is_taken(name: str, value: str) -> bool:
    try:
        read_options({name: value})
    except TsugikiError:
        return False
    return True


def words(options: dict[str, str]) -> list[str]:
    """As they are typed; ``--debug`` is the program's own."""
    given = {f"--{name.replace('_', '-')}": value for name, value in options.items() if name != "debug"}
    return [word for option in given.items() for word in option]


def finetune(home: Path, *more: str) -> tuple[int, Path]:
    output = home / "models" / "mine"
    common = ["--augmentation", "none", "--progress", "false"]
    place = str(home / "clinic" / "photos")
    return cli.main(
        ["finetune", str(home / "models" / "base"), place, "--output-dir", str(output), *common, *more]
    ), output


@pytest.mark.parametrize("value", PRIVATE.values(), ids=PRIVATE)
def test_finetune_of_a_head_tells_nothing_of_its_options(home, value):
    late = {"task", "test", "validation", "leave_out"}
    taken = {name: value for name in OPTIONS if is_taken(name, value)}
    assert {"hub_token", "hub_model_id", "run_name", "revision", "lr_scheduler_type", *late} <= set(taken)
    accepted = {name: value for name in taken if name not in late}
    code, output = finetune(home, "--depth", "head", *words(accepted))
    assert code == 0
    assert_private(output)
    cli.main(["card", str(output), "--write"])
    assert_private(output)
    publish(output, home.parent / "published" / "mine")
    assert_private(home.parent / "published" / "mine")


@pytest.mark.parametrize(
    "option", ["license", "task", "test", "validation", "leave_out", "columns", "depth", "head", "device"]
)
def test_what_finetune_cannot_use_it_refuses_and_writes_nowhere(home, option, capsys):
    given = f"image={NAME}" if option == "columns" else NAME
    code, output = finetune(home, *([] if option == "depth" else ["--depth", "head"]), f"--{option}", given)
    assert code != 0
    assert not output.exists()


def accepted_by_the_trainer(folder: Path, value: str) -> dict[str, str]:
    """The options of a training that take this value."""
    accepted = {}
    for name in set(argument_names()) - NEEDS_MORE - {"output_dir"}:
        try:
            training_arguments(folder, {name: value})
        except (TsugikiError, ImportError, AttributeError, OSError, FutureWarning):
            continue
        accepted[name] = value
    assert {"hub_token", "hub_model_id", "run_name"} <= set(accepted)
    return accepted


def test_the_trainers_checkpoints_get_no_token(tmp_path):
    assert training_arguments(tmp_path, {"hub_token": TOKEN}).hub_token is None


@pytest.mark.parametrize("value", PRIVATE.values(), ids=PRIVATE)
def test_finetune_with_a_training_tells_nothing_of_its_options(home, value, tmp_path):
    accepted = accepted_by_the_trainer(tmp_path / "unused", value)
    code, output = finetune(home, "--depth", "1", *SHORT, *words(accepted))
    assert code == 0
    assert_private(output)


@pytest.mark.parametrize("value", PRIVATE.values(), ids=PRIVATE)
def test_train_tells_nothing_of_its_options_nor_of_folders_in_its_recipe(home, value, tmp_path):
    rows = datasets.DatasetDict(train=transfer_data.dataset(5), test=transfer_data.dataset(2, seed=1))
    rows.save_to_disk(home / "clinic" / "rows")
    place = str(home / "clinic" / "rows")
    recipe = {
        "name": "halves",
        "plugin": "toy",
        "family": "plain",
        "task": "image-classification",
        "license": "apache-2.0",
        "base_model": str(home / "models" / "base"),
        "data": {"id": place, "train": "train", "evaluation": "test", "license": "mit", "source": place},
        "evaluations": [
            {"id": place, "split": "train", "license": "mit", "source": place, "name": "seen", "revision": value}
        ],
        "training": {"num_train_epochs": 1, "run_name": value, "hub_token": value},
    }
    (home / "recipe").mkdir()
    (home / "recipe" / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (home / "recipe" / "card.md").write_text(PROSE)
    output = home / "models" / "halves"
    accepted = accepted_by_the_trainer(tmp_path / "unused", value)
    assert cli.main(["train", str(home / "recipe"), "--output-dir", str(output), *SHORT, *words(accepted)]) == 0
    assert_private(output)
