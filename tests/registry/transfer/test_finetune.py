"""Fine-tuning, end to end on a tiny network: what it writes, what it refuses, and how it continues."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
import torch
import tsugiki
from safetensors.torch import load_file
from tsugiki.errors import DataError, OptionError, OutputError
from tsugiki.snapshots.provenance import Provenance
from tsugiki.transfer import finetune as module
from tsugiki.transfer import resumable_run as runs

from .. import transfer_data
from ..tiny_snapshots import write_snapshot

SHORT = {"max_steps": 12, "per_device_train_batch_size": 8, "augmentation": False, "progress": False}


def test_head_alone_is_a_whole_snapshot_with_card(base, data, tmp_path):
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", **SHORT)
    names = {path.name for path in result.path.iterdir()}
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "provenance.json", "README.md"} <= names
    assert "confusion_matrix.png" in names
    assert "run" not in names
    assert result.depth == "head"
    assert result.metrics["accuracy"].value > 0.7
    assert result.metrics["accuracy"].n == 24
    loaded = tsugiki.load(result.path)
    assert list(loaded.config.id2label.values()) == transfer_data.NAMES
    assert tsugiki.evaluate(result.path, data)["accuracy"] == result.metrics["accuracy"]
    assert tsugiki.verify(result.path, data).ok
    frozen, before = load_file(result.path / "model.safetensors"), load_file(base / "model.safetensors")
    assert all(torch.equal(frozen[name], before[name]) for name in before if not name.startswith("classifier."))


def test_what_speaks_against_the_figures_comes_first(base, data, tmp_path):
    few = datasets.DatasetDict(train=data["train"], test=data["test"].select([0, 1]))
    result = tsugiki.finetune(base, few, output_dir=tmp_path / "mine", depth="head", **SHORT)
    assert result.caveats[0].startswith("Too few rows to tell: accuracy ")
    assert str(result.report).startswith("\n".join(result.caveats))
    assert Provenance.read(result.path).transfer.caveats == result.caveats
    introduction = (result.path / "README.md").read_text(encoding="utf-8").split("## Results")[0]
    assert " ".join(result.caveats) in introduction


def test_logs_for_tensorboard_stay_beside_the_weights(base, data, tmp_path, monkeypatch):
    class Writer:
        """Leaves a file as TensorBoard's own does."""

        def __init__(self, log_dir):
            self.file = Path(log_dir) / "events.out.tfevents.1.here"
            self.file.parent.mkdir(parents=True)

        def add_text(self, *words):
            self.file.write_text(str(words))

        add_scalar = add_text

        def flush(self):
            pass

        close = flush

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    monkeypatch.setattr("transformers.integrations.integration_utils.is_tensorboard_available", lambda: True)
    options = {**SHORT, "report_to": "tensorboard", "learning_rate": 1e-3}
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, **options)
    logs = [path.relative_to(result.path) for path in result.path.rglob("events*")]
    assert logs == [Path("runs", "transfer-final", "events.out.tfevents.1.here")]
    assert tsugiki.load(result.path) is not None
    tsugiki.publish(result.path, tmp_path / "published")
    assert not (tmp_path / "published" / "runs").exists()
    tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", overwrite=True, **SHORT)
    assert not (result.path / "runs").exists()
    (result.path / "runs").mkdir()
    (result.path / "runs" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="did not write runs"):
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", overwrite=True, **SHORT)


def test_deep_training_moves_what_it_should_and_beats_nothing_on_unseen_rows(base, data, tmp_path):
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, **SHORT)
    after, before = load_file(result.path / "model.safetensors"), load_file(base / "model.safetensors")
    moved = {name for name in before if name in after and not torch.equal(after[name], before[name])}
    assert {name.rpartition(".")[0] for name in moved} == {"plain.hidden_layers.1.0", "classifier"}
    assert result.depth == 1
    assert [entry["learning_rate"] for entry in result.report.tuned.tried][:3] == [3e-4, 1e-3, 3e-3]
    assert result.report.tuned.chosen_on == "8 rows held out of the training rows"
    provenance = Provenance.read(result.path)
    assert provenance.base_model == "./base"
    assert (provenance.transfer.depth, provenance.transfer.training.steps) == ("1", 12)
    assert provenance.transfer == result.report.record()
    assert "measured on 24 rows of the split 'test'" in str(result.report)


def test_auto_tells_what_it_tried_and_scratch_gets_no_less(base, data, tmp_path):
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", compare_scratch=True, **SHORT)
    report = result.report
    assert next(probe.stage for probe in report.choice.probes) == "head"
    assert report.choice.depth == report.depth
    assert "pay for" in report.choice.why
    assert report.scratch.fit.steps == report.tuned.fit.steps
    assert {len(report.scratch.tried), len(report.tuned.tried)} <= {3, 4}
    assert (result.path / "depth.png").exists()
    assert "Against training from scratch" in (result.path / "README.md").read_text()


def test_without_test_data_a_part_is_held_out_and_can_be_verified(base, tmp_path):
    transfer_data.dataset(10).save_to_disk(tmp_path / "data")
    result = tsugiki.finetune(base, tmp_path / "data", output_dir=tmp_path / "mine", depth="head", **SHORT)
    assert result.metrics["accuracy"].n == 8
    assert "held out by class" in result.report.measured_on
    assert tsugiki.verify(result.path, tmp_path / "data").ok
    with pytest.raises(DataError, match=r"in which folder 'data' lies; say it with data= or --data"):
        tsugiki.verify(result.path)


def test_named_validation_chooses_and_the_best_candidate_is_kept(base, data, tmp_path):
    data["validation"] = transfer_data.dataset(4, seed=2)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, **SHORT)
    assert result.report.tuned.chosen_on == "16 rows of validation data"
    assert result.report.estimate.trainings == 3


def test_folder_of_class_folders_and_a_head_of_another_kind(base, tmp_path):
    for number, row in enumerate(transfer_data.dataset(5).cast_column("image", datasets.Image(decode=False))):
        folder = tmp_path / "photos" / transfer_data.NAMES[row["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(row["image"]["bytes"])
    result = tsugiki.finetune(
        base, tmp_path / "photos", output_dir=tmp_path / "mine", depth="head", head="svm", **SHORT
    )
    assert result.report.head.kind == "svm"
    assert sorted(result.model.config.id2label.values()) == sorted(transfer_data.NAMES)


def test_network_of_transformers_itself(tmp_path):
    base = write_snapshot(tmp_path / "base", "resnet")
    data = transfer_data.dataset(5)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, learning_rate=1e-3, **SHORT)
    assert result.report.trained_stages == ["resnet.encoder.stages.1"]
    assert tsugiki.load(result.path).config.model_type == "resnet"


def test_killed_run_continues_with_the_same_weights(base, data, tmp_path, monkeypatch):
    whole = tsugiki.finetune(base, data, output_dir=tmp_path / "whole", depth="all", **SHORT)
    fits = []
    fit = runs.fit

    def dies_at_the_third(*arguments, **options):
        if len(fits) == 2:
            raise KeyboardInterrupt
        fits.append(arguments[1].title)
        return fit(*arguments, **options)

    monkeypatch.setattr(runs, "fit", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="all", **SHORT)
    assert not (tmp_path / "mine").exists()
    assert (tmp_path / "mine.partial").exists()
    fits.clear()
    monkeypatch.setattr(runs, "fit", lambda *a, **o: fits.append(a[1].title) or fit(*a, **o))
    resumed = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="all", **SHORT)
    assert fits == ["transfer rate 2", "transfer final"]
    assert not (tmp_path / "mine.partial").exists()
    expected, weights = (load_file(result.path / "model.safetensors") for result in (whole, resumed))
    assert all(torch.equal(expected[name], weights[name]) for name in expected)


def test_another_command_starts_anew(base, data, tmp_path, monkeypatch):
    def dies(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_snapshot", dies)
        with pytest.raises(KeyboardInterrupt):
            tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, learning_rate=1e-3, **SHORT)
    fits = []
    fit = runs.fit
    monkeypatch.setattr(runs, "fit", lambda *a, **o: fits.append(a[1].title) or fit(*a, **o))
    tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, learning_rate=1e-2, **SHORT)
    assert fits == ["transfer final"]


def test_failure_leaves_nothing(base, data, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_snapshot", full)
    with pytest.raises(OutputError, match="no space left"):
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", **SHORT)
    assert not list(tmp_path.glob("mine*"))


def test_empty_class_is_refused(base, tmp_path):
    data = transfer_data.dataset(4, names=[*transfer_data.NAMES, "middle"])
    with pytest.raises(DataError, match="'middle'"):
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **SHORT)
    assert not list(tmp_path.glob("mine*"))


def test_nothing_left_to_measure_on_is_refused(base, tmp_path):
    with pytest.raises(DataError, match="name test data with test="):
        tsugiki.finetune(base, transfer_data.dataset(1), output_dir=tmp_path / "mine", **SHORT)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"depth": "deep"}, OptionError, "depth must be"),
        ({"lerning_rate": 1}, OptionError, "Did you mean 'learning_rate'"),
        ({"test": "tset"}, DataError, "Did you mean 'test'"),
        ({"validation": "test", "test": "test"}, DataError, "trained or chosen on"),
        ({"columns": {"label": "lable"}}, DataError, "lable"),
    ],
)
def test_wrong_calls_are_one_error(base, data, tmp_path, options, error, says):
    with pytest.raises(error, match=says):
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **{**SHORT, **options})
    assert not list(tmp_path.glob("mine*"))


def test_existing_output_is_kept(base, data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(OutputError, match="exists already"):
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **SHORT)
