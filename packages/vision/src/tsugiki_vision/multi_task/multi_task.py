"""Several questions about one picture, answered by one network: any backbone of the registry with a head per task.

Learning tasks together that share their lower features is Caruana 1997, Multitask learning. In real tables many labels
are missing. Here a missing label is -100, and it never reaches the loss: each task's loss is the mean cross entropy
over its known labels alone, and the loss is the mean of these over all tasks, a task without any known label in the
batch counting as 0. The gradient is thus the one of the known labels by themselves, whatever else is missing (in a
backbone with batch normalisation, pictures without any label still take part in the batch's statistics).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, PreTrainedConfig
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention
from tsugiki.classification_loss import require_single_labels
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options
from tsugiki.registry import registry

from ..classifiers.layers import PictureModel, initialize_linear

MISSING = -100  # the label of a row whose class is not known, as cross entropy has it
SEPARATOR = ": "  # between a task and a class in `id2label`
DEFAULT_BACKBONE = "tsugiki_lenet"


@strict
class MultiTaskConfig(ClassifierHeadConfig, PreTrainedConfig):
    """The backbone and the tasks.

    `id2label` names the logits, one task after the other, as `"task: class"`; it follows from `tasks`.
    """

    model_type = "tsugiki_multi_task"
    sub_configs: ClassVar[dict[str, type]] = {"backbone_config": AutoConfig}

    backbone_config: dict | PreTrainedConfig | None = None  # of any family with a base model: model_type and its fields
    tasks: dict[str, list[str]] | None = None  # classes by task, two or more each; by default one task, "label"
    dropout: float | int = 0.0  # share of the features below the heads silenced in training

    def __post_init__(self, **kwargs: Any) -> None:
        if self.backbone_config is None:
            self.backbone_config = {"model_type": DEFAULT_BACKBONE}
        if isinstance(self.backbone_config, dict):
            self.backbone_config = _config_of(self.backbone_config)
        if isinstance(self.tasks, dict):
            self.tasks = self._in_saved_order(self.tasks)
            self._name_logits(self.tasks)
            kwargs.pop("num_labels", None)
        super().__post_init__(**kwargs)
        if self.tasks is None:
            self.tasks = {"label": list((self.id2label or {}).values())}
            self._name_logits(self.tasks)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> "MultiTaskConfig":
        """The config of a file, or one with new heads on the backbone that a file is of.

        Raises:
            ValueError: The file is of a backbone with a head, whose weights have other names than the backbone's.
        """
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type == cls.model_type:
            return super().from_dict(config_dict, **kwargs)
        backbone = _config_of(config_dict)
        family = registry().family_of_model_type(model_type)
        base = family and family.model_class("base").__name__
        if (saved := config_dict.get("architectures")) != [base]:
            raise ValueError(
                f"{', '.join(saved or ['nothing'])} is no multi-task model, nor a backbone alone: load it as {base}, "
                "and save that to a folder of its own."
            )
        tasks = {"tasks": kwargs.pop("tasks")} if "tasks" in kwargs else {}
        return super().from_dict({"backbone_config": backbone, **tasks}, **kwargs)

    def _in_saved_order(self, tasks: dict[str, list[str]]) -> dict[str, list[str]]:
        """The tasks in the order of the logits; config.json sorts `tasks` by name and `id2label` by number."""
        if not isinstance(self.id2label, dict):
            return tasks
        names: dict[Any, Any] = dict(self.id2label)
        saved = [str(names[number]) for number in sorted(names, key=int)]
        return tasks_of(saved) if sorted(saved) == sorted(logit_names(tasks)) else tasks

    def _name_logits(self, tasks: dict[str, list[str]]) -> None:
        self.id2label = dict(enumerate(logit_names(tasks)))
        self.label2id = {name: number for number, name in self.id2label.items()}

    @property
    def task_sizes(self) -> list[int]:
        """Classes of each task, in order."""
        return [len(classes) for classes in (self.tasks or {}).values()]

    @property
    def image_size(self) -> int | None:
        """Pixels a side of the backbone's pictures, where its config says."""
        return getattr(self.backbone_config, "image_size", None)

    @property
    def num_channels(self) -> int:
        """Colours of the backbone's pictures."""
        return getattr(self.backbone_config, "num_channels", 3)

    def validate_tasks(self) -> None:
        """Refuse tasks that cannot be told apart or need no answer."""
        if not self.tasks:
            raise ValueError("tasks must name at least one task.")
        for task, classes in self.tasks.items():
            if not task or SEPARATOR in task:
                raise ValueError(f"The name {task!r} of a task must not be empty nor contain {SEPARATOR!r}.")
            if len(classes) < 2 or len(set(classes)) != len(classes):
                raise ValueError(f"Task {task!r} must have two or more different classes, not {classes}.")


def logit_names(tasks: dict[str, list[str]]) -> list[str]:
    """`"task: class"` for every logit, in order."""
    return [f"{task}{SEPARATOR}{name}" for task, classes in tasks.items() for name in classes]


def tasks_of(names: list[str]) -> dict[str, list[str]]:
    """The tasks and their classes from the names of the logits: the inverse of `logit_names`."""
    tasks: dict[str, list[str]] = {}
    for name in names:
        task, _, class_name = name.partition(SEPARATOR)
        tasks.setdefault(task, []).append(class_name)
    return tasks


def _config_of(fields: dict[str, Any]) -> PreTrainedConfig:
    """The config of a family from its plain fields, `model_type` among them."""
    model_type = fields.get("model_type")
    family = registry().family_of_model_type(model_type) if isinstance(model_type, str) else None
    if family is None or "base" not in family.declaration.models:
        raise ValueError(
            f"backbone_config must name the model_type of an installed family with a base model, not {model_type!r}."
        )
    return family.config_class()(**{name: value for name, value in fields.items() if name != "model_type"})


def known_label_loss(logits: Tensor, labels: Tensor, task_sizes: list[int]) -> Tensor:
    """The mean over all tasks of the mean cross entropy over the task's known labels.

    Args:
        logits: `(N, sum of task_sizes)`.
        labels: Class indices `(N, number of tasks)`, -100 where the class is not known.
        task_sizes: Classes of each task.

    Returns:
        A scalar in float32; 0, with zero gradients, if nothing is known.
    """
    losses = []
    for task_logits, task_labels in zip(logits.float().split(task_sizes, dim=1), labels.unbind(1), strict=True):
        known = task_labels != MISSING  # (N,)
        answers = task_logits.where(known[:, None], 0)  # an infinite answer there would make its gradient 0 * inf
        total = F.cross_entropy(answers, task_labels, ignore_index=MISSING, reduction="sum")
        losses.append(total / known.sum().clamp(min=1))  # the mean over none is 0 / 0
    return torch.stack(losses).mean()


@dataclass
class _Head:
    """What `classifier_head` reads, for one task."""

    classifier: Literal["linear", "mlp"]
    classifier_hidden_size: int
    num_labels: int | None


class TaskHeads(nn.Module):
    """One classifier per task on the same features."""

    def __init__(self, config: MultiTaskConfig, in_features: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            classifier_head(_Head(config.classifier, config.classifier_hidden_size, size), in_features)
            for size in config.task_sizes
        )

    def forward(self, features: Tensor) -> Tensor:
        """From `(N, D)` to the logits of all tasks side by side `(N, sum of classes)`."""
        return torch.cat([head(features) for head in self.heads], dim=1)


class MultiTaskPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: MultiTaskConfig
    base_model_prefix = "backbone"

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Four pictures with labels, some of them missing, for export and checks."""
        generator = torch.Generator().manual_seed(0)
        side = self.config.image_size or 64
        pictures = torch.randn((4, self.config.num_channels, side, side), generator=generator)
        labels = [torch.randint(size, (4,), generator=generator) for size in self.config.task_sizes]
        labels[-1][0] = MISSING
        return {"pixel_values": pictures, "labels": torch.stack(labels, dim=1)}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):  # of the heads; the backbone draws its own
            initialize_linear(module)


class MultiTaskForImageClassification(MultiTaskPreTrainedModel):
    """A backbone with a head per task."""

    def __init__(self, config: MultiTaskConfig) -> None:
        super().__init__(config)
        backbone_config = cast(Any, config.backbone_config)
        family = registry().family_of_model_type(backbone_config.model_type)
        if family is None:
            raise ValueError(f"No installed family has the backbone's model_type {backbone_config.model_type!r}.")
        self.backbone = family.model_class("base")(backbone_config)
        layout = getattr(backbone_config, "stage_layout", None)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = TaskHeads(config, layout[-1].channels if layout else backbone_config.hidden_sizes[-1])
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        """Answer all tasks about pictures.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)`, as the backbone takes them.
            labels: Class indices `(N, number of tasks)`, -100 where the class is not known. With them the output holds
                the loss, see `known_label_loss`.
            output_hidden_states: Return what the backbone returns for it as well; the config's value if `None`.

        Returns:
            `logits` `(N, sum of classes)`, task after task as `config.id2label` names them, and `loss` and
            `hidden_states` where asked for.

        Raises:
            ValueError: The labels have another shape.
        """
        features = self.backbone(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(self.dropout(features.pooler_output.flatten(1)))
        loss = None
        if labels is not None:
            require_single_labels(self.config, "the loss of several tasks")
            sizes = self.config.task_sizes
            if labels.shape != (len(logits), len(sizes)):
                raise ValueError(f"labels must be (N, {len(sizes)}), a column a task, not {tuple(labels.shape)}.")
            loss = known_label_loss(logits, labels, sizes)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits, hidden_states=features.hidden_states)
