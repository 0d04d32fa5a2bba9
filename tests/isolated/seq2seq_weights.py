"""More checkpoints of the sequence models load from their own wheel, beside the plugin's that it declares."""

from __future__ import annotations

import tsugiki

TEXTS = {"text-translation": "私 は 学生 で す 。", "dialogue": "I am looking for a restaurant in San Jose."}


def main() -> None:
    models = tsugiki.list_models(plugin="seq2seq-weights")
    assert models, "the wheel holds no checkpoint"
    for model in models:
        print(f"{model.name}: {tsugiki.pipeline(model.name)(TEXTS[model.task])}")


if __name__ == "__main__":
    main()
