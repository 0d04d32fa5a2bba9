"""Small encoder-decoders with random weights and their tokenizer."""

from __future__ import annotations

from pathlib import Path

import torch
from datasets import Dataset
from tsugiki_seq2seq.texts.special_tokens import END, PAD, START
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig

PAIRS = [
    ("彼 は 走 っ た 。", "he ran ."),
    ("雨 が 降 る 。", "it rains ."),
    ("彼 は 雨 の 中 を 走 っ た 。", "he ran in the rain ."),
    ("犬 。", "a dog ."),
    ("犬 は 降 る 雨 の 中 を 彼 と 走 る 。", "the dog runs with him in the rain ."),
]
SOURCES, REFERENCES = (list(side) for side in zip(*PAIRS, strict=True))


def tokenizer(**options):
    return learn_tokenizer([*SOURCES, *REFERENCES], kind="word", **options)


def recurrent(seed: int = 1, **fields) -> RecurrentForConditionalGeneration:
    torch.manual_seed(seed)
    config = {"vocab_size": len(tokenizer()), "hidden_size": 8, "initializer_range": 1.0, **fields}
    model = RecurrentForConditionalGeneration(RecurrentSeq2SeqConfig(**config)).eval()
    model.generation_config.max_new_tokens = 8
    return model


def marian(seed: int = 0, **fields):
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(seed)
    sizes = {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "encoder_layers": 1, "decoder_layers": 2}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    tokens = {"pad_token_id": PAD, "bos_token_id": START, "eos_token_id": END, "decoder_start_token_id": START}
    given = {"vocab_size": len(tokenizer()), "init_std": 1.0, "forced_eos_token_id": None}
    model = MarianMTModel(MarianConfig(**sizes, **heads, **tokens, **given, **fields)).eval()
    model.generation_config.max_new_tokens = 8
    return model


def t5(seed: int = 0):
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
    tokens = {"pad_token_id": PAD, "eos_token_id": END, "decoder_start_token_id": PAD}
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer()), **sizes, **tokens)).eval()
    model.generation_config.max_new_tokens = 8
    return model


def save(model, folder: Path, **options) -> Path:
    model.save_pretrained(folder)
    tokenizer(**options).save_pretrained(folder)
    return folder


def dataset() -> Dataset:
    return Dataset.from_dict({"source": SOURCES, "target": REFERENCES})
