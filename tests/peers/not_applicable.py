"""What of the peers' tests can't apply, each with its reason: the whole list.

The tests of transformers skip themselves too where they find nothing to look at, and say why. What stands here would
fail; a listed test that passes is an error, and so is an entry that a whole run did not need.

One common test is replaced for all families and so is not in the list: `test_hidden_states_output` wants states of one
width, as many as a Transformer has layers, where these networks have them as their papers do. In its place the states
asked for are compared with those that the config asks for; the conformance kit and the plugins' tests look at values.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class NotApplicable:
    """Tests that can't apply.

    Attributes:
        tests: Pattern of ``kind.test``; the kind is ``model``, ``backbone``, ``picture``, ``waveform``, ``caption``,
            ``tokenizer`` or ``estimator``.
        subjects: Patterns of ``plugin:family``, or of a processor's name; blanks part them.
        reason: Why.
        strict: Whether each of them must fail; False for one that passes by chance.
    """

    tests: str
    subjects: str
    reason: str
    strict: bool = True

    def matches(self, test: str, subject: str) -> bool:
        """Whether a test on a subject is one of them."""
        return fnmatchcase(test, self.tests) and any(fnmatchcase(subject, pattern) for pattern in self.subjects.split())


NOT_APPLICABLE = (
    NotApplicable(
        "model.test_generation_tester_mixin_inheritance",
        "seq2seq:*",
        "the source distribution lacks the mixin; tests/seq2seq/test_generation.py asks the same in our words",
    ),
    NotApplicable(
        "model.test_model_get_set_embeddings", "vision:*", "networks of pictures and waves have no table of embeddings"
    ),
    NotApplicable(
        "backbone.test_config",
        "vision:*",
        "it wants stages named stem, stage1 and so on; ours have the names of their papers, and the conformance check "
        "backbone_gives_named_feature_maps asks the rest",
    ),
    NotApplicable(
        "backbone.test_config_save_pretrained", "vision:mlp vision:nin vision:all-cnn", "it wants a fourth stage"
    ),
    NotApplicable(
        "model.test_encoder_decoder_loss_no_double_shift",
        "seq2seq:hred seq2seq:vhred",
        "the labels of a dialogue are its own utterances, so that none are given beside decoder_input_ids",
    ),
    NotApplicable(
        "model.test_model_base_model_prefix",
        "seq2seq:recurrent-seq2seq seq2seq:image-captioner seq2seq:*hred",
        "encoder and decoder stand side by side; no part of them is a model of its own that others share",
    ),
    NotApplicable(
        "model.test_model_outputs_equivalence",
        "vision:hopfield",
        "it subtracts, and a pattern's output is true or false",
    ),
    NotApplicable("model.test_training", "vision:hopfield", "it learns in closed form and has no loss"),
    NotApplicable(
        "model.test_retain_grad_hidden_states_attentions",
        "vision:mlp vision:neocognitron vision:hopfield",
        "the first state is the picture itself, or of cells that no gradient teaches",
    ),
    NotApplicable(
        "model.test_retain_grad_hidden_states_attentions",
        "embeddings:scdv",
        "a text is summed by topic and word, so that its words' vectors in their places are looked up beside it",
    ),
    NotApplicable(
        "model.test_retain_grad_hidden_states_attentions",
        "seq2seq:image-captioner",
        "the encoder of pictures is not trained, unless a recipe asks for it",
    ),
    NotApplicable(
        "model.test_retain_grad_hidden_states_attentions",
        "seq2seq:hred seq2seq:vhred",
        "the decoder of a dialogue reads its labels; where there are none it has no states",
    ),
    NotApplicable(
        "model.test_retain_grad_hidden_states_attentions",
        "vision:vae",
        "the states that are asked for are computed once more, beside the bound",
    ),
    NotApplicable(
        "model.test_problem_types",
        "embeddings:recursive-autoencoder",
        "the paper's loss is a cross entropy of single labels, and any other problem_type is refused in one line",
    ),
    NotApplicable(
        "picture.test_call_numpy_4_channels",
        "*",
        "the channels are the network's, always: the fourth of a picture is its transparency, and is laid onto white",
    ),
    NotApplicable(
        "picture.test_new_models_require_torchvision_backend",
        "*",
        "nothing of ours needs torchvision; it has no build beside a CPU-only torch",
    ),
    NotApplicable(
        "tokenizer.test_save_and_load_tokenizer",
        "word_shapes",
        "it adds two words that have one shape; a word is added to shapes as AddedToken(word, normalized=False)",
        strict=False,
    ),
)
