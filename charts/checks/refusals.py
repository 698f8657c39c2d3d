"""Values that cannot be used are refused, by a sentence that says what to do."""

import json

from . import Chart
from .helm import HELMS, Refused, template

EXTERNAL = {"valkey": {"enabled": False}, "redis": {"url": "redis://redis.data"}}
REFUSED = {
    "sealpost": [
        # The schema's.
        ({"replica": 3}, "replica"),
        ({"service": {"prot": 443}}, "prot"),
        ({"config": {"listen": {"max_connection": 1}}}, "max_connection"),
        ({"config": {"listen": {"max_connections": "many"}}}, "max_connections"),
        ({"config": {"drains": {}}}, "drains"),
        ({"config": {"store": {"durability": "replicas:0"}}}, "durability"),
        ({"autoscaling": {"hpa": {"enabled": True}, "keda": {"enabled": True}}}, "hpa"),
        ({"autoscaling": {"kind": "both"}}, "kind"),
        ({"image": {"digest": "sha256:1234"}}, "digest"),
        ({"relay": {"names": ["https://relay.example.org"]}}, "names"),
        # The store.
        ({"valkey": {"enabled": False}}, "There is no store: valkey.enabled is false, and neither redis.url nor redis.keys.url is set."),
        ({"redis": {"url": "redis://redis.data"}}, "Set valkey.enabled to false, or take redis out."),
        ({"redis": {"existingSecret": "redis"}}, "Set valkey.enabled to false, or take redis out."),
        (EXTERNAL | {"redis": {"url": "redis://a:secret@redis"}}, "redis.url holds a password"),
        (EXTERNAL | {"redis": {"url": "embedded:/data"}}, "The embedded store is for one relay"),
        (EXTERNAL | {"redis": {"url": "redis://a", "existingSecret": "redis"}}, "say in redis.keys which of its keys hold what"),
        (EXTERNAL | {"redis": {"url": "redis://a", "keys": {"password": "p"}}}, "redis.existingSecret does not say of which"),
        (EXTERNAL | {"redis": {"url": "redis://a", "existingSecret": "r", "keys": {"url": "u"}}}, "Take one of them out."),
        (EXTERNAL | {"redis": {"url": "redis://a", "existingSecret": "r", "keys": {"ca": "c"}}}, "write rediss in place of redis"),
        ({"config": {"store": {"durability": "replicas:1"}}}, "the chart's Valkey has none"),
        ({"valkey": {"maxmemory": "1gb"}}, "Raise the limit or lower valkey.maxmemory."),
        # TLS.
        ({"tls": {"mode": "existingSecret"}}, "name a Secret with tls.crt and tls.key"),
        ({"tls": {"existingSecret": "mine"}}, "set tls.mode to existingSecret"),
        ({"tls": {"mode": "certManager"}}, "tls.certManager.issuerRef names nobody who signs"),
        ({"tls": {"mode": "certManager", "certManager": {"issuerRef": {"name": "a"}}}}, "relay.names is empty"),
        ({"tls": {"certManager": {"issuerRef": {"name": "a"}}}}, "set tls.mode to certManager"),
        ({"tls": {"mode": "plaintext", "ticketKeysSecret": "keys"}}, "would not be used"),
        ({"tls": {"mode": "plaintext"}, "config": {"tls": {"min_version": "1.2"}}}, "would not be used"),
        # Settings with a value of their own, and those that do not go with probes.
        ({"config": {"relay": {"names": ["a"]}}}, "config.relay.names is decided by relay.names: take it out of config."),
        ({"config": {"listen": {"address": "[::]:1"}}}, "config.listen.address is decided by service.port"),
        ({"config": {"store": {"url": "redis://a", "ca": "/ca"}}}, "config.store.ca is decided by redis.keys.ca"),
        ({"config": {"tls": {"certificate": "/a"}}}, "config.tls.certificate is decided by tls.mode"),
        ({"config": {"tls": {"admin": "mutual"}}}, "the kubelet's probes show no certificate"),
        ({"test": {"vouchersSecret": "vouchers"}}, "config.admission.mode is not voucher"),
        # Leaving.
        ({"terminationGracePeriodSeconds": 29}, "relays take up to 30 s to leave"),
        ({"terminationGracePeriodSeconds": 60, "config": {"drain": {"deadline_ms": 90000}}}, "relays take up to 100 s to leave"),
        # Scaling.
        ({"autoscaling": {"kind": "hpa", "keda": {"serverAddress": "http://prometheus"}}}, "one of them scales"),
        ({"autoscaling": {"kind": "keda"}}, "does not say where Prometheus is"),
        ({"autoscaling": {"kind": "hpa", "minReplicas": 11}}, "autoscaling.minReplicas is more than autoscaling.maxReplicas"),
        ({"autoscaling": {"kind": "hpa", "cpuPercent": None, "streamsPerRelay": None}}, "nothing to go by"),
        ({"autoscaling": {"kind": "hpa"}, "resources": {"requests": {"cpu": None}}}, "resources.requests.cpu, which is not set"),
        # Traffic.
        ({"grpcRoute": {"enabled": True}, "relay": {"names": ["a.example"]}}, "names no Gateway"),
        ({"grpcRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}}, "there is no host name: set relay.names"),
        ({"ingress": {"enabled": True}}, "there is no host name: set relay.names"),
        ({"service": {"nodePort": 30000}}, "set service.type to NodePort or LoadBalancer"),
        ({"service": {"loadBalancerClass": "a"}}, "are for service.type LoadBalancer"),
        ({"service": {"externalTrafficPolicy": "Local"}}, "nothing comes from outside"),
        ({"metrics": {"monitor": "PodMonitor"}}, "say in networkPolicy.adminFrom where it is"),
    ],
    "sealpost-loadtest": [
        ({}, "relays names nobody to test"),
        ({"relays": ["https://a"], "generator": 2}, "generator"),
        ({"relays": ["http://a"]}, "plaintext to true"),
        ({"relays": ["https://a"], "plaintext": True}, "write http:// in relays"),
        ({"relays": ["https://a"], "generators": 3, "mailboxes": 1000}, "cannot be shared by 3 generators"),
    ],
}


def check(chart: Chart, update: bool):
    """Values that are taken although they should not, or refused without the sentence."""
    del update
    for values, sentence in REFUSED[chart.name]:
        for helm in HELMS:
            try:
                template(helm, chart.directory, None, *sets(values))
                yield f"{chart.name}: {helm} takes {values}"
            except Refused as refused:
                if sentence not in " ".join(str(refused).split()):
                    yield f"{chart.name}: {helm} refuses {values} and does not say “{sentence}”: {refused}"


def sets(values, path=""):
    """The values as arguments of --set-json."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from sets(value, f"{path}{key}.")
        else:
            yield f"{path}{key}={json.dumps(value)}"
