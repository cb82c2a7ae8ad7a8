//! English.

use event::body::conversion::Source;
use event::body::decision::{
    Candidate, ChannelRule, Decision, DecisionStatus, Reach, TermsLevel, Verdict,
};
use event::body::record::MemberVerdict;
use event::body::touch::TouchKind;
use event::{Code, Consent, Micros, PartnerName};

use super::{Phrases, Said};

/// Traces in English.
#[derive(Clone, Copy, Debug, Default)]
pub struct English;

/// `30d`, `2d 3h`, `1ms`, `0s`: exact.
pub(super) fn duration(ms: i64) -> String {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = ms.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, size) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

/// Seconds with up to three decimals.
pub(super) fn seconds(ms: i64) -> String {
    let (whole, rest) = (ms / 1_000, (ms % 1_000).unsigned_abs());
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}

const fn kind(candidate: &Candidate) -> &'static str {
    match candidate.kind {
        TouchKind::Click => "click",
        TouchKind::Impression => "impression",
    }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::S2s => "server call",
        Source::Tag => "tag",
        Source::Pixel => "pixel",
        Source::Import => "file",
    }
}

const fn level(level: TermsLevel) -> &'static str {
    match level {
        TermsLevel::Partner => "the partner's terms",
        TermsLevel::Segment => "the terms of its segment",
        TermsLevel::Program => "the program's terms",
        TermsLevel::Default => "the built-in defaults",
    }
}

pub(super) fn money(amount: Micros, decision: &Decision) -> String {
    match decision.currency {
        Some(currency) => format!("{} {currency}", amount.decimal(currency.exponent())),
        None => amount.decimal(2),
    }
}

fn partner(name: Option<&PartnerName>) -> &str {
    name.map_or("own channel", PartnerName::as_str)
}

impl Phrases for English {
    fn order(&self, decision: &Decision) -> String {
        let key = &decision.order;
        let test = if key.test { ", test" } else { "" };
        let id = decision.order_id.clone().unwrap_or_else(|| key.partition_text());
        format!("Order {id} ({}, {}{test}) of {}", key.program, key.goal, decision.converted_at)
    }

    fn amount(&self, decision: &Decision, amount: Micros) -> String {
        money(amount, decision)
    }

    fn outcome(&self, decision: &Decision) -> String {
        let amount = money(decision.amount, decision);
        match decision.status {
            DecisionStatus::Attributed => {
                let winner = partner(decision.winner.as_ref());
                format!("{amount}, credited to {winner} (ATTRIBUTED)")
            }
            DecisionStatus::LostToChannel => {
                let channel = decision.credits.first().and_then(|credit| credit.channel.as_ref());
                let channel =
                    channel.map(AsRef::as_ref).or(decision.trace.channel.value.as_deref());
                let channel = channel.unwrap_or("without name");
                format!("{amount}, of the merchant's own channel {channel} (LOST_TO_CHANNEL)")
            }
            DecisionStatus::Unattributed => {
                format!("{amount}, credited to nobody (UNATTRIBUTED, {})", decision.code)
            }
        }
    }

    fn outcome_for(&self, decision: &Decision, own: Option<Micros>) -> String {
        match own {
            Some(amount) => format!("Credited to you: {}.", money(amount, decision)),
            None => "Not credited to you.".into(),
        }
    }

    fn members(&self, decision: &Decision) -> Vec<String> {
        let listed = &decision.trace.members;
        let mut lines = vec![format!("Reports: {}", decision.version.members)];
        lines.extend(listed.iter().map(|member| {
            let verdict = match member.verdict {
                MemberVerdict::Canonical => "counts",
                MemberVerdict::DupSame => "the same again",
                MemberVerdict::DupConflict => "other values",
                MemberVerdict::Amends => "its values were taken",
                MemberVerdict::Counted => "counted only",
            };
            let amount = match member.currency {
                Some(currency) => {
                    format!("{} {currency}", member.amount.decimal(currency.exponent()))
                }
                None => member.amount.decimal(2),
            };
            format!(
                "  {} by {}: {amount}, {verdict} ({})",
                member.occurred_at,
                source(member.source),
                member.code
            )
        }));
        lines
    }

    fn channel(&self, decision: &Decision) -> Option<String> {
        let channel = &decision.trace.channel;
        let value = channel.value.as_deref()?;
        let Some(terms) = &channel.terms else {
            return Some(format!("Channel {value:?} is not mapped: every touch counts"));
        };
        let rule = match channel.treatment {
            ChannelRule::None => "no touch of a partner counts",
            ChannelRule::Any => "every touch counts",
            ChannelRule::ClickOnly => "only clicks of partners count",
            ChannelRule::ImpressionOnly => "only impressions of partners count",
        };
        Some(format!("Channel {value:?}: {rule} ({terms})"))
    }

    fn candidates(&self, count: usize) -> String {
        format!("Touches, the newest first: {count}")
    }

    fn touch(&self, candidate: &Candidate, name_partner: bool) -> String {
        let of = if name_partner {
            let channel = candidate.channel.as_ref().map(|name| format!(", channel {name}"));
            format!(" of {}{}", partner(candidate.partner.as_ref()), channel.unwrap_or_default())
        } else {
            String::new()
        };
        format!("{} {}{of}, link {}", candidate.touched_at, kind(candidate), candidate.link)
    }

    fn sentence(&self, said: &Said<'_>) -> String {
        let Said { candidate, decision, winner_day } = said;
        let what = kind(candidate);
        let at = candidate.touched_at;
        let age = decision.age_ms(candidate);
        let promised = decision.window(candidate);
        match candidate.verdict {
            Verdict::Credited => {
                let credit = decision.credits.iter().find(|credit| credit.touch == candidate.touch);
                let amount = credit.map_or(Micros(0), |credit| credit.amount);
                let age = duration(age);
                format!("Credited with {}, {age} before the order.", money(amount, decision))
            }
            Verdict::AfterConversion => {
                format!("Your {what} of {at} came after the order of {}.", decision.converted_at)
            }
            Verdict::OutOfWindow => format!(
                "Your {what} of {at} was {} before the order; your lookback window is {}.",
                duration(age),
                promised
                    .and_then(|window| window.lookback_ms)
                    .map_or_else(|| "off".into(), duration),
            ),
            Verdict::TooFast => format!(
                "Only {} s from your click to the order; the minimum is {} s.",
                seconds(age),
                seconds(promised.and_then(|window| window.min_time_ms).unwrap_or(0)),
            ),
            Verdict::NotSelected => match winner_day {
                Some(winner_day) => format!(
                    "Your {what} of {at} was valid; a later eligible touch of {winner_day} was credited."
                ),
                None => format!("Your {what} of {at} was valid; another one was credited."),
            },
            Verdict::OutrankedClass => "Your touch was valid; a touch of a class this program \
                                        ranks higher was credited."
                .into(),
            Verdict::ChannelExcluded => {
                let value = decision.trace.channel.value.as_deref().unwrap_or("without name");
                match decision.status {
                    DecisionStatus::LostToChannel => {
                        format!("The order was credited to the merchant's own channel {value}.")
                    }
                    DecisionStatus::Attributed | DecisionStatus::Unattributed => format!(
                        "The order came by the channel {value}; there this program does not \
                         count your {what}s."
                    ),
                }
            }
            Verdict::NonCreditChannel => {
                let channel = candidate.channel.as_ref().map_or("without name", AsRef::as_ref);
                format!("The channel {channel} gets no credit beside other touches.")
            }
            Verdict::PartnerInactive => format!("You were not active in this program at {at}."),
            Verdict::NoConsent => {
                let refused =
                    [candidate.consent, decision.trace.consent].contains(&Consent::Denied);
                let did = if refused { "refused" } else { "had not agreed to" };
                format!("The visitor {did} tracking.")
            }
            Verdict::Late => {
                let received_at = candidate.received_at.unwrap_or(at);
                format!(
                    "The event reached us {} after it happened; this program allows {}.",
                    duration(received_at.since(at)),
                    duration(decision.trace.lateness_ms),
                )
            }
            Verdict::TypeDisabled => format!("Your terms do not credit {what}s."),
            Verdict::InvalidTraffic => {
                "This touch was classed as automated or not made by a person.".into()
            }
        }
    }

    fn window(&self, decision: &Decision, candidate: &Candidate) -> String {
        let age = match decision.age_ms(candidate) {
            0 => "at the instant of the order".to_owned(),
            ms if ms < 0 => format!("{} after the order", duration(ms)),
            ms => format!("{} before the order", duration(ms)),
        };
        let tags: String = candidate.tags.iter().map(|tag| format!(", {}", tag.as_str())).collect();
        let Some(promised) = decision.window(candidate) else { return format!("{age}{tags}") };
        let window = promised.lookback_ms.map_or_else(|| "off".into(), duration);
        format!(
            "{age}, lookback window {window} by {} ({}){tags}",
            level(promised.level),
            promised.terms,
        )
    }

    fn unlisted(&self, decision: &Decision) -> Option<String> {
        let unlisted = decision.trace.unlisted.as_ref()?;
        let counts: Vec<String> = unlisted
            .counts
            .iter()
            .map(|(verdict, count)| format!("{count} {}", verdict.as_str()))
            .collect();
        Some(format!("Not listed: {}", counts.join(", ")))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the slug says what has no sentence here")]
    fn note(&self, code: Code) -> String {
        let text = match code {
            Code::Unconfirmed => {
                "Reported by the page only; the shop's server has not confirmed it."
            }
            Code::Test => "This is a test. It is never paid.",
            Code::ClickSignatureInvalid => "A click id was altered or not made by us.",
            Code::ClickUnknownKey => "A click id is signed with a key that is retired.",
            Code::ClickOtherProgram => "A click id belongs to another program.",
            Code::ClickFromFuture => "A click id is dated after it was received.",
            Code::EvidenceConflict => "On hold: page reports of one order carry different clicks.",
            Code::IdentityOversize => "The identity joins too many visitors and is ignored.",
            Code::VisitorOversize => "Too many touches for one visitor; ignored.",
            Code::ChannelUnmapped => {
                "The order's channel is not mapped by this program; every touch counts."
            }
            _ => code.slug(),
        };
        format!("Note {}: {text}", code.number())
    }

    fn basis(&self, decision: &Decision) -> Vec<String> {
        let version = decision.version;
        let mut lines = vec!["Terms in force".to_owned()];
        lines.extend(decision.trace.terms.iter().map(|used| format!("  {}", used.id)));
        lines.push(format!(
            "Version {}.{}.{} (rules, reports, events known)",
            version.semantics, version.members, version.known
        ));
        lines
    }

    fn details(&self, candidate: &Candidate) -> String {
        let reach = |reach: &Reach| match reach {
            Reach::ClickId => "click id",
            Reach::ExemptClickId => "exempt click id",
            Reach::SharedId => "shared id",
            Reach::Merge => "merge",
        };
        let by: Vec<&str> = candidate.reached_by.iter().map(reach).collect();
        let flags: Vec<&str> = candidate.flags.iter().map(|flag| flag.as_str()).collect();
        let mut text = format!(
            "{}, reached by {}, consent {}, step {}",
            candidate.touch,
            by.join(" and "),
            candidate.consent.as_str(),
            candidate.step
        );
        if !flags.is_empty() {
            text.push_str(&format!(", flags {}", flags.join(" ")));
        }
        if let Some(judged) = &candidate.judged {
            text.push_str(&format!(", judged {} times: {}", judged.count, judged.reason));
        }
        text
    }

    fn identity(&self, decision: &Decision) -> Vec<String> {
        let identity = &decision.trace.identity;
        let mut lines = Vec::new();
        let parts = [
            ("Ids", &identity.ids),
            ("Joined by merges", &identity.merged),
            ("Oversize", &identity.oversize),
        ];
        for (name, ids) in parts {
            if !ids.is_empty() {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                lines.push(format!("{name}: {}", ids.join(" ")));
            }
        }
        for (id, epoch) in &identity.crowded {
            lines.push(format!("Too many touches: {id} in epoch {epoch}"));
        }
        lines.push(format!("Inputs {}", decision.inputs_hash));
        lines.extend(
            decision.trace.terms.iter().map(|used| format!("Terms {} {}", used.id, used.hash)),
        );
        lines
    }

    fn nothing_of_yours(&self) -> String {
        "No click or code of yours was found for this order.".into()
    }
}
