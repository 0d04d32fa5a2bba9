"""What tsugiki-seq2seq declares. Importing this module imports neither torch nor transformers."""

from __future__ import annotations

from tsugiki import Family, Plugin

TOKENIZER = "transformers:PreTrainedTokenizerFast"
LEARNT = "tsugiki_seq2seq.tokenizer_training:train_tokenizer"

plugin = Plugin(
    name="seq2seq",
    families=(
        Family(
            "recurrent",
            config="tsugiki_seq2seq.recurrent:RecurrentConfig",
            models={
                "base": "tsugiki_seq2seq.recurrent:RecurrentModel",
                "text-generation": "tsugiki_seq2seq.recurrent:RecurrentForCausalLM",
                "token-classification": "tsugiki_seq2seq.recurrent:RecurrentForTokenClassification",
                "text-classification": "tsugiki_seq2seq.recurrent:RecurrentForSequenceClassification",
            },
            processor=TOKENIZER,
            processor_trainer=LEARNT,
            paper="Elman 1990, Finding structure in time; Hochreiter and Schmidhuber 1997, Long short-term memory; "
            "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder",
            stages=("recurrent.embeddings", "recurrent.layers"),
            heads={"text-generation": ""},
            onnx=False,
            example={"vocab_size": 50, "hidden_size": 8, "num_hidden_layers": 2},
        ),
        Family(
            "recurrent-seq2seq",
            config="tsugiki_seq2seq.encoder_decoder:RecurrentSeq2SeqConfig",
            models={"text-translation": "tsugiki_seq2seq.encoder_decoder:RecurrentForConditionalGeneration"},
            processor=TOKENIZER,
            processor_trainer=LEARNT,
            paper="Sutskever, Vinyals and Le 2014, Sequence to sequence learning with neural networks; Bahdanau, Cho "
            "and Bengio 2015; Luong, Pham and Manning 2015",
            stages=("encoder", "decoder"),
            head="",
            onnx=False,
            example={"vocab_size": 50, "hidden_size": 8},
        ),
        Family(
            "marian",
            config="transformers:MarianConfig",
            models={"text-translation": "transformers:MarianMTModel"},
            model_type="marian",
            processor=TOKENIZER,
            processor_trainer=LEARNT,
            paper="Vaswani et al. 2017, Attention is all you need",
            stages=("model.encoder", "model.decoder"),
            head="",
            onnx=False,
            example={
                "vocab_size": 50,
                "d_model": 16,
                "encoder_layers": 1,
                "decoder_layers": 1,
                "encoder_attention_heads": 2,
                "decoder_attention_heads": 2,
                "encoder_ffn_dim": 32,
                "decoder_ffn_dim": 32,
            },
        ),
    ),
    tasks={
        "text-generation": "tsugiki_seq2seq.language_modelling:TextGeneration",
        "text-translation": "tsugiki_seq2seq.translation:TextTranslation",
    },
    pretrained="tsugiki_seq2seq/pretrained",
)
