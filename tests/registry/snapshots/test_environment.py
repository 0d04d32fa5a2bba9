"""What a snapshot was made with."""

from __future__ import annotations

from tsugiki.snapshots.environment import commit, hardware, required_distributions, versions


def test_what_it_ran_on():
    record = hardware(device="cpu", processes=2, precision="fp32")
    assert (record.device, record.processes, record.precision) == ("cpu", 2, "fp32")
    assert record.threads >= 1 and record.name
    assert {"python", "torch", "transformers", "tsugiki-toy"} <= versions("tsugiki-toy", "no-such-dist").keys()
    assert commit("/") is None


def test_parts_of_a_network_name_the_distributions_that_they_come_from():
    config = {"model_type": "tsugiki_made_of_parts", "encoder_config": {"model_type": "tsugiki_plain"}, "size": 3}
    assert required_distributions(config, "tsugiki-another") == ["tsugiki-toy"]
    assert required_distributions({"deep": {"deeper": config}}, "tsugiki-another") == ["tsugiki-toy"]
    assert required_distributions(config, "tsugiki-toy") == []
    assert required_distributions({"encoder_config": {"model_type": "resnet"}}, "tsugiki-another") == []
    assert required_distributions({"model_type": "tsugiki_plain", "encoder_config": None}, "tsugiki-another") == []
