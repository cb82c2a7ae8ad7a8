#!/usr/bin/env python3
"""Makes bots.txt anew from three public lists of crawlers; run it to update them, then run the crate's tests.

    python3 crates/edge/assets/agents/refresh.py

It installs nothing: the packages are downloaded into a temporary folder by their ordinary clients and only read.
"""

import ast
import json
import pathlib
import re
import subprocess
import tempfile
import zipfile

HERE = pathlib.Path(__file__).parent
SOURCES = [
    # package, client, version, licence, origin
    ("crawler-user-agents", "pip", "1.67.0", "MIT", "https://github.com/monperrus/crawler-user-agents"),
    ("crawlerdetect", "pip", "0.4.2", "MIT", "https://github.com/moskrc/crawlerdetect, of https://github.com/JayBizzle/Crawler-Detect 1.4.1"),
    ("isbot", "npm", "5.2.3", "Unlicense", "https://github.com/omrilotan/isbot"),
]
# Patterns that also match phones, apps or browsers of people, found with the half of the second list that the rules
# were tuned on (see agent/tests.rs); a narrower form stands in EXPANDED where there is one.
DROPPED = {
    "008/", "ap3a.240617.008", "astute", "butterfly", "demon", "ds9", "expanse", "fever", "fluid", "libwww", "octopus",
    "oppo a33", "qqdownload", "sogou", "sonic", "speedy", "voyager/", "webster", "zeus ",
    "()", "^amaya", "grab", "^duckduckgo", "^exodusmovement", "^navermailapp", "^netsurf", "^snapchat", "amaya", "browsex",
    "capture", "catch", "chromeframe", "discovery", "download", "firephp", "ibisbrowser", "library", "offbyone", "proxy",
    "radar", "supercleaner", "virtuoso", "|",
}
# What the regular expressions among the patterns stand for, written out.
EXPANDED = """adsbot-google wget sistrix_crawler ahrefsbot ahrefssiteaudit semrushbot livelapbot pingdom barkrowler ^sentry/
_sentry/ curebot feed-fetcher ^ptst/ _ptst/ claudebot acunetix dirbuster mechanize automaton newsify_feed_fetcher gotosocial
cludo contextualbot rss_reader netumo ^dart/ ^docker/ ^ng/ ^ruby aprc/ caam/ daumoa ^fever/ foda-scanner package_http
haartland_http_client haaartland_http_client imgproxy/ infrawatch/ outbrain modatscanner newsblur pathscan project_25499
project25499 sitemap_generator sitemaps_generator web_downloader/ xpymep y!j- sogou_web_spider sogou_spider sogou_inst_spider
sogou_pic_spider speedy_spider 80legs libwww-perl crawl headless archiver transcoder spider validator fetcher checker
extractor monitoring analyzer scraper""".split()


def literal(pattern):
    """The pattern as `[^]text[$]` in lower case, or None where it is more than a text."""
    pattern = re.sub(r"(?<!\\)\.(?![*+?])", r"\\.", pattern)
    start = "^" if pattern.startswith("^") else ""
    body = pattern[len(start):]
    end = "$" if body.endswith("$") and not body.endswith("\\$") else ""
    body = body[: len(body) - len(end)]
    if re.search(r"[\\^$.*+?\[\](){}|]", re.sub(r"\\[^\w]", "", body)):
        return None
    return start + re.sub(r"\\([^\w])", r"\1", body).lower() + end


def download(folder, package, client, version):
    if client == "pip":
        subprocess.run(["pip", "download", "-q", "--no-deps", "-d", folder, f"{package}=={version}"], check=True)
        wheel = next(pathlib.Path(folder).glob(package.replace("-", "_") + "*.whl"))
        zipfile.ZipFile(wheel).extractall(folder)
    else:
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        subprocess.run(["tar", "xzf", f"{package}-{version}.tgz"], check=True, cwd=folder)


def patterns(folder, package):
    folder = pathlib.Path(folder)
    if package == "crawler-user-agents":
        return [x["pattern"] for x in json.loads((folder / "crawleruseragents/crawler-user-agents.json").read_text())]
    if package == "crawlerdetect":
        tree = ast.parse((folder / "crawlerdetect/providers/crawlers.py").read_text())
        lists = [n for n in ast.walk(tree) if isinstance(n, (ast.List, ast.Tuple)) and len(n.elts) > 100]
        return [ast.literal_eval(e) for e in lists[0].elts]
    text = (folder / "package/index.js").read_text()
    return json.loads(re.search(r"patterns_default = (\[.*?\n\]);", text, re.S).group(1))


def main():
    seen, out = set(), ["# Texts of crawlers' user agents, in lower case; ^ and $ anchor. Made by refresh.py; licences: LICENSES.md."]
    with tempfile.TemporaryDirectory() as folder:
        for package, client, version, licence, origin in SOURCES:
            download(folder, package, client, version)
            found = patterns(folder, package)
            texts = {literal(p) for p in found} - {None} - DROPPED - seen
            texts = {t for t in texts if len(t.strip("^$")) >= 2}
            seen |= texts
            out.append(f"# {package} {version} ({licence}, {origin}): {len(found)} patterns, {len(texts)} texts not above")
            out += sorted(texts)
    texts = sorted({t.replace("_", " ") for t in EXPANDED} - seen)
    out.append(f"# regular expressions of the above, written out: {len(texts)} texts")
    out += texts
    (HERE / "bots.txt").write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
