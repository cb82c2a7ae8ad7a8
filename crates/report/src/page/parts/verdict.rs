//! Verdicts about calls in the language of the page. The edge tells them in English.

use event::Code;

use crate::language::{Language, Values};

/// Why a call was refused. `words` are the edge's.
pub(super) fn of_call(language: Language, code: Code, words: &str) -> String {
    match language {
        Language::English => words.to_owned(),
        Language::French => in_french(code, words),
    }
}

/// What is wrong with a click id.
pub(super) fn of_click(language: Language, code: Code) -> String {
    let known = CLICK_IDS.iter().find(|(known, ..)| *known == code);
    let (_, english, french) = known.unwrap_or(&CLICK_IDS[0]);
    language.of(english, french).to_owned()
}

const CLICK_IDS: [(Code, &str, &str); 4] = [
    (
        Code::ClickSignatureInvalid,
        "The click id was altered or not made by us.",
        "L'identifiant de clic a été modifié ou n'est pas de nous.",
    ),
    (
        Code::ClickUnknownKey,
        "The click id is signed with a key that is retired.",
        "L'identifiant de clic est signé avec une clé retirée.",
    ),
    (
        Code::ClickOtherProgram,
        "The click belongs to another program.",
        "Le clic appartient à un autre programme.",
    ),
    (
        Code::ClickFromFuture,
        "The click id is dated after it was received.",
        "L'identifiant de clic est daté après sa réception.",
    ),
];

/// The sentence of a code for whoever sends calls, where it is another than partners read.
const CALLS: [(Code, &str); 10] = [
    (Code::BadSignature, "La signature ou le jeton ne correspond pas à la requête."),
    (Code::StaleTimestamp, "La requête est signée pour une heure trop éloignée."),
    (Code::UnknownProgram, "Ce programme n'existe pas."),
    (Code::TooLarge, "L'envoi est trop grand."),
    (Code::RateLimited, "Trop de requêtes pour cette clé ou adresse."),
    (Code::SourceRefused, "Cette clé, adresse ou origine ne peut pas annoncer pour ce programme."),
    (Code::UnsupportedType, "Ce type de contenu n'est pas lu."),
    (Code::Timeout, "La requête est arrivée trop lentement."),
    (Code::UnknownSchema, "L'enregistrement a une version inconnue."),
    (
        Code::NoClickEvidence,
        "Ce programme n'accepte les annonces d'une page qu'avec un identifiant de clic valable.",
    ),
];

/// What the edge says of a field, and the same in French; braces hold what is taken over.
const FAULTS: [(&str, &str); 38] = [
    ("is required", "il est obligatoire"),
    (
        "is required for code 708: say what it was",
        "il est obligatoire pour le code 708 : dites ce que c'était",
    ),
    (
        "is required, or sku: which line came back",
        "il est obligatoire, ou sku : quelle ligne est revenue",
    ),
    (
        "is required: without one a retry would make a second order",
        "il est obligatoire : sans lui, une répétition ferait une seconde commande",
    ),
    ("is not text or a number", "ce n'est ni un texte ni un nombre"),
    ("is not a whole number", "ce n'est pas un nombre entier"),
    ("is not a whole number from {}", "ce n'est pas un nombre entier dans les bornes"),
    ("is not a decimal number", "ce n'est pas un nombre décimal"),
    ("is not a decimal number {}", "ce n'est pas un nombre décimal"),
    ("has more than 6 decimals", "il a plus de 6 décimales"),
    ("is above {}", "il dépasse {}"),
    ("is negative", "il est négatif"),
    ("is {}; give {}", "{} est hors des bornes"),
    ("is not one of {}", "ce n'est pas l'une de ces valeurs : {}"),
    ("is not an ISO 4217 currency code in use", "ce n'est pas un code de devise ISO 4217 en usage"),
    ("is not a time: {}", "ce n'est pas une heure ; écrivez par exemple 2026-11-03T14:22:05Z"),
    (
        "has no offset, and the program's zone is unknown",
        "l'heure n'a pas de décalage, et le fuseau du programme est inconnu",
    ),
    ("is before 1970", "l'heure est avant 1970"),
    ("is not UTF-8", "ce n'est pas de l'UTF-8"),
    ("is not readable JSON", "ce n'est pas du JSON lisible"),
    ("is not an object", "ce n'est pas un objet"),
    ("is not a JSON list of objects", "ce n'est pas une liste JSON d'objets"),
    ("is not a text or a list of texts", "ce n'est ni un texte ni une liste de textes"),
    ("is nested too deeply", "il est imbriqué trop profondément"),
    ("has too many fields", "il a trop de champs"),
    ("has the name {} twice", "le nom {} y est deux fois"),
    ("has more than {} lines", "il a plus de {} lignes"),
    ("has more than {} codes", "il a plus de {} codes"),
    ("has a control character", "il contient un caractère de contrôle"),
    ("is longer than {} bytes", "il dépasse {} octets"),
    ("is too large for its qty", "il est trop grand pour sa quantité"),
    (
        "is empty: if nothing came back, give amount 0",
        "il est vide : si rien n'est revenu, donnez amount 0",
    ),
    ("is empty: {}", "il est vide"),
    ("is not the place of a line, from {}", "ce n'est pas la place d'une ligne"),
    ("is no reason of a decline: {}", "ce n'est pas un motif de refus"),
    ("is no field of {}", "ce champ n'existe pas ici"),
    ("is not supported: {}", "ce nom n'est pas connu : prenez les nôtres"),
    ("stands {}", "il ne va pas avec un autre champ de l'appel"),
];

fn in_french(code: Code, words: &str) -> String {
    let mut out = Vec::new();
    if let Some([good, all]) =
        held("Stored {} of {} lines.{}", words).as_deref().and_then(|held| held.first_chunk())
    {
        out.push(format!("{good} lignes sur {all} enregistrées."));
    }
    let fields = words
        .split("The field ")
        .skip(1)
        .filter_map(|part| part.split_once(" could not be read: it "));
    let before = out.len();
    for (field, rest) in fields {
        let why = rest.split(". ").next().unwrap_or_default().trim_end_matches('.');
        out.push(
            match FAULTS.iter().find_map(|(english, french)| translated(english, french, why)) {
                Some(why) => format!("Le champ {field} n'a pas pu être lu : {why}."),
                None => format!("Le champ {field} n'a pas pu être lu."),
            },
        );
    }
    if out.len() == before {
        let known =
            CALLS.iter().find(|(known, _)| *known == code).map(|(_, text)| (*text).to_owned());
        let of_click = || {
            CLICK_IDS.iter().find(|(known, ..)| *known == code).map(|(.., text)| (*text).to_owned())
        };
        let unread = || (code == Code::Malformed).then(|| "L'appel n'a pas pu être lu.".to_owned());
        let of_partners = || Language::French.sentence(code, &Values::new());
        out.push(known.or_else(of_click).or_else(unread).unwrap_or_else(of_partners));
    }
    out.join(" ")
}

/// What stands where the pattern has braces; none if the text is another.
fn held<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut held = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        // What comes last takes all of the rest.
        let end = if parts.peek().is_none() {
            rest.len() - rest.strip_suffix(part).map_or(0, |_| part.len())
        } else {
            rest.find(part)?
        };
        held.push(rest.get(..end)?);
        rest = rest.get(end..)?.strip_prefix(part)?;
    }
    rest.is_empty().then_some(held)
}

fn translated(english: &str, french: &str, why: &str) -> Option<String> {
    let held = held(english, why)?;
    let mut out = String::new();
    let mut values = held.iter();
    for (place, part) in french.split("{}").enumerate() {
        if place > 0 {
            out.push_str(values.next()?);
        }
        out.push_str(part);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use event::Code;

    use super::{CALLS, CLICK_IDS, FAULTS, Language, in_french, of_call, of_click};

    #[test]
    fn what_is_wrong_with_a_field_is_told_in_french() {
        for (words, french) in [
            (
                "The field amount could not be read: it is not a decimal number (digits, then at most one decimal mark and digits).",
                "Le champ amount n'a pas pu être lu : ce n'est pas un nombre décimal.",
            ),
            (
                "The field order_id could not be read: it is longer than 128 bytes. The field items[2].qty could not be read: it is required.",
                "Le champ order_id n'a pas pu être lu : il dépasse 128 octets. \
                 Le champ items[2].qty n'a pas pu être lu : il est obligatoire.",
            ),
            (
                "The field act could not be read: it is not one of approve, decline, reopen, return, amend.",
                "Le champ act n'a pas pu être lu : ce n'est pas l'une de ces valeurs : approve, decline, reopen, return, amend.",
            ),
            // A new fault without French words.
            ("The field x could not be read: it glows.", "Le champ x n'a pas pu être lu."),
            ("The call could not be read: no object.", "L'appel n'a pas pu être lu."),
            (
                "Stored 3 of 5 lines. Line 2: The field x could not be read: it is required. And 1 more.",
                "3 lignes sur 5 enregistrées. Le champ x n'a pas pu être lu : il est obligatoire.",
            ),
        ] {
            assert_eq!(in_french(Code::Malformed, words), french);
            assert_eq!(of_call(Language::English, Code::Malformed, words), words);
        }
    }

    #[test]
    fn every_refusal_has_words_of_its_own_in_french() {
        let general = Language::French.sentence(Code::EvidenceConflict, &super::Values::new());
        for (code, french) in CALLS {
            assert_eq!(in_french(code, "English."), french);
            assert_ne!(french, general);
        }
        for (code, english, french) in CLICK_IDS {
            assert_eq!(of_click(Language::English, code), english);
            assert_eq!(of_click(Language::French, code), french);
            assert_eq!(in_french(code, "English."), french);
        }
        for (english, french) in FAULTS {
            assert!(english.matches("{}").count() >= french.matches("{}").count(), "{english}");
        }
    }
}
