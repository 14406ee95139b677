"""The Kubernetes resources, built by kustomize and held against Kubernetes' own schemas."""

import asyncio
import json

import httpx
import kubernetes_validate
import pytest
import yaml

from service.app import create_app
from service.settings import Settings
from tests.deploy.conftest import ROOT, set_in_image

# What KServe puts beside a pod's own fields in a predictor.
PREDICTOR_FIELDS = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}


@pytest.fixture
def resources(tool):
    return {resource["kind"]: resource for resource in yaml.safe_load_all(tool("kubectl", "kustomize", "deploy/kubernetes"))}


@pytest.fixture
def pod(resources):
    return resources["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture
def predictor():
    return yaml.safe_load((ROOT / "deploy/kserve/inferenceservice.yaml").read_text())["spec"]["predictor"]


def validate(resource):
    kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)


async def status_of(path):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(Settings())), base_url="http://service") as client:
        return (await client.get(path)).status_code


def test_the_base_is_what_kubernetes_accepts(resources):
    assert resources.keys() == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    for resource in resources.values():
        validate(resource)


def test_the_inference_service_holds_a_pod_that_kubernetes_accepts(predictor):
    spec = {name: value for name, value in predictor.items() if name not in PREDICTOR_FIELDS}
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "seedlings"}, "spec": spec})
    assert predictor.keys() >= PREDICTOR_FIELDS


def test_autoscaler_and_service_point_at_the_deployment(resources):
    deployment = resources["Deployment"]
    target = resources["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for kind, selector in (("Service", ["selector"]), ("PodDisruptionBudget", ["selector", "matchLabels"])):
        selected = resources[kind]["spec"]
        for key in selector:
            selected = selected[key]
        assert selected.items() <= labels.items(), kind


def test_a_pod_is_given_more_time_than_its_drain_takes(pod):
    [container] = pod["containers"]
    environment = {item["name"]: item.get("value") for item in container["env"]}
    drain = Settings(grace_s=environment["SEEDLINGS_GRACE_S"]).grace_s
    assert pod["terminationGracePeriodSeconds"] > drain + container["lifecycle"]["preStop"]["sleep"]["seconds"]


def test_probes_ask_routes_that_exist(pod, predictor):
    for spec in (pod, predictor):
        [container] = spec["containers"]
        asked = [probe["httpGet"] for name, probe in container.items() if name.endswith("Probe")]
        paths = {probe["path"] for probe in asked}
        assert paths
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert {ports.get(probe["port"], probe["port"]) for probe in asked} == {set_in_image("SEEDLINGS_PROBE_PORT")}
        assert not {path for path in paths if asyncio.run(status_of(path)) == 404}


def test_links_of_services_set_no_settings(pod, predictor):
    assert pod["enableServiceLinks"] is False
    assert predictor["enableServiceLinks"] is False


def test_containers_have_no_privileges(pod, predictor):
    for spec in (pod, predictor):
        [container] = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_field_that_does_not_exist_is_noticed(resources):
    wrong = json.loads(json.dumps(resources["Deployment"]))
    wrong["spec"]["replicaz"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong)
