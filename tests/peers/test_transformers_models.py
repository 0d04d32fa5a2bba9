"""transformers' common model tests on every family whose classes are ours."""

from __future__ import annotations

import json
import unittest
from contextlib import nullcontext
from functools import cache
from typing import Any

import tsugiki
from torch import Tensor
from tsugiki.registry import RegisteredFamily, registry
from tsugiki.snapshots.auto_classes import AUTO_CLASSES

from . import transformers_tests
from .model_tester import FamilyTester

common = transformers_tests.load("test_modeling_common")
backbones = transformers_tests.load("test_backbone_common")
configurations = transformers_tests.load("test_configuration_common")

tsugiki.register()

# The tests know by these tables of class names what a model is for, such as that a base model has no loss.
TABLES = {
    "AutoModel": "MODEL_MAPPING_NAMES",
    "AutoBackbone": "MODEL_FOR_BACKBONE_MAPPING_NAMES",
    "AutoModelForCausalLM": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "AutoModelForSequenceClassification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForTokenClassification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForSeq2SeqLM": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "AutoModelForImageTextToText": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "AutoModelForImageClassification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForVideoClassification": "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForAudioClassification": "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
}
for key, table in TABLES.items():
    ours = {
        family.model_type: family.model_class(task).__name__
        for family in registry().families()
        for task in family.declaration.models
        if AUTO_CLASSES.get(task) == key and not family.declaration.is_builtin
    }
    setattr(common, table, {**getattr(common, table), **ours})


@cache
def shared_tester(family: str) -> FamilyTester:
    """One for all tests of a family."""
    return FamilyTester(registry().family(family))


def hidden_states(output: Any) -> list[Tensor]:
    """Those of the network, or of its encoder and decoder."""
    names = ("hidden_states", "encoder_hidden_states", "decoder_hidden_states")
    return [state for name in names for state in output.get(name) or ()]


class FamilyTests(common.ModelTesterMixin):
    """The common tests, told of a family's own labels, and of networks without a layer of tokens."""

    kind = "model"
    family: RegisteredFamily
    test_can_init_all_missing_weights_before_2023 = True

    def setUp(self) -> None:
        self.model_tester = shared_tester(self.family.name)
        config = type(self).family.config_class()
        self.config_tester = configurations.ConfigTester(
            self,
            config_class=config,
            has_text_modality=hasattr(config(), "vocab_size"),
            common_properties=[],
            **json.loads(json.dumps(dict(self.family.declaration.example))),  # a file knows no tuples
        )

    def subTest(self, *args: Any, **kwargs: Any) -> nullcontext[None]:  # noqa: N802
        """Nothing of its own: some tests have one for every weight, and pytest would report them all."""
        return nullcontext()

    def _prepare_for_class(
        self, inputs_dict: dict[str, Any], model_class: type, return_labels: bool = False
    ) -> dict[str, Any]:
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=False)
        return {**inputs, **self.model_tester.labels(model_class)} if return_labels else inputs

    def test_hidden_states_output(self) -> None:
        """Theirs wants states of one width, a known number of them; ours are as the papers have them."""
        for model_class in self.all_model_classes:
            config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
            asked = hidden_states(model_class(config).eval()(**inputs, output_hidden_states=True))
            config.output_hidden_states = True
            self._set_subconfig_attributes(config, "output_hidden_states", True)
            configured = hidden_states(model_class(config).eval()(**inputs))
            assert [one.shape for one in asked] == [one.shape for one in configured] != []

    def test_config(self) -> None:
        self.config_tester.run_common_tests()


class BackboneTests(backbones.BackboneTesterMixin):
    """The common tests of backbones."""

    kind = "backbone"
    family: RegisteredFamily
    has_attentions = False

    def setUp(self) -> None:
        self.model_tester = shared_tester(self.family.name)
        self.config_class = self.family.config_class()


def class_name(family: RegisteredFamily) -> str:
    """Such as ``cifar_resnet``, so that ``-k`` finds the family by its name or by part of it."""
    return family.name.replace("-", "_")


for family in registry().families():
    if family.declaration.is_builtin:
        continue
    models = {family.model_class(key): key for key in reversed(family.declaration.models)}
    takes_tokens = any(model.main_input_name == "input_ids" for model in models)
    shared = {"family": family, "subject": f"{family.plugin_name}:{family.name}", "__module__": __name__}
    name = f"Test_{class_name(family)}"
    globals()[name] = type(
        name,
        (FamilyTests, unittest.TestCase),
        {
            **shared,
            "all_model_classes": tuple(models),
            "has_attentions": False,
            "test_resize_embeddings": takes_tokens,
            "is_encoder_decoder": family.config_class()().is_encoder_decoder,
        },
    )
    if "backbone" in family.declaration.models:
        name = f"{name}_Backbone"
        backbone = (family.model_class("backbone"),)
        globals()[name] = type(name, (BackboneTests, unittest.TestCase), {**shared, "all_model_classes": backbone})
