"""What detectors, localisers and landmark networks look with: backbones of the registry or a small one of their own."""
