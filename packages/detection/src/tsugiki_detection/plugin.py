"""What tsugiki-detection brings. Nothing here imports torch or transformers."""

from tsugiki.plugin import Family, Plugin

DETECTORS = "tsugiki_detection.detectors"

plugin = Plugin(
    name="detection",
    families=(
        Family(
            "yolo",
            config=f"{DETECTORS}.yolo:YOLOConfig",
            models={
                "base": f"{DETECTORS}.yolo:YOLOModel",
                "object-detection": f"{DETECTORS}.yolo:YOLOForObjectDetection",
            },
            processor=f"{DETECTORS}.letterbox_processor:LetterboxImageProcessor",
            paper="Redmon et al. 2016, You only look once: unified, real-time object detection; Redmon & Farhadi 2018, "
            "YOLOv3: an incremental improvement",
            stages=("yolo.backbone.stages.*", "yolo.neck"),
            head="predictor",
            trainers={"object-detection": f"{DETECTORS}.yolo_training:train_yolo"},
            example={"image_size": (64, 64), "widths": (4, 8, 8, 16), "depths": (0, 1, 0, 1), "neck_size": 8},
        ),
    ),
    tasks={"object-detection": f"{DETECTORS}.object_detection:ObjectDetection"},
    augmentations={"boxes": f"{DETECTORS}.box_augmentation:BoxAugmentation"},
)
