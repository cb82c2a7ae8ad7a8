#!/usr/bin/env python3
"""Click -> 302 on one core, beside nginx doing the same job.

usage: benches/redirect.py [--rounds 6] [--secs 5] [--sillage target/release/sillage]

Server on core 0, wrk on core 1: one thread, 64 keep-alive connections, a browser's headers, no cookie sent, consent granted,
so both servers set a cookie on every answer. nginx: 302 with $request_id, `userid on`, JSON access log (time, id, URI,
address, user agent, referrer, cookie) with buffer=64k flush=1s. Sillage: every event in the journal and fsynced within the
group-commit interval. Alternating rounds after a warm-up; medians. CPU per request is user + system time of the server's
processes from /proc, divided by the requests answered. nginx's error log must be empty afterwards, or the run is void; so
must be the edge's count of unrecorded events.
"""
import argparse, os, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml",
    "Accept-Language: fr-FR,fr;q=0.9",
    "Referer: https://blog.example.org/article",
]
TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes 1;
daemon off;
pid {run}/nginx.pid;
error_log {run}/nginx.err;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f; uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  log_format event escape=json '{{"time":"$msec","id":"$request_id","uri":"$request_uri","address":"$remote_addr","agent":"$http_user_agent","referrer":"$http_referer","cookie":"$uid_got$uid_set"}}';
  server {{
    listen 127.0.0.1:{port};
    location = /bare {{ return 302 https://shop.example.com/p/123?clid=01J8ZQ4T7W3K9XN5V2M6R0ABCD; }}
    location = /c {{
      userid on; userid_name vid; userid_expires 365d;
      access_log {run}/access.log event buffer=64k flush=1s;
      return 302 https://shop.example.com/p/123?clid=$request_id;
    }}
  }}
}}
"""

CATALOG = open(os.path.join(HERE, "catalog.toml")).read()
CONFIG = open(os.path.join(HERE, "edge-bench.toml")).read()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(port, process, log):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"the server ended at once:\n{open(log).read()[-2000:]}")
            time.sleep(0.05)
    sys.exit(f"port {port} did not open")


def family(pid):
    pids, todo = [], [pid]
    while todo:
        pid = todo.pop()
        pids.append(pid)
        for task in os.listdir(f"/proc/{pid}/task"):
            todo += map(int, open(f"/proc/{pid}/task/{task}/children").read().split())
    return pids


def cpu_seconds(pid):
    total = 0
    for p in family(pid):
        fields = open(f"/proc/{p}/stat").read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def wrk(url, seconds):
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}s", "--latency"]
    for header in HEADERS:
        command += ["-H", header]
    out = subprocess.run(command + [url], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: (.*)", out)
    if bad or errors:
        sys.exit(f"the run is void, not every answer was a redirect:\n{out}")
    return int(re.search(r"(\d+) requests in", out)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])


def measure(pid, url, seconds):
    before = cpu_seconds(pid)
    requests, rate = wrk(url, seconds)
    return rate, (cpu_seconds(pid) - before) / requests * 1e6


def metric(port, name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--secs", type=int, default=5)
    options.add_argument("--sillage", default=os.path.join(HERE, "..", "target", "release", "sillage"))
    options = options.parse_args()
    for part in ("nginx", "wrk", "taskset"):
        if not shutil.which(part):
            sys.exit(f"{part} not found: apt-get install nginx-light wrk util-linux")
    run = tempfile.mkdtemp(prefix="redirect-bench-")
    ports = {"nginx": free_port(), "edge": free_port(), "admin": free_port()}
    open(f"{run}/nginx.conf", "w").write(NGINX.format(run=run, port=ports["nginx"]))
    open(f"{run}/catalog.toml", "w").write(CATALOG)
    open(f"{run}/sillage.toml", "w").write(
        CONFIG.replace("@RUN@", run).replace("@EDGE@", str(ports["edge"])).replace("@ADMIN@", str(ports["admin"])))
    subprocess.run([options.sillage, "keygen", "--config", f"{run}/sillage.toml"], check=True, stdout=subprocess.DEVNULL)
    servers = {}
    try:
        for name, command in {
            "nginx": ["nginx", "-e", f"{run}/nginx.err", "-c", f"{run}/nginx.conf"],
            "edge": [options.sillage, "edge", "--config", f"{run}/sillage.toml"],
        }.items():
            log = f"{run}/{name}.out"
            servers[name] = subprocess.Popen(["taskset", "-c", "0", *command], stdout=open(log, "w"), stderr=subprocess.STDOUT)
            wait(ports[name], servers[name], log)
        peers = {
            "nginx, records nothing": ("nginx", f"http://127.0.0.1:{ports['nginx']}/bare?s1=hello&s2=x"),
            "nginx, the same job": ("nginx", f"http://127.0.0.1:{ports['nginx']}/c?s1=hello&s2=x"),
            "sillage": ("edge", f"http://127.0.0.1:{ports['edge']}/c/lea?s1=hello&s2=x&consent=granted"),
        }
        seen = {name: [] for name in peers}
        for name, (server, url) in peers.items():
            wrk(url, 2)
        for turn in range(options.rounds):
            for name, (server, url) in peers.items():
                rate, micros = measure(servers[server].pid, url, options.secs)
                seen[name].append((rate, micros))
                print(f"{turn + 1:3} {name:24} {rate:10.0f}/s {micros:7.2f} us CPU/request", flush=True)
        errors = open(f"{run}/nginx.err").read()
        unrecorded = metric(ports["admin"], "edge_events_unrecorded_total")
        if errors:
            sys.exit(f"void: nginx wrote errors:\n{errors[:500]}")
        if unrecorded:
            sys.exit(f"void: the edge could not record {unrecorded:.0f} events")
        base = seen["nginx, the same job"]
        print(f"\n{'median':24} {'req/s':>9} {'ratio':>7} {'CPU us':>7} {'ratio of CPU (nginx / it)':>26}")
        for name, values in seen.items():
            rate, micros = (statistics.median(v[i] for v in values) for i in (0, 1))
            rates = statistics.median(a[0] / b[0] for a, b in zip(values, base))
            cpus = statistics.median(b[1] / a[1] for a, b in zip(values, base))
            print(f"{name:24} {rate:9.0f} {rates:7.2f} {micros:7.2f} {cpus:26.2f}")
    finally:
        for server in servers.values():
            server.send_signal(signal.SIGTERM)
        for server in servers.values():
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
        shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    main()
