//! Asking an admin listener: one blocking request, for the command line and tests.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Error;

/// Longest wait for a connection, and for each piece of the answer.
const WAIT: Duration = Duration::from_secs(10);

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
    ask(address, path, parameters).map_err(|source| Error::AdminAsk { address, source })
}

fn ask(address: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> io::Result<Answer> {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut stream = TcpStream::connect_timeout(&address, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    // 1.0: the answer ends with the connection and is never chunked.
    write!(stream, "GET {path}{mark}{query} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
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
