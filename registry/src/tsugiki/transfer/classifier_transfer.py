"""Fine-tuning of a classifier: a new head on cached features, then as many stages below it as the data pays for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.splitting import class_counts
from ..errors import OutputError
from ..evaluation.caveats import caveats
from ..records import plain, read_record
from ..snapshots.transfer_record import DepthChoice
from ..tasks.classification import Classification
from ..training.processes import of_main_process
from .baseline import train_from_scratch
from .choosing import ByAnswers
from .depth import choose_depth
from .estimate import Estimate, estimate
from .graft import fresh, graft
from .options import Options
from .outcome import SECONDS_WORTH_A_CHECKPOINT, Clock, Outcome, measure, say
from .report import Report
from .resumable_run import ResumableRun
from .splits import Splits
from .stages import depth_name
from .tuning import TRANSFER, HeadFitter, Tuned, rates_for, schedule_for, tune

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def transfer_classifier(
    run: ResumableRun,
    name: str,
    base: PreTrainedModel,
    task: Classification,
    splits: Splits,
    options: Options,
    asked: int | None,
    stages: list[str],
    clock: Clock,
) -> Outcome:
    """Everything between decoded data and a measured model.

    Args:
        run: The run.
        name: Of the base model.
        base: The base model.
        task: Its task.
        splits: The data.
        options: The options.
        asked: The depth that was asked for; None chooses it.
        stages: Names of the base's stages.
        clock: Takes the time of each phase.
    """
    choice_of = ByAnswers(task, len(splits.label_names), options.seed)
    fields, num_labels = task.config_fields(splits.label_names), len(splits.label_names)
    grafted = graft(base, fields)
    most = len(stages) if asked is None else asked
    schedule = schedule_for(options, len(splits.train))
    with clock("estimate"):
        searches = len(rates_for(options)) > 1 and (
            splits.validation is not None or choice_of.can_hold_out(splits.train)
        )
        trainings = len(rates_for(options)) + (splits.validation is None) if searches else 1
        cost = Estimate(
            **run.once(
                "estimate",
                lambda: of_main_process(
                    estimate(
                        grafted,
                        splits.train,
                        depth=most,
                        schedule=schedule,
                        trainings=trainings,
                        device=options.device,
                        exact=asked is not None,
                        taken=splits.memory,
                    ).to_dict()
                ),
            )
        )
    say(options, str(cost))
    if cost.trainings and cost.seconds / cost.trainings > SECONDS_WORTH_A_CHECKPOINT:
        schedule = schedule_for(options, len(splits.train), checkpoints=True)

    choice = None
    if asked is None:
        with clock("depth"):
            chosen = run.once(
                "depth",
                lambda: plain(choose_depth(grafted, splits.train, options, num_labels=num_labels)),
            )
            choice = read_record(DepthChoice, chosen, "depth", OutputError)
        say(options, f"depth {depth_name(choice.depth, len(stages))}: {choice.why}")
    depth = choice.depth if choice is not None else most

    with clock("head"):
        heads = HeadFitter(grafted, splits.train, options, num_labels)
        head = heads.fit()
    with clock("training"):
        if depth == 0:
            tuned = Tuned(heads.start(None), None, [], "", None, 0.0)
        else:
            tuned = tune(
                run,
                TRANSFER,
                heads.start,
                splits.train,
                splits.validation,
                depth=depth,
                rates=rates_for(options),
                schedule=schedule,
                options=options,
                choice=choice_of,
            )
    predictions = measure(tuned.model, splits, task)
    scratch, scratch_metrics = None, None
    if options.compare_scratch:
        with clock("scratch"):
            scratch = train_from_scratch(
                run,
                lambda: fresh(base, fields),
                splits.train,
                splits.validation,
                schedule=schedule,
                options=options,
                choice=choice_of,
            )
        scratch_metrics = task.metrics(measure(scratch.model, splits, task))
    counts = class_counts(splits.train.labels, num_labels)
    metrics = task.metrics(predictions)
    report = Report(
        base=name,
        stages=stages,
        depth=depth,
        asked="auto" if asked is None else depth_name(asked, len(stages)),
        choice=choice,
        examples_per_class=[int(counts.min()), int(counts.max())],
        rows={
            "train": len(splits.train),
            "validation": 0 if splits.validation is None else len(splits.validation),
            "test": len(splits.test),
        },
        measured_on=splits.measured_on,
        files=splits.files,
        head=head,
        tuned=tuned,
        scratch=scratch,
        metrics=metrics,
        caveats=[*caveats(task, predictions, metrics, scratch_metrics), *splits.caveats],
        scratch_metrics=scratch_metrics,
        estimate=cost,
        augmentation={} if options.augmentation is None else options.augmentation.to_dict(),
        seconds=clock.seconds,
    )
    return Outcome(tuned.model, report, predictions)
