//! Both databases: every statement prepares, both schemas are one, the log cannot be changed, and writers take turns.

use crate::harness::{
    db::{Fresh, Kind, fresh, on_both},
    plain,
};
use andon::authn::SessionStore;
use andon::domain::{BotFacts, Clock, Epoch, Stage, TeamId, Timestamp, UserId};
use andon::storage::{self, Conn, Db, Error, Lane, statements, teams::Team, users::User};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::collections::BTreeSet;
use tower_sessions::{
    SessionStore as _,
    session::{Id, Record},
};

async fn prepare(conn: &mut Conn, sql: &'static str) -> Result<(), String> {
    let sql = AssertSqlSafe(sql).into_sql_str();
    match conn {
        Conn::Sqlite(tx) => (&mut **tx).prepare(sql).await.map(drop).map_err(|e| e.to_string()),
        Conn::Postgres(tx) => (&mut **tx).prepare(sql).await.map(drop).map_err(|e| e.to_string()),
    }
}

async fn execute(db: &Db, sql: &str) -> Result<u64, String> {
    let mut tx = db.write(Lane::Normal).await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    let done = match &mut *tx {
        Conn::Sqlite(tx) => sqlx::query(sql).execute(&mut **tx).await.map(|r| r.rows_affected()),
        Conn::Postgres(tx) => sqlx::query(sql).execute(&mut **tx).await.map(|r| r.rows_affected()),
    };
    let done = done.map_err(|e| e.to_string())?;
    tx.commit().await.map_err(|e| e.to_string())?;
    Ok(done)
}

on_both!(every_statement_prepares, |fresh: Fresh| async move {
    let all = statements();
    assert!(all.len() > 80, "{} statements", all.len());
    for (file, name, sql) in all {
        let mut tx = fresh.db.write(Lane::Normal).await.unwrap();
        prepare(&mut tx, sql).await.unwrap_or_else(|error| panic!("{file} {name}: {error}"));
    }
});

#[tokio::test]
async fn a_stop_waits_for_no_stuck_lock() {
    let fresh = fresh(Kind::Postgres).await;
    for (lane, expected) in [(Lane::Stop, "200ms"), (Lane::Normal, "2s"), (Lane::Stop, "200ms")] {
        let mut tx = fresh.db.write(lane).await.unwrap();
        let Conn::Postgres(open) = &mut *tx else { panic!("not PostgreSQL") };
        let found: String = sqlx::query_scalar("SELECT current_setting('lock_timeout')").fetch_one(&mut **open).await.unwrap();
        assert_eq!(found, expected, "{lane:?}");
        tx.commit().await.unwrap();
    }
}

/// Tables and columns as `table.column`.
async fn columns(fresh: &Fresh) -> BTreeSet<String> {
    let mut tx = fresh.db.read().await.unwrap();
    let rows: Vec<(String, String)> = match &mut *tx {
        Conn::Sqlite(tx) => {
            let sql = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";
            sqlx::query_as(sql).fetch_all(&mut **tx).await.unwrap()
        }
        Conn::Postgres(tx) => {
            let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
            sqlx::query_as(sql).fetch_all(&mut **tx).await.unwrap()
        }
    };
    rows.into_iter()
        .filter(|(table, _)| !table.starts_with("_sqlx") && !table.starts_with("sqlite_"))
        .map(|(t, c)| format!("{t}.{c}"))
        .collect()
}

#[tokio::test]
async fn both_schemas_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (fresh(Kind::Sqlite).await, fresh(Kind::Postgres).await);
    let (lite, pg) = (columns(&sqlite).await, columns(&postgres).await);
    assert!(lite.len() > 100);
    assert_eq!(lite.difference(&pg).collect::<Vec<_>>(), Vec::<&String>::new(), "only in SQLite");
    assert_eq!(pg.difference(&lite).collect::<Vec<_>>(), Vec::<&String>::new(), "only in PostgreSQL");
}

async fn set_up(db: &Db) -> (Team, User) {
    let installation = storage::installation::Installation {
        id: andon::domain::InstallationId::new(),
        name: "Test".into(),
        kind: "live".into(),
        created_at: Timestamp(1),
    };
    let team = Team { id: TeamId::new(), name: "arb".into(), created_at: Timestamp(1) };
    let user = User {
        id: UserId::new(),
        name: "Sato".into(),
        display_name: "L. Sato".into(),
        password_hash: None,
        enabled: true,
        created_at: Timestamp(1),
        grants: Vec::new(),
    };
    let mut tx = db.write(Lane::Normal).await.unwrap();
    storage::installation::installation_insert(&mut tx, &installation, "test/audit/control/1").await.unwrap();
    storage::teams::team_insert(&mut tx, &team).await.unwrap();
    storage::users::user_insert(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
    (team, user)
}

fn bot(name: &str, team: &Team, user: &User, epoch: Epoch) -> BotFacts {
    BotFacts { name: name.into(), team: team.id.clone(), owner: user.id.clone(), stage: Stage::Draft, fact_epoch: epoch, ..plain::bot() }
}

on_both!(a_bot_reads_back_as_it_was_written_and_its_name_is_unique, |fresh: Fresh| async move {
    let (team, user) = set_up(&fresh.db).await;
    let mut tx = fresh.db.write(Lane::Normal).await.unwrap();
    let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
    let one = bot("grid-btc", &team, &user, epoch);
    storage::bots::bot_insert(&mut tx, &one, Timestamp(2)).await.unwrap();
    tx.commit().await.unwrap();
    let mut rd = fresh.db.read().await.unwrap();
    assert_eq!(storage::bots::bot_by_id(&mut rd, &one.id).await.unwrap().as_ref(), Some(&one));
    assert_eq!(storage::bots::bot_since(&mut rd, Epoch(epoch.0 - 1)).await.unwrap(), vec![one.clone()]);
    assert!(storage::bots::bot_since(&mut rd, epoch).await.unwrap().is_empty());
    drop(rd);
    let mut tx = fresh.db.write(Lane::Normal).await.unwrap();
    let twin = bot("grid-btc", &team, &user, epoch);
    assert!(matches!(storage::bots::bot_insert(&mut tx, &twin, Timestamp(3)).await, Err(Error::Duplicate(_))));
    drop(tx);
    let mut tx = fresh.db.write(Lane::Normal).await.unwrap();
    let mut stray = bot("grid-eth", &team, &user, epoch);
    stray.team = TeamId::new();
    assert!(matches!(storage::bots::bot_insert(&mut tx, &stray, Timestamp(3)).await, Err(Error::Dangling(_))));
});

on_both!(the_counter_gives_every_racer_its_own_number, |fresh: Fresh| async move {
    set_up(&fresh.db).await;
    let racers: Vec<_> = (0..40)
        .map(|_| {
            let db = fresh.db.clone();
            tokio::spawn(async move {
                let mut tx = db.write(Lane::Normal).await.unwrap();
                let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
                tx.commit().await.unwrap();
                epoch
            })
        })
        .collect();
    let mut taken = BTreeSet::new();
    for racer in racers {
        assert!(taken.insert(racer.await.unwrap().0), "two racers took one number");
    }
    let last = *taken.last().unwrap();
    let mut rd = fresh.db.read().await.unwrap();
    assert_eq!(storage::epoch::epoch_now(&mut rd).await.unwrap(), Epoch(last));
    assert_eq!(last - taken.first().unwrap(), 39, "no number is skipped");
});

on_both!(nothing_of_the_log_can_be_changed_by_sql, |fresh: Fresh| async move {
    set_up(&fresh.db).await;
    let body = if fresh.kind == Kind::Sqlite { "x'7b7d'" } else { "'\\x7b7d'" };
    let hash = if fresh.kind == Kind::Sqlite { "zeroblob(32)".to_owned() } else { format!("'\\x{}'", "00".repeat(32)) };
    execute(&fresh.db, &format!("INSERT INTO audit_leaf (log_id, seq, leaf_hash) VALUES (1, 0, {hash})")).await.unwrap();
    execute(&fresh.db, &format!("INSERT INTO audit_node (log_id, level, n, hash) VALUES (1, 1, 0, {hash})")).await.unwrap();
    let record =
        format!("INSERT INTO audit_record (log_id, seq, id, body, ts, kind, actor, obj) VALUES (1, 0, 'i', {body}, 1, 'k', 'a', NULL)");
    execute(&fresh.db, &record).await.unwrap();
    let mut tries = vec![
        format!("UPDATE audit_leaf SET leaf_hash = {hash}"),
        "DELETE FROM audit_leaf".to_owned(),
        "UPDATE audit_record SET actor = 'b'".to_owned(),
        "DELETE FROM audit_record".to_owned(),
        "UPDATE audit_node SET n = 2".to_owned(),
        "DELETE FROM audit_node".to_owned(),
        "DELETE FROM audit_log".to_owned(),
        "UPDATE audit_log SET size = -1".to_owned(),
    ];
    match fresh.kind {
        Kind::Sqlite => {
            tries.push(record.replace("INSERT", "INSERT OR REPLACE"));
            tries.push(format!("INSERT OR REPLACE INTO audit_leaf (log_id, seq, leaf_hash) VALUES (1, 0, {hash})"));
        }
        Kind::Postgres => {
            tries.extend(["TRUNCATE audit_record", "TRUNCATE audit_leaf", "TRUNCATE audit_node", "TRUNCATE audit_log"].map(str::to_owned))
        }
    }
    for sql in tries {
        let refused = execute(&fresh.db, &sql).await.expect_err(&sql);
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_overtakes_everything_that_waits_for_the_embedded_writer() {
    let fresh = fresh(Kind::Sqlite).await;
    set_up(&fresh.db).await;
    let running = fresh.db.write(Lane::Normal).await.unwrap();
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    let wait = |lane: Lane, name: &'static str| {
        let (db, told) = (fresh.db.clone(), told.clone());
        tokio::spawn(async move {
            let tx = db.write(lane).await.unwrap();
            told.send(name).unwrap();
            drop(tx);
        })
    };
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(wait(Lane::Normal, "normal"));
    }
    // Everybody queues up before the stop comes.
    while fresh.db.waiting() < 20 {
        tokio::task::yield_now().await;
    }
    tasks.push(wait(Lane::Stop, "stop"));
    while fresh.db.waiting() < 21 {
        tokio::task::yield_now().await;
    }
    drop(running);
    for task in tasks {
        task.await.unwrap();
    }
    let mut before = 0;
    while order.recv().await.unwrap() != "stop" {
        before += 1;
    }
    assert!(before <= 1, "the stop waited for {before} others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_writer_that_does_not_end_a_stop_waits_and_everything_else_is_refused() {
    let fresh = fresh(Kind::Sqlite).await;
    let running = fresh.db.write(Lane::Normal).await.unwrap();
    let wait = |lane: Lane| {
        let db = fresh.db.clone();
        tokio::spawn(async move { db.write(lane).await })
    };
    let stop = wait(Lane::Stop);
    while fresh.db.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    // The first of them stands at the writer, the others in line behind it.
    for refused in [wait(Lane::Normal), wait(Lane::Normal), wait(Lane::Normal)] {
        assert!(refused.await.unwrap().is_err(), "it is answered, and not kept waiting");
    }
    assert_eq!(fresh.db.waiting(), 1, "whoever was refused waits no more");
    assert!(!stop.is_finished(), "a stop waits for as long as it takes");
    drop(running);
    drop(stop.await.unwrap().unwrap());
    drop(fresh.db.write(Lane::Normal).await.unwrap());
}

#[tokio::test]
async fn a_writer_that_met_a_full_disk_writes_again() {
    let fresh = fresh(Kind::Sqlite).await;
    let Db::Sqlite { write, .. } = &fresh.db else { panic!("not embedded") };
    // As full as the file is now; a new connection knows no such bound.
    sqlx::query("PRAGMA max_page_count = 1").execute(write).await.unwrap();
    let team = |name: String| Team { id: TeamId::new(), name, created_at: Timestamp(1) };
    let add = async |team: &Team| {
        let mut tx = fresh.db.write(Lane::Normal).await?;
        storage::teams::team_insert(&mut tx, team).await?;
        tx.commit().await
    };
    let mut n = 0;
    while add(&team(format!("{n} {}", "x".repeat(500)))).await.is_ok() {
        n += 1;
        assert!(n < 100_000, "the disk is never full");
    }
    add(&team("written again".into())).await.unwrap();
}

on_both!(a_database_that_is_gone_says_of_no_session_that_it_is_over, |fresh: Fresh| async move {
    let here = SessionStore::new(fresh.db.clone(), Clock::system());
    let mut record =
        Record { id: Id::default(), data: Default::default(), expiry_date: time::OffsetDateTime::now_utc() + time::Duration::HOUR };
    here.create(&mut record).await.unwrap();
    let started_anew = SessionStore::new(fresh.db.clone(), Clock::system());
    let unknown = Id::default();
    assert!(started_anew.load(&unknown).await.unwrap().is_none(), "a healthy database knows what there is");
    fresh.db.close().await;
    assert!(here.load(&record.id).await.unwrap().is_some(), "what is remembered counts");
    assert!(started_anew.load(&record.id).await.is_err(), "a session of before is not said to be none: its cookie would be taken away");
});

#[tokio::test]
async fn the_embedded_database_counts_no_memory() {
    // The counter is a lock that every page read takes: `.cargo/config.toml` builds it without.
    let fresh = fresh(Kind::Sqlite).await;
    let mut conn = fresh.db.read().await.unwrap();
    let Conn::Sqlite(conn) = &mut *conn else { panic!("not the embedded one") };
    let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options").fetch_all(&mut **conn).await.unwrap();
    assert!(options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"), "{options:?}");
}
