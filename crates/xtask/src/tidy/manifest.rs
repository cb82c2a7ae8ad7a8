//! What every member inherits from the root manifest: lints, versions, edition, licence.

use toml::Table;

use super::File;

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Members that go their own way.
pub(super) fn inherits(file: &File) -> Vec<String> {
    let table: Table = match toml::from_str(&file.text) {
        Ok(table) => table,
        Err(error) => return vec![format!("{}: {error}", file.path)],
    };
    let Some(package) = table.get("package").and_then(toml::Value::as_table) else {
        return Vec::new(); // the root
    };
    let inherited = |value: Option<&toml::Value>| {
        value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let mut findings = Vec::new();
    if !inherited(table.get("lints").and_then(|lints| lints.get("workspace").map(|_| lints))) {
        findings.push(format!("{}: needs `[lints] workspace = true`", file.path));
    }
    for key in INHERITED {
        if !inherited(package.get(key)) {
            findings.push(format!("{}: needs `{key}.workspace = true`", file.path));
        }
    }
    if !package.contains_key("description") {
        findings.push(format!("{}: needs a description", file.path));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in
            table.get(section).and_then(toml::Value::as_table).into_iter().flatten()
        {
            if !inherited(Some(value)) {
                findings.push(format!(
                    "{}: {name} needs `workspace = true`: versions stand in the root only",
                    file.path
                ));
            }
        }
    }
    findings
}
