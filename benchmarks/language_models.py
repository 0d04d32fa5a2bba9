"""A recurrent language model beside interpolated Kneser-Ney, on exactly the same text under the same vocabulary.

    python benchmarks/language_models.py char [--checkpoint lm-char-wagahai] [--order 6]
    python benchmarks/language_models.py word [--checkpoint lm-word-novels] [--order 5]
    python benchmarks/language_models.py char --train [--rows 200] [--epochs 1] [--without-pretraining]

The recipe of `hub_cards/<checkpoint>` names texts, tokenizer and sizes. The network is the trained checkpoint, or with
`--train` the recipe's network trained here, on fewer rows or for fewer epochs where asked for. With
`--without-pretraining` the same network is trained here without its pre-training, and shown beside it.

Kneser-Ney counts all texts that the network learnt from: those of the pre-training too, and for comparison without
them. Both guess the same tokens of the evaluation part, `<unk>` and the ends of the texts among them. The weight of
their interpolation is chosen on the windows of the training text that were held out of the network's training, by a
Kneser-Ney model that has not counted them either; nothing is chosen on the evaluation part.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.columns import read_texts
from tsugiki.data.load_data import load_split
from tsugiki.recipes.prepared_recipe import hold_out
from tsugiki.recipes.recipe import Recipe
from tsugiki.snapshots.loading import create_model, load, load_processor
from tsugiki.tensor_table import IGNORED, TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.language_models import kneser_ney
from tsugiki_seq2seq.language_models.language_model_training import OWN_OPTIONS, TAKEN, train_language_model
from tsugiki_seq2seq.language_models.language_modelling import TextGeneration, token_nats
from tsugiki_seq2seq.language_models.rescoring import score_texts
from tsugiki_seq2seq.language_models.token_windows import CONTEXT, WINDOW, TokenWindows, window_table
from tsugiki_seq2seq.texts.named_texts import named_texts
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

CARDS = Path(__file__).parents[1] / "hub_cards"
CHECKPOINTS = {"char": "lm-char-wagahai", "word": "lm-word-novels"}
ORDERS = {"char": 6, "word": 5}
READINGS = ("The apple and pear salad", "The apple and pair salad")
Nats = NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """Everything that is read, as tokens.

    Attributes:
        recipe: Where it stands what to read.
        tokenizer: Of the network.
        train: Windows of the training text that the network learns from.
        held_out: The other windows of it.
        evaluation: Windows of the evaluation text.
        pretraining: Stream of the texts of the pre-training (T,), or None.
    """

    recipe: Recipe
    tokenizer: Any
    train: TensorTable
    held_out: TensorTable
    evaluation: TensorTable
    pretraining: NDArray[np.int32] | None


def spread(texts: Sequence[str], rows: int) -> list[str]:
    """So many texts at equal distances; all of them for 0."""
    if not 0 < rows < len(texts):
        return list(texts)
    return [texts[place] for place in np.linspace(0, len(texts) - 1, rows).astype(int)]


def tokenised_texts(recipe: Recipe, options: argparse.Namespace) -> Texts:
    """Read and tokenise what the recipe names."""
    data, task = recipe.data, TextGeneration()
    splits = {}
    for split in (data.train, data.evaluation):
        dataset = load_split(data.id, split, source=data.source)
        splits[split] = read_texts(dataset, task.columns(dataset, data.columns)["text"])
    named = recipe.training.get("pretrain")
    more: list[str] = []
    if named is not None:
        source = {key: value for key, value in named.items() if key not in (*TAKEN, *OWN_OPTIONS)}
        more = spread(named_texts(source, where="pretrain"), options.rows)
    train = spread(splits[data.train], options.rows)
    if options.train:
        fields = {key: value for key, value in recipe.processor.items() if key != "more_texts"}
        tokenizer = learn_tokenizer([*train, *more], **fields)
    else:
        tokenizer = load_processor(options.checkpoint)
    assert isinstance(data.validation, float), "the recipe holds out a share of its training text"
    kept, held_out = hold_out(window_table(train, tokenizer), data.validation)
    evaluation = spread(splits[data.evaluation], options.evaluation_rows)
    return Texts(
        recipe,
        tokenizer,
        kept,
        held_out,
        window_table(evaluation, tokenizer),
        stream_of(window_table(more, tokenizer)) if more else None,
    )


def stream_of(table: TensorTable) -> NDArray[np.int32]:
    """All tokens under a table of windows (T,)."""
    assert isinstance(table.transform, TokenWindows)
    return table.transform.stream.cpu().numpy()


def asked_places(table: TensorTable) -> NDArray[np.int64]:
    """Where in the stream the tokens stand that a table asks for, in its order (n,)."""
    places = (table.columns["place"].cpu().numpy()[:, None] + np.arange(WINDOW)).ravel()
    return places[places < len(stream_of(table))]


@torch.inference_mode()
def network_nats(model: Any, table: TensorTable) -> Nats:
    """-ln P of each token that a table asks for, by a network (n,)."""
    found = []
    for batch in table.batches(32, device=model.device):
        asked = batch["labels"][:, CONTEXT:] != IGNORED
        found.append(token_nats(model, batch["input_ids"], first=CONTEXT)[asked].double().cpu().numpy())
    return np.concatenate(found)


def train_network(texts: Texts, options: argparse.Namespace, *, pretraining: bool) -> Any:
    """Train the recipe's network, without its pre-training where asked."""
    from transformers import set_seed

    recipe = texts.recipe
    arguments = {**recipe.training, "seed": recipe.seeds[0]}
    named = arguments.pop("pretrain", None)
    if options.epochs:
        arguments["num_train_epochs"] = options.epochs
        named = named and {**named, "num_train_epochs": options.epochs}
    if pretraining and named:
        arguments["pretrain"] = named
    set_seed(recipe.seeds[0])
    fields = {**recipe.config, **TextGeneration().processor_fields(texts.tokenizer)}
    model = create_model(recipe.family, recipe.task, **fields)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train_language_model(
            model,
            TrainingJob(
                texts.train,
                folder,
                arguments,
                validation=texts.held_out,
                processor=texts.tokenizer,
                title="network" if pretraining else "network without pre-training",
            ),
        )
        print(f"trained in {time.perf_counter() - started:.0f} s", flush=True)
    return model


def interpolated(first: Nats, second: Nats, weight: float) -> Nats:
    """-ln of a mixture of two models' probabilities; `weight` is that of the first."""
    return -np.log(weight * np.exp(-first) + (1 - weight) * np.exp(-second))


def best_weight(first: Nats, second: Nats) -> float:
    """The weight of the first model that makes some tokens likeliest."""
    weights = np.linspace(0.0, 1.0, 101)
    return float(weights[int(np.argmin([interpolated(first, second, weight).mean() for weight in weights]))])


class Report:
    """The table, a line at a time, each figure beside that of the yardstick.

    Args:
        texts: What was evaluated.
        unit: ``char`` for bits per character, ``word`` for perplexity.
    """

    def __init__(self, texts: Texts, unit: str) -> None:
        transform = texts.evaluation.transform
        assert isinstance(transform, TokenWindows)
        asked = stream_of(texts.evaluation)[asked_places(texts.evaluation)]
        self.characters = float(transform.characters[torch.from_numpy(asked).long()].sum())
        self.unit = unit
        self.yardstick: float | None = None

    def figure(self, nats: Nats) -> float:
        """Bits per character, or perplexity."""
        return float(nats.sum() / math.log(2) / self.characters if self.unit == "char" else np.exp(nats.mean()))

    def line(self, title: str, nats: Nats, *, is_yardstick: bool = False) -> None:
        """Print one."""
        figure = self.figure(nats)
        if is_yardstick:
            self.yardstick = figure
        beside = "" if self.yardstick is None or is_yardstick else f"{figure / self.yardstick - 1:+8.1%}"
        print(f"{title:58} {figure:10.4f} {beside}", flush=True)


def without_pretraining_counts(texts: Texts, order: int) -> Nats:
    """Kneser-Ney on the training text alone, of the evaluation's tokens."""
    model = kneser_ney.fit(stream_of(texts.train), order, len(texts.tokenizer))
    return model.nats(stream_of(texts.evaluation))[asked_places(texts.evaluation)]


def counted(texts: Texts, order: int, table: TensorTable, *, without_held_out: bool) -> Nats:
    """Kneser-Ney on all that the network learnt from, of the tokens that a table asks for."""
    stream = stream_of(texts.train)
    if without_held_out:
        stream = np.delete(stream, asked_places(texts.held_out))
    if texts.pretraining is not None:
        stream = np.concatenate([texts.pretraining, stream])
    model = kneser_ney.fit(stream, order, len(texts.tokenizer))
    return model.nats(stream_of(table))[asked_places(table)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unit", choices=sorted(CHECKPOINTS))
    parser.add_argument("--checkpoint", help="a name or folder; by default the project's own")
    parser.add_argument("--order", type=int, help="of Kneser-Ney; 6 for characters and 5 for words")
    parser.add_argument("--train", action="store_true", help="train the recipe's network here")
    parser.add_argument("--without-pretraining", action="store_true", help="train it without its pre-training too")
    parser.add_argument("--rows", type=int, default=0, help="texts to learn from; 0 for all")
    parser.add_argument("--evaluation-rows", type=int, default=0, help="texts to measure on; 0 for all")
    parser.add_argument("--epochs", type=float, default=0, help="instead of the recipe's")
    parser.add_argument("--hidden", type=int, default=0, help="units of a layer instead of the recipe's")
    parser.add_argument("--counts-only", action="store_true", help="Kneser-Ney alone, by the tokenizer of the recipe")
    options = parser.parse_args()
    recipe = Recipe.read(CARDS / CHECKPOINTS[options.unit])
    options.checkpoint = options.checkpoint or recipe.name
    order = options.order or ORDERS[options.unit]
    if options.hidden:
        recipe = replace(recipe, config={**recipe.config, "hidden_size": options.hidden})
    if options.rows and not options.train and not options.counts_only:
        parser.error("--rows changes what is learnt from: give --train too")
    options.train = options.train or options.counts_only

    texts = tokenised_texts(recipe, options)
    asked = asked_places(texts.evaluation)
    unknown = (stream_of(texts.evaluation)[asked] == texts.tokenizer.unk_token_id).mean()
    learnt = len(stream_of(texts.train)) + (0 if texts.pretraining is None else len(texts.pretraining))
    print(
        f"{learnt:,} tokens to learn from, {len(asked):,} to guess, {len(texts.tokenizer):,} in the vocabulary, "
        f"{unknown:.2%} <unk>\n"
    )
    report = Report(texts, options.unit)
    print(f"{'':58} {'bits/char' if options.unit == 'char' else 'perplexity':>10}")
    counts = counted(texts, order, texts.evaluation, without_held_out=False)
    report.line(f"Kneser-Ney {order}-gram", counts, is_yardstick=True)
    if texts.pretraining is not None:
        report.line(f"Kneser-Ney {order}-gram, without the other texts", without_pretraining_counts(texts, order))
    if options.counts_only:
        return
    model = train_network(texts, options, pretraining=True) if options.train else load(options.checkpoint)
    network = network_nats(model.eval(), texts.evaluation)
    report.line("network", network)
    if options.without_pretraining:
        plain = train_network(texts, options, pretraining=False)
        report.line("the same network without pre-training", network_nats(plain.eval(), texts.evaluation))
    held_out = counted(texts, order, texts.held_out, without_held_out=True)
    weight = best_weight(network_nats(model, texts.held_out), held_out)
    report.line(f"both, {weight:.2f} network", interpolated(network, counts, weight))
    if options.unit == "word":
        print("\nrescoring:")
        for score in score_texts(model, texts.tokenizer, READINGS):
            print(f"  ln P = {score.log_probability:8.2f}  {score.unknown} unknown  {score.text}")


if __name__ == "__main__":
    main()
