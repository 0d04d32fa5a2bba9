"""What may stand in files that others read: names without folders, training options from a list, and no token.

Whoever writes a snapshot takes what it records from here. An option is public because it stands in a list, not because
nobody thought of leaving it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .mirror import mirror_folder

# Fields of `TrainingArguments`, and of ours, that shape a result and whose values are numbers, yes or no. All others,
# those of later versions too, are left out: they say where to log and to publish, and with which token.
# fmt: off
_NUMERIC_ARGUMENTS = {
    "accelerator_config", "activation_checkpointing", "adam_beta1", "adam_beta2", "adam_epsilon",
    "auto_find_batch_size", "average_tokens_across_devices", "bf16", "bf16_full_eval", "channels_last", "data_seed",
    "dataloader_drop_last", "dataloader_num_workers", "early_stopping_patience", "ema_decay", "eval_delay",
    "eval_steps", "fp16", "fp16_full_eval", "full_determinism",
    "gradient_accumulation_steps", "gradient_checkpointing", "greater_is_better", "label_smoothing_factor",
    "learning_rate", "load_best_model_at_end", "logging_first_step", "logging_steps", "lr_scheduler_kwargs",
    "max_grad_norm", "max_steps", "neftune_noise_alpha", "num_train_epochs", "per_device_eval_batch_size",
    "per_device_train_batch_size", "rows_per_class", "save_steps", "save_total_limit", "seed", "tf32", "torch_compile",
    "use_cpu", "use_liger_kernel", "warmup_ratio", "warmup_steps", "weight_decay",
}
# fmt: on
# Of `tsugiki.training.arguments.FitOptions`.
_OURS = {"attn_implementation", "channels_last", "early_stopping_patience", "ema_decay", "rows_per_class"}
# Those whose values are words that transformers defines.
_WORD_ARGUMENTS = {
    "eval_strategy": "IntervalStrategy",
    "logging_strategy": "IntervalStrategy",
    "lr_scheduler_type": "SchedulerType",
    "save_strategy": "SaveStrategy",
}
_SAMPLING = ("random", "sequential", "group_by_length", "batch_rebalance")
_SETTINGS = re.compile(r"\w+=(?:[-+.\de]+|true|false|none)(?:, *\w+=(?:[-+.\de]+|true|false|none))*\Z", re.IGNORECASE)
_NOT_PATHS = frozenset({"id2label", "label2id"})  # a label may look like a path and stays what it is
_WITHOUT_NAME = frozenset({"", ".", "..", "~"})
_UNNAMED = "unnamed"
_HOME = re.compile(r"/home/|/Users/|/root/|~[\w.-]*/|[A-Za-z]:[\\/]")

# What a token starts with -> what it is, and how it goes on. Looking for the starts alone is fast in any file.
_LETTERS = rb"[A-Za-z0-9]"
_TOKENS = {
    rb"hf_": ("a Hugging Face token", _LETTERS + rb"{16,}"),
    rb"api_org_": ("a Hugging Face token", _LETTERS + rb"{16,}"),
    **{rb"gh%c_" % kind: ("a GitHub token", _LETTERS + rb"{30,}") for kind in b"opsur"},
    rb"github_pat_": ("a GitHub token", rb"\w{22,}"),
    rb"glpat-": ("a GitLab token", rb"[\w-]{20,}"),
    rb"AKIA": ("an AWS key", rb"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    rb"ASIA": ("an AWS key", rb"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    rb"AIza": ("a Google key", rb"[\w-]{35}"),
    rb"ya29.": ("a Google key", rb"[\w-]{30,}"),
    rb"sk-": ("a key of an AI service", rb"(?:ant|proj|svcacct|or)-[\w-]{20,}|" + _LETTERS + rb"{32,}"),
    rb"wandb_v1_": ("a Weights & Biases key", rb"\w{20,}"),
    rb"xox": ("a Slack token", rb"[abeoprs]-[A-Za-z0-9-]{10,}"),
    rb"rk_live_": ("a Stripe key", _LETTERS + rb"{16,}"),
    rb"sk_live_": ("a Stripe key", _LETTERS + rb"{16,}"),
    rb"npm_": ("an npm token", _LETTERS + rb"{36}"),
    rb"pypi-AgE": ("a PyPI token", rb"[\w-]{50,}"),
    rb"eyJ": ("a signed web token", rb"[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    rb"-----BEGIN ": ("a private key", rb"(?:[A-Z]+ )*PRIVATE KEY"),
}
_REST = {start: re.compile(rest) for start, (_, rest) in _TOKENS.items()}
_CHUNK, _OVERLAP = 1 << 24, 1 << 13  # bytes; no token is longer than the overlap


def is_path(name: str | Path) -> bool:
    """Whether a data set or model is meant by its place on this machine, as it would be looked up."""
    if isinstance(name, Path) or name.startswith((".", "/", "~", "\\")) or PureWindowsPath(name).drive:
        return True
    return bool(name.strip()) and _exists(name)


def public_name(name: str | Path) -> str:
    """How a record calls a data set or an output: a Hub id as it is, of a path the last part alone.

    Args:
        name: As a person gave it.
    """
    return _last_part(str(name)) if is_path(name) else _without_login(str(name))


def public_model_name(name: str | Path) -> str:
    """How a record calls a model: of a path the last part, as ``./folder``, so that it is no name of the Hub's."""
    return f"./{_last_part(str(name))}" if is_path(name) else _without_login(str(name))


def public_value(value: Any) -> Any:
    """A value of a config or of a trainer's own option: strings that lead to a file or folder without their folders.

    Args:
        value: In JSON's types.
    """
    if isinstance(value, Mapping):
        return {key: one if key in _NOT_PATHS else public_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [public_value(one) for one in value]
    if isinstance(value, Path) or (isinstance(value, str) and _leads_to_a_folder(value)):
        return public_model_name(value)
    return value


def public_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The training options that a record may hold: of `TrainingArguments` those of a list, and a trainer's own.

    Args:
        arguments: Options by name.
    """
    from dataclasses import fields

    from transformers import TrainingArguments

    listed = {item.name for item in fields(TrainingArguments)} | _OURS
    return {
        name: value if name in listed else public_value(value)
        for name, value in arguments.items()
        if name not in listed or _is_public_argument(name, value)
    }


def find_secret(path: Path, known: Mapping[str, str]) -> str | None:
    """What a file holds that is nobody's business, or None: what looks like a token, or one of the known.

    Args:
        path: The file, of any size and kind.
        known: What it is called -> a text that must not be there, whatever it looks like.
    """
    with path.open("rb") as file:
        before = b""
        while read := file.read(_CHUNK):
            content = before + read
            for kind, secret in known.items():
                if secret.encode() in content:
                    return kind
            for start, (kind, _) in _TOKENS.items():
                if _holds_token(content, start):
                    return kind
            before = content[-_OVERLAP:]
    return None


def _holds_token(content: bytes, start: bytes) -> bool:
    at = content.find(start)
    while at >= 0:
        inside_a_word = start[:1].isalpha() and content[max(at - 1, 0) : at].isalnum()
        if not inside_a_word and _REST[start].match(content, at + len(start)):
            return True
        at = content.find(start, at + 1)
    return False


def _is_public_argument(name: str, value: Any) -> bool:
    if name in _NUMERIC_ARGUMENTS:
        return _is_numeric(value)
    if name == "optim_args":
        return isinstance(value, str) and _SETTINGS.match(value) is not None
    return isinstance(value, str) and value in _words(name)


def _words(name: str) -> Iterable[str]:
    """The words that a field of `TrainingArguments` takes; none of one that is not public."""
    from transformers import trainer_utils
    from transformers.training_args import OptimizerNames

    if name == "attn_implementation":
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        return ["eager", *ALL_ATTENTION_FUNCTIONS.valid_keys()]
    if name == "optim":
        return [one.value for one in OptimizerNames]
    if name in _WORD_ARGUMENTS:
        return [one.value for one in getattr(trainer_utils, _WORD_ARGUMENTS[name])]
    return _SAMPLING if name == "train_sampling_strategy" else ()


def _is_numeric(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(str(key).isidentifier() and _is_numeric(one) for key, one in value.items())
    return value is None or isinstance(value, bool | int | float)


def _leads_to_a_folder(value: str) -> bool:
    """Whether a string that may be anything, such as a pattern or a label, has folders that are nobody's business."""
    return _HOME.match(value) is not None or (("/" in value or "\\" in value) and _exists(value))


def _exists(path: str) -> bool:
    try:
        return mirror_folder(path) is None and Path(path).exists()
    except (OSError, ValueError):  # longer than a path can be, or with a NUL
        return False


def _last_part(path: str) -> str:
    """The last part, unless it names a person's home or nothing."""
    name = (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name
    try:
        is_home = Path(path).expanduser().resolve() == Path.home().resolve()
    except (OSError, RuntimeError, ValueError):
        is_home = False
    return _UNNAMED if name in _WITHOUT_NAME or name.startswith("~") or is_home else name


def _without_login(address: str) -> str:
    """An address without the user, the password and the query that it may carry."""
    scheme, found, rest = address.partition("://")
    if not found:
        return address
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
