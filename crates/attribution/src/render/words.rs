//! The words of traces in both languages, side by side: a sentence cannot be left out of one of them. Sentences of codes are
//! those of the published list; slugs, verdicts, ids and hashes have no language.

use event::body::conversion::Source;
use event::body::decision::{
    Candidate, ChannelRule, Decision, DecisionStatus, TermsLevel, Verdict,
};
use event::body::record::MemberVerdict;
use event::body::touch::TouchKind;
use event::{Code, Consent, Currency, Micros, PartnerName};

use super::Said;

/// A language of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

/// One of two sentences with values.
macro_rules! say {
    ($language:expr, $english:literal, $french:literal $(,)?) => {
        match $language {
            Language::English => format!($english),
            Language::French => format!($french),
        }
    };
}

/// `30 d`, `2 d 3 h`, `1 ms`, `0 s`: exact.
fn duration(ms: i64) -> String {
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
fn seconds(ms: i64) -> String {
    let (whole, rest) = (ms / 1_000, (ms % 1_000).unsigned_abs());
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}

fn decimal(amount: Micros, currency: Option<Currency>) -> String {
    match currency {
        Some(currency) => format!("{} {currency}", amount.decimal(currency.exponent())),
        None => amount.decimal(2),
    }
}

impl Language {
    /// One of two texts.
    const fn of(self, english: &'static str, french: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    fn days(self, ms: i64) -> String {
        match self {
            Self::English => duration(ms),
            Self::French => duration(ms).replace(" d", " j"),
        }
    }

    fn kind(self, candidate: &Candidate) -> &'static str {
        match candidate.kind {
            TouchKind::Click => self.of("click", "clic"),
            TouchKind::Impression => self.of("impression", "affichage"),
        }
    }

    fn kinds(self, candidate: &Candidate) -> &'static str {
        match candidate.kind {
            TouchKind::Click => self.of("clicks", "clics"),
            TouchKind::Impression => self.of("impressions", "affichages"),
        }
    }

    fn source(self, source: Source) -> &'static str {
        match source {
            Source::S2s => self.of("server call", "appel de serveur"),
            Source::Tag => self.of("tag", "balise"),
            Source::Pixel => self.of("pixel", "pixel"),
            Source::Import => self.of("file", "fichier"),
        }
    }

    fn level(self, level: TermsLevel) -> &'static str {
        match level {
            TermsLevel::Partner => self.of("the partner's terms", "les conditions du partenaire"),
            TermsLevel::Segment => {
                self.of("the terms of its segment", "les conditions de son segment")
            }
            TermsLevel::Program => self.of("the program's terms", "les conditions du programme"),
            TermsLevel::Default => self.of("the built-in defaults", "les valeurs par défaut"),
        }
    }

    fn partner(self, name: Option<&PartnerName>) -> &str {
        name.map_or(self.of("own channel", "canal propre"), PartnerName::as_str)
    }

    fn nameless(self) -> &'static str {
        self.of("without name", "sans nom")
    }

    /// First line: which order.
    pub(super) fn order(self, decision: &Decision) -> String {
        let key = &decision.order;
        let test = if key.test { ", test" } else { "" };
        let id = decision.order_id.clone().unwrap_or_else(|| key.partition_text());
        let (program, goal, at) = (&key.program, &key.goal, decision.converted_at);
        say!(
            self,
            "Order {id} ({program}, {goal}{test}) of {at}",
            "Commande {id} ({program}, {goal}{test}) du {at}",
        )
    }

    /// An amount of an order, with the decimal mark of the language.
    fn amount(self, decision: &Decision, amount: Micros) -> String {
        let text = decimal(amount, decision.currency);
        match self {
            Self::English => text,
            Self::French => text.replace('.', ","),
        }
    }

    /// Who has the order.
    pub(super) fn outcome(self, decision: &Decision) -> String {
        let amount = self.amount(decision, decision.amount);
        match decision.status {
            DecisionStatus::Attributed => {
                let winner = self.partner(decision.winner.as_ref());
                say!(
                    self,
                    "{amount}, credited to {winner} (ATTRIBUTED)",
                    "{amount}, attribuée à {winner} (ATTRIBUTED)",
                )
            }
            DecisionStatus::LostToChannel => {
                let channel = decision.credits.first().and_then(|credit| credit.channel.as_ref());
                let channel =
                    channel.map(AsRef::as_ref).or(decision.trace.channel.value.as_deref());
                let channel = channel.unwrap_or(self.nameless());
                say!(
                    self,
                    "{amount}, of the merchant's own channel {channel} (LOST_TO_CHANNEL)",
                    "{amount}, au canal propre du marchand {channel} (LOST_TO_CHANNEL)",
                )
            }
            DecisionStatus::Unattributed => {
                let code = decision.code;
                say!(
                    self,
                    "{amount}, credited to nobody (UNATTRIBUTED, {code})",
                    "{amount}, attribuée à personne (UNATTRIBUTED, {code})",
                )
            }
        }
    }

    /// Who has the order, to a partner.
    pub(super) fn outcome_for(self, decision: &Decision, own: Option<Micros>) -> String {
        let Some(own) = own else {
            return self.of("Not credited to you.", "Pas attribuée à vous.").into();
        };
        let amount = self.amount(decision, own);
        say!(self, "Credited to you: {amount}.", "Attribuée à vous : {amount}.")
    }

    /// Heading of the reports, and one line for each.
    pub(super) fn members(self, decision: &Decision) -> Vec<String> {
        let count = decision.version.members;
        let mut lines = vec![say!(self, "Reports: {count}", "Annonces : {count}")];
        lines.extend(decision.trace.members.iter().map(|member| {
            let verdict = match member.verdict {
                MemberVerdict::Canonical => self.of("counts", "fait foi"),
                MemberVerdict::DupSame => self.of("the same again", "la même encore"),
                MemberVerdict::DupConflict => self.of("other values", "d'autres valeurs"),
                MemberVerdict::Amends => {
                    self.of("its values were taken", "ses valeurs ont été prises")
                }
                MemberVerdict::Counted => self.of("counted only", "seulement comptée"),
            };
            let (at, source, code) = (member.occurred_at, self.source(member.source), member.code);
            let amount = decimal(member.amount, member.currency);
            say!(
                self,
                "  {at} by {source}: {amount}, {verdict} ({code})",
                "  {at} par {source} : {amount}, {verdict} ({code})",
            )
        }));
        lines
    }

    /// What the order's channel says, where it says something.
    pub(super) fn channel(self, decision: &Decision) -> Option<String> {
        let channel = &decision.trace.channel;
        let value = channel.value.as_deref()?;
        let Some(terms) = &channel.terms else {
            return Some(say!(
                self,
                "Channel {value:?} is not mapped: every touch counts",
                "Le canal {value:?} n'est pas prévu : chaque contact compte",
            ));
        };
        let rule = match channel.treatment {
            ChannelRule::None => {
                self.of("no touch of a partner counts", "aucun contact de partenaire ne compte")
            }
            ChannelRule::Any => self.of("every touch counts", "chaque contact compte"),
            ChannelRule::ClickOnly => {
                self.of("only clicks of partners count", "seuls les clics des partenaires comptent")
            }
            ChannelRule::ImpressionOnly => self.of(
                "only impressions of partners count",
                "seuls les affichages des partenaires comptent",
            ),
        };
        Some(say!(
            self,
            "Channel {value:?}: {rule} ({terms})",
            "Canal {value:?} : {rule} ({terms})"
        ))
    }

    /// Heading of the candidates: how many.
    pub(super) fn candidates(self, count: usize) -> String {
        say!(
            self,
            "Touches, the newest first: {count}",
            "Contacts, le plus récent d'abord : {count}",
        )
    }

    /// A candidate: when, what, whose, by which link.
    pub(super) fn touch(self, candidate: &Candidate, name_partner: bool) -> String {
        let mut of = String::new();
        if name_partner {
            let partner = self.partner(candidate.partner.as_ref());
            of = say!(self, " of {partner}", " de {partner}");
            if let Some(name) = &candidate.channel {
                of.push_str(&say!(self, ", channel {name}", ", canal {name}"));
            }
        }
        let (at, kind, link) = (candidate.touched_at, self.kind(candidate), &candidate.link);
        say!(self, "{at} {kind}{of}, link {link}", "{at} {kind}{of}, lien {link}")
    }

    /// Why it came out as it did, to the partner of the touch.
    pub(super) fn sentence(self, said: &Said<'_>) -> String {
        let Said { candidate, decision, winner_day } = said;
        let (what, whats, at) = (self.kind(candidate), self.kinds(candidate), candidate.touched_at);
        let (age_ms, promised) = (decision.age_ms(candidate), decision.window(candidate));
        let age = self.days(age_ms);
        match candidate.verdict {
            Verdict::Credited => {
                let credit = decision.credits.iter().find(|credit| credit.touch == candidate.touch);
                let amount = credit.map_or(Micros(0), |credit| credit.amount);
                let amount = self.amount(decision, amount);
                say!(
                    self,
                    "Credited with {amount}, {age} before the order.",
                    "Attribué {amount}, {age} avant la commande.",
                )
            }
            Verdict::AfterConversion => {
                let order_at = decision.converted_at;
                say!(
                    self,
                    "Your {what} of {at} came after the order of {order_at}.",
                    "Votre {what} du {at} est venu après la commande du {order_at}.",
                )
            }
            Verdict::OutOfWindow => {
                let window = self.lookback(promised.and_then(|window| window.lookback_ms));
                say!(
                    self,
                    "Your {what} of {at} was {age} before the order; your lookback window is {window}.",
                    "Votre {what} du {at} précède la commande de {age} ; votre fenêtre d'attribution est de {window}.",
                )
            }
            Verdict::TooFast => {
                let least = promised.and_then(|window| window.min_time_ms).unwrap_or(0);
                let (took, least) = (seconds(age_ms), seconds(least));
                say!(
                    self,
                    "Only {took} s from your click to the order; the minimum is {least} s.",
                    "Seulement {took} s entre votre clic et la commande ; le minimum est de {least} s.",
                )
            }
            Verdict::NotSelected => match winner_day {
                Some(day) => say!(
                    self,
                    "Your {what} of {at} was valid; a later eligible touch of {day} was credited.",
                    "Votre {what} du {at} était valable ; un contact éligible plus récent, du {day}, a été retenu.",
                ),
                None => say!(
                    self,
                    "Your {what} of {at} was valid; another one was credited.",
                    "Votre {what} du {at} était valable ; un autre a été retenu.",
                ),
            },
            Verdict::OutrankedClass => self
                .of(
                    "Your touch was valid; a touch of a class this program ranks higher was credited.",
                    "Votre contact était valable ; un contact d'une classe que ce programme place plus haut a été retenu.",
                )
                .into(),
            Verdict::ChannelExcluded => {
                let value = decision.trace.channel.value.as_deref().unwrap_or(self.nameless());
                match decision.status {
                    DecisionStatus::LostToChannel => say!(
                        self,
                        "The order was credited to the merchant's own channel {value}.",
                        "La commande a été attribuée au canal propre du marchand {value}.",
                    ),
                    DecisionStatus::Attributed | DecisionStatus::Unattributed => say!(
                        self,
                        "The order came by the channel {value}; there this program does not count your {whats}.",
                        "La commande est venue par le canal {value} ; ce programme n'y compte pas vos {whats}.",
                    ),
                }
            }
            Verdict::NonCreditChannel => {
                let channel = candidate.channel.as_ref().map_or(self.nameless(), AsRef::as_ref);
                say!(
                    self,
                    "The channel {channel} gets no credit beside other touches.",
                    "Le canal {channel} ne reçoit rien à côté d'autres contacts.",
                )
            }
            Verdict::PartnerInactive => say!(
                self,
                "You were not active in this program at {at}.",
                "Vous n'étiez pas actif dans ce programme le {at}.",
            ),
            Verdict::NoConsent => {
                let consents = [candidate.consent, decision.trace.consent];
                let text = if consents.contains(&Consent::Denied) {
                    self.of("The visitor refused tracking.", "Le visiteur a refusé le suivi.")
                } else {
                    self.of(
                        "The visitor had not agreed to tracking.",
                        "Le visiteur n'avait pas consenti au suivi.",
                    )
                };
                text.into()
            }
            Verdict::Late => {
                let received_at = candidate.received_at.unwrap_or(at);
                let after = self.days(received_at.since(at));
                let allowed = self.days(decision.trace.lateness_ms);
                say!(
                    self,
                    "The event reached us {after} after it happened; this program allows {allowed}.",
                    "L'événement nous est parvenu {after} après avoir eu lieu ; ce programme admet {allowed}.",
                )
            }
            Verdict::TypeDisabled => say!(
                self,
                "Your terms do not credit {whats}.",
                "Vos conditions n'attribuent pas les {whats}.",
            ),
            Verdict::InvalidTraffic => self
                .of(
                    "This touch was classed as automated or not made by a person.",
                    "Ce contact a été classé comme automatique ou non fait par une personne.",
                )
                .into(),
        }
    }

    fn lookback(self, ms: Option<i64>) -> String {
        ms.map_or_else(|| self.of("off", "fermée").into(), |ms| self.days(ms))
    }

    /// Where the window came from.
    pub(super) fn window(self, decision: &Decision, candidate: &Candidate) -> String {
        let ms = decision.age_ms(candidate);
        let age = self.days(ms);
        let age = match ms {
            0 => self.of("at the instant of the order", "à l'instant de la commande").into(),
            ..0 => say!(self, "{age} after the order", "{age} après la commande"),
            1.. => say!(self, "{age} before the order", "{age} avant la commande"),
        };
        let tags: String = candidate.tags.iter().map(|tag| format!(", {}", tag.as_str())).collect();
        let Some(promised) = decision.window(candidate) else { return format!("{age}{tags}") };
        let window = self.lookback(promised.lookback_ms);
        let (level, terms) = (self.level(promised.level), &promised.terms);
        say!(
            self,
            "{age}, lookback window {window} by {level} ({terms}){tags}",
            "{age}, fenêtre d'attribution de {window} selon {level} ({terms}){tags}",
        )
    }

    /// Candidates that are not listed.
    pub(super) fn unlisted(self, decision: &Decision) -> Option<String> {
        let unlisted = decision.trace.unlisted.as_ref()?;
        let count = |(verdict, count): &(Verdict, u64)| format!("{count} {}", verdict.as_str());
        let counts: Vec<String> = unlisted.counts.iter().map(count).collect();
        let counts = counts.join(", ");
        Some(say!(self, "Not listed: {counts}", "Non listés : {counts}"))
    }

    /// A note of the decision.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the slug says what has no sentence here")]
    pub(super) fn note(self, code: Code) -> String {
        let text = match code {
            Code::Unconfirmed => self.of(
                "Reported by the page only; the shop's server has not confirmed it.",
                "Annoncée par la page seulement ; le serveur de la boutique ne l'a pas confirmée.",
            ),
            Code::Test => self
                .of("This is a test. It is never paid.", "C'est un test. Il n'est jamais payé."),
            Code::ClickSignatureInvalid => self.of(
                "A click id was altered or not made by us.",
                "Un identifiant de clic a été modifié ou n'est pas de nous.",
            ),
            Code::ClickUnknownKey => self.of(
                "A click id is signed with a key that is retired.",
                "Un identifiant de clic est signé avec une clé retirée.",
            ),
            Code::ClickOtherProgram => self.of(
                "A click id belongs to another program.",
                "Un identifiant de clic appartient à un autre programme.",
            ),
            Code::ClickFromFuture => self.of(
                "A click id is dated after it was received.",
                "Un identifiant de clic est daté après sa réception.",
            ),
            Code::EvidenceConflict => self.of(
                "On hold: page reports of one order carry different clicks.",
                "En examen : les annonces de pages d'une même commande portent des clics différents.",
            ),
            Code::IdentityOversize => self.of(
                "The identity joins too many visitors and is ignored.",
                "L'identité joint trop de visiteurs et est ignorée.",
            ),
            Code::VisitorOversize => self.of(
                "Too many touches for one visitor; ignored.",
                "Trop de contacts pour un visiteur ; ignorés.",
            ),
            Code::ChannelUnmapped => self.of(
                "The order's channel is not mapped by this program; every touch counts.",
                "Le canal de la commande n'est pas prévu par ce programme ; chaque contact compte.",
            ),
            _ => code.slug(),
        };
        let number = code.number();
        say!(self, "Note {number}: {text}", "Note {number} : {text}")
    }

    /// Terms that were read, and the version.
    pub(super) fn basis(self, decision: &Decision) -> Vec<String> {
        let mut lines = vec![self.of("Terms in force", "Conditions en vigueur").to_owned()];
        lines.extend(decision.trace.terms.iter().map(|used| format!("  {}", used.id)));
        let version = decision.version;
        let version = format!("{}.{}.{}", version.semantics, version.members, version.known);
        lines.push(say!(
            self,
            "Version {version} (rules, reports, events known)",
            "Version {version} (règles, annonces, événements connus)",
        ));
        lines
    }

    /// No touch of this partner was found.
    pub(super) const fn nothing_of_yours(self) -> &'static str {
        self.of(
            "No click or code of yours was found for this order.",
            "Aucun clic ni code de vous n'a été trouvé pour cette commande.",
        )
    }
}
