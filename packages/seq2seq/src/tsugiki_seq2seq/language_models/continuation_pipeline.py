"""The pipeline of language models: transformers' own, with texts that begin, and join, as those of the training did."""

from __future__ import annotations

from typing import Any

from transformers import TextGenerationPipeline
from transformers.pipelines.text_generation import Chat, ReturnType
from tsugiki.errors import DataError


class ContinuationPipeline(TextGenerationPipeline):
    """Texts in, their continuations out.

    Two things differ from transformers. An end-of-text stands before the prompt, as before every text of the training:
    the model knows that a text begins. And the continuation is decoded together with the prompt, since vocabularies of
    words, and of pieces that carry their space in front, decode otherwise without the space between the two.

    Example:
        >>> import tsugiki
        >>> write = tsugiki.pipeline("lm-word-novels")
        >>> write("The old house", max_new_tokens=20)[0]["generated_text"]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        tokenizer = kwargs.get("tokenizer")
        if tokenizer is not None and tokenizer.eos_token is not None:
            kwargs.setdefault("prefix", tokenizer.eos_token)
        super().__init__(*args, **kwargs)

    def preprocess(self, prompt_text: Any, prefix: str = "", **parameters: Any) -> Any:  # type: ignore[override]
        """A prompt, which may be empty, to tokens.

        Raises:
            DataError: It is neither a text nor a chat.
        """
        if not isinstance(prompt_text, str | Chat):
            raise DataError(f"a text is needed to go on from, not {prompt_text!r}")
        return super().preprocess(prompt_text, prefix=prefix, **parameters)

    def postprocess(  # type: ignore[override]  # transformers' own class has other arguments than its base
        self, model_outputs: dict[str, Any], return_type: ReturnType = ReturnType.FULL_TEXT, **options: Any
    ) -> list[dict[str, Any]]:
        """One record for each continuation of a prompt, as transformers' pipeline makes them."""
        tokenizer: Any = self.tokenizer
        records = super().postprocess(model_outputs, return_type=return_type, **options)
        prompt, tokens = model_outputs["prompt_text"], model_outputs["input_ids"]
        if return_type == ReturnType.TENSORS or not isinstance(prompt, str) or tokens is None:
            return records
        known = {"skip_special_tokens", "clean_up_tokenization_spaces"}
        decoding = {name: value for name, value in options.items() if name in known and value is not None}
        decoding.setdefault("skip_special_tokens", True)
        for record, sequence in zip(records, model_outputs["generated_sequence"][0].tolist(), strict=True):
            read: str = tokenizer.decode(sequence[: tokens.shape[-1]], **decoding)
            written: str = tokenizer.decode(sequence, **decoding)[len(read) :]
            if prompt != prompt.rstrip() and read == read.rstrip():  # the prompt brought the space itself
                written = written.lstrip(" ")
            record["generated_text"] = prompt + written if return_type == ReturnType.FULL_TEXT else written
        return records
