"""CIFAR-10 as accurate as possible in ten minutes on two CPU cores, or to 94 % as fast as possible on a GPU.

    python benchmarks/fast_cifar10.py                              # 14 epochs of the narrow network
    python benchmarks/fast_cifar10.py --channels 64 256 256 --epochs 10 --runs 20 --rows-a-step 1024   # a GPU

The network follows hlb-CIFAR10 and airbench (Jordan 2024, 94% on CIFAR-10 in 3.29 seconds on a single GPU, section 3):
2x2 patches whitened by a fixed convolution, three blocks of two 3x3 convolutions that start near the identity and halve
the picture, GELU, the maximum over all places, label smoothing, Nesterov momentum. `tsugiki.training.fit` trains it.
The clock covers whitening, training and the evaluation with mirrored pictures; imports and decoding are before it.
Everything was chosen on the last 5,000 training pictures (`--validate`), and the last epoch is measured.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from tsugiki.augmentation import Augmentation
from tsugiki.data.load_data import load_split
from tsugiki.evaluation import task_named
from tsugiki.metrics import share_metric
from tsugiki.picture_processing import ColorImageProcessor
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob

PATCH = 2
WHITENED = 2 * 3 * PATCH**2  # every direction of the patches and its opposite
LOGIT_SCALE = 1 / 9
HELD_OUT = 5_000
VARIANCE_FLOOR = 5e-4


class Block(nn.Module):
    """Convolution, 2x2 maximum, convolution, each with batch norm and GELU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.convolution2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        for convolution in (self.convolution1, self.convolution2):
            nn.init.dirac_(convolution.weight[: convolution.in_channels])

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / 2, W / 2)`."""
        hidden = F.gelu(self.norm1(F.max_pool2d(self.convolution1(hidden), 2)))
        return F.gelu(self.norm2(self.convolution2(hidden)))


class FastNetwork(PreTrainedModel):
    """The network of the module's docstring."""

    config_class = PreTrainedConfig
    main_input_name = "pixel_values"

    def __init__(self, channels: list[int], label_smoothing: float) -> None:
        super().__init__(PreTrainedConfig(num_labels=10))
        self.label_smoothing = label_smoothing
        self.whitening = nn.Conv2d(3, WHITENED, PATCH)
        sizes = [WHITENED, *channels]
        self.blocks = nn.Sequential(*(Block(*pair) for pair in itertools.pairwise(sizes)))
        self.classifier = nn.Linear(channels[-1], 10, bias=False)

    @torch.no_grad()
    def whiten(self, pixel_values: Tensor) -> None:
        """Set the first layer from pictures `(N, 3, H, W)` so that its outputs are uncorrelated with variance 1."""
        patches = (
            pixel_values.unfold(2, PATCH, 1).unfold(3, PATCH, 1).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
        )
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        rows = (directions / (variances + VARIANCE_FLOOR).sqrt()).T.reshape(-1, 3, PATCH, PATCH)
        self.whitening.weight.copy_(torch.cat([rows, -rows]))
        self.whitening.bias.zero_()
        self.whitening.requires_grad_(False)

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Logits `(N, 10)` of pictures `(N, 3, 32, 32)`, and the smoothed cross entropy."""
        hidden = self.blocks(F.gelu(self.whitening(pixel_values)))
        logits = self.classifier(hidden.amax(dim=(2, 3))) * LOGIT_SCALE
        if labels is None:
            return {"logits": logits}
        return {
            "loss": F.cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing),
            "logits": logits,
        }


def tables(validate: bool) -> tuple[TensorTable, TensorTable]:
    """Pictures to train on, and those to measure on."""
    task, processor = task_named("image-classification"), ColorImageProcessor()
    processor.image_mean, processor.image_std = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
    train = task.table(load_split("uoft-cs/cifar10", "train"), processor)
    if validate:
        rows = torch.arange(len(train))
        return train.select(rows[:-HELD_OUT]), train.select(rows[-HELD_OUT:])
    return train, task.table(load_split("uoft-cs/cifar10", "test"), processor)


@torch.inference_mode()
def right(model: nn.Module, table: TensorTable, device: torch.device, bf16: bool) -> np.ndarray:
    """Whether each row is answered right by the sum of the logits of the picture and of its mirror image (N,)."""
    answers = []
    model.eval()
    for batch in table.batches(1000, device=device):
        labels = batch.pop("labels")
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            pixels = batch["pixel_values"].contiguous(memory_format=torch.channels_last)
            logits = model(pixels)["logits"].float() + model(pixels.flip(-1))["logits"].float()
        answers.append((logits.argmax(1) == labels).cpu().numpy())
    return np.concatenate(answers)


def run(options: argparse.Namespace, train: TensorTable, test: TensorTable, seed: int) -> SimpleNamespace:
    """One training: right answers and seconds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    model = FastNetwork(options.channels, options.label_smoothing)
    started = time.perf_counter()
    model.whiten(next(train.select(range(5_000)).batches(5_000))["pixel_values"])
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    arguments = {
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": options.rows_a_step,
        "dataloader_drop_last": True,
        "learning_rate": options.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.2,
        "optim": "sgd",
        "optim_args": "momentum=0.85,nesterov=true",
        "weight_decay": 5e-4,
        "bf16": not options.fp32,
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as folder:
        augmented = train.with_augmentation(Augmentation(flip=True, pad_crop=2), seed=seed)
        fit(model, TrainingJob(augmented, folder, arguments, title=f"seed {seed}"))
    answers = right(model, test, device, not options.fp32)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return SimpleNamespace(answers=answers, seconds=time.perf_counter() - started)


def main() -> None:
    """Train, and print accuracy and time of every run and their means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, nargs=3, default=[64, 128, 128])
    parser.add_argument("--epochs", type=float, default=14)
    parser.add_argument("--rows-a-step", type=int, default=512)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--label-smoothing", type=float, default=0.2)
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--validate", action="store_true", help="measure on held-out training pictures")
    options = parser.parse_args()
    train, test = tables(options.validate)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    print(f"{where}, torch {torch.__version__}, {len(train):,} pictures, measured on {len(test):,}")
    runs = []
    for seed in range(options.runs):
        runs.append(run(options, train, test, seed))
        metric = share_metric(runs[-1].answers)
        print(f"seed {seed}: {100 * metric.value:.2f} % [{100 * metric.low:.2f}, {100 * metric.high:.2f}] "
              f"in {runs[-1].seconds:.1f} s", flush=True)  # fmt: skip
    if len(runs) > 1:
        figures = [100 * one.answers.mean() for one in runs]
        seconds = statistics.fmean(one.seconds for one in runs)
        print(f"{len(runs)} runs: {statistics.fmean(figures):.2f} ± {statistics.stdev(figures):.2f} %, {seconds:.1f} s")


if __name__ == "__main__":
    main()
