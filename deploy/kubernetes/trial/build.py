"""What the trial runs: programs built of Go modules, and other projects' definitions of objects out of theirs.

go.mod and go.sum beside this directory say which versions, and by their hashes that they are these; of modules of which only files are
read, the Go checksum database says it."""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("SEALPOST_KUBERNETES_CACHE", ROOT / "target/kubernetes"))
PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "helm3": "helm.sh/helm/v3/cmd/helm",
}
# Kinds of other projects that the chart has objects of, as these projects ship them.
DEFINITIONS = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ],
    "sigs.k8s.io/gateway-api@v1.6.3": ["config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml"],
    "github.com/envoyproxy/gateway@v1.9.1": ["charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml"],
    "github.com/cert-manager/cert-manager@v1.21.2": ["deploy/crds/cert-manager.io_certificates.yaml"],
    "github.com/kedacore/keda/v2@v2.21.0": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
}


def go(*arguments, **more):
    environment = os.environ | {"CGO_ENABLED": "0"}
    return subprocess.run(["go", *arguments], cwd=HERE, env=environment, check=True, text=True, **more)


def programs():
    """Builds what is not built of these versions yet; where they are, which Kubernetes it is, and how long it took."""
    started = time.monotonic()
    wanted = "".join((HERE / name).read_text() for name in ("go.mod", "go.sum"))
    stamp = CACHE / "built-of"
    binaries = CACHE / "bin"
    version = module_version("k8s.io/kubernetes")
    if stamp.exists() and stamp.read_text() == wanted and all((binaries / name).exists() for name in PROGRAMS):
        return binaries, version, 0.0
    binaries.mkdir(parents=True, exist_ok=True)
    for name, package in PROGRAMS.items():
        print(f"building {name}", file=sys.stderr, flush=True)
        go("build", "-trimpath", "-ldflags", f"-s -w {version_flags(version)}", "-o", str(binaries / name), package)
    stamp.write_text(wanted)
    return binaries, version, time.monotonic() - started


def module_version(module):
    return go("list", "-m", "-f", "{{.Version}}", module, stdout=subprocess.PIPE).stdout.strip()


def version_flags(version):
    """Without these a program believes that it is v0.0.0, and switches off what came after."""
    major, minor, _ = version.removeprefix("v").split(".")
    at = "k8s.io/component-base/version"
    return f"-X {at}.gitVersion={version} -X {at}.gitMajor={major} -X {at}.gitMinor={minor}"


def definitions():
    """The files of DEFINITIONS."""
    for module, names in DEFINITIONS.items():
        told = subprocess.run(["go", "mod", "download", "-json", module], cwd="/", check=True, text=True, stdout=subprocess.PIPE).stdout
        for name in names:
            yield pathlib.Path(json.loads(told)["Dir"]) / name
