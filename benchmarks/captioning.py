"""Captions of the recipe `caption-flickr8k-mini` with attention and without, against those of the nearest neighbour.

    python benchmarks/captioning.py [--seeds 0 1 2] [--epochs 15]
    python benchmarks/captioning.py --choose [--settings 0 1 2] [--epochs 15]

The first form trains both models on all training pictures and measures them on the validation part, by which nothing
was chosen. Beside them stand the captions of the training pictures that look most alike to the same encoder (cosine of
the standardised mean features): the first caption of the nearest picture, the one of its five that agrees best with the
other four, and the one that agrees best among all captions of the nearest ten (Devlin et al. 2015, Exploring nearest
neighbor approaches for image captioning). Intervals are bootstrap 95 % intervals over the pictures; that of a
difference draws the same pictures for both.

With `--choose` a fifth of the training pictures is held out instead. For every encoder and picture size it prints how
well a ridge regression on the mean features tells the words of the held-out captions (correlation, mean over words),
what the nearest neighbours score, and, unless `--features-only` is given, a model with several searches. This is how
the recipe's were chosen.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.metrics import bootstrap_interval
from tsugiki.predictions import Predictions
from tsugiki.recipes.prepared_recipe import PreparedRecipe, build_model, hold_out, prepare
from tsugiki.recipes.recipe import Recipe
from tsugiki.recipes.train_recipe import train_seed
from tsugiki.snapshots.backbones import load_backbone
from tsugiki.tensor_table import TensorTable
from tsugiki_seq2seq.captions.caption_pairs import encoder_features
from tsugiki_seq2seq.captions.caption_scores import CiderD, bleu_of, caption_words, consensus_caption
from tsugiki_seq2seq.captions.image_captioning import PICTURE, caption_counts, captioned

RECIPE = Path(__file__).parents[1] / "hub_cards" / "caption-flickr8k-mini"
HELD_OUT = 0.2
NEIGHBOURS = 10
FEWEST = 10  # pictures that a word must be said of to be told from features
MAPS = {
    "vgg16bn-half-cifar10": ["block2", "block3", "block4"],
    "resnet20-cifar10": ["stage1", "stage2", "stage3"],
    "mobilenet32-cifar10": None,
    "sppnet-cifar10": ["convolution2", "convolution3"],
}
SETTINGS = [(encoder, size) for size in (64, 96) for encoder in MAPS]
SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {"num_beams": 1},
    "beam 3": {"num_beams": 3, "length_penalty": 1.0},
    "beam 5": {"num_beams": 5, "length_penalty": 1.0},
}


def neighbour_captions(run: PreparedRecipe, model: Any, train: TensorTable, held: TensorTable) -> dict[str, list[str]]:
    """What the pictures most alike are called, by the way a caption is picked."""
    references, cider = captioned(train).references, CiderD(captioned(train).references)
    known, asked = (encoder_features(model, table).mean(1) for table in (train, held))  # (N, D)
    mean, deviation = known.mean(0), known.std(0) + 1e-6
    known, asked = ((one - mean) / deviation for one in (known, asked))
    alike = torch.nn.functional.normalize(asked) @ torch.nn.functional.normalize(known).T
    numbers = train.columns[PICTURE].tolist()
    captions: dict[str, list[str]] = {"nearest, first": [], "nearest, consensus": [], "ten nearest, consensus": []}
    for row in alike.argsort(1, descending=True)[:, :NEIGHBOURS].tolist():
        nearest = references[numbers[row[0]]]
        captions["nearest, first"].append(nearest[0])
        captions["nearest, consensus"].append(consensus_caption(nearest, cider))
        several = [text for place in row for text in references[numbers[place]]]
        captions["ten nearest, consensus"].append(consensus_caption(several, cider))
    return captions


def word_correlation(model: Any, train: TensorTable, held: TensorTable) -> float:
    """How well the features tell which words a picture's captions hold: mean correlation over the frequent words, of
    the best of three strengths of the ridge."""
    known, asked = (encoder_features(model, table).mean(1) for table in (train, held))  # (N, D)
    mean, deviation = known.mean(0), known.std(0) + 1e-6
    known, asked = ((one - mean) / deviation for one in (known, asked))
    mentions = [
        [Counter(word for text in captioned(table).references[number] for word in set(caption_words(text)))
         for number in table.columns[PICTURE].tolist()]
        for table in (train, held)
    ]  # fmt: skip
    pictures = Counter(word for row in mentions[0] for word in row)
    words = [word for word, count in pictures.items() if FEWEST <= count <= len(train) / 2]
    learnt, wanted = (torch.tensor([[float(row[word]) for word in words] for row in rows]) for rows in mentions)
    kernel, usual = known @ known.T, learnt.mean(0)
    best = -1.0
    for strength in (1e3, 1e4, 1e5):
        weights = torch.linalg.solve(kernel + strength * torch.eye(len(kernel)), learnt - usual)
        told = asked @ known.T @ weights  # (N, words)
        pairs = torch.stack([told - told.mean(0), wanted - wanted.mean(0)])
        scales = pairs.norm(dim=1).clamp(min=1e-9)  # (2, words)
        best = max(best, float((pairs.prod(0).sum(0) / scales.prod(0)).mean()))
    return best


def counts_of(written: Sequence[str], table: TensorTable) -> NDArray[np.float64]:
    """What the scores of captions of a table are made of (N, 11)."""
    references = captioned(table).references
    own = [references[number] for number in table.columns[PICTURE].tolist()]
    return caption_counts(written, own, CiderD(references)).astype(np.float64)


def print_row(run: PreparedRecipe, title: str, counts: NDArray[np.float64]) -> None:
    """The figures of one way to caption."""
    metrics = run.task.metrics(Predictions(counts.astype(np.float32)))
    shown = [f"{metrics[name].value:6.3f} [{metrics[name].low:.3f}, {metrics[name].high:.3f}]" for name in ("cider",)]
    shown += [
        f"{metrics[name].value:5.1f} [{metrics[name].low:4.1f}, {metrics[name].high:4.1f}]"
        for name in ("bleu_1", "bleu_2", "bleu_3", "bleu_4")
    ]
    print(f"{title:26} " + "  ".join(shown), flush=True)


def print_difference(title: str, counts: NDArray[np.float64], base: NDArray[np.float64]) -> None:
    """By how much one way to caption is better than another."""

    def cider(rows: NDArray[np.int64]) -> float:
        return float((counts[rows, -1] - base[rows, -1]).mean())

    def bleu(rows: NDArray[np.int64]) -> float:
        return bleu_of(counts[rows, :-1].sum(0), 4) - bleu_of(base[rows, :-1].sum(0), 4)

    rows = np.arange(len(counts))
    parts = []
    for name, of in (("cider", cider), ("bleu_4", bleu)):
        low, high = bootstrap_interval(len(counts), of, seed=0)
        parts.append(f"{name} {of(rows):+.3f} [{low:+.3f}, {high:+.3f}]")
    print(f"{title:40} " + "  ".join(parts), flush=True)


def changed(recipe: Recipe, options: argparse.Namespace, **config: Any) -> Recipe:
    """The recipe with another config and what the command line asks for."""
    training = {**recipe.training, **({"num_train_epochs": options.epochs} if options.epochs else {})}
    return replace(recipe, config={**recipe.config, **config}, training={**training, "save_strategy": "no"})


def trained(run: PreparedRecipe, seed: int) -> Any:
    """A model of one seed."""
    with tempfile.TemporaryDirectory() as folder:
        model, result = train_seed(run, seed, Path(folder), progress=False)
    print(f"    trained in {result.seconds:.0f} s, last loss {result.history[-1]['loss']:.3f}", flush=True)
    return model.eval()


def measured(run: PreparedRecipe, model: Any, table: TensorTable) -> NDArray[np.float64]:
    """What the scores of a model's own captions are made of (N, 11)."""
    predictions = run.task.predictions(model, table, batch_size=80)
    assert predictions is not None
    return predictions.outputs.astype(np.float64)


def compare(recipe: Recipe, options: argparse.Namespace) -> None:
    """Both models and the nearest neighbours on the validation part."""
    runs = {name: prepare(changed(recipe, options, attention=name)) for name in ("bahdanau", "none")}
    held = runs["bahdanau"].evaluation
    print(f"{len(runs['bahdanau'].train)} training pictures, {len(held)} to measure on; cider 0 to 10, bleu 0 to 100")
    found: dict[str, list[NDArray[np.float64]]] = {}
    for name, run in runs.items():
        title = "with attention" if name == "bahdanau" else "without attention"
        for seed in options.seeds:
            model = trained(run, seed)
            found.setdefault(title, []).append(measured(run, model, held))
            print_row(run, f"{title}, seed {seed}", found[title][-1])
    run = runs["bahdanau"]
    neighbours = neighbour_captions(run, model, run.train, held)
    base = {title: counts_of(written, held) for title, written in neighbours.items()}
    for title, counts in base.items():
        print_row(run, title, counts)
    print("differences")
    for title, counts in base.items():
        for own in found:
            print_difference(f"{own} - {title}", found[own][0], counts)
    print_difference("with attention - without", found["with attention"][0], found["without attention"][0])


def choose(recipe: Recipe, options: argparse.Namespace) -> None:
    """Encoders, picture sizes and searches on pictures held out of the training part."""
    for number in options.settings or range(len(SETTINGS)):
        encoder, size = SETTINGS[number]
        other = changed(recipe, options, encoder=encoder, encoder_stages=MAPS[encoder])
        processor = {**recipe.processor, "encoder": encoder, "image_size": size}
        data = replace(recipe.data, evaluation=recipe.data.train)
        run = prepare(replace(other, processor=processor, data=data))
        run.train, held = hold_out(run.train, HELD_OUT)
        print(f"{number}: {encoder} at {size} pixels")
        if options.features_only:
            model: Any = build_model(run, 0)
            load_backbone(model.encoder.backbone, encoder)
        else:
            model = trained(run, 0)
            for search, fields in SEARCHES.items():
                model.generation_config.update(**fields)
                print_row(run, search, measured(run, model, held))
        print(f"    words are told with a correlation of {word_correlation(model, run.train, held):.3f}")
        for title, written in neighbour_captions(run, model, run.train, held).items():
            print_row(run, title, counts_of(written, held))


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--choose", action="store_true", help="measure settings on a held-out part of train")
    parser.add_argument("--settings", type=int, nargs="+", help=f"of --choose, by number: {SETTINGS}")
    parser.add_argument("--features-only", action="store_true", help="of --choose: train nothing")
    options = parser.parse_args()
    recipe = Recipe.read(RECIPE)
    (choose if options.choose else compare)(recipe, options)


if __name__ == "__main__":
    main()
