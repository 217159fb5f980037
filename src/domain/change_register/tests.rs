//! What is led up properly is nothing to explain; what was not is found, once in each way that it is wrong.

use super::*;
use serde_json::json;

fn bot() -> BotId {
    BotId::from_stored("0193f0a0-0000-7000-8000-000000000001".into())
}
fn id(name: &str) -> RequestId {
    RequestId::from_stored(name.into())
}
fn stored(kind: RequestKind, target: &str, state: RequestState, done: i64) -> Stored {
    let carried_out_at = (state == RequestState::Executed && done > 0).then_some(Timestamp(done));
    Stored { kind, target: target.to_owned(), state, carried_out_at }
}
fn behind(request: &str, kinds: &'static [RequestKind], target: &str) -> Behind {
    Behind { request: (!request.is_empty()).then(|| id(request)), kinds, target: target.to_owned() }
}

const LIMITED: &[RequestKind] = &[RequestKind::Limited];
const LIMITS: &[RequestKind] = &[RequestKind::Limits];
const ASSIGN: &[RequestKind] = &[RequestKind::Assign];
const KEYS: &[RequestKind] = &[RequestKind::Keys, RequestKind::Withdrawals];

fn up(request: &str) -> What {
    What::WentUp { bot: bot(), to: Stage::Limited, behind: behind(request, LIMITED, bot().as_str()) }
}
fn set(from: Stage, to: Stage) -> What {
    What::StageSet { bot: bot(), from, to }
}
fn limits(values: Value, request: &str) -> What {
    let level = format!("bot:{}", bot());
    let values = values.as_object().unwrap().clone();
    What::Limits { behind: behind(request, LIMITS, &level), level, values }
}

/// Entries at 1, 2, 3 and so on, with what is stored of the requests; and whoever judged them.
fn judged(all: Vec<What>, requests: &[(&str, Stored)]) -> (Judge, Vec<(i64, FindingKind, String)>) {
    let stored = requests.iter().map(|(name, one)| (id(name), one.clone())).collect();
    let mut judge = Judge::default();
    let facts = (1..).zip(all).map(|(number, what)| Fact { number, at: Timestamp(number), what });
    let found: Vec<_> = facts.flat_map(|fact| judge.take(&fact, &stored)).collect();
    (judge, found.into_iter().map(|one| (one.number.unwrap_or(-1), one.kind, one.words)).collect())
}
fn kinds(all: Vec<What>, requests: &[(&str, Stored)]) -> Vec<(i64, FindingKind)> {
    judged(all, requests).1.into_iter().map(|(number, kind, _)| (number, kind)).collect()
}

use FindingKind::{ActivationBeforeApproval as Early, ChangeWithoutRequest as Unasked};

#[test]
fn a_bot_that_is_led_up_is_nothing_to_explain() {
    let requests = [
        ("up", stored(RequestKind::Limited, bot().as_str(), RequestState::Executed, 7)),
        ("place", stored(RequestKind::Assign, bot().as_str(), RequestState::Executed, 4)),
        ("key", stored(RequestKind::Keys, &format!("{}:execution", bot()), RequestState::Executed, 5)),
        ("limits", stored(RequestKind::Limits, bot().as_str(), RequestState::Executed, 9)),
    ];
    let key = KeyId::new();
    let all = vec![
        What::Made(bot()),
        set(Stage::Draft, Stage::Sandbox),
        limits(json!({"max_order_notional": "1000"}), ""),
        What::ByRequest { bot: Some(bot()), behind: behind("place", ASSIGN, bot().as_str()) },
        What::KeyApproved { key: key.clone(), bot: bot(), behind: behind("key", KEYS, &format!("{}:execution", bot())) },
        What::KeyInUse { key, bot: bot() },
        up("up"),
        What::Started(vec![bot()]),
        limits(json!({"max_order_notional": "2000"}), "limits"),
        What::Emergency { bot: bot(), reviewed: Reviewed::Justified },
        set(Stage::Limited, Stage::Sandbox),
        What::Started(vec![bot()]),
        What::Nothing,
    ];
    let (judge, found) = judged(all, &requests);
    assert_eq!(found, []);
    let now = |stage, request: Option<&str>| Standing { bot: bot(), stage, request: request.map(id) };
    assert_eq!(judge.standing([now(Stage::Sandbox, None)].iter(), Timestamp(99)), []);
    let (judge, _) = judged(vec![What::Made(bot()), up("up")], &[requests[0].clone()]);
    assert!(
        judge.standing([now(Stage::Limited, Some("up"))].iter(), Timestamp(99)).len() == 1,
        "it went up before its request was carried out"
    );
}

#[test]
fn what_stands_now_is_where_an_entry_led_it() {
    let requests = [("up", stored(RequestKind::Limited, bot().as_str(), RequestState::Executed, 1))];
    let (judge, found) = judged(vec![What::Made(bot()), up("up")], &requests);
    assert_eq!(found, []);
    let words = |stage, request: Option<&str>| {
        let now = Standing { bot: bot(), stage, request: request.map(id) };
        judge.standing([now].iter(), Timestamp(9)).first().map_or_else(String::new, |one| one.words.clone())
    };
    assert_eq!(words(Stage::Limited, Some("up")), "");
    assert!(words(Stage::Live, Some("up")).contains("no entry of the log led it there"));
    assert!(words(Stage::Limited, Some("other")).contains("something else approved it"));
    assert!(words(Stage::Limited, None).contains("something else approved it"));
    let (judge, _) = judged(vec![What::Made(bot()), up("up"), set(Stage::Live, Stage::Limited)], &requests);
    let now = Standing { bot: bot(), stage: Stage::Limited, request: None };
    assert_eq!(judge.standing([now].iter(), Timestamp(9)), [], "down is one person's, and it starts nowhere until it is approved anew");
}

#[test]
fn a_step_up_with_nothing_behind_it_is_wrong_in_both_ways() {
    let of = |one: Stored| kinds(vec![What::Made(bot()), up("up")], &[("up", one)]);
    let wrong = [(2, Early), (2, Unasked)];
    assert_eq!(of(stored(RequestKind::Limited, bot().as_str(), RequestState::Executed, 2)), []);
    assert_eq!(of(stored(RequestKind::Limited, bot().as_str(), RequestState::Executed, 3)), wrong, "carried out after it");
    assert_eq!(of(stored(RequestKind::Limited, bot().as_str(), RequestState::Approved, 0)), wrong, "never carried out");
    assert_eq!(of(stored(RequestKind::Limited, bot().as_str(), RequestState::Executed, 0)), wrong, "by the database alone");
    assert_eq!(of(stored(RequestKind::Limited, "another", RequestState::Executed, 1)), wrong, "of another bot");
    assert_eq!(of(stored(RequestKind::Live, bot().as_str(), RequestState::Executed, 1)), wrong, "to another stage");
    assert_eq!(kinds(vec![What::Made(bot()), up("up")], &[]), wrong, "there is none");
    assert_eq!(kinds(vec![What::Made(bot()), set(Stage::Sandbox, Stage::Live)], &[]), wrong, "by hand");
}

#[test]
fn a_start_where_nothing_let_it_is_found() {
    let requests = [("up", stored(RequestKind::Limited, bot().as_str(), RequestState::Executed, 1))];
    let started = || What::Started(vec![bot()]);
    let of = |all: Vec<What>| kinds([vec![What::Made(bot())], all].concat(), &requests);
    assert_eq!(of(vec![started(), up("up"), started()]), [], "in draft and sandbox nothing takes approval");
    assert_eq!(of(vec![up("up"), What::Unapproved(bot()), started()]), [(4, Early)], "its approval ended");
    assert_eq!(of(vec![up("up"), set(Stage::Live, Stage::Limited), started()]), [(4, Early)], "down, and not approved anew");
    assert_eq!(of(vec![up("up"), What::Killed(vec![bot()]), started()]), []);
    assert_eq!(kinds(vec![started()], &[]), [], "of what the log never told of, nothing is known");
}

#[test]
fn what_loosens_takes_a_request_and_what_tightens_takes_none() {
    let requests = [("yes", stored(RequestKind::Limits, bot().as_str(), RequestState::Executed, 1))];
    let of =
        |values: Value, request: &str| kinds(vec![limits(json!({"max_order_notional": "1000"}), ""), limits(values, request)], &requests);
    assert_eq!(of(json!({"max_order_notional": "500", "allowed_symbols": ["BTC/USDT"]}), ""), []);
    assert_eq!(of(json!({"max_order_notional": "1500"}), ""), [(2, Unasked)]);
    assert_eq!(of(json!({}), ""), [(2, Unasked)], "taken away");
    assert_eq!(of(json!({"max_order_notional": "1500"}), "yes"), []);
    assert_eq!(of(json!({"max_order_notional": "1500"}), "no"), [(2, Unasked)]);
}

#[test]
fn what_takes_a_request_otherwise_is_found_without_one() {
    let place = |request: &str| What::ByRequest { bot: Some(bot()), behind: behind(request, ASSIGN, bot().as_str()) };
    let denied = [("no", stored(RequestKind::Assign, bot().as_str(), RequestState::Denied, 1))];
    assert_eq!(kinds(vec![place(""), place("no")], &denied), [(1, Unasked), (2, Unasked)]);
    let key = KeyId::new();
    assert_eq!(kinds(vec![What::KeyInUse { key, bot: bot() }], &[]), [(1, Unasked)]);
    let emergency = |reviewed| kinds(vec![What::Emergency { bot: bot(), reviewed }], &[]);
    assert_eq!((emergency(Reviewed::NotDue), emergency(Reviewed::Overdue)), (vec![], vec![(1, Unasked)]));
    assert_eq!(emergency(Reviewed::NotJustified), [(1, Unasked)]);
}

#[test]
fn what_was_held_for_being_something_else_is_to_be_explained() {
    let words = "Build: approved sha256:a, now sha256:b".to_owned();
    let (_, found) = judged(vec![What::Made(bot()), What::Differed { bot: bot(), words }], &[]);
    let [(2, Unasked, words)] = &found[..] else { panic!("{found:?}") };
    assert!(words.ends_with("drift: Build: approved sha256:a, now sha256:b"), "{words}");
}
