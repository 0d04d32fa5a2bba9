"""First-party names and the distribution that brings them: what to suggest when a name is not installed.

A test holds this table against the plugins' own manifests and snapshots.
"""

from __future__ import annotations

FAMILIES: dict[str, str] = {
    "alexnet": "tsugiki-vision",
    "all-cnn": "tsugiki-vision",
    "autoencoder": "tsugiki-vision",
    "bert": "tsugiki-seq2seq",
    "cifar-resnet": "tsugiki-vision",
    "conv1d": "tsugiki-vision",
    "conv3d": "tsugiki-vision",
    "densenet": "tsugiki-vision",
    "efficientnet-lite": "tsugiki-vision",
    "embedding-lstm": "tsugiki-embeddings",
    "embedding-mean": "tsugiki-embeddings",
    "exemplar-cnn": "tsugiki-vision",
    "fasttext": "tsugiki-embeddings",
    "googlenet": "tsugiki-vision",
    "gpt2": "tsugiki-seq2seq",
    "hopfield": "tsugiki-vision",
    "hred": "tsugiki-seq2seq",
    "image-captioner": "tsugiki-seq2seq",
    "inception-v3": "tsugiki-vision",
    "lenet": "tsugiki-vision",
    "marian": "tsugiki-seq2seq",
    "mlp": "tsugiki-vision",
    "mobilenet": "tsugiki-vision",
    "multi-task": "tsugiki-vision",
    "neocognitron": "tsugiki-vision",
    "neural-lm": "tsugiki-embeddings",
    "nin": "tsugiki-vision",
    "pixelcnn": "tsugiki-vision",
    "recurrent": "tsugiki-seq2seq",
    "recurrent-seq2seq": "tsugiki-seq2seq",
    "recursive-autoencoder": "tsugiki-embeddings",
    "resnet": "tsugiki-vision",
    "rntn": "tsugiki-embeddings",
    "scdv": "tsugiki-embeddings",
    "sentence-bert": "tsugiki-embeddings",
    "sppnet": "tsugiki-vision",
    "stylizer": "tsugiki-vision",
    "vae": "tsugiki-vision",
    "vgg": "tsugiki-vision",
    "vhred": "tsugiki-seq2seq",
    "word-vectors": "tsugiki-embeddings",
}

CHECKPOINTS: dict[str, str] = {
    "all-minilm-l6-v2": "tsugiki-embeddings",
    "autoencoder-mnist": "tsugiki-vision",
    "caption-flickr8k-mini": "tsugiki-seq2seq",
    "conv1d-digits": "tsugiki-vision",
    "conv3d-moving-mnist": "tsugiki-vision",
    "dialogue-hred": "tsugiki-seq2seq-weights",
    "dialogue-vhred": "tsugiki-seq2seq-weights",
    "efficientnet-lite0-imagenet": "tsugiki-vision",
    "efficientnet-lite1-imagenet": "tsugiki-vision",
    "efficientnet-lite2-imagenet": "tsugiki-vision",
    "exemplar-cnn-cifar10": "tsugiki-vision",
    "fasttext-novels": "tsugiki-embeddings-weights",
    "glove-novels": "tsugiki-embeddings-weights",
    "hopfield-digits": "tsugiki-vision",
    "lenet5-fashion": "tsugiki-vision",
    "lenet5-mnist": "tsugiki-vision",
    "lm-char-wagahai": "tsugiki-language-model-weights",
    "lm-word-novels": "tsugiki-language-model-weights",
    "melody-rnn": "tsugiki-seq2seq",
    "mlp-mnist": "tsugiki-vision",
    "mobilenet32-cifar10": "tsugiki-vision",
    "multitask-fashion": "tsugiki-vision",
    "neocognitron-mnist": "tsugiki-vision",
    "ner-bilstm": "tsugiki-seq2seq",
    "rae-reviews": "tsugiki-embeddings",
    "resnet20-cifar10": "tsugiki-vision",
    "rntn-sst": "tsugiki-embeddings",
    "scdv-20newsgroups": "tsugiki-embeddings",
    "sentiment-lstm": "tsugiki-embeddings",
    "sentiment-mean": "tsugiki-embeddings",
    "sppnet-cifar10": "tsugiki-vision",
    "translate-en-de-transformer": "tsugiki-seq2seq",
    "translate-ja-en-gru": "tsugiki-seq2seq-weights",
    "translate-ja-en-gru-attention": "tsugiki-seq2seq-weights",
    "translate-ja-en-transformer": "tsugiki-seq2seq",
    "vae-mnist": "tsugiki-vision",
    "vgg16bn-half-cifar10": "tsugiki-vision",
    "waka-seq2seq": "tsugiki-seq2seq",
    "word2vec-novels": "tsugiki-embeddings",
    "word2vec-novels-debiased": "tsugiki-embeddings-weights",
}

TASKS: dict[str, str] = {
    "dialogue": "tsugiki-seq2seq",
    "fill-mask": "tsugiki-seq2seq",
    "image-captioning": "tsugiki-seq2seq",
    "image-reconstruction": "tsugiki-vision",
    "image-to-image": "tsugiki-vision",
    "multi-task-image-classification": "tsugiki-vision",
    "pattern-recall": "tsugiki-vision",
    "search-errors": "tsugiki-seq2seq",
    "sentence-similarity": "tsugiki-embeddings",
    "text-generation": "tsugiki-seq2seq",
    "text-translation": "tsugiki-seq2seq",
    "token-classification": "tsugiki-seq2seq",
    "tree-classification": "tsugiki-embeddings",
    "unconditional-image-generation": "tsugiki-vision",
    "word-analogy": "tsugiki-embeddings",
    "word-prediction": "tsugiki-embeddings",
    "word-similarity": "tsugiki-embeddings",
}


def install_hint(distribution: str, extra: str = "") -> str:
    """How to install a distribution with an extra: one of the project's own from a checkout, another from PyPI."""
    wanted = f"[{extra}]" if extra else ""
    if distribution != "tsugiki" and not distribution.startswith("tsugiki-"):
        return f"pip install '{distribution}{wanted}'" if extra else f"pip install {distribution}"
    folder = "registry" if distribution == "tsugiki" else f"packages/{distribution.removeprefix('tsugiki-')}"
    return f"pip install './{folder}{wanted}'" if extra else f"pip install ./{folder}"
