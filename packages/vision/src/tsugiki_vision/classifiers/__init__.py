"""Image classifiers from LeNet to EfficientNet, one file a family, and what they are made of."""
