"""What the toy brings: a family for every task that plugins share, two whose classes are transformers' own, and a task
of its own whose labels differ in length by row."""

from tsugiki.plugin import Family, Plugin

GRAY, COLOR = "tsugiki_toy.processing:ToyGrayProcessor", "tsugiki_toy.processing:ToyColorProcessor"


def pictures(name: str, prefix: str, processor: str, *stages: str) -> Family:
    return Family(
        name,
        config=f"tsugiki_toy.pictures:{prefix}Config",
        models={
            "base": f"tsugiki_toy.pictures:{prefix}Model",
            "backbone": f"tsugiki_toy.pictures:{prefix}Backbone",
            "image-classification": f"tsugiki_toy.pictures:{prefix}ForImageClassification",
        },
        processor=processor,
        stages=stages,
    )


def others(name: str, prefix: str, task: str, model: str, processor: str | None = None) -> Family:
    return Family(
        name,
        config=f"tsugiki_toy.sequences:{prefix}Config",
        models={task: f"tsugiki_toy.sequences:{model}"},
        processor=processor,
    )


plugin = Plugin(
    name="toy",
    families=(
        pictures("plain", "Plain", GRAY, "plain.convolutions.*", "plain.hidden_layers.*"),
        pictures("flat", "Flat", GRAY, "flat.hidden_layers.*"),
        pictures("normed", "Normed", COLOR, "normed.stem", "normed.stages.*"),
        Family(
            "resnet",
            config="transformers:ResNetConfig",
            models={
                "base": "transformers:ResNetModel",
                "backbone": "transformers:ResNetBackbone",
                "image-classification": "transformers:ResNetForImageClassification",
            },
            processor=COLOR,
            model_type="resnet",
            stages=("resnet.embedder", "resnet.encoder.stages.*"),
        ),
        Family(
            "marian",
            config="transformers:MarianConfig",
            models={"text-translation": "transformers:MarianMTModel"},
            model_type="marian",
        ),
        others(
            "tones",
            "Tones",
            "audio-classification",
            "TonesForAudioClassification",
            "tsugiki_toy.processing:ToyWaveformExtractor",
        ),
        others(
            "clips",
            "Clips",
            "video-classification",
            "ClipsForVideoClassification",
            "tsugiki_toy.processing:ToyClipProcessor",
        ),
        others("words", "Words", "text-classification", "WordsForSequenceClassification"),
        Family(
            "spots",
            config="tsugiki_toy.spots:SpotsConfig",
            models={"spot-finding": "tsugiki_toy.spots:SpotsModel"},
            auto_classes={"spot-finding": ("AutoModelForKeypointDetection", "AutoModelForSemanticSegmentation")},
            processor=GRAY,
            stages=("hidden",),
            head="places",
        ),
    ),
    tasks={"spot-finding": "tsugiki_toy.spots:SpotFinding"},
    augmentations={"mosaic": "tsugiki_toy.squares:Mosaic"},
    methods={"distil": "tsugiki_toy.squares:distil"},
    readers={"marked": "tsugiki_toy.squares:read_marked"},
)
