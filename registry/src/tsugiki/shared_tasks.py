"""The tasks that models of several plugins share: the core declares them, so that no plugin needs another for them.

What only one field has (dialogues, parse trees, pattern recall) its plugin declares. Importing this module imports
nothing; a class is imported when the registry is asked for it.
"""

from __future__ import annotations

SHARED_TASKS: dict[str, str] = {
    "audio-classification": "tsugiki.tasks.audio_classification:AudioClassification",
    "image-classification": "tsugiki.tasks.image_classification:ImageClassification",
    "text-classification": "tsugiki.tasks.text_classification:TextClassification",
    "video-classification": "tsugiki.tasks.video_classification:VideoClassification",
}
