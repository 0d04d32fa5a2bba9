"""Training of an Exemplar-CNN: first without labels, then a linear probe with them (Dosovitskiy et al. 2014).

In the first phase each of some thousand seed patches is a class of its own, and a fully connected layer with a softmax
over all of them stands on the network. It is thrown away. In the second the network is frozen, its features of every
labelled picture are computed once, and the classifier is fitted on them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import set_seed
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import FitResult, fit
from tsugiki.training.gradient_free import closed_form_result
from tsugiki.training.phases import join_results, run_phase
from tsugiki.transfer.heads import fit_head

from ..classifiers.layers import activation
from .exemplar_cnn import ExemplarCNNForImageClassification, ExemplarCNNModel, ExemplarCNNPreTrainedModel
from .exemplar_views import ColorComponents, ExemplarViews, draw_corners

OPTIONS: dict[str, Any] = {
    "surrogate_classes": 2000,  # seed patches, each from another picture as long as there are enough
    "views": 25,  # of each patch in one epoch
    "patch_size": 24,  # side of a seed patch, in pixels of its picture
    "hidden_size": 1024,  # units of the fully connected layer below the softmax over the patches
    "hidden_dropout": 0.5,  # share of them silenced
    "probe": "svm",  # the paper's linear probe; or logistic
}
PROBES = ("svm", "logistic")
COMPONENT_ROWS = 10_000  # pictures whose colours are looked at
BATCH_SIZE = 256


def network_of(model: ExemplarCNNForImageClassification) -> ExemplarCNNModel:
    """The network below the classifier."""
    network: ExemplarCNNModel = getattr(model, model.base_model_prefix)
    return network


class SurrogateClassifier(ExemplarCNNPreTrainedModel):
    """The network with a fully connected layer and a softmax over the seed patches.

    Args:
        model: The model that learns; its network is shared, not copied.
        classes: Number of seed patches.
        hidden_size: Units of the fully connected layer.
        dropout: Share of them silenced in training.
    """

    def __init__(
        self, model: ExemplarCNNForImageClassification, classes: int, hidden_size: int, dropout: float
    ) -> None:
        super().__init__(model.config)
        self.exemplar_cnn = network_of(model)
        self.hidden = nn.Sequential(
            nn.Linear(model.config.feature_size, hidden_size),
            activation(model.config.activation),
            nn.Dropout(dropout),
        )
        self.surrogates = nn.Linear(hidden_size, classes)
        self.post_init()

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ImageClassifierOutputWithNoAttention:
        """Logits of the surrogate classes `(N, classes)` for views `(N, C, H, W)`, and the mean cross entropy."""
        features = self.exemplar_cnn(pixel_values, return_dict=True).pooler_output
        logits = self.surrogates(self.hidden(features))
        loss = None if labels is None else F.cross_entropy(logits.float(), labels)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits)


def train_exemplar(
    model: ExemplarCNNForImageClassification,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Train an Exemplar-CNN in place. The labels serve the probe alone.

    A run that was killed continues with the last whole checkpoint of the first phase, or with the probe.

    Args:
        model: The model.
        train: Pictures with labels, without augmentation: the first phase has its own.
        output_dir: Folder of the run.
        arguments: The fields of `OPTIONS`, and for the first phase what `tsugiki.training.fit` takes.
        validation: Rows to measure on when all is done.
        task: Scores them.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Raises:
        DataError: The pictures are smaller than a seed patch.
        OptionError: An option is unknown or out of range.
    """
    rest = dict(arguments)
    options = {name: rest.pop(name, value) for name, value in OPTIONS.items()}
    check_options(options)
    if train.augmentation is not None:
        raise OptionError("this family changes pictures in its own way while it learns: leave augmentation out")
    seed = int(rest.get("seed", 0))
    place = Path(output_dir, "surrogates")

    def learn() -> FitResult:
        set_seed(seed)
        surrogate = SurrogateClassifier(
            model, options["surrogate_classes"], options["hidden_size"], options["hidden_dropout"]
        )
        views = surrogate_table(
            train, options["surrogate_classes"], options["views"], options["patch_size"], model.config.image_size, seed
        )
        return fit(surrogate, views, output_dir=place, arguments=rest, progress=progress, title=f"{title} surrogates")

    results = [run_phase(place, model, learn)]
    model.to(torch.accelerator.current_accelerator() or "cpu").eval()  # type: ignore[arg-type]

    def probe() -> FitResult:
        started = time.perf_counter()
        fit_probe(model, train, options["probe"], seed=seed, progress=progress, title=f"{title} probe")
        best = None
        if validation is not None and task is not None:
            best = task.metrics(predict_table(model, validation, task=task))[task.main_metric].value
        return closed_form_result(time.perf_counter() - started, device=str(model.device), best_metric=best)

    results.append(run_phase(Path(output_dir, "probe"), model, probe))
    return join_results(results)


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options out of range.

    Raises:
        OptionError: Names the option.
    """
    for name in ("surrogate_classes", "views", "patch_size", "hidden_size"):
        lowest = 2 if name == "surrogate_classes" else 1
        if not isinstance(options[name], int) or options[name] < lowest:
            raise OptionError(f"{name} must be a whole number of at least {lowest}, not {options[name]!r}")
    if not isinstance(options["hidden_dropout"], int | float) or not 0 <= options["hidden_dropout"] < 1:
        raise OptionError(f"hidden_dropout must be at least 0 and below 1, not {options['hidden_dropout']!r}")
    if options["probe"] not in PROBES:
        raise OptionError(f"probe must be one of {', '.join(PROBES)}, not {options['probe']!r}")


def surrogate_table(
    train: TensorTable, classes: int, views: int, patch_size: int, view_size: int, seed: int
) -> TensorTable:
    """Seed patches as a table of which each row is one view of one patch.

    Args:
        train: Pictures; their labels are not looked at.
        classes: Seed patches.
        views: Rows for each.
        patch_size: Side of a patch in pixels of its picture.
        view_size: Side of a view in pixels.
        seed: Of the choice of patches and of the views.

    Returns:
        Views with the number of their patch as label, normalised as the pictures are.

    Raises:
        DataError: The pictures are smaller than a patch.
    """
    pictures = train.columns["pixel_values"]
    if patch_size > min(pictures.shape[2:]):
        raise DataError(
            f"patch_size={patch_size} is larger than the pictures, which have {tuple(pictures.shape[2:])} pixels"
        )
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-classes // len(pictures))  # several patches of a picture only where there are fewer pictures
    chosen = torch.cat([torch.randperm(len(pictures), generator=generator) for _ in range(rounds)])[:classes]
    seeds = pictures[chosen.to(pictures.device)].cpu()
    corners = draw_corners(seeds, patch_size, generator)
    columns = {"pixel_values": seeds, "corner": corners, "labels": torch.arange(classes)}
    return TensorTable(
        {name: column.repeat_interleave(views, 0) for name, column in columns.items()},
        transform=train.transform,
        augmentation=ExemplarViews(patch_size, view_size, ColorComponents.of(pictures[:COMPONENT_ROWS].cpu())),
        seed=seed,
    )


def fit_probe(
    model: ExemplarCNNForImageClassification,
    table: TensorTable,
    kind: str = "svm",
    *,
    seed: int = 0,
    progress: bool = True,
    title: str = "probe",
) -> None:
    """Fit the classifier of a frozen network.

    Args:
        model: The model, in eval mode; its classifier is replaced.
        table: Pictures with labels.
        kind: ``svm`` or ``logistic``; a model with `classifier="mlp"` gets an MLP.
        seed: Of what the solver draws.
        progress: Show a progress bar.
        title: What the bar is called.
    """
    features = probe_features(model, table, progress=progress, title=title)
    config = model.config
    head = fit_head(
        features,
        table.labels.cpu(),
        "mlp" if config.classifier == "mlp" else kind,
        num_labels=int(config.num_labels or 0),
        seed=seed,
        hidden_size=config.classifier_hidden_size,
    )
    head.write(model)


@torch.inference_mode()
def probe_features(
    model: ExemplarCNNForImageClassification, table: TensorTable, *, progress: bool = True, title: str = "features"
) -> Tensor:
    """What the classifier sees of every row, float32 (N, D) on the CPU."""
    starts = range(0, len(table), BATCH_SIZE)
    batches = track(
        table.batches(BATCH_SIZE, device=model.device),
        title,
        total=len(starts),
        console=Console(stderr=True),
        disable=not progress,
        transient=True,
    )
    network = network_of(model)
    return torch.cat([network(batch["pixel_values"]).pooler_output.float().cpu() for batch in batches])
