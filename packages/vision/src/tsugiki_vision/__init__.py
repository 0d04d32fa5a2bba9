"""Image classification networks for tsugiki; `tsugiki_vision.plugin` says what is in the package."""
