"""The tokens that every tokenizer of this plugin begins with, and the form in which ``AutoTokenizer`` loads it.

Four, in this order: ``<pad>`` 0, ``<s>`` 1, ``</s>`` 2, ``<unk>`` 3; those of masked language models have ``<mask>`` 4
besides.
"""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL_TOKENS = ["<pad>", "<s>", "</s>", "<unk>"]
MASK_TOKEN = AddedToken("<mask>", lstrip=True, special=True)  # takes the space before it, as the word it stands for


def wrap_tokenizer(tokenizer: Tokenizer, **more: Any) -> PreTrainedTokenizerFast:
    """A transformers tokenizer around one whose special tokens are `SPECIAL_TOKENS`."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        **more,
    )


def special_token_fields(processor: Any) -> dict[str, Any]:
    """Config fields that follow from a tokenizer."""
    return {
        "vocab_size": len(processor),
        "pad_token_id": processor.pad_token_id,
        "bos_token_id": processor.bos_token_id,
        "eos_token_id": processor.eos_token_id,
    }
