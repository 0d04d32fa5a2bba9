"""scikit-learn's own checks on every estimator of the plugins."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks
from tsugiki.registry import registry
from tsugiki_embeddings.scdv.scdv_vectorizer import SCDVVectorizer

ESTIMATORS = [SCDVVectorizer(n_clusters=3, vector_size=8, min_count=1, epochs=2, random_state=0)]


@parametrize_with_checks(ESTIMATORS)
def test_check(estimator: Any, check: Any) -> None:
    check(estimator)


def test_no_estimator_is_left_out() -> None:
    packages = {
        plugin.manifest.families[0].config.partition(".")[0]
        for plugin in registry().plugins.values()
        if plugin.manifest.families
    }
    found = {one for package in packages for one in _estimators(importlib.import_module(package))}
    assert found == {type(estimator) for estimator in ESTIMATORS}


def _estimators(package: ModuleType) -> set[type]:
    classes: set[type] = set()
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for _, member in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
            if issubclass(member, BaseEstimator) and member.__module__.startswith(package.__name__):
                classes.add(member)
    return classes
