//! Files as evidence: what is taken comes back byte for byte and is bound by its digest; what is refused leaves nothing behind.

use crate::harness::{
    app::{ORIGIN, TestApp},
    browser::Browser,
    db::{Fresh, on_both},
    files::{Parcel, counts, post, put, sha256, token},
    golive::{ask, execute, mark, measured},
};
use crate::requests::{approve, view, why};
use andon::{
    app::golive::{
        files::{FileRow, Kept, Sent},
        marks::Said,
    },
    audit::{Canonical, Event},
    domain::{
        BotId, FileId, Stage,
        file::FILE_BYTES,
        golive::{Shown, Standing},
        request::Content,
    },
};
use axum::http::{HeaderMap, StatusCode, header};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00--\r\n\xff\xfe\x00IEND\xaeB\x60\x82";
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00\x00";
const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";

/// A file by its name.
type Named<'a> = (&'a str, &'a [u8]);

async fn shown(test: &TestApp, bot: &BotId) -> Option<Shown> {
    let view = test.app.checklist(&test.actor("operator"), bot, Stage::Limited).await.unwrap();
    match view.checked.into_iter().find(|one| one.item.name == "rollback_plan").unwrap().standing {
        Standing::Done(shown) => Some(shown),
        _ => None,
    }
}

async fn rows(test: &TestApp, bot: &BotId) -> Vec<FileRow> {
    test.app.files_of(&test.actor("auditor"), bot).await.unwrap()
}

async fn download(browser: &Browser, bot: &BotId, file: &FileId) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = browser.stream(&format!("/bots/{bot}/golive/files/{file}")).await;
    let (head, body) = response.into_parts();
    (head.status, head.headers, axum::body::to_bytes(body, 2 * FILE_BYTES).await.unwrap().to_vec())
}

fn said() -> Said {
    Said { item: "rollback_plan".into(), said: "back to 1.4".into(), link: String::new() }
}

async fn keep(test: &TestApp, bot: &BotId, name: &str, bytes: &[u8]) -> Kept {
    let sent = Sent { name: name.into(), bytes: bytes.to_vec() };
    test.app.keep_file(&test.actor("operator"), (bot, Stage::Limited), &said(), sent).await.unwrap()
}

on_both!(files_are_kept_bound_and_given_back_as_downloads, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    let mut operator = Browser::signed_in(&test, "operator").await;
    // Several pieces, the last not whole.
    let log: Vec<u8> = (0..60_000u32).flat_map(|n| format!("line {n} ü\n").into_bytes()).collect();
    let html = b"<!doctype html><script>alert(1)</script>".as_slice();
    put(&mut operator, &bot, &[("Rückfall \u{201e}1.4\u{201c}.log", &log), ("shot.png", PNG), ("page.txt", html)]).await;
    assert_eq!(operator.leads_to(), format!("/bots/{bot}/golive?stage=limited"), "{}", operator.page);
    let digests = [log.as_slice(), PNG, html].map(sha256);
    assert_eq!(shown(&test, &bot).await.unwrap().files, digests);
    let files = rows(&test, &bot).await;
    assert_eq!(files.iter().map(|file| file.sha256.as_str()).collect::<Vec<_>>(), digests.each_ref().map(String::as_str));
    assert_eq!(counts(&test).await, (1, 3, log.len().div_ceil(256 * 1024) + 2));

    operator.get(&format!("/bots/{bot}/golive")).await;
    for file in &files {
        assert!(operator.page.contains(&format!("/bots/{bot}/golive/files/{}", file.id)), "{}", operator.page);
        assert!(operator.page.contains(&file.sha256[..12]), "{}", operator.page);
    }
    assert!(operator.page.contains("shot.png") && !operator.page.contains("<script>alert"), "a page names it and shows nothing of it");

    // Whoever sees the bot.
    let auditor = Browser::signed_in(&test, "auditor").await;
    for (file, bytes) in files.iter().zip([log.as_slice(), PNG, html]) {
        let (status, headers, body) = download(&auditor, &bot, &file.id).await;
        assert_eq!((status, body.as_slice() == bytes), (StatusCode::OK, true), "{}", file.name);
        assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "sandbox; default-src 'none'");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let disposition = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
    }
    let (_, headers, _) = download(&auditor, &bot, &files[0].id).await;
    let name = headers[header::CONTENT_DISPOSITION].to_str().unwrap().to_owned();
    assert!(name.ends_with("filename*=UTF-8''R%C3%BCckfall%20%E2%80%9E1.4%E2%80%9C.log"), "{name}");
    let page = operator.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(page.contains("script-src 'self'"), "pages have the policy of pages: {page}");

    // The log names each by its digest, so that an exported file is found again.
    let (entries, _) = test.app.entries(&test.actor("auditor"), &andon::app::audit::Query::default()).await.unwrap();
    let notes = entries.into_iter().find_map(|row| match Canonical::from_stored(row.body).unwrap().event().unwrap() {
        Event::ChecklistMarked { files, .. } => Some(files),
        _ => None,
    });
    let notes = notes.unwrap();
    assert_eq!(notes.iter().map(|note| note.sha256.clone()).collect::<Vec<_>>(), digests);
    assert_eq!((notes[1].name.as_str(), notes[1].bytes), ("shot.png", PNG.len() as i64));
    test.log_is_good().await;
});

on_both!(a_file_is_of_its_bot_and_is_what_was_put_down, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    let other = test.bot("arb-2", "arb").await.id;
    let operator = Browser::signed_in(&test, "operator").await;
    let loose = keep(&test, &bot, "plan.md", b"# Plan").await;
    test.app.put_evidence_with(&test.actor("operator"), (&bot, Stage::Limited), &said(), &[loose]).await.unwrap();
    let file = rows(&test, &bot).await.remove(0).id;
    assert_eq!(download(&operator, &bot, &file).await.0, StatusCode::OK);
    assert_eq!(download(&operator, &other, &file).await.0, StatusCode::NOT_FOUND);
    assert_eq!(download(&operator, &bot, &FileId::new()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(operator.stream(&format!("/bots/{bot}/golive/files/x")).await.status(), StatusCode::NOT_FOUND);
    let nobody = Browser::new(&test);
    assert_ne!(download(&nobody, &bot, &file).await.0, StatusCode::OK);
    test.execute("DELETE FROM evidence_piece").await;
    let (status, _, body) = download(&operator, &bot, &file).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(String::from_utf8_lossy(&body).contains("SHA-256 is another"));
    // Nor does a file of one bot prove anything of another.
    let loose = keep(&test, &bot, "plan.md", b"# Plan").await;
    assert!(test.app.put_evidence_with(&test.actor("operator"), (&other, Stage::Limited), &said(), &[loose]).await.is_err());
    // What no mark leads to is not given out.
    keep(&test, &bot, "loose.md", b"# Loose").await;
    assert_eq!(rows(&test, &bot).await.len(), 1);
});

on_both!(what_is_not_taken_leaves_nothing_behind, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    let mut operator = Browser::signed_in(&test, "operator").await;
    let large = vec![b'x'; FILE_BYTES + 1];
    let token_of_ours = format!("one\nandon_agent_{}\n", "q7Zp2VdK9sLx4TnB8wRyq7Zp2VdK9sLx4TnB8wRy012");
    let good = ("plan.md", b"# Plan".as_slice());
    let refused: Vec<(Vec<Named>, &str)> = vec![
        (vec![good, ("large.log", &large)], "larger than 5 MiB"),
        (vec![good; 6], "5 files at most"),
        (vec![good, ("page.html", b"<p>")], "what is taken is .txt"),
        (vec![good, ("drawing.svg", SVG)], "what is taken is .txt"),
        (vec![good, ("plan.docx", b"PK\x03\x04...")], "what is taken is .txt"),
        (vec![good, ("bomb.zip", b"PK\x03\x04...")], "what is taken is .txt"),
        (vec![good, ("plan.txt.gz", GZIP)], "what is taken is .txt"),
        (vec![good, ("bomb.txt", GZIP)], "does not hold what its name says"),
        (vec![good, ("bomb.log", b"PK\x03\x04 and no zero")], "does not hold what its name says"),
        (vec![good, ("shot.png", SVG)], "does not hold what its name says"),
        (vec![good, ("a.json", b"{")], "does not hold what its name says"),
        (vec![good, ("a.txt", b"a\0b")], "does not hold what its name says"),
        (vec![good, ("empty.txt", b"")], "is empty"),
        (vec![good, ("..", b"x")], "has no name"),
        (vec![good, ("../", b"x")], "has no name"),
        (vec![good, ("gpj.\u{202e}txt", b"x")], "cannot be seen"),
        (vec![good, ("bot.log", token_of_ours.as_bytes())], "in line 2"),
        (vec![good, ("id.txt", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl")], "a private key in line 1"),
    ];
    for (files, words) in refused {
        put(&mut operator, &bot, &files).await;
        let name = files.last().unwrap().0;
        assert_eq!(operator.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", operator.page);
        assert!(operator.page.contains(words), "{name}: {}", operator.page);
        assert!(!operator.page.contains("q7Zp2VdK9sLx4TnB8wRy") && !operator.page.contains("b3Bl"), "no value is repeated");
        assert!(operator.page.contains("back to 1.4, see the files"), "what was typed stays: {name}");
        assert_eq!(counts(&test).await, (0, 0, 0), "{name}");
    }
    // Nor does a word that is not taken keep its files.
    let csrf = token(&mut operator, &bot).await;
    post(&mut operator, &bot, ORIGIN, Parcel::of(&csrf, "no_such_item").file(good.0, good.1).whole()).await;
    assert_eq!(operator.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", operator.page);
    let mut stranger = Browser::signed_in(&test, "grid operator").await;
    put(&mut stranger, &bot, &[good]).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN, "{}", stranger.page);
    assert_eq!(counts(&test).await, (0, 0, 0));
});

on_both!(a_name_is_only_a_name, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    let mut operator = Browser::signed_in(&test, "operator").await;
    let sent = ["../../etc/plan.md", "/etc/shadow.txt", "C:plan.md", "a/b\\c.md", "<img src=x>.md"];
    put(&mut operator, &bot, &sent.map(|name| (name, b"# Plan".as_slice()))).await;
    assert!(operator.status == StatusCode::SEE_OTHER, "{}", operator.page);
    let names: Vec<String> = rows(&test, &bot).await.into_iter().map(|file| file.name).collect();
    assert_eq!(names[..3], ["plan.md", "shadow.txt", "plan.md"]);
    assert!(names.iter().all(|name| !name.contains(['/', '\\', ':'])), "{names:?}");
    operator.get(&format!("/bots/{bot}/golive")).await;
    assert!(!operator.page.contains("<img src=x>") && operator.page.contains("img src=x"), "{}", operator.page);
});

on_both!(a_form_with_files_is_of_its_session_and_origin_and_arrives_whole, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    let mut operator = Browser::signed_in(&test, "operator").await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    let csrf = token(&mut operator, &bot).await;
    let others = token(&mut lead, &bot).await;
    let form = |csrf: &str| Parcel::of(csrf, "rollback_plan").file("plan.md", b"# Plan");
    let late = Parcel::default().field("item", "rollback_plan").field("said", "x").field("csrf", &csrf).file("plan.md", b"# Plan");
    for (what, origin, body) in [
        ("no token", ORIGIN, form("").whole()),
        ("another's token", ORIGIN, form(&others).whole()),
        ("a token that is not first", ORIGIN, late.whole()),
        ("a file before the token", ORIGIN, Parcel::default().file("csrf", csrf.as_bytes()).whole()),
        ("another origin", "https://evil.example", form(&csrf).whole()),
    ] {
        post(&mut operator, &bot, origin, body).await;
        assert_eq!(operator.status, StatusCode::FORBIDDEN, "{what}: {}", operator.page);
        assert!(operator.page.contains("Nothing was changed"), "{what}: {}", operator.page);
    }
    for (what, body) in [
        ("cut off in a file", form(&csrf).cut(4)),
        ("without its end", form(&csrf).cut(0)),
        ("with too many parts", (0..50).fold(form(&csrf), |form, n| form.field(&format!("f{n}"), "x")).whole()),
    ] {
        post(&mut operator, &bot, ORIGIN, body).await;
        assert_eq!(operator.status, StatusCode::BAD_REQUEST, "{what}: {}", operator.page);
    }
    let fat = Parcel::of(&csrf, "rollback_plan").field("more", &"x".repeat(70_000)).whole();
    post(&mut operator, &bot, ORIGIN, fat).await;
    assert_eq!(operator.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", operator.page);
    let heavy = vec![b'x'; FILE_BYTES];
    let all = (0..6).fold(form(&csrf), |form, n| form.file(&format!("{n}.txt"), &heavy)).whole();
    post(&mut operator, &bot, ORIGIN, all).await;
    assert_eq!(operator.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", operator.page);
    assert!(operator.page.contains("5 files of 5 MiB each"), "{}", operator.page);
    assert_eq!(counts(&test).await, (0, 0, 0));

    // Without a file it is a form like any other; browsers send an empty one where none was chosen.
    post(&mut operator, &bot, ORIGIN, Parcel::of(&csrf, "rollback_plan").file("", b"").whole()).await;
    assert_eq!(operator.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", operator.page);
    assert!(operator.page.contains("words alone are no evidence") && counts(&test).await == (0, 0, 0), "{}", operator.page);
    post(&mut operator, &bot, ORIGIN, Parcel::linked(&csrf, "rollback_plan").file("", b"").whole()).await;
    assert_eq!(operator.leads_to(), format!("/bots/{bot}/golive?stage=limited"), "{}", operator.page);
    assert_eq!(counts(&test).await, (1, 0, 0));
});

on_both!(where_a_touch_is_asked_for_first_the_files_are_chosen_again, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = measured(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let mut operator = Browser::signed_in(&test, "operator").await;
    for _ in 0..11 {
        test.hand.forward_ms(60_000);
        operator.get("/me").await;
    }
    ready.agent.check_in(&test.app).await.unwrap();
    put(&mut operator, &bot, &[("plan.md", b"# Plan")]).await;
    assert_eq!(operator.status, StatusCode::UNAUTHORIZED, "{}", operator.page);
    assert!(operator.page.contains(r#"name="files_again" value="yes""#) && operator.page.contains("back to 1.4, see the files"));
    assert_eq!(counts(&test).await, (0, 0, 0));
    let mut touched = Browser::signed_in(&test, "operator").await;
    touched.get(&format!("/bots/{bot}/golive")).await;
    let fields = [("stage", "limited"), ("item", "rollback_plan"), ("said", "back to 1.4"), ("files_again", "yes")];
    touched.post(&format!("/bots/{bot}/golive/evidence"), &fields).await;
    assert_eq!(touched.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(touched.page.contains("Choose the files again") && touched.page.contains("back to 1.4"), "{}", touched.page);
    assert_eq!(counts(&test).await, (0, 0, 0), "no word is put down without what it speaks of");
});

on_both!(what_no_mark_leads_to_is_gone_after_an_hour, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    let actor = test.actor("operator");
    let bound = keep(&test, &bot, "plan.md", b"# Plan").await;
    test.app.put_evidence_with(&actor, (&bot, Stage::Limited), &said(), &[bound]).await.unwrap();
    // The process ends here: what was sent has no mark.
    let large = vec![b'x'; 600 * 1024];
    let loose = keep(&test, &bot, "loose.txt", &large).await;
    test.app.forget_files().await.unwrap();
    assert_eq!(counts(&test).await, (1, 2, 4), "it may still be on its way");
    test.hand.forward_ms(61 * 60 * 1_000);
    test.app.forget_files().await.unwrap();
    assert_eq!(counts(&test).await, (1, 1, 1));
    assert_eq!(rows(&test, &bot).await.len(), 1);
    let late = test.app.put_evidence_with(&actor, (&bot, Stage::Limited), &said(), &[loose]).await;
    assert!(late.is_err(), "nothing leads to what is gone");
    assert_eq!(counts(&test).await, (1, 1, 1));
    test.app.forget_files().await.unwrap();
});

on_both!(an_approval_binds_the_files_by_their_digests, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    mark(&test, "operator", &bot, Stage::Limited).await;
    let actor = test.actor("operator");
    test.hand.forward_ms(1);
    let kept = [keep(&test, &bot, "plan.md", b"# Plan").await, keep(&test, &bot, "shot.png", PNG).await];
    test.app.put_evidence_with(&actor, (&bot, Stage::Limited), &said(), &kept).await.unwrap();
    let request = ask(&test, "operator", &bot).await.unwrap();
    let asked = view(&test, &request).await;
    let Content::GoLive { dossier, .. } = asked.content() else { panic!("no step up") };
    let item = dossier.items.iter().find(|item| item.item == "rollback_plan").unwrap();
    assert_eq!(item.files, [b"# Plan".as_slice(), PNG].map(sha256));
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&format!("/requests/{request}")).await;
    for part in ["Files of rollback_plan", "plan.md", "shot.png", &sha256(PNG)[..12]] {
        assert!(lead.page.contains(part), "{part}: {}", lead.page);
    }
    approve(&test, "lead", &request).await.unwrap();
    // The same word with another file is another thing.
    test.hand.forward_ms(1);
    let other = keep(&test, &bot, "plan.md", b"# Another plan").await;
    test.app.put_evidence_with(&actor, (&bot, Stage::Limited), &said(), &[other]).await.unwrap();
    let refused = why(execute(&test, "operator", &request).await);
    assert!(refused.contains("the item rollback_plan"), "{refused}");
    test.log_is_good().await;
});
