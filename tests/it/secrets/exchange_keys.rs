//! Canaries of exchange keys: handed in through a browser for a bot's agent and for the server itself, typed wrong, sent where they do not belong.
//! None of them stands anywhere afterwards.

use super::{Ground, id, signed};
use crate::{faults::until, harness::browser::Browser};
use andon::authn::SoftKey;

/// Of the bot's key, of the server's, and of one that is never taken: what the venue calls it, its secret, its passphrase.
const HANDED_IN: [[&str; 3]; 2] = [
    ["canary-api-key-of-the-bot-0815", "canary-secret-of-the-bot-2718", "canary-passphrase-of-the-bot-3141"],
    ["canary-api-key-of-the-server-0815", "canary-secret-of-the-server-2718", "canary-passphrase-of-the-server-3141"],
];
const REFUSED: [&str; 3] = ["canary-api-key-refused-0815", "canary-secret-refused-2718", "canary-passphrase-refused-3141"];
const NAMES: [[&str; 3]; 3] = [
    ["the venue's name of a bot's key", "the secret of a bot's key", "the passphrase of a bot's key"],
    ["the venue's name of the server's key", "the secret of the server's key", "the passphrase of the server's key"],
    ["the venue's name of a refused key", "the secret of a refused key", "the passphrase of a refused key"],
];

/// Somebody and their security key.
pub(super) type By<'a> = (&'a mut Browser, &'a SoftKey);

fn typed([api_key, secret, passphrase]: [&str; 3]) -> [(&'static str, &str); 3] {
    [("api_key", api_key), ("secret", secret), ("passphrase", passphrase)]
}

/// One asks for a key, the other approves it; answers with its page.
async fn approved((bot, purpose): (&str, &str), before: &[String], admin: &mut Browser, (risk, risk_key): By<'_>) -> String {
    let form = format!("{bot}/keys/ask");
    admin.get(&form).await;
    admin.post(&form, &[("purpose", purpose), ("ips", "203.0.113.7"), ("why", "it trades from there")]).await;
    let request = admin.leads_to().to_owned();
    assert!(request.starts_with("/requests/"), "{}", admin.page);
    risk.get(&request).await;
    let digest = risk.between("name=\"digest\" value=\"", "\"").unwrap();
    risk.post(&format!("{request}/approve"), &[("digest", &digest)]).await;
    signed(risk, risk_key).await;
    admin.get("/keys").await;
    let known = admin.page.split("href=\"/keys/0").skip(1).filter_map(|rest| rest.split('"').next());
    let mut known: Vec<String> = known.map(|rest| format!("/keys/0{rest}")).collect();
    known.retain(|page| !before.contains(page));
    known.dedup();
    assert_eq!(known.len(), 1, "{}", admin.page);
    known.remove(0)
}

/// Somebody else answers for what this venue cannot say.
async fn attested(page: &str, risk: &mut Browser) {
    risk.get(page).await;
    let seen = risk.between("name=\"seen\" value=\"", "\"").unwrap_or_else(|| panic!("nothing to answer for on {}", risk.page));
    risk.post(&format!("{page}/attest"), &[("version", "1"), ("seen", &seen), ("why", "looked at its page")]).await;
    assert_eq!(risk.leads_to(), page, "{}", risk.page);
}

/// Hands both in; answers with the pages of their keys.
pub(super) async fn handed_in(ground: &mut Ground, bot: &str, admin: &mut Browser, risk: By<'_>) -> Vec<String> {
    for (names, values) in NAMES.iter().zip([HANDED_IN[0], HANDED_IN[1], REFUSED]) {
        for (name, value) in names.iter().zip(values) {
            ground.plant(name, value, &[]);
        }
    }
    admin.get("/venues").await;
    admin.post("/venues", &[("name", "elsewhere"), ("environment", "test")]).await;
    admin.get("/venues").await;
    let venue = id(&admin.between(r#"<th scope="row"><a href=""#, "\"").unwrap());
    admin.post("/venues/subaccounts", &[("venue", &venue), ("subaccount", "b")]).await;
    admin.get(&format!("{bot}/seat")).await;
    admin.post(&format!("{bot}/seat"), &[("subaccount", "elsewhere/b")]).await;
    assert_eq!(admin.status, 303, "{}", admin.page);
    let mut pages = Vec::new();
    for (purpose, values) in ["execution", "monitor"].into_iter().zip(HANDED_IN) {
        let page = approved((bot, purpose), &pages, admin, (&mut *risk.0, risk.1)).await;
        let form = format!("{page}/install");
        let with_a_blank = format!("{} {}", REFUSED[0], REFUSED[0]);
        for wrong in [[with_a_blank.as_str(), REFUSED[1], REFUSED[2]], ["", REFUSED[1], REFUSED[2]], [REFUSED[0], "", REFUSED[2]]] {
            admin.get(&form).await;
            admin.post(&form, &typed(wrong)).await;
            assert_eq!(admin.status, 422, "{}", admin.page);
        }
        // Of another page, without a token, twice, and where it does not belong.
        let body = format!("csrf=x&api_key={}&secret={}&passphrase={}", REFUSED[0], REFUSED[1], REFUSED[2]);
        admin.post_raw(&form, body.clone(), Some("https://evil.example")).await;
        admin.submit(&form, body).await;
        admin.get(&form).await;
        admin.post(&format!("{page}/end"), &typed(REFUSED)).await;
        admin.get(&form).await;
        admin.post(&form, &typed(values)).await;
        assert_eq!(admin.leads_to(), page, "{}", admin.page);
        admin.get(&form).await;
        attested(&page, risk.0).await;
        pages.push(page);
    }
    // The agent takes the bot's key over; the server uses its own.
    for page in &pages {
        until("a key in use", async || admin.get(page).await.contains("Active")).await;
    }
    pages
}

/// What programs do with keys: the API of people's tokens, and an agent that sends what is no sealed key.
pub(super) async fn by_programs(ground: &mut Ground, (api, agent): (&str, &str), pages: &[String]) {
    let [name, secret, passphrase] = REFUSED;
    for page in pages {
        assert_eq!(ground.program("GET", &format!("/api/v1{page}"), &format!("Bearer {api}"), "").await, 200);
        let key = id(page);
        for (path, body) in [
            ("/agent/v1/keys", format!("{{\"key\":\"{name}\",\"secret\":\"{secret}\"}}")),
            ("/agent/v1/keys", format!("{{\"key_id\":\"{key}\",\"version\":9,\"fingerprint\":\"{name}\",\"sealed\":\"{secret}\"}}")),
            ("/agent/v1/keys", format!("{{\"key_id\":\"{key}\",\"version\":\"{passphrase}\"}}")),
            (
                "/agent/v1/keys/measured",
                format!("{{\"key_id\":\"{key}\",\"version\":1,\"told\":{{\"facts\":{{\"secret\":\"{secret}\"}}}}}}"),
            ),
            (
                "/agent/v1/keys/measured",
                format!("{{\"key_id\":\"{key}\",\"version\":1,\"told\":{{\"refused\":{{\"finding\":\"{secret}\",\"said\":\"\"}}}}}}"),
            ),
        ] {
            let status = ground.program("POST", path, &format!("Bearer {agent}"), &body).await;
            assert!(status >= 400 || path.ends_with("measured"), "{path} {body}: {status}");
        }
    }
    for path in ["keys", "requests", "alerts", "venues", "subaccounts", "assignments"] {
        assert_eq!(ground.program("GET", &format!("/api/v1/{path}"), &format!("Bearer {api}"), "").await, 200, "{path}");
    }
}
