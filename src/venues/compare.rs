//! Measured against meant: what a venue says of a key beside the sheet that says what it is to be. Nothing is taken for granted: what the venue
//! did not say is no agreement, and what it never says is left to a person, by name.

use super::{
    capability::{Capability, Seen},
    fact::{Expiry, IpRule, KeyFacts, MeasuredBy, Right, Tri},
};
use crate::domain::{KeyPurpose, KeyRight, KeySheet, text::text_enum, time::DAY_MS};
use serde::{Deserialize, Serialize};

text_enum! {
    /// What follows of a difference.
    Weight {
        /// The key is not what it is to be.
        Wrong = "wrong",
        /// The venue could have said it and did not: ask again.
        Unknown = "unknown",
        /// The venue never says it: somebody looks, and answers for it.
        Attest = "attest",
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What follows.
    pub weight: Weight,
    /// In words.
    pub what: String,
}

/// Everything in which a key differs from its sheet, the worst first. Empty: it is what it is to be.
pub fn compare(sheet: &KeySheet, facts: &KeyFacts, by: MeasuredBy, of: &Capability) -> Vec<Difference> {
    let mut all = Vec::new();
    // First: they are why it says so little of the rights.
    if facts.has_unknown_words() {
        let words = facts.unknown_words.join(", ");
        all.push(difference(Weight::Unknown, format!("the venue uses words for its rights that are new here: {words}")));
    }
    all.extend(Right::ALL.iter().filter_map(|right| right_differs(sheet, facts, *right, (of, by))));
    all.extend(words_differ(sheet, facts, of));
    all.extend(whitelist(sheet));
    all.extend(account_differs(sheet, facts, weight_of(of.shows_subaccount, by)));
    all.extend(addresses_differ(sheet, facts, weight_of(of.shows_ips, by)));
    all.extend(end_differs(sheet, facts, weight_of(of.shows_expiry, by)));
    all.sort_by_key(|one| one.weight);
    all
}

/// To where a key that withdraws may: no venue says that to a key.
fn whitelist(sheet: &KeySheet) -> Option<Difference> {
    let to = sheet.withdraw_to.join(", ");
    let what = format!("withdrawals go to whitelisted addresses only, and those are {to}");
    (!sheet.withdraw_to.is_empty()).then(|| difference(Weight::Attest, what))
}

fn difference(weight: Weight, what: impl Into<String>) -> Difference {
    Difference { weight, what: what.into() }
}

/// What it means that something was not said, by who could have seen it.
fn weight_of(seen: Seen, by: MeasuredBy) -> Weight {
    match (seen, by) {
        (Seen::Never, _) | (Seen::ByMaster, MeasuredBy::Own) => Weight::Attest,
        _ => Weight::Unknown,
    }
}

/// Whether a purpose takes a right. Cancelling is what a guard is for, and comes with trading wherever there is no right to that alone. A key of the
/// main account takes what its venue demands for changing those of subaccounts.
fn is_meant(sheet: &KeySheet, right: Right, of: &Capability) -> bool {
    match right {
        Right::Read => sheet.rights.contains(&KeyRight::Read),
        Right::Withdraw => !sheet.withdraw_to.is_empty(),
        _ if sheet.purpose == KeyPurpose::KeyAdmin => of.admin.is_some_and(|admin| admin.takes.contains(&right)),
        Right::Trade | Right::Cancel => sheet.rights.contains(&KeyRight::Trade),
        _ => false,
    }
}

/// Whether a right comes with those that a purpose takes, so that having it is no defect.
fn comes_along(sheet: &KeySheet, right: Right, of: &Capability) -> bool {
    match sheet.purpose {
        KeyPurpose::KeyAdmin => right != Right::Withdraw && of.admin.is_some_and(|admin| admin.comes_with.contains(&right)),
        _ => sheet.rights.contains(&KeyRight::Trade) && of.comes_with_trade.contains(&right),
    }
}

/// Whether no answer of the venue to whoever measured speaks of a right.
fn is_never_told((of, by): (&Capability, MeasuredBy), right: Right) -> bool {
    of.cannot_tell.contains(&right) || (by == MeasuredBy::Master && of.cannot_tell_by_master.contains(&right))
}

fn right_differs(sheet: &KeySheet, facts: &KeyFacts, right: Right, asked: (&Capability, MeasuredBy)) -> Option<Difference> {
    let (of, _) = asked;
    let words = right.as_str().replace('_', " ");
    match (is_meant(sheet, right, of), facts.right(right)) {
        (true, Tri::Yes) | (false, Tri::No) => None,
        // A guard that may cancel alone is a better one.
        (true, Tri::No) if sheet.purpose == KeyPurpose::Guard && right == Right::Trade => None,
        (true, Tri::No) => Some(difference(Weight::Wrong, format!("it may not {words}, which {} takes", sheet.purpose))),
        (false, Tri::Yes | Tri::Unknown) if comes_along(sheet, right, of) => None,
        (false, Tri::Yes) => Some(difference(Weight::Wrong, format!("it may {words}, which {} does not take", sheet.purpose))),
        (_, Tri::Unknown) if is_never_told(asked, right) => {
            Some(difference(Weight::Attest, format!("the venue never says whether a key may {words}")))
        }
        (_, Tri::Unknown) => Some(difference(Weight::Unknown, format!("the venue did not say whether it may {words}"))),
    }
}

/// The venue's own words: a key may trade and not where its bot trades, or also elsewhere. Of a right that it does not have, or that was not said,
/// `right_differs` has spoken.
fn words_differ(sheet: &KeySheet, facts: &KeyFacts, of: &Capability) -> Vec<Difference> {
    if sheet.purpose == KeyPurpose::KeyAdmin {
        return admin_words_differ(facts, of);
    }
    let has = |word: &&str| facts.words.iter().any(|said| said == word);
    let watches = matches!(sheet.purpose, KeyPurpose::Monitor | KeyPurpose::Guard);
    let trades = sheet.rights.contains(&KeyRight::Trade) && facts.right(Right::Trade) == Tri::Yes;
    let to_read = if watches && facts.right(Right::Read) == Tri::Yes { of.words.to_read } else { &[] };
    let to_trade = if trades { of.words.to_trade } else { &[] };
    let missing = to_read.iter().chain(to_trade).filter(|words| !words.iter().any(&has));
    let missing =
        missing.map(|words| difference(Weight::Wrong, format!("it has no {}, which {} takes here", words.join(" or "), sheet.purpose)));
    let refused = of.words.trade_refuses.iter().filter(|word| trades && has(word));
    let refused = refused.map(|word| difference(Weight::Wrong, format!("it has {word}, which {} does not take here", sheet.purpose)));
    missing.chain(refused).collect()
}

/// The same of a key of the main account: it may do what its venue demands, by one word and not by two.
fn admin_words_differ(facts: &KeyFacts, of: &Capability) -> Vec<Difference> {
    let Some(admin) = of.admin else {
        return vec![difference(Weight::Wrong, "at this venue no key of a main account changes those of subaccounts")];
    };
    if admin.takes.iter().any(|right| facts.right(*right) != Tri::Yes) {
        return Vec::new();
    }
    let has = |word: &&&str| facts.words.iter().any(|said| said == **word);
    let held: Vec<&str> = admin.one_of.iter().filter(has).copied().collect();
    let mut found = Vec::new();
    if held.is_empty() && !admin.one_of.is_empty() {
        found.push(difference(Weight::Wrong, format!("it has no {}, which key_admin takes here", admin.one_of.join(" or "))));
    }
    if held.len() > 1 {
        found.push(difference(Weight::Wrong, format!("it has {}, and key_admin takes one of them", held.join(" and "))));
    }
    let refused = admin.refuses.iter().filter(has);
    found.extend(refused.map(|word| difference(Weight::Wrong, format!("it has {word}, which key_admin does not take here"))));
    found
}

/// Whose key it is. A key of a main account reaches what every other bot has there; one that changes the keys of subaccounts is nothing else, and
/// its sheet names the subaccount instead.
fn account_differs(sheet: &KeySheet, facts: &KeyFacts, unseen: Weight) -> Vec<Difference> {
    let mut found = Vec::new();
    if sheet.purpose == KeyPurpose::KeyAdmin {
        match facts.is_main {
            Tri::Yes => {}
            Tri::No => found.push(difference(Weight::Wrong, "it belongs to a subaccount, and is to belong to the main account")),
            Tri::Unknown => found.push(difference(unseen, "whether it belongs to the main account was not said")),
        }
        return found;
    }
    if facts.is_main == Tri::Yes && sheet.purpose != KeyPurpose::MarketData {
        found.push(difference(Weight::Wrong, "it belongs to a main account; one bot, one subaccount"));
    }
    match (&sheet.account, &facts.subaccount) {
        (Some(meant), Some(is)) if meant != is => {
            found.push(difference(Weight::Wrong, format!("it belongs to the account {is}, and is to belong to {meant}")));
        }
        (Some(meant), None) => {
            found.push(difference(unseen, format!("whose key it is was not said; it is to belong to {meant}")));
        }
        _ => {}
    }
    found
}

fn addresses_differ(sheet: &KeySheet, facts: &KeyFacts, unseen: Weight) -> Option<Difference> {
    let meant = sheet.ips.join(", ");
    match &facts.ips {
        IpRule::Only(nets) => {
            let mut are: Vec<String> = nets.iter().map(ToString::to_string).collect();
            let mut to_be = sheet.ips.clone();
            are.sort_unstable();
            to_be.sort_unstable();
            (are != to_be).then(|| difference(Weight::Wrong, format!("it works from {}, and is to from {meant}", are.join(", "))))
        }
        IpRule::Unrestricted => Some(difference(Weight::Wrong, format!("it works from anywhere, and is to from {meant} alone"))),
        IpRule::Unknown if facts.is_ip_bound == Tri::No => {
            Some(difference(Weight::Wrong, format!("it works from anywhere, and is to from {meant} alone")))
        }
        // Which addresses these are somebody can look up; that there are any must be said.
        IpRule::Unknown => {
            let weight = if facts.is_ip_bound == Tri::Yes { unseen } else { Weight::Unknown };
            Some(difference(weight, format!("from which addresses it works was not said; it is to from {meant} alone")))
        }
    }
}

fn end_differs(sheet: &KeySheet, facts: &KeyFacts, unseen: Weight) -> Option<Difference> {
    let meant = sheet.until.map_or_else(|| "never".to_owned(), |until| until.plain());
    match (facts.expiry, sheet.until) {
        (Expiry::Never, None) => None,
        // Venues count in days.
        (Expiry::At(at), Some(until)) if at.ms_since(until).abs() <= DAY_MS => None,
        (Expiry::Never, Some(_)) => Some(difference(Weight::Wrong, format!("it never ends, and is to end {meant}"))),
        (Expiry::At(at), _) => Some(difference(Weight::Wrong, format!("it ends {}, and is to end {meant}", at.plain()))),
        (Expiry::Unknown, _) => Some(difference(unseen, format!("when it ends was not said; it is to end {meant}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::venues::{AdminKey, OwnWords};
    use proptest::prelude::*;

    const FULL: Capability = Capability {
        measures_keys: true,
        has_measuring_test: true,
        inspects_by_master: true,
        shows_rights: Seen::ByKey,
        shows_ips: Seen::ByKey,
        shows_expiry: Seen::ByKey,
        shows_subaccount: Seen::ByKey,
        cannot_tell: &[],
        cannot_tell_by_master: &[],
        words: OwnWords::ANY,
        comes_with_trade: &[],
        tells_entries: true,
        cancels_all: true,
        cancels_conditional: true,
        arms: None,
        demotes: true,
        deletes: true,
        has_cancel_only_key: true,
        admin_needs: "",
        admin: Some(AdminKey {
            takes: &[Right::KeyAdmin],
            comes_with: &[Right::InternalTransfer],
            one_of: &["move", "shift"],
            refuses: &["option"],
            calls_by: "its name",
        }),
        notes: &[],
    };

    fn sheet(purpose: KeyPurpose) -> KeySheet {
        KeySheet::new(purpose, "203.0.113.7", None).unwrap()
    }

    /// A key with these rights and no other, as a venue that says everything tells of it.
    fn facts(rights: &[Right]) -> KeyFacts {
        let mut facts = KeyFacts { expiry: Expiry::Never, ..KeyFacts::default() };
        for right in Right::ALL {
            facts.rights.set(*right, rights.contains(right).into());
        }
        facts.bind(IpRule::read(["203.0.113.7"]));
        facts
    }

    const TRADES: &[Right] = &[Right::Read, Right::Trade, Right::Cancel];

    fn weights(purpose: KeyPurpose, facts: &KeyFacts, of: &Capability) -> Vec<Weight> {
        compare(&sheet(purpose), facts, MeasuredBy::Own, of).iter().map(|one| one.weight).collect()
    }

    #[test]
    fn a_key_that_is_what_it_is_to_be_differs_in_nothing() {
        assert_eq!(weights(KeyPurpose::Execution, &facts(TRADES), &FULL), []);
        assert_eq!(weights(KeyPurpose::Monitor, &facts(&[Right::Read]), &FULL), []);
        assert_eq!(weights(KeyPurpose::Guard, &facts(&[Right::Read, Right::Cancel]), &FULL), [], "that it cannot trade is better");
    }

    #[test]
    fn too_much_is_wrong_and_too_little_is_as_well() {
        let withdraws = facts(&[TRADES, &[Right::Withdraw]].concat());
        let found = compare(&sheet(KeyPurpose::Execution), &withdraws, MeasuredBy::Own, &FULL);
        assert_eq!(found, [difference(Weight::Wrong, "it may withdraw, which execution does not take")]);
        assert_eq!(weights(KeyPurpose::Execution, &facts(&[Right::Read]), &FULL), [Weight::Wrong, Weight::Wrong]);
        assert_eq!(weights(KeyPurpose::Monitor, &facts(TRADES), &FULL), [Weight::Wrong, Weight::Wrong]);
        // What no key of this venue can trade without is no defect of this one.
        let moves = Capability { comes_with_trade: &[Right::InternalTransfer], ..FULL };
        let funds = facts(&[TRADES, &[Right::InternalTransfer]].concat());
        assert_eq!(weights(KeyPurpose::Execution, &funds, &moves), []);
        assert_eq!(weights(KeyPurpose::Monitor, &facts(&[Right::Read, Right::InternalTransfer]), &moves), [Weight::Wrong]);
    }

    #[test]
    fn addresses_and_end_are_compared_and_what_cannot_be_seen_is_attested() {
        let mut key = facts(TRADES);
        key.bind(IpRule::Unrestricted);
        assert_eq!(weights(KeyPurpose::Execution, &key, &FULL), [Weight::Wrong]);
        key.bind(IpRule::read(["203.0.113.7", "203.0.113.8"]));
        assert_eq!(weights(KeyPurpose::Execution, &key, &FULL), [Weight::Wrong]);
        (key.ips, key.is_ip_bound) = (IpRule::Unknown, Tri::Yes);
        assert_eq!(weights(KeyPurpose::Execution, &key, &FULL), [Weight::Unknown]);
        let by_master = Capability { shows_ips: Seen::ByMaster, shows_expiry: Seen::Never, ..FULL };
        key.expiry = Expiry::Unknown;
        assert_eq!(weights(KeyPurpose::Execution, &key, &by_master), [Weight::Attest, Weight::Attest]);
        key.is_ip_bound = Tri::Unknown;
        assert_eq!(
            weights(KeyPurpose::Execution, &key, &by_master),
            [Weight::Unknown, Weight::Attest],
            "that it is bound at all must be said"
        );
        key.is_ip_bound = Tri::No;
        assert_eq!(weights(KeyPurpose::Execution, &key, &by_master), [Weight::Wrong, Weight::Attest], "that it is not bound can be seen");

        let at = |day: i64| Timestamp(1_800_000_000_000_000 + day * DAY_MS * 1_000);
        let ends = |expiry, until| {
            let (key, sheet) = (KeyFacts { expiry, ..facts(TRADES) }, KeySheet { until, ..sheet(KeyPurpose::Execution) });
            compare(&sheet, &key, MeasuredBy::Own, &FULL).len()
        };
        assert_eq!([ends(Expiry::At(at(0)), Some(at(1))), ends(Expiry::At(at(0)), Some(at(2)))], [0, 1]);
        assert_eq!([ends(Expiry::At(at(0)), None), ends(Expiry::Never, Some(at(0)))], [1, 1]);
    }

    #[test]
    fn another_account_is_wrong_and_a_main_account_always_is() {
        let named = KeySheet { account: Some("grid-1".into()), ..sheet(KeyPurpose::Execution) };
        let found = |key: &KeyFacts, sheet: &KeySheet, of: &Capability| -> Vec<Weight> {
            compare(sheet, key, MeasuredBy::Own, of).iter().map(|one| one.weight).collect()
        };
        let of = |subaccount: Option<&str>, is_main| KeyFacts { subaccount: subaccount.map(Into::into), is_main, ..facts(TRADES) };
        assert_eq!(found(&of(Some("grid-1"), Tri::No), &named, &FULL), []);
        assert_eq!(found(&of(Some("grid-2"), Tri::No), &named, &FULL), [Weight::Wrong]);
        assert_eq!(found(&of(None, Tri::No), &named, &FULL), [Weight::Unknown]);
        assert_eq!(found(&of(None, Tri::No), &named, &Capability { shows_subaccount: Seen::Never, ..FULL }), [Weight::Attest]);
        assert_eq!(found(&of(Some("grid-2"), Tri::Unknown), &sheet(KeyPurpose::Execution), &FULL), [], "the sheet names none");
        for purpose in [KeyPurpose::Execution, KeyPurpose::Guard] {
            assert_eq!(found(&of(None, Tri::Yes), &sheet(purpose), &FULL), [Weight::Wrong], "{purpose}");
        }
        let reads = KeyFacts { is_main: Tri::Yes, ..facts(&[Right::Read]) };
        assert_eq!(found(&reads, &sheet(KeyPurpose::Monitor), &FULL), [Weight::Wrong]);
        assert_eq!(found(&reads, &sheet(KeyPurpose::MarketData), &FULL), [], "it sees what everybody sees");
    }

    #[test]
    fn a_right_in_the_wrong_market_is_named_by_the_venues_word() {
        let words = OwnWords { to_read: &[&["see-orders"]], to_trade: &[&["swap", "perp"]], trade_refuses: &["option"] };
        let of = Capability { words, ..FULL };
        let with =
            |rights: &[Right], words: &[&str]| KeyFacts { words: words.iter().map(|word| (*word).into()).collect(), ..facts(rights) };
        let found = |purpose, key: &KeyFacts| -> Vec<String> {
            compare(&sheet(purpose), key, MeasuredBy::Own, &of).into_iter().map(|one| format!("{} {}", one.weight, one.what)).collect()
        };
        assert_eq!(found(KeyPurpose::Execution, &with(TRADES, &["perp"])), [""; 0]);
        assert_eq!(
            found(KeyPurpose::Execution, &with(TRADES, &["option"])),
            ["wrong it has no swap or perp, which execution takes here", "wrong it has option, which execution does not take here"]
        );
        assert_eq!(found(KeyPurpose::Monitor, &with(&[Right::Read], &["see"])), ["wrong it has no see-orders, which monitor takes here"]);
        assert_eq!(found(KeyPurpose::Monitor, &with(&[Right::Read], &["see-orders"])), [""; 0]);
    }

    #[test]
    fn what_the_main_account_is_not_told_is_attested_when_it_measures() {
        let of = Capability { cannot_tell_by_master: &[Right::Withdraw], ..FULL };
        let mut key = facts(TRADES);
        key.rights.set(Right::Withdraw, Tri::Unknown);
        let by = |by| compare(&sheet(KeyPurpose::Execution), &key, by, &of).iter().map(|one| one.weight).collect::<Vec<_>>();
        assert_eq!((by(MeasuredBy::Master), by(MeasuredBy::Own)), (vec![Weight::Attest], vec![Weight::Unknown]));
    }

    #[test]
    fn a_key_that_changes_others_is_the_main_accounts_and_has_what_its_venue_demands_and_no_more() {
        let with = |rights: &[Right], words: &[&str], is_main| KeyFacts {
            words: words.iter().map(|word| (*word).into()).collect(),
            is_main,
            subaccount: Some("1".into()),
            ..facts(&[&[Right::Read, Right::KeyAdmin], rights].concat())
        };
        let named = KeySheet { account: Some("grid-1".into()), ..sheet(KeyPurpose::KeyAdmin) };
        let found = |key: &KeyFacts, of: &Capability| -> Vec<String> {
            compare(&named, key, MeasuredBy::Own, of).into_iter().map(|one| format!("{} {}", one.weight, one.what)).collect()
        };
        assert_eq!(found(&with(&[], &["move"], Tri::Yes), &FULL), [""; 0], "its account is the main one, whatever it is called");
        assert_eq!(found(&with(&[Right::InternalTransfer], &["shift"], Tri::Yes), &FULL), [""; 0], "it cannot be had without");
        assert_eq!(found(&with(&[Right::Withdraw], &["move"], Tri::Yes), &FULL), ["wrong it may withdraw, which key_admin does not take"]);
        assert_eq!(found(&with(&[Right::Trade], &["move"], Tri::Yes), &FULL), ["wrong it may trade, which key_admin does not take"]);
        assert_eq!(
            found(&with(&[], &["move", "shift"], Tri::Yes), &FULL),
            ["wrong it has move and shift, and key_admin takes one of them"]
        );
        assert_eq!(
            found(&with(&[], &["option"], Tri::No), &FULL),
            [
                "wrong it has no move or shift, which key_admin takes here",
                "wrong it has option, which key_admin does not take here",
                "wrong it belongs to a subaccount, and is to belong to the main account",
            ]
        );
        assert_eq!(
            found(&with(&[], &["move"], Tri::Unknown), &Capability { shows_subaccount: Seen::Never, ..FULL }),
            ["attest whether it belongs to the main account was not said"]
        );
        let nobody = Capability { admin: None, ..FULL };
        assert!(found(&with(&[], &["move"], Tri::Yes), &nobody).iter().any(|one| one.starts_with("wrong at this venue no key")));
    }

    #[test]
    fn new_words_are_no_agreement() {
        let key = KeyFacts { unknown_words: vec!["SuperTrade".into()], ..facts(TRADES) };
        assert_eq!(weights(KeyPurpose::Execution, &key, &FULL), [Weight::Unknown]);
    }

    proptest! {
        #[test]
        fn nothing_unsaid_is_ever_agreement(said in prop::collection::vec(0..3usize, Right::ALL.len()), purpose in 0..KeyPurpose::ALL.len()) {
            let mut key = facts(&[]);
            for (right, n) in Right::ALL.iter().zip(&said) {
                key.rights.set(*right, Tri::ALL[*n]);
            }
            let purpose = KeyPurpose::ALL[purpose];
            let is_unsaid = said.iter().any(|n| Tri::ALL[*n] == Tri::Unknown);
            let found = weights(purpose, &key, &FULL);
            prop_assert!(!is_unsaid || found.contains(&Weight::Unknown));
            prop_assert_eq!(key.right(Right::Withdraw) == Tri::Yes && found.is_empty(), false);
        }
    }
}
