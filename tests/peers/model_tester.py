"""What transformers' common model tests ask of a model's tester, made from a family's declaration."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel
from tsugiki.export.example_inputs import declares_inputs
from tsugiki.registry import RegisteredFamily
from tsugiki.testing.subject import NotApplicableError, Subject

NUM_LABELS = 3


class FamilyTester:
    """Tiny config and inputs of one family, the same for all of its models."""

    is_training = True

    def __init__(self, family: RegisteredFamily) -> None:
        self.family = family
        self._labels: dict[type, dict[str, Tensor]] = {}
        config = self.get_config()
        self.hidden_size = getattr(config, "hidden_size", None)
        self.num_hidden_layers = getattr(config, "num_hidden_layers", 1)
        inputs = self.inputs
        self.batch_size = len(next(iter(inputs.values())))
        if "input_ids" in inputs:
            self.seq_length = inputs["input_ids"].shape[-1]
        if "decoder_input_ids" in inputs:
            self.decoder_seq_length = inputs["decoder_input_ids"].shape[-1]

    @cached_property
    def keys(self) -> dict[type, str]:
        """Key of each model class."""
        models = self.family.declaration.models
        return {self.family.model_class(key): key for key in reversed(models)}

    def subject(self, key: str) -> Subject:
        """One model of the family, as the conformance checks are given it."""
        return Subject(self.family, key, Path(), self.family.declaration.example)

    def get_config(self) -> PreTrainedConfig:
        """A fresh tiny config."""
        return self.subject("").config()

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Inputs without labels that all models of the family take."""
        models = {key: self._model(key) for key in self.keys.values()}
        key = next((key for key, model in models.items() if declares_inputs(model)), next(iter(models)))
        return self.subject(key).inputs(models[key])

    def labels(self, model_class: type) -> dict[str, Tensor]:
        """Labels that fit the inputs, where the model takes any."""
        if model_class not in self._labels:
            key = self.keys[model_class]
            try:
                batch = self.subject(key).labelled(self._model(key), batch_size=self.batch_size)
                self._labels[model_class] = {"labels": torch.zeros_like(batch["labels"])}  # as theirs are
            except NotApplicableError:
                self._labels[model_class] = {}
        return copy.deepcopy(self._labels[model_class])

    def _model(self, key: str) -> PreTrainedModel:
        model_class = self.family.model_class(key)
        torch.manual_seed(0)
        return model_class(self.get_config())

    def prepare_config_and_inputs_for_common(self) -> tuple[PreTrainedConfig, dict[str, Any]]:
        """A config and inputs for a test to change as it likes."""
        return self.get_config(), copy.deepcopy(self.inputs)
