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
use catalog::ProgramRef;
use event::body::Validation;
use event::body::validation::ACTOR_BYTES_MAX;
use event::{Millis, Topic};
use hyper::body::Incoming;

use crate::conversion::fault::FieldFault;
use crate::conversion::fields::cut;
use crate::conversion::unread;
use crate::core::Core;
use crate::metrics::Kind;
use crate::request::{Head, read_body};
use crate::response::{self, Reply};
use act::Given;
use call::Form;

pub use call::{BATCH_BYTES_MAX, BATCH_LINES_MAX};

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

/// An act as [`read_act`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What would be stored, but for who acted and, without one of its own, the id of the act.
    pub validation: Validation,
    /// When it happened, if it says so; never later than its receipt.
    pub at: Option<Millis>,
    /// What its sender should know although nothing is refused.
    pub warnings: Vec<String>,
}

/// Why an act is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActFault {
    /// The field that is wrong, such as `items[2].qty`; none if the object as a whole is.
    pub field: Option<String>,
    /// What is wrong with it, going on from its name; without one a sentence of its own.
    pub why: String,
}

/// Reads the JSON object of one act by the rules of `POST /v1/orders`, for whoever must know what it would say without
/// sending it.
///
/// # Errors
/// Every fault.
pub fn read_act(
    json: &[u8],
    program: ProgramRef<'_>,
    received_at: Millis,
) -> Result<Act, Vec<ActFault>> {
    let whole = |why: String| vec![ActFault { field: None, why }];
    let given = Given::read(json).map_err(|why| whole(why.to_string()))?;
    if !given.is_of(program.name()) {
        return Err(whole(format!("the act names another program than {}", program.name())));
    }
    let one =
        |fault: FieldFault| ActFault { field: Some(fault.field), why: fault.why.into_owned() };
    let act = given
        .act(program, received_at)
        .map_err(|faults| faults.into_iter().map(one).collect::<Vec<_>>())?;
    let validation = act.validation(act.key(program.name()));
    Ok(Act { validation, at: act.at, warnings: act.warnings })
}

#[cfg(test)]
mod tests;
