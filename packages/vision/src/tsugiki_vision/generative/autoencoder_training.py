"""Training of a deep autoencoder: layer by layer first, then all layers together end to end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from tsugiki.durations import Stopwatch
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.training.arguments import check_arguments
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number, one_of, whole
from tsugiki.training.phases import join_results, run_phase

from ..unsupervised.layerwise_pretraining import train_rbm, train_shallow
from .autoencoder import AutoencoderForImageReconstruction

METHODS = ("rbm", "autoencoder", "none")
LEARNING_RATES = {"rbm": 0.1, "autoencoder": 0.001}
BATCH_SIZE = 1000  # of passes without gradients


@dataclass(frozen=True)
class PretrainingOptions(TrainerOptions):
    """How the layers are trained before all of them together, which takes the arguments of `fit`.

    Attributes:
        pretraining: ``rbm`` is the 2006 paper's, for sigmoid layers; ``autoencoder`` trains shallow ones, for any; or
            ``none``.
        pretraining_epochs: For each layer.
        pretraining_batch_size: Rows a step.
        pretraining_learning_rate: By default 0.1 of an RBM, 0.001 of an autoencoder, which Adam trains.
        pretraining_damage: Share of an autoencoder's inputs that are set to 0.
    """

    pretraining: str = one_of("rbm", METHODS)
    pretraining_epochs: int = whole(10, least=1)
    pretraining_batch_size: int = whole(100, least=1)
    pretraining_learning_rate: float | None = number(None, above=0)
    pretraining_damage: float = number(0.0, least=0, below=1)


def train_autoencoder(model: AutoencoderForImageReconstruction, job: TrainingJob) -> FitResult:
    """Train an autoencoder in place.

    A run that was killed continues after the last layer that was done, and fine-tuning at its last checkpoint.

    Args:
        model: The model.
        job: Its rows are pictures; its arguments are those of `PretrainingOptions` and of `fit`, for fine-tuning.

    Raises:
        OptionError: An option is unknown or out of range, or the method does not suit the network.
    """
    options, job = job.split_options(PretrainingOptions)
    if options.pretraining == "rbm" and model.config.activation != "sigmoid":
        raise OptionError(
            f"pretraining='rbm' needs units with a sigmoid, and the network has {model.config.activation}; "
            "set pretraining to 'autoencoder' or the activation to 'sigmoid'"
        )
    check_arguments(job.arguments)
    layers = 0 if options.pretraining == "none" else len(model.decoder)
    model.to(torch.accelerator.current_accelerator() or torch.device("cpu"))  # type: ignore[arg-type]
    results = []
    for layer in range(layers):

        def learn(pair: nn.Module, phase: TrainingJob, layer: int = layer) -> FitResult:
            return _train_layer(model, phase, layer, options)

        pair = nn.ModuleList(model.layer_pair(layer))
        results.append(run_phase(pair, job.phase(f"layer{layer + 1}"), learn))
    results.append(run_phase(model, job.phase("fine-tuning"), fit))
    return join_results(results)


def _train_layer(
    model: AutoencoderForImageReconstruction, job: TrainingJob, layer: int, options: PretrainingOptions
) -> FitResult:
    """Train the weights into and out of one layer, those below being done."""
    stopwatch = Stopwatch()
    history: list[dict[str, float]] = []
    inputs = _features(model, job.train, layer)  # (N, V)
    epochs, batch_size = options.pretraining_epochs, options.pretraining_batch_size
    generator = torch.Generator().manual_seed(job.seed + layer)
    rate = options.pretraining_learning_rate or LEARNING_RATES[options.pretraining]
    bar = Progress(console=Console(stderr=True), disable=not job.progress, transient=True)
    shown = bar.add_task(job.title, total=epochs)

    def report(epoch: int, error: float) -> None:
        history.append({"epoch": float(epoch), "loss": error})
        bar.advance(shown)

    with bar:
        if options.pretraining == "rbm":
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
                damage=options.pretraining_damage,
                generator=generator,
                report=report,
            )
    steps = epochs * -(-len(inputs) // batch_size)
    return FitResult(stopwatch.seconds, history, steps, device=str(model.device))


@torch.no_grad()
def _features(model: AutoencoderForImageReconstruction, table: TensorTable, layers: int) -> Tensor:
    """What layer number `layers`, from 0, sees of every row, (N, V)."""
    found = []
    for rows in torch.arange(len(table)).split(BATCH_SIZE):
        pixel_values = table.batch(rows)["pixel_values"].to(model.device)
        found.append(model.autoencoder.feature_maps(pixel_values, layers)[-1] if layers else pixel_values.flatten(1))
    return torch.cat(found)
