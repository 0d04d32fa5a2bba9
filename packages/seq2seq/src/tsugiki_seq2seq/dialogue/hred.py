"""The hierarchical recurrent encoder-decoder (HRED): the decoder sees the state of the dialogue so far.

Sordoni et al. 2015 (A hierarchical recurrent encoder-decoder for generative context-aware query suggestion); for
dialogues Serban et al. 2016 (Building end-to-end dialogue systems using generative hierarchical neural network models),
with the utterances read both ways.
"""

from huggingface_hub.dataclasses import strict
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput
from tsugiki.forward_options import forward_options

from ..recurrent.recurrent_state import RecurrentState
from .dialogue_layers import DialogueConfig
from .dialogue_model import IGNORED, DialogueModel, DialogueOutput


@strict
class HREDConfig(DialogueConfig):
    """Sizes of a hierarchical recurrent encoder-decoder, as `DialogueConfig` names them."""

    model_type = "tsugiki_hred"


class HREDForConditionalGeneration(DialogueModel):
    """P(utterance | all utterances before it)."""

    config: HREDConfig

    def __init__(self, config: HREDConfig) -> None:
        super().__init__(config, config.state_size)
        self.post_init()

    @forward_options
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor] | None = None,
        past_key_values: RecurrentState | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> DialogueOutput:
        """Measure the utterances of dialogues; with `decoder_input_ids` write the one that follows.

        Args:
            input_ids: Tokens of dialogues (B, U, L); each utterance ends in the end token.
            attention_mask: 1 for tokens and 0 for padding (B, U, L), which may stand anywhere; or the same of whole
                utterances (B, U). By default everything but the padding token counts.
            decoder_input_ids: Tokens written so far (B, T), the start token first.
            encoder_outputs: What the encoder gave, instead of dialogues to answer.
            past_key_values: The decoder's state to go on from.
            labels: The tokens to guess where they stand in `input_ids` (B, U, L), -100 where nothing is asked; by
                default all but those of the first utterances.
            use_cache: Give the decoder's state back.
            output_hidden_states: Give the hidden states of dialogues and of the utterance that is written back.

        Returns:
            ``reconstruction`` (B, U), and with `labels` the mean nats a token as ``loss``. With `decoder_input_ids`
            ``logits`` (B, T, vocab_size) and, where asked for, ``past_key_values``.

        Raises:
            ValueError: There is no dialogue, or `labels` come with `decoder_input_ids`.
        """
        if decoder_input_ids is not None:
            encoder_outputs = self.dialogues_to_answer(
                input_ids, attention_mask, encoder_outputs, labels, output_hidden_states
            )
            states = encoder_outputs[0][:, 0]  # (B, C)
            return self.write(
                decoder_input_ids,
                states,
                past_key_values,
                use_cache=use_cache,
                output_hidden_states=output_hidden_states,
                encoder_outputs=encoder_outputs,
            )
        utterances = self.read(input_ids, attention_mask, labels)
        nats = self.nats(utterances, utterances.before)
        loss = None
        if labels is not None:
            loss = nats.sum() / (utterances.targets != IGNORED).sum().clamp(min=1)
        return DialogueOutput(
            loss=loss,
            reconstruction=utterances.by_dialogue(nats),
            encoder_hidden_states=utterances.hidden_states if output_hidden_states else None,
        )
