//! A small browser: one shopper's cookies and session over real HTTP. It follows no redirect; it reads where one leads.

use std::collections::BTreeMap;
use std::time::Duration;

use event::keys::Secret;
use event::{Clock as _, EventId};
use ureq::Body;
use ureq::http::Response;

use crate::clock::ScaledClock;

/// A request that takes longer has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What the edge answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// The event that the request made, by the answer's own word.
    pub event: Option<EventId>,
    /// Whether the answer promises that the event is on disk.
    pub durable: bool,
    pub location: Option<String>,
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}")]
pub(super) struct NoAnswer {
    method: &'static str,
    path: String,
    #[source]
    source: ureq::Error,
}

/// Connections to the edge, shared by the shoppers of one thread.
pub(super) struct Line {
    agent: ureq::Agent,
    base: String,
}

impl Line {
    pub(super) fn to(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .build();
        Self { agent: config.into(), base: base.to_owned() }
    }
}

/// One shopper's browser.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    pub user_agent: &'static str,
    /// The address that the proxy in front reports.
    pub address: String,
    cookies: BTreeMap<String, String>,
    /// The click id that the shop saw last on a landing and keeps in its session.
    pub session_click: Option<String>,
}

impl Browser {
    pub(super) fn new(user_agent: &'static str, address: String) -> Self {
        Self { user_agent, address, cookies: BTreeMap::new(), session_click: None }
    }

    /// A GET or HEAD as this shopper's browser, with its cookies.
    pub(super) fn get(
        &mut self,
        line: &Line,
        method: &'static str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, NoAnswer> {
        let url = format!("{}{path}", line.base);
        let mut request =
            if method == "HEAD" { line.agent.head(&url) } else { line.agent.get(&url) };
        request = request
            .header("user-agent", self.user_agent)
            .header("x-forwarded-for", &self.address)
            .header("x-country", "FR")
            .header("referer", "https://blog.example/article");
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer =
            request.call().map_err(|source| NoAnswer { method, path: path.into(), source })?;
        Ok(self.take(answer))
    }

    /// A form POST as this shopper's browser, from a page of `origin`.
    pub(super) fn post(
        &mut self,
        line: &Line,
        path: &str,
        (origin, json): (&str, &serde_json::Value),
    ) -> Result<Answer, NoAnswer> {
        let mut request = line
            .agent
            .post(format!("{}{path}", line.base))
            .header("user-agent", self.user_agent)
            .header("x-forwarded-for", &self.address)
            .header("content-type", "application/json")
            .header("origin", origin);
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        let answer = request.send(json.to_string()).map_err(|source| NoAnswer {
            method: "POST",
            path: path.into(),
            source,
        })?;
        Ok(self.take(answer))
    }

    fn cookie_header(&self) -> String {
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Keeps what the answer sets, forgets what it expires.
    fn take(&mut self, answer: Response<Body>) -> Answer {
        for set in answer.headers().get_all("set-cookie") {
            let Ok(text) = set.to_str() else { continue };
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let expired = attributes.split(';').any(|a| a.trim().eq_ignore_ascii_case("max-age=0"));
            if expired {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let summary = summary(&answer);
        // The body must be read to its end, or the connection cannot be used again.
        let mut body = answer.into_body();
        let _drained = body.read_to_vec();
        summary
    }
}

/// The shop's server reports an order with the program's token.
pub(super) fn server_call(
    line: &Line,
    (token, json): (&str, &serde_json::Value),
) -> Result<Answer, NoAnswer> {
    let answer = line
        .agent
        .post(format!("{}/v1/conversions", line.base))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(json.to_string())
        .map_err(|source| NoAnswer { method: "POST", path: "/v1/conversions".into(), source })?;
    let summary = summary(&answer);
    let mut body = answer.into_body();
    let _drained = body.read_to_vec();
    Ok(summary)
}

/// Signs calls of the shop's order system.
#[derive(Clone)]
pub(super) struct Signer {
    /// Name of the key.
    pub key: String,
    pub secret: Secret,
    /// The clock of the play: a signature holds for a while around its time.
    pub clock: ScaledClock,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The shop's order system says what became of an order.
pub(super) fn signed_call(
    line: &Line,
    signer: &Signer,
    json: &serde_json::Value,
) -> Result<Answer, NoAnswer> {
    const PATH: &str = "/v1/orders";
    let body = json.to_string();
    let timestamp = (signer.clock.now().0 / 1000).to_string();
    let nonce = format!("{:016x}", fastrand::u64(..));
    let signature = edge::Signable {
        method: "POST",
        path: PATH,
        query: "",
        body: body.as_bytes(),
        timestamp: &timestamp,
        nonce: &nonce,
    }
    .sign(&signer.secret);
    let answer = line
        .agent
        .post(format!("{}{PATH}", line.base))
        .header("content-type", "application/json")
        .header("sillage-key", &signer.key)
        .header("sillage-timestamp", timestamp)
        .header("sillage-nonce", nonce)
        .header("sillage-signature", format!("v1={signature}"))
        .send(body)
        .map_err(|source| NoAnswer { method: "POST", path: PATH.into(), source })?;
    let summary = summary(&answer);
    let mut body = answer.into_body();
    let _drained = body.read_to_vec();
    Ok(summary)
}

fn summary(answer: &Response<Body>) -> Answer {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    Answer {
        status: answer.status().as_u16(),
        event: header("sillage-event").and_then(|id| id.parse().ok()),
        durable: header("sillage-recorded") == Some("durable"),
        location: header("location").map(str::to_owned),
    }
}
