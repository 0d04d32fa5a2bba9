from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from scipy.ndimage import gaussian_filter
from tsugiki.errors import DataError, OptionError
from tsugiki.images import Normalize
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki_vision.unsupervised.neocognitron import (
    CCells,
    ContrastLayer,
    NeocognitronBackbone,
    NeocognitronConfig,
    NeocognitronForImageClassification,
    SCells,
    gaussian_kernel,
)
from tsugiki_vision.unsupervised.neocognitron_training import (
    add_if_silent,
    draw_windows,
    train_neocognitron,
    winner_take_all,
)

SMALL = {"image_size": 12, "cell_planes": (4, 6), "s_kernel_sizes": (3, 3), "c_kernel_sizes": (3, 3)}


def directions(count: int, dimensions: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.rand(count, dimensions, generator=generator), dim=1)


def test_s_cell_answers_as_the_formula_of_2011():
    """u = |x| max(0, s - theta) / (1 - theta), window by window."""
    torch.manual_seed(0)
    cells = SCells(2, 3, kernel_size=3, threshold=0.7)
    cells.weight.data.uniform_(0, 1)
    hidden = torch.rand(1, 2, 5, 6)
    found = cells(hidden)[0].detach().numpy()
    padded = F.pad(hidden, (1, 1, 1, 1))[0].numpy()
    for plane, reference in enumerate(cells.weight.detach().numpy()):
        for row in range(5):
            for column in range(6):
                window = padded[:, row : row + 3, column : column + 3]
                length = np.linalg.norm(window)
                cosine = (window * reference).sum() / (length * np.linalg.norm(reference))
                expected = length * max(0.0, cosine - 0.7) / 0.3
                assert found[plane, row, column] == pytest.approx(expected, abs=1e-4)


def test_s_cell_finds_its_own_window_and_scales_with_contrast():
    cells = SCells(1, 1, kernel_size=3, threshold=0.6)
    feature = torch.rand(1, 1, 3, 3)
    cells.weight.data = 5 * feature  # only the direction matters
    answer = cells(feature)[0, 0, 1, 1]
    torch.testing.assert_close(answer, feature.norm(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(cells(3 * feature)[0, 0, 1, 1], 3 * answer, rtol=1e-4, atol=1e-4)


def test_cells_do_not_answer_to_nothing_and_have_a_gradient_there():
    cells = SCells(1, 2, kernel_size=3, threshold=0.5)
    cells.weight.data.uniform_(0, 1)
    nothing = torch.zeros(1, 1, 4, 4, requires_grad=True)
    cells(nothing).sum().backward()
    assert cells(nothing).sum() == 0
    assert torch.isfinite(nothing.grad).all()


def test_c_cells_saturate_at_one_and_give_half_at_the_saturation():
    cells = CCells(1, kernel_size=3, stride=2, saturation=0.2)
    flat = torch.full((1, 1, 9, 9), 0.2)
    answer = cells(flat)
    assert answer.shape == (1, 1, 5, 5)
    torch.testing.assert_close(answer[0, 0, 2, 2], torch.tensor(0.5))
    assert 0.99 < cells(1000 * flat).max() < 1


def test_contrasts_are_a_difference_of_gaussians_split_by_sign():
    picture = torch.rand(1, 1, 30, 30)
    layer = ContrastLayer(1, (0.8, 1.6))
    on, off = layer(picture)[0]
    assert (on * off).sum() == 0
    smooth = [gaussian_filter(picture[0, 0].numpy().astype(float), s, mode="nearest") for s in (0.8, 1.6)]
    inside = (slice(6, -6), slice(6, -6))
    np.testing.assert_allclose((on - off).numpy()[inside], (smooth[0] - smooth[1])[inside], atol=0.03)
    assert layer(torch.full((1, 1, 8, 8), 7.0)).abs().max() < 1e-5  # a flat picture, its frame included


def test_gaussian_kernel_is_that_of_scipy():
    impulse = np.zeros((21, 21))
    impulse[10, 10] = 1
    np.testing.assert_allclose(
        gaussian_kernel(21, 1.5).numpy(), gaussian_filter(impulse, 1.5, truncate=7), rtol=1e-4, atol=1e-7
    )


def test_stages_have_their_names_strides_and_channels():
    config = NeocognitronConfig(**SMALL, out_features=["UG", "S1", "C1", "S2", "C2", "cells"])
    backbone = NeocognitronBackbone(config).eval()
    maps = backbone(torch.rand(2, 1, 12, 12)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [
        (2, 12, 12), (4, 12, 12), (4, 6, 6), (6, 6, 6), (6, 2, 2), (24, 1, 1)
    ]  # fmt: skip
    assert backbone.strides == [1, 1, 2, 2, 8, 0]


def test_cells_run_on_pictures_of_any_size():
    backbone = NeocognitronBackbone(NeocognitronConfig(**SMALL, out_features=["C2"])).eval()
    assert backbone(torch.rand(1, 1, 31, 17)).feature_maps[0].shape == (1, 6, 4, 3)


def test_parameters_are_windows_and_read_out():
    model = NeocognitronForImageClassification(NeocognitronConfig(num_labels=10))
    windows = 16 * 2 * 25 + 128 * 16 * 25
    assert model.num_parameters() == windows + (128 * 4 * 4 + 1) * 10


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell_planes": (4,)}, "one number in each of cell_planes"),
        ({"cell_planes": (4, 0)}, "cell_planes must be positive"),
        ({"s_kernel_sizes": (5, 4)}, "s_kernel_sizes must be odd"),
        ({"c_strides": (2, 0)}, "c_strides must be positive"),
        ({"thresholds": (0.5, 1.0)}, "thresholds must be at least 0 and below 1"),
        ({"contrast_sigmas": (2.0, 1.0)}, "contrast_sigmas must be a smaller and a larger"),
        ({"saturation": 0.0}, "saturation must be positive"),
        ({"image_size": 0}, "image_size must be at least 1"),
        ({"cell_planes": "16"}, "cell_planes"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        NeocognitronConfig(**fields)


def test_added_cells_are_windows_that_no_earlier_cell_answered():
    windows = directions(300, 6)
    cells = add_if_silent(windows, 12)
    taken = [int((windows == cell).all(1).nonzero()[0]) for cell in cells]
    assert taken == sorted(taken)
    assert taken[0] == 0
    cosines = cells @ cells.T - 2 * torch.eye(12)
    threshold = cosines.max()
    before_last = windows[: taken[-1]]
    # Up to the last one that was added, each window is answered by some cell or is one.
    assert ((before_last @ cells.T).amax(1) >= threshold - 1e-3).all()


def test_too_few_different_windows_are_one_sentence():
    with pytest.raises(DataError, match="a layer of 5 cell planes finds only 2 different windows"):
        add_if_silent(directions(2, 4).repeat(20, 1), 5)


def test_winner_take_all_gives_the_direction_of_what_each_cell_won():
    windows, cells = directions(200, 5, seed=1), directions(7, 5, seed=2)
    found = winner_take_all(windows, cells, sweeps=1)
    winners = np.argmax(windows.numpy() @ cells.numpy().T, axis=1)
    for cell in range(7):
        won = windows.numpy()[winners == cell]
        expected = won.sum(0) / np.linalg.norm(won.sum(0)) if len(won) else cells[cell].numpy()
        np.testing.assert_allclose(found[cell].numpy(), expected, rtol=1e-5)


def test_sweeps_of_competition_bring_cells_nearer_to_the_windows():
    windows = directions(400, 8, seed=3)
    cells = add_if_silent(windows, 10)
    nearness = [float((windows @ winner_take_all(windows, cells, sweeps).T).amax(1).mean()) for sweeps in (0, 1, 4)]
    assert nearness == sorted(nearness)


def strokes(rows: int, seed: int = 0) -> TensorTable:
    """Pictures of a bar that lies or stands or leans, anywhere."""
    generator = np.random.default_rng(seed)
    pixels = np.zeros((rows, 1, 12, 12), np.uint8)
    labels = generator.integers(0, 3, rows)
    for picture, label in zip(pixels[:, 0], labels, strict=True):
        row, column = generator.integers(0, 6, 2)
        for step in range(6):
            picture[row + (step if label != 0 else 0), column + (step if label != 1 else 0)] = 255
    return TensorTable(
        {"pixel_values": torch.from_numpy(pixels), "labels": torch.from_numpy(labels)}, transform=Normalize()
    )


def test_windows_lie_where_there_is_something():
    model = NeocognitronForImageClassification(NeocognitronConfig(**SMALL, num_labels=3)).eval()
    windows = draw_windows(model, strokes(20), 0, 100, torch.Generator().manual_seed(0))
    assert windows.shape == (100, 2 * 9)
    torch.testing.assert_close(windows.norm(dim=1), torch.ones(100))


def train(folder, seed: int = 0, rows: int = 120, **options) -> NeocognitronForImageClassification:
    torch.manual_seed(0)
    model = NeocognitronForImageClassification(NeocognitronConfig(**SMALL, num_labels=3))
    arguments = {"seed": seed, "learning_rows": 60, "learning_windows": 600, **options}
    train_neocognitron(model, TrainingJob(strokes(rows), folder, arguments, progress=False))
    return model


def accuracy(model: NeocognitronForImageClassification) -> float:
    test = strokes(200, seed=7)
    batch = test.batch(range(200))
    with torch.inference_mode():
        return float((model(batch["pixel_values"]).logits.argmax(1) == batch["labels"]).float().mean())


def test_trained_network_tells_strokes_apart_wherever_they_lie(tmp_path):
    assert accuracy(train(tmp_path)) > 0.9  # a third by chance


def test_cells_learn_without_labels(tmp_path, monkeypatch):
    model = train(tmp_path / "one")
    torch.manual_seed(0)
    other = NeocognitronForImageClassification(NeocognitronConfig(**SMALL, num_labels=3))
    table = strokes(120)
    table.columns["labels"] = table.columns["labels"].roll(1)
    arguments = {"seed": 0, "learning_rows": 60, "learning_windows": 600}
    train_neocognitron(other, TrainingJob(table, tmp_path / "two", arguments, progress=False))
    for mine, theirs in zip(model.neocognitron.s_layers, other.neocognitron.s_layers, strict=True):
        assert torch.equal(mine.weight, theirs.weight)


def test_seed_draws_other_windows_and_the_same_seed_the_same(tmp_path):
    first, again, other = (train(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first.neocognitron.s_layers[0].weight, other.neocognitron.s_layers[0].weight)


def test_a_killed_run_takes_over_the_layers_that_were_done(tmp_path, monkeypatch):
    from tsugiki_vision.unsupervised import neocognitron_training

    expected = train(tmp_path / "whole")
    with monkeypatch.context() as context:
        context.setattr(neocognitron_training, "fit_head", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "killed")
    monkeypatch.setattr(neocognitron_training, "draw_windows", None)  # no layer is learned again
    resumed = train(tmp_path / "killed")
    for name, value in expected.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.1}, "'learning_rate' is unknown to this family"),
        ({"sweep": 3}, "Did you mean 'sweeps'"),
        ({"learning_rows": 0}, "learning_rows must be a whole number of at least 1"),
        ({"sweeps": -1}, "sweeps must be a whole number of at least 0"),
    ],
)
def test_training_refuses(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(tmp_path, **options)
