from __future__ import annotations

import pytest
import torch
from tsugiki_detection.segmentation.unet import UNetConfig, UNetForSemanticSegmentation, UNetModel


def tiny(**fields) -> UNetForSemanticSegmentation:
    torch.manual_seed(0)
    return UNetForSemanticSegmentation(UNetConfig(**{"width": 4, "depth": 3, "num_labels": 2, **fields}))


def test_at_the_papers_width_it_has_the_parameters_of_the_usual_implementation():
    with torch.device("meta"):
        model = UNetForSemanticSegmentation(UNetConfig(width=64, max_width=1024, num_labels=1))
    assert model.num_parameters() == 31_037_633  # milesial/Pytorch-UNet with 3 colours and 1 class


def test_the_default_has_less_than_a_million_parameters():
    with torch.device("meta"):
        assert UNetForSemanticSegmentation(UNetConfig()).num_parameters() == 843_938


@pytest.mark.parametrize("size", [(16, 24), (17, 31), (1, 1), (5, 40)])
def test_every_pixel_of_a_picture_of_any_size_is_answered(size):
    model = tiny().eval()
    assert model(torch.randn(2, 3, *size)).logits.shape == (2, 2, *size)


def test_a_picture_that_needs_padding_is_answered_as_the_padded_one():
    model = tiny().eval()
    picture = torch.randn(1, 3, 13, 22)
    padded = torch.nn.functional.pad(picture, (0, 2, 0, 3), mode="replicate")
    assert torch.equal(model(picture).logits, model(padded).logits[:, :, :13, :22])


@pytest.mark.parametrize("batch_norm", [True, False])
def test_features_are_the_picture_below_the_classifier(batch_norm):
    model = tiny(batch_norm=batch_norm).eval()
    picture = torch.randn(1, 3, 16, 16)
    features = model.unet(picture, output_hidden_states=True)
    assert torch.equal(model.classifier(features.last_hidden_state), model(picture).logits)
    sides = [state.shape[-1] for state in features.hidden_states]
    assert sides == [16, 8, 4, 2, 4, 8, 16]
    assert [state.shape[1] for state in features.hidden_states] == [4, 8, 16, 32, 16, 8, 4]


def test_a_model_of_another_number_of_classes_keeps_all_but_the_classifier():
    from tsugiki.transfer.graft import graft

    model = tiny()
    grafted = graft(model, {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}})
    assert grafted.classifier.out_channels == 3
    assert torch.equal(grafted.unet.bottleneck[0].weight, model.unet.bottleneck[0].weight)


def test_it_learns_one_picture_by_heart():
    model = tiny(dice_weight=1.0)
    picture = torch.zeros(2, 3, 24, 24)
    picture[:, :, 6:14, 5:17] = 1
    labels = (picture[:, 0] > 0).byte()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(20):
        optimizer.zero_grad()
        model(picture, labels=labels).loss.backward()
        optimizer.step()
    assert (model(picture).logits.argmax(1) == labels).float().mean() > 0.98


@pytest.mark.parametrize("field", [{"depth": 0}, {"width": 0}, {"dropout": 1.0}, {"dice_weight": -1}])
def test_sizes_that_describe_no_network_are_refused(field):
    with pytest.raises(Exception, match=next(iter(field))):
        UNetConfig(**field)


def test_hidden_layers_are_silenced_in_training_alone():
    model = UNetModel(UNetConfig(width=4, depth=2, dropout=0.5))
    picture = torch.randn(2, 3, 8, 8)
    model.train()
    assert not torch.equal(model(picture).last_hidden_state, model(picture).last_hidden_state)
    model.eval()
    assert torch.equal(model(picture).last_hidden_state, model(picture).last_hidden_state)
