"""What tsugiki-detection brings. Nothing here imports torch or transformers."""

from tsugiki.plugin import Family, Plugin

ANNOTATIONS = "tsugiki_detection.annotations"
DETECTORS = "tsugiki_detection.detectors"
INFERENCE = "tsugiki_detection.inference"
LANDMARKS = "tsugiki_detection.landmarks"
SEGMENTATION = "tsugiki_detection.segmentation"
LETTERBOX = f"{DETECTORS}.letterbox_processor:LetterboxImageProcessor"
SEMANTIC_PROCESSOR = f"{SEGMENTATION}.semantic_image_processor:SemanticImageProcessor"

plugin = Plugin(
    name="detection",
    pretrained="tsugiki_detection/pretrained",
    families=(
        Family(
            "fcn",
            config=f"{SEGMENTATION}.fcn:FCNConfig",
            models={
                "base": f"{SEGMENTATION}.fcn:FCNModel",
                "semantic-segmentation": f"{SEGMENTATION}.fcn:FCNForSemanticSegmentation",
            },
            processor=SEMANTIC_PROCESSOR,
            paper="Long, Shelhamer & Darrell 2015, Fully convolutional networks for semantic segmentation",
            stages=("fcn.encoder.*", "fcn.hidden?"),
            trainers={"semantic-segmentation": f"{SEGMENTATION}.fcn_training:train_fcn"},
            example={"encoder_channels": (4, 6, 8), "hidden_size": 8},
        ),
        Family(
            "instance-unet",
            config=f"{SEGMENTATION}.instance_unet:InstanceUNetConfig",
            models={
                "base": f"{SEGMENTATION}.instance_unet:InstanceUNetModel",
                "instance-segmentation": f"{SEGMENTATION}.instance_unet:InstanceUNetForInstanceSegmentation",
            },
            processor=f"{SEGMENTATION}.instance_image_processor:InstanceImageProcessor",
            paper="Cheng et al. 2020, Panoptic-DeepLab: a simple, strong, and fast baseline for bottom-up panoptic "
            "segmentation",
            auto_classes={
                "instance-segmentation": ("AutoModelForInstanceSegmentation", "AutoModelForImageSegmentation")
            },
            stages=("unet.encoder.*", "unet.bottleneck", "unet.decoder.*", "centers"),
            trainers={"instance-segmentation": f"{SEGMENTATION}.instance_training:train_instance_segmenter"},
            example={"depth": 2, "width": 4, "head_size": 4},
            onnx="a file holds one answer, and objects are made of three: classes, centres and offsets",
        ),
        Family(
            "localiser",
            config=f"{DETECTORS}.localiser:LocaliserConfig",
            models={
                "base": f"{DETECTORS}.localiser:LocaliserModel",
                "object-detection": f"{DETECTORS}.localiser:LocaliserForObjectDetection",
            },
            processor=LETTERBOX,
            paper="Sermanet et al. 2013, OverFeat: integrated recognition, localization and detection using "
            "convolutional networks",
            stages=("localiser.backbone.stages.*", "localiser.hidden"),
            head="answer",
            trainers={"object-detection": f"{DETECTORS}.detector_training:train_detector"},
            example={
                "image_size": (64, 64),
                "widths": (4, 8, 8),
                "depths": (0, 1, 0),
                "neck_size": 8,
                "grid_size": 2,
                "dropout": 0.0,
            },
        ),
        Family(
            "yolo",
            config=f"{DETECTORS}.yolo:YOLOConfig",
            models={
                "base": f"{DETECTORS}.yolo:YOLOModel",
                "object-detection": f"{DETECTORS}.yolo:YOLOForObjectDetection",
            },
            processor=LETTERBOX,
            paper="Redmon et al. 2016, You only look once: unified, real-time object detection; Redmon & Farhadi 2018, "
            "YOLOv3: an incremental improvement",
            stages=("yolo.backbone.stages.*", "yolo.neck"),
            head="predictor",
            trainers={"object-detection": f"{DETECTORS}.detector_training:train_detector"},
            example={"image_size": (64, 64), "widths": (4, 8, 8, 16), "depths": (0, 1, 0, 1), "neck_size": 8},
        ),
        Family(
            "landmarks",
            config=f"{LANDMARKS}.landmark_network:LandmarkConfig",
            models={
                "base": f"{LANDMARKS}.landmark_network:LandmarkModel",
                "keypoint-detection": f"{LANDMARKS}.landmark_network:LandmarkForKeypointDetection",
            },
            processor=LETTERBOX,
            paper="Sun et al. 2018, Integral human pose regression",
            stages=("landmarks.backbone.stages.*", "landmarks.neck"),
            head="heat_maps",
            trainers={"keypoint-detection": f"{LANDMARKS}.landmark_training:train_landmarks"},
            example={
                "image_size": (32, 32),
                "widths": (4, 8, 8),
                "depths": (0, 1, 0),
                "neck_size": 8,
                "num_landmarks": 5,
            },
        ),
        Family(
            "unet",
            config=f"{SEGMENTATION}.unet:UNetConfig",
            models={
                "base": f"{SEGMENTATION}.unet:UNetModel",
                "semantic-segmentation": f"{SEGMENTATION}.unet:UNetForSemanticSegmentation",
            },
            processor=SEMANTIC_PROCESSOR,
            paper="Ronneberger, Fischer & Brox 2015, U-Net: convolutional networks for biomedical image segmentation",
            stages=("unet.encoder.*", "unet.bottleneck", "unet.decoder.*"),
            example={"depth": 2, "width": 4},
        ),
    ),
    tasks={
        "instance-segmentation": f"{SEGMENTATION}.instance_segmentation:InstanceSegmentation",
        "keypoint-detection": f"{LANDMARKS}.keypoint_detection:KeypointDetection",
        "object-detection": f"{DETECTORS}.object_detection:ObjectDetection",
        "semantic-segmentation": f"{SEGMENTATION}.semantic_segmentation:SemanticSegmentation",
    },
    augmentations={
        "boxes": f"{DETECTORS}.box_augmentation:BoxAugmentation",
        "landmarks": f"{LANDMARKS}.landmark_augmentation:LandmarkAugmentation",
        "segmentation": f"{SEGMENTATION}.segmentation_augmentation:SegmentationAugmentation",
    },
    readers={
        "coco": f"{ANNOTATIONS}.coco:read_coco",
        "landmarks": f"{ANNOTATIONS}.landmark_tables:read_landmarks",
        "masks": f"{ANNOTATIONS}.mask_folders:read_masks",
        "voc": f"{ANNOTATIONS}.voc:read_voc",
        "yolo": f"{ANNOTATIONS}.yolo:read_yolo",
    },
    commands={
        "check-annotations": f"{ANNOTATIONS}.check_command:command",
        "convert-annotations": f"{ANNOTATIONS}.convert_command:command",
        "detect": f"{INFERENCE}.detect_command:command",
        "export-detector": f"{INFERENCE}.export_command:command",
    },
)
