"""Image captioners: a frozen image encoder and a recurrent decoder that writes what is to be seen, word by word.

- ``attention="none"`` (Vinyals et al. 2015, Show and tell): the mean of the features is the decoder's first input, and
  it sees nothing of the picture afterwards.
- ``bahdanau`` (Xu et al. 2015, Show, attend and tell, soft attention): the state before a word chooses the places that
  the word is about, a gate says how much of them matters (section 4.2.1), and word, state and context go to the softmax
  through one linear layer each (equation 7).
"""

from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from tsugiki.forward_options import forward_options
from tsugiki.onnx_refusal import refuse_onnx
from tsugiki.pixel_values import check_picture
from tsugiki.snapshots.backbones import backbone_fields
from tsugiki.tensor_table import IGNORED

from ..recurrent.recurrent_cells import RecurrentNetwork
from ..recurrent.recurrent_generation import DecoderGenerationMixin
from ..recurrent.recurrent_layers import CellType, RecurrentStack, State, join_steps, state_tensors
from ..recurrent.recurrent_state import RecurrentState
from ..translation.attention import STEPPED_ATTENTION, Attention
from .image_encoder import ImageEncoder

DEFAULT_ENCODER = "resnet"  # of transformers itself, with fresh weights


@strict
class ImageCaptionerConfig(PreTrainedConfig):
    """Sizes and choices of a captioner.

    Attributes:
        encoder: Name of the checkpoint whose network encodes the pictures. Training begins with its weights.
        encoder_config: That network's config, with its ``model_type``; read from `encoder` where left out.
        encoder_stages: Stages of the encoder whose maps are used, side by side; by default its last.
        grid_size: Places a side that the maps are averaged over.
        vocab_size: Tokens.
        hidden_size: Units of a decoder layer.
        embedding_size: Numbers a token; as many as `hidden_size` by default.
        num_hidden_layers: Layers of the decoder.
        cell_type: ``rnn``, ``gru``, ``lstm`` or ``lstm-peephole``.
        attention: ``none`` or ``bahdanau``.
        attention_size: Hidden units of the attention's score; as many as `hidden_size` by default.
        attention_penalty: Weight in the training loss of looking at some places more than at others over a whole
            caption, lambda of Xu et al. 2015, equation 14.
        dropout: Rate on features, embeddings, between layers and before the softmax.
        label_smoothing: Share of each label's probability that training spreads over all tokens (Szegedy et al. 2016).
        tie_word_embeddings: Use the embeddings as the output matrix (Press and Wolf 2017).
        decoder_start_token_id: What a caption begins with.
    """

    model_type = "tsugiki_image_captioner"
    is_encoder_decoder: bool = True

    encoder: str | None = None
    encoder_config: dict[str, Any] | None = None
    encoder_stages: list[str] | None = None
    grid_size: int = 4
    vocab_size: int = 1000
    hidden_size: int = 128
    embedding_size: int | None = None
    num_hidden_layers: int = 1
    cell_type: CellType = "lstm"
    attention: Literal["none", "bahdanau"] = "bahdanau"
    attention_size: int | None = None
    attention_penalty: float | int = 0.0
    dropout: float | int = 0.0
    label_smoothing: float | int = 0.0
    tie_word_embeddings: bool = True
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int | None = 1

    def __post_init__(self, **kwargs: Any) -> None:
        if self.encoder_config is None:
            named = isinstance(self.encoder, str)
            self.encoder_config = backbone_fields(self.encoder) if named else {"model_type": DEFAULT_ENCODER}  # type: ignore[arg-type]
        super().__post_init__(**kwargs)

    @property
    def token_size(self) -> int:
        """Numbers that an embedding has."""
        return self.hidden_size if self.embedding_size is None else self.embedding_size

    def validate_sizes(self) -> None:
        """Refuse sizes that make no network."""
        sizes = (self.vocab_size, self.hidden_size, self.token_size, self.num_hidden_layers, self.grid_size)
        if min(sizes) < 1:
            raise ValueError(
                "vocab_size, hidden_size, embedding_size, num_hidden_layers and grid_size must be at least 1, not "
                f"{', '.join(map(str, sizes))}."
            )
        if not 0 <= self.dropout < 1 or not 0 <= self.label_smoothing < 1 or self.attention_penalty < 0:
            raise ValueError(
                "dropout and label_smoothing must be from 0 to below 1 and attention_penalty at least 0, not "
                f"{self.dropout}, {self.label_smoothing} and {self.attention_penalty}."
            )
        if self.decoder_start_token_id is None or self.pad_token_id is None:
            raise ValueError("decoder_start_token_id and pad_token_id must be tokens.")

    def validate_encoder(self) -> None:
        """Refuse an encoder without a type."""
        if not isinstance((self.encoder_config or {}).get("model_type"), str):
            raise ValueError("encoder_config must name its model_type.")


class CaptionDecoder(nn.Module):
    """Writes a caption, a token a step."""

    def __init__(self, config: ImageCaptionerConfig, source_size: int) -> None:
        super().__init__()
        self.config = config
        size, token_size, attentive = config.hidden_size, config.token_size, config.attention != "none"
        self.norm = nn.LayerNorm(source_size)  # encoders differ in the size of their features
        self.embeddings = nn.Embedding(config.vocab_size, token_size)
        self.dropout = nn.Dropout(config.dropout)
        parts = state_tensors(config.cell_type) * config.num_hidden_layers
        self.start = nn.Linear(source_size, parts * size if attentive else token_size)
        self.layers = RecurrentStack(
            config.cell_type,
            token_size + (source_size if attentive else 0),
            size,
            config.num_hidden_layers,
            dropout=config.dropout,
        )
        self.state = nn.Linear(size, token_size)
        self.attention = self.gate = self.context = None
        if attentive:
            self.attention = Attention(config.attention, size, source_size, config.attention_size or size)
            self.gate = nn.Linear(size, 1)
            self.context = nn.Linear(source_size, token_size, bias=False)

    def begin(self, source: Tensor) -> State:
        """The first state, tensors (layers, B, H), from the mean of the features (B, S, D)."""
        first = self.start(source.mean(1))
        if self.attention is None:
            return self.layers(first[:, None])[1]
        parts = torch.tanh(first).unflatten(1, (-1, self.config.num_hidden_layers, self.config.hidden_size))
        return tuple(part.transpose(0, 1).contiguous() for part in parts.unbind(1))

    def forward(
        self,
        input_ids: Tensor,
        source: Tensor,
        keys: Tensor | None,
        state: State,
        hidden_states: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None, State]:
        """Go on from a state with some given tokens.

        Args:
            input_ids: Tokens (B, T).
            source: Normalised features (B, S, D).
            keys: What `Attention.keys` gave, or None without attention.
            state: Where to begin, as `begin` gives it.
            hidden_states: Where the embeddings (B, T, E) and the outputs of each layer (B, T, H) are put.

        Returns:
            What goes to the softmax (B, T, E), attention weights (B, T, S) or None, and the state after the last token.
        """
        tokens = self.dropout(self.embeddings(input_ids))  # (B, T, E)
        if hidden_states is not None:
            hidden_states.append(tokens)
        if self.attention is None or self.gate is None or self.context is None or keys is None:
            states, state = self.layers(tokens, None, state, hidden_states)
            return self.dropout(self.state(states)), None, state
        refuse_onnx(STEPPED_ATTENTION)
        mask = source.new_ones(source.shape[:2]).bool()
        states, contexts, weights, steps = [], [], [], []
        for token in tokens.split(1, dim=1):  # (B, 1, E)
            before = state[0][-1][:, None]  # (B, 1, H)
            seen, weight = self.attention(before, keys, source, mask)
            seen = torch.sigmoid(self.gate(before)) * seen  # (B, 1, D)
            layers: list[Tensor] = []
            output, state = self.layers(torch.cat([token, seen], dim=-1), None, state, layers)
            steps.append(layers)
            states.append(output)
            contexts.append(seen)
            weights.append(weight)
        if hidden_states is not None:
            hidden_states += join_steps(steps)
        hidden = tokens + self.state(torch.cat(states, dim=1)) + self.context(torch.cat(contexts, dim=1))
        return self.dropout(hidden), torch.cat(weights, dim=1), state


class ImageCaptionerPreTrainedModel(RecurrentNetwork):
    """Weight initialisation and loading for the family."""

    config: ImageCaptionerConfig
    base_model_prefix = "captioner"
    main_input_name = "pixel_values"
    input_modalities = "image"


class ImageCaptionerForConditionalGeneration(DecoderGenerationMixin, ImageCaptionerPreTrainedModel):
    """P(caption | picture), token by token."""

    _tied_weights_keys = {"lm_head.weight": "decoder.embeddings.weight"}  # noqa: RUF012

    def __init__(self, config: ImageCaptionerConfig) -> None:
        super().__init__(config)
        self.encoder = ImageEncoder(config.encoder_config or {}, config.encoder_stages, config.grid_size)
        self.decoder = CaptionDecoder(config, self.encoder.output_size)
        self.lm_head = nn.Linear(config.token_size, config.vocab_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The captions' embeddings."""
        return self.decoder.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the captions' embeddings."""
        self.decoder.embeddings = value  # type: ignore[assignment]

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Pictures, the tokens that the decoder reads, and those that it should write."""
        generator = torch.Generator().manual_seed(0)
        fields = self.config.encoder_config or {}
        size = fields.get("image_size", 64)
        height, width = (size, size) if isinstance(size, int) else size
        pixels = torch.randn((4, fields.get("num_channels", 3), height, width), generator=generator)
        ids = torch.randint(3, self.config.vocab_size, (4, 4), generator=generator)
        return {"pixel_values": pixels, "decoder_input_ids": ids, "labels": ids.roll(-1, 1)}

    @forward_options
    def forward(
        self,
        pixel_values: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor] | None = None,
        past_key_values: RecurrentState | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqLMOutput:
        """Caption pictures with given tokens.

        Args:
            pixel_values: Normalised pictures (B, C, H, W).
            decoder_input_ids: Tokens of the captions read so far (B, T); made of `labels` where left out.
            encoder_outputs: What the encoder gave, instead of pictures; (B, S, D) comes first.
            past_key_values: The decoder's state to go on from.
            labels: Tokens to write (B, T), -100 where nothing is asked.
            use_cache: Give the state after the last token back.
            output_attentions: Give the attention's weights back.
            output_hidden_states: Give the hidden states back.

        Returns:
            ``logits`` (B, T, vocab_size); with `labels` the mean cross entropy in nats as ``loss``, in training with
            the attention's penalty added; with `use_cache` ``past_key_values``; with `output_attentions`
            ``cross_attentions``, one tensor (B, 1, T, S); with `output_hidden_states` the embeddings, the outputs of
            each layer but the last, and what goes to the softmax (B, T, E) as ``decoder_hidden_states``, and the
            features (B, S, D) alone as ``encoder_hidden_states``; ``encoder_last_hidden_state`` (B, S, D).

        Raises:
            ValueError: There is no picture, or no caption.
        """
        if encoder_outputs is None:
            if pixel_values is None:
                raise ValueError("give pixel_values or encoder_outputs")
            check_picture(pixel_values, (self.config.encoder_config or {}).get("num_channels", 3))
            encoder_outputs = self.encoder(pixel_values, output_hidden_states=output_hidden_states)
        features = encoder_outputs[0]  # (B, S, D)
        decoder_input_ids = self.decoder_tokens(decoder_input_ids, labels)
        return self.write(
            decoder_input_ids,
            (self.decoder.dropout(self.decoder.norm(features)),),
            past_key_values,
            labels,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            encoder_outputs=encoder_outputs,
        )

    def token_loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Cross entropy of logits (B, T, V) and labels (B, T), and in training what is asked for besides."""
        loss = super().token_loss(logits, labels, weights)
        if self.training and self.config.attention_penalty and weights is not None:
            looked = (weights.float() * (labels != IGNORED)[..., None]).sum(1)  # (B, S)
            loss = loss + float(self.config.attention_penalty) * (1 - looked).square().sum(1).mean()
        return loss
