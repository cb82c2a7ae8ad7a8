//! Sending acts through the public door: signed, batch by batch, again where the node asks for patience.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use edge::Signable;
use event::Clock;
use http::StatusCode;
use serde::Deserialize;
use ureq::Agent;

use super::batches::batches;
use super::key::SigningKey;
use super::preview::grouped;
use super::rows::{Act, RowFault};
use crate::clock::SystemClock;

/// Path of the endpoint.
const PATH: &str = "/v1/orders";
/// Longest wait for an answer; the edge itself waits 5 s for its disk.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Attempts of one batch, the first included.
const ATTEMPTS_MAX: u32 = 10;
/// Longest wait between two attempts that the node can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Time between two words about the progress.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Where acts are sent.
pub(super) struct Door<'a> {
    agent: Agent,
    url: String,
    host: Option<&'a str>,
    key: SigningKey<'a>,
}

/// What became of the acts.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Acts that are on disk.
    pub(super) stored: usize,
    /// Acts that the edge refused.
    pub(super) refused: Vec<RowFault>,
    /// Why it ended before all were sent.
    pub(super) stopped: Option<anyhow::Error>,
}

/// One line of an answer.
#[derive(Debug, Deserialize)]
struct Line {
    line: usize,
    result: String,
    #[serde(default)]
    message: String,
}

enum Answer {
    /// The lines of a batch.
    Lines(Vec<Line>),
    /// Not now.
    Later(Duration, String),
}

impl<'a> Door<'a> {
    /// The edge at `base`. `host` is what it calls itself, if it is reached by an address.
    pub(super) fn of(base: &str, host: Option<&'a str>, key: SigningKey<'a>) -> Self {
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_MAX))
            .build();
        Self {
            agent: config.into(),
            url: format!("{}{PATH}", base.trim_end_matches('/')),
            host,
            key,
        }
    }

    /// Sends all acts, or those until something stands in the way.
    pub(super) fn send(&self, acts: &[Act], mut say: impl FnMut(String)) -> Sent {
        let mut sent = Sent::default();
        let mut done = 0;
        let mut said = Instant::now();
        for (batch, body) in batches(acts) {
            match self.patiently(&body, &mut say).and_then(|lines| sent.take(batch, lines)) {
                Ok(()) => done += batch.len(),
                Err(error) => {
                    sent.stopped = Some(error);
                    return sent;
                }
            }
            if said.elapsed() >= PROGRESS_EVERY && done < acts.len() {
                said = Instant::now();
                say(format!("sent {} of {} orders", grouped(done), grouped(acts.len())));
            }
        }
        sent
    }

    fn patiently(&self, body: &[u8], say: &mut impl FnMut(String)) -> anyhow::Result<Vec<Line>> {
        let mut attempt = 1;
        loop {
            let (pause, why) = match self.once(body)? {
                Answer::Lines(lines) => return Ok(lines),
                Answer::Later(pause, why) => (pause, why),
            };
            if attempt == ATTEMPTS_MAX {
                bail!(
                    "{why}, {ATTEMPTS_MAX} times in a row. Does the node run, and is that the address of its edge? Else give it \
                     with --edge http://HOST:PORT"
                );
            }
            attempt += 1;
            say(format!("{why}; again in {} s", pause.as_secs()));
            std::thread::sleep(pause);
        }
    }

    fn once(&self, body: &[u8]) -> anyhow::Result<Answer> {
        let timestamp = (SystemClock.now().0 / 1000).to_string();
        let nonce = format!("{:016x}", fastrand::u64(..));
        let signed = Signable {
            method: "POST",
            path: PATH,
            query: "",
            body,
            timestamp: &timestamp,
            nonce: &nonce,
        };
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/x-ndjson")
            .header("sillage-key", self.key.id)
            .header("sillage-timestamp", &timestamp)
            .header("sillage-nonce", &nonce)
            .header("sillage-signature", format!("v1={}", signed.sign(self.key.secret)));
        if let Some(host) = self.host {
            request = request.header("host", host);
        }
        let mut answer = match request.send(body) {
            Ok(answer) => answer,
            // A batch that was stored all the same is stored twice and counts once.
            Err(error) => {
                let why = format!("no answer from {}: {error}", self.url);
                return Ok(Answer::Later(Duration::from_secs(1), why));
            }
        };
        let status = answer.status();
        let pause = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let pause = pause
            .and_then(|text| text.parse().ok())
            .map_or(Duration::from_secs(1), Duration::from_secs);
        let text = answer
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .context("read the answer of the edge")?;
        match status {
            StatusCode::OK | StatusCode::MULTI_STATUS => {
                let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
                Ok(Answer::Lines(lines.context("read the answer of the edge")?))
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let why = format!("the edge asks for patience ({status})");
                Ok(Answer::Later(pause.min(PAUSE_MAX), why))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "the edge does not take the signature of key {}: {}. Does the running node know the key and the catalog \
                 that names it? Send it a SIGHUP, and compare the clocks",
                self.key.id,
                message(&text)
            ),
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::MISDIRECTED_REQUEST => bail!(
                "{} answers {status}: {}. Is that the edge of the node, by a name of edge.hosts? Give it with --edge \
                 http://HOST:PORT",
                self.url,
                message(&text).trim_end_matches('.')
            ),
            other => bail!("the edge at {} answers {other}: {}", self.url, message(&text)),
        }
    }
}

/// What an answer says, without its JSON.
fn message(text: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let parsed: Result<Refusal, _> = serde_json::from_str(text);
    parsed.map_or_else(|_| text.trim().chars().take(300).collect(), |refusal| refusal.message)
}

impl Sent {
    fn take(&mut self, batch: &[Act], lines: Vec<Line>) -> anyhow::Result<()> {
        if lines.len() != batch.len() {
            bail!("the edge answers for {} of {} orders", lines.len(), batch.len());
        }
        for line in lines {
            let act = line.line.checked_sub(1).and_then(|i| batch.get(i));
            let act = act.with_context(|| format!("the edge answers for line {}", line.line))?;
            if line.result == "stored" {
                self.stored += 1;
            } else {
                let text = format!("order {}: {}", act.order, line.message);
                self.refused.push(RowFault { line: act.line, text });
            }
        }
        Ok(())
    }
}
