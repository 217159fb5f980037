//! The checklists that come with the program: what RTS 6 and the rows D1 to D19 ask of whoever lets an algorithm trade, and what taught others
//! a lesson. An installation changes its own by request; these stand as version 0.

use super::{Caps, Item, Measure, Proof, Template};
use crate::domain::{Decimal, Stage};

struct Line {
    name: &'static str,
    group: &'static str,
    words: &'static str,
    why: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Measured(Measure),
    // Days, and whether it is about the very build.
    Attested(u32, bool),
    Evidence(u32, bool),
}

const STOP: &str = "Stop path";
const KEYS: &str = "Keys and account";
const LIMITS: &str = "Limits";
const TESTS: &str = "Tests of this build";
const PEOPLE: &str = "People and plans";

const fn line(name: &'static str, group: &'static str, words: &'static str, why: &'static str, how: How) -> Line {
    Line { name, group, words, why, how }
}

const BOTH: &[Line] = &[
    line(
        "agent",
        STOP,
        "Its agent is confirmed and connected, and says which build and configuration run",
        "What is approved is compared with what runs, every two seconds",
        How::Measured(Measure::Agent),
    ),
    line(
        "instances",
        STOP,
        "Every instance of the bot runs the same build and configuration",
        "Knight Capital, 2012: one of eight servers ran the old code, and nobody looked at all eight",
        How::Measured(Measure::Instances),
    ),
    line(
        "stop_drill",
        STOP,
        "A stop drill of this bot passed within 30 days",
        "A stop that was never measured is a hope; the worst case on its page is taken from the drill",
        How::Measured(Measure::Drill),
    ),
    line(
        "alert_test",
        STOP,
        "A person answered an alert within 7 days",
        "An alarm that reaches nobody stops nothing",
        How::Measured(Measure::Alert),
    ),
    line(
        "execution_key",
        KEYS,
        "Its key to trade has exactly the rights and addresses that were approved, measured at the venue within a day",
        "A key is what the venue says it is, not what a form says",
        How::Measured(Measure::Key),
    ),
    line(
        "no_withdrawal",
        KEYS,
        "No key of it may withdraw",
        "Whoever steals a trading key should find nothing to carry away",
        How::Measured(Measure::NoWithdrawal),
    ),
    line(
        "account_safety",
        KEYS,
        "The safety sheet of its account at the venue has no gap, and was looked over within 90 days",
        "Second factor, notices and withdrawal list are what stands between a lost password and the money",
        How::Measured(Measure::Account),
    ),
    line(
        "subaccount",
        KEYS,
        "It has a subaccount of a live venue for itself",
        "One subaccount, one bot: what is lost there was lost by nobody else",
        How::Measured(Measure::Subaccount),
    ),
    line(
        "limits_complete",
        LIMITS,
        "Limits are set on instruments, order value, number of orders, messages, price, position and loss",
        "RTS 6 article 8 and 15: before deployment, and a limit that is not set allows everything",
        How::Measured(Measure::Limits),
    ),
    line(
        "limits_taken",
        LIMITS,
        "Its agent enforces the version of the limits that stands",
        "A limit that the bot has not heard of limits nothing",
        How::Measured(Measure::LimitsTaken),
    ),
    line(
        "stress_fast_market",
        TESTS,
        "It was tested in a fast market",
        "RTS 6 article 10: stress is tested before the market does it",
        How::Evidence(90, true),
    ),
    line(
        "stress_missing_data",
        TESTS,
        "It was tested with market data missing and late",
        "A bot that trades on old prices trades against everybody else",
        How::Evidence(90, true),
    ),
    line(
        "stress_api_failure",
        TESTS,
        "It was tested with the venue's API failing again and again",
        "Retries in a row are how one order becomes a hundred",
        How::Evidence(90, true),
    ),
    line(
        "stress_volatility",
        TESTS,
        "It was tested in extreme volatility",
        "Sizes and distances that are right on a calm day are wrong on the other one",
        How::Evidence(90, true),
    ),
    line(
        "stress_stacked_orders",
        TESTS,
        "It was tested that orders do not stack up",
        "Acknowledgements that come late look like orders that were never sent",
        How::Evidence(90, true),
    ),
    line(
        "stress_stop_loss",
        TESTS,
        "It was tested that its stop-loss does what it says, also when it is paused",
        "A pause must not take the protection away that it relies on",
        How::Evidence(90, true),
    ),
    line(
        "rollback_plan",
        PEOPLE,
        "A rollback plan is written down for this build",
        "Knight Capital made it worse by rolling back live; the way back is thought out before",
        How::Evidence(180, true),
    ),
    line(
        "two_operators",
        PEOPLE,
        "Two operators and two people who approve can sign in",
        "Whoever is alone with a bot cannot be ill",
        How::Measured(Measure::People),
    ),
    line(
        "accountable",
        PEOPLE,
        "Its owner and a deputy are here, and who may start it is listed",
        "RTS 6 article 1: clear lines of who answers for it",
        How::Measured(Measure::Accountable),
    ),
    line(
        "runbook_venue_outage",
        PEOPLE,
        "The runbook for a venue outage was rehearsed",
        "At 3 a.m. people do what they have done before",
        How::Attested(180, false),
    ),
    line(
        "runbook_bad_feed",
        PEOPLE,
        "The runbook for a bad price feed was rehearsed",
        "At 3 a.m. people do what they have done before",
        How::Attested(180, false),
    ),
    line(
        "runbook_duplicate_orders",
        PEOPLE,
        "The runbook for duplicate orders was rehearsed",
        "At 3 a.m. people do what they have done before",
        How::Attested(180, false),
    ),
    line(
        "runbook_key_revoked",
        PEOPLE,
        "The runbook for a key that is revoked was rehearsed",
        "At 3 a.m. people do what they have done before",
        How::Attested(180, false),
    ),
    line(
        "runbook_intrusion",
        PEOPLE,
        "The runbook for a suspected intrusion was rehearsed",
        "At 3 a.m. people do what they have done before",
        How::Attested(180, false),
    ),
];

const LIMITED: &[Line] = &[
    line(
        "caps",
        LIMITS,
        "Its limits stay within what stage limited may have at stake",
        "What is new loses little",
        How::Measured(Measure::Caps),
    ),
    line(
        "sandbox_results",
        TESTS,
        "Its results in sandbox were looked at and are as expected",
        "What does not work on a test venue does not work",
        How::Evidence(30, true),
    ),
];

const LIVE: &[Line] = &[
    line(
        "stop_path",
        STOP,
        "It can be stopped without its agent: the server holds a guard key, or the bot dies with its agent",
        "When agent and minder die only the venue can stop it",
        How::Measured(Measure::StopPath),
    ),
    line(
        "reconciled",
        KEYS,
        "The server reads its account with a monitor key, and agrees with its agent",
        "Whoever reads one side only sees what the bot believes",
        How::Measured(Measure::Reconciled),
    ),
    line(
        "limited_record",
        TESTS,
        "It traded in stage limited for 7 days at least, with fills",
        "Small money is the last test",
        How::Measured(Measure::Record),
    ),
    line(
        "limited_results",
        TESTS,
        "Its results in stage limited were looked at: fills, slippage, rejects, latency, incidents",
        "What was expected and what came are compared by a person",
        How::Attested(30, true),
    ),
];

/// The list of a stage as shipped; none for stages that nobody approves.
pub fn template(stage: Stage) -> Option<Template> {
    let (own, caps) = match stage {
        Stage::Limited => (LIMITED, Some(caps())),
        Stage::Live => (LIVE, None),
        Stage::Draft | Stage::Sandbox | Stage::Retired => return None,
    };
    let mut items: Vec<Item> = BOTH.iter().chain(own).map(Item::from).collect();
    let place = |item: &Item| [STOP, KEYS, LIMITS, TESTS, PEOPLE].iter().position(|group| *group == item.group);
    items.sort_by_key(place);
    Some(Template { stage, version: 0, items, caps })
}

/// About a thousandth of what would hurt a small desk, in the currencies that are worth about the same.
fn caps() -> Caps {
    let currencies = ["USD", "USDT", "USDC", "EUR"].map(str::to_owned).to_vec();
    Caps { position: Decimal::whole(10_000), currencies, daily_loss: Decimal::whole(500), days: 30 }
}

impl From<&Line> for Item {
    fn from(line: &Line) -> Self {
        let (proof, measure, valid_days, of_build) = match line.how {
            How::Measured(measure) => (Proof::Measured, Some(measure), 1, false),
            How::Attested(days, of_build) => (Proof::Attested, None, days, of_build),
            How::Evidence(days, of_build) => (Proof::Evidence, None, days, of_build),
        };
        Self {
            name: line.name.to_owned(),
            group: line.group.to_owned(),
            words: line.words.to_owned(),
            why: line.why.to_owned(),
            proof,
            measure,
            valid_days,
            of_build,
        }
    }
}
