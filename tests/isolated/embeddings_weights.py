"""The larger checkpoints load from their own wheel, beside the plugin's that it declares."""

from __future__ import annotations

import tsugiki
from tsugiki_embeddings.vectors.word_vectors import WordVectors


def main() -> None:
    names = [model.name for model in tsugiki.list_models(plugin="embeddings-weights")]
    assert names, "the wheel holds no checkpoint"
    for name in names:
        vectors = WordVectors.load(name)
        nearest, score = vectors.most_similar("king", top_k=1)[0]
        print(f"{name}: {len(vectors):,} words, king is nearest to {nearest} ({score:.3f})")


if __name__ == "__main__":
    main()
