"""An encoder-decoder whose every probability is written down, so that the best translation is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from tsugiki_seq2seq.texts.special_tokens import END, PAD, START
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

# Source word -> what has been written -> probability of each next word; "" is the end.
Table = dict[str, dict[str, dict[str, float]]]

# Greedy goes to "the" (0.6) and ends with 0.6 * 0.3 * 0.9; behind "old" (0.4) nearly all of the probability is left.
GARDEN = {
    "": {"the": 0.6, "old": 0.4},
    "the": {"dog": 0.3, "cat": 0.28, "house": 0.22, "boat": 0.2},
    "the dog": {"": 0.9, "house": 0.1},
    "old": {"man": 0.55, "cat": 0.45},
    "old man": {"": 0.95, "house": 0.05},
    "old cat": {"": 0.95, "house": 0.05},
}
# The model is sure, and wrong where the reference is "a cat".
SURE = {
    "": {"the": 0.9, "a": 0.1},
    "the": {"dog": 0.9, "cat": 0.1},
    "the dog": {"": 0.9, "house": 0.1},
    "a": {"cat": 0.5, "dog": 0.5},
    "a cat": {"": 0.9, "house": 0.1},
}
TABLE: Table = {"garden": GARDEN, "sure": SURE}
WORDS = ["garden sure", "the old dog cat man house boat a"]


def tokenizer():
    return learn_tokenizer(WORDS, kind="word")


class GardenPathConfig(PreTrainedConfig):
    model_type = "garden_path"


class Reader(nn.Module):
    main_input_name = "input_ids"

    def forward(self, input_ids, attention_mask=None, output_attentions=None, output_hidden_states=None, **kwargs):
        return BaseModelOutput(last_hidden_state=input_ids[..., None].float())


class GardenPath(PreTrainedModel, GenerationMixin):
    config_class = GardenPathConfig
    main_input_name = "input_ids"

    def __init__(self, table: Table = TABLE) -> None:
        self.words = tokenizer()
        super().__init__(
            GardenPathConfig(
                vocab_size=len(self.words), pad_token_id=PAD, bos_token_id=START, eos_token_id=END,
                decoder_start_token_id=START, is_encoder_decoder=True,
            )
        )  # fmt: skip
        self.table = table
        self.encoder = Reader()
        self.anchor = nn.Parameter(torch.zeros(1))  # says where the model is
        self.generation_config.update(max_new_tokens=5, use_cache=False)  # it sees all that is written
        self.post_init()
        self.eval()

    def get_encoder(self, modality=None):
        return self.encoder

    @classmethod
    def _supports_default_dynamic_cache(cls):
        return False

    def probabilities(self, source: str, written: str) -> Tensor:
        found = self.table[source].get(written, {"": 1.0})
        row = torch.full((len(self.words),), 1e-30)
        for word, probability in found.items():
            row[END if word == "" else self.words.convert_tokens_to_ids(word)] = probability
        return row

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        decoder_input_ids=None,
        encoder_outputs=None,
        past_key_values=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        states = self.encoder(input_ids).last_hidden_state if encoder_outputs is None else encoder_outputs[0]
        logits = []
        for row, written in zip(states[..., 0].long(), decoder_input_ids, strict=True):
            source = self.words.decode(row.tolist(), skip_special_tokens=True)
            texts = [self.words.decode(written[1 : end + 1], skip_special_tokens=True) for end in range(len(written))]
            logits.append(torch.stack([self.probabilities(source, text) for text in texts]).log())
        return Seq2SeqLMOutput(logits=torch.stack(logits))
