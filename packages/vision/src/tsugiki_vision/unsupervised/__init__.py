"""Networks that learn without labels: Hopfield, Neocognitron, Exemplar-CNN, layer-wise pre-training."""
