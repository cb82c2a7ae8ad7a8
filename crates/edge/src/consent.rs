//! Consent: which state a touch or report has, by the first rule that answers.

use catalog::program::{Consent as Policy, Signal, UnknownConsent};
use event::{Consent, Flag};

use crate::flags::Flags;

/// Whose page a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// A partner's: the link in its content.
    Partner,
    /// The merchant's own.
    Merchant,
}

/// What a request says about consent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals<'a> {
    /// The catalog marks the link exempt.
    pub exempt: bool,
    /// `consent=` of this request: `granted` or `denied`. Anything else is no choice.
    pub choice: Option<&'a str>,
    /// The choice kept in the visitor cookie.
    pub cookie: Option<Consent>,
    /// The click id that came along was made under a grant: browsers that keep no cookie have nothing else. It is no
    /// choice of whoever shows it, so it allows no cookie, but a signal of the browser does not take it back: beside one
    /// the click id counts, and nothing else is allowed.
    pub granted_click: bool,
    /// `gdpr`.
    pub gdpr: Option<&'a str>,
    /// `gdpr_consent`, the TC string.
    pub tc_string: Option<&'a str>,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// `DNT: 1`.
    pub dnt: bool,
    /// Whose page it is.
    pub page: Page,
}

/// What the rules answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The state, as events carry it.
    pub state: Consent,
    /// What cookies and ids may be used: [`Self::state`], but what is unknown may be treated as the program says.
    pub effect: Effect,
    /// Flags to set.
    pub flags: Flags,
}

/// What a state allows at a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Cookies, visitor id, click id.
    All,
    /// Click id in the URL; no cookie, no visitor id.
    ClickIdOnly,
    /// The exempt journey's cookie and click id only.
    ExemptOnly,
    /// Nothing: the touch is counted.
    CountOnly,
}

/// The words of an explicit choice: `consent=granted|denied` and the field's `1|0`.
pub(crate) fn choice(text: &str) -> Option<Consent> {
    match text {
        "granted" | "1" => Some(Consent::Granted),
        "denied" | "0" => Some(Consent::Denied),
        text if text.eq_ignore_ascii_case("granted") => Some(Consent::Granted),
        text if text.eq_ignore_ascii_case("denied") => Some(Consent::Denied),
        _ => None,
    }
}

/// Applies the rules in order: exempt, the visitor's latest explicit choice, browser signals, unknown.
pub(crate) fn evaluate(policy: &Policy, signals: &Signals<'_>) -> Verdict {
    let mut flags = Flags::default();
    flags.set_if(signals.gpc, Flag::Gpc);
    let gpc = signals.gpc && policy.gpc == Signal::Deny;
    let dnt = signals.dnt && policy.dnt == Signal::Deny;
    flags.set_if(dnt, Flag::Dnt);
    let state = if signals.exempt {
        Consent::Exempt
    } else {
        let tc = match crate::tcf::read(signals, policy.tcf_vendor) {
            Ok(answer) => answer,
            Err(crate::tcf::Unreadable) => {
                flags.set(Flag::TcfUnreadable);
                None
            }
        };
        // A cookie set without a choice of the visitor remembers none, and does not hide a signal.
        let remembered =
            signals.cookie.filter(|kept| matches!(kept, Consent::Granted | Consent::Denied));
        // What this request says is later than what the cookie remembers.
        let explicit = signals.choice.and_then(choice).or(tc).or(remembered);
        match explicit {
            Some(Consent::Granted) if gpc && policy.gpc_wins => Consent::Denied,
            Some(choice) => choice,
            None if gpc && policy.gpc_wins => Consent::Denied,
            None if (gpc || dnt) && !signals.granted_click => Consent::Denied,
            None => Consent::Unknown,
        }
    };
    flags.set_if(state == Consent::Denied, Flag::ConsentDenied);
    let effect = match state {
        Consent::Granted => Effect::All,
        Consent::Exempt => Effect::ExemptOnly,
        Consent::Denied => Effect::CountOnly,
        Consent::Unknown => match policy.unknown {
            UnknownConsent::Denied => Effect::CountOnly,
            UnknownConsent::Granted if !(gpc || dnt) => Effect::All,
            UnknownConsent::ClickId | UnknownConsent::Granted => Effect::ClickIdOnly,
        },
    };
    Verdict { state, effect, flags }
}

#[cfg(test)]
mod tests;
