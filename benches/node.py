"""A node in a folder of its own, as the benches run it."""
import http.client, os, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
RELEASE = os.path.join(HERE, "..", "target", "release")
CATALOG = open(os.path.join(HERE, "catalog.toml")).read()
CONFIG = open(os.path.join(HERE, "edge-bench.toml")).read()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    """`with Node(...) as node` makes folder, configuration and keys, and stops and removes everything at its end."""

    def __init__(self, bin, role="serve", core=None, catalog=CATALOG, parent="/var/tmp"):
        self.run = tempfile.mkdtemp(prefix="sillage-bench-", dir=parent)
        self.edge, self.admin, self.process = free_port(), free_port(), None
        self.config, self.log = f"{self.run}/sillage.toml", f"{self.run}/out.log"
        self.sillage = os.path.join(bin, "sillage")
        pin = ["taskset", "-c", str(core)] if core is not None else []
        self.command = [*pin, self.sillage, role, "--config", self.config]
        self.write("catalog.toml", catalog)
        self.write("sillage.toml", CONFIG.replace("@RUN@", self.run).replace("@EDGE@", str(self.edge))
                   .replace("@ADMIN@", str(self.admin)))
        subprocess.run([self.sillage, "keygen", "--config", self.config], check=True, stdout=subprocess.DEVNULL)

    def write(self, name, text):
        with open(f"{self.run}/{name}", "w") as file:
            file.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.run, ignore_errors=True)

    def start(self):
        """Starts it without waiting for anything."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)

    def ready(self, seconds=30):
        """Waits until it says that it is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.alive()
            try:
                if self.ask("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        sys.exit(f"it is not ready after {seconds} s:\n{self.said()}")

    def alive(self):
        if self.process.poll() is not None:
            sys.exit(f"the node ended:\n{self.said()}")

    def said(self):
        return open(self.log).read()[-2000:]

    def ask(self, path):
        """Status and body of the admin listener's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name, label=""):
        """Sum over all labels that contain `label`."""
        lines = self.ask("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name) and label in line)

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
