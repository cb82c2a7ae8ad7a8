//! `config/reference.toml`: every key with its meaning, unit, range, default and reason, written from the types.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect_file;
use toml::{Table, Value};

use super::Config;
use super::read::load;

/// A section, the source of its type, and the type's name.
const SECTIONS: [(&str, &str, &str); 11] = [
    ("node", include_str!("../config.rs"), "NodeConfig"),
    ("edge", include_str!("../../../edge/src/config.rs"), "Config"),
    ("edge.conversions", include_str!("../../../edge/src/conversion/config.rs"), "Config"),
    ("eventlog", include_str!("../../../eventlog/src/config.rs"), "Config"),
    ("eventlog.kafka", include_str!("../../../eventlog/src/kafka/config.rs"), "Config"),
    ("dedup", include_str!("../../../dedup/src/config.rs"), "Config"),
    ("attribution", include_str!("../../../attribution/src/config.rs"), "Config"),
    ("ledger", include_str!("../../../ledger/src/config.rs"), "Config"),
    ("report", include_str!("../../../report/src/config.rs"), "Config"),
    ("admin", include_str!("../../../telemetry/src/admin.rs"), "Config"),
    ("log", include_str!("../../../telemetry/src/log.rs"), "Config"),
];

const HEAD: &str = "\
# Every key of the configuration with its default. Copy what you change, leave the rest away.
# A key can be overridden by the environment: SILLAGE__SECTION__KEY, such as SILLAGE__ADMIN__LISTEN.
# Written from the code by `cargo xtask docs`.

";

struct Field {
    docs: Vec<String>,
    name: String,
    kind: String,
}

/// The documentation and the fields of a struct, read from its source.
fn parse(source: &str, name: &str) -> (Vec<String>, Vec<Field>) {
    let mut lines = source.lines();
    let mut docs = Vec::new();
    for line in lines.by_ref() {
        let declared = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(rest) = declared.strip_prefix(&format!("struct {name} {{")) {
            if rest == "}" {
                return (docs, Vec::new());
            }
            break;
        }
        match line.strip_prefix("/// ") {
            Some(doc) => docs.push(doc.to_owned()),
            None if line.starts_with("#[") => {}
            None => docs.clear(),
        }
    }
    let mut fields = Vec::new();
    let mut field_docs = Vec::new();
    for line in lines.take_while(|line| *line != "}") {
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            field_docs.push(doc.trim_start().to_owned());
        } else if let Some(declared) = line.strip_prefix("pub")
            && let Some((name, kind)) =
                declared.trim_start_matches("(crate)").trim().split_once(": ")
        {
            let docs = std::mem::take(&mut field_docs);
            let kind = kind.trim_end_matches(',').to_owned();
            fields.push(Field { docs, name: name.to_owned(), kind });
        }
    }
    assert!(!fields.is_empty(), "no struct {name} in its source");
    (docs, fields)
}

/// A comment in the page, without the links of rustdoc.
fn comment(page: &mut String, docs: &[String]) {
    for doc in docs {
        let plain = doc.replace("[`", "`").replace("`]", "`");
        writeln!(page, "# {plain}").unwrap();
    }
}

/// Long durations in days: nobody thinks of 90 days as "2months 29days 2h 52m 48s".
fn in_days(value: &Value) -> Value {
    let long = value.as_str().filter(|text| text.contains("month") || text.contains("year"));
    match long.and_then(|text| humantime::parse_duration(text).ok()) {
        Some(long) if long.as_secs().is_multiple_of(86_400) => {
            Value::String(format!("{}days", long.as_secs() / 86_400))
        }
        _ => value.clone(),
    }
}

fn section(page: &mut String, path: &str, source: &str, name: &str, values: &Table) {
    let (docs, fields) = parse(source, name);
    comment(page, &docs);
    writeln!(page, "[{path}]").unwrap();
    let mut inner = Vec::new();
    for field in &fields {
        if SECTIONS.iter().any(|(section, ..)| *section == format!("{path}.{}", field.name)) {
            continue;
        }
        assert!(
            field.docs.join(" ").to_lowercase().contains("default"),
            "{path}.{}: its documentation names no default",
            field.name
        );
        match values.get(&field.name) {
            Some(Value::Table(values)) if source.contains(&format!("struct {} {{", field.kind)) => {
                inner.push((field, values));
            }
            value => {
                comment(page, &field.docs);
                match value.map(in_days) {
                    Some(value) => writeln!(page, "{} = {value}\n", field.name).unwrap(),
                    None => writeln!(page, "# {} =\n", field.name).unwrap(),
                }
            }
        }
    }
    for (field, values) in inner {
        section(page, &format!("{path}.{}", field.name), source, &field.kind, values);
    }
}

/// The paths of all keys.
fn keys(table: &Table) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (key, value) in table {
        paths.insert(key.clone());
        let inner = value.as_table().map(keys).unwrap_or_default();
        paths.extend(inner.iter().map(|path| format!("{key}.{path}")));
    }
    paths
}

/// The defaults, with an example for each key that has none.
fn example() -> Config {
    let mut config = Config::default();
    config.node.data_folder = "data".into();
    config.node.catalog_file = "config/sample-catalog.toml".into();
    config.node.key_file = "keys.toml".into();
    config
}

#[test]
fn the_reference_configuration_is_fresh() {
    let values = Table::try_from(example()).unwrap();
    let mut page = HEAD.to_owned();
    for (path, source, name) in SECTIONS {
        let found = path.split('.').fold(&values, |table, key| table[key].as_table().unwrap());
        section(&mut page, path, source, name, found);
    }
    assert_eq!(keys(&toml::from_str(&page).unwrap()), keys(&values), "each key is in the page");
    page.truncate(page.trim_end().len());
    page.push('\n');
    expect_file!["../../../../config/reference.toml"].assert_eq(&page);
}

#[test]
fn every_configuration_of_the_repository_is_accepted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for name in ["minimal.toml", "reference.toml"] {
        let config = load(&folder.join(name), std::iter::empty());
        let config = config.unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
        if name == "reference.toml" {
            assert_eq!(config, example(), "the reference names the defaults");
        }
    }
}
