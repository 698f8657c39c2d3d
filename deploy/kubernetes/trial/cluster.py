"""A Kubernetes control plane on this machine, on 127.0.0.1: etcd, the API server, controllers, the scheduler, and kwok in the place of
kubelets. All of it is in a temporary directory, and ends with this process."""

import atexit
import ctypes
import json
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 120
LIBC = ctypes.CDLL(None)
SERVER_NAME = "127.0.0.1"
# Who there is: the control plane's own parts have the rights that Kubernetes gives them.
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelets": ("kwok", "system:masters"),
    # Who installs the chart; of what they may do, see scenarios.
    "installer": ("installer", ""),
}
AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
    {"level": "Metadata", "verbs": ["create", "update", "patch", "delete"]}, {"level": "None"}]}


def free_port():
    with socket.socket() as listener:
        listener.bind((SERVER_NAME, 0))
        return listener.getsockname()[1]


def until(what, condition, patience=PATIENCE, pause=0.1):
    """Waits for a condition that says something true, and returns that."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if it := condition():
            return it
        time.sleep(pause)
    raise TimeoutError(f"not within {patience} s: {what}")


def follow():
    """In a child before it becomes a program: it is killed when the thread that started it is gone, however that ends."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Refused(Exception):
    """What the API server answered in place of what was asked for."""

    def __init__(self, status, answer):
        super().__init__(f"{status}: {answer.get('message', answer)}")
        self.status, self.answer = status, answer


class Cluster:
    def __init__(self, binaries, version):
        self.binaries, self.version = binaries, version
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="sealpost-kubernetes-"))
        # Programs of the control plane, by name; and what is run against it just now.
        self.children, self.asking = {}, set()
        atexit.register(self.stop)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.etcd, self.port = free_port(), free_port()
        self.server = f"https://{SERVER_NAME}:{self.port}"
        self.tokens = {user: secrets.token_hex(16) for user in USERS}

    def stop(self):
        for child in [*self.asking, *reversed(self.children.values())]:
            child.kill()
            child.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def start(self):
        """The control plane, until it serves."""
        self._etcd()
        self._server()
        self._rest()

    def _run(self, name, *arguments):
        with open(self.scratch / f"{name}.log", "w") as log:
            command = [str(self.binaries / name), *map(str, arguments)]
            self.children[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.scratch, preexec_fn=follow)

    def _etcd(self):
        peers = free_port()
        clients, peers = (f"http://{SERVER_NAME}:{port}" for port in (self.etcd, peers))
        # Nothing of this has to survive.
        self._run("etcd", "--data-dir", self.scratch / "etcd", "--listen-client-urls", clients, "--advertise-client-urls", clients,
                  "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}",
                  "--unsafe-no-fsync", "--log-level", "warn")

    def _server(self):
        key = self.scratch / "service-accounts.key"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True, capture_output=True)
        tokens = self.scratch / "tokens.csv"
        tokens.write_text("".join(f'{self.tokens[user]},{name},{name},"{groups}"\n' for user, (name, groups) in USERS.items()))
        (self.scratch / "audit.json").write_text(json.dumps(AUDIT))
        certificates = self.scratch / "server"
        self._run("kube-apiserver", "--etcd-servers", f"http://{SERVER_NAME}:{self.etcd}",
                  "--bind-address", SERVER_NAME, "--advertise-address", SERVER_NAME, "--secure-port", self.port, "--cert-dir", certificates,
                  "--token-auth-file", tokens, "--authorization-mode", "Node,RBAC", "--anonymous-auth=false",
                  "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-signing-key-file", key,
                  "--service-account-key-file", key, "--service-cluster-ip-range", "10.96.0.0/16",
                  # Its own address is no Endpoint that the API would take, and nothing here asks for it.
                  "--endpoint-reconciler-type", "none",
                  "--audit-policy-file", self.scratch / "audit.json", "--audit-log-path", self.scratch / "audit.log")
        self.authority = certificates / "apiserver.crt"
        until("the API server makes its certificate", self._alive(self.authority.exists))
        self.trust = ssl.create_default_context(cafile=str(self.authority))
        for user in USERS:
            self._kubeconfig(user)
        until("the API server is ready", self._alive(self._ready))

    def _rest(self):
        common = ["--leader-elect=false", "--bind-address", SERVER_NAME]
        self._run("kube-controller-manager", *common, "--secure-port", free_port(), "--cert-dir", self.scratch / "controllers",
                  "--kubeconfig", self.kubeconfig("controllers"), "--use-service-account-credentials",
                  "--service-account-private-key-file", self.scratch / "service-accounts.key", "--root-ca-file", self.authority,
                  # It looks this often whether there should be more relays.
                  "--horizontal-pod-autoscaler-sync-period", "2s")
        self._run("kube-scheduler", *common, "--secure-port", free_port(), "--cert-dir", self.scratch / "scheduler",
                  "--kubeconfig", self.kubeconfig("scheduler"))
        self._run("kwok", "--kubeconfig", self.kubeconfig("kubelets"), "--config", HERE / "stages.yaml", "--manage-all-nodes",
                  "--cidr", "10.244.0.0/16", "--node-ip", "10.243.0.1", "--server-address", f"{SERVER_NAME}:{free_port()}", "--node-lease-duration-seconds", 40)

    def _alive(self, condition):
        """The condition, and at once an error if a program has ended."""
        def check():
            for name, child in self.children.items():
                if child.poll() is not None:
                    raise RuntimeError(f"{name} ended:\n{self.log(name)}")
            return condition()
        return check

    def check(self):
        self._alive(lambda: True)()

    def log(self, name):
        return (self.scratch / f"{name}.log").read_text()[-3000:]

    def _ready(self):
        try:
            return self.ask("GET", "/readyz") == "ok"
        except (OSError, Refused):
            return False

    def kubeconfig(self, user):
        return self.scratch / f"{user}.kubeconfig"

    def _kubeconfig(self, user):
        self.kubeconfig(user).write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.server, "certificate-authority": str(self.authority)}}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": user}}]}))

    def ask(self, method, path, body=None, user="admin", kind="application/json"):
        """One call of the API."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": kind, "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.trust) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            raise Refused(error.code, json.loads(text) if text.startswith(b"{") else {"message": text.decode()}) from None
        return json.loads(text) if text.startswith(b"{") else text.decode()

    def create(self, path, **object):
        return self.ask("POST", path, object)

    def list(self, path):
        return self.ask("GET", path)["items"]

    def run(self, program, *arguments, user="installer", input=None):
        """What kubectl or helm says as somebody, with no configuration but this one: a pair of standard output and error."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.scratch / user), "KUBECONFIG": str(self.kubeconfig(user))}
        child = subprocess.Popen([str(self.binaries / program), *map(str, arguments)], env=environment, cwd=self.scratch, text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=follow)
        self.asking.add(child)
        try:
            said, complained = child.communicate(input)
        finally:
            self.asking.discard(child)
        if child.returncode:
            raise RuntimeError(f"{program} {' '.join(map(str, arguments[:2]))}: {(complained or said).strip()}")
        return said, complained
