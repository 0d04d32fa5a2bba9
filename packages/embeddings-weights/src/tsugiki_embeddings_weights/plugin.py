"""What tsugiki-embeddings-weights declares: snapshots, and nothing else."""

from __future__ import annotations

from tsugiki import Plugin

plugin = Plugin(name="embeddings-weights", pretrained="tsugiki_embeddings_weights/pretrained")
