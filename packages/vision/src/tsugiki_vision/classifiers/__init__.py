"""Image classifiers from LeNet to MobileNet, one file a family, and what they are made of."""
