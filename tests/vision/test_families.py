"""Every family of image classifiers passes the conformance checks, in each of its forms."""

from __future__ import annotations

import pytest
from tsugiki import testing
from tsugiki_vision.plugin import plugin

from .conftest import TINY

FAMILIES = {family.model_type: family.name for family in plugin.families}


@pytest.mark.parametrize("form", sorted(TINY))
def test_passes_the_conformance_checks(form):
    _, config_class, sizes = TINY[form]
    testing.check_family("vision", FAMILIES[config_class.model_type], num_labels=3, **sizes)


def test_no_family_of_image_classifiers_is_left_out():
    tried = {FAMILIES[config_class.model_type] for _, config_class, _ in TINY.values()}
    assert tried == {family.name for family in plugin.families if "backbone" in family.models and not family.is_builtin}
