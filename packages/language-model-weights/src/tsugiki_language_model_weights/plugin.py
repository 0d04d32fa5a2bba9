"""What tsugiki-language-model-weights declares: snapshots, and nothing else."""

from __future__ import annotations

from tsugiki import Plugin

plugin = Plugin(name="language-model-weights", pretrained="tsugiki_language_model_weights/pretrained")
