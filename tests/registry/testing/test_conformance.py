"""The conformance checks: a good family passes, each kind of mistake is found and its remedy named."""

import json
import textwrap

import pytest
from tsugiki import cli, testing
from tsugiki.errors import PluginError, UnknownNameError
from tsugiki.registry import Checkpoint
from tsugiki.testing import conformance
from tsugiki.testing.snapshot_checks import snapshot_loads
from tsugiki.testing.subject import NotApplicableError

from ..card_snapshots import provenance_record

MANIFEST = """
from tsugiki import Family, Plugin
plugin = Plugin(
    name="rose",
    families=[
        Family(
            "rose",
            config="fake_rose.net:RoseConfig",
            models={
                "base": "fake_rose.net:RoseModel",
                "backbone": "fake_rose.net:RoseBackbone",
                "TASK": "fake_rose.net:MODEL",
            },
            stages=("rose.leaf", "rose.bloom"),
        )
    ],
)
"""
NETWORK = """
from dataclasses import dataclass
import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel, initialization as init
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import BackboneOutput, BaseModelOutputWithPooling, ImageClassifierOutput
from transformers.utils.generic import can_return_tuple
from tsugiki.classification_loss import classification_loss
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture

@dataclass(kw_only=True)
class Thorns:
    thorns: "int" = 2

DECORATOR
class RoseConfig(PARENTS BackboneConfigMixin, PreTrainedConfig):
    model_type = "tsugiki_rose"
    image_size: int = 8
    num_channels: int = 1
    width: int = 4

    def __post_init__(self, stage_names=None, out_features=None, out_indices=None, **kwargs):
        self.stage_names = ["leaf", "bloom"]
        FEATURES
        self.set_output_features_output_indices(out_features=out_features, out_indices=out_indices)
        super().__post_init__(**kwargs)

class RosePreTrainedModel(PreTrainedModel):
    config_class = RoseConfig
    base_model_prefix = "PREFIX"
    main_input_name = "pixel_values"
    _keys_to_ignore_on_load_unexpected = KEYS

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            init.normal_(module.weight, std=GAIN / module.weight[0].numel() ** 0.5)
            init.zeros_(module.bias)

class RoseModel(RosePreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.leaf = nn.Conv2d(config.num_channels, config.width, 3, padding=1)
        self.bloom = nn.Conv2d(config.width, config.width, config.image_size)
        self.post_init()

    @forward_options
    def forward(self, pixel_values, output_hidden_states=None):
        GUARD
        leaf = self.leaf(pixel_values).relu()
        bloom = self.bloom(leaf).relu()
        states = (leaf, bloom) if output_hidden_states else None
        return BaseModelOutputWithPooling(bloom, bloom.flatten(1), states)

class RoseBackbone(BackboneMixin, RosePreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.num_features = [config.width, CHANNELS]
        self.rose = RoseModel(config)
        self.post_init()

    @forward_options
    def forward(self, pixel_values, output_hidden_states=None):
        maps = self.rose(pixel_values, output_hidden_states=True, return_dict=True).hidden_states
        seen = tuple(SEEN for name, one in zip(self.stage_names, maps) if name in self.out_features)
        return BackboneOutput(seen, hidden_states=maps if output_hidden_states else None)

class MODEL(RosePreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.rose = RoseModel(config)
        self.classifier = nn.Linear(config.width, config.num_labels)
        MORE
        self.post_init()

    TUPLE
    def forward(self, pixel_values, labels=None, output_hidden_states=None ARGUMENTS):
        found = self.rose(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        hidden = found.pooler_output
        HIDDEN
        logits = self.classifier(hidden)
        loss = None if labels is None else LOSS
        return ImageClassifierOutput(loss=loss, logits=logits, hidden_states=STATES)
"""
GOOD = {
    "TASK": "image-classification",
    "DECORATOR": "@strict",
    "PARENTS": "",
    "FEATURES": "",
    "PREFIX": "rose",
    "KEYS": '["^classifier"]',
    "GAIN": "1.5",
    "GUARD": "check_picture(pixel_values, self.config.num_channels)",
    "CHANNELS": "config.width",
    "SEEN": "one",
    "MODEL": "RoseForImageClassification",
    "MORE": "",
    "TUPLE": "@forward_options",
    "ARGUMENTS": "",
    "HIDDEN": "",
    "LOSS": "classification_loss(logits, labels, self.config)",
    "STATES": "found.hidden_states",
}
MISTAKES = {
    "kwargs_that_inflate_the_loss": (
        {"ARGUMENTS": ", **kwargs"},
        "loss_is_not_inflated",
        r"takes \*\*kwargs: set `accepts_loss_kwargs = False` on RoseForImageClassification",
    ),
    "a_name_that_picks_the_wrong_loss": (
        {"MODEL": "RoseClassifier", "LOSS": "self.loss_function(labels, logits, self.config)"},
        "loss_function_fits_the_task",
        "the class name RoseClassifier makes self.loss_function ForCausalLMLoss; "
        "let it end in 'ForImageClassification'",
    ),
    "a_loss_of_the_wrong_sign": (
        {"LOSS": "-F.cross_entropy(logits.detach(), labels) + 0 * logits.sum() - logits.std().detach()"},
        "one_step_lowers_the_loss",
        "does not lower the loss",
    ),
    "a_parameter_that_is_not_used": (
        {"MORE": "self.rose.leaf.spare = nn.Parameter(torch.ones(1))"},
        "gradients_reach_every_parameter",
        "no gradient reaches rose.leaf.spare",
    ),
    "a_parameter_outside_of_the_stages": (
        {"MORE": "self.scale = nn.Parameter(torch.ones(1))", "HIDDEN": "hidden = hidden * self.scale"},
        "stages_cover_every_parameter",
        "scale lies in no stage and not in the head",
    ),
    "a_head_of_fixed_size": (
        {"MORE": "self.classifier = nn.Linear(config.width, 2)"},
        "takes_a_new_head",
        "gives 2 logits for 5 labels; build the head for config.num_labels",
    ),
    "rows_that_see_each_other": (
        {"HIDDEN": "hidden = hidden - hidden.mean(0)"},
        "batch_invariance",
        "no row may see another",
    ),
    "a_config_that_takes_anything": (
        {"DECORATOR": ""},
        "config_is_strict",
        r"RoseConfig takes image_size=object\(\); decorate it with @strict",
    ),
    "chance_in_eval_mode": (
        {"HIDDEN": "hidden = F.dropout(hidden, 0.5)"},
        "deterministic_by_seed",
        "nothing may be random there",
    ),
    "a_break_in_the_graph": (
        {"HIDDEN": "torch._dynamo.graph_break()"},
        "compiles_whole",
        r"torch.compile\(fullgraph=True\) refuses",
    ),
    "a_weight_that_is_not_saved": (
        {
            "MORE": 'self.register_buffer("shift", torch.rand(1), persistent=False)',
            "HIDDEN": "hidden = hidden + self.shift",
        },
        "save_load_round_trip",
        "gives other outputs after loading",
    ),
    "a_field_whose_type_is_text": (
        {"PARENTS": "Thorns,"},
        "config_is_strict",
        r"takes thorns=object\(\); .*in a module without `from __future__ import annotations`",
    ),
    "a_config_that_labels_change": (
        {"HIDDEN": 'self.config.problem_type = "single_label_classification" if labels is not None else None'},
        "labels_leave_the_config",
        "sets problem_type of the config; leave it",
    ),
    "no_tuple": (
        {"TUPLE": "", "ARGUMENTS": ", return_dict=None"},
        "return_dict_false_gives_a_tuple",
        "gives no tuple .*; decorate forward with can_return_tuple",
    ),
    "a_loss_of_rows_without_a_label": (
        {"LOSS": "F.cross_entropy(logits, labels.clamp(min=0))"},
        "loss_is_the_mean_cross_entropy",
        "has the label -100; .*F.cross_entropy leaves such rows out",
    ),
    "another_loss": (
        {"LOSS": "F.cross_entropy(logits, labels, label_smoothing=0.1)"},
        "loss_is_the_mean_cross_entropy",
        "with another loss by its paper computes it in a method `loss`",
    ),
    "a_loss_in_bfloat16": (
        {"LOSS": "F.cross_entropy(logits, labels).to(logits.dtype)"},
        "bfloat16_stays_close",
        r"computes the loss in torch.bfloat16 under autocast; give F.cross_entropy logits.float\(\)",
    ),
    "a_loss_of_rounded_probabilities": (
        {"LOSS": "-logits.log_softmax(-1).to(logits.dtype).gather(1, labels[:, None]).float().mean()"},
        "bfloat16_stays_close",
        r"rounds its loss under autocast; give F.cross_entropy logits.float\(\)",
    ),
    "a_sum_that_bfloat16_loses": (
        {"HIDDEN": "hidden = hidden + 1000 - 1000"},
        "bfloat16_stays_close",
        "under autocast to bfloat16; compute sums over many values in float32",
    ),
    "flat_fresh_weights": (
        {"GAIN": "0.01"},
        "fresh_logits_are_neither_flat_nor_huge",
        "draw the weights of each layer for its number of inputs",
    ),
    "huge_fresh_weights": ({"GAIN": "20"}, "fresh_logits_are_neither_flat_nor_huge", "have the standard deviation"),
    "a_network_that_does_not_learn": (
        {"HIDDEN": "hidden = 0 * hidden"},
        "a_few_steps_fit_a_batch",
        "150 steps on one batch change the loss of RoseForImageClassification from .*; let every layer learn",
    ),
    "a_head_on_something_else": (
        {"HIDDEN": "hidden = hidden + 1"},
        "head_stands_on_the_base_model",
        "differs by .* from its logits; pool in the base model",
    ),
    "no_base_model": (
        {"PREFIX": "stem"},
        "head_stands_on_the_base_model",
        "has no RoseModel under its base_model_prefix 'stem'; hold the shared part there",
    ),
    "hidden_states_unasked": (
        {"STATES": "(hidden, hidden)"},
        "hidden_states_come_when_asked_for",
        "returns hidden_states unasked; leave them None unless",
    ),
    "no_hidden_states": (
        {"STATES": "None"},
        "hidden_states_come_when_asked_for",
        "returns no hidden_states with output_hidden_states=True; collect them",
    ),
    "options_that_are_refused": (
        {"TUPLE": "@can_return_tuple"},
        "hidden_states_come_when_asked_for",
        r"refuses options that every model of transformers takes \(.*output_attentions.*tsugiki\.forward_options",
    ),
    "hidden_states_of_some_stages": (
        {"STATES": "found.hidden_states and found.hidden_states[:1]"},
        "hidden_states_come_when_asked_for",
        "returns 1 hidden_states where config.stage_names has 2; give one for each stage",
    ),
    "pictures_that_a_layer_refuses": (
        {"GUARD": ""},
        "wrong_channels_are_one_sentence",
        r"answers pixel_values \(3, 2, 8, 8\) with RuntimeError: .*; check its shape in forward",
    ),
    "pictures_of_any_channels": (
        {"GUARD": "pixel_values = pixel_values[:, :1]"},
        "wrong_channels_are_one_sentence",
        r"takes pixel_values \(3, 2, 8, 8\); check its shape in forward",
    ),
    "features_that_do_not_exist": (
        {"FEATURES": "out_features = [one for one in out_features or () if one in self.stage_names] or None"},
        "backbone_gives_named_feature_maps",
        "takes out_features that do not exist; derive it from BackboneConfigMixin",
    ),
    "features_that_are_not_named": (
        {"FEATURES": "if 'no such stage' in (out_features or ()): raise ValueError('wrong')"},
        "backbone_gives_named_feature_maps",
        "refuses out_features that do not exist, but does not name those that do: wrong",
    ),
    "channels_that_are_not_announced": (
        {"CHANNELS": "1"},
        "backbone_gives_named_feature_maps",
        "announces 1 channels; set num_features to what forward gives",
    ),
    "maps_of_something_else": (
        {"SEEN": "one + 1"},
        "backbone_loads_from_a_task_snapshot",
        "differ by .* from the hidden_states of RoseForImageClassification; let both run the same stages",
    ),
    "a_backbone_that_complains_of_the_head": (
        {"KEYS": "None"},
        "backbone_loads_from_a_task_snapshot",
        r"complains of .*classifier.*; name the head's weights in _keys_to_ignore_on_load_unexpected",
    ),
    "a_parameter_that_nobody_sets": (
        {"MORE": "self.scent = nn.Parameter(torch.empty(3))"},
        "every_choice_draws_all_weights",
        "RoseForImageClassification, built, has no values in scent; set every parameter and buffer in _init_weights",
    ),
    "fresh_values_in_place_of_loaded_ones": (
        {"GAIN": "(module.bias.fill_(1).mean() + 0.5).item()"},
        "missing_weights_are_drawn",
        r"changes .*leaf\.bias.* of a file that lacks other weights; write values in _init_weights with the functions",
    ),
    "a_parameter_by_label_that_nobody_sets": (
        {"MORE": "self.scent = nn.Parameter(torch.empty(config.num_labels))"},
        "weights_of_other_sizes_are_drawn",
        "loaded with num_labels=3 from a file of 2, has no values in scent",
    ),
    "a_config_that_prints_the_fields_of_a_parent_alone": (
        {"PARENTS": "Thorns,"},
        "config_shows_every_field",
        r"RoseConfig prints without .*width.*; decorate it with @dataclass\(kw_only=True, repr=False\)",
    ),
    "a_softmax_whatever_the_problem": (
        {"LOSS": "F.cross_entropy(logits.float(), labels)"},
        "problem_type_is_obeyed",
        r"problem_type='multi_label_classification' and 2 labels gives the loss .*; torch's BCEWithLogitsLoss is .*: "
        r"compute it with tsugiki\.classification_loss",
    ),
    "a_picture_in_the_graph": (
        {"HIDDEN": "hidden = hidden + pixel_values.mean().item()"},
        "exports_to_onnx",
        r"the file differs from torch by .* on 1 row; mend the graph",
    ),
    "rows_of_tokens_that_are_not_resized": (
        {
            "FEATURES": "self.vocab_size = 5",
            "MORE": "self.embed_tokens = nn.Embedding(config.vocab_size, 3)\n"
            "        self.register_buffer('counts', torch.zeros(config.vocab_size))",
        },
        "resized_tokens_work",
        r"with 8 tokens in place of 5 does not run, or load from what it saved .*; resize all that has a row for each",
    ),
    "a_batch_size_in_the_graph": (
        {"HIDDEN": "hidden = hidden + torch.zeros(int(hidden.shape[0]), 1)"},
        "exports_to_onnx",
        r"the file gives \[\(3, 2\)\] for torch's \[\(1, 2\)\] on 1 row; mend the graph, or say why there is none",
    ),
}


@pytest.fixture
def rose(install_plugin, monkeypatch):
    monkeypatch.setenv("TSUGIKI_PLUGINS", "rose")

    def install(**changes):
        words = {**GOOD, **changes}
        source = textwrap.dedent(NETWORK)
        for word, replacement in words.items():
            source = source.replace(word, replacement)
        folder = install_plugin("rose", MANIFEST.replace("MODEL", words["MODEL"]).replace("TASK", words["TASK"]))
        (folder / "net.py").write_text(source)

    return install


def test_a_good_family_passes(rose, capsys):
    rose()
    testing.check_family("rose", "rose")
    testing.check_family("rose", "rose", width=3)


def test_check_plugin_prints_a_table_and_json(rose, capsys):
    rose(DECORATOR="")
    code = cli.main(["check-plugin", "rose", "--json"])
    output = capsys.readouterr()
    report = json.loads(output.out)
    failed = [check["check"] for check in report["checks"] if check["status"] == "failed"]
    assert (code, report["ok"], failed) == (1, False, ["config_is_strict"])
    assert output.err.startswith("tsugiki: rose: config_is_strict: RoseConfig takes")


@pytest.fixture
def only(monkeypatch):
    """Leave one check of the kit, for each takes its time."""
    whole = conformance._plan

    def leave(name):
        def plan(family):
            for key, checks in whole(family):
                yield key, tuple(check for check in checks if check.__name__ == name)

        monkeypatch.setattr(conformance, "_plan", plan)

    return leave


@pytest.mark.parametrize(("changes", "check", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_its_remedy_named(changes, check, remedy, rose, only):
    rose(**changes)
    only(check)
    with pytest.raises(testing.ConformanceError, match=f"{check}: .*{remedy}"):
        testing.check_family("rose", "rose")


def test_a_family_that_does_not_import_is_one_failure(install_plugin):
    install_plugin("rose", MANIFEST.replace("TASK", "image-classification"))
    results = testing.check_plugin("rose")
    assert [(result.subject, result.check, result.status) for result in results] == [
        ("rose", "declares_its_own_tasks", "passed"),
        ("rose", "imports", "failed"),
    ]
    assert "fake_rose.net" in results[1].message


def test_every_check_of_a_model_has_a_mistake_that_it_finds():
    kinds = (conformance.MODEL_CHECKS, conformance.TASK_CHECKS, conformance.BACKBONE_CHECKS)
    names = {check.__name__ for checks in kinds for check in checks}
    assert names - {check for _, check, _ in MISTAKES.values()} == {"safetensors_only", "auto_classes"}


def test_a_task_that_another_plugin_brings_is_a_fault(rose, only):
    rose(TASK="pattern-recall")
    only("tasks_are_served")
    with pytest.raises(testing.ConformanceError, match=r"tasks_are_served: with the core and 'rose' alone there is no"):
        testing.check_family("rose", "rose")


@pytest.mark.parametrize(
    ("tasks", "source", "message"),
    [
        (
            {"image-classification": "fake_rose.tasks:Smelling"},
            "class Smelling: name = 'image-classification'",
            "declares 'image-classification', which the core does: take it out, or rename the task",
        ),
        ({"smelling": "fake_rose.tasks:Smelling"}, "class Smelling: name = 'smelling'", "is not a tsugiki.task.Task"),
        (
            {"smelling": "fake_rose.tasks:Smelling"},
            "from tsugiki.inputs import TEXTS\nfrom tsugiki.task import Task\n"
            "class Smelling(Task): name, inputs = 'tasting', TEXTS",
            "declared as 'smelling' and its name is 'tasting'",
        ),
        (
            {"smelling": "fake_rose.tasks:Smelling"},
            "from tsugiki.task import Task\nclass Smelling(Task): name = 'smelling'",
            "does not say what predict reads; set inputs to a kind of tsugiki.inputs",
        ),
    ],
    ids=["shared", "no task", "another name", "no inputs"],
)
def test_a_wrong_declaration_of_tasks_is_a_fault_of_the_plugin(tasks, source, message, install_plugin, capsys):
    folder = install_plugin("rose", f"from tsugiki import Plugin\nplugin = Plugin('rose', tasks={tasks})")
    (folder / "tasks.py").write_text(source)
    assert cli.main(["check-plugin", "rose"]) == 1
    assert message in capsys.readouterr().err


def test_a_snapshot_without_card_fails(install_plugin):
    install_plugin(
        "rose",
        MANIFEST.replace("TASK", "image-classification").replace(
            "],\n)", '],\n    pretrained="fake_rose/pretrained",\n)'
        ),
        snapshots=["rose-1"],
    )
    failed = {result.check: result.message for result in testing.check_plugin("rose") if result.subject == "rose-1"}
    assert "README.md" in failed["card_is_complete"]
    assert "snapshot_loads" in failed


def test_a_snapshot_that_needs_another_plugin_is_left_out_where_that_is_missing(tmp_path):
    (tmp_path / "provenance.json").write_text(json.dumps(provenance_record(requires=["tsugiki-nowhere"])))
    with pytest.raises(NotApplicableError, match="graft needs tsugiki-nowhere besides"):
        snapshot_loads(Checkpoint("graft", "rose", "tsugiki-rose", tmp_path))


def test_a_plugin_that_is_not_installed_or_broken_is_named(install_plugin):
    install_plugin("thorn", "raise RuntimeError('ouch')")
    with pytest.raises(PluginError, match=r"no plugin 'tyo' is installed. Did you mean 'toy'"):
        testing.check_plugin("tyo")
    with pytest.raises(PluginError, match=r"plugin 'thorn' .* is broken: RuntimeError: ouch"):
        testing.check_plugin("thorn")
    with pytest.raises(UnknownNameError, match="unknown family 'toy:plian'"):
        testing.check_family("toy", "plian")
