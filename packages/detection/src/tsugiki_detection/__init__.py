"""Object detection, landmarks and segmentation for tsugiki; `tsugiki_detection.plugin` says what is in the package."""
