//! `cargo xtask test`: sets up what the tests drive, then runs all of them.

use std::env;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::in_ci;
use crate::services::{self, Running};
use crate::step::{self, cargo};

/// A program that some test drives: names it may have, and the Debian package that brings it.
struct Part {
    names: &'static [&'static str],
    package: &'static str,
    why: &'static str,
}

const PARTS: [Part; 12] = [
    Part {
        names: &["chromium", "chromium-browser", "google-chrome"],
        package: "chromium",
        why: "cookies, consent and the tag in a real browser",
    },
    Part { names: &["nginx"], package: "nginx-light", why: "stands in front of shop and edge" },
    Part {
        names: &["promtool"],
        package: "prometheus",
        why: "the alert rules, and the dashboards on a real scrape",
    },
    Part { names: &["chromedriver"], package: "chromium-driver", why: "drives the browser" },
    Part { names: &["python3"], package: "python3", why: "the acknowledgement checker" },
    Part { names: &["pip3"], package: "python3-pip", why: "brings the schemas of Kubernetes" },
    Part { names: &["node"], package: "nodejs", why: "the tag's unit tests" },
    Part { names: &["npm"], package: "npm", why: "brings the rules of accessibility" },
    Part { names: &["java"], package: "default-jre-headless", why: "runs Kafka" },
    Part { names: &["mvn"], package: "maven", why: "brings Kafka" },
    Part { names: &["redis-server"], package: "redis-server", why: "state of the stages" },
    Part { names: &["pg_ctlcluster", "postgres"], package: "postgresql", why: "books and reports" },
];

/// With what the default build leaves out, because it takes long to compile.
pub(crate) const FEATURES: [&str; 2] = ["--features", "eventlog/kafka,sillage/kafka"];

/// The packages that have a feature of that name.
const FEATURED: [&str; 2] = ["eventlog", "sillage"];

/// The packages whose tests talk to servers.
const SERVED: [&str; 2] = ["eventlog", "testkit"];

/// The rules that pages are held to, as npm names them.
const AXE: &str = "axe-core@4.14.1";

/// The schemas that the manifests are held to, as pip names them.
const SCHEMAS: &str = "kubernetes-validate==1.37.0";

/// Installs what is missing (as root on Debian), then runs `cargo test` over the workspace.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    set_up()?;
    bring_axe()?;
    bring_schemas()?;
    // The end-to-end tests drive the built binary; `cargo test` alone does not build it.
    let mut build = cargo();
    build.args(["build", "--package", "sillage", "--bin", "sillage", "--features", "kafka"]);
    step::run(build.arg("--locked"))?;
    let mut test = cargo();
    test.args(["test", "--locked"]);
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let one = named("-p") || named("--package");
    if one {
        for name in FEATURED.iter().filter(|name| named(name)) {
            test.args(["--features", &format!("{name}/kafka")]);
        }
    } else {
        test.arg("--workspace").args(FEATURES);
    }
    let served = !one || SERVED.into_iter().any(named);
    let servers = Running::start(if served { &services::Part::ALL } else { &[] })?;
    let tested = step::run(test.args(arguments));
    servers.stop()?;
    tested
}

fn set_up() -> anyhow::Result<()> {
    let missing: Vec<&Part> = PARTS.iter().filter(|part| !part.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|part| part.package).collect();
    if is_root() && finds("apt-get") {
        install(&packages)?;
    }
    for part in missing.iter().filter(|part| !part.is_there()) {
        println!("    missing: {} ({}); its tests are skipped", part.package, part.why);
    }
    let still: Vec<&str> =
        missing.iter().filter(|part| !part.is_there()).map(|part| part.package).collect();
    if still.is_empty() {
        return Ok(());
    }
    println!("    to run them: apt-get update && apt-get install {}", still.join(" "));
    if in_ci() {
        bail!("{} not found, and CI is set: every test must run", still.join(", "));
    }
    Ok(())
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    let apt = |arguments: &[&str]| {
        step::run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["-qq", "update"])?;
    let mut arguments = vec!["-qq", "install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

/// Puts axe-core where the tests look for it: `axe/` in the target folder.
fn bring_axe() -> anyhow::Result<()> {
    let here = env::current_exe()?;
    let folder = here.ancestors().nth(2).context("the target folder")?.join("axe");
    if !finds("npm") || folder.join("node_modules/axe-core/axe.min.js").is_file() {
        return Ok(());
    }
    let quietly = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    let mut npm = Command::new("npm");
    npm.arg("install").args(quietly).arg("--prefix").arg(&folder).arg(AXE);
    step::run(&mut npm)
}

/// Puts the schemas of Kubernetes where the tests look for them: `kubernetes/` in the target folder.
fn bring_schemas() -> anyhow::Result<()> {
    let here = env::current_exe()?;
    let folder = here.ancestors().nth(2).context("the target folder")?.join("kubernetes");
    if !finds("pip3") || folder.join("kubernetes_validate").is_dir() {
        return Ok(());
    }
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--no-warn-script-location", "--target"]);
    step::run(pip.arg(&folder).arg(SCHEMAS))
}

impl Part {
    fn is_there(&self) -> bool {
        self.names.iter().any(|name| finds(name))
    }
}

/// Whether `program` is in a folder of `PATH`.
pub(crate) fn finds(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
