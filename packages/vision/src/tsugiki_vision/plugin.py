"""What tsugiki-vision brings. Nothing here imports torch or transformers."""

from collections.abc import Mapping
from typing import Any

from tsugiki.plugin import Family, Plugin

from tsugiki_vision.imagenet_weights import EFFICIENTNET_LITE

MULTI_TASK = "tsugiki_vision.multi_task.multi_task"
COLOR = "tsugiki.picture_processing:ColorImageProcessor"
DRAWS = "what it gives hangs on draws by the picture, in 64-bit integers that ONNX does not shift"
GRAYSCALE = "tsugiki.picture_processing:GrayscaleImageProcessor"


def classifier(
    name: str, module: str, prefix: str, *, others: Mapping[str, str] | None = None, **options: Any
) -> Family:
    """A family with the three faces of an image classifier in `tsugiki_vision.<module>`, and other models besides.

    Where the options do not say otherwise, its pictures have colours, and its stages are the network's `stages`.
    """
    network = module.rpartition(".")[2]
    return Family(
        name,
        config=f"tsugiki_vision.{module}:{prefix}Config",
        models={
            "base": f"tsugiki_vision.{module}:{prefix}Model",
            "backbone": f"tsugiki_vision.{module}:{prefix}Backbone",
            "image-classification": f"tsugiki_vision.{module}:{prefix}ForImageClassification",
            **(others or {}),
        },
        **{"processor": COLOR, "stages": (f"{network}.stages.*",), **options},
    )


plugin = Plugin(
    name="vision",
    families=(
        Family(
            "hopfield",
            config="tsugiki_vision.unsupervised.hopfield:HopfieldConfig",
            models={
                "base": "tsugiki_vision.unsupervised.hopfield:HopfieldModel",
                "pattern-recall": "tsugiki_vision.unsupervised.hopfield:HopfieldForPatternRecall",
            },
            processor=GRAYSCALE,
            paper="Hopfield 1982, Neural networks and physical systems with emergent collective computational "
            "abilities",
            head="hopfield",  # it stores new patterns in all of its weights
            onnx="its units settle one after another, in as many sweeps as a pattern takes",
            trainers={"pattern-recall": "tsugiki_vision.unsupervised.hopfield_training:train_hebb"},
        ),
        classifier(
            "neocognitron",
            "unsupervised.neocognitron",
            "Neocognitron",
            processor=GRAYSCALE,
            paper="Fukushima 1980, Neocognitron: a self-organizing neural network model for a mechanism of pattern "
            "recognition unaffected by shift in position",
            stages=("neocognitron.s_layers.*",),
            trainers={"image-classification": "tsugiki_vision.unsupervised.neocognitron_training:train_neocognitron"},
        ),
        classifier(
            "lenet",
            "classifiers.lenet",
            "LeNet",
            processor=GRAYSCALE,
            paper="LeCun et al. 1998, Gradient-based learning applied to document recognition",
            stages=("lenet.convolutions.*", "lenet.hidden_layers.*"),
        ),
        classifier(
            "mlp",
            "classifiers.mlp",
            "MLP",
            processor=GRAYSCALE,
            paper="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
            stages=("mlp.hidden_layers.*",),
        ),
        classifier(
            "alexnet",
            "classifiers.alexnet",
            "AlexNet",
            paper="Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional networks",
            example={
                "image_size": 63,
                "channels": (8, 8, 8, 8, 8),
                "hidden_sizes": (16, 16),
                "pooled_size": 1,
                "dropout": 0.0,
            },
        ),
        classifier(
            "nin",
            "classifiers.nin",
            "NIN",
            paper="Lin, Chen & Yan 2013, Network in network",
            example={"image_size": 16, "width_multiplier": 0.1, "dropout": 0.0},
        ),
        classifier(
            "vgg",
            "classifiers.vgg",
            "VGG",
            paper="Simonyan & Zisserman 2014, Very deep convolutional networks for large-scale image recognition",
            example={
                "image_size": 32,
                "depth": 11,
                "width_multiplier": 0.1,
                "hidden_sizes": (16,),
                "pooled_size": 1,
                "dropout": 0.0,
            },
        ),
        classifier(
            "googlenet",
            "classifiers.googlenet",
            "GoogLeNet",
            paper="Szegedy et al. 2014, Going deeper with convolutions",
            example={"image_size": 64, "width_multiplier": 0.1, "dropout": 0.0},
        ),
        classifier(
            "inception-v3",
            "classifiers.inception_v3",
            "InceptionV3",
            paper="Szegedy et al. 2015, Rethinking the Inception architecture for computer vision",
            example={"image_size": 75, "width_multiplier": 0.1, "dropout": 0.0},
        ),
        classifier(
            "sppnet",
            "classifiers.sppnet",
            "SPPNet",
            paper="He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition",
            trainers={"image-classification": "tsugiki_vision.classifiers.multi_size_training:train_multi_size"},
            example={
                "image_size": 32,
                "conv_channels": (8, 8),
                "kernel_sizes": (3, 3),
                "strides": (1, 1),
                "paddings": (1, 1),
                "pooled_after": (1,),
                "pyramid_levels": (3, 2, 1),
                "hidden_sizes": (16,),
                "dropout": 0.0,
            },
        ),
        classifier(
            "all-cnn",
            "classifiers.all_cnn",
            "AllCNN",
            paper="Springenberg et al. 2014, Striving for simplicity: the all convolutional net",
            example={"image_size": 16, "channels": (8, 8, 8), "input_dropout": 0.0, "dropout": 0.0},
        ),
        classifier(
            "exemplar-cnn",
            "unsupervised.exemplar_cnn",
            "ExemplarCNN",
            paper="Dosovitskiy et al. 2014, Discriminative unsupervised feature learning with exemplar CNNs",
            trainers={"image-classification": "tsugiki_vision.unsupervised.exemplar_training:train_exemplar"},
            example={"image_size": 12, "conv_channels": (8, 8, 8)},
        ),
        classifier(
            "cifar-resnet",
            "classifiers.cifar_resnet",
            "CifarResNet",
            paper="He et al. 2015, Deep residual learning for image recognition, section 4.2",
            stages=("cifar_resnet.stem", "cifar_resnet.stages.*"),
            example={"image_size": 16, "depth": 8},
        ),
        Family(
            "resnet",
            config="transformers:ResNetConfig",
            models={
                "base": "transformers:ResNetModel",
                "backbone": "transformers:ResNetBackbone",
                "image-classification": "transformers:ResNetForImageClassification",
            },
            processor=COLOR,
            paper="He et al. 2015, Deep residual learning for image recognition",
            model_type="resnet",
            stages=("resnet.embedder", "resnet.encoder.stages.*"),
            example={"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
        ),
        classifier(
            "densenet",
            "classifiers.densenet",
            "DenseNet",
            paper="Huang et al. 2016, Densely connected convolutional networks",
            example={"image_size": 64, "block_layers": (2, 2, 2, 2), "growth_rate": 8, "initial_channels": 16},
        ),
        classifier(
            "mobilenet",
            "classifiers.mobilenet",
            "MobileNet",
            paper="Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision",
            example={"image_size": 64, "width_multiplier": 0.25},
        ),
        classifier(
            "efficientnet-lite",
            "classifiers.efficientnet_lite",
            "EfficientNetLite",
            paper="Tan & Le 2019, EfficientNet: rethinking model scaling for convolutional neural networks",
            example={
                "image_size": 32,
                "stem_channels": 8,
                "width_multiplier": 0.25,
                "repeats": (1, 1, 1, 1, 2, 1, 1),
                "head_channels": 32,
                "dropout": 0.0,
                "stochastic_depth": 0.0,
            },
        ),
        classifier(
            "autoencoder",
            "generative.autoencoder",
            "Autoencoder",
            others={"image-reconstruction": "tsugiki_vision.generative.autoencoder:AutoencoderForImageReconstruction"},
            processor=GRAYSCALE,
            paper="Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",
            heads={"image-reconstruction": "decoder"},
            example={"hidden_sizes": (20, 12), "code_size": 6},
            trainers={"image-reconstruction": "tsugiki_vision.generative.autoencoder_training:train_autoencoder"},
        ),
        Family(
            "vae",
            config="tsugiki_vision.generative.vae:VAEConfig",
            models={"unconditional-image-generation": "tsugiki_vision.generative.vae:VAEForImageGeneration"},
            processor=GRAYSCALE,
            paper="Kingma & Welling 2013, Auto-encoding variational Bayes",
            stages=("encoder",),
            head="decoder",
            onnx=DRAWS,
        ),
        Family(
            "pixelcnn",
            config="tsugiki_vision.generative.pixelcnn:PixelCNNConfig",
            models={"unconditional-image-generation": "tsugiki_vision.generative.pixelcnn:PixelCNNForImageGeneration"},
            processor=GRAYSCALE,
            paper="van den Oord, Kalchbrenner & Kavukcuoglu 2016, Pixel recurrent neural networks",
            stages=("stem", "blocks.*"),
            head="head",
            onnx=DRAWS,
            example={"image_size": 8, "hidden_size": 4, "num_blocks": 2, "output_size": 8},
        ),
        Family(
            "conv1d",
            config="tsugiki_vision.waves_clips.conv1d:Conv1dConfig",
            models={
                "base": "tsugiki_vision.waves_clips.conv1d:Conv1dModel",
                "audio-classification": "tsugiki_vision.waves_clips.conv1d:Conv1dForAudioClassification",
            },
            processor="tsugiki_vision.waves_clips.waveform_processing:WaveformFeatureExtractor",
            paper="Dai et al. 2016, Very deep convolutional neural networks for raw waveforms",
            stages=("conv1d.stages.*",),
        ),
        Family(
            "conv3d",
            config="tsugiki_vision.waves_clips.conv3d:Conv3dConfig",
            models={
                "base": "tsugiki_vision.waves_clips.conv3d:Conv3dModel",
                "video-classification": "tsugiki_vision.waves_clips.conv3d:Conv3dForVideoClassification",
            },
            processor="tsugiki_vision.waves_clips.clip_processing:GrayscaleClipProcessor",
            paper="Tran et al. 2015, Learning spatiotemporal features with 3D convolutional networks",
            stages=("conv3d.stages.*",),
        ),
        Family(
            "multi-task",
            config=f"{MULTI_TASK}:MultiTaskConfig",
            models={"multi-task-image-classification": f"{MULTI_TASK}:MultiTaskForImageClassification"},
            processor="tsugiki.picture_processing:BackboneImageProcessor",
            paper="Caruana 1997, Multitask learning",
            stages=("backbone",),
        ),
        Family(
            "stylizer",
            config="tsugiki_vision.style.stylizer:StylizerConfig",
            models={
                "image-to-image": "tsugiki_vision.style.stylizer:StylizerModel",
                "base": "tsugiki_vision.style.stylizer:StylizerModel",
            },
            processor=COLOR,
            paper="Johnson, Alahi & Fei-Fei 2016, Perceptual losses for real-time style transfer and super-resolution",
            stages=("first", "shrink1", "shrink2", "blocks.*", "enlarge1", "enlarge2"),
            head="last",
            trainers={"image-to-image": "tsugiki_vision.style.stylizer_training:train_stylizer"},
        ),
    ),
    tasks={
        "image-reconstruction": "tsugiki_vision.generative.image_reconstruction:ImageReconstruction",
        "image-to-image": "tsugiki_vision.style.image_to_image:ImageToImage",
        "multi-task-image-classification": (
            "tsugiki_vision.multi_task.multi_task_classification:MultiTaskImageClassification"
        ),
        "pattern-recall": "tsugiki_vision.unsupervised.pattern_recall:PatternRecall",
        "unconditional-image-generation": "tsugiki_vision.generative.image_generation:UnconditionalImageGeneration",
    },
    datasets={
        "tsugiki/digit_patterns": "tsugiki_vision.unsupervised.digit_patterns:make_digit_patterns",
        "tsugiki/moving_mnist": "tsugiki_vision.waves_clips.moving_mnist:make_moving_mnist",
        "tsugiki/multitask_fashion": "tsugiki_vision.multi_task.multitask_fashion:make_multitask_fashion",
    },
    commands={
        "explain": "tsugiki_vision.explain.command:command",
        "sample": "tsugiki_vision.generative.sample_command:command",
        "stylize": "tsugiki_vision.style.stylize_command:command",
    },
    pretrained="tsugiki_vision/pretrained",
    public_weights={
        **dict.fromkeys(
            ("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
            "tsugiki_vision.timm_weights:read_vgg",
        ),
        **dict.fromkeys(
            ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), "tsugiki_vision.timm_weights:read_resnet"
        ),
        **dict.fromkeys(
            ("densenet121", "densenet161", "densenet169", "densenet201"), "tsugiki_vision.timm_weights:read_densenet"
        ),
        "inception_v3": "tsugiki_vision.timm_weights:read_inception_v3",
        "mobilenetv1_100": "tsugiki_vision.timm_weights:read_mobilenet",
        "mobilenetv1_125": "tsugiki_vision.timm_weights:read_mobilenet",
    },
    distributed_weights=EFFICIENTNET_LITE,
)
