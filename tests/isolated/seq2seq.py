"""One plugin is enough: a translator learns to turn words round, is saved, loaded by name, searched and judged."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import torch
import tsugiki
from tsugiki.errors import PluginError
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.texts.sentence_pairs import pair_table
from tsugiki_seq2seq.texts.special_tokens import special_token_fields
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer
from tsugiki_seq2seq.translation.search_errors import analyse_search


def check_captioner() -> None:
    """What needs another plugin says so."""
    said = ""
    try:
        tsugiki.load("caption-flickr8k-mini")
    except PluginError as error:
        said = str(error)
    assert "needs tsugiki-vision, not installed here" in said, said


def main() -> None:
    check_captioner()
    torch.manual_seed(0)
    draw = random.Random(0)
    words = ["".join(draw.choices("abcd", k=draw.randint(2, 5))) for _ in range(2000)]
    turned = [word[::-1] for word in words]
    tokenizer = learn_tokenizer(words, kind="character")
    sizes = {"hidden_size": 64, "embedding_size": 16, "attention": "luong-general"}
    model = tsugiki.create_model("recurrent-seq2seq", "text-translation", **sizes, **special_token_fields(tokenizer))
    options = {"num_train_epochs": 10, "per_device_train_batch_size": 32, "learning_rate": 5e-3, "seed": 0}
    with tempfile.TemporaryDirectory() as folder:
        run, snapshot = Path(folder, "run"), Path(folder, "turner")
        fit(model, TrainingJob(pair_table(words, turned, tokenizer), run, options, progress=False))
        model.save_pretrained(snapshot)
        tokenizer.save_pretrained(snapshot)
        pipe = tsugiki.pipeline(snapshot, task="text-translation")
        assert pipe("abcd")[0]["translation_text"] == "dcba"
        found = analyse_search(pipe.model, pipe.tokenizer, words[:200], turned[:200], num_beams=2, wider=8)
    figures = found.figures()
    assert figures["wrong"] < 20, f"of 200 words {figures['wrong']} are turned round wrongly"
    print(f"one plugin is enough: {figures['outputs'] - figures['wrong']:.0f} of 200 words turned round")


if __name__ == "__main__":
    main()
