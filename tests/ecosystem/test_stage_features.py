"""Features of texts hang on no other text: how far a row is filled up would tell of its neighbours' classes."""

from __future__ import annotations

import pytest
import torch
import tsugiki
from tsugiki.registry import registry
from tsugiki.text_table import text_table
from tsugiki.transfer.depth import probed_stages
from tsugiki.transfer.features import stage_features

TASK = "text-classification"
TREES = "rntn"  # reads parse trees, no rows of tokens
FAMILIES = sorted(
    family.name for family in registry().families() if TASK in family.declaration.tasks and family.name != TREES
)


def test_every_family_of_texts_is_among_them():
    assert {"embedding-lstm", "embedding-mean", "recurrent", "scdv", "sentence-bert"} <= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_a_short_text_are_the_same_beside_a_long_one(family):
    example = {**registry().family(family).declaration.example}
    model = tsugiki.create_model(family, TASK, **example).eval()
    model.config.pad_token_id = 0 if model.config.pad_token_id is None else model.config.pad_token_id
    pad = model.config.pad_token_id
    texts = [[pad + 2, pad + 3], [pad + 2 + number % 3 for number in range(9)], [pad + 4]]
    table = text_table(texts, pad_token_id=pad)
    names = probed_stages(model)
    together = stage_features(model, table, names)
    for row, text in enumerate(texts):
        alone = stage_features(model, text_table([text], pad_token_id=pad), names)
        for name in names:
            torch.testing.assert_close(alone[name][0], together[name][row], rtol=1e-4, atol=1e-5)
