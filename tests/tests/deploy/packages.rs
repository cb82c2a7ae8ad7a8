//! The packages (systemd, Docker, compose, Kubernetes): each valid where its own tool can say so, and all of them in agreement with the
//! program and with each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::server::binary;
use tests::skip;
use toml::Table;

use crate::{path, text};

const UNIT: &str = "deploy/systemd/sillage.service";
const IMAGE: &str = "deploy/Dockerfile";
const COMPOSE: &str = "deploy/compose.yaml";
const MANIFESTS: &str = "deploy/kubernetes/sillage.yaml";
/// The configuration that the packages share.
const CONFIG: &str = "deploy/sillage.toml";

/// A key of a configuration.
fn key(config: &str, section: &str, key: &str) -> String {
    let table: Table = toml::from_str(config).expect("a configuration");
    let value = table.get(section).and_then(|section| section.get(key));
    let value = value.unwrap_or_else(|| panic!("no {section}.{key}"));
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The default of a key.
fn default(section: &str, name: &str) -> String {
    key(&text("config/reference.toml"), section, name)
}

/// When the program gives up stopping in good order.
fn stop_max() -> Duration {
    seconds(default("node", "stop_max").trim_end_matches('s'))
}

fn seconds(number: &str) -> Duration {
    Duration::from_secs(number.trim().parse().unwrap_or_else(|_| panic!("{number} seconds")))
}

/// What stands behind `name` in the one line that begins with it.
fn line<'a>(file: &'a str, name: &str) -> &'a str {
    let mut found = file.lines().filter_map(|line| line.trim().strip_prefix(name));
    let line = found.next().unwrap_or_else(|| panic!("no line {name}"));
    assert_eq!(found.next(), None, "several lines {name}");
    line.trim()
}

/// The configuration in the manifests: a block of text, indented by four.
fn config_map() -> String {
    let file = text(MANIFESTS);
    let (_, behind) = file.split_once("sillage.toml: |\n").expect("a configuration");
    let block = behind
        .lines()
        .map_while(|line| if line.is_empty() { Some("") } else { line.strip_prefix("    ") });
    block.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_unit_is_hardened_and_stops_later_than_the_program_does() {
    let unit = text(UNIT);
    assert_eq!(line(&unit, "User="), "sillage");
    assert_eq!(line(&unit, "ProtectSystem="), "strict");
    assert_eq!(line(&unit, "NoNewPrivileges="), "yes");
    assert_eq!(line(&unit, "CapabilityBoundingSet="), "");
    assert_eq!(line(&unit, "RemoveIPC="), "no", "what a kill left in memory is the next one's");
    assert_eq!(line(&unit, "RestartPreventExitStatus="), "64");
    assert!(seconds(line(&unit, "TimeoutStopSec=")) > stop_max());
    let files: u64 = line(&unit, "LimitNOFILE=").parse().unwrap();
    let connections: u64 = default("edge", "connections_max").parse().unwrap();
    assert!(files > 2 * connections, "{files} files for {connections} connections");
    let state = Path::new("/var/lib").join(line(&unit, "StateDirectory="));
    assert!(Path::new(&key(&text(CONFIG), "node", "data_folder")).starts_with(&state));
    assert!(Path::new(&default("eventlog", "memory_folder")).starts_with("/dev/shm"));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("sillage.service");
    // It looks whether the program is there, and nothing else about it.
    fs::write(&unit, text(UNIT).replace("/usr/bin/sillage", "/bin/true")).unwrap();
    let Ok(said) = Command::new("systemd-analyze").arg("verify").arg(&unit).output() else {
        println!("skipped: systemd-analyze not found"); // nothing that a test could bring
        return;
    };
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && !text.contains("sillage.service"), "{text}");
}

#[test]
fn the_image_is_of_this_toolchain_runs_as_nobody_in_particular_and_agrees_with_its_configuration() {
    let image = text(IMAGE);
    let toolchain: Table = toml::from_str(&text("rust-toolchain.toml")).unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    assert!(image.contains(&format!("FROM rust:{channel}-slim")), "another toolchain: {image}");
    let user: u32 =
        line(&image, "USER ").parse().expect("a number, so that it is seen to be no root");
    assert!(user > 0 && image.contains(&format!("--uid {user} ")));
    let config = text(CONFIG);
    let data = key(&config, "node", "data_folder");
    assert!(Path::new(&data).starts_with(line(&image, "VOLUME ")));
    let copied = image.lines().filter_map(|line| line.strip_prefix("COPY "));
    for copy in copied.filter(|copy| !copy.starts_with("--from") && *copy != ". .") {
        assert!(path(copy.split(' ').next().unwrap()).is_file(), "{copy}");
    }
    let built = line(&image, "COPY --from=build ").split(' ').collect::<Vec<_>>();
    assert_eq!(built[0], "/src/target/release/sillage");
    assert_eq!(line(&image, "ENTRYPOINT "), format!("[\"{}\"]", built[1]));
    assert!(text("crates/sillage/Cargo.toml").contains("name = \"sillage\""));
    assert!(image.contains("cargo build --release --locked --package sillage --bin sillage"));
    let config_at = line(&image, "COPY deploy/sillage.toml ");
    assert!(line(&image, "CMD ").contains(config_at));
    for port in line(&image, "EXPOSE ").split(' ') {
        assert!(line(&image, "ENV ").contains(&format!("0.0.0.0:{port}")), "{port}");
    }
}

#[test]
fn compose_and_kubernetes_stop_later_than_the_program_and_name_its_ports_paths_and_user() {
    let (compose, manifests, image) = (text(COMPOSE), text(MANIFESTS), text(IMAGE));
    assert!(seconds(line(&compose, "stop_grace_period:").trim_end_matches('s')) > stop_max());
    assert!(seconds(line(&manifests, "terminationGracePeriodSeconds:")) > stop_max());
    let user = line(&image, "USER ");
    assert_eq!(line(&manifests, "runAsUser:"), user);
    assert_eq!(line(&manifests, "fsGroup:"), user);
    let volume = line(&image, "VOLUME ");
    assert!(compose.contains(&format!("- sillage:{volume}")));
    assert!(manifests.contains(&format!("mountPath: {volume} }}")));
    let config = config_map();
    for (section, name, port) in [("edge", "edge", "8080"), ("admin", "admin", "9464")] {
        assert!(key(&config, section, "listen").contains(&format!("0.0.0.0:{port}")));
        assert!(manifests.contains(&format!("{{ name: {name}, containerPort: {port} }}")));
        assert!(line(&image, "EXPOSE ").contains(port));
    }
    assert!(compose.contains("127.0.0.1:8080:8080\"") && !compose.contains("9464:9464"));
    for probe in ["startupProbe:", "livenessProbe:", "readinessProbe:", "PodDisruptionBudget"] {
        assert!(manifests.contains(probe), "{probe}");
    }
    assert!(text("deploy/prometheus/prometheus.yml").contains("job_name: sillage"));
    assert!(text("deploy/prometheus/prometheus.yml").contains("sillage:9464"));
    // What compose puts into the containers is there.
    let mounts = compose.lines().filter_map(|line| line.trim().strip_prefix("- ./"));
    for mount in mounts.filter(|mount| !mount.ends_with(".toml:ro")) {
        assert!(path("deploy").join(mount.split(':').next().unwrap()).is_dir(), "{mount}");
    }
}

/// A configuration with its files in `folder`, checked by the program.
fn check(folder: &Path, config: &str) {
    fs::write(folder.join("sillage.toml"), config).unwrap();
    let mut command = Command::new(binary());
    command.args(["check-config", "--config", "sillage.toml"]).current_dir(folder);
    for (name, file) in [("CATALOG_FILE", "catalog.toml"), ("KEY_FILE", "keys.toml")] {
        command.env(format!("SILLAGE__NODE__{name}"), file);
    }
    // As the image and the manifests give them.
    command.env("SILLAGE__EDGE__LISTEN", "[\"0.0.0.0:8080\"]");
    command.env("SILLAGE__ADMIN__LISTEN", "0.0.0.0:9464");
    let said = command.output().expect("run the binary");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_program_finds_the_configurations_of_the_packages_right() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(path("config/minimal-catalog.toml"), folder.path().join("catalog.toml")).unwrap();
    let mut keygen = Command::new(binary());
    assert!(keygen.args(["keygen", "keys.toml"]).current_dir(&folder).status().unwrap().success());
    check(folder.path(), &text(CONFIG));
    check(folder.path(), &config_map());
}

#[test]
fn docker_finds_the_composition_right() {
    let version = Command::new("docker").args(["compose", "version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("skipped: docker compose not found"); // nothing that a test could bring
        return;
    }
    let mut config = Command::new("docker");
    let said = config.args(["compose", "--file"]).arg(path(COMPOSE)).args(["config", "--quiet"]);
    let said = said.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// Where `cargo xtask test` puts the schemas of Kubernetes: `kubernetes/` in the target folder.
fn schemas() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    here.ancestors().nth(3).expect("the target folder").join("kubernetes")
}

#[test]
fn the_schemas_of_kubernetes_find_the_manifests_right_and_a_wrong_one_wrong() {
    let validate = |file: &Path| {
        let mut python = Command::new("python3");
        python.args(["-m", "kubernetes_validate", "--strict"]).arg(file);
        python.env("PYTHONPATH", schemas()).output()
    };
    if !schemas().join("kubernetes_validate").is_dir() {
        skip("kubernetes-validate");
        return;
    }
    let said = validate(&path(MANIFESTS)).expect("run python3");
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    fs::write(&wrong, text(MANIFESTS).replace("serviceName:", "serviceNames:")).unwrap();
    assert!(!validate(&wrong).expect("run python3").status.success(), "it checks nothing");
}
