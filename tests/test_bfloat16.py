"""Whether a processor computes in bfloat16: training and service share nothing, so each has the rule; the two are equal."""

import pytest
import torch

from service.inference import engine
from training import machine


@pytest.mark.parametrize(
    ("abilities", "made_for_it"),
    [
        ({}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"bf16": True, "neon": True}, True),
    ],
)
@pytest.mark.parametrize("taken", [False, True])
def test_both_sides_have_one_rule(monkeypatch: pytest.MonkeyPatch, abilities: dict[str, bool], made_for_it: bool, taken: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: taken)
    expected = made_for_it and taken and torch.backends.mkldnn.is_available()
    assert engine.computes_in_bfloat16() == machine.computes_in_bfloat16() == expected
