//! Asking an admin listener: one blocking request, for the command line and tests.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Error;

/// Longest wait for a connection, and for each piece of the answer.
const WAIT: Duration = Duration::from_secs(10);

/// The same for a question with a body, which may be long to answer.
const QUESTION_WAIT: Duration = Duration::from_secs(60);

/// Longest answer read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What an admin listener answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks the admin listener at `address` for `path` with the query `parameters`.
///
/// # Errors
/// [`Error::AdminAsk`] if nobody answers there, or not in HTTP.
pub fn get(address: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> Result<Answer, Error> {
    ask(address, ("GET", path, parameters), None, WAIT)
        .map_err(|source| Error::AdminAsk { address, source })
}

/// Asks the admin listener at `address` the question at `path`, with a body.
///
/// # Errors
/// As [`get`].
pub fn post(
    address: SocketAddr,
    path: &str,
    parameters: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, Error> {
    ask(address, ("POST", path, parameters), Some(body), QUESTION_WAIT)
        .map_err(|source| Error::AdminAsk { address, source })
}

fn ask(
    address: SocketAddr,
    (method, path, parameters): (&str, &str, &[(&str, &str)]),
    body: Option<&[u8]>,
    wait: Duration,
) -> io::Result<Answer> {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut stream = TcpStream::connect_timeout(&address, WAIT)?;
    stream.set_read_timeout(Some(wait))?;
    stream.set_write_timeout(Some(wait))?;
    // 1.0: the answer ends with the connection and is never chunked.
    write!(stream, "{method} {path}{mark}{query} HTTP/1.0\r\nHost: {address}\r\n")?;
    if let Some(body) = body {
        let length = body.len();
        write!(stream, "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n")?;
        stream.write_all(body)?;
    } else {
        stream.write_all(b"\r\n")?;
    }
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    const BLANK: &[u8] = b"\r\n\r\n";
    let end = answer.windows(BLANK.len()).position(|bytes| bytes == BLANK)?;
    let (head, rest) = answer.split_at_checked(end)?;
    let status = str::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: rest.get(BLANK.len()..)?.to_vec() })
}
