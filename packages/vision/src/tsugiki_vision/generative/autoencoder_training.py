"""Training of a deep autoencoder: layer by layer first, then all layers together end to end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from tsugiki.errors import OptionError
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import FitResult, check_arguments, fit
from tsugiki.training.gradient_free import closed_form_result
from tsugiki.training.phases import join_results, run_phase

from ..unsupervised.layerwise_pretraining import train_rbm, train_shallow
from .autoencoder import AutoencoderForImageReconstruction

METHODS = ("rbm", "autoencoder", "none")
OPTIONS: dict[str, Any] = {
    "pretraining": "rbm",  # the 2006 paper's, for sigmoid layers; or shallow autoencoders, for any; or none
    "pretraining_epochs": 10,  # for each layer
    "pretraining_batch_size": 100,
    "pretraining_learning_rate": None,  # by default 0.1 of an RBM, 0.001 of an autoencoder, which Adam trains
    "pretraining_damage": 0.0,  # share of an autoencoder's inputs that are set to 0
}
LEARNING_RATES = {"rbm": 0.1, "autoencoder": 0.001}
BATCH_SIZE = 1000  # of passes without gradients


def train_autoencoder(
    model: AutoencoderForImageReconstruction,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Train an autoencoder in place.

    A run that was killed continues after the last layer that was done, and fine-tuning at its last checkpoint.

    Args:
        model: The model.
        train: Pictures.
        output_dir: Folder of the run.
        arguments: The fields of `OPTIONS`; all others are those of `tsugiki.training.fit`, for fine-tuning.
        validation: Rows to validate on while fine-tuning.
        task: Scores them.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Raises:
        OptionError: An option is unknown or out of range, or the method does not suit the network.
    """
    options = {name: arguments.get(name, value) for name, value in OPTIONS.items()}
    rest = {name: value for name, value in arguments.items() if name not in OPTIONS}
    _check(options, model)
    check_arguments(rest)
    results = []
    layers = 0 if options["pretraining"] == "none" else len(model.decoder)
    model.to(torch.accelerator.current_accelerator() or torch.device("cpu"))  # type: ignore[arg-type]
    for layer in range(layers):

        def learn(layer: int = layer) -> FitResult:
            return _train_layer(model, train, layer, options, int(rest.get("seed", 0)), progress, title)

        results.append(run_phase(Path(output_dir, f"layer{layer + 1}"), nn.ModuleList(model.layer_pair(layer)), learn))

    tuning = Path(output_dir, "fine-tuning")

    def tune() -> FitResult:
        return fit(
            model,
            train,
            output_dir=tuning,
            arguments=rest,
            validation=validation,
            task=task,
            progress=progress,
            title=title,
        )

    results.append(run_phase(tuning, model, tune))
    return join_results(results)


def _train_layer(
    model: AutoencoderForImageReconstruction,
    train: TensorTable,
    layer: int,
    options: Mapping[str, Any],
    seed: int,
    progress: bool,
    title: str,
) -> FitResult:
    """Train the weights into and out of one layer, those below being done."""
    started = time.perf_counter()
    history: list[dict[str, float]] = []
    inputs = _features(model, train, layer)  # (N, V)
    epochs, batch_size = options["pretraining_epochs"], options["pretraining_batch_size"]
    generator = torch.Generator().manual_seed(seed + layer)
    rate = options["pretraining_learning_rate"] or LEARNING_RATES[options["pretraining"]]
    bar = Progress(console=Console(stderr=True), disable=not progress, transient=True)
    shown = bar.add_task(f"{title} layer {layer + 1}", total=epochs)

    def report(epoch: int, error: float) -> None:
        history.append({"epoch": float(epoch), "loss": error})
        bar.advance(shown)

    with bar:
        if options["pretraining"] == "rbm":
            train_rbm(
                *model.layer_pair(layer),
                inputs,
                linear_hidden=layer == len(model.decoder) - 1,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=rate,
                generator=generator,
                report=report,
            )
        else:
            above: nn.Module = model.decoder[len(model.decoder) - 1 - layer]
            train_shallow(
                model.autoencoder.stages[layer],
                nn.Sequential(above, nn.Sigmoid()) if layer == 0 else above,
                inputs,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=rate,
                damage=options["pretraining_damage"],
                generator=generator,
                report=report,
            )
    result = closed_form_result(time.perf_counter() - started, device=str(model.device))
    return dataclasses.replace(result, history=history, steps=epochs * -(-len(inputs) // batch_size))


@torch.no_grad()
def _features(model: AutoencoderForImageReconstruction, table: TensorTable, layers: int) -> Tensor:
    """What layer number `layers`, from 0, sees of every row, (N, V)."""
    found = []
    for rows in torch.arange(len(table)).split(BATCH_SIZE):
        pixel_values = table.batch(rows)["pixel_values"].to(model.device)
        found.append(model.autoencoder.feature_maps(pixel_values, layers)[-1] if layers else pixel_values.flatten(1))
    return torch.cat(found)


def _check(options: Mapping[str, Any], model: AutoencoderForImageReconstruction) -> None:
    method = options["pretraining"]
    if method not in METHODS:
        raise OptionError(f"pretraining must be one of {', '.join(METHODS)}, not {method!r}")
    if method == "rbm" and model.config.activation != "sigmoid":
        raise OptionError(
            f"pretraining='rbm' needs units with a sigmoid, and the network has {model.config.activation}; "
            "set pretraining to 'autoencoder' or the activation to 'sigmoid'"
        )
    for name in ("pretraining_epochs", "pretraining_batch_size"):
        if not isinstance(options[name], int) or options[name] < 1:
            raise OptionError(f"{name} must be a whole number of at least 1, not {options[name]!r}")
    rate = options["pretraining_learning_rate"]
    if rate is not None and (not isinstance(rate, int | float) or rate <= 0):
        raise OptionError(f"pretraining_learning_rate must be above 0, not {rate!r}")
    if not isinstance(options["pretraining_damage"], int | float) or not 0 <= options["pretraining_damage"] < 1:
        raise OptionError(f"pretraining_damage must be at least 0 and below 1, not {options['pretraining_damage']!r}")
