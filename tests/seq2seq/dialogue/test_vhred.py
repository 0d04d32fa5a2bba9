from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence
from tsugiki.tensor_table import TensorTable
from tsugiki.testing import check_family
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.dialogue.dialogue_model import IGNORED
from tsugiki_seq2seq.dialogue.vhred import Normal, VHREDConfig, VHREDForConditionalGeneration

from .test_hred import DIALOGUES, SIZES, padded

LATENT = {"latent_size": 3, "latent_hidden_size": 4}


def network(**fields) -> VHREDForConditionalGeneration:
    torch.manual_seed(0)
    return VHREDForConditionalGeneration(VHREDConfig(**{**SIZES, **LATENT, **fields})).eval()


def labelled() -> dict[str, torch.Tensor]:
    batch = padded(DIALOGUES)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
    labels[:, 0] = IGNORED
    return {**batch, "labels": labels}


def test_divergence_is_that_of_torch_distributions():
    mean, log_variance, other_mean, other_log_variance = torch.randn(
        4, 5, 3, generator=torch.Generator().manual_seed(0)
    )
    found = Normal(mean, log_variance).divergence(Normal(other_mean, other_log_variance))
    first = TorchNormal(mean, (0.5 * log_variance).exp())
    second = TorchNormal(other_mean, (0.5 * other_log_variance).exp())
    torch.testing.assert_close(found, kl_divergence(first, second))


def test_bound_of_a_response_is_that_of_its_parts_by_hand():
    model = network()
    batch = padded([[[5, 6, 2], [7, 8, 2]]], utterances=2, tokens=3)
    with torch.no_grad():
        out = model(**batch)
        read = model.read(**batch, labels=None)
        state, summary = read.before[1], read.summaries[1]
        torch.testing.assert_close(state, model.encoder(batch["input_ids"][:, :1])[0][0, 0])
        prior, posterior = [], []
        for net, known, into in (
            (model.prior, state, prior),
            (model.posterior, torch.cat([state, summary]), posterior),
        ):
            hidden = torch.tanh(net.hidden.weight @ known + net.hidden.bias)
            numbers = net.parameters_of_normal.weight @ hidden + net.parameters_of_normal.bias
            into.append(TorchNormal(numbers[:3], (0.5 * numbers[3:]).exp()))
        noise = model._noise(read.keys)[1]
        latent = posterior[0].mean + posterior[0].stddev * noise
        condition = torch.cat([state, latent])[None]
        embedded = model.encoder.embeddings(torch.tensor([[1, 7, 8]]))
        hidden, _ = model.decoder(embedded, condition, model.decoder.begin(condition))
        chances = model.lm_head(hidden)[0].log_softmax(-1)
        nats = -(chances[0, 7] + chances[1, 8] + chances[2, 2])
        divergence = kl_divergence(posterior[0], prior[0]).sum()
        loss = model(**batch, labels=torch.tensor([[[IGNORED] * 3, [7, 8, 2]]])).loss
    torch.testing.assert_close(out.reconstruction, torch.tensor([[0.0, nats]]))
    torch.testing.assert_close(out.kl, torch.tensor([[0.0, divergence]]))
    torch.testing.assert_close(out.posterior_mean[0, 1], posterior[0].mean)
    torch.testing.assert_close(out.prior_mean[0, 1], prior[0].mean)
    assert loss.item() == pytest.approx((nats + divergence).item() / 3, rel=1e-5)


def test_bound_lies_below_the_likelihood_that_sampling_the_prior_finds():
    model = network()
    batch = padded([[[5, 6, 2], [7, 8, 2]]], utterances=2, tokens=3)
    draws = 4000
    many = {name: value.expand(draws, -1, -1) for name, value in batch.items()}
    with torch.no_grad():
        read = model.read(**batch, labels=None)
        noise = torch.randn(draws, 3, generator=torch.Generator().manual_seed(0))
        first = {name: value[:, :1] for name, value in many.items()}
        decoder = torch.tensor([[1, 7, 8]]).expand(draws, -1)
        logits = model(**first, decoder_input_ids=decoder, latent_noise=noise).logits.log_softmax(-1)
        likelihood = (logits[:, 0, 7] + logits[:, 1, 8] + logits[:, 2, 2]).exp().mean().log()
        model.train()  # the bound's own draws, many of them
        out = model(**many)
        bound = -(out.reconstruction + out.kl)[:, 1].mean()
    assert read.asked.tolist() == [False, True]
    assert bound < likelihood + 0.05
    assert bound > likelihood - 3  # and not far below, in a network so small


@pytest.mark.parametrize("left", [False, True])
def test_padding_and_batch_change_neither_part_of_the_bound(left):
    model = network()
    with torch.no_grad():
        together = model(**padded(DIALOGUES, utterances=6, tokens=8, left=left))
        for row, dialogue in enumerate(DIALOGUES):
            alone = model(**padded([dialogue], utterances=len(dialogue)))
            turns = slice(6 - len(dialogue), 6) if left else slice(len(dialogue))
            for name in ("reconstruction", "kl", "posterior_mean"):
                torch.testing.assert_close(together[name][row, turns], alone[name][0])
    again = model(**padded(DIALOGUES, utterances=6, tokens=8, left=left))
    assert torch.equal(together.reconstruction, again.reconstruction)


def test_weight_of_the_divergence_grows_with_the_training_passes():
    model = network(kl_annealing_steps=4).train()
    batch = labelled()
    tokens = (batch["labels"] != IGNORED).sum()
    weights = []
    for _ in range(6):
        weights.append(model.kl_weight.item())
        out = model(**batch)
        expected = (out.reconstruction.sum() + weights[-1] * out.kl.sum()) / tokens
        torch.testing.assert_close(out.loss, expected)
    assert weights == [0, 0.25, 0.5, 0.75, 1, 1]
    model.eval()
    out = model(**batch)
    torch.testing.assert_close(out.loss, (out.reconstruction.sum() + out.kl.sum()) / tokens)
    assert model.training_passes == 6


def test_weight_of_the_divergence_counts_in_full_without_annealing():
    assert network().kl_weight == 1


def test_free_nats_of_each_number_cost_nothing():
    model = network(free_bits=100.0).train()
    batch = labelled()
    tokens = (batch["labels"] != IGNORED).sum()
    out = model(**batch)
    torch.testing.assert_close(out.loss, (out.reconstruction.sum() + 3 * 100 * 6) / tokens)
    out.loss.backward()
    assert not model.prior.hidden.weight.grad.any()  # it is in nothing but the divergence
    model.config.free_bits = 1e-6
    out = model(**batch)
    torch.testing.assert_close(out.loss, (out.reconstruction.sum() + out.kl.sum()) / tokens)


def test_training_that_was_interrupted_goes_on_with_the_same_weight(tmp_path):
    batch = labelled()

    def run(folder, model, **options) -> VHREDForConditionalGeneration:
        table = TensorTable(batch)
        arguments = {"per_device_train_batch_size": 1, "learning_rate": 1e-2, "seed": 0, "save_strategy": "steps"}
        fit(model, TrainingJob(table, folder, {**arguments, "save_steps": 3, **options}, progress=False))
        return model

    whole = run(tmp_path / "whole", network(kl_annealing_steps=10), max_steps=6)
    run(tmp_path / "parts", network(kl_annealing_steps=10), max_steps=6, save_total_limit=None)
    last = tmp_path / "parts" / "checkpoint-6"
    for file in sorted(last.rglob("*"), reverse=True):  # as if killed between the checkpoints
        file.rmdir() if file.is_dir() else file.unlink()
    last.rmdir()
    resumed = run(tmp_path / "parts", network(kl_annealing_steps=10), max_steps=6)
    assert resumed.training_passes == whole.training_passes == 6
    assert resumed.kl_weight.item() == pytest.approx(0.6)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)


def test_gradients_reach_every_parameter():
    model = network().train()
    model(**labelled()).loss.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"do_sample": True}])
def test_generate_gives_the_same_with_and_without_cache(options):
    model = network(tie_word_embeddings=False)
    noise = torch.randn(len(DIALOGUES), 3, generator=torch.Generator().manual_seed(1))
    answers = []
    for use_cache in (True, False):
        torch.manual_seed(3)
        given = {**padded(DIALOGUES), "latent_noise": noise}
        answers.append(model.generate(**given, max_new_tokens=8, use_cache=use_cache, **options))
    assert torch.equal(*answers)


def test_generate_answers_a_batch_as_it_answers_each_dialogue():
    model = network(tie_word_embeddings=False)
    together = model.generate(**padded(DIALOGUES), num_beams=2, max_new_tokens=8)
    for row, dialogue in enumerate(DIALOGUES):
        alone = model.generate(**padded([dialogue], utterances=len(dialogue)), num_beams=2, max_new_tokens=8)[0]
        assert together[row, : len(alone)].tolist() == alone.tolist()


def test_other_latent_numbers_give_other_answers():
    model = network(tie_word_embeddings=False)
    batch = {name: value.expand(8, -1, -1) for name, value in padded(DIALOGUES[:1]).items()}
    noise = 5 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    answers = model.generate(**batch, latent_noise=noise, max_new_tokens=6)
    assert len({tuple(row) for row in answers.tolist()}) > 1


@pytest.mark.parametrize(
    ("fields", "message"), [({"latent_size": 0}, "latent_size"), ({"free_bits": -1.0}, "free_bits")]
)
def test_sizes_that_make_no_latent_variable_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        VHREDConfig(**fields)


def test_family_passes_the_conformance_checks():
    check_family("seq2seq", "vhred")
