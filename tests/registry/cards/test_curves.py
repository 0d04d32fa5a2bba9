"""The picture of a training run."""

from __future__ import annotations

from tsugiki.cards.curves import draw_curves


def test_curves_are_drawn_from_two_epochs_on(tmp_path):
    history = [{"epoch": 1.0, "loss": 2.0, "learning_rate": 0.1, "eval_loss": 2.1, "eval_accuracy": 0.3}]
    assert draw_curves(history, tmp_path, title="a") is None
    picture = draw_curves([*history, {**history[0], "epoch": 2.0, "loss": 1.0}], tmp_path, title="a")
    assert picture is not None
    assert (tmp_path / picture.file).read_bytes().startswith(b"\x89PNG")
    assert "2 epochs; it ends at 1.0000" in picture.caption
