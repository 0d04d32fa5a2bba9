"""Training of an Exemplar-CNN: first without labels, then a linear probe with them (Dosovitskiy et al. 2014).

In the first phase each of some thousand seed patches is a class of its own, and a fully connected layer with a softmax
over all of them stands on the network. It is thrown away. In the second the network is frozen, its features of every
labelled picture are computed once, and the classifier is fitted on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import set_seed
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import main_figure
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number, one_of, whole
from tsugiki.training.phases import join_results, run_phase
from tsugiki.transfer.heads import fit_head

from ..classifiers.layers import activation
from .exemplar_cnn import ExemplarCNNForImageClassification, ExemplarCNNModel, ExemplarCNNPreTrainedModel
from .exemplar_views import ColorComponents, ExemplarViews, draw_corners

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


@dataclass(frozen=True)
class ExemplarOptions(TrainerOptions):
    """What `train_exemplar` takes besides the arguments of `fit`, which are those of the first phase.

    Attributes:
        surrogate_classes: Seed patches, each from another picture as long as there are enough.
        views: Of each patch in one epoch.
        patch_size: Side of a seed patch, in pixels of its picture.
        hidden_size: Units of the fully connected layer below the softmax over the patches.
        hidden_dropout: Share of them silenced.
        probe: ``svm`` is the paper's linear probe; or ``logistic``.
    """

    surrogate_classes: int = whole(2000, least=2)
    views: int = whole(25, least=1)
    patch_size: int = whole(24, least=1)
    hidden_size: int = whole(1024, least=1)
    hidden_dropout: float = number(0.5, least=0, below=1)
    probe: str = one_of("svm", PROBES)


def train_exemplar(model: ExemplarCNNForImageClassification, job: TrainingJob) -> FitResult:
    """Train an Exemplar-CNN in place. The labels serve the probe alone.

    A run that was killed continues with the last whole checkpoint of the first phase, or with the probe.

    Args:
        model: The model.
        job: Its rows are pictures with labels, without augmentation: the first phase has its own. Validation is
            measured when all is done.

    Raises:
        DataError: The pictures are smaller than a seed patch.
        OptionError: An option is unknown or out of range.
    """
    options, job = job.split_options(ExemplarOptions)
    if job.train.augmentation is not None:
        raise OptionError("this family changes pictures in its own way while it learns: leave augmentation out")

    def learn(model: ExemplarCNNForImageClassification, phase: TrainingJob) -> FitResult:
        set_seed(phase.seed)
        classes = options.surrogate_classes
        surrogate = SurrogateClassifier(model, classes, options.hidden_size, options.hidden_dropout)
        size = model.config.image_size
        views = surrogate_table(phase.train, classes, options.views, options.patch_size, size, phase.seed)
        return fit(surrogate, replace(phase, train=views, validation=None, task=None))

    def probe(model: ExemplarCNNForImageClassification, phase: TrainingJob) -> FitResult:
        stopwatch = Stopwatch()
        fit_probe(model, phase.train, options.probe, seed=phase.seed, progress=phase.progress, title=phase.title)
        best = main_figure(model, phase.validation, phase.task)
        return FitResult(stopwatch.seconds, device=str(model.device), best_metric=best)

    first = run_phase(model, job.phase("surrogates"), learn)
    model.to(torch.accelerator.current_accelerator() or "cpu").eval()  # type: ignore[arg-type]
    return join_results([first, run_phase(model, job.phase("probe"), probe)])


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
