"""What tsugiki-embeddings declares. Importing this module imports neither torch nor transformers."""

from __future__ import annotations

from tsugiki import Family, Plugin

TOKENIZER = "transformers:PreTrainedTokenizerFast"
WORDS = "tsugiki_embeddings.word_tokenizer:train_tokenizer"
SENTIMENT = "tsugiki_embeddings.sentiment_training:train_from_vectors"
WORDS_AND_VECTORS = "tsugiki_embeddings.sentiment_training:train_tokenizer_with_vectors"

plugin = Plugin(
    name="embeddings",
    families=(
        Family(
            "word-vectors",
            config="tsugiki_embeddings.word_vectors:WordVectorsConfig",
            models={
                "word-similarity": "tsugiki_embeddings.word_vectors:WordVectorsModel",
                "word-analogy": "tsugiki_embeddings.word_vectors:WordVectorsModel",
                "base": "tsugiki_embeddings.word_vectors:WordVectorsModel",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS,
            paper="Mikolov et al. 2013, Distributed representations of words and phrases and their compositionality; "
            "Pennington, Socher and Manning 2014, GloVe",
            trainers={"word-similarity": "tsugiki_embeddings.word_vector_training:train_word_vectors"},
            stages=("embeddings",),
            head="",
            onnx=False,
        ),
        Family(
            "fasttext",
            config="tsugiki_embeddings.fasttext:FastTextConfig",
            models={
                "word-similarity": "tsugiki_embeddings.fasttext:FastTextModel",
                "word-analogy": "tsugiki_embeddings.fasttext:FastTextModel",
                "base": "tsugiki_embeddings.fasttext:FastTextModel",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS,
            paper="Bojanowski, Grave, Joulin and Mikolov 2017, Enriching word vectors with subword information",
            trainers={"word-similarity": "tsugiki_embeddings.fasttext_training:train_fasttext"},
            stages=("embeddings", "buckets"),
            head="",
            onnx=False,
            example={"vocab_size": 50, "hidden_size": 6, "num_buckets": 40},
        ),
        Family(
            "neural-lm",
            config="tsugiki_embeddings.neural_lm:NeuralLMConfig",
            models={
                "word-prediction": "tsugiki_embeddings.neural_lm:NeuralLMForWordPrediction",
                "base": "tsugiki_embeddings.neural_lm:NeuralLMModel",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS,
            paper="Bengio, Ducharme, Vincent and Jauvin 2003, A neural probabilistic language model",
            stages=("neural_lm.embeddings", "neural_lm.hidden"),
            head="output",
            example={"vocab_size": 50, "hidden_size": 6, "intermediate_size": 8},
        ),
        Family(
            "scdv",
            config="tsugiki_embeddings.scdv:SCDVConfig",
            models={
                "base": "tsugiki_embeddings.scdv:SCDVModel",
                "text-classification": "tsugiki_embeddings.scdv:SCDVForSequenceClassification",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS,
            paper="Mekala, Gupta, Paranjape and Karnick 2017, SCDV: sparse composite document vectors using soft "
            "clustering over distributional representations",
            stages=("scdv",),
            trainers={"text-classification": "tsugiki_embeddings.scdv_training:train_scdv"},
            example={"vocab_size": 50, "hidden_size": 6, "num_clusters": 3},
        ),
        Family(
            "embedding-mean",
            config="tsugiki_embeddings.embedding_mean:EmbeddingMeanConfig",
            models={
                "base": "tsugiki_embeddings.embedding_mean:EmbeddingMeanModel",
                "text-classification": "tsugiki_embeddings.embedding_mean:EmbeddingMeanForSequenceClassification",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS_AND_VECTORS,
            paper="Iyyer, Manjunatha, Boyd-Graber and Daume 2015, Deep unordered composition rivals syntactic methods "
            "for text classification",
            stages=("embedding_mean.words", "embedding_mean.hidden_layers.*"),
            trainers={"text-classification": SENTIMENT},
            example={"vocab_size": 50, "hidden_size": 6, "layer_sizes": (5,)},
        ),
        Family(
            "embedding-lstm",
            config="tsugiki_embeddings.embedding_lstm:EmbeddingLSTMConfig",
            models={
                "base": "tsugiki_embeddings.embedding_lstm:EmbeddingLSTMModel",
                "text-classification": "tsugiki_embeddings.embedding_lstm:EmbeddingLSTMForSequenceClassification",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS_AND_VECTORS,
            paper="Hochreiter and Schmidhuber 1997, Long short-term memory",
            stages=("embedding_lstm.words", "embedding_lstm.layers.*"),
            trainers={"text-classification": SENTIMENT},
            example={"vocab_size": 50, "hidden_size": 6, "lstm_size": 5, "num_layers": 2, "bidirectional": True},
        ),
        Family(
            "recursive-autoencoder",
            config="tsugiki_embeddings.recursive_autoencoder:RecursiveAutoencoderConfig",
            models={
                "base": "tsugiki_embeddings.recursive_autoencoder:RecursiveAutoencoderModel",
                "text-classification": "tsugiki_embeddings.recursive_autoencoder:"
                "RecursiveAutoencoderForSequenceClassification",
            },
            processor=TOKENIZER,
            processor_trainer=WORDS_AND_VECTORS,
            paper="Socher et al. 2011, Semi-supervised recursive autoencoders for predicting sentiment distributions",
            stages=("recursive_autoencoder.words", "recursive_autoencoder.autoencoder"),
            trainers={"text-classification": SENTIMENT},
            onnx=False,  # a traced graph would have the steps of one length of text
            example={"vocab_size": 50, "hidden_size": 6},
        ),
        Family(
            "rntn",
            config="tsugiki_embeddings.rntn:RNTNConfig",
            models={
                "base": "tsugiki_embeddings.rntn:RNTNModel",
                "tree-classification": "tsugiki_embeddings.rntn:RNTNForTreeClassification",
            },
            processor=TOKENIZER,
            processor_trainer="tsugiki_embeddings.tree_classification:train_tree_tokenizer",
            paper="Socher et al. 2013, Recursive deep models for semantic compositionality over a sentiment treebank",
            stages=("rntn.words", "rntn.composition"),
            trainers={"tree-classification": SENTIMENT},
            onnx=False,  # a traced graph would have the steps of one width of trees
            example={"vocab_size": 50, "hidden_size": 5},
        ),
    ),
    tasks={
        "text-classification": "tsugiki.text_classification:TextClassification",
        "tree-classification": "tsugiki_embeddings.tree_classification:TreeClassification",
        "word-analogy": "tsugiki_embeddings.word_analogy:WordAnalogy",
        "word-prediction": "tsugiki_embeddings.word_prediction:WordPrediction",
        "word-similarity": "tsugiki_embeddings.word_similarity:WordSimilarity",
    },
    commands={
        "analogy": "tsugiki_embeddings.analogy_command:command",
        "compare-corpora": "tsugiki_embeddings.compare_command:command",
        "import-vectors": "tsugiki_embeddings.import_vectors_command:command",
        "map": "tsugiki_embeddings.map_command:command",
        "similar": "tsugiki_embeddings.similar_command:command",
    },
    pretrained="tsugiki_embeddings/pretrained",
)
