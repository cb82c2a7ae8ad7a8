//! Which field of a JSON text stands at a byte: a reader's error knows the place, an operator thinks in fields.

/// The path of the innermost field whose key or value covers the byte at `offset`, such as `body.items[2].amount`;
/// empty at the top.
pub(super) fn field_at(json: &str, offset: usize) -> String {
    let mut found = String::new();
    walk(json, |at, path, _| {
        if at < offset {
            found = text(path);
        }
        at < offset
    });
    found
}

/// Where the field with this path begins: its key, or an entry of a list. None if the text has no such field.
pub(super) fn place_of(json: &str, path: &str) -> Option<usize> {
    let mut found = None;
    walk(json, |at, here, begins| {
        if begins && text(here) == path {
            found = Some(at);
        }
        found.is_none()
    });
    found
}

/// Shows the bytes that may change the path, each with the path behind it and whether a key or an entry of a list begins
/// there, until `go_on` answers no.
fn walk(json: &str, mut go_on: impl FnMut(usize, &[Step], bool) -> bool) {
    let mut path: Vec<Step> = Vec::new();
    let mut bytes = json.bytes().enumerate();
    let mut expects_key = false;
    let mut expects_entry = false;
    while let Some((at, byte)) = bytes.next() {
        if byte.is_ascii_whitespace() {
            continue;
        }
        if expects_entry && byte != b']' && !go_on(at, &path, true) {
            return;
        }
        expects_entry = false;
        let mut begins = false;
        match byte {
            b'"' => {
                let start = at + 1;
                let mut end = start;
                while let Some((at, byte)) = bytes.next() {
                    end = at;
                    match byte {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
                if expects_key && let Some(Step::Key(key)) = path.last_mut() {
                    // Names of fields have no escapes.
                    *key = json.get(start..end).unwrap_or_default().to_owned();
                    begins = true;
                }
            }
            b'{' => {
                path.push(Step::Key(String::new()));
                expects_key = true;
            }
            b'[' => {
                path.push(Step::Index(1));
                expects_key = false;
                expects_entry = true;
            }
            b':' => expects_key = false,
            b',' => match path.last_mut() {
                Some(Step::Key(key)) => {
                    key.clear();
                    expects_key = true;
                }
                Some(Step::Index(index)) => {
                    *index += 1;
                    expects_entry = true;
                }
                None => {}
            },
            b'}' | b']' => {
                path.pop();
                expects_key = false;
            }
            _ => continue,
        }
        if !go_on(at, &path, begins) {
            return;
        }
    }
}

fn text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Index(index) => {
                text.push_str(&format!("[{index}]"));
            }
        }
    }
    text
}

enum Step {
    Key(String),
    /// Entries of lists count from 1, as in the catalog's faults.
    Index(usize),
}

#[cfg(test)]
mod tests {
    use super::{field_at, place_of};

    /// The field at the `^` of a text.
    #[track_caller]
    fn check(marked: &str, field: &str) {
        let offset = marked.find('^').unwrap();
        assert_eq!(field_at(&marked.replacen('^', "", 1), offset), field, "{marked}");
    }

    #[test]
    fn a_place_in_a_value_is_its_field() {
        check(r#"{"a":1,"b":^2}"#, "b");
        check(r#"{"a":1^,"b":2}"#, "a");
        check(r#"{"a":{"b":"x"^}}"#, "a.b");
        check(r#"{"a":[1,{"b":tru^e}]}"#, "a[2].b");
    }

    #[test]
    fn a_place_after_a_value_is_what_is_around_it() {
        check(r#"{"a":{"b":1}^,"c":2}"#, "a");
        check(r#"{"a":{"b":1^}}"#, "a.b");
        check(r#"^{"a":1}"#, "");
    }

    #[test]
    fn braces_and_quotes_inside_texts_are_text() {
        check(r#"{"a":"}]{\"","b":^2}"#, "b");
    }

    #[test]
    fn a_field_begins_at_its_key_and_an_entry_at_its_value() {
        let json = r#" {"b":{"id":1,"a":[{"id":"a"}, {"id":2}]},"id":3}"#;
        let rest = |path| place_of(json, path).map(|at| &json[at..]);
        assert_eq!(rest("id"), Some(r#""id":3}"#));
        assert_eq!(rest("b.id").map(|rest| &rest[..6]), Some(r#""id":1"#));
        assert_eq!(rest("b.a[2]").map(|rest| &rest[..8]), Some(r#"{"id":2}"#));
        assert_eq!(rest("b.a[2].id").map(|rest| &rest[..6]), Some(r#""id":2"#));
        assert_eq!(rest("b.a[3]"), None);
    }
}
