//! People, teams, tokens and what an auditor reads.

use crate::harness::{
    app::{ORIGIN, TestApp},
    browser::Browser,
    db::{Kind, fresh},
};
use axum::http::StatusCode;

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

#[tokio::test]
async fn an_admin_invites_somebody_and_the_link_is_shown_once() {
    let test = site().await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/people/invite").await;
    admin.post("/people/invite", &[("name", "sato!"), ("grant", "auditor"), ("grant", "risk")]).await;
    assert_eq!(admin.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(admin.page.contains("sato!") && admin.page.contains("An auditor holds no other role"), "{}", admin.page);
    assert!(admin.page.contains(r#"value="risk" checked"#), "what was ticked stays ticked");
    admin.post("/people/invite", &[("name", "Operator"), ("grant", "risk")]).await;
    assert!(admin.page.contains("Somebody has that name already"));
    let lead_of_arb = format!("lead:{}", test.team("arb"));
    let operator_of_arb = format!("operator:{}", test.team("arb"));
    let wanted = [("name", "sato"), ("grant", lead_of_arb.as_str()), ("grant", operator_of_arb.as_str())];
    admin.post("/people/invite", &wanted).await;
    assert!(
        admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("Say why: whoever approves reads it"),
        "{}",
        admin.page
    );
    admin.post("/people/invite", &[wanted.as_slice(), &[("why", "she led the desk before")]].concat()).await;
    let act = admin.leads_to().to_owned();
    assert!(act.starts_with("/acts/"), "{}", admin.page);
    admin.get(&act).await;
    assert!(admin.page.contains("Invite sato as operator of arb"), "{}", admin.page);
    assert!(admin.page.contains("Asked for, which others approve") && admin.page.contains("lead of arb"), "{}", admin.page);
    admin.touch(&test, "admin", &format!("{act}/sign")).await;
    let request = format!("/requests/{}", admin.between("href=\"/requests/", "\"").unwrap());
    let link = admin.between(r#"<code class="command">"#, "</code>").unwrap();
    let path = link.strip_prefix(ORIGIN).unwrap().to_owned();
    assert!(path.starts_with("/welcome/andon_invite_"));
    admin.get(&act).await;
    assert!(!admin.page.contains("andon_invite_"), "nobody sees it again");
    let mut sato = Browser::new(&test);
    sato.get(&path).await;
    assert_eq!(sato.leads_to(), "/welcome");
    admin.get("/people").await;
    assert!(admin.page.contains("sato") && admin.page.contains("Invited"));
    let id = test.app.people().users().into_iter().find(|user| user.name == "sato").unwrap().id.clone();
    assert!(!test.app.people().holds(&id, andon::domain::Role::Lead), "asked for is not given");
    admin.get(&request).await;
    assert!(admin.page.contains("More rights for sato") && admin.page.contains("Role lead in team arb"), "{}", admin.page);
    admin.get(&format!("/people/{id}")).await;
    assert!(admin.page.contains(&request) && admin.page.contains("More rights for sato are asked for"), "{}", admin.page);
}

#[tokio::test]
async fn what_others_approve_is_asked_for_on_the_page_of_a_person_and_changed_on_the_requests() {
    let test = site().await;
    let id = test.people["operator"].id.clone();
    let page = format!("/people/{id}");
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&page).await;
    assert!(admin.page.contains("Go on with the roles of 1 person"), "{}", admin.page);
    let (lead, operator) = (format!("lead:{}", test.team("arb")), format!("operator:{}", test.team("arb")));
    let wanted = [("grant", lead.as_str()), ("grant", operator.as_str())];
    admin.post(&format!("{page}/roles"), &wanted).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("href=\"#roles_why\""), "{}", admin.page);
    assert!(admin.page.contains(&format!(r#"value="{lead}" checked"#)), "what was ticked stays ticked");
    admin.post(&format!("{page}/roles"), &[wanted.as_slice(), &[("roles_why", "she knows the desk")]].concat()).await;
    let request = admin.leads_to().to_owned();
    assert!(request.starts_with("/requests/"), "{}", admin.page);
    admin.get(&request).await;
    assert!(admin.page.contains("More rights for operator") && admin.page.contains("Role lead in team arb"), "{}", admin.page);
    assert!(admin.page.contains("nobody approves their own") && admin.page.contains(&page), "{}", admin.page);
    admin.get(&format!("{request}/edit")).await;
    assert!(admin.page.contains(&format!(r#"value="{lead}" checked"#)) && admin.page.contains("she knows the desk"), "{}", admin.page);
    admin.post(&format!("{request}/edit"), &[("grant", lead.as_str()), ("why", "and nothing else")]).await;
    assert_eq!(admin.leads_to(), request, "{}", admin.page);
    admin.get(&request).await;
    assert!(admin.page.contains("revision 2") && admin.page.contains("Role operator in team arb"), "{}", admin.page);
    admin.post(&format!("{request}/edit"), &[("grant", operator.as_str()), ("why", "as it is")]).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("nothing would change"), "{}", admin.page);
    admin.get("/policies").await;
    assert!(admin.page.contains("To approve more rights of a person"), "{}", admin.page);
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&request).await;
    assert!(operator.page.contains("nobody approves what they gain by"), "{}", operator.page);
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get("/requests").await;
    assert!(risk.page.contains("More rights for operator"), "{}", risk.page);

    test.app.disable(&test.actor("admin"), &test.people["risk"].id).await.unwrap();
    let page = format!("/people/{}", test.people["risk"].id);
    admin.get(&page).await;
    assert!(admin.page.contains("Ask to enable 1 person"), "{}", admin.page);
    admin.post(&format!("{page}/enable"), &[]).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("href=\"#enable_why\""), "{}", admin.page);
    admin.post(&format!("{page}/enable"), &[("enable_why", "back from leave")]).await;
    let request = admin.leads_to().to_owned();
    admin.get(&request).await;
    assert!(request.starts_with("/requests/") && admin.page.contains("Account"), "{}", admin.page);
    test.log_is_good().await;
}

#[tokio::test]
async fn roles_change_by_a_signed_act_and_disabling_by_a_press() {
    let test = site().await;
    let id = test.people["operator"].id.clone();
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&format!("/people/{id}")).await;
    let same = format!("operator:{}", test.team("arb"));
    admin.post(&format!("/people/{id}/roles"), &[("grant", &same)]).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("nothing would change"), "{}", admin.page);
    let other = format!("operator:{}", test.team("grid"));
    admin.post(&format!("/people/{id}/roles"), &[("grant", &other)]).await;
    let act = admin.leads_to().to_owned();
    let teams = || test.app.people().user(&id).unwrap().grants.iter().filter_map(|grant| grant.team.clone()).collect::<Vec<_>>();
    assert_eq!(teams(), [test.team("arb")], "prepared is not done");
    admin.get(&act).await;
    assert!(admin.page.contains("Roles now") && admin.page.contains("operator of arb") && admin.page.contains("to operator of grid"));
    assert!(admin.page.contains("<dt>Roles after it</dt><dd>operator of grid</dd>"), "{}", admin.page);
    admin.touch(&test, "admin", &format!("{act}/sign")).await;
    assert_eq!(admin.leads_to(), format!("/people/{id}"));
    assert_eq!(teams(), [test.team("grid")]);
    admin.get(&format!("/people/{id}")).await;
    admin.post(&format!("/people/{id}/disable"), &[]).await;
    assert!(!test.app.people().user(&id).unwrap().enabled);
    admin.get(&format!("/people/{id}")).await;
    admin.post(&format!("/people/{id}/enable"), &[]).await;
    let act = admin.leads_to().to_owned();
    assert!(act.starts_with("/acts/") && !test.app.people().user(&id).unwrap().enabled, "giving rights back is signed");
    admin.get(&act).await;
    assert!(admin.page.contains("who was disabled"), "{}", admin.page);
    admin.touch(&test, "admin", &format!("{act}/sign")).await;
    assert_eq!(admin.leads_to(), format!("/people/{id}"));
    assert!(test.app.people().user(&id).unwrap().enabled);
    admin.get(&format!("/people/{id}")).await;
    admin.post(&format!("/people/{id}/enable"), &[]).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("is enabled already"), "{}", admin.page);
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get(&format!("/people/{id}")).await;
    assert!(risk.page.contains("An admin changes roles") && !risk.page.contains("/disable"));
    risk.post(&format!("/people/{id}/disable"), &[]).await;
    assert_eq!(risk.status, StatusCode::FORBIDDEN);
    assert!(risk.page.contains("an admin may"), "{}", risk.page);
    assert!(test.app.people().user(&id).unwrap().enabled);
}

#[tokio::test]
async fn a_token_is_made_by_an_act_used_and_revoked() {
    let test = site().await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/tokens").await;
    assert!(!lead.page.contains("The whole installation"), "a lead makes tokens of their own team");
    lead.post("/tokens", &[("name", "pager"), ("scope", "all"), ("team", "")]).await;
    assert_eq!(lead.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(lead.page.contains("Choose what the token may do") && lead.page.contains("pager"));
    let (arb, grid) = (test.team("arb").to_string(), test.team("grid").to_string());
    lead.post("/tokens", &[("name", "pager"), ("scope", "stop-only"), ("team", &grid), ("days", "7")]).await;
    assert_eq!(lead.status, StatusCode::FORBIDDEN);
    lead.get("/tokens").await;
    lead.post("/tokens", &[("name", "pager"), ("scope", "stop-only"), ("team", &arb), ("days", "7")]).await;
    let act = lead.leads_to().to_owned();
    lead.get(&act).await;
    lead.touch(&test, "lead", &format!("{act}/sign")).await;
    let token = lead.between(r#"<code class="command">"#, "</code>").unwrap();
    assert!(test.app.actor_by_token(&token, "192.0.2.1").is_some());
    lead.get("/tokens").await;
    assert!(!lead.page.contains(&token));
    let revoke = lead.between(r#"action="/tokens/"#, "\"").unwrap();
    lead.post(&format!("/tokens/{revoke}"), &[]).await;
    assert_eq!(lead.leads_to(), "/tokens");
    assert!(test.app.actor_by_token(&token, "192.0.2.1").is_none());
}

#[tokio::test]
async fn every_page_is_drawn_for_whoever_may_see_it_and_refused_with_words_to_the_rest() {
    let test = site().await;
    let somebody = format!("/people/{}", test.people["lead"].id);
    let pages = ["/acts", "/me", "/people", "/people/invite", &somebody, "/teams", "/tokens", "/matrix", "/system", "/card"];
    let only = |page: &str| match page {
        "/people/invite" => &["admin"][..],
        "/matrix" => &["admin", "auditor"],
        _ => &["admin", "operator", "lead", "risk", "auditor"],
    };
    for who in ["admin", "operator", "lead", "risk", "auditor"] {
        let mut browser = Browser::signed_in(&test, who).await;
        for page in pages {
            browser.get(page).await;
            let expected = if only(page).contains(&who) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(browser.status, expected, "{page} as {who}");
            assert!(browser.page.contains("<h1>") && browser.page.contains("</html>"), "{page} as {who}");
            for button in browser.page.split("<button").skip(1) {
                let words = button.split("</button>").next().unwrap();
                assert!(!["Submit", ">OK<", ">Yes<"].iter().any(|word| words.contains(word)), "{page}: {words}");
            }
        }
    }
    let mut nobody = Browser::new(&test);
    nobody.get("/card").await;
    assert!(nobody.page.contains("andon stop --all"), "the card is for whoever cannot sign in");
    nobody.get("/tokens").await;
    assert_eq!(nobody.leads_to(), "/sign-in?next=%2Ftokens");
}

#[tokio::test]
async fn an_invitation_that_is_over_is_made_anew_and_the_one_before_opens_nothing() {
    let test = site().await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/people/invite").await;
    admin.post("/people/invite", &[("name", "sato"), ("grant", "auditor")]).await;
    let act = admin.leads_to().to_owned();
    admin.get(&act).await;
    admin.touch(&test, "admin", &format!("{act}/sign")).await;
    let path_of = |page: &Browser| page.between(r#"<code class="command">"#, "</code>").unwrap().strip_prefix(ORIGIN).unwrap().to_owned();
    let first = path_of(&admin);
    let sato = test.app.people().users().into_iter().find(|user| user.name == "sato").unwrap().id.clone();
    let page = format!("/people/{sato}");
    admin.get(&page).await;
    assert!(admin.page.contains("has not come in yet") && admin.page.contains("works until"), "{}", admin.page);

    test.hand.forward_ms(60 * 60 * 1_000 + 1);
    let mut admin = Browser::signed_in(&test, "admin").await;
    let mut guest = Browser::new(&test);
    guest.get(&first).await;
    assert_eq!(guest.status, StatusCode::NOT_FOUND);
    assert!(!guest.page.contains("andon_invite_"), "a link's secret stands on no page");
    admin.get("/people").await;
    assert!(admin.page.contains("Link is over"), "{}", admin.page);
    let mut again = async || {
        admin.get(&page).await;
        admin.post(&format!("{page}/link"), &[]).await;
        let act = admin.leads_to().to_owned();
        admin.get(&act).await;
        assert!(admin.page.contains("Make a new link for sato"), "{}", admin.page);
        admin.touch(&test, "admin", &format!("{act}/sign")).await;
        path_of(&admin)
    };
    let (second, third) = (again().await, again().await);
    for (path, status) in [(&first, 404), (&second, 404), (&third, 303)] {
        guest.get(path).await;
        assert_eq!(guest.status, status, "{path}");
    }
    let log = crate::harness::tables::Tables::of(&test.fresh).await;
    let made = log.rows("audit_record").await.iter().filter(|row| row.contains("user.invited_again")).count();
    assert_eq!(made, 2, "each new link is in the log");
    // Who has come in gets no link any more.
    let lead = format!("/people/{}", test.people["lead"].id);
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&lead).await;
    admin.post(&format!("{lead}/link"), &[]).await;
    assert_eq!(admin.status, StatusCode::UNPROCESSABLE_ENTITY);
    test.log_is_good().await;
}

#[tokio::test]
async fn the_list_of_people_counts_everybodys_own_keys() {
    let test = site().await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/people").await;
    let (people, _) = admin.page.split_once("Holders of critical rights").unwrap();
    let rows: Vec<&str> = people.split("<tr><th scope=\"row\">").skip(1).collect();
    assert_eq!(rows.len(), test.people.len());
    for row in rows {
        assert!(row.contains(r#"data-l="Keys">2</td>"#), "{row}");
        let never = row.contains(">never</td>");
        assert_eq!(never, !row.contains("N. Adebayo"), "only whoever signed in has used a key: {row}");
    }
}
