//! The catalog of the stream: four programs with four currencies, terms that changed, partners that were ended.

use std::fmt::Write as _;

/// A day in milliseconds.
pub(crate) const DAY: i64 = 86_400_000;
/// Time zones of the programs.
const ZONES: [&str; 4] = ["Europe/Paris", "Asia/Tokyo", "Asia/Dubai", "America/New_York"];
/// Name, currency and how often an order is this program's, out of 100.
pub(crate) const PROGRAMS: [(&str, &str, u64); 4] =
    [("paris", "EUR", 50), ("kobe", "JPY", 20), ("gulf", "KWD", 15), ("usa", "USD", 15)];
/// Partners in the order of their numbers.
pub(crate) const PARTNERS: [&str; 8] = ["ada", "bob", "cyd", "fay", "ron", "vic", "wes", "xia"];
/// The instants, in milliseconds before now, at which something changes: an order at each and beside it.
pub(crate) const CHANGES: [i64; 6] = [20 * DAY, 12 * DAY, 10 * DAY, 5 * DAY, DAY, 3_600_000];

/// The signing key of a program.
pub(crate) fn key_name(program: &str) -> String {
    format!("{program}-server")
}

/// RFC 3339 of a time, in UTC.
pub(crate) fn rfc3339(ms: i64) -> String {
    // Civil date from days: eras of 400 years that begin in March.
    let days = ms.div_euclid(DAY) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) =
        (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    let of_day = ms.rem_euclid(DAY);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// When the last terms begin, in milliseconds after the stream began: in the midst of it.
pub(crate) const IN_MIDSTREAM: i64 = 15_000;

/// Terms of a program before the first change, after it, (so that orders stay open) in the last hour, and from the midst of
/// the stream on.
struct Terms {
    /// Keys of all versions.
    always: &'static str,
    /// What says the time of the lock, in the first two versions and in the last two.
    lock: [&'static str; 2],
    /// Rules of the versions.
    rules: [&'static str; 4],
}

const TERMS: [Terms; 4] = [
    Terms {
        always: "lateness = \"2s\"\ndedup_conflict = \"amend\"\nmargins = { default = \"30\", Shoes = \"42.5\" }",
        lock: ["lock_after = \"1s\"", "lock_after = \"30d\""],
        rules: [
            r#"{ category = ["Gift"], excluded = true },
               { sku = ["A1"], coupon = ["LEA10"], percent = "12.3456", cap_per_order = "2.50" },
               { customer = "returning", percent = "1" },
               { goal = ["lead"], per_order = "3.00" },
               { per_click = "0.01" },
               { per_day = "0.25", partner = ["ada", "vic"] },
               { percent = "5" },
               { category = ["shoes"], percent = "2", currency = "USD" }"#,
            r#"{ partner_kind = ["cashback"], per_order = "1.00", category = ["hats"] },
               { group = ["G1"], percent = "7.5", cap_per_order = "0.75" },
               { segment = ["vip"], percent = "9" },
               { link = ["ada-paris"], category = ["Shoes"], percent = "11" },
               { category = ["shoes", "hats"], percent = "3" },
               { per_click = "0.07", link = ["ada-paris", "fay-paris", "vic-paris"] },
               { per_click = "0.000123", partner_kind = ["content"], currency = "USD" },
               { per_thousand_impressions = "1.2345" },
               { per_week = "7.77", partner_kind = ["content"] },
               { per_month = "30", segment = ["vip"] },
               { percent = "4", currency = "JPY" }"#,
            r#"{ customer = "new", per_order = "5.00", cap_per_order = "4.99" },
               { percent = "6.6667" },
               { percent = "1", currency = "KWD" }"#,
            r#"{ sku = ["B2"], excluded = true }, { percent = "7.7777", cap_per_order = "3.21" }"#,
        ],
    },
    Terms {
        always: "lateness = \"1s\"\nauto_approve = false",
        lock: ["lock_after = \"3s\"", "lock_after = \"30d\""],
        rules: [
            r#"{ percent = "3.3333", cap_per_order = "100" }, { percent = "3", currency = "EUR" },
               { per_thousand_impressions = "999", partner = ["bob", "xia"] }"#,
            r#"{ sku = ["a1", "A1"], per_order = "50" }, { percent = "0.5" }, { per_click = "3" }, { per_day = "1" }"#,
            r#"{ percent = "8" }"#,
            r#"{ percent = "9.9" }"#,
        ],
    },
    Terms {
        always: "lateness = \"3s\"\nmargins = { hats = \"7.7777\" }",
        lock: ["lock_after = \"0s\"", "lock_after = \"10d\""],
        rules: [
            r#"{ category = ["Gift", "hats"], percent = "10" }, { percent = "0.0001" }"#,
            r#"{ customer = "returning", excluded = true }, { percent = "2.5", cap_per_order = "0.123456" },
               { per_month = "9.999", partner = ["cyd"] }, { per_click = "0.001" }"#,
            r#"{ coupon = ["spring"], percent = "20" }"#,
            r#"{ percent = "1.2345" }"#,
        ],
    },
    Terms {
        always: "lateness = \"7d\"",
        lock: ["lock = { month_end_plus = 5 }", "lock_after = \"30d\""],
        rules: [
            r#"{ percent = "10" }, { per_click = "1" }, { per_week = "5" }"#,
            r#"{ percent = "11", cap_per_order = "3" }, { percent = "2", currency = "EUR" }"#,
            r#"{ percent = "12" }"#,
            r#"{ percent = "13", cap_per_order = "2" }"#,
        ],
    },
];

/// The catalog file. `now` is when the stream begins; at `xia_ends` the last partner's part is taken away.
pub(crate) fn catalog(now: i64, xia_ends: Option<i64>) -> String {
    let before = |ms: i64| rfc3339(now - ms);
    let mut text = String::new();
    for (((name, currency, _), terms), zone) in PROGRAMS.into_iter().zip(&TERMS).zip(ZONES) {
        let Terms { always, lock, rules } = terms;
        let _written = write!(
            text,
            "[program.{name}]\ntitle = \"{name}\"\nhome = \"https://{name}.example/\"\n\
             sites = [\"https://{name}.example\"]\ntime_zone = \"{zone}\"\ncurrency = \"{currency}\"\n\
             mode = [{{ value = \"observe\" }}, {{ value = \"live\", valid_from = {} }}]\n\
             [program.{name}.reports]\npage = \"allow\"\nhmac_keys = [\"{}\"]\n\
             [program.{name}.goal.sale]\n[program.{name}.goal.lead]\n\
             [program.{name}.channel.search]\ntitle = \"Search\"\n\
             [program.{name}.segment.vip]\ntitle = \"VIP\"\n\
             terms = [{{ auto_approve = true, commission = [{{ sku = [\"B2\"], percent = \"15\", currency = \"{currency}\" }}, {{ per_click = \"0.5\" }}] }}]\n",
            before(CHANGES[0]),
            key_name(name),
        );
        let starts = [None, Some(CHANGES[2]), Some(CHANGES[5]), Some(-IN_MIDSTREAM)];
        for (n, (start, rules)) in starts.into_iter().zip(rules).enumerate() {
            let start =
                start.map_or(String::new(), |ago| format!("valid_from = {}\n", before(ago)));
            let lock = lock[n / 2];
            let _written = write!(
                text,
                "[[program.{name}.terms]]\n{start}{always}\n{lock}\ncommission = [{rules}]\n"
            );
        }
        text.push('\n');
    }
    let approved = "{ value = \"approved\" }";
    let ended = |mode: &str, at: String| {
        format!(
            "{{ value = \"ended\", mode = \"{mode}\", reason = \"r\", evidence = \"e\", valid_from = {at} }}"
        )
    };
    for partner in PARTNERS {
        let (kind, state) = match partner {
            "bob" => ("cashback", approved.to_owned()),
            "cyd" => ("coupon", approved.to_owned()),
            "fay" => ("content", format!("{approved}, {}", ended("freeze", before(CHANGES[3])))),
            "ron" => ("content", format!("{approved}, {}", ended("run_off", before(CHANGES[3])))),
            // Taken away, and back again.
            "vic" => (
                "content",
                format!(
                    "{approved}, {}, {{ value = \"approved\", valid_from = {} }}",
                    ended("forfeit", before(CHANGES[3])),
                    before(CHANGES[4])
                ),
            ),
            // Will be taken away while some orders are still open.
            "wes" => ("content", format!("{approved}, {}", ended("forfeit", before(-18 * DAY)))),
            "xia" => {
                let end = xia_ends.map(|at| format!(", {}", ended("forfeit", rfc3339(at))));
                ("content", approved.to_owned() + &end.unwrap_or_default())
            }
            _ => ("content", approved.to_owned()),
        };
        let _written =
            writeln!(text, "[partner.{partner}]\ntitle = \"{partner}\"\nkind = \"{kind}\"");
        for (program, currency, _) in PROGRAMS {
            let _written =
                writeln!(text, "[partner.{partner}.program.{program}]\nstate = [{state}]");
            if partner == "bob" {
                let _written = writeln!(
                    text,
                    "segment = [{{ value = \"vip\", valid_to = {} }}]",
                    before(CHANGES[1])
                );
            }
            if partner == "cyd" {
                let _written = writeln!(
                    text,
                    "terms = [{{ auto_approve = true, commission = [{{ category = [\"SHOES\"], percent = \"20\", \
                     currency = \"{currency}\" }}] }}, {{ valid_from = {}, auto_approve = false }}]",
                    before(CHANGES[2])
                );
            }
        }
        text.push('\n');
    }
    for partner in PARTNERS {
        for (program, ..) in PROGRAMS {
            let _written = write!(
                text,
                "[link.{partner}-{program}]\nprogram = \"{program}\"\npartner = \"{partner}\"\n\
                 destination = \"https://{program}.example/?from={partner}\"\n"
            );
        }
    }
    for (program, ..) in PROGRAMS {
        let _written = write!(
            text,
            "[link.search-{program}]\nprogram = \"{program}\"\nchannel = \"search\"\n\
             destination = \"https://{program}.example/\"\n"
        );
    }
    text
}
