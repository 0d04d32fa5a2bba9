"""Networks put to use: on every window of a picture, on pictures in tiles, on videos, in other runtimes."""
