//! Every text of blog and shop, in French and English.

use super::door::Request;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    French,
    English,
}

impl Language {
    /// By the address, else by an earlier choice, else as the browser prefers.
    pub(super) fn of(request: &Request) -> Self {
        let asked = request.query("lang");
        let known = asked.as_deref().or_else(|| request.cookie("lang"));
        match known.unwrap_or_else(|| request.header("accept-language")) {
            french if french.starts_with("fr") => Self::French,
            _ => Self::English,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::French => "fr",
            Self::English => "en",
        }
    }

    pub(super) const fn own_name(self) -> &'static str {
        match self {
            Self::French => "Français",
            Self::English => "English",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::French => Self::English,
            Self::English => Self::French,
        }
    }

    /// A text by its name; the name itself where there is none.
    pub(super) fn say(self, name: &str) -> &'static str {
        match (WORDS.iter().find(|(known, ..)| *known == name), self) {
            (Some((_, french, _)), Self::French) => french,
            (Some((.., english)), Self::English) => english,
            (None, _) => "???",
        }
    }
}

/// Name, French, English. They may hold markup.
const WORDS: &[(&str, &str, &str)] = &[
    ("blog", "Léa voyage", "Léa voyage"),
    ("blog_line", "À pied, léger, longtemps", "On foot, light, far"),
    ("article", "Trois jours de marche en Bretagne", "Three days on foot in Brittany"),
    ("by", "par Léa, le 2 novembre", "by Léa, 2 November"),
    (
        "lead",
        "Quarante kilomètres de sentier côtier, deux averses et un seul sac. Voici ce que j’ai porté.",
        "Forty kilometres of coast path, two showers and a single bag. Here is what I wore.",
    ),
    ("feet", "Aux pieds", "On the feet"),
    (
        "feet_text",
        "Sur le granit mouillé, tout se joue à la semelle. Les miennes viennent de",
        "On wet granite it all comes down to the sole. Mine come from",
    ),
    ("feet_link", "la Boutique Démo", "Boutique Démo"),
    ("feet_more", "et n’ont pas pris l’eau une seule fois.", "and did not let in water once."),
    ("ears", "Aux oreilles", "In the ears"),
    (
        "ears_text",
        "Pour le train du retour, j’emporte un casque qui se plie\u{a0}:",
        "For the train home I bring headphones that fold:",
    ),
    ("ears_link", "voir le casque", "see the headphones"),
    ("code", "Par une page de passage", "By way of another page"),
    (
        "code_text",
        "Certains sites passent par une page qui mène plus loin d’elle-même.",
        "Some sites lead through a page that moves on by itself.",
    ),
    ("code_link", "Aller à la boutique par cette page", "Go to the shop through that page"),
    (
        "disclosure",
        "Ces liens sont affiliés\u{a0}: si vous achetez, je touche une commission, sans surcoût pour vous.",
        "These are partner links: if you buy, I earn a commission, at no cost to you.",
    ),
    ("through_title", "Vers la boutique…", "On to the shop…"),
    (
        "through_text",
        "Nous vous emmenons à la Boutique Démo. Si rien ne se passe, suivez le lien.",
        "We are taking you to Boutique Démo. If nothing happens, follow the link.",
    ),
    ("through_link", "Continuer vers la boutique", "Continue to the shop"),
    ("skip", "Aller au contenu", "Skip to content"),
    ("shop", "Boutique Démo", "Boutique Démo"),
    ("shop_title", "Boutique Démo", "Boutique Démo"),
    ("welcome", "De quoi partir", "All you need to set out"),
    (
        "welcome_text",
        "Une boutique de démonstration\u{a0}: rien n’est livré, rien n’est débité.",
        "A shop for demonstration: nothing is shipped, nothing is charged.",
    ),
    ("products", "Articles", "Products"),
    ("walker", "Chaussures de marche", "Walking shoes"),
    (
        "walker_text",
        "Cuir ciré, semelle crantée. Catégorie <code>shoes</code>.",
        "Waxed leather, deep tread. Category <code>shoes</code>.",
    ),
    ("headphones", "Casque pliable", "Folding headphones"),
    (
        "headphones_text",
        "Trente heures d’écoute. Catégorie <code>electronics</code>.",
        "Thirty hours of sound. Category <code>electronics</code>.",
    ),
    ("card", "Carte cadeau", "Gift card"),
    (
        "card_text",
        "Sans commission\u{a0}: catégorie <code>gift-card</code>.",
        "Earns no commission: category <code>gift-card</code>.",
    ),
    ("add", "Ajouter au panier", "Add to basket"),
    ("basket", "Panier", "Basket"),
    ("empty", "Votre panier est vide.", "Your basket is empty."),
    ("back", "Continuer les achats", "Continue shopping"),
    ("product", "Article", "Product"),
    ("count", "Quantité", "Quantity"),
    ("price", "Prix", "Price"),
    ("action", "Action", "Action"),
    ("total", "Total", "Total"),
    ("remove", "Retirer", "Remove"),
    ("switches", "Qui annonce la commande\u{a0}?", "Who reports the order?"),
    ("pixel_switch", "Le pixel de la page de remerciement", "The pixel of the thank-you page"),
    ("server_switch", "Le serveur de la boutique", "The shop’s server"),
    (
        "switches_text",
        "Une commande annoncée deux fois reste une seule commande.",
        "An order reported twice is still one order.",
    ),
    ("buy", "Acheter", "Buy"),
    ("banner", "Mesure d’audience", "Measurement"),
    (
        "banner_text",
        "Pour savoir quel site vous a conduit ici, nous voudrions poser un cookie.",
        "To know which site led you here we would like to set a cookie.",
    ),
    ("grant", "Accepter", "Agree"),
    ("refuse", "Refuser", "Refuse"),
    ("close", "Fermer", "Close"),
    ("thanks", "Merci\u{a0}!", "Thank you!"),
    ("order", "Commande", "Order"),
    ("lines", "Votre commande", "Your order"),
    ("return", "Retourner une ligne", "Return one line"),
    ("returned", "Retourné", "Returned"),
    ("cancel", "Annuler la commande", "Cancel"),
    ("cancelled", "Commande annulée.", "The order is cancelled."),
    ("reports", "Ce que Sillage a répondu", "What Sillage answered"),
    ("again", "Actualiser", "Look again"),
    ("unreported", "Personne n’a annoncé cette commande.", "Nobody reported this order."),
    ("unheard", "Sillage ne répond pas.", "Sillage does not answer."),
    ("by_pixel", "Pixel", "Pixel"),
    ("by_server", "Serveur", "Server"),
    ("by_orders", "Suivi de commande", "Order system"),
    ("stored", "enregistré", "stored"),
    ("refused", "refusé", "refused"),
    ("click_valid", "· clic valide", "· valid click"),
    ("click_absent", "· sans clic", "· no click"),
    ("click_wrong", "· clic non reconnu", "· unknown click"),
    ("behind", "Dans les coulisses", "Behind the scenes"),
    ("trace", "La décision et sa trace", "The decision and its trace"),
    ("report", "Le rapport", "The report"),
];

#[cfg(test)]
mod tests {
    use super::{Language, WORDS};

    /// Every page, with the names that its code fills in.
    const PAGES: [(&str, &str); 17] = [
        (include_str!("../pages/frame.html"), "lang other other_name title path head body site"),
        (include_str!("../pages/blog-top.html"), ""),
        (include_str!("../pages/article.html"), "text_link deep_link"),
        (include_str!("../pages/through.html"), "script_link"),
        (include_str!("../pages/shop-top.html"), "pieces"),
        (include_str!("../pages/landing.html"), "cards"),
        (include_str!("../pages/product.html"), "id picture name text price_tag chosen"),
        (include_str!("../pages/basket.html"), "rows total_price"),
        (include_str!("../pages/empty.html"), ""),
        (include_str!("../pages/row.html"), "name pieces_count line_price act"),
        (include_str!("../pages/remove.html"), "id name"),
        (include_str!("../pages/return.html"), "id line name"),
        (include_str!("../pages/cancel.html"), "id"),
        (include_str!("../pages/banner.html"), "path_back"),
        (
            include_str!("../pages/thanks.html"),
            "id total_price rows cancel_form pixel_image calls admin program lang",
        ),
        (include_str!("../pages/shop.js"), ""),
        (include_str!("../pages/style.css"), ""),
    ];

    #[test]
    fn every_name_of_a_page_is_a_value_or_a_word() {
        for (page, values) in PAGES {
            for part in page.split("{{").skip(1) {
                let (name, _) = part.split_once("}}").expect("an end");
                let known = values.split(' ').any(|value| value == name);
                assert!(known || Language::French.say(name) != "???", "{name}");
            }
        }
    }

    #[test]
    fn names_are_told_once_and_in_both_languages() {
        for (at, (name, french, english)) in WORDS.iter().enumerate() {
            assert!(!french.is_empty() && !english.is_empty(), "{name}");
            assert!(!WORDS.iter().skip(at + 1).any(|(other, ..)| other == name), "{name}");
        }
    }
}
