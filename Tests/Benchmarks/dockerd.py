"""A Docker daemon of our own, in folders and with a bridge of its own, so that it disturbs no other one."""

import os
import shutil
import subprocess

from fleet import Process, Unavailable, eventually


def obstacle() -> str | None:
    if os.geteuid() != 0:
        return "dockerd needs root"
    for program, package in [("dockerd", "docker.io"), ("docker", "docker.io"), ("ip", "iproute2"),
                             ("busybox", "busybox-static"), ("tar", "tar")]:
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"{program} is not installed: apt-get install {package}"
    return None


class Docker:
    """Use as a context manager."""

    def __init__(self, scratch: str):
        if reason := obstacle():
            raise Unavailable(reason)
        self.folder = f"{scratch}/docker"
        os.makedirs(self.folder)
        self.socket = f"{self.folder}/docker.sock"
        self.bridge = f"mbench{os.getpid() % 100_000}"

    def __enter__(self):
        subnet = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        run("ip", "link", "add", "name", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{subnet}.1/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        self.process = Process(
            "dockerd",
            ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile",
             f"{self.folder}/pid", "-H", f"unix://{self.socket}", "--bridge", self.bridge, "--iptables=false",
             "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"], f"{self.folder}/log")
        try:
            eventually("dockerd answers", 60, lambda: self.docker("version", check=False).returncode == 0, every=0.2)
        except TimeoutError:
            reason = self.process.tail(5)
            self.__exit__()
            raise Unavailable(f"dockerd does not start here: {reason}") from None
        self.import_busybox()
        return self

    def __exit__(self, *_):
        if self.process.is_running():
            identifiers = self.docker("ps", "--all", "--quiet", check=False).stdout.split()
            if identifiers:
                self.docker("rm", "--force", *identifiers, check=False)
        self.process.end(20)
        run("ip", "link", "delete", self.bridge, check=False)

    def import_busybox(self) -> None:
        root, archive = f"{self.folder}/root", f"{self.folder}/busybox.tar"
        os.makedirs(root)
        shutil.copy(shutil.which("busybox"), f"{root}/busybox")
        run("tar", "-cf", archive, "-C", root, "busybox")
        self.docker("import", "-c", 'ENTRYPOINT ["/busybox"]', archive, "busybox:bench")

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        return run("docker", "-H", f"unix://{self.socket}", *arguments, check=check)

    def run_idle(self, count: int) -> None:
        for number in range(count):
            self.docker("run", "--detach", "--name", f"idle-{number}", "busybox:bench", "sleep", "100000")


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
    return done
