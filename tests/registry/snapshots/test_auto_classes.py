"""transformers alone: after `tsugiki.register()` its Auto classes serve every family, and no name is stolen."""

from __future__ import annotations

import dataclasses
import json
import textwrap

import pytest
import torch
import transformers
import tsugiki
from PIL import Image
from transformers import AutoBackbone, AutoConfig, AutoModel, AutoModelForImageClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

# transformers 5.17 has it at the top only where torchvision is installed
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from tsugiki.errors import PluginError
from tsugiki.plugin import Family
from tsugiki.registry import registry
from tsugiki.snapshots import auto_classes
from tsugiki.snapshots.auto_classes import AUTO_CLASSES, register_family, register_pipeline
from tsugiki.task import Task

from ..tiny_snapshots import LABELS, SIZES, pictures, write_snapshot

OURS = ["plain", "flat", "normed"]

MANIFEST = """
from tsugiki.plugin import Family, Plugin
plugin = Plugin(name="{name}", families=[Family(
    "{family}", config="fake_{name}.net:{config}", models={{"base": "fake_{name}.net:{model}"}},
    processor={processor!r}, model_type={model_type!r},
)])
"""


@pytest.fixture(scope="module", autouse=True)
def _registered():
    tsugiki.register()


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    return {family: write_snapshot(tmp_path_factory.mktemp("snapshots") / family, family) for family in SIZES}


# ---------------------------------------------------------------- with no call of tsugiki


@pytest.mark.parametrize("family", list(SIZES))
def test_auto_model_and_auto_config_find_the_family(snapshots, family):
    folder = snapshots[family]
    model = AutoModelForImageClassification.from_pretrained(folder)
    expected = tsugiki.load(folder)
    assert type(model) is type(expected)
    assert type(AutoConfig.from_pretrained(folder)) is type(expected.config)
    assert torch.equal(model(pictures(model)).logits, expected(pictures(model)).logits)
    assert type(AutoModel.from_config(model.config)) is registry().family(family).model_class("base")


@pytest.mark.parametrize("family", list(SIZES))
def test_auto_image_processor_finds_the_plugins_processor(snapshots, family):
    processor = AutoImageProcessor.from_pretrained(snapshots[family])
    assert type(processor) is registry().family(family).processor_class()
    side = processor.size["height"]
    assert processor(Image.new("RGB", (50, 40)), return_tensors="pt")["pixel_values"].shape[2:] == (side, side)


def test_resnet_keeps_its_own_processor_in_transformers(tmp_path):
    """A snapshot that names transformers' processor, or none, gets that: only ours is looked up by name."""
    model = tsugiki.create_model("resnet", **SIZES["resnet"])
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "ConvNextImageProcessor"}))
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    assert type(processor).__name__ == "ConvNextImageProcessorPil"


@pytest.mark.parametrize("family", list(SIZES))
def test_auto_backbone_from_config(snapshots, family):
    config = AutoConfig.from_pretrained(snapshots[family], out_indices=[0, 1])
    backbone = AutoBackbone.from_config(config)
    assert len(backbone(pictures(backbone)).feature_maps) == 2


@pytest.mark.parametrize("family", list(SIZES))
def test_pipeline_of_a_folder(snapshots, family):
    folder = snapshots[family]
    processor = AutoImageProcessor.from_pretrained(folder)
    pipe = transformers.pipeline("image-classification", model=str(folder), image_processor=processor)
    answers = pipe(Image.new("RGB", (50, 40), "red"), top_k=3)
    assert sorted(answer["label"] for answer in answers) == LABELS


def test_registering_again_changes_nothing(snapshots):
    before = AutoConfig.from_pretrained(snapshots["plain"])
    tsugiki.register()
    for family in registry().families():
        register_family(family)
    assert type(AutoConfig.from_pretrained(snapshots["plain"])) is type(before)


def test_families_of_transformers_stay_as_they_are():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    assert CONFIG_MAPPING["resnet"] is transformers.ResNetConfig
    theirs = AutoModelForImageClassification._model_mapping[transformers.ResNetConfig]
    assert theirs is transformers.ResNetForImageClassification


def test_every_key_has_an_auto_class_of_the_installed_transformers():
    assert {name for name in AUTO_CLASSES.values() if not hasattr(transformers, name)} == set()


@pytest.mark.parametrize("family", OURS)
def test_own_names_are_no_names_of_transformers(family):
    entry = registry().family(family)
    names = {entry.config_class().__name__, entry.processor_class().__name__}
    names |= {entry.model_class(key).__name__ for key in entry.declaration.models}
    assert not names & set(transformers.__all__)
    assert entry.model_type not in CONFIG_MAPPING_NAMES


# ---------------------------------------------------------------- other processors

SOUND_NET = """
from transformers import PreTrainedConfig, PreTrainedModel, SequenceFeatureExtractor

class BirchConfig(PreTrainedConfig):
    model_type = "tsugiki_birch"

class BirchModel(PreTrainedModel):
    config_class = BirchConfig

class BirchFeatureExtractor(SequenceFeatureExtractor):
    model_input_names = ["input_values"]
"""
TEXT_NET = """
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

class PineConfig(PreTrainedConfig):
    model_type = "tsugiki_pine"

class PineModel(PreTrainedModel):
    config_class = PineConfig

class PineTokenizer(PreTrainedTokenizerFast):
    pass
"""


def test_feature_extractors_and_tokenizers_are_registered_as_such(install_plugin, tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import AutoFeatureExtractor, AutoTokenizer

    for name, net, processor in (("birch", SOUND_NET, "BirchFeatureExtractor"), ("pine", TEXT_NET, "PineTokenizer")):
        manifest = MANIFEST.format(
            name=name,
            family=name,
            config=f"{name.title()}Config",
            model=f"{name.title()}Model",
            processor=f"fake_{name}.net:{processor}",
            model_type=f"tsugiki_{name}",
        )
        (install_plugin(name, manifest) / "net.py").write_text(net)
        register_family(registry().family(name))
    birch = registry().family("birch")
    birch.config_class()().save_pretrained(tmp_path)
    birch.processor_class()(feature_size=1, sampling_rate=8000, padding_value=0.0).save_pretrained(tmp_path)
    assert AutoFeatureExtractor.from_pretrained(tmp_path).sampling_rate == 8000
    assert type(tsugiki.load_processor(tmp_path)) is birch.processor_class()
    pine, words = registry().family("pine"), tmp_path / "words"
    pine.config_class()().save_pretrained(words)
    vocabulary = Tokenizer(models.WordLevel({"[UNK]": 0, "hello": 1}, unk_token="[UNK]"))
    pine.processor_class()(tokenizer_object=vocabulary, unk_token="[UNK]").save_pretrained(words)
    assert type(AutoTokenizer.from_pretrained(words)) is pine.processor_class()
    assert tsugiki.load_processor(words)("hello")["input_ids"] == [1]


# ---------------------------------------------------------------- clashes

NET = """
import torch
from tsugiki_toy.processing import ToyImageProcessor
from transformers import PreTrainedConfig, PreTrainedModel

class {config}(PreTrainedConfig):
    model_type = "{model_type}"

class {model}(PreTrainedModel):
    config_class = {config}

class {processor}(ToyImageProcessor):
    pillow_mode = "RGB"
"""


@pytest.fixture
def install_family(install_plugin):
    def install(name, *, config, model, model_type, family=None, processor="UnusedProcessor"):
        reference = f"fake_{name}.net:{processor}" if processor != "UnusedProcessor" else None
        manifest = MANIFEST.format(
            name=name, family=family or name, config=config, model=model, processor=reference, model_type=model_type
        )
        folder = install_plugin(name, manifest)
        net = textwrap.dedent(NET).format(config=config, model=model, model_type=model_type, processor=processor)
        (folder / "net.py").write_text(net)
        return registry().family(f"{name}:{family or name}")

    return install


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (
            {"config": "OakConfig", "model": "OakModel", "model_type": "vit"},
            r"model_type 'vit' of family 'oak' of plugin 'oak' \(tsugiki-oak\) is .*taken by transformers\..*ViTConfig",
        ),
        (
            {"config": "ViTConfig", "model": "OakModel", "model_type": "tsugiki_oak"},
            r"fake_oak\.net:ViTConfig of family 'oak' .*\(tsugiki-oak\) has the name of a class of transformers",
        ),
        (
            {"config": "OakConfig", "model": "ViTModel", "model_type": "tsugiki_oak"},
            r"fake_oak\.net:ViTModel .*has the name of a class of transformers",
        ),
        (
            {
                "config": "OakProcessingConfig",
                "model": "OakModel",
                "model_type": "tsugiki_oak_processing",
                "processor": "ViTImageProcessor",
            },
            r"fake_oak\.net:ViTImageProcessor .*has the name of a class of transformers",
        ),
    ],
)
def test_name_of_transformers_is_refused_with_both_owners(install_family, names, match):
    family = install_family("oak", **names)
    with pytest.raises(PluginError, match=match):
        register_family(family)
    with pytest.warns(UserWarning, match=match):
        tsugiki.register()


def test_processor_name_of_another_plugin_is_refused(install_family):
    family = install_family(
        "elm", config="ElmConfig", model="ElmModel", model_type="tsugiki_elm", processor="ToyGrayProcessor"
    )
    with pytest.raises(PluginError, match=r"'ToyGrayProcessor'.*\(tsugiki-toy\) and .*\(tsugiki-elm\)"):
        register_family(family)


def test_model_type_of_two_plugins_is_refused(install_family):
    for name in ("ash", "fir"):
        install_family(name, config=f"{name.title()}Config", model=f"{name.title()}Model", model_type="tsugiki_tree")
    with pytest.warns(UserWarning, match=r"'tsugiki_tree' is claimed by 'ash' \(tsugiki-ash\) and 'fir'") as warned:
        tsugiki.register()
    assert len(warned) == 2
    with pytest.raises(ValueError, match="tsugiki_tree"):
        AutoConfig.for_model("tsugiki_tree")


def test_manifest_and_config_must_agree_on_the_model_type(install_family, install_plugin):
    folder = install_plugin(
        "yew",
        MANIFEST.format(
            name="yew", family="yew", config="YewConfig", model="YewModel", processor=None, model_type="tsugiki_yew"
        ),
    )
    net = NET.format(config="YewConfig", model="YewModel", model_type="tsugiki_other", processor="UnusedProcessor")
    (folder / "net.py").write_text(net)
    with pytest.raises(PluginError, match=r"YewConfig\.model_type is 'tsugiki_other'.*manifest says 'tsugiki_yew'"):
        register_family(registry().family("yew"))


def test_broken_family_costs_one_warning_and_the_rest_is_registered(install_plugin, snapshots, monkeypatch):
    folder = install_plugin(
        "elder",
        MANIFEST.format(
            name="elder", family="elder", config="C", model="M", processor=None, model_type="tsugiki_elder"
        ),
    )
    (folder / "net.py").write_text("raise RuntimeError('no such leaf')")
    with pytest.warns(UserWarning, match=r"plugin 'elder' \(tsugiki-elder\) cannot import .*no such leaf") as warned:
        tsugiki.register()
    assert len(warned) == 1
    AutoModelForImageClassification.from_pretrained(snapshots["plain"])
    monkeypatch.setenv("TSUGIKI_STRICT", "1")
    with pytest.raises(PluginError, match="no such leaf"):
        tsugiki.register()


# ---------------------------------------------------------------- pipelines of tasks


def test_task_brings_its_own_pipeline(tmp_path):
    from transformers import ImageClassificationPipeline
    from transformers.pipelines import PIPELINE_REGISTRY

    class LeafReading(ImageClassificationPipeline):
        """A pipeline of a plugin's own."""

    class LeafTask(Task):
        name = "leaf-reading"
        pipeline_class = LeafReading

    try:
        register_pipeline(LeafTask)
        register_pipeline(LeafTask)
        assert PIPELINE_REGISTRY.check_task("leaf-reading")[1]["impl"] is LeafReading
        model = tsugiki.create_model("plain")
        pipe = transformers.pipeline("leaf-reading", model=model, image_processor=processor())
        assert type(pipe) is LeafReading
        pipe.save_pretrained(tmp_path)
        assert "custom_pipelines" not in json.loads((tmp_path / "config.json").read_text())
        assert not list(tmp_path.glob("*.py"))
    finally:
        PIPELINE_REGISTRY.supported_tasks.pop("leaf-reading", None)


def test_pipeline_of_transformers_is_not_replaced():
    class LeafTask(Task):
        name = "image-classification"
        pipeline_class = "transformers:ImageClassificationPipeline"

    with pytest.raises(PluginError, match=r"'image-classification' .*has a pipeline in transformers already"):
        register_pipeline(LeafTask)


def test_task_without_a_pipeline_registers_nothing():
    class LeafTask(Task):
        name = "image-classification"

    register_pipeline(LeafTask)
    pipe = transformers.pipeline(
        "image-classification", model=tsugiki.create_model("plain"), image_processor=processor()
    )
    assert type(pipe) is transformers.ImageClassificationPipeline


def processor():
    return registry().family("plain").processor_class()()


# ---------------------------------------------------------------- several Auto classes for one task


def test_a_family_names_the_auto_classes_of_a_task(tmp_path):
    tsugiki.create_model("spots").save_pretrained(tmp_path)
    for auto in (transformers.AutoModelForKeypointDetection, transformers.AutoModelForSemanticSegmentation):
        assert type(auto.from_pretrained(tmp_path)).__name__ == "SpotsModel"
    with pytest.raises(ValueError, match="Unrecognized configuration class"):
        AutoModelForImageClassification.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"depth": ("AutoModel",)}, "family 'rose' has Auto classes for 'depth', but no model for it"),
        ({"smell": "AutoModel"}, "Auto classes 'smell' of family 'rose' must be a tuple of names, not 'AutoModel'"),
        ({"smell": ()}, r"must be a tuple of names, not \(\)"),
    ],
)
def test_auto_classes_of_a_manifest_are_checked(named, message):
    with pytest.raises(PluginError, match=message):
        Family("rose", config="rose:Config", models={"smell": "rose:Net"}, auto_classes=named)


def test_a_pipeline_loads_models_by_each_auto_class_of_its_task(tmp_path, monkeypatch):
    tsugiki.create_model("spots").save_pretrained(tmp_path)
    from transformers.pipelines import PIPELINE_REGISTRY

    monkeypatch.setattr(auto_classes, "_pipelines", {})

    class Spotting(transformers.ImageFeatureExtractionPipeline):
        pass

    class SpotTask(Task):
        name = "spot-finding"
        pipeline_class = Spotting

    try:
        register_pipeline(SpotTask)
        pipe = transformers.pipeline("spot-finding", str(tmp_path), image_processor=processor())
        assert type(pipe) is Spotting and type(pipe.model).__name__ == "SpotsModel"
    finally:
        PIPELINE_REGISTRY.supported_tasks.pop("spot-finding", None)


def test_an_auto_class_that_transformers_lacks_is_named():
    spots = registry().family("spots")
    declared = dataclasses.replace(spots.declaration, auto_classes={"spot-finding": ("AutoModelForSmells",)})
    with pytest.raises(PluginError, match=r"family 'spots' of plugin 'toy'.* has no AutoModelForSmells"):
        auto_classes._register_models(dataclasses.replace(spots, declaration=declared))
