"""The alert rules, tried by Prometheus' own tool: when each fires, and when it does not."""

import json
import subprocess
from pathlib import Path

from tests import prometheus

ROOT = Path(__file__).parents[1]
RULES = ROOT / "docs" / "alerts.yml"
PREDICTIONS, EXPECTED = "seedlings_predictions_total", "seedlings_expected_share"
REQUESTS, CORRECTIONS = "seedlings_requests_total", "seedlings_corrections_total"
SERVICE = {  # as a service is that has no trouble: values a minute, in promtool's words
    'up{job="seedlings"}': "1x300",
    f'{REQUESTS}{{route="/predict",status="200"}}': "0+100x300",
    f'{REQUESTS}{{route="/predict",status="429"}}': "0+1x300",
    'seedlings_request_seconds_bucket{route="/predict",le="0.5"}': "0+100x300",
    'seedlings_request_seconds_bucket{route="/predict",le="+Inf"}': "0+100x300",
    "seedlings_model_failures_total": "0x300",
    'seedlings_model_loads_total{outcome="served"}': "1x300",
    'seedlings_model_loads_total{outcome="refused"}': "0x300",
    'seedlings_model_version{model="seedlings"}': "3x300",
    f'{PREDICTIONS}{{species="Maize"}}': "0+50x300",
    f'{PREDICTIONS}{{species="Charlock"}}': "0+50x300",
    f'{EXPECTED}{{species="Maize"}}': "0.5x300",
    f'{EXPECTED}{{species="Charlock"}}': "0.5x300",
    "seedlings_unfamiliar_total": "0+2x300",
    "seedlings_expected_unfamiliar_share": "0.01x300",
    "seedlings_second_model_total": "0+2x300",
    f'{CORRECTIONS}{{species="Maize",outcome="right"}}': "0 30x300",
    f'{CORRECTIONS}{{species="Maize",outcome="wrong"}}': "0 3x300",
    f'{CORRECTIONS}{{species="Charlock",outcome="wrong"}}': "0x300",
}
CASES = [  # what is otherwise, the minute at which it is looked, and what fires then
    ({}, 240, ()),
    ({'up{job="seedlings"}': "1x5 0x300"}, 4, ()),
    ({'up{job="seedlings"}': "1x5 0x300"}, 8, ("SeedlingsDown",)),
    ({"seedlings_model_failures_total": "0+1x300"}, 10, ("SeedlingsModelFails",)),
    ({f'{REQUESTS}{{route="/predict",status="504"}}': "0+2x300"}, 20, ("SeedlingsServerErrors",)),
    ({f'{REQUESTS}{{route="/predict",status="429"}}': "0+10x300"}, 20, ("SeedlingsOverloaded",)),
    ({'seedlings_request_seconds_bucket{route="/predict",le="0.5"}': "0+90x300",
      'seedlings_request_seconds_bucket{route="/predict",le="5"}': "0+100x300"}, 30, ("SeedlingsSlow",)),
    ({'seedlings_model_loads_total{outcome="refused"}': "0x9 1x300"}, 12, ("SeedlingsVersionRefused",)),
    ({'seedlings_model_loads_total{outcome="refused"}': "0x9 1x300"}, 40, ()),
    ({'seedlings_model_version{model="seedlings",instance="b"}': "4x300"}, 30, ("SeedlingsVersionsDiffer",)),
    ({'seedlings_model_version{model="other"}': "1x300"}, 30, ()),
    ({f'{PREDICTIONS}{{species="Charlock"}}': "0+2x300"}, 180, ("SeedlingsOneSpeciesOnly",)),
    ({f'{CORRECTIONS}{{species="Charlock",outcome="wrong"}}': "0 40x300"}, 180, ("SeedlingsOftenCorrected",)),
    ({f'{CORRECTIONS}{{species="Maize",outcome="right"}}': "0 5x300"}, 180, ()),  # nearly half, of very few
    ({f'{EXPECTED}{{species="Maize"}}': "0.9x300", f'{EXPECTED}{{species="Charlock"}}': "0.1x300"}, 180, ()),
    ({f'{EXPECTED}{{species="Maize"}}': "0x300", f'{EXPECTED}{{species="Charlock"}}': "0.2x300",
      f'{EXPECTED}{{species="Cleavers"}}': "0.8x300"}, 180, ("SeedlingsSpeciesDrift",)),
    ({f'{PREDICTIONS}{{species="Dandelion"}}': "0+120x300"}, 180, ("SeedlingsSpeciesDrift",)),  # a species that nobody expected
    ({"seedlings_unfamiliar_total": "0+8x300"}, 180, ("SeedlingsPhotosDrift",)),
    ({"seedlings_unfamiliar_total": "0+8x300", "seedlings_expected_unfamiliar_share": "-1x300"}, 180, ()),  # a model that cannot tell
    ({"seedlings_second_model_total": "0+60x300"}, 180, ("SeedlingsOftenSecondModel",)),
]  # fmt: skip


def promtool(*arguments: str | Path) -> str:
    """What it said; a failure of it is one of the test."""
    done = subprocess.run([prometheus.program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_rules_and_configuration() -> None:
    promtool("check", "rules", RULES)
    promtool("check", "config", "--syntax-only", ROOT / "deploy" / "compose" / "prometheus.yml")


def test_each_rule_fires_when_it_is_to_and_not_before(tmp_path: Path) -> None:
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    tests = [
        {
            "interval": "1m",
            "name": f"{number}: {otherwise} at {minute} min",
            "input_series": [{"series": labelled(name), "values": values} for name, values in (SERVICE | otherwise).items()],
            "promql_expr_test": [
                {
                    "expr": firing,
                    "eval_time": f"{minute}m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
                }
            ],
        }
        for number, (otherwise, minute, names) in enumerate(CASES)
    ]
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", file)


def labelled(series: str) -> str:
    """With the name of a service, where the series says none."""
    if "instance=" in series:
        return series
    return f'{series[:-1]},instance="a"}}' if series.endswith("}") else f'{series}{{instance="a"}}'


def test_every_rule_is_tried() -> None:
    named = {line.split()[-1] for line in RULES.read_text().splitlines() if "- alert:" in line}
    assert named == {name for *_, names in CASES for name in names}
