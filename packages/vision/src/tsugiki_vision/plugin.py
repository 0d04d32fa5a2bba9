"""What tsugiki-vision brings. Nothing here imports torch or transformers."""

from typing import Any

from tsugiki.plugin import Family, Plugin

COLOR = "tsugiki_vision.processing:ColorImageProcessor"
GRAYSCALE = "tsugiki_vision.processing:GrayscaleImageProcessor"


def classifier(name: str, module: str, prefix: str, **options: Any) -> Family:
    """A family with the three faces of an image classifier in `tsugiki_vision.<module>`."""
    return Family(
        name,
        config=f"tsugiki_vision.{module}:{prefix}Config",
        models={
            "base": f"tsugiki_vision.{module}:{prefix}Model",
            "backbone": f"tsugiki_vision.{module}:{prefix}Backbone",
            "image-classification": f"tsugiki_vision.{module}:{prefix}ForImageClassification",
        },
        **options,
    )


plugin = Plugin(
    name="vision",
    families=(
        classifier(
            "lenet",
            "lenet",
            "LeNet",
            processor=GRAYSCALE,
            paper="LeCun et al. 1998, Gradient-based learning applied to document recognition",
            stages=("lenet.convolutions.*", "lenet.hidden_layers.*"),
        ),
        classifier(
            "mlp",
            "mlp",
            "MLP",
            processor=GRAYSCALE,
            paper="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
            stages=("mlp.hidden_layers.*",),
        ),
        classifier(
            "alexnet",
            "alexnet",
            "AlexNet",
            processor=COLOR,
            paper="Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional networks",
            stages=("alexnet.stages.*",),
        ),
        classifier(
            "nin",
            "nin",
            "NIN",
            processor=COLOR,
            paper="Lin, Chen & Yan 2013, Network in network",
            stages=("nin.stages.*",),
        ),
        classifier(
            "vgg",
            "vgg",
            "VGG",
            processor=COLOR,
            paper="Simonyan & Zisserman 2014, Very deep convolutional networks for large-scale image recognition",
            stages=("vgg.stages.*",),
        ),
        classifier(
            "googlenet",
            "googlenet",
            "GoogLeNet",
            processor=COLOR,
            paper="Szegedy et al. 2014, Going deeper with convolutions",
            stages=("googlenet.stages.*",),
        ),
        classifier(
            "inception-v3",
            "inception_v3",
            "InceptionV3",
            processor=COLOR,
            paper="Szegedy et al. 2015, Rethinking the Inception architecture for computer vision",
            stages=("inception_v3.stages.*",),
        ),
        classifier(
            "sppnet",
            "sppnet",
            "SPPNet",
            processor=COLOR,
            paper="He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition",
            stages=("sppnet.stages.*",),
        ),
        classifier(
            "all-cnn",
            "all_cnn",
            "AllCNN",
            processor=COLOR,
            paper="Springenberg et al. 2014, Striving for simplicity: the all convolutional net",
            stages=("all_cnn.stages.*",),
        ),
        classifier(
            "exemplar-cnn",
            "exemplar_cnn",
            "ExemplarCNN",
            processor=COLOR,
            paper="Dosovitskiy et al. 2014, Discriminative unsupervised feature learning with exemplar CNNs",
            stages=("exemplar_cnn.stages.*",),
        ),
        classifier(
            "cifar-resnet",
            "cifar_resnet",
            "CifarResNet",
            processor=COLOR,
            paper="He et al. 2015, Deep residual learning for image recognition, section 4.2",
            stages=("cifar_resnet.stem", "cifar_resnet.stages.*"),
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
        ),
        classifier(
            "densenet",
            "densenet",
            "DenseNet",
            processor=COLOR,
            paper="Huang et al. 2016, Densely connected convolutional networks",
            stages=("densenet.stages.*",),
        ),
        classifier(
            "mobilenet",
            "mobilenet",
            "MobileNet",
            processor=COLOR,
            paper="Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision",
            stages=("mobilenet.stages.*",),
        ),
    ),
    tasks={"image-classification": "tsugiki_vision.image_classification:ImageClassification"},
    pretrained="tsugiki_vision/pretrained",
)
