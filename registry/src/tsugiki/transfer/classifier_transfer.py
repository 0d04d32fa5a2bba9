"""Fine-tuning of a classifier: a new head on cached features, then as many stages below it as the data pays for."""

from __future__ import annotations

from ..data.splitting import class_counts
from ..tasks.classification import Classification
from .choosing import ByAnswers
from .depth import choose_depth
from .estimate import estimate
from .graft import fresh, graft
from .outcome import SECONDS_WORTH_A_CHECKPOINT, Outcome, Transfer
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
    schedule = schedule_for(options, len(splits.train))
    cost = transfer.estimate(
        lambda: estimate(
            grafted,
            splits.train,
            depth=transfer.most,
            schedule=schedule,
            trainings=transfer.trainings(choice),
            device=options.device,
            exact=transfer.asked is not None,
            taken=splits.memory,
        )
    )
    if cost.trainings and cost.seconds / cost.trainings > SECONDS_WORTH_A_CHECKPOINT:
        schedule = schedule_for(options, len(splits.train), checkpoints=True)
    depth, chosen = transfer.choose_depth(lambda: choose_depth(grafted, splits.train, options, num_labels=num_labels))
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
