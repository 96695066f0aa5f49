"""packaging.py FILE: that what Helm made of the chart is whole; prints the configuration in it."""

import re
import sys

import yaml

# Of each kind: its version, and what must be in it.
KINDS = {
    "ConfigMap": ("v1", ["data"]),
    "PersistentVolumeClaim": ("v1", ["spec.accessModes", "spec.resources.requests.storage"]),
    "Service": ("v1", ["spec.selector", "spec.ports"]),
    "Deployment": ("apps/v1", ["spec.selector.matchLabels", "spec.template.metadata.labels", "spec.template.spec.containers"]),
    "PodDisruptionBudget": ("policy/v1", ["spec.selector.matchLabels", "spec.maxUnavailable"]),
    "HorizontalPodAutoscaler": ("autoscaling/v2", ["spec.scaleTargetRef", "spec.minReplicas", "spec.maxReplicas", "spec.metrics"]),
    "Ingress": ("networking.k8s.io/v1", ["spec.rules", "spec.tls"]),
}
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def at(thing, path):
    for key in path.split("."):
        thing = thing[key]
    return thing


def chart(file):
    things = {}
    for thing in filter(None, yaml.safe_load_all(open(file))):
        kind = thing["kind"]
        version, paths = KINDS[kind]
        assert kind not in things, kind
        assert thing["apiVersion"] == version, thing["apiVersion"]
        for path in paths:
            assert at(thing, path) is not None, f"{kind}: {path}"
        for value in thing["metadata"]["labels"].values():
            assert isinstance(value, str) and LABEL.fullmatch(value), value
        things[kind] = thing
    pod = at(things["Deployment"], "spec.template")
    labels = pod["metadata"]["labels"].items()
    for kind, path in [("Deployment", "spec.selector.matchLabels"), ("Service", "spec.selector"), ("PodDisruptionBudget", "spec.selector.matchLabels")]:
        if kind in things:
            assert at(things[kind], path).items() <= labels, kind
    (container,) = pod["spec"]["containers"]
    probes = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}, probes
    ports = [port["name"] for port in container["ports"]]
    for port in at(things["Service"], "spec.ports"):
        assert port["targetPort"] in ports
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes, volumes
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    name = things["ConfigMap"]["metadata"]["name"]
    assert any(it.get("configMap", {}).get("name") == name for it in pod["spec"]["volumes"])
    scaled = things.get("HorizontalPodAutoscaler")
    assert not scaled or at(scaled, "spec.scaleTargetRef.name") == things["Deployment"]["metadata"]["name"]
    assert bool(scaled) == ("PodDisruptionBudget" in things) == ("PersistentVolumeClaim" not in things)
    sys.stdout.write(things["ConfigMap"]["data"]["config.toml"])


chart(sys.argv[1])
