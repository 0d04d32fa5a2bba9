"""One plugin is enough: word vectors, a new head on sentiment, documents, with the wheel and what it declares alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import datasets
import tsugiki
from tsugiki_embeddings.scdv.scdv_vectorizer import SCDVVectorizer
from tsugiki_embeddings.vectors.word_vectors import WordVectors

TOPICS = {
    "sea": ["the ship lost her anchor in the storm", "a sailor and his captain watched the waves"],
    "home": ["the kettle sang beside the fire in the kitchen", "she poured the tea and cut the bread"],
    "law": ["the judge heard the witness in the court", "a lawyer read the will before the trial"],
}


def main() -> None:
    vectors = WordVectors.load("word2vec-novels")
    assert vectors.analogy("man", "woman", "king", top_k=1)[0][0] == "queen"

    rows = [(text, topic) for topic, texts in TOPICS.items() for text in texts for _ in range(10)]
    data = datasets.Dataset.from_dict({"text": [text for text, _ in rows], "label": [topic for _, topic in rows]})
    with tempfile.TemporaryDirectory() as folder:
        result = tsugiki.finetune(
            "sentiment-mean", data, output_dir=Path(folder, "mine"), depth="head", test=data, progress=False
        )
        accuracy = result.metrics["accuracy"].value
        assert accuracy > 0.6, f"three topics should be told apart better than {accuracy}"
        assert tsugiki.load(Path(folder, "mine")).config.num_labels == 3

    texts = [text for text, _ in rows]
    documents = SCDVVectorizer(vector_size=8, n_clusters=3, min_count=1).fit(texts).transform(texts)
    print(f"one plugin is enough: topics told apart to {accuracy:.3f}, documents of {documents.shape[1]} numbers")


if __name__ == "__main__":
    main()
