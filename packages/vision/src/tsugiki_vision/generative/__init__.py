"""Models of pictures themselves: autoencoder, VAE, PixelCNN, with their tasks and the command that samples."""
