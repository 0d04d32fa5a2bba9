"""A classifier on a network that reads texts: what its families would otherwise write alike."""

from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from .classification_loss import classification_loss
from .classifier_head import classifier_head
from .forward_options import forward_options


class TextClassifier(PreTrainedModel):
    """A network with a classifier on what it makes of a text. Inherit from it before the family's own base class:

        class EmbeddingMeanForSequenceClassification(TextClassifier, EmbeddingMeanPreTrainedModel):
            network_class = EmbeddingMeanModel

    The config has the fields of `ClassifierHeadConfig`, the width of the features as `num_features` and, if some of
    them are silenced in training, their share as `dropout`.

    Attributes:
        network_class: Makes the features, from `input_ids` and `attention_mask`, and `hidden_states` where asked for;
            it becomes the attribute that the family's `base_model_prefix` names.
    """

    network_class: ClassVar[type[PreTrainedModel]]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.network_class(config))
        self.dropout = nn.Dropout(getattr(config, "dropout", 0.0))
        self.classifier = classifier_head(config, config.num_features)
        self.post_init()

    @forward_options
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Classify texts.

        Args:
            input_ids: Tokens `(B, L)`.
            attention_mask: 1 for tokens and 0 for padding `(B, L)`, as the network takes it.
            labels: Class numbers `(B,)`, of which -100 leaves a row out, or what else `config.problem_type` asks for:
                see `classification_loss`. With them the output holds the loss.
            output_hidden_states: Return the network's hidden states as well; the config's value if `None`.

        Returns:
            `logits` `(B, num_labels)`, and `loss` and `hidden_states` where asked for.
        """
        network: PreTrainedModel = getattr(self, self.base_model_prefix)
        outputs = network(input_ids, attention_mask, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(self.dropout(self.features(outputs, input_ids, attention_mask)))
        loss = None if labels is None else self.loss(outputs, logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)

    def features(self, outputs: Any, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """What the classifier sees of the network's outputs `(B, num_features)`."""
        return outputs.pooler_output

    def loss(self, outputs: Any, logits: Tensor, labels: Tensor) -> Tensor:
        """What training lowers, as `classification_loss` says."""
        return classification_loss(logits, labels, self.config)
