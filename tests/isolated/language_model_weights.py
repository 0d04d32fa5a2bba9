"""The language models load from their own wheel, beside the plugin's that it declares."""

from __future__ import annotations

import tsugiki

TEXTS = {
    "lm-char-wagahai": "吾輩は",
    "lm-word-novels": "the old house",
    "fill-mask": "He opened the <mask> and went in.",
}


def main() -> None:
    models = tsugiki.list_models(plugin="language-model-weights")
    assert models, "the wheel holds no checkpoint"
    for model in models:
        text = TEXTS.get(model.name) or TEXTS.get(model.task, "It was a dark night, and")
        print(f"{model.name}: {tsugiki.pipeline(model.name)(text)}")


if __name__ == "__main__":
    main()
