"""What tsugiki-seq2seq declares. Importing this module imports neither torch nor transformers."""

from __future__ import annotations

from typing import Any

from tsugiki import Family, Plugin

TOKENIZER = "transformers:PreTrainedTokenizerFast"
LEARNT = "tsugiki_seq2seq.texts.tokenizer_training:train_tokenizer"
BY_LENGTH = "it reads utterances in groups of like length, and a graph has the groups of one batch"
LEARNT_OF_DIALOGUES = "tsugiki_seq2seq.dialogue.dialogue_tables:train_dialogue_tokenizer"


def texts(name: str, **options: Any) -> Family:
    """A family that reads and writes texts, whose tokens the training texts teach; other options as they are given."""
    usual = {"processor": TOKENIZER, "processor_trainer": LEARNT, "head": "lm_head"}
    return Family(name, **{**usual, **options})


plugin = Plugin(
    name="seq2seq",
    families=(
        texts(
            "recurrent",
            config="tsugiki_seq2seq.recurrent.recurrent:RecurrentConfig",
            models={
                "base": "tsugiki_seq2seq.recurrent.recurrent:RecurrentModel",
                "text-generation": "tsugiki_seq2seq.recurrent.recurrent:RecurrentForCausalLM",
                "token-classification": "tsugiki_seq2seq.recurrent.recurrent:RecurrentForTokenClassification",
                "text-classification": "tsugiki_seq2seq.recurrent.recurrent:RecurrentForSequenceClassification",
            },
            paper="Elman 1990, Finding structure in time; Hochreiter and Schmidhuber 1997, Long short-term memory; "
            "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder",
            stages=("recurrent.embeddings", "recurrent.layers", "projection?"),
            head="classifier",
            heads={"text-generation": "lm_head"},
            trainers={
                "text-generation": "tsugiki_seq2seq.language_models.language_model_training:train_language_model"
            },
            example={"vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 2},
        ),
        texts(
            "recurrent-seq2seq",
            config="tsugiki_seq2seq.translation.encoder_decoder:RecurrentSeq2SeqConfig",
            models={
                "text-translation": "tsugiki_seq2seq.translation.encoder_decoder:RecurrentForConditionalGeneration"
            },
            paper="Sutskever, Vinyals and Le 2014, Sequence to sequence learning with neural networks; Bahdanau, Cho "
            "and Bengio 2015; Luong, Pham and Manning 2015",
            stages=("encoder", "decoder"),
            example={"vocab_size": 50, "hidden_size": 8},
        ),
        Family(
            "image-captioner",
            config="tsugiki_seq2seq.captions.image_captioner:ImageCaptionerConfig",
            models={
                "image-captioning": "tsugiki_seq2seq.captions.image_captioner:ImageCaptionerForConditionalGeneration"
            },
            processor="tsugiki_seq2seq.captions.image_captioner_processor:ImageCaptionerProcessor",
            processor_trainer="tsugiki_seq2seq.captions.image_captioner_processor:train_caption_processor",
            trainers={"image-captioning": "tsugiki_seq2seq.captions.image_captioner_training:train_captioner"},
            paper="Vinyals et al. 2015, Show and tell: a neural image caption generator; Xu et al. 2015, Show, attend "
            "and tell: neural image caption generation with visual attention",
            stages=("encoder", "decoder"),
            head="lm_head",
            example={
                "encoder_config": {
                    "model_type": "resnet",
                    "embedding_size": 8,
                    "hidden_sizes": [8, 16],
                    "depths": [1, 1],
                    "layer_type": "basic",
                },
                "vocab_size": 50,
                "hidden_size": 8,
            },
        ),
        texts(
            "hred",
            config="tsugiki_seq2seq.dialogue.hred:HREDConfig",
            models={"dialogue": "tsugiki_seq2seq.dialogue.hred:HREDForConditionalGeneration"},
            processor_trainer=LEARNT_OF_DIALOGUES,
            paper="Sordoni et al. 2015, A hierarchical recurrent encoder-decoder for generative context-aware query "
            "suggestion; Serban et al. 2016, Building end-to-end dialogue systems using generative hierarchical neural "
            "network models",
            stages=("encoder", "decoder"),
            onnx=BY_LENGTH,
            example={"vocab_size": 50, "hidden_size": 8},
        ),
        texts(
            "vhred",
            config="tsugiki_seq2seq.dialogue.vhred:VHREDConfig",
            models={"dialogue": "tsugiki_seq2seq.dialogue.vhred:VHREDForConditionalGeneration"},
            processor_trainer=LEARNT_OF_DIALOGUES,
            paper="Serban et al. 2017, A hierarchical latent variable encoder-decoder model for generating dialogues",
            stages=("encoder", "prior", "posterior", "decoder"),
            onnx=BY_LENGTH,
            example={"vocab_size": 50, "hidden_size": 8, "latent_size": 3, "latent_hidden_size": 5},
        ),
        texts(
            "marian",
            config="transformers:MarianConfig",
            models={"text-translation": "transformers:MarianMTModel"},
            model_type="marian",
            paper="Vaswani et al. 2017, Attention is all you need",
            stages=("model.encoder", "model.decoder"),
            example={
                "vocab_size": 50,
                "d_model": 16,
                "encoder_layers": 1,
                "decoder_layers": 1,
                "encoder_attention_heads": 2,
                "decoder_attention_heads": 2,
                "encoder_ffn_dim": 32,
                "decoder_ffn_dim": 32,
                "decoder_start_token_id": 1,
                "pad_token_id": 0,
                "eos_token_id": 2,
                "forced_eos_token_id": None,
            },
        ),
        texts(
            "bert",
            config="transformers:BertConfig",
            models={"base": "transformers:BertModel", "fill-mask": "transformers:BertForMaskedLM"},
            model_type="bert",
            paper="Devlin, Chang, Lee and Toutanova 2019, BERT: pre-training of deep bidirectional transformers for "
            "language understanding",
            stages=("bert.embeddings", "bert.encoder.layer.*"),
            head="",
            heads={"fill-mask": "cls"},
            example={
                "vocab_size": 50,
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "max_position_embeddings": 128,
            },
        ),
        texts(
            "gpt2",
            config="transformers:GPT2Config",
            models={"base": "transformers:GPT2Model", "text-generation": "transformers:GPT2LMHeadModel"},
            model_type="gpt2",
            trainers={"text-generation": "tsugiki_seq2seq.language_models.whole_windows:train_on_whole_windows"},
            paper="Radford et al. 2019, Language models are unsupervised multitask learners",
            stages=("transformer.wte", "transformer.wpe", "transformer.h.*", "transformer.ln_f"),
            head="",
            heads={"text-generation": "lm_head"},
            example={
                "vocab_size": 50,
                "n_positions": 256,
                "n_embd": 16,
                "n_layer": 1,
                "n_head": 2,
                "bos_token_id": 2,
                "eos_token_id": 2,
                "pad_token_id": 0,
            },
        ),
    ),
    tasks={
        "dialogue": "tsugiki_seq2seq.dialogue.dialogue:Dialogue",
        "fill-mask": "tsugiki_seq2seq.language_models.masked_language_modelling:FillMask",
        "image-captioning": "tsugiki_seq2seq.captions.image_captioning:ImageCaptioning",
        "search-errors": "tsugiki_seq2seq.translation.search_error_task:SearchErrorShares",
        "text-generation": "tsugiki_seq2seq.language_models.language_modelling:TextGeneration",
        "text-translation": "tsugiki_seq2seq.translation.translation:TextTranslation",
        "token-classification": "tsugiki_seq2seq.tagging.token_classification:TokenClassification",
    },
    datasets={
        "tsugiki/melodies": "tsugiki_seq2seq.melody.melody_data:make_melodies",
        "tsugiki/novel_names": "tsugiki_seq2seq.tagging.novel_names:make_novel_names",
    },
    commands={
        "align": "tsugiki_seq2seq.translation.align_command:command",
        "melody": "tsugiki_seq2seq.melody.melody_command:command",
        "score": "tsugiki_seq2seq.language_models.score_command:command",
        "search-errors": "tsugiki_seq2seq.translation.search_errors_command:command",
    },
    pretrained="tsugiki_seq2seq/pretrained",
)
