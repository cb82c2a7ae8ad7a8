//! A table as spreadsheets write it (RFC 4180): comma, semicolon or tab, quotation marks, any line end, each row with its line.

use std::borrow::Cow;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The line of the file on which it begins, from 1.
    pub(super) line: usize,
    /// Its cells.
    pub(super) cells: Vec<Cow<'a, str>>,
}

/// A row that cannot be split into cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Torn {
    /// The line on which the row begins.
    pub(super) line: usize,
    /// What is wrong and what to do.
    pub(super) why: &'static str,
}

/// The separator of a table: whichever stands more often in the header, outside of quotation marks.
pub(super) fn separator(text: &str) -> char {
    let (mut commas, mut semicolons, mut tabs, mut quoted) = (0_usize, 0_usize, 0_usize, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' | '\r' if !quoted => break,
            ',' if !quoted => commas += 1,
            ';' if !quoted => semicolons += 1,
            '\t' if !quoted => tabs += 1,
            _ => {}
        }
    }
    if tabs > commas.max(semicolons) {
        '\t'
    } else if semicolons > commas {
        ';'
    } else {
        ','
    }
}

/// The rows of a table. Rows without any text are left out.
pub(super) fn rows(text: &str, separator: char) -> Vec<Result<Row<'_>, Torn>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text, line: 1, separator };
    let mut rows = Vec::new();
    while !reader.rest.is_empty() {
        let row = reader.row();
        if !row.as_ref().is_ok_and(|row| row.cells.iter().all(|cell| cell.trim().is_empty())) {
            rows.push(row);
        }
    }
    rows
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    separator: char,
}

/// What ended a cell.
#[derive(PartialEq, Eq)]
enum End {
    Separator,
    Line,
}

impl<'a> Reader<'a> {
    fn row(&mut self) -> Result<Row<'a>, Torn> {
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let cell = match self.rest.strip_prefix('"') {
                Some(rest) => {
                    self.rest = rest;
                    self.quoted(line)?
                }
                None => Cow::Borrowed(self.plain()),
            };
            cells.push(cell);
            if self.end(line)? == End::Line {
                return Ok(Row { line, cells });
            }
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn plain(&mut self) -> &'a str {
        let separator = self.separator;
        let end = self.rest.find([separator, '\n', '\r']);
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// The rest of a quoted cell, its opening mark taken. Two marks are one.
    fn quoted(&mut self, line: usize) -> Result<Cow<'a, str>, Torn> {
        let mut whole: Cow<'a, str> = Cow::Borrowed("");
        loop {
            let Some(end) = self.rest.find('"') else {
                self.rest = "";
                let why = "a quotation mark opens a cell here and none closes it: close it";
                return Err(Torn { line, why });
            };
            let part = self.take(end);
            self.line += lines_in(part);
            self.take(1);
            whole = if whole.is_empty() { Cow::Borrowed(part) } else { whole + part };
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    self.rest = rest;
                    whole += "\"";
                }
                None => return Ok(whole),
            }
        }
    }

    fn end(&mut self, line: usize) -> Result<End, Torn> {
        if let Some(rest) = self.rest.strip_prefix(self.separator) {
            self.rest = rest;
            return Ok(End::Separator);
        }
        if self.rest.is_empty() {
            return Ok(End::Line);
        }
        for mark in ["\r\n", "\n", "\r"] {
            if let Some(rest) = self.rest.strip_prefix(mark) {
                self.rest = rest;
                self.line += 1;
                return Ok(End::Line);
            }
        }
        // Only behind a closing quotation mark: the rest of the line means nothing.
        let until = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        self.take(until);
        self.end(line)?;
        let why = "text follows a closing quotation mark: write a mark inside of a cell twice";
        Err(Torn { line, why })
    }
}

/// Line ends in a text.
fn lines_in(text: &str) -> usize {
    let lone =
        |(i, _): &(usize, &str)| !text.get(i + 1..).is_some_and(|rest| rest.starts_with('\n'));
    text.matches('\n').count() + text.match_indices('\r').filter(lone).count()
}

#[cfg(test)]
mod tests {
    use super::{Row, Torn, rows, separator};

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        let row = |row: Result<Row<'_>, Torn>| {
            let row = row.unwrap();
            (row.line, row.cells.iter().map(ToString::to_string).collect())
        };
        rows(text, separator(text)).into_iter().map(row).collect()
    }

    fn row(line: usize, cells: &[&str]) -> (usize, Vec<String>) {
        (line, cells.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rows_know_their_lines_however_lines_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "1,\"two\u{2029}", "three\",", "", ",", "4,5"].join(end);
            let text = text.replace(",\r\"", ",\"").replace('\u{2029}', "");
            let expected = [
                row(1, &["a", "b"]),
                (2, vec!["1".into(), format!("two{end}three"), String::new()]),
                row(6, &["4", "5"]),
            ];
            assert_eq!(read(&text), expected, "{end:?}");
            assert_eq!(read(&(text + end)), expected, "{end:?} at the end");
        }
    }

    #[test]
    fn the_header_tells_the_separator() {
        assert_eq!(read("a;b\n1,5;2\n"), [row(1, &["a", "b"]), row(2, &["1,5", "2"])]);
        assert_eq!(read("a\tb\n1,5\t2;3\n"), [row(1, &["a", "b"]), row(2, &["1,5", "2;3"])]);
        assert_eq!(read("a,\"x;y;z\"\n"), [row(1, &["a", "x;y;z"])]);
        assert_eq!(read("a\n1\n"), [row(1, &["a"]), row(2, &["1"])]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        assert_eq!(read("\u{feff}a,b"), [row(1, &["a", "b"])]);
        assert_eq!(read("\u{feff}\"a\",b"), [row(1, &["a", "b"])]);
    }

    #[test]
    fn marks_inside_of_a_cell_are_written_twice() {
        assert_eq!(read("\"say \"\"hi\"\", Léa\",\"\"\n"), [row(1, &["say \"hi\", Léa", ""])]);
        assert_eq!(read("5\" disk,x\n"), [row(1, &["5\" disk", "x"])], "not at the beginning");
    }

    #[test]
    fn a_torn_row_is_told_by_its_line_and_the_next_one_goes_on() {
        let seen = rows("a,b\n\"x\"y,1\n2,3\n4,\"open\n5,6\n", ',');
        let lines: Vec<_> =
            seen.iter().map(|row| row.as_ref().map(|r| r.line).map_err(|t| t.line)).collect();
        assert_eq!(lines, [Ok(1), Err(2), Ok(3), Err(4)]);
    }
}
