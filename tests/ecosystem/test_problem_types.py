"""Which classifiers of all plugins have one loss by their paper, and no other `problem_type` than single labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import tsugiki
from tsugiki.registry import registry
from tsugiki.testing.subject import Subject

ONE_LOSS = {
    "multi-task multi-task-image-classification",
    "recurrent token-classification",
    "recursive-autoencoder text-classification",
    "rntn tree-classification",
}


def test_networks_whose_loss_is_of_single_labels_refuse_other_problems_in_one_line():
    tsugiki.register()
    refusing = set()
    for family in registry().families():
        for task in family.declaration.tasks:
            if family.declaration.is_builtin or not task.endswith("classification"):
                continue
            subject = Subject(family, task, Path(), family.declaration.example)
            model = subject.model()
            model.config.problem_type = "multi_label_classification"
            batch = subject.labelled(model)
            if f"{family.name} {task}" in ONE_LOSS:
                with pytest.raises(
                    ValueError, match=r"^the loss of .*problem_type='multi_label_classification' out of"
                ):
                    model(**batch)
                refusing.add(f"{family.name} {task}")
            else:
                with torch.inference_mode():
                    logits = model(**subject.inputs(model)).logits
                    loss = model(**subject.inputs(model), labels=torch.ones_like(logits)).loss
                assert torch.allclose(loss, torch.nn.functional.softplus(-logits).mean()), (family.name, task)
    assert refusing == ONE_LOSS
