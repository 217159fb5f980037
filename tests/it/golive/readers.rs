//! That a bot went up is told to whoever trades with it, to risk and to auditors; who has read it is kept, and who has not is listed.

use crate::{
    harness::{
        app::TestApp,
        browser::Browser,
        db::{Fresh, on_both},
        golive::{DAY, ask, execute, whole},
    },
    requests::{approve, told, was_told},
};
use andon::app::notices::ReadNotices;

on_both!(who_has_read_that_a_bot_went_up_is_known_and_who_has_not_is_listed, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = whole(&test, "arb-1").await.bot.id;
    let request = ask(&test, "operator", &bot).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    assert!(!was_told(&test, "risk", "went up").await, "nothing went up yet");
    execute(&test, "operator", &request).await.unwrap();

    let title = "Bot arb-1 went up to stage limited";
    for who in ["lead", "risk", "auditor"] {
        assert!(was_told(&test, who, title).await, "{who}: {:?}", told(&test, who).await);
    }
    for who in ["operator", "grid lead", "grid operator", "admin"] {
        assert!(!was_told(&test, who, title).await, "{who} has nothing to do with it, or did it");
    }
    let readers = async || test.app.readers_of(&test.actor("risk"), &request).await.unwrap();
    let all = readers().await;
    assert!(all.len() >= 3 && all.iter().all(|one| one.read_at.is_none()), "{all:?}");

    // Said on the page, or put away with the rest: both are read.
    let notice = async |who: &str| {
        let (all, _) = test.app.notices_of(&test.actor(who), None).await.unwrap();
        all.into_iter().find(|one| one.title == title).unwrap().id
    };
    let of_risk = notice("risk").await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&format!("/requests/{request}")).await;
    assert!(lead.page.contains("I have read this"), "{}", lead.page);
    lead.post(&format!("/requests/{request}/read"), &[]).await;
    lead.get(&format!("/requests/{request}")).await;
    assert!(!lead.page.contains("I have read this"), "{}", lead.page);
    test.app.read_notices(&test.actor("risk"), ReadNotices::UpTo(&of_risk)).await.unwrap();
    let has_read = async |who: &str| readers().await.iter().any(|one| one.user_id == test.people[who].id && one.read_at.is_some());
    assert!(has_read("lead").await && has_read("risk").await && !has_read("auditor").await);

    assert!(test.app.unread_steps(&test.actor("auditor")).await.unwrap().is_empty(), "they have a day");
    assert!(test.app.unread_steps(&test.actor("operator")).await.is_err());
    test.hand.forward_ms(DAY);
    let late = test.app.unread_steps(&test.actor("auditor")).await.unwrap();
    assert!(late.iter().any(|one| one.user_id == test.people["auditor"].id) && late.len() == all.len() - 2, "{late:?}");
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/audit/changes").await;
    assert!(auditor.page.contains("not read within a day: ") && auditor.page.contains(&format!("/requests/{request}")), "{}", auditor.page);
    auditor.get(&format!("/requests/{request}")).await;
    assert!(auditor.page.contains(&format!("2 of {} have read it", all.len())), "{}", auditor.page);
    let mut admin = Browser::signed_in(&test, "admin").await;
    test.app.disable(&test.actor("admin"), &test.people["auditor"].id).await.unwrap();
    let left = test.app.unread_steps(&test.actor("risk")).await.unwrap();
    assert_eq!(left.len(), late.len() - 1, "who is gone reads nothing");
    admin.post(&format!("/requests/{request}/read"), &[]).await;
    assert_eq!(readers().await.len(), all.len(), "whoever was not told is no reader");
    test.log_is_good().await;
});
