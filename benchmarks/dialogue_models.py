"""A flat encoder-decoder, HRED and VHRED on the same dialogues, over exactly the same target tokens.

    python benchmarks/dialogue_models.py [--dialogues 3000] [--epochs 2] [--hidden 256] [--held-out]

All models learn from tsugiki/sgd_dialogues under one tokenizer, from the same dialogues in the same order, for as many
epochs, with the same optimizer and the same sizes of embeddings and decoder. Every utterance but a dialogue's first is
a response to guess, its end token included. The flat model sees the utterance before it, or the last few as one text;
by default it has no attention, and neither have the others. HRED and VHRED see the whole dialogue up to the response.

For VHRED the perplexity is a bound, exp of the negative ELBO a token. Figures are those of the validation part, or with
--held-out of the last tenth of the training part, which is left out of training then: to choose sizes and rates.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from typing import Any

from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import Metric
from tsugiki.output import write_json
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.dialogue.dialogue import Dialogue
from tsugiki_seq2seq.dialogue.dialogue_tables import train_dialogue_tokenizer
from tsugiki_seq2seq.dialogue.hred import HREDConfig, HREDForConditionalGeneration
from tsugiki_seq2seq.dialogue.vhred import VHREDConfig, VHREDForConditionalGeneration
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig

DATA = "tsugiki/sgd_dialogues"
COLUMNS = {"dialog": "dialog"}
SHOWN = ("perplexity", "perplexity_bound", "reconstruction", "kl", "active_units", "active_units_beyond_prior")


def make_flat(options: argparse.Namespace, fields: dict[str, Any]) -> RecurrentForConditionalGeneration:
    """A flat encoder-decoder of the options' sizes."""
    return RecurrentForConditionalGeneration(
        RecurrentSeq2SeqConfig(
            hidden_size=options.hidden,
            embedding_size=options.embedding,
            attention=options.flat_attention,
            dropout=options.dropout,
            **fields,
        )
    )


def make_hred(options: argparse.Namespace, fields: dict[str, Any]) -> HREDForConditionalGeneration:
    """HRED of the options' sizes."""
    return HREDForConditionalGeneration(
        HREDConfig(hidden_size=options.hidden, embedding_size=options.embedding, dropout=options.dropout, **fields)
    )


def make_vhred(options: argparse.Namespace, fields: dict[str, Any]) -> VHREDForConditionalGeneration:
    """VHRED of the options' sizes."""
    return VHREDForConditionalGeneration(
        VHREDConfig(
            hidden_size=options.hidden,
            embedding_size=options.embedding,
            dropout=options.dropout,
            latent_size=options.latent,
            word_dropout=options.word_dropout,
            kl_annealing_steps=options.annealing,
            free_bits=options.free_bits,
            **fields,
        )
    )


def measure(
    title: str, make: Callable[..., Any], task: Dialogue, data: dict[str, Any], options: argparse.Namespace
) -> dict[str, Metric]:
    """Train one model and print its figures."""
    from transformers import set_seed

    tokenizer = data["tokenizer"]
    train, held = (task.table(data[part], tokenizer, COLUMNS) for part in ("train", "held"))
    set_seed(options.seed)
    model = make(options, task.processor_fields(tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        result = fit(
            model,
            TrainingJob(
                train,
                folder,
                {
                    "num_train_epochs": options.epochs,
                    "max_steps": options.steps,
                    "per_device_train_batch_size": options.batch,
                    "learning_rate": options.learning_rate,
                    "lr_scheduler_type": "linear",
                    "warmup_steps": 100,
                    "max_grad_norm": 1.0,
                    "optim": "adamw_torch_fused",
                    "bf16": options.bf16,
                    "seed": options.seed,
                },
                title=title,
            ),
        )
    figures = task.metrics(predict_table(model, held, task=task))
    cells = "  ".join(f"{name} {figures[name]}" for name in SHOWN if name in figures)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{title:24} {parameters / 1e6:5.2f} M  {result.steps} steps {result.seconds:6.0f} s  {cells}", flush=True)
    return figures


def report(found: dict[str, dict[str, Metric]]) -> None:
    """What the figures say of each other."""
    flat = {name: figures["perplexity"].value for name, figures in found.items() if name.startswith("flat")}
    if "HRED" not in found:
        return
    hred = found["HRED"]
    if flat:
        print(f"HRED's perplexity is {hred['perplexity'].value / min(flat.values()):.3f} of the best flat one's")
    if "VHRED" in found:
        vhred = found["VHRED"]
        if flat:
            print(f"VHRED's bound is {vhred['perplexity_bound'].value / min(flat.values()):.3f} of it")
        negative_elbo = vhred["reconstruction"].value + vhred["kl"].value
        print(
            f"VHRED's negative ELBO, {negative_elbo:.3f} nats an utterance, is "
            f"{100 * (negative_elbo / hred['reconstruction'].value - 1):+.1f} % from HRED's "
            f"{hred['reconstruction'].value:.3f}"
        )


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=0, help="training dialogues, the first ones; 0 for all")
    parser.add_argument("--validation-dialogues", type=int, default=0, help="dialogues to measure on; 0 for all")
    parser.add_argument("--held-out", action="store_true", help="measure on the last tenth of the training part")
    parser.add_argument("--models", nargs="+", choices=["flat", "hred", "vhred"], default=["flat", "hred", "vhred"])
    parser.add_argument("--flat-context", type=int, nargs="+", default=[1], help="utterances that a flat model sees")
    parser.add_argument("--flat-attention", default="none", help="as in RecurrentSeq2SeqConfig, such as luong-general")
    parser.add_argument("--words", type=int, default=6000, help="tokens of the vocabulary")
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--embedding", type=int, default=256)
    parser.add_argument("--latent", type=int, default=32, help="numbers of VHRED's latent variable")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--word-dropout", type=float, default=0.1, help="of VHRED")
    parser.add_argument("--free-bits", type=float, default=0.05, help="nats of each latent number")
    parser.add_argument("--annealing", type=int, default=1000, help="steps until VHRED's KL counts in full")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--steps", type=int, default=-1, help="instead of epochs")
    parser.add_argument("--batch", type=int, default=8, help="dialogues")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    options = parser.parse_args()

    train = load_split(DATA, "train")
    if options.held_out:
        cut = len(train) * 9 // 10
        train, held = train.select(range(cut)), train.select(range(cut, len(train)))
    else:
        held = load_split(DATA, "validation")
    train = train.select(range(min(options.dialogues or len(train), len(train))))
    held = held.select(range(min(options.validation_dialogues or len(held), len(held))))
    tokenizer = train_dialogue_tokenizer(train, COLUMNS, vocab_size=options.words)
    print(f"{len(train):,} dialogues to train on, {len(held):,} to measure on, {len(tokenizer):,} tokens")
    data = {"train": train, "held": held, "tokenizer": tokenizer}
    found = {}
    if "flat" in options.models:
        for context in options.flat_context:
            title = f"flat, {context} utterance{'s' if context > 1 else ''}"
            found[title] = measure(title, make_flat, Dialogue(flat_context=context), data, options)
    for name, make in (("hred", make_hred), ("vhred", make_vhred)):
        if name in options.models:
            found[name.upper()] = measure(name.upper(), make, Dialogue(), data, options)
    report(found)
    if options.json:
        figures = {title: {name: one.to_dict() for name, one in metrics.items()} for title, metrics in found.items()}
        write_json(options.json, {"options": vars(options), "figures": figures})


if __name__ == "__main__":
    main()
