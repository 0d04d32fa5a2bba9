"""The conformance checks: a good family passes, each kind of mistake is found and its remedy named."""

import json
import textwrap

import pytest
from tsugiki import cli, testing
from tsugiki.errors import PluginError, UnknownNameError
from tsugiki.registry import Checkpoint
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
            models={"TASK": "fake_rose.net:MODEL"},
            stages=("body",),
        )
    ],
)
"""
NETWORK = """
import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

DECORATOR
class RoseConfig(PreTrainedConfig):
    model_type = "tsugiki_rose"
    image_size: int = 8
    num_channels: int = 1
    width: int = 4

class MODEL(PreTrainedModel):
    config_class = RoseConfig
    base_model_prefix = "rose"
    main_input_name = "pixel_values"
    EXTRA

    def __init__(self, config):
        super().__init__(config)
        self.body = nn.Linear(config.num_channels * config.image_size**2, config.width)
        self.classifier = nn.Linear(config.width, config.num_labels)
        MORE
        self.post_init()

    def forward(self, pixel_values, labels=None, return_dict=True ARGUMENTS):
        hidden = F.relu(self.body(pixel_values.flatten(1)))
        HIDDEN
        logits = self.classifier(hidden)
        loss = None if labels is None else LOSS
        return ImageClassifierOutput(loss=loss, logits=logits)
"""
GOOD = {
    "TASK": "image-classification",
    "DECORATOR": "@strict",
    "MODEL": "RoseForImageClassification",
    "EXTRA": "",
    "MORE": "",
    "ARGUMENTS": "",
    "HIDDEN": "",
    "LOSS": "F.cross_entropy(logits, labels)",
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
        {"MORE": "self.body.spare = nn.Parameter(torch.ones(1))"},
        "gradients_reach_every_parameter",
        "no gradient reaches body.spare",
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


@pytest.mark.parametrize(("changes", "check", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_its_remedy_named(changes, check, remedy, rose):
    rose(**changes)
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


def test_a_task_that_another_plugin_brings_is_a_fault(rose):
    rose(TASK="pattern-recall")
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
