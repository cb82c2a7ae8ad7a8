//! Acts on orders in: what became of an order after its conversion, one act or a batch of them.
//!
//! 1. Only signed calls: whoever may write what is paid proves it for every byte that it sends.
//! 2. 200 and 207 are said only when all acts of the call that are good are fsynced, by one commit.
//! 3. A name that is none of ours is refused: a typo must not change what is paid.
//! 4. The edge keeps no state of orders: whether the order is known, and which act holds, is decided elsewhere.

mod act;
mod answer;
mod call;
mod lines;

use bytes::Bytes;
use event::Topic;
use event::body::validation::ACTOR_BYTES_MAX;
use hyper::body::Incoming;

use crate::conversion::fields::cut;
use crate::conversion::unread;
use crate::core::Core;
use crate::metrics::Kind;
use crate::request::{Head, read_body};
use crate::response::{self, Reply};
use call::Form;

/// Who acted, where the call does not say: the key that signed.
pub(crate) fn actor_of(key: &str) -> String {
    cut(&format!("key:{key}"), ACTOR_BYTES_MAX).to_owned()
}

/// `POST /v1/orders`.
pub(crate) async fn orders(core: &Core, head: &Head, body: Incoming) -> Reply {
    let form = match Form::of(head) {
        Ok(form) => form,
        Err(refused) => return answer::refused(core, head, &refused),
    };
    match read_body(core, body, form.body_bytes_max()).await {
        Ok(body) => answer(core, head, &body, form).await,
        Err(fault) => answer::refused(core, head, &unread(fault, form.body_words())),
    }
}

async fn answer(core: &Core, head: &Head, body: &Bytes, form: Form) -> Reply {
    let judged = match core.catalog() {
        None => return response::not_stored(response::NO_CATALOG, response::NO_CATALOG_SECONDS),
        Some(catalog) => call::judge(core, head, body, form, &catalog),
    };
    let judged = match judged {
        Ok(judged) => judged,
        Err(refused) => return answer::refused(core, head, &refused),
    };
    if !judged.envelopes.is_empty() {
        let written = core.record_durable(Topic::Conversions, &judged.envelopes);
        let written = tokio::time::timeout(core.shared.config.handler_timeout, written).await;
        if !matches!(written, Ok(Ok(()))) {
            return answer::not_stored(core, head, &judged);
        }
        core.shared.metrics.accepted(Kind::Validation, judged.envelopes.len() as u64);
    }
    answer::judged(core, head, &judged)
}

#[cfg(test)]
mod tests;
