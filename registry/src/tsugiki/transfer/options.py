"""The options of a fine-tuning: ours, and the fields of `TrainingArguments` by their own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..augmentation import Augmentation, AugmentationFields
from ..augmentation_kinds import read_augmentation
from ..cards.licenses import check_license
from ..data.formats import check_format
from ..devices import check_device
from ..errors import OptionError, did_you_mean
from ..training.arguments import argument_names, check_arguments
from .heads import check_kind

LIGHT = Augmentation(degrees=10, translate=0.08, scale=0.1)  # changes no digit, letter or photograph into another class


@dataclass(frozen=True)
class Options:
    """What a fine-tuning can be told besides model, data, output and depth.

    Attributes:
        head: Of a classifier, ``logistic``, ``svm`` or ``mlp``.
        augmentation: Fields of `tsugiki.augmentation.Augmentation`, or of a plugin's with its ``kind``, or False for
            none. By default light shifts, turns and zooms of pictures whose labels are classes.
        validation: The split to choose on, or the share of the training rows. By default the split ``validation`` where
            there is a test part besides, else a quarter of the training rows; what was chosen is then trained on all.
        test: The split to measure on, a `datasets.Dataset`, or the share of the training rows. By default ``test``,
            else ``validation``, else a fifth of the training rows, which then take no part in training.
        columns: Roles of columns that the task does not find by itself. Of every task's data, ``group`` is the column
            that says which rows belong together, such as those of one speaker: they are held out together.
        leave_out: Groups whose training rows are left out and measured on, in place of other test data.
        task: What the model is to do. By default what the base does; of a bare network, and of one that was trained on
            texts without labels elsewhere, what its processor and the data say.
        examples_per_class: Train a classifier on so many rows of every class.
        compare_scratch: Train the same network from fresh weights as well.
        device: Where to compute, such as ``cpu`` or ``cuda``.
        license: Licence of the resulting weights.
        revision: Commit of a Hub data set.
        format: In which the folder of the data is read, such as ``class-folders``, ``tables`` or one of a plugin's; by
            default it is found by what the folder holds.
        overwrite: Replace a snapshot that this program wrote.
        progress: Show progress and the estimate.
        seed: Of everything that is drawn.
        training: Fields of `TrainingArguments`.
    """

    head: str = "logistic"
    augmentation: AugmentationFields | None = LIGHT
    validation: str | float | None = None
    test: Any = None
    task: str | None = None
    columns: Mapping[str, str] | None = None
    leave_out: Sequence[str] = ()
    examples_per_class: int | None = None
    compare_scratch: bool = False
    device: str | None = None
    license: str | None = None
    revision: str | None = None
    format: str | None = None
    overwrite: bool = False
    progress: bool = True
    seed: int = 0
    training: dict[str, Any] = field(default_factory=dict)


def read_options(given: Mapping[str, Any]) -> Options:
    """Check options and sort them into ours and those of the training.

    Raises:
        OptionError: One is unknown, with the nearest that exists, or out of range.
        CardError: The licence is none that a card can state.
    """
    own = [item.name for item in fields(Options) if item.name != "training"]
    # `seed` is a field of both: it is ours, and handed on.
    others = [name for name in argument_names() if name not in (*own, "output_dir")]
    values: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for name, value in given.items():
        if name in own:
            values[name] = value
        elif name in others:
            training[name] = value
        else:
            raise OptionError(f"unknown option {name!r} of finetune.{did_you_mean(name, [*own, *others])}")
    if "augmentation" in values:
        values["augmentation"] = _augmentation(values["augmentation"])
    if isinstance(values.get("leave_out"), str | int):
        values["leave_out"] = [str(values["leave_out"])]
    options = Options(**values, training=training)
    check_kind(options.head)
    check_arguments(training)
    _check_values(options)
    return options


def _augmentation(value: Any) -> AugmentationFields | None:
    if value is None or value is True:
        return LIGHT
    if isinstance(value, AugmentationFields):
        return value
    if value is False or value == "none":
        return None
    if not isinstance(value, Mapping):
        raise OptionError(f"augmentation must hold fields such as {{'flip': true}}, or false, not {value!r}")
    return read_augmentation(value)


def _check_values(options: Options) -> None:
    count = options.examples_per_class
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise OptionError(f"examples_per_class must be a whole number of at least 1, not {count!r}")
    for name in ("validation", "test"):
        share = getattr(options, name)
        if isinstance(share, bool) or (isinstance(share, int | float) and not 0 < share < 1):
            raise OptionError(f"{name} must be a split's name or a share between 0 and 1, not {share!r}")
    for name in ("compare_scratch", "overwrite", "progress"):
        if not isinstance(flag := getattr(options, name), bool):
            raise OptionError(f"{name} must be true or false, not {flag!r}")
    if options.format is not None:
        check_format(options.format)
    if options.license is not None:
        check_license(options.license, None)
    if isinstance(options.seed, bool) or not isinstance(options.seed, int) or options.seed < 0:
        raise OptionError(f"seed must be a whole number, not {options.seed!r}")
    for name in ("learning_rate", "num_train_epochs", "per_device_train_batch_size"):
        value = options.training.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
            raise OptionError(f"{name} must be a number above 0, not {value!r}")
    if not isinstance(options.leave_out, list | tuple) or not all(isinstance(name, str) for name in options.leave_out):
        raise OptionError(f"leave_out must be names of groups, such as ['anna'], not {options.leave_out!r}")
    if options.leave_out and options.test is not None:
        raise OptionError("leave_out names what to measure on, and test does too; give one of them")
    if options.columns is not None and not isinstance(options.columns, Mapping):
        raise OptionError(f"columns must map roles to columns, such as {{'image': 'photo'}}, not {options.columns!r}")
    if options.device is not None:
        check_training_device(options.device)


def check_training_device(device: str) -> None:
    """Refuse a device that does not exist here, or that transformers' Trainer does not take.

    Raises:
        OptionError: It is no device, not one of this machine, or not the first of its kind.
    """
    check_device(device)
    import torch

    kind, index = torch.device(device).type, torch.device(device).index
    if kind != "cpu" and index:
        raise OptionError(
            f"device {device!r}: training takes the first device that it sees; start the program with "
            f"CUDA_VISIBLE_DEVICES={index} and write {kind!r}"
        )
