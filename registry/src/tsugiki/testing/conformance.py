"""Runs the conformance checks on a family, a checkpoint or a whole plugin."""

from __future__ import annotations

import inspect
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..durations import Stopwatch
from ..errors import PluginError, did_you_mean
from ..registry import InstalledPlugin, RegisteredFamily, registry
from . import (
    classifier_checks,
    forward_checks,
    saving_checks,
    snapshot_checks,
    structure_checks,
    task_checks,
    trainer_checks,
    weight_checks,
)
from .subject import ConformanceError, NotApplicableError, Subject

Status = Literal["passed", "failed", "skipped"]
FamilyCheck = Callable[[Subject], None]

PLUGIN_CHECKS = (task_checks.declares_its_own_tasks,)
FAMILY_CHECKS: tuple[FamilyCheck, ...] = (
    task_checks.tasks_are_served,
    saving_checks.config_round_trip,
    saving_checks.config_shows_every_field,
    saving_checks.config_is_strict,
    saving_checks.processor_round_trip,
)
MODEL_CHECKS: tuple[FamilyCheck, ...] = (
    saving_checks.save_load_round_trip,
    saving_checks.safetensors_only,
    saving_checks.auto_classes,
    weight_checks.every_choice_draws_all_weights,
    weight_checks.missing_weights_are_drawn,
    weight_checks.weights_of_other_sizes_are_drawn,
    weight_checks.resized_tokens_work,
    forward_checks.deterministic_by_seed,
    forward_checks.batch_invariance,
    forward_checks.hidden_states_come_when_asked_for,
    forward_checks.wrong_channels_are_one_sentence,
    forward_checks.compiles_whole,
)
TASK_CHECKS: tuple[FamilyCheck, ...] = (
    forward_checks.gradients_reach_every_parameter,
    forward_checks.labels_leave_the_config,
    forward_checks.return_dict_false_gives_a_tuple,
    classifier_checks.loss_is_the_mean_cross_entropy,
    classifier_checks.problem_type_is_obeyed,
    classifier_checks.bfloat16_stays_close,
    classifier_checks.fresh_logits_are_neither_flat_nor_huge,
    classifier_checks.a_few_steps_fit_a_batch,
    classifier_checks.head_stands_on_the_base_model,
    trainer_checks.one_step_lowers_the_loss,
    trainer_checks.loss_is_not_inflated,
    trainer_checks.loss_function_fits_the_task,
    structure_checks.stages_cover_every_parameter,
    structure_checks.takes_a_new_head,
    forward_checks.exports_to_onnx,
)
BACKBONE_CHECKS: tuple[FamilyCheck, ...] = (
    structure_checks.backbone_gives_named_feature_maps,
    structure_checks.backbone_loads_from_a_task_snapshot,
)
BUILTIN_CHECKS: tuple[FamilyCheck, ...] = (
    task_checks.tasks_are_served,
    saving_checks.processor_round_trip,
    structure_checks.stages_cover_every_parameter,
    forward_checks.exports_to_onnx,
)
"""What is checked of a family whose classes are transformers' own: what its plugin adds to them."""
SNAPSHOT_CHECKS = (snapshot_checks.snapshot_loads, snapshot_checks.card_is_complete)


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes:
        subject: A plugin, a family with the model's key, or a checkpoint.
        check: The name of the check.
        status: ``passed``, ``failed``, or ``skipped`` where there is nothing to look at.
        message: Why it failed and what to do, or why it was skipped.
        seconds: How long it took.
    """

    subject: str
    check: str
    status: Status
    message: str
    seconds: float


def check_plugin(plugin: str) -> list[CheckResult]:
    """Run all checks on an installed plugin.

    Args:
        plugin: Its name.

    Returns:
        One result a check; those that failed say what to do.

    Raises:
        PluginError: It is not installed, or broken.
    """
    return list(run_plugin_checks(plugin))


def check_family(plugin: str, family: str, **config: Any) -> None:
    """Run all checks on one family; for a plugin's own tests.

    Args:
        plugin: The plugin's name.
        family: The family's name.
        **config: Config fields, to make a big default small.

    Raises:
        ConformanceError: A check failed; an AssertionError that lists all that failed and what to do.
        PluginError: The plugin is not installed, or broken.
        UnknownNameError: It has no such family.
    """
    installed_plugin(plugin)
    found = registry().family(f"{plugin}:{family}")
    failed = [result for result in run_family_checks(found, **config) if result.status == "failed"]
    if failed:
        lines = [f"  {result.subject}: {result.check}: {result.message}" for result in failed]
        raise ConformanceError("\n".join([f"{plugin}:{family} fails {len(failed)} conformance checks:", *lines]))


def run_plugin_checks(plugin: str) -> Iterator[CheckResult]:
    """The checks of `check_plugin`, one after the other."""
    installed = installed_plugin(plugin)
    for check in PLUGIN_CHECKS:
        yield _run(plugin, check, partial(_no_folder, installed))
    for family in registry().families():
        if family.plugin_name == plugin:
            yield from run_family_checks(family)
    for checkpoint in registry().checkpoints():
        if checkpoint.plugin_name == plugin:
            for check_snapshot in SNAPSHOT_CHECKS:
                yield _run(checkpoint.name, check_snapshot, partial(_no_folder, checkpoint))


def run_family_checks(family: RegisteredFamily, **config: Any) -> Iterator[CheckResult]:
    """The checks of `check_family`, one after the other."""
    try:
        _import(family)
    except Exception as error:
        yield CheckResult(family.name, "imports", "failed", f"{type(error).__name__}: {error}", 0.0)
        return
    for key, checks in _plan(family):
        subject = f"{family.name} {key}".strip()
        for check in checks:
            yield _run(
                subject, check, partial(Subject, family, key, overrides={**family.declaration.example, **config})
            )


def _plan(family: RegisteredFamily) -> Iterator[tuple[str, tuple[FamilyCheck, ...]]]:
    """Which checks each model of a family is given; the empty key stands for the family itself."""
    if family.declaration.is_builtin:
        yield "", tuple(check for check in FAMILY_CHECKS if check in BUILTIN_CHECKS)
        for key in family.declaration.tasks:
            yield key, tuple(check for check in TASK_CHECKS if check in BUILTIN_CHECKS)
        return
    yield "", FAMILY_CHECKS
    for key in family.declaration.models:
        kind = BACKBONE_CHECKS if key == "backbone" else TASK_CHECKS if key != "base" else ()
        yield key, MODEL_CHECKS + kind


def _import(family: RegisteredFamily) -> None:
    """Import the family's classes and make them known to transformers."""
    from ..snapshots.auto_classes import register_family

    family.config_class()
    family.processor_class()
    for key in family.declaration.models:
        family.model_class(key)
    register_family(family)


def _no_folder(subject: Any, folder: Path) -> Any:
    return subject


def _run(subject: str, check: Callable[[Any], None], make: Callable[[Path], Any]) -> CheckResult:
    stopwatch = Stopwatch()
    status: Status = "passed"
    message = ""
    with tempfile.TemporaryDirectory(prefix="tsugiki-check-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(make(Path(folder)))
        except NotApplicableError as error:
            status, message = "skipped", str(error)
        except ConformanceError as error:
            status, message = "failed", str(error)
        except Exception as error:
            status = "failed"
            message = f"{(inspect.getdoc(check) or '').splitlines()[0]} It raised {type(error).__name__}: {error}"
    return CheckResult(subject, check.__name__, status, message, stopwatch.seconds)


def installed_plugin(plugin: str) -> InstalledPlugin:
    """The plugin of this name.

    Raises:
        PluginError: It is not installed, or broken.
    """
    found = registry()
    if plugin in found.plugins:
        return found.plugins[plugin]
    for broken in found.broken:
        if broken.name == plugin:
            raise PluginError(broken.describe()) from broken.error
    raise PluginError(f"no plugin {plugin!r} is installed.{did_you_mean(plugin, found.plugins)}")
