//! What people see of requests: who may not is told why and has no form; what changed since one looked is refused; every end has its page.

use super::{ask, limited, order, view};
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
};
use andon::domain::RequestState;
use axum::http::StatusCode;

on_both!(a_request_is_asked_approved_and_carried_out_by_its_pages_alone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&format!("/bots/{}/limits", bot.id)).await;
    assert!(operator.page.contains(&format!("/bots/{}/limits/ask", bot.id)));
    let form = format!("/bots/{}/limits/ask", bot.id);
    operator.get(&form).await;
    assert!(operator.page.contains("1 approval: a lead of the team or risk"), "{}", operator.page);
    operator.post(&form, &[("max_order_notional", "1000"), ("why", "x")]).await;
    assert!(operator.status == StatusCode::UNPROCESSABLE_ENTITY && operator.page.contains("takes one person"), "{}", operator.page);
    operator.post(&form, &[("max_order_notional", "3000"), ("why", "the book is deeper <now>")]).await;
    let page = operator.leads_to().to_owned();
    assert!(page.starts_with("/requests/"), "{}", operator.page);
    operator.get(&page).await;
    assert!(operator.page.contains("nobody approves their own") && !operator.page.contains("/approve\""), "{}", operator.page);
    assert!(operator.page.contains("deeper &#60;now&#62;") || operator.page.contains("deeper &lt;now&gt;"));
    for words in ["raises", "2 eligible now", "At stake now", "Open seat", "/withdraw", "/edit"] {
        assert!(operator.page.contains(words), "{words}");
    }
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&page).await;
    assert!(admin.page.contains("your roles are not asked for") || admin.page.contains("Your roles are not asked for"), "{}", admin.page);
    assert!(!admin.page.contains("/approve\"") && !admin.page.contains("/deny\""));
    admin.post(&format!("{page}/approve"), &[("digest", "x")]).await;
    assert_eq!(admin.status, StatusCode::CONFLICT, "what nobody saw: {}", admin.page);

    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/requests").await;
    assert!(lead.page.contains("raises Largest order</span>"), "{}", lead.page);
    assert!(lead.page.contains("Needs you: 1") && lead.page.contains("<span class=\"tally\">1"), "{}", lead.page);
    lead.get(&format!("{page}/edit")).await;
    assert_eq!(lead.leads_to(), page, "it is another's");
    lead.get(&format!("/bots/{}", bot.id)).await;
    assert!(lead.page.contains(&format!("<a href=\"{page}\">A request for looser ones is open</a>")), "{}", lead.page);
    lead.get(&page).await;
    let seen = lead.between("name=\"digest\" value=\"", "\"").unwrap();
    lead.post(&format!("{page}/approve"), &[("digest", &seen)]).await;
    let act = lead.leads_to().to_owned();
    lead.get(&act).await;
    assert!(lead.page.contains("Largest order: now 2000, after 3000 (raises)"), "the page is made of the signed bytes: {}", lead.page);
    lead.touch(&test, "lead", &format!("{act}/sign")).await;
    assert_eq!(lead.leads_to(), page, "{}", lead.page);
    lead.get(&page).await;
    assert!(lead.page.contains("Carried out") && lead.page.contains("version 2 of the limits set on bot "), "{}", lead.page);
    assert!(lead.page.contains(r#"<th scope="col">Before</th>"#), "what it was is over: {}", lead.page);
    operator.get(&format!("{page}/edit")).await;
    assert_eq!(operator.leads_to(), page, "it is over: nothing of it can be changed");
    operator.get(&format!("/bots/{}/limits", bot.id)).await;
    assert!(
        operator.page.contains("Largest order 3,000") && operator.page.contains(&format!(r#"by <a href="{page}">request</a>"#)),
        "{}",
        operator.page
    );
    lead.get("/requests").await;
    assert!(lead.page.contains("Nothing waits for approval") && lead.page.contains("Decided"), "{}", lead.page);
    test.log_is_good().await;
});

on_both!(who_looked_at_another_content_is_refused_and_a_deny_needs_its_reason, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let page = format!("/requests/{id}");
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get(&page).await;
    let seen = risk.between("name=\"digest\" value=\"", "\"").unwrap();
    test.app.revise_limits(&test.actor("operator"), &id, &order("9000"), "much deeper").await.unwrap();
    risk.post(&format!("{page}/approve"), &[("digest", &seen)]).await;
    assert!(risk.status == StatusCode::CONFLICT && risk.page.contains("changed since you read it"), "{}", risk.page);
    risk.get(&page).await;
    risk.post(&format!("{page}/deny"), &[("why", "")]).await;
    assert!(risk.status == StatusCode::UNPROCESSABLE_ENTITY && risk.page.contains("Say why not"), "{}", risk.page);
    risk.get(&page).await;
    risk.post(&format!("{page}/comments"), &[("text", "much deeper than what?")]).await;
    assert_eq!(risk.leads_to(), page);
    risk.get(&page).await;
    risk.post(&format!("{page}/deny"), &[("why", "not tenfold")]).await;
    assert_eq!((risk.leads_to(), view(&test, &id).await.row.state), (page.as_str(), RequestState::Denied));
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&page).await;
    let (_, every) = operator.page.split_once("Every revision").unwrap();
    let (newest, first) = every.split_once("Revision 1:").unwrap();
    assert!(newest.contains("Revision 2, the newest:") && newest.contains("9000") && newest.contains("Nobody approved it"), "{newest}");
    assert!(first.contains("3000") && first.contains("the book is deeper now") && !first.contains("9000"), "{first}");
    for words in ["Denied", "not tenfold", "much deeper than what?"] {
        assert!(operator.page.contains(words), "{words}");
    }
    assert!(!operator.page.contains("/withdraw\""), "what is over is not taken back");
});

on_both!(policies_are_shown_and_asked_for_by_the_page, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/policies").await;
    assert!(admin.page.contains("1 approval: a lead of the team or risk; carried out at once"), "{}", admin.page);
    admin.post("/policies", &[("about", "limits"), ("seat1", "risk"), ("seat2", "risk"), ("delay_h", "0"), ("why", "two")]).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.contains("could get anything approved"), "{}", admin.page);
    admin.get("/policies").await;
    admin
        .post(
            "/policies",
            &[("about", "limits"), ("seat1", "risk"), ("seat1", "lead"), ("seat3", "admin"), ("delay_h", "2"), ("why", "two")],
        )
        .await;
    let page = admin.leads_to().to_owned();
    assert!(page.starts_with("/requests/"), "{}", admin.page);
    admin.get(&page).await;
    assert!(admin.page.contains("2 approvals: a lead of the team or risk; an admin; carried out after 2 h"), "{}", admin.page);
    admin.get(&format!("{page}/edit")).await;
    assert!(admin.page.contains("Make 1 new revision"), "{}", admin.page);
    admin.post(&format!("{page}/edit"), &[("seat1", "risk"), ("delay_h", "1"), ("why", "one")]).await;
    assert_eq!(admin.leads_to(), page, "{}", admin.page);
    admin.get(&page).await;
    assert!(admin.page.contains("1 approval: risk; carried out after 1 h"), "{}", admin.page);
    admin.get("/policies").await;
    assert!(admin.page.contains(&format!("<a href=\"{page}\">A request for another policy here</a>")), "{}", admin.page);
    assert!(!admin.page.contains("<details open>"));
    admin.post("/policies", &[("about", "assign"), ("seat1", "risk"), ("delay_h", "abc"), ("why", "two")]).await;
    assert!(admin.status == StatusCode::UNPROCESSABLE_ENTITY && admin.page.matches("<details open>").count() == 1, "{}", admin.page);
    for part in ["href=\"#delay_h\"", "id=\"delay_h\"", "value=\"abc\"", "aria-invalid=\"true\""] {
        assert!(admin.page.contains(part), "{part} is missing from {}", admin.page);
    }
    test.log_is_good().await;
});
