//! French.

use event::body::conversion::Source;
use event::body::decision::{
    Candidate, ChannelRule, Decision, DecisionStatus, TermsLevel, Verdict,
};
use event::body::record::MemberVerdict;
use event::body::touch::TouchKind;
use event::{Code, Consent, Micros, PartnerName};

use super::english::{self, English, duration, seconds};
use super::{Phrases, Said};

/// An amount with the decimal mark of French.
fn money(amount: Micros, decision: &Decision) -> String {
    english::money(amount, decision).replace('.', ",")
}

/// Traces in French.
#[derive(Clone, Copy, Debug, Default)]
pub struct French;

/// The word of a touch's kind, with its article or possessive before it.
const fn kind(candidate: &Candidate) -> &'static str {
    match candidate.kind {
        TouchKind::Click => "clic",
        TouchKind::Impression => "affichage",
    }
}

const fn kinds(candidate: &Candidate) -> &'static str {
    match candidate.kind {
        TouchKind::Click => "clics",
        TouchKind::Impression => "affichages",
    }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::S2s => "appel de serveur",
        Source::Tag => "balise",
        Source::Pixel => "pixel",
        Source::Import => "fichier",
    }
}

const fn level(level: TermsLevel) -> &'static str {
    match level {
        TermsLevel::Partner => "les conditions du partenaire",
        TermsLevel::Segment => "les conditions de son segment",
        TermsLevel::Program => "les conditions du programme",
        TermsLevel::Default => "les valeurs par défaut",
    }
}

fn days(ms: i64) -> String {
    duration(ms).replace(" d", " j")
}

fn partner(name: Option<&PartnerName>) -> &str {
    name.map_or("canal propre", PartnerName::as_str)
}

impl Phrases for French {
    fn order(&self, decision: &Decision) -> String {
        let key = &decision.order;
        let test = if key.test { ", test" } else { "" };
        let id = decision.order_id.clone().unwrap_or_else(|| key.partition_text());
        format!("Commande {id} ({}, {}{test}) du {}", key.program, key.goal, decision.converted_at)
    }

    fn amount(&self, decision: &Decision, amount: Micros) -> String {
        money(amount, decision)
    }

    fn outcome(&self, decision: &Decision) -> String {
        let amount = money(decision.amount, decision);
        match decision.status {
            DecisionStatus::Attributed => {
                let winner = partner(decision.winner.as_ref());
                format!("{amount}, attribuée à {winner} (ATTRIBUTED)")
            }
            DecisionStatus::LostToChannel => {
                let channel = decision.credits.first().and_then(|credit| credit.channel.as_ref());
                let channel =
                    channel.map(AsRef::as_ref).or(decision.trace.channel.value.as_deref());
                let channel = channel.unwrap_or("sans nom");
                format!("{amount}, au canal propre du marchand {channel} (LOST_TO_CHANNEL)")
            }
            DecisionStatus::Unattributed => {
                format!("{amount}, attribuée à personne (UNATTRIBUTED, {})", decision.code)
            }
        }
    }

    fn outcome_for(&self, decision: &Decision, own: Option<Micros>) -> String {
        match own {
            Some(amount) => format!("Attribuée à vous : {}.", money(amount, decision)),
            None => "Pas attribuée à vous.".into(),
        }
    }

    fn members(&self, decision: &Decision) -> Vec<String> {
        let listed = &decision.trace.members;
        let mut lines = vec![format!("Annonces : {}", decision.version.members)];
        lines.extend(listed.iter().map(|member| {
            let verdict = match member.verdict {
                MemberVerdict::Canonical => "fait foi",
                MemberVerdict::DupSame => "la même encore",
                MemberVerdict::DupConflict => "d'autres valeurs",
                MemberVerdict::Amends => "ses valeurs ont été prises",
                MemberVerdict::Counted => "seulement comptée",
            };
            let amount = match member.currency {
                Some(currency) => {
                    format!("{} {currency}", member.amount.decimal(currency.exponent()))
                }
                None => member.amount.decimal(2),
            };
            let source = source(member.source);
            format!("  {} par {source} : {amount}, {verdict} ({})", member.occurred_at, member.code)
        }));
        lines
    }

    fn channel(&self, decision: &Decision) -> Option<String> {
        let channel = &decision.trace.channel;
        let value = channel.value.as_deref()?;
        let Some(terms) = &channel.terms else {
            return Some(format!("Le canal {value:?} n'est pas prévu : chaque contact compte"));
        };
        let rule = match channel.treatment {
            ChannelRule::None => "aucun contact de partenaire ne compte",
            ChannelRule::Any => "chaque contact compte",
            ChannelRule::ClickOnly => "seuls les clics des partenaires comptent",
            ChannelRule::ImpressionOnly => "seuls les affichages des partenaires comptent",
        };
        Some(format!("Canal {value:?} : {rule} ({terms})"))
    }

    fn candidates(&self, count: usize) -> String {
        format!("Contacts, le plus récent d'abord : {count}")
    }

    fn touch(&self, candidate: &Candidate, name_partner: bool) -> String {
        let of = if name_partner {
            let channel = candidate.channel.as_ref().map(|name| format!(", canal {name}"));
            format!(" de {}{}", partner(candidate.partner.as_ref()), channel.unwrap_or_default())
        } else {
            String::new()
        };
        format!("{} {}{of}, lien {}", candidate.touched_at, kind(candidate), candidate.link)
    }

    fn sentence(&self, said: &Said<'_>) -> String {
        let Said { candidate, decision, winner_day } = said;
        let (what, at) = (kind(candidate), candidate.touched_at);
        let age = decision.age_ms(candidate);
        let promised = decision.window(candidate);
        match candidate.verdict {
            Verdict::Credited => {
                let credit = decision.credits.iter().find(|credit| credit.touch == candidate.touch);
                let amount = credit.map_or(Micros(0), |credit| credit.amount);
                format!("Attribué {}, {} avant la commande.", money(amount, decision), days(age))
            }
            Verdict::AfterConversion => {
                format!(
                    "Votre {what} du {at} est venu après la commande du {}.",
                    decision.converted_at
                )
            }
            Verdict::OutOfWindow => {
                let window = promised.and_then(|window| window.lookback_ms);
                let window = window.map_or_else(|| "fermée".into(), days);
                format!(
                    "Votre {what} du {at} précède la commande de {} ; votre fenêtre d'attribution est de {window}.",
                    days(age),
                )
            }
            Verdict::TooFast => format!(
                "Seulement {} s entre votre clic et la commande ; le minimum est de {} s.",
                seconds(age),
                seconds(promised.and_then(|window| window.min_time_ms).unwrap_or(0)),
            ),
            Verdict::NotSelected => match winner_day {
                Some(winner_day) => format!(
                    "Votre {what} du {at} était valable ; un contact éligible plus récent, du {winner_day}, a été retenu."
                ),
                None => format!("Votre {what} du {at} était valable ; un autre a été retenu."),
            },
            Verdict::OutrankedClass => {
                "Votre contact était valable ; un contact d'une classe que ce \
                                        programme place plus haut a été retenu."
                    .into()
            }
            Verdict::ChannelExcluded => {
                let value = decision.trace.channel.value.as_deref().unwrap_or("sans nom");
                match decision.status {
                    DecisionStatus::LostToChannel => {
                        format!("La commande a été attribuée au canal propre du marchand {value}.")
                    }
                    DecisionStatus::Attributed | DecisionStatus::Unattributed => format!(
                        "La commande est venue par le canal {value} ; ce programme n'y compte pas vos {}.",
                        kinds(candidate)
                    ),
                }
            }
            Verdict::NonCreditChannel => {
                let channel = candidate.channel.as_ref().map_or("sans nom", AsRef::as_ref);
                format!("Le canal {channel} ne reçoit rien à côté d'autres contacts.")
            }
            Verdict::PartnerInactive => {
                format!("Vous n'étiez pas actif dans ce programme le {at}.")
            }
            Verdict::NoConsent => {
                let refused =
                    [candidate.consent, decision.trace.consent].contains(&Consent::Denied);
                let did = if refused { "a refusé le" } else { "n'avait pas consenti au" };
                format!("Le visiteur {did} suivi.")
            }
            Verdict::Late => {
                let received_at = candidate.received_at.unwrap_or(at);
                format!(
                    "L'événement nous est parvenu {} après avoir eu lieu ; ce programme admet {}.",
                    days(received_at.since(at)),
                    days(decision.trace.lateness_ms),
                )
            }
            Verdict::TypeDisabled => {
                format!("Vos conditions n'attribuent pas les {}.", kinds(candidate))
            }
            Verdict::InvalidTraffic => {
                "Ce contact a été classé comme automatique ou non fait par une personne.".into()
            }
        }
    }

    fn window(&self, decision: &Decision, candidate: &Candidate) -> String {
        let age = match decision.age_ms(candidate) {
            0 => "à l'instant de la commande".to_owned(),
            ms if ms < 0 => format!("{} après la commande", days(ms)),
            ms => format!("{} avant la commande", days(ms)),
        };
        let tags: String = candidate.tags.iter().map(|tag| format!(", {}", tag.as_str())).collect();
        let Some(promised) = decision.window(candidate) else { return format!("{age}{tags}") };
        let window = promised.lookback_ms.map_or_else(|| "fermée".into(), days);
        let (level, terms) = (level(promised.level), &promised.terms);
        format!("{age}, fenêtre d'attribution de {window} selon {level} ({terms}){tags}")
    }

    fn unlisted(&self, decision: &Decision) -> Option<String> {
        let unlisted = decision.trace.unlisted.as_ref()?;
        let count = |(verdict, count): &(Verdict, u64)| format!("{count} {}", verdict.as_str());
        let counts: Vec<String> = unlisted.counts.iter().map(count).collect();
        Some(format!("Non listés : {}", counts.join(", ")))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the slug says what has no sentence here")]
    fn note(&self, code: Code) -> String {
        let text = match code {
            Code::Unconfirmed => {
                "Annoncée par la page seulement ; le serveur de la boutique ne l'a pas confirmée."
            }
            Code::Test => "C'est un test. Il n'est jamais payé.",
            Code::ClickSignatureInvalid => {
                "Un identifiant de clic a été modifié ou n'est pas de nous."
            }
            Code::ClickUnknownKey => "Un identifiant de clic est signé avec une clé retirée.",
            Code::ClickOtherProgram => "Un identifiant de clic appartient à un autre programme.",
            Code::ClickFromFuture => "Un identifiant de clic est daté après sa réception.",
            Code::EvidenceConflict => {
                "En examen : les annonces de pages d'une même commande portent des clics différents."
            }
            Code::IdentityOversize => "L'identité joint trop de visiteurs et est ignorée.",
            Code::VisitorOversize => "Trop de contacts pour un visiteur ; ignorés.",
            Code::ChannelUnmapped => {
                "Le canal de la commande n'est pas prévu par ce programme ; chaque contact compte."
            }
            _ => code.slug(),
        };
        format!("Note {} : {text}", code.number())
    }

    fn basis(&self, decision: &Decision) -> Vec<String> {
        let version = decision.version;
        let mut lines = vec!["Conditions en vigueur".to_owned()];
        lines.extend(decision.trace.terms.iter().map(|used| format!("  {}", used.id)));
        lines.push(format!(
            "Version {}.{}.{} (règles, annonces, événements connus)",
            version.semantics, version.members, version.known
        ));
        lines
    }

    /// Ids, flags and hashes have no language.
    fn details(&self, candidate: &Candidate) -> String {
        English.details(candidate)
    }

    fn identity(&self, decision: &Decision) -> Vec<String> {
        English.identity(decision)
    }

    fn nothing_of_yours(&self) -> String {
        "Aucun clic ni code de vous n'a été trouvé pour cette commande.".into()
    }
}
