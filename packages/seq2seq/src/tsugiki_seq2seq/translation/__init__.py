"""One text for another: encoder-decoders, attention, search and its errors."""
