//! The two languages, and the sentence of each reason code for a partner: one table.
//!
//! Values in braces are filled in. Where one is not known the shorter sentence stands. No value is another partner's name.

use std::collections::BTreeMap;

use event::Code;
use event::body::OrderState;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

/// Values of sentences by name.
pub type Values = BTreeMap<&'static str, String>;

impl Language {
    /// The word in requests and in `lang=` of a page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The language with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::English, Self::French].into_iter().find(|language| language.as_str() == word)
    }

    /// What `Accept-Language` likes best of both; English if neither is named.
    #[must_use]
    pub fn accepted(header: Option<&str>) -> Self {
        let mut best = (Self::English, 0_u32);
        for part in header.unwrap_or_default().split(',').take(32) {
            let mut words = part.split(';').map(str::trim);
            let tag = words.next().unwrap_or_default();
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            // Thousandths; what cannot be read counts as not wanted.
            let weight = words.find_map(|word| word.strip_prefix("q=")).map_or(1_000, |q| {
                let (units, decimals) = q.split_once('.').unwrap_or((q, ""));
                let decimals = format!("{decimals:0<3}");
                let read = |text: &str| text.get(..text.len().min(3)).and_then(|t| t.parse().ok());
                read(units).unwrap_or(0_u32).min(1) * 1_000 + read(&decimals).unwrap_or(0_u32)
            });
            if let Some(language) = Self::from_word(&primary)
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }

    /// One of two texts.
    pub(crate) const fn of<'a>(self, english: &'a str, french: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    /// A state in words.
    #[must_use]
    pub const fn state(self, state: OrderState) -> &'static str {
        match (self, state) {
            (Self::English, state) => state.as_str(),
            (Self::French, OrderState::Pending) => "en attente",
            (Self::French, OrderState::Held) => "en examen",
            (Self::French, OrderState::Approved) => "validée",
            (Self::French, OrderState::Declined) => "refusée",
            (Self::French, OrderState::Locked) => "définitive",
            (Self::French, OrderState::Paid) => "payée",
            (Self::French, OrderState::Reversed) => "reprise",
        }
    }

    /// What a state means where no reason is to be told.
    #[must_use]
    pub fn about_state(self, state: OrderState, values: &Values) -> String {
        let row = match state {
            OrderState::Pending => [
                "Waits for validation, until {until} at the latest.",
                "Attend la validation, au plus tard le {until}.",
                "Waits for validation.",
                "Attend la validation.",
            ],
            OrderState::Held => {
                ["", "", "On hold: the merchant looks at this order.", "En examen par le marchand."]
            }
            OrderState::Approved => [
                "Approved; final from {until}.",
                "Validée ; définitive à partir du {until}.",
                "Approved.",
                "Validée.",
            ],
            OrderState::Declined => ["", "", "Declined.", "Refusée."],
            OrderState::Locked => ["", "", "Final, to be paid.", "Définitive, à payer."],
            OrderState::Paid => [
                "Paid in statement {statement}.",
                "Payée avec le relevé {statement}.",
                "Paid.",
                "Payée.",
            ],
            OrderState::Reversed => ["", "", "Taken back.", "Reprise."],
        };
        self.chosen(row, values)
    }

    /// The sentence of a code for the partner whom it concerns.
    #[must_use]
    pub fn sentence(self, code: Code, values: &Values) -> String {
        match SENTENCES.iter().find(|(known, _)| *known == code) {
            Some((_, row)) => self.chosen(*row, values),
            None => self.of("The merchant looks at this.", "Le marchand l'examine.").to_owned(),
        }
    }

    fn chosen(
        self,
        [english, french, english_short, french_short]: [&str; 4],
        values: &Values,
    ) -> String {
        let (long, short) = (self.of(english, french), self.of(english_short, french_short));
        filled(long, values).unwrap_or_else(|| short.to_owned())
    }
}

/// The text with its values; none if it is empty or one is missing.
fn filled(text: &str, values: &Values) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut parts = text.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        out.push_str(values.get(name)?);
        out.push_str(rest);
    }
    Some(out)
}

/// Code; in English and French with values, then without.
const SENTENCES: &[(Code, [&str; 4])] = &[
    (Code::Ok, ["", "", "Credited to you.", "Attribuée à vous."]),
    (
        Code::Test,
        ["", "", "This is a test. It is never paid.", "C'est un test. Il n'est jamais payé."],
    ),
    (
        Code::UnknownLink,
        [
            "",
            "",
            "This link does not exist; clicks on it cannot be counted for you.",
            "Ce lien n'existe pas ; ses clics ne peuvent pas vous être comptés.",
        ],
    ),
    (
        Code::Unconfirmed,
        [
            "",
            "",
            "Reported by the page only; the shop's server has not confirmed it.",
            "Annoncée par la page seulement ; le serveur de la boutique ne l'a pas confirmée.",
        ],
    ),
    (
        Code::NoClickEvidence,
        [
            "",
            "",
            "No click or code of yours was found for this order.",
            "Aucun clic ni code de vous n'a été trouvé pour cette commande.",
        ],
    ),
    (
        Code::ClickAfterOrder,
        [
            "Your click of {click_time} came after the order of {order_time}.",
            "Votre clic du {click_time} est venu après la commande du {order_time}.",
            "Your click came after the order.",
            "Votre clic est venu après la commande.",
        ],
    ),
    (
        Code::ExactDuplicate,
        [
            "",
            "",
            "This order was already counted; the first result stands.",
            "Cette commande était déjà comptée ; le premier résultat reste.",
        ],
    ),
    (Code::Amended, ["", "", "The order was changed.", "La commande a été modifiée."]),
    (
        Code::ConflictingDuplicate,
        [
            "",
            "",
            "The same order came with other values.",
            "La même commande est arrivée avec d'autres valeurs.",
        ],
    ),
    (
        Code::WindowExpired,
        [
            "Your click of {click_time} was {age} before the order: longer than your lookback window.",
            "Votre clic du {click_time} précède la commande de {age} : plus que votre fenêtre d'attribution.",
            "Your click was longer before the order than your lookback window.",
            "Votre clic précède la commande de plus que votre fenêtre d'attribution.",
        ],
    ),
    (
        Code::BelowMinTime,
        [
            "Only {age} from your click to the order; the program asks for more.",
            "Seulement {age} entre votre clic et la commande ; le programme demande plus.",
            "Too little time from your click to the order.",
            "Trop peu de temps entre votre clic et la commande.",
        ],
    ),
    (
        Code::InCartClick,
        [
            "",
            "",
            "Your click came when the basket was already filled; this program does not credit that.",
            "Votre clic est venu quand le panier était déjà rempli ; ce programme ne l'attribue pas.",
        ],
    ),
    (
        Code::LaterTouchWon,
        [
            "Your click of {click_time} was valid; a later eligible touch of {winner_day} was credited.",
            "Votre clic du {click_time} était valable ; un contact éligible plus récent, du {winner_day}, a été retenu.",
            "Your click was valid; another eligible touch was credited.",
            "Votre clic était valable ; un autre contact éligible a été retenu.",
        ],
    ),
    (
        Code::HigherClassWon,
        [
            "",
            "",
            "Your touch was valid; a touch of a class this program ranks higher was credited.",
            "Votre contact était valable ; un contact d'une classe que ce programme place plus haut a été retenu.",
        ],
    ),
    (
        Code::ExclusiveCodeWon,
        [
            "",
            "",
            "The order used a code reserved for another partner.",
            "La commande a utilisé un code réservé à un autre partenaire.",
        ],
    ),
    (
        Code::SuppressedCode,
        [
            "",
            "",
            "The order used a code that this program does not credit.",
            "La commande a utilisé un code que ce programme n'attribue pas.",
        ],
    ),
    (
        Code::PaidChannelWon,
        [
            "",
            "",
            "The order was credited to a channel of the merchant's own.",
            "La commande a été attribuée à un canal propre du marchand.",
        ],
    ),
    (
        Code::LifetimeOwnerWon,
        [
            "",
            "",
            "This customer is bound to another partner.",
            "Ce client est lié à un autre partenaire.",
        ],
    ),
    (
        Code::PartnerNotActive,
        [
            "You were not active in this program at {click_time}.",
            "Vous n'étiez pas actif dans ce programme le {click_time}.",
            "You were not active in this program at your click.",
            "Vous n'étiez pas actif dans ce programme lors de votre clic.",
        ],
    ),
    (
        Code::ConsentDenied,
        ["", "", "The visitor refused tracking.", "Le visiteur a refusé le suivi."],
    ),
    (
        Code::LateEvent,
        [
            "",
            "",
            "The event reached us later than this program allows.",
            "L'événement nous est parvenu plus tard que ce programme ne l'admet.",
        ],
    ),
    (
        Code::KindDisabled,
        [
            "",
            "",
            "Your terms do not credit touches of this kind.",
            "Vos conditions n'attribuent pas ce type de contact.",
        ],
    ),
    (
        Code::OutOfScope,
        [
            "",
            "",
            "The touch is outside the visit that this rule looks at.",
            "Le contact est hors de la visite que cette règle considère.",
        ],
    ),
    (
        Code::Collapsed,
        [
            "Counted together with your newer click of {newer_time}.",
            "Compté avec votre clic plus récent du {newer_time}.",
            "Counted together with another click of yours.",
            "Compté avec un autre de vos clics.",
        ],
    ),
    (
        Code::BeyondMaxTouches,
        [
            "",
            "",
            "Only the last touches of a journey are considered.",
            "Seuls les derniers contacts d'un parcours sont considérés.",
        ],
    ),
    (
        Code::InvalidTraffic,
        [
            "",
            "",
            "This touch was classed as automated or not made by a person.",
            "Ce contact a été classé comme automatique ou non fait par une personne.",
        ],
    ),
    (
        Code::PinnedClickWon,
        [
            "",
            "",
            "The order carried the id of another valid click.",
            "La commande portait l'identifiant d'un autre clic valable.",
        ],
    ),
    (
        Code::EarlierTouchWon,
        [
            "",
            "",
            "This program credits the first touch; an earlier one was credited.",
            "Ce programme attribue au premier contact ; un contact antérieur a été retenu.",
        ],
    ),
    (
        Code::NoRule,
        [
            "",
            "",
            "No commission rule applies to this order.",
            "Aucune règle de commission ne s'applique à cette commande.",
        ],
    ),
    (
        Code::ExcludedItem,
        [
            "",
            "",
            "Some lines are excluded from commission.",
            "Certaines lignes sont exclues de la commission.",
        ],
    ),
    (
        Code::CappedPartial,
        [
            "The cap of your terms was reached; {commission} is paid.",
            "Le plafond de vos conditions a été atteint ; {commission} est payé.",
            "The cap of your terms was reached.",
            "Le plafond de vos conditions a été atteint.",
        ],
    ),
    (
        Code::CappedFull,
        [
            "",
            "",
            "The cap of your terms was reached before this order.",
            "Le plafond de vos conditions était atteint avant cette commande.",
        ],
    ),
    (
        Code::ReturningCustomerRate,
        [
            "",
            "",
            "The rate for returning customers applies.",
            "Le taux des clients déjà connus s'applique.",
        ],
    ),
    (
        Code::BelowUnit,
        [
            "The commission is below the smallest unit of {currency}.",
            "La commission est inférieure à la plus petite unité de {currency}.",
            "The commission is below the smallest unit of the currency.",
            "La commission est inférieure à la plus petite unité de la devise.",
        ],
    ),
    (
        Code::NoRate,
        [
            "There is no exchange rate for {currency} on {order_day}; the order waits.",
            "Il n'y a pas de taux de change pour {currency} au {order_day} ; la commande attend.",
            "There is no exchange rate yet; the order waits.",
            "Il n'y a pas encore de taux de change ; la commande attend.",
        ],
    ),
    (Code::Cancelled, ["", "", "Cancelled.", "Annulée."]),
    (Code::ReturnedFull, ["", "", "Returned.", "Retournée."]),
    (
        Code::ReturnedPart,
        [
            "{returned} of {amount} was returned.",
            "{returned} sur {amount} ont été retournés.",
            "A part was returned.",
            "Une partie a été retournée.",
        ],
    ),
    (
        Code::PaymentFailed,
        ["", "", "The buyer's payment failed.", "Le paiement de l'acheteur a échoué."],
    ),
    (
        Code::Fraud,
        [
            "",
            "",
            "Declined for fraud; the merchant holds the evidence.",
            "Refusée pour fraude ; le marchand détient les preuves.",
        ],
    ),
    (
        Code::TermsBreach,
        [
            "",
            "",
            "Declined for a breach of the terms; the merchant holds the evidence.",
            "Refusée pour non-respect des conditions ; le marchand détient les preuves.",
        ],
    ),
    (Code::OutOfStock, ["", "", "Out of stock.", "Rupture de stock."]),
    (Code::Other, ["{note}", "{note}", "Declined by the merchant.", "Refusée par le marchand."]),
    (Code::Locked, ["", "", "Final.", "Définitive."]),
    (
        Code::Paid,
        ["Paid in statement {statement}.", "Payée avec le relevé {statement}.", "Paid.", "Payée."],
    ),
    (
        Code::Clawback,
        [
            "Taken back after the lock: {returned} of {amount} was returned.",
            "Reprise après la clôture : {returned} sur {amount} ont été retournés.",
            "Taken back after the lock.",
            "Reprise après la clôture.",
        ],
    ),
    (
        Code::Forfeited,
        [
            "",
            "",
            "Ended by the merchant; the order was open when the partnership ended.",
            "Terminée par le marchand ; la commande était ouverte à la fin du partenariat.",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use event::Code;

    use super::{Language, SENTENCES, Values};

    #[test]
    fn every_sentence_has_both_languages_and_a_form_without_values() {
        for (code, [english, french, english_short, french_short]) in SENTENCES {
            assert!(!english_short.is_empty() && !french_short.is_empty(), "{code}");
            assert!(!english_short.contains('{') && !french_short.contains('{'), "{code}");
            let names = |text: &str| {
                let mut names: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .map(|part| part.split('}').next().unwrap().to_owned())
                    .collect();
                names.sort();
                names
            };
            assert_eq!(names(english), names(french), "{code}");
        }
    }

    #[test]
    fn values_are_filled_in_or_the_short_sentence_stands() {
        let mut values = Values::new();
        let told =
            |language: Language, values: &Values| language.sentence(Code::LaterTouchWon, values);
        assert_eq!(
            told(Language::English, &values),
            "Your click was valid; another eligible touch was credited."
        );
        values.insert("click_time", "2026-10-28 09:12".to_owned());
        assert!(!told(Language::French, &values).contains("2026"));
        values.insert("winner_day", "2026-11-02".to_owned());
        assert_eq!(
            told(Language::French, &values),
            "Votre clic du 2026-10-28 09:12 était valable ; un contact éligible plus récent, du 2026-11-02, a été retenu."
        );
    }

    #[test]
    fn what_only_the_manager_may_know_is_told_in_general_words() {
        for code in [Code::EvidenceConflict, Code::VisitorOversize, Code::IdentityOversize] {
            assert_eq!(
                Language::English.sentence(code, &Values::new()),
                "The merchant looks at this."
            );
        }
    }

    #[test]
    fn the_best_accepted_language_is_taken() {
        for (header, language) in [
            (None, Language::English),
            (Some("fr"), Language::French),
            (Some("fr-FR,fr;q=0.9,en;q=0.8"), Language::French),
            (Some("de,en;q=0.7,fr;q=0.3"), Language::English),
            (Some("en;q=0.3, fr;q=0.301"), Language::French),
            (Some("fr;q=0"), Language::English),
            (Some("fr;q=x,,;;q=,é"), Language::English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header:?}");
        }
    }
}
