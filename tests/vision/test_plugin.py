from __future__ import annotations

import subprocess
import sys

import pytest
from tsugiki.registry import import_string
from tsugiki_vision.plugin import plugin


@pytest.mark.parametrize("family", plugin.families, ids=lambda family: family.name)
def test_names_of_a_family_import(family):
    assert import_string(family.config).model_type == family.model_type
    for key, reference in family.models.items():
        model_class = import_string(reference)
        assert model_class.config_class is import_string(family.config), key
    assert import_string(family.processor).__name__.endswith(("ImageProcessor", "ClipProcessor", "FeatureExtractor"))


def test_tasks_import_and_carry_their_names():
    for name, reference in plugin.tasks.items():
        assert import_string(reference).name == name


def test_resnet_of_transformers_is_cut_into_stages_and_head():
    family = next(family for family in plugin.families if family.name == "resnet")
    config = import_string(family.config)(embedding_size=4, hidden_sizes=(4, 8), depths=(1, 1), layer_type="basic")
    model = import_string(family.models["image-classification"])(config)
    parameters = []
    for path in (*family.stages, family.head):
        module = model.get_submodule(path.removesuffix(".*"))
        parameters += [id(parameter) for parameter in module.parameters()]
    assert sorted(parameters) == sorted(id(parameter) for parameter in model.parameters())


def test_manifest_imports_neither_torch_nor_transformers():
    script = "import sys, tsugiki_vision.plugin; print({'torch', 'transformers', 'numpy', 'PIL'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_prediction_needs_no_torchvision_and_imports_no_trainer_datasets_or_matplotlib():
    script = """
import sys
sys.modules["torchvision"] = None
import numpy as np
from tsugiki_vision.classifiers.cifar_resnet import CifarResNetConfig, CifarResNetForImageClassification
from tsugiki.tasks.image_classification import ImageClassification
from tsugiki_vision.classifiers.lenet import LeNetConfig, LeNetForImageClassification
from tsugiki_vision.classifiers.mlp import MLPConfig, MLPForImageClassification
from tsugiki.picture_processing import ColorImageProcessor
model = CifarResNetForImageClassification(CifarResNetConfig(depth=8))
answers = ImageClassification().predict(model, ColorImageProcessor(), [np.zeros((5, 6, 3), dtype=np.uint8)])
assert len(answers[0]) == 2
print({"transformers.trainer", "datasets", "sklearn", "matplotlib"} & set(sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
