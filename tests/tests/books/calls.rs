//! Sends a stream's messages over several connections at once, signed; what got no answer is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use data_encoding::HEXLOWER;
use event::base64url;
use event::keys::KeyFile;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::http::{self, Reply};

use crate::shops::key_name;
use crate::stream::Message;

/// Calls at once.
const CALLERS: usize = 4;

const AGENT: (&str, &str) =
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0");

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Where calls go, and what they are signed with.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    /// The edge.
    pub(crate) address: SocketAddr,
    /// The keys of all programs.
    pub(crate) keys: KeyFile,
}

impl Shop {
    /// Sends all; returns those without an answer, to be sent again.
    ///
    /// # Panics
    /// If a call is refused: the stream is made of calls that are not.
    pub(crate) fn send(&self, messages: Vec<Message>) -> Vec<Message> {
        let waiting = Mutex::new(VecDeque::from(messages));
        let unanswered = Mutex::new(Vec::new());
        let next = || waiting.lock().unwrap().pop_front();
        std::thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    while let Some(message) = next() {
                        match self.call(&message) {
                            Ok(reply) if reply.status == 200 => {}
                            Ok(reply) if reply.status < 500 => {
                                panic!("{}: {message:?}", reply.text())
                            }
                            _ => unanswered.lock().unwrap().push(message),
                        }
                    }
                });
            }
        });
        unanswered.into_inner().unwrap()
    }

    fn call(&self, message: &Message) -> std::io::Result<Reply> {
        match message {
            Message::Report(program, report) => {
                let body = report.to_string();
                self.signed(program, "/v1/conversions", "application/json", &body)
            }
            Message::Acts(program, acts) => {
                let lines: Vec<String> = acts.iter().map(Value::to_string).collect();
                let form = if acts.len() == 1 { "json" } else { "x-ndjson" };
                let form = format!("application/{form}");
                self.signed(program, "/v1/orders", &form, &lines.join("\n"))
            }
            Message::Pixel(target) => {
                let host = self.address.to_string();
                http::call(self.address, "GET", &host, target, &[AGENT], &[])
            }
        }
    }

    fn signed(&self, program: &str, path: &str, form: &str, body: &str) -> std::io::Result<Reply> {
        let name = key_name(program);
        let key = self.keys.call.iter().find(|key| key.id == name).expect("the program's key");
        let secret = base64url::encode(&key.secret.0);
        let time = (now() / 1_000).to_string();
        let hash = HEXLOWER.encode(&Sha256::digest(body));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("POST\n{path}\n\n{hash}\n{time}\nn").as_bytes());
        let signature = format!("v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()));
        let headers = [
            ("Content-Type", form),
            ("Sillage-Key", &name),
            ("Sillage-Timestamp", &time),
            ("Sillage-Nonce", "n"),
            ("Sillage-Signature", &signature),
        ];
        let host = self.address.to_string();
        http::call(self.address, "POST", &host, path, &headers, body.as_bytes())
    }
}
