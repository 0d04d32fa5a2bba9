from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tsugiki.augmentation import Augmentation
from tsugiki.errors import OptionError
from tsugiki.images import Normalize
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki_vision.classifiers.multi_size_training import MultiSize, resize, train_multi_size
from tsugiki_vision.classifiers.sppnet import SPPNetConfig, SPPNetForImageClassification

OPTIONS = {"per_device_train_batch_size": 4, "learning_rate": 0.01, "optim": "sgd", "seed": 0}


def table(rows: int = 8) -> TensorTable:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (rows, 3, 12, 12), generator=generator, dtype=torch.uint8)
    return TensorTable({"pixel_values": pixels, "labels": torch.arange(rows) % 2}, transform=Normalize((0.5,), (0.25,)))


def small_model() -> SPPNetForImageClassification:
    torch.manual_seed(0)
    return SPPNetForImageClassification(
        SPPNetConfig(
            image_size=12,
            conv_channels=(3,),
            kernel_sizes=(3,),
            strides=(1,),
            paddings=(0,),
            pooled_after=(1,),
            pyramid_levels=(2, 1),
            hidden_sizes=(),
            num_labels=2,
        )
    )


def sizes_seen(model) -> list[int]:
    seen = []
    model.sppnet.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].shape[-1]))
    return seen


def test_every_epoch_has_one_size_and_they_take_turns(tmp_path):
    model = small_model()
    seen = sizes_seen(model)
    arguments = {**OPTIONS, "num_train_epochs": 4, "image_sizes": [12, 9, 16]}
    train_multi_size(model, TrainingJob(table(), tmp_path, arguments, progress=False))
    assert seen == [12, 12, 9, 9, 16, 16, 12, 12]


def test_a_resumed_run_goes_on_with_the_size_of_its_epoch(tmp_path):
    saving = {**OPTIONS, "image_sizes": [12, 9, 16], "save_strategy": "epoch", "lr_scheduler_type": "constant"}
    train_multi_size(small_model(), TrainingJob(table(), tmp_path, {**saving, "num_train_epochs": 2}, progress=False))
    resumed = small_model()
    seen = sizes_seen(resumed)
    train_multi_size(resumed, TrainingJob(table(), tmp_path, {**saving, "num_train_epochs": 3}, progress=False))
    assert seen == [16, 16]


def test_without_sizes_it_is_plain_training(tmp_path):
    model = small_model()
    seen = sizes_seen(model)
    train_multi_size(model, TrainingJob(table(), tmp_path, {**OPTIONS, "num_train_epochs": 1}, progress=False))
    assert seen == [12, 12]


def test_resizing_agrees_with_pillow():
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for size in (20, 28, 45):
        picture = Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).resize((size, size), Image.Resampling.BILINEAR)
        expected = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        assert (
            resize(pixels, size)[0].float() - expected.float()
        ).abs().max() <= 1.01  # Pillow rounds after each of its two passes


def test_pictures_of_the_right_size_are_left_alone():
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert resize(pixels, 8) is pixels


def test_pictures_are_changed_at_their_own_size_before():
    augmentation = Augmentation(flip=True, pad_crop=2)
    batch, rows = {"pixel_values": table().columns["pixel_values"]}, torch.arange(8)
    changed = augmentation(batch, rows=rows, epoch=1, seed=5)["pixel_values"]
    found = MultiSize((12, 9), augmentation)(batch, rows=rows, epoch=1, seed=5)["pixel_values"]
    torch.testing.assert_close(found, resize(changed, 9))


@pytest.mark.parametrize("sizes", [[], [12, 2], [12.5], 12, ["12"], "12"])
def test_sizes_that_are_none_are_refused(tmp_path, sizes):
    with pytest.raises(OptionError, match="image_sizes must be one or more whole numbers of at least 3"):
        train_multi_size(
            small_model(), TrainingJob(table(), tmp_path, {**OPTIONS, "image_sizes": sizes}, progress=False)
        )
