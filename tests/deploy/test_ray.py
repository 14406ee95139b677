"""The job for KubeRay, held against what KubeRay publishes of its fields and against Kubernetes' own schema of pods."""

import copy
import json
import re
import shlex

import jsonschema
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from service.cli.predict import parser
from tests.deploy.conftest import ROOT
from tests.deploy.test_images import PROJECT

SCHEMA = json.loads((ROOT / "tests" / "deploy" / "rayjob_schema.json").read_text())
DOCKERFILE = (ROOT / "deploy" / "ray" / "Dockerfile").read_text()


@pytest.fixture
def job():
    return yaml.safe_load((ROOT / "deploy" / "ray" / "rayjob.yaml").read_text())


@pytest.fixture
def pods(job):
    cluster = job["spec"]["rayClusterSpec"]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_the_job_is_what_kuberay_accepts(job):
    assert [error.message for error in jsonschema.validators.validator_for(SCHEMA)(SCHEMA).iter_errors(job)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [(("backoffLimitz",), 1), (("backoffLimit",), "2"), (("rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0)],
)
def test_what_kuberay_refuses_is_noticed(job, path, value):
    wrong = copy.deepcopy(job)
    inside = wrong["spec"]
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_its_pods_are_what_kubernetes_accepts(pods):
    assert len(pods) == 2
    for pod in pods:
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"] | {"name": "ray"}, "spec": pod["spec"]}
        kubernetes_validate.validate(whole, kubernetes_validate.latest_version(), strict=True)


def test_its_pods_have_no_privileges(pods):
    for pod in pods:
        [container] = pod["spec"]["containers"]
        assert pod["spec"]["enableServiceLinks"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["spec"]["volumes"]}


def test_it_starts_the_command(job):
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:4] == ["python", "-m", "service", "predict"]
    options = parser().parse_args(words[4:])
    assert (options.engine, options.address) == ("ray", "auto")
    assert options.out


def test_its_image_has_what_the_project_needs(job, tool):
    assert tool("hadolint", "deploy/ray/Dockerfile") == ""
    installed = dict(re.findall(r"'([a-z0-9]+)(?:\[\w+\])?==([\d.]+)'", DOCKERFILE))
    extras = PROJECT["optional-dependencies"]
    needed = [Requirement(one) for extra in ("ray", "s3", "gcs") for one in extras[extra]]
    assert {one.name for one in needed} - {"fsspec"} == set(installed)  # torch brings fsspec
    assert all(one.specifier.contains(installed[one.name]) for one in needed if one.name in installed)
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == installed["ray"]
