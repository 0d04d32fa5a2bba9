"""What a plugin declares: its families, tasks, commands and pretrained snapshots.

A plugin is a light module that imports neither torch nor transformers. It names its classes as strings
(``"package.module:Class"``) and they are imported when first used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .distributed_weights import DistributedWeights
from .errors import PluginError

_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*\Z")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z")


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise PluginError(f"{kind} name {name!r} must be lower-case letters, digits and single '-', '_' or '.'")


def _check_reference(owner: str, reference: object) -> None:
    if not isinstance(reference, str) or not _REFERENCE.match(reference):
        raise PluginError(f"{owner} must be written 'package.module:Name', not {reference!r}")


@dataclass(frozen=True)
class Family:
    """One architecture: its config, its models by task, its processor, and where it can be cut for transfer.

    Attributes:
        name: The family's name, as in ``tsugiki.create_model(name)``.
        config: Reference of the config class.
        models: References of the model classes; keys are ``base``, ``backbone`` or a task's name.
        processor: Reference of the image processor, feature extractor or tokenizer class.
        paper: Where the architecture comes from.
        model_type: ``config.model_type``; by default the family's name with the prefix ``tsugiki_``.
        auto_classes: Names of transformers' Auto classes that load the models of a task, where they are not the ones of
            `tsugiki.snapshots.auto_classes.AUTO_CLASSES`: a recogniser that writes is an ``AutoModelForSpeechSeq2Seq``,
            one of frames an ``AutoModelForCTC``; several where several pipelines ask for the models.
        stages: Paths of the modules of the task model from input to output, for transfer. A trailing ``*`` stands
            for the children of that module list, in order; a trailing ``?`` marks a module that not every model of the
            family has. Stages and head together hold every parameter.
        head: Path of the module that gives the answer, which is replaced when a model is fine-tuned for other labels;
            empty where there is none.
        heads: The same by task, for those whose head is another.
        example: Config fields of a small instance that the conformance checks run on, where the default is large.
        onnx: Whether the models of this family claim to export to ONNX, else the reason why none does, in words that
            follow "cannot be exported to ONNX:". One that cannot as it is configured calls
            `tsugiki.onnx_refusal.refuse_onnx`.
        trainers: References, by task, of the trainers of models which do not learn by gradient steps on their loss
            alone: without labels, layer by layer, in closed form. Each is a function of the model and a
            `tsugiki.training.job.TrainingJob`, as `tsugiki.training.fit.fit` is, which trains all others.
        processor_trainer: Reference of the function that learns the processor from the training rows before the model
            is built, as a tokenizer is: called with the data set, its columns by role, and the recipe's ``processor``
            fields as keyword arguments.
    """

    name: str
    config: str
    models: Mapping[str, str]
    processor: str | None = None
    paper: str = ""
    model_type: str = ""
    stages: tuple[str, ...] = ()
    head: str = "classifier"
    onnx: bool | str = True
    trainers: Mapping[str, str] = field(default_factory=dict)
    heads: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)
    processor_trainer: str | None = None
    auto_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_name("family", self.name)
        _check_reference(f"config of family {self.name!r}", self.config)
        for key, reference in self.models.items():
            _check_reference(f"model {key!r} of family {self.name!r}", reference)
        for task, reference in self.trainers.items():
            if task not in self.models:
                raise PluginError(f"family {self.name!r} has a trainer for {task!r}, but no model for it")
            _check_reference(f"trainer {task!r} of family {self.name!r}", reference)
        for task, names in self.auto_classes.items():
            if task not in self.models:
                raise PluginError(f"family {self.name!r} has Auto classes for {task!r}, but no model for it")
            if isinstance(names, str) or not names or not all(name.startswith("Auto") for name in names):
                raise PluginError(
                    f"Auto classes {task!r} of family {self.name!r} must be a tuple of names, not {names!r}"
                )
        for task in self.heads:
            if task not in self.models:
                raise PluginError(f"family {self.name!r} has a head for {task!r}, but no model for it")
        if self.processor is not None:
            _check_reference(f"processor of family {self.name!r}", self.processor)
        if self.processor_trainer is not None:
            _check_reference(f"processor trainer of family {self.name!r}", self.processor_trainer)
        if not self.model_type:
            object.__setattr__(self, "model_type", "tsugiki_" + re.sub(r"[-.]", "_", self.name))

    @property
    def is_builtin(self) -> bool:
        """Whether the classes are transformers' own: listed and used as they are, never registered again."""
        return self.config.partition(":")[0].partition(".")[0] == "transformers"

    @property
    def tasks(self) -> list[str]:
        """The tasks this family has a model for."""
        return [key for key in self.models if key not in ("base", "backbone")]

    def head_of(self, model_class: str) -> str:
        """Path of the head in the model class of this name."""
        for task, path in self.heads.items():
            if self.models[task].endswith(f":{model_class}"):
                return path
        return self.head


@dataclass(frozen=True)
class Plugin:
    """Everything a distribution adds to tsugiki; named by an entry point of the group ``tsugiki.plugins``.

    Attributes:
        name: The plugin's name, as in ``vision:lenet5-mnist``.
        families: Its architectures.
        tasks: References of `tsugiki.task.Task` classes by task name: its own, not those that plugins share
            (`tsugiki.shared_tasks`).
        commands: References of functions by command name; each becomes ``tsugiki <command>``.
        pretrained: Folder of snapshots inside the package, such as ``tsugiki_vision/pretrained``.
        datasets: References of functions that make data by rule, by id such as ``tsugiki/moving_mnist``; see
            `tsugiki.data.load_data.made_dataset`.
        public_weights: References of functions that read weights which another library published, by the name that its
            ``config.json`` gives the ``architecture``: called with the fields of that file, each returns a
            `tsugiki.snapshots.public_weights.PublicWeights`, or raises a ValueError in one sentence.
        readers: References of functions that read folders of a format, by the format's name such as ``coco``: called
            with a folder, each returns None where it is in another format, else what has a ``count``
            (`tsugiki.file_tree.FileCount`) and a method ``dataset`` that returns a ``DatasetDict``, or raises a
            `tsugiki.errors.DataError` that names file and line.
        distributed_weights: By checkpoint, where the weights lie that its folder in `pretrained` does not hold.
        augmentations: References of subclasses of `tsugiki.augmentation.AugmentationFields` by kind, as a recipe's
            ``augmentation: {kind: mosaic, ...}`` names them: frozen dataclasses whose attribute ``kind`` is that name,
            called as `tsugiki.tensor_table.RowAugmentation` is; one that needs other rows of the table is a
            `tsugiki.tensor_table.JoiningAugmentation`.
        methods: References of trainers by name, as a recipe's ``method`` names them: each takes the place of the one
            that trains the family, see `tsugiki.training.options.method_options`.
    """

    name: str
    families: tuple[Family, ...] = ()
    tasks: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    pretrained: str | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)
    public_weights: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)
    distributed_weights: Mapping[str, DistributedWeights] = field(default_factory=dict)
    augmentations: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_name("plugin", self.name)
        object.__setattr__(self, "families", tuple(self.families))
        for family in self.families:
            if not isinstance(family, Family):
                raise PluginError(f"plugin {self.name!r}: families must be Family objects, not {family!r}")
        names = [family.name for family in self.families]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise PluginError(f"plugin {self.name!r} declares the family {twice[0]!r} twice")
        for kind, references in (
            ("task", self.tasks),
            ("command", self.commands),
            ("data set", self.datasets),
            ("public weights", self.public_weights),
            ("reader", self.readers),
            ("augmentation", self.augmentations),
            ("method", self.methods),
        ):
            for key, reference in references.items():
                _check_reference(f"{kind} {key!r} of plugin {self.name!r}", reference)
        for checkpoint, weights in self.distributed_weights.items():
            if not isinstance(weights, DistributedWeights) or self.pretrained is None:
                raise PluginError(
                    f"plugin {self.name!r}: the distributed weights of {checkpoint!r} must be DistributedWeights, and "
                    "the plugin needs a folder of pretrained snapshots for its config"
                )
