//! Reads the bytes of a connection before hyper does: where heads and bodies begin and end, and what must not pass.
//!
//! hyper takes some requests that a proxy in front may read in another way: each is a way to smuggle a request past the
//! proxy. A head goes on to hyper only whole and only if both can read it in one way alone. Instead of a head that is
//! refused, hyper gets [`STAND_IN`], whose answer is the refusal; what follows it on the connection is dropped. A head
//! without body may be answered here ([`crate::express`]); then hyper never sees it.

use smallvec::SmallVec;

use crate::metrics::Rule;

/// Longest request target on the endpoints that take carts, in bytes. Others have a shorter limit of their own.
pub(crate) const TARGET_BYTES_MAX: usize = 32 * 1024;
/// Most header fields of a request.
pub(crate) const HEADER_FIELDS_MAX: usize = 64;
/// Most bytes of all header fields.
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Longest request line: target, method and version.
const REQUEST_LINE_BYTES_MAX: usize = TARGET_BYTES_MAX + 64;
/// Header fields for which a head's lines need no allocation: a browser behind a proxy sends fewer.
const FIELDS_USUAL: usize = 24;
/// Most digits of a chunk size: 2⁶⁰ bytes are more than any limit.
const CHUNK_DIGITS_MAX: u8 = 15;
/// Most bytes of a chunk's extension and of all trailers.
const CHUNK_EXTRA_BYTES_MAX: u32 = 4096;

/// What hyper gets in place of a refused head.
pub(crate) const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// What comes next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    ChunkSize {
        value: u64,
        digits: u8,
    },
    ChunkExtension {
        bytes: u32,
    },
    ChunkSizeEnd {
        value: u64,
    },
    ChunkData(u64),
    ChunkDataCr,
    ChunkDataLf,
    Trailer {
        bytes: u32,
        in_line: bool,
    },
    TrailerLf {
        bytes: u32,
        in_line: bool,
    },
    /// A head was refused; nothing more is read.
    Refused,
}

/// A head in its lines.
#[derive(Debug, Default)]
pub(crate) struct Lines<'t> {
    /// All of it, with its empty line.
    pub text: &'t [u8],
    /// The request line.
    pub request: &'t [u8],
    /// Name and trimmed value of each field, in order.
    pub fields: SmallVec<[(&'t [u8], &'t [u8]); FIELDS_USUAL]>,
}

/// The chunks of a body are not HTTP: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// The reader of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    state: State,
    /// Bytes of a head that is not whole yet.
    held: Vec<u8>,
    /// Size of the chunk whose extension is read.
    chunk: u64,
    /// Heads given to hyper.
    heads: u64,
    /// The head that was refused, by its number, and why.
    refused: Option<(u64, Rule)>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { state: State::Head, held: Vec::new(), chunk: 0, heads: 0, refused: None }
    }
}

impl Frames {
    /// The head that was refused, by its number, and why.
    pub(crate) const fn refused(&self) -> Option<(u64, Rule)> {
        self.refused
    }

    /// Heads given to hyper.
    pub(crate) const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether a part of a head was read.
    pub(crate) fn in_head(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether the next byte begins a head, or goes on with one.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.state == State::Head
    }

    /// Reads `input` and gives to `pass` what hyper may see, in order. Of heads without body it sees those that `answer`
    /// does not take.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        answer: &mut impl FnMut(&Lines<'_>) -> bool,
        pass: &mut impl FnMut(&[u8]),
    ) -> Result<(), Broken> {
        while !input.is_empty() {
            match self.state {
                State::Refused => return Ok(()),
                State::Head => input = self.head(input, answer, pass),
                State::Body(left) => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (part, rest) = input.split_at(n);
                    pass(part);
                    input = rest;
                    let left = left - n as u64;
                    self.state = if left == 0 { State::Head } else { State::Body(left) };
                }
                State::ChunkSize { .. }
                | State::ChunkExtension { .. }
                | State::ChunkSizeEnd { .. }
                | State::ChunkData(_)
                | State::ChunkDataCr
                | State::ChunkDataLf
                | State::Trailer { .. }
                | State::TrailerLf { .. } => input = self.chunked(input, pass)?,
            }
        }
        Ok(())
    }

    fn head<'i>(
        &mut self,
        mut input: &'i [u8],
        answer: &mut impl FnMut(&Lines<'_>) -> bool,
        pass: &mut impl FnMut(&[u8]),
    ) -> &'i [u8] {
        if self.held.is_empty() {
            // Empty lines before a request are skipped (RFC 9112, 2.2).
            while let [b'\r' | b'\n', rest @ ..] = input {
                input = rest;
            }
            let mut lines = Lines::default();
            match read_head(input, &mut lines) {
                Head::Whole { bytes, framing } => {
                    self.pass_head(&lines, framing, answer, pass);
                    return input.get(bytes..).unwrap_or_default();
                }
                Head::Refused(rule) => self.refuse(rule, pass),
                Head::Partial => self.held.extend_from_slice(input),
            }
            return &[];
        }
        let mut held = std::mem::take(&mut self.held);
        let before = held.len();
        held.extend_from_slice(input);
        // A head without its end is looked at again only when a line ends.
        if memchr::memchr(b'\n', input).is_none() && held.len() <= REQUEST_LINE_BYTES_MAX {
            self.held = held;
            return &[];
        }
        let mut lines = Lines::default();
        match read_head(&held, &mut lines) {
            Head::Whole { bytes, framing } => {
                self.pass_head(&lines, framing, answer, pass);
                return input.get(bytes.saturating_sub(before)..).unwrap_or_default();
            }
            Head::Refused(rule) => self.refuse(rule, pass),
            Head::Partial => {
                drop(lines);
                self.held = held;
            }
        }
        &[]
    }

    fn pass_head(
        &mut self,
        lines: &Lines<'_>,
        framing: State,
        answer: &mut impl FnMut(&Lines<'_>) -> bool,
        pass: &mut impl FnMut(&[u8]),
    ) {
        if framing != State::Head || !answer(lines) {
            pass(lines.text);
            self.heads += 1;
        }
        self.state = framing;
    }

    fn refuse(&mut self, rule: Rule, pass: &mut impl FnMut(&[u8])) {
        self.held = Vec::new();
        self.refused = Some((self.heads, rule));
        self.state = State::Refused;
        pass(STAND_IN);
    }

    /// Follows the chunks of a body byte by byte, their data in runs.
    fn chunked<'i>(
        &mut self,
        input: &'i [u8],
        pass: &mut impl FnMut(&[u8]),
    ) -> Result<&'i [u8], Broken> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if let State::ChunkData(left) = self.state {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - at);
                at += n;
                let left = left - n as u64;
                self.state = if left == 0 { State::ChunkDataCr } else { State::ChunkData(left) };
                continue;
            }
            self.state = self.chunk_byte(byte)?;
            at += 1;
            if self.state == State::Head {
                break;
            }
        }
        let (part, rest) = input.split_at(at);
        pass(part);
        Ok(rest)
    }

    fn chunk_byte(&mut self, byte: u8) -> Result<State, Broken> {
        Ok(match (self.state, byte) {
            (State::ChunkSize { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                if digits < CHUNK_DIGITS_MAX =>
            {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'f' => byte - b'a' + 10,
                    _ => byte - b'A' + 10,
                };
                State::ChunkSize { value: (value << 4) | u64::from(digit), digits: digits + 1 }
            }
            (State::ChunkSize { value, digits: 1.. }, b'\r') => State::ChunkSizeEnd { value },
            (State::ChunkSize { value, digits: 1.. }, b';') => {
                self.chunk = value;
                State::ChunkExtension { bytes: 0 }
            }
            (State::ChunkExtension { .. }, b'\r') => State::ChunkSizeEnd { value: self.chunk },
            (State::ChunkExtension { bytes }, b' '..=b'~' | b'\t')
                if bytes < CHUNK_EXTRA_BYTES_MAX =>
            {
                State::ChunkExtension { bytes: bytes + 1 }
            }
            (State::ChunkSizeEnd { value: 0 }, b'\n') => {
                State::Trailer { bytes: 0, in_line: false }
            }
            (State::ChunkSizeEnd { value }, b'\n') => State::ChunkData(value),
            (State::ChunkDataCr, b'\r') => State::ChunkDataLf,
            (State::ChunkDataLf, b'\n') => State::ChunkSize { value: 0, digits: 0 },
            (State::Trailer { bytes, in_line }, b'\r') => State::TrailerLf { bytes, in_line },
            (State::Trailer { bytes, .. }, b' '..=b'~' | b'\t' | 0x80..)
                if bytes < CHUNK_EXTRA_BYTES_MAX =>
            {
                State::Trailer { bytes: bytes + 1, in_line: true }
            }
            (State::TrailerLf { bytes, in_line: true }, b'\n') => {
                State::Trailer { bytes, in_line: false }
            }
            (State::TrailerLf { in_line: false, .. }, b'\n') => State::Head,
            _ => return Err(Broken),
        })
    }
}

enum Head {
    Whole { bytes: usize, framing: State },
    Partial,
    Refused(Rule),
}

#[derive(Default)]
struct Fields {
    count: usize,
    length: Option<u64>,
    chunked: bool,
}

/// Looks for the end of the head at the start of `text` and at everything that decides about its body. Finds its lines.
fn read_head<'t>(text: &'t [u8], lines: &mut Lines<'t>) -> Head {
    let mut at = 0;
    let mut fields_from = 0;
    let mut fields = Fields::default();
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else {
            // A line without end is judged by its length.
            return if fields_from == 0 && rest.len() > REQUEST_LINE_BYTES_MAX {
                Head::Refused(Rule::UriLength)
            } else if fields_from > 0 && text.len() - fields_from > HEADER_BYTES_MAX {
                Head::Refused(Rule::HeaderBytes)
            } else {
                Head::Partial
            };
        };
        let line = rest.get(..end).unwrap_or_default();
        let [line @ .., b'\r'] = line else { return Head::Refused(Rule::BareLineFeed) };
        at += end + 1;
        if fields_from == 0 {
            if line.len() > REQUEST_LINE_BYTES_MAX {
                return Head::Refused(Rule::UriLength);
            }
            let version = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
            if !version || memchr::memchr2(b'\r', 0, line).is_some() {
                return Head::Refused(Rule::Malformed);
            }
            lines.request = line;
            fields_from = at;
            continue;
        }
        if line.is_empty() {
            let framing = match (fields.length, fields.chunked) {
                (Some(_), true) => return Head::Refused(Rule::LengthAndEncoding),
                (None, true)
                    if text.get(..fields_from).is_some_and(|l| l.ends_with(b"1.0\r\n")) =>
                {
                    return Head::Refused(Rule::TransferEncoding); // HTTP/1.0 has none
                }
                (None, true) => State::ChunkSize { value: 0, digits: 0 },
                (None | Some(0), false) => State::Head,
                (Some(length), false) => State::Body(length),
            };
            lines.text = text.get(..at).unwrap_or_default();
            return Head::Whole { bytes: at, framing };
        }
        fields.count += 1;
        if fields.count > HEADER_FIELDS_MAX {
            return Head::Refused(Rule::HeaderFields);
        }
        if at - fields_from > HEADER_BYTES_MAX {
            return Head::Refused(Rule::HeaderBytes);
        }
        match fields.read(line) {
            Ok(field) => lines.fields.push(field),
            Err(rule) => return Head::Refused(rule),
        }
    }
}

impl Fields {
    /// Reads one header line: name and trimmed value. Only the two that decide about the body matter, and what could be
    /// taken for them.
    fn read<'t>(&mut self, line: &'t [u8]) -> Result<(&'t [u8], &'t [u8]), Rule> {
        // Names are short: one byte after the other is faster than a search made for long texts.
        let colon = line.iter().position(|b| *b == b':').ok_or(Rule::Malformed)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let Some(b' ' | b'\t') = name.last() {
            return Err(Rule::Malformed);
        }
        match name.first() {
            Some(b'T' | b't' | b'C' | b'c') => {}
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-') => {
                return Ok((name, value));
            }
            // A folded line, an empty name, or a control byte that only some readers skip.
            _ => return Err(Rule::Malformed),
        }
        if name.iter().any(|b| b.is_ascii_control() || *b == b' ' || *b >= 0x80) {
            return Err(Rule::Malformed);
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Rule::TransferEncoding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits =
                !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| digits);
            let length = length.and_then(|text| text.parse::<u64>().ok()).ok_or(Rule::Malformed)?;
            if self.length.is_some_and(|other| other != length) {
                return Err(Rule::Malformed);
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer_encoding")
            || name.eq_ignore_ascii_case(b"content_length")
        {
            return Err(Rule::Malformed);
        }
        Ok((name, value))
    }
}

#[cfg(test)]
mod tests;
