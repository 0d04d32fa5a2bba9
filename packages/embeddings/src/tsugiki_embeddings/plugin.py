"""What tsugiki-embeddings declares. Importing this module imports neither torch nor transformers."""

from __future__ import annotations

from typing import Any

from tsugiki import Family, Plugin

from tsugiki_embeddings.sentences.minilm_weights import MINILM

TOKENIZER = "transformers:PreTrainedTokenizerFast"
WORDS = "tsugiki_embeddings.words.word_tokenizer:train_tokenizer"
MEAN = "tsugiki_embeddings.sentiment.embedding_mean"
LSTM = "tsugiki_embeddings.sentiment.embedding_lstm"
SENTENCE = "tsugiki_embeddings.sentences.sentence_bert"
SENTIMENT = "tsugiki_embeddings.sentiment.sentiment_training:train_from_vectors"
WORDS_AND_VECTORS = "tsugiki_embeddings.sentiment.sentiment_training:train_tokenizer_with_vectors"


def words(name: str, **options: Any) -> Family:
    """A family that reads words, which the training texts teach its tokenizer; other options as they are given."""
    return Family(name, **{"processor": TOKENIZER, "processor_trainer": WORDS, **options})


plugin = Plugin(
    name="embeddings",
    families=(
        words(
            "word-vectors",
            config="tsugiki_embeddings.vectors.word_vectors_model:WordVectorsConfig",
            models={
                "word-similarity": "tsugiki_embeddings.vectors.word_vectors_model:WordVectorsModel",
                "word-analogy": "tsugiki_embeddings.vectors.word_vectors_model:WordVectorsModel",
                "base": "tsugiki_embeddings.vectors.word_vectors_model:WordVectorsModel",
            },
            paper="Mikolov et al. 2013, Distributed representations of words and phrases and their compositionality; "
            "Pennington, Socher and Manning 2014, GloVe",
            trainers={"word-similarity": "tsugiki_embeddings.training.word_vector_training:train_word_vectors"},
            stages=("embeddings",),
            head="",
        ),
        words(
            "fasttext",
            config="tsugiki_embeddings.vectors.fasttext:FastTextConfig",
            models={
                "word-similarity": "tsugiki_embeddings.vectors.fasttext:FastTextModel",
                "word-analogy": "tsugiki_embeddings.vectors.fasttext:FastTextModel",
                "base": "tsugiki_embeddings.vectors.fasttext:FastTextModel",
            },
            paper="Bojanowski, Grave, Joulin and Mikolov 2017, Enriching word vectors with subword information",
            trainers={"word-similarity": "tsugiki_embeddings.training.fasttext_training:train_fasttext"},
            stages=("embeddings", "buckets"),
            head="",
            example={"vocab_size": 50, "hidden_size": 6, "num_buckets": 40},
        ),
        words(
            "neural-lm",
            config="tsugiki_embeddings.training.neural_lm:NeuralLMConfig",
            models={
                "word-prediction": "tsugiki_embeddings.training.neural_lm:NeuralLMForWordPrediction",
                "base": "tsugiki_embeddings.training.neural_lm:NeuralLMModel",
            },
            paper="Bengio, Ducharme, Vincent and Jauvin 2003, A neural probabilistic language model",
            stages=("neural_lm.embeddings", "neural_lm.hidden"),
            head="output",
            example={"vocab_size": 50, "hidden_size": 6, "intermediate_size": 8},
        ),
        words(
            "scdv",
            config="tsugiki_embeddings.scdv.scdv:SCDVConfig",
            models={
                "base": "tsugiki_embeddings.scdv.scdv:SCDVModel",
                "text-classification": "tsugiki_embeddings.scdv.scdv:SCDVForSequenceClassification",
            },
            paper="Mekala, Gupta, Paranjape and Karnick 2017, SCDV: sparse composite document vectors using soft "
            "clustering over distributional representations",
            stages=("scdv",),
            trainers={"text-classification": "tsugiki_embeddings.scdv.scdv_training:train_scdv"},
            example={"vocab_size": 50, "hidden_size": 6, "num_clusters": 3},
        ),
        words(
            "embedding-mean",
            config=f"{MEAN}:EmbeddingMeanConfig",
            models={
                "base": f"{MEAN}:EmbeddingMeanModel",
                "text-classification": f"{MEAN}:EmbeddingMeanForSequenceClassification",
            },
            processor_trainer=WORDS_AND_VECTORS,
            paper="Iyyer, Manjunatha, Boyd-Graber and Daume 2015, Deep unordered composition rivals syntactic methods "
            "for text classification",
            stages=("embedding_mean.words", "embedding_mean.hidden_layers.*"),
            trainers={"text-classification": SENTIMENT},
            example={"vocab_size": 50, "hidden_size": 6, "layer_sizes": (5,)},
        ),
        words(
            "embedding-lstm",
            config=f"{LSTM}:EmbeddingLSTMConfig",
            models={
                "base": f"{LSTM}:EmbeddingLSTMModel",
                "text-classification": f"{LSTM}:EmbeddingLSTMForSequenceClassification",
            },
            processor_trainer=WORDS_AND_VECTORS,
            paper="Hochreiter and Schmidhuber 1997, Long short-term memory",
            stages=("embedding_lstm.words", "embedding_lstm.layers.*"),
            trainers={"text-classification": SENTIMENT},
            example={"vocab_size": 50, "hidden_size": 6, "lstm_size": 5, "num_layers": 2, "bidirectional": True},
        ),
        words(
            "sentence-bert",
            config=f"{SENTENCE}:SentenceBertConfig",
            models={
                "sentence-similarity": f"{SENTENCE}:SentenceBertModel",
                "base": f"{SENTENCE}:SentenceBertModel",
                "text-classification": f"{SENTENCE}:SentenceBertForSequenceClassification",
            },
            paper="Reimers and Gurevych 2019, Sentence-BERT: sentence embeddings using Siamese BERT-networks",
            stages=("sentence_bert.embeddings", "sentence_bert.encoder.layer.*"),
            heads={"sentence-similarity": ""},
            example={
                "vocab_size": 50,
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "max_position_embeddings": 128,
            },
        ),
        words(
            "recursive-autoencoder",
            config="tsugiki_embeddings.sentiment.recursive_autoencoder:RecursiveAutoencoderConfig",
            models={
                "base": "tsugiki_embeddings.sentiment.recursive_autoencoder:RecursiveAutoencoderModel",
                "text-classification": "tsugiki_embeddings.sentiment.recursive_autoencoder:"
                "RecursiveAutoencoderForSequenceClassification",
            },
            processor_trainer=WORDS_AND_VECTORS,
            paper="Socher et al. 2011, Semi-supervised recursive autoencoders for predicting sentiment distributions",
            stages=("recursive_autoencoder.words", "recursive_autoencoder.autoencoder"),
            trainers={"text-classification": SENTIMENT},
            onnx="the trees of its texts grow step by step, and a graph has the steps of one length",
            example={"vocab_size": 50, "hidden_size": 6},
        ),
        words(
            "rntn",
            config="tsugiki_embeddings.sentiment.rntn:RNTNConfig",
            models={
                "base": "tsugiki_embeddings.sentiment.rntn:RNTNModel",
                "tree-classification": "tsugiki_embeddings.sentiment.rntn:RNTNForTreeClassification",
            },
            processor_trainer="tsugiki_embeddings.sentiment.tree_classification:train_tree_tokenizer",
            paper="Socher et al. 2013, Recursive deep models for semantic compositionality over a sentiment treebank",
            stages=("rntn.words", "rntn.composition"),
            trainers={"tree-classification": SENTIMENT},
            onnx="it goes through the trees node by node, and a graph has the nodes of one width",
            example={"vocab_size": 50, "hidden_size": 5},
        ),
    ),
    tasks={
        "sentence-similarity": "tsugiki_embeddings.sentences.sentence_similarity:SentenceSimilarity",
        "tree-classification": "tsugiki_embeddings.sentiment.tree_classification:TreeClassification",
        "word-analogy": "tsugiki_embeddings.word_tasks.word_analogy:WordAnalogy",
        "word-prediction": "tsugiki_embeddings.training.word_prediction:WordPrediction",
        "word-similarity": "tsugiki_embeddings.word_tasks.word_similarity:WordSimilarity",
    },
    commands={
        "analogy": "tsugiki_embeddings.vectors.analogy_command:command",
        "compare-corpora": "tsugiki_embeddings.maps.compare_command:command",
        "import-vectors": "tsugiki_embeddings.vectors.import_vectors_command:command",
        "map": "tsugiki_embeddings.maps.map_command:command",
        "search": "tsugiki_embeddings.sentences.search_command:command",
        "similar": "tsugiki_embeddings.vectors.similar_command:command",
    },
    pretrained="tsugiki_embeddings/pretrained",
    distributed_weights=MINILM,
)
