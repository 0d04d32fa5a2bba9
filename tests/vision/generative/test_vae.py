from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.distributions import Bernoulli, Normal, kl_divergence
from tsugiki.testing import check_family
from tsugiki_vision.generative.vae import VAEConfig, VAEForImageGeneration, kl_from_standard_normal

TINY = {"image_size": 4, "hidden_sizes": (7,), "latent_size": 3}


def tiny(**config) -> VAEForImageGeneration:
    torch.manual_seed(0)
    return VAEForImageGeneration(VAEConfig(**{**TINY, **config})).eval()


def bits(count: int = 5) -> torch.Tensor:
    return torch.randint(0, 2, (count, 1, 4, 4), generator=torch.Generator().manual_seed(0)).float()


def test_network_of_the_paper_has_its_layers():
    # 500 hidden units on either side, as in section 5
    expected = (784 * 500 + 500) + (500 * 40 + 40) + (20 * 500 + 500) + (500 * 784 + 784)
    assert VAEForImageGeneration(VAEConfig()).num_parameters() == expected


def test_divergence_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(2, 6, 4)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_from_standard_normal(mean, log_variance), expected)


def test_bound_is_made_of_its_two_parts():
    model, pictures = tiny(), bits()
    output = model(pictures, labels=pictures)
    expected = -Bernoulli(logits=output.logits).log_prob(pictures).flatten(1).sum(1)
    torch.testing.assert_close(output.reconstruction_loss, expected)
    torch.testing.assert_close(
        output.kl_divergence, kl_from_standard_normal(output.latent_mean, output.latent_log_variance)
    )
    torch.testing.assert_close(output.negative_log_likelihood, output.reconstruction_loss + output.kl_divergence)
    torch.testing.assert_close(output.loss, output.negative_log_likelihood.mean())
    assert (output.kl_divergence >= 0).all()


def test_bound_lies_above_the_true_negative_log_likelihood():
    """With one latent number p(x) is an integral over a line, which can be done on a grid."""
    model, pictures = tiny(latent_size=1), bits()
    latents = torch.linspace(-8, 8, 4001)[:, None]
    log_prior = Normal(0.0, 1.0).log_prob(latents[:, 0])
    log_pictures = torch.stack(
        [Bernoulli(logits=model.decode(latents)).log_prob(one).flatten(1).sum(1) for one in pictures]
    )  # (N, grid)
    true = -(log_pictures + log_prior + torch.tensor(16 / 4000).log()).logsumexp(1)
    with torch.no_grad():
        mean, log_variance = model.encode(pictures)
        draws = mean + torch.randn(4000, len(pictures), 1) * (0.5 * log_variance).exp()
        cross_entropy = torch.stack(
            [
                -Bernoulli(logits=model.decode(draws[:, row])).log_prob(pictures[row]).flatten(1).sum(1).mean()
                for row in range(5)
            ]
        )
        bound = cross_entropy + kl_from_standard_normal(mean, log_variance)
    assert (bound > true - 1e-3).all()
    assert (bound < true + 5).all()  # and not far above, or the test would say nothing


def test_evaluation_gives_the_same_figure_in_any_batch_and_training_another():
    model, pictures = tiny(), torch.rand(5, 1, 4, 4)
    together = model(pictures).negative_log_likelihood
    alone = torch.cat([model(one[None]).negative_log_likelihood for one in pictures.flip(0)]).flip(0)
    torch.testing.assert_close(together, alone)
    model.train()
    assert not torch.equal(model(pictures).negative_log_likelihood, model(pictures).negative_log_likelihood)


def test_samples_are_probabilities_and_follow_the_generator():
    model = tiny()
    samples = model.sample(6, torch.Generator().manual_seed(1))
    assert samples.shape == (6, 1, 4, 4)
    assert ((samples > 0) & (samples < 1)).all()
    assert torch.equal(samples, model.sample(6, torch.Generator().manual_seed(1)))
    assert not torch.equal(samples, model.sample(6, torch.Generator().manual_seed(2)))


def test_training_raises_the_bound():
    model, pictures = tiny().train(), bits(2).repeat(20, 1, 1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        loss = model(pictures, labels=pictures).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] > 10  # 16 bits are 11.1 nats
    assert losses[-1] < 3  # two pictures equally often need 0.69


@pytest.mark.parametrize("hidden_sizes", [(), (6, 5)])
def test_any_number_of_layers(hidden_sizes):
    assert tiny(hidden_sizes=hidden_sizes)(bits()).logits.shape == (5, 1, 4, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"latent_size": 0}, "latent_size must be at least 1"), ({"rounding": "up"}, "rounding")],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        VAEConfig(**fields)


@pytest.mark.filterwarnings("ignore")
def test_family_passes_the_conformance_checks():
    check_family("vision", "vae", image_size=6, hidden_sizes=(8,), latent_size=3)
