"""Fine-tuning of a classifier: a new head on cached features, then as many stages below it as the data pays for."""

from __future__ import annotations

from ..data.splitting import class_counts
from ..tasks.classification import Classification
from . import short_search
from .choosing import ByAnswers
from .depth import choose_depth
from .estimate import estimate
from .graft import fresh, graft
from .outcome import SECONDS_WORTH_A_CHECKPOINT, Outcome, Transfer
from .resumable_run import Schedule
from .short_search import costs_much, short_schedule_for, trial_steps
from .stages import depth_name
from .tuning import TRANSFER, HeadFitter, Tuned, rates_for, schedule_for, tune


def transfer_classifier(transfer: Transfer, task: Classification) -> Outcome:
    """Everything between decoded data and a measured classifier, whose task it is."""
    run, base, splits, options, clock = (
        transfer.run,
        transfer.base,
        transfer.splits,
        transfer.options,
        transfer.clock,
    )
    choice = ByAnswers(task, len(splits.label_names), options.seed)
    fields, num_labels = task.config_fields(splits.label_names), len(splits.label_names)
    grafted = graft(base, fields)
    trainings = transfer.trainings(choice)
    short = costs_much(grafted, splits.train, options, trainings)

    def make_schedule(*, checkpoints: bool = False) -> Schedule:
        if not short:
            return schedule_for(options, len(splits.train), checkpoints=checkpoints)
        return short_schedule_for(options, splits.train, checkpoints=checkpoints)

    rates = rates_for(options, usual=short_search.RATES) if short else rates_for(options)
    schedule = make_schedule()
    tries = short and (splits.validation is not None or choice.can_hold_out(splits.train))
    tries = tries and (len(rates) > 1 or transfer.asked is None)
    cost = transfer.estimate(
        lambda: estimate(
            grafted,
            splits.train,
            depth=transfer.most,
            schedule=schedule,
            trainings=1 if tries else trainings,
            trials=(len(rates), trial_steps(schedule, len(splits.train))) if tries else (0, 0),
            device=options.device,
            exact=transfer.asked is not None,
            taken=splits.memory,
        )
    )
    if cost.trainings and cost.seconds / cost.trainings > SECONDS_WORTH_A_CHECKPOINT:
        schedule = make_schedule(checkpoints=True)
    depth, chosen = transfer.choose_depth(lambda: choose_depth(grafted, splits.train, options, num_labels=num_labels))
    with clock("head"):
        heads = HeadFitter(grafted, splits.train, options, num_labels)
        head = heads.fit()
    with clock("training"):
        if depth == 0:
            tuned = Tuned(heads.start(None), None, [], "", None, 0.0)
        elif tries:
            tuned, chosen = short_search.search(
                run,
                heads.start,
                splits.train,
                splits.validation,
                depth=depth,
                chosen=chosen,
                called=depth_name(depth, len(transfer.stages)),
                rates=rates,
                schedule=schedule,
                options=options,
                choice=choice,
            )
            depth = depth if chosen is None else chosen.depth
        else:
            tuned = tune(
                run,
                TRANSFER,
                heads.start,
                splits.train,
                splits.validation,
                depth=depth,
                rates=rates,
                schedule=schedule,
                options=options,
                choice=choice,
            )
    counts = class_counts(splits.train.labels, num_labels)
    return transfer.outcome(
        tuned,
        lambda: fresh(base, fields),
        depth=depth,
        chosen=chosen,
        choice=choice,
        schedule=schedule,
        cost=cost,
        rows={
            "train": len(splits.train),
            "validation": 0 if splits.validation is None else len(splits.validation),
            "test": len(splits.test),
        },
        head=head,
        examples_per_class=[int(counts.min()), int(counts.max())],
    )
