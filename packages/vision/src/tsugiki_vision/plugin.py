"""What tsugiki-vision brings. Nothing here imports torch or transformers."""

from tsugiki.plugin import Family, Plugin

plugin = Plugin(
    name="vision",
    families=(
        Family(
            "lenet",
            config="tsugiki_vision.lenet:LeNetConfig",
            models={
                "base": "tsugiki_vision.lenet:LeNetModel",
                "backbone": "tsugiki_vision.lenet:LeNetBackbone",
                "image-classification": "tsugiki_vision.lenet:LeNetForImageClassification",
            },
            processor="tsugiki_vision.processing:GrayscaleImageProcessor",
            paper="LeCun et al. 1998, Gradient-based learning applied to document recognition",
            stages=("lenet.convolutions.*", "lenet.hidden_layers.*"),
        ),
        Family(
            "mlp",
            config="tsugiki_vision.mlp:MLPConfig",
            models={
                "base": "tsugiki_vision.mlp:MLPModel",
                "backbone": "tsugiki_vision.mlp:MLPBackbone",
                "image-classification": "tsugiki_vision.mlp:MLPForImageClassification",
            },
            processor="tsugiki_vision.processing:GrayscaleImageProcessor",
            paper="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
            stages=("mlp.hidden_layers.*",),
        ),
        Family(
            "cifar-resnet",
            config="tsugiki_vision.cifar_resnet:CifarResNetConfig",
            models={
                "base": "tsugiki_vision.cifar_resnet:CifarResNetModel",
                "backbone": "tsugiki_vision.cifar_resnet:CifarResNetBackbone",
                "image-classification": "tsugiki_vision.cifar_resnet:CifarResNetForImageClassification",
            },
            processor="tsugiki_vision.processing:ColorImageProcessor",
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
            processor="tsugiki_vision.processing:ColorImageProcessor",
            paper="He et al. 2015, Deep residual learning for image recognition",
            model_type="resnet",
            stages=("resnet.embedder", "resnet.encoder.stages.*"),
        ),
    ),
    tasks={"image-classification": "tsugiki_vision.image_classification:ImageClassification"},
    pretrained="tsugiki_vision/pretrained",
)
