//! One HTTP/1.1 request on a connection of its own: all that tests need, and nothing repaired on the way.

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Longest silence of a peer.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Unreserved characters of RFC 3986 stay.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first field of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Names and values of the cookies that are set; an expired one has the value `None`.
    #[must_use]
    pub fn cookies(&self) -> Vec<(String, Option<String>)> {
        let fields = self.headers.iter().filter(|(field, _)| field == "set-cookie");
        fields
            .filter_map(|(_, value)| {
                let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
                let (name, value) = pair.split_once('=')?;
                let gone = attributes.to_ascii_lowercase().contains("max-age=0");
                Some((name.to_owned(), (!gone).then(|| value.to_owned())))
            })
            .collect()
    }
}

/// The bytes of one request. `host` and the length are added; the connection stays open unless the fields close it.
#[must_use]
pub fn request(
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Sends one request and reads the whole answer. `host` and the length are added; redirects are not followed.
pub fn call(
    address: SocketAddr,
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let headers = [&[("Connection", "close")], headers].concat();
    raw(address, &request(method, host, target, &headers, body), method == "HEAD")
}

/// Sends these bytes as they are and reads one answer.
pub fn raw(address: SocketAddr, bytes: &[u8], bodyless: bool) -> io::Result<Reply> {
    let mut stream = connect(address)?;
    stream.write_all(bytes)?;
    read_reply(&mut BufReader::new(stream), bodyless)
}

/// Sends requests over so many connections at once, one after another on each. Replies are in the order of the requests.
pub fn many(address: SocketAddr, requests: &[Vec<u8>], connections: usize) -> Vec<Reply> {
    let share = requests.len().div_ceil(connections).max(1);
    let ask = |requests: &[Vec<u8>]| -> io::Result<Vec<Reply>> {
        let mut stream = BufReader::new(connect(address)?);
        let mut ask = |request: &Vec<u8>| {
            stream.get_mut().write_all(request)?;
            read_reply(&mut stream, false)
        };
        requests.iter().map(&mut ask).collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            requests.chunks(share).map(|part| scope.spawn(move || ask(part))).collect();
        let parts = threads.into_iter().map(|thread| thread.join().expect("a thread of requests"));
        parts.flat_map(|part| part.expect("an answer to each request")).collect()
    })
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, SILENCE_MAX)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    Ok(stream)
}

pub(crate) fn read_reply(stream: &mut impl BufRead, bodyless: bool) -> io::Result<Reply> {
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| wrong(&format!("no status line: {line:?}")))?;
    let headers = read_headers(stream)?;
    let mut reply = Reply { status, headers, body: Vec::new() };
    if bodyless || status == 204 || status == 304 {
        return Ok(reply);
    }
    if let Some(length) = reply.header("content-length") {
        let length = length.parse().map_err(|_| wrong("content-length is no number"))?;
        reply.body.resize(length, 0);
        stream.read_exact(&mut reply.body)?;
    } else if reply.header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| wrong("chunk size"))?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            reply.body.extend_from_slice(&chunk[..size]);
        }
    } else {
        stream.read_to_end(&mut reply.body)?;
    }
    Ok(reply)
}

/// Header fields up to the empty line, names in lower case.
pub(crate) fn read_headers(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(headers);
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

/// `name=value&…`, percent-encoded.
#[must_use]
pub fn query(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| {
        format!("{}={}", utf8_percent_encode(name, QUERY), utf8_percent_encode(value, QUERY))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The value of a query's field, decoded.
#[must_use]
pub fn field(query: &str, name: &str) -> Option<String> {
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let plain = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&plain).decode_utf8_lossy().into_owned())
}
