"""Fine-tuning of what is no picture: recordings and clips, and a refusal of what has no classes."""

from __future__ import annotations

import pytest
import tsugiki
from tsugiki.errors import OptionError


@pytest.mark.data("ylecun/mnist", "tsugiki/free_spoken_digits")
@pytest.mark.parametrize(
    ("name", "data", "columns"),
    [
        ("conv1d-digits", "tsugiki/free_spoken_digits", None),
        ("conv3d-moving-mnist", "tsugiki/moving_mnist", {"video": "frames", "label": "direction"}),
    ],
)
def test_recordings_and_clips_are_fine_tuned_without_the_augmentation_of_pictures(name, data, columns, tmp_path):
    test = tsugiki.data.load_data.load_split(data, "test").select(range(100))
    train = tsugiki.data.load_data.load_split(data, "train").shuffle(seed=0).select(range(300))
    result = tsugiki.finetune(
        name, train, test=test, output_dir=tmp_path / "out", depth="head", columns=columns, progress=False
    )
    assert result.report.augmentation == {}
    assert result.metrics["accuracy"].value > 0.9


def test_a_model_without_a_loss_is_refused(tmp_path):
    with pytest.raises(OptionError, match="HopfieldForPatternRecall does pattern-recall and has no loss"):
        tsugiki.finetune("hopfield-digits", "tsugiki/digit_patterns", output_dir=tmp_path / "out")
