//! What the shop's server says to the edge, and what it hears.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::EDGE;
use super::basket::{Consent, Order};
use crate::demo::browser::{Line, server_call, signed_call};
use crate::demo::drive::Stage;
use crate::demo::stage::Running;

/// Longest wait for an answer about earlier calls.
const RECENT_TIME_MAX: Duration = Duration::from_secs(5);
/// Largest such answer, in bytes: 200 calls.
const RECENT_BYTES_MAX: u64 = 1 << 20;

/// Where shop and node stand.
pub(super) struct Place {
    /// Port of blog and shop.
    pub(super) port: u16,
    /// The edge as browsers know it, without slash at the end.
    pub(super) tag: String,
    /// The admin listener.
    pub(super) admin: String,
    stage: Stage,
}

/// A call about an order, as the edge remembers it.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) endpoint: String,
    sent: String,
    pub(super) result: String,
    pub(super) code: u16,
    pub(super) slug: String,
    pub(super) click: String,
    pub(super) words: String,
}

#[derive(Deserialize)]
struct Recent {
    calls: Vec<Call>,
}

impl Place {
    pub(super) fn of(stage: &Running, port: u16) -> Self {
        let edge = stage.edge_url();
        let edge_port = edge.rsplit(':').next().unwrap_or_default();
        let tag = format!("http://{EDGE}:{edge_port}");
        Self { port, tag, admin: stage.admin_url(), stage: stage.stage(1.0) }
    }

    pub(super) const fn program(&self) -> &'static str {
        self.stage.program
    }

    /// A partner's link, from this place of the article.
    pub(super) fn link(&self, link: &str, place: &str, to: Option<&str>) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("s1", "walks").append_pair("s2", place);
        if let Some(path) = to {
            pairs.append_pair("to", &format!("{}{path}", self.stage.shop_origin));
        }
        format!("{}/c/{link}?{}", self.tag, pairs.finish())
    }

    /// The address of the order's pixel.
    pub(super) fn pixel(&self, order: &Order, click_id: Option<&str>, consent: Consent) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.told(order, click_id, consent).as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            pairs.append_pair(name, &text);
        }
        format!("{}/p/{}.gif?{}", self.tag, self.program(), pairs.finish())
    }

    /// The shop's server reports an order with its token.
    pub(super) fn report(
        &self,
        order: &Order,
        click_id: Option<&str>,
        consent: Consent,
    ) -> Result<()> {
        let mut told = self.told(order, click_id, consent);
        if let Some(told) = told.as_object_mut() {
            told.insert("program".into(), self.program().into());
        }
        let line = Line::to(&self.stage.edge);
        server_call(&line, (&self.stage.token, &told)).context("report an order")?;
        Ok(())
    }

    /// The shop's order system says what came back so far, by line.
    pub(super) fn returned(&self, order: &Order) -> Result<()> {
        let back = order.lines.iter().zip(1_u32..).filter(|(line, _)| line.returned);
        let items: Value = back.map(|(_, place)| json!({ "line": place })).collect();
        self.act(json!({ "order_id": order.id, "action": "return", "items": items }))
    }

    /// The shop's order system says that an order is off.
    pub(super) fn cancelled(&self, order: &Order) -> Result<()> {
        self.act(json!({ "order_id": order.id, "action": "decline", "code": 701 }))
    }

    fn act(&self, call: Value) -> Result<()> {
        let line = Line::to(&self.stage.edge);
        signed_call(&line, &self.stage.signer, &call).context("say what became of an order")?;
        Ok(())
    }

    /// What the edge remembers of this order's calls, oldest first.
    pub(super) fn calls(&self, order: &str) -> Result<Vec<Call>> {
        let agent = ureq::Agent::config_builder().timeout_global(Some(RECENT_TIME_MAX)).build();
        let url = format!("{}/v1/programs/{}/recent", self.stage.edge, self.program());
        let bearer = format!("Bearer {}", self.stage.token);
        let call = ureq::Agent::from(agent).get(url).header("authorization", bearer).call();
        let mut answer = call.context("ask for the last calls")?;
        let body = answer.body_mut().with_config().limit(RECENT_BYTES_MAX).read_to_string();
        let Recent { mut calls } = serde_json::from_str(&body.context("read the last calls")?)?;
        calls.retain(|call| call.sent.contains(order));
        calls.reverse();
        Ok(calls)
    }

    /// The order as every report tells it.
    fn told(&self, order: &Order, click_id: Option<&str>, consent: Consent) -> Value {
        let items = order.lines.iter().map(|line| {
            let product = line.product;
            json!({
                "sku": product.id, "category": product.category, "qty": line.count,
                "unit_amount": decimal(product.cents),
            })
        });
        let mut told = json!({
            "order_id": order.id, "amount": decimal(order.cents()), "currency": "EUR",
            "items": items.collect::<Value>(),
        });
        if let Some(told) = told.as_object_mut() {
            if let Some(click_id) = click_id {
                told.insert("click_id".into(), click_id.into());
            }
            if let Some(word) = consent.word() {
                told.insert("consent".into(), word.into());
            }
        }
        told
    }
}

fn decimal(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
