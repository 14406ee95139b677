"""How records call what a run was made with."""

import hashlib

from training.references import reference


def test_a_name_with_the_start_of_the_digest():
    assert reference("soils", b"") == "soils@e3b0c44298fc"  # of nothing, as NIST's examples give it
    assert reference("soils", b"abc") == f"soils@{hashlib.sha256(b'abc').hexdigest()[:12]}" != reference("soils", b"abd")
