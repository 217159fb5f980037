//! A canary for every secret: planted through the real routes of a real server and agent, looked for afterwards wherever it could have got
//! to. Each may stand where it must, by name, and nowhere else: logs of both processes, every file of data and state, the whole database,
//! every answer that was ever given, the log of acts as people and programs read it.

mod exchange_keys;

use crate::{
    faults::{
        proc,
        server::{andon, command},
        until,
    },
    harness::{
        browser::{Browser, exchange},
        db::{Fresh, Place, on_both},
        smtp,
        tables::Tables,
    },
};
use andon::authn::SoftKey;
use axum::{body::Body, http::Request};
use rustix::process::Signal;
use std::{
    collections::{BTreeSet, VecDeque},
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// Canaries that the test chooses. Those that the program makes are added as they come.
const PASSWORD: &str = "canary-violet-harbour-19-quince";
const OTHER_PASSWORD: &str = "canary-amber-orchard-77-lantern";
const MISTYPED: &str = "canary-mistyped-password-4711";
const MAIL: &str = "canary-mail-server-password-2718";
const DATABASE: &str = "canaryDatabasePassword0815";
const MADE_UP: &str = "andon_agent_canaryMadeUpTokenThatNobodyHas";

/// A secret, its name, and the names of the places where it must stand.
struct Canary {
    name: &'static str,
    value: String,
    allowed: &'static [&'static str],
}

/// A place that was looked at.
struct Found {
    place: String,
    // Canaries are plain letters: what is no text around them does not matter.
    text: String,
}

struct Ground {
    dir: PathBuf,
    address: SocketAddr,
    origin: String,
    server: Child,
    mail: smtp::Server,
    canaries: Vec<Canary>,
    found: Vec<Found>,
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn log(dir: &Path, name: &str) -> File {
    File::options().create(true).append(true).open(dir.join(name)).unwrap()
}

impl Ground {
    async fn new(fresh: &Fresh) -> Self {
        let dir = fresh.dir.path().to_owned();
        fs::create_dir(dir.join("logs")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (address, origin) = (SocketAddr::from(([127, 0, 0, 1], port)), format!("http://localhost:{port}"));
        let mut serve = command(andon());
        serve.arg("serve").arg("--data").arg(dir.join("data")).arg("--state-dir").arg(dir.join("state"));
        serve.args(["--listen", &address.to_string(), "--origin", &origin]);
        if let Place::Url(url) = &fresh.place {
            // By the variable, as the help advises: a list of processes shows arguments.
            let with_password = url.replacen("andon@", &format!("andon:{DATABASE}@"), 1);
            assert_ne!(*url, with_password, "nothing is planted in {url}");
            serve.env("ANDON_DATABASE_URL", with_password);
        }
        let mail = smtp::Server::start(smtp::Way::Plain, None, Some(("andon", MAIL))).await;
        fs::write(dir.join("mail-password"), MAIL).unwrap();
        serve.args(["--smtp-url", &format!("smtp-plain://{}", mail.address), "--smtp-from", "andon@desk.example", "--smtp-user", "andon"]);
        serve.arg("--smtp-password-file").arg(dir.join("mail-password"));
        serve.env("ANDON_LOG", "debug").stdout(log(&dir, "logs/server.out")).stderr(log(&dir, "logs/server.log"));
        let server = serve.spawn().unwrap();
        let chosen = |name, value: &str| Canary { name, value: value.to_owned(), allowed: &[] };
        let canaries = vec![
            chosen("a password", PASSWORD),
            chosen("another password", OTHER_PASSWORD),
            chosen("a mistyped password", MISTYPED),
            chosen("the database's password", DATABASE),
            Canary { name: "the mail server's password", value: MAIL.to_owned(), allowed: &["file mail-password"] },
            chosen("a token that nobody has", MADE_UP),
        ];
        let mut ground = Self { dir, address, origin, server, mail, canaries, found: Vec::new() };
        until("a server that answers", async || {
            let health = Request::get("/healthz").header("host", "localhost").body(Body::empty()).unwrap();
            exchange(address, health).await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        let master = fs::read_to_string(ground.dir.join("state/master.key")).unwrap();
        ground.plant("the master key", master.trim(), &["file state/master.key"]);
        ground
    }

    fn plant(&mut self, name: &'static str, value: impl Into<String>, allowed: &'static [&'static str]) {
        let value = value.into();
        assert!(value.len() >= 16, "{name} is too short to be looked for: {value:?}");
        self.canaries.push(Canary { name, value, allowed });
    }

    /// A browser whose every answer is looked at in the end.
    fn browser(&self) -> Browser {
        let mut browser = Browser::over(self.address, &self.origin);
        browser.heard = Some(Vec::new());
        browser
    }

    fn heard(&mut self, who: &str, browser: &mut Browser) {
        for (asked, answer) in browser.heard.replace(Vec::new()).into_iter().flatten() {
            self.found.push(Found { place: format!("answer to {who}: {asked}"), text: answer });
        }
    }

    /// What a program asks with a bearer token.
    async fn program(&mut self, method: &str, path: &str, token: &str, body: &str) -> u16 {
        let mut request =
            Request::builder().method(method).uri(path).header("host", "localhost").header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", token);
        }
        let reply = exchange(self.address, request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let text = format!("{:?}\n{}", reply.headers(), String::from_utf8_lossy(reply.body()));
        let route = path.split('?').next().unwrap();
        self.found.push(Found { place: format!("answer to a program: {method} {route}"), text });
        reply.status().as_u16()
    }
}

/// Password and two keys by a link; the first key.
async fn come_in(browser: &mut Browser, ground: &Ground, link: &str, password: &str) -> SoftKey {
    let path = link.strip_prefix(&ground.origin).unwrap().to_owned();
    browser.get(&path).await;
    browser.get("/welcome").await;
    browser.post("/welcome/password", &[("display_name", "C. Nary"), ("password", password), ("again", MISTYPED)]).await;
    browser
        .post(
            "/welcome/password",
            &[("display_name", "C. Nary"), ("password", password), ("again", password), ("address", "c@people.example")],
        )
        .await;
    let mut keys = Vec::new();
    for nickname in ["one", "two"] {
        browser.get("/welcome").await;
        let key = SoftKey::new(ground.origin.parse().unwrap());
        let options = browser.between("data-options=\"", "\"").unwrap();
        let answer = key.register(&options).unwrap();
        browser.post("/welcome/key", &[("nickname", nickname), ("response", &answer)]).await;
        keys.push(key);
    }
    keys.swap_remove(0)
}

async fn sign_in(browser: &mut Browser, name: &str, password: &str, key: &SoftKey) {
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", name), ("password", MISTYPED)]).await;
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", name), ("password", password)]).await;
    browser.get("/sign-in/key").await;
    browser.touch_with(key, "/sign-in/key").await;
    assert_eq!(browser.leads_to(), "/fleet", "{}", browser.page);
}

/// Follows a form to its act and signs it; the answer to the signature is on the page.
async fn signed(browser: &mut Browser, key: &SoftKey) {
    let act = browser.leads_to().to_owned();
    assert!(act.starts_with("/acts/"), "{act}: {}", browser.page);
    browser.get(&act).await;
    browser.touch_with(key, &format!("{act}/sign")).await;
}

/// The secret on the page that shows it once.
fn shown(browser: &Browser) -> String {
    browser.between(r#"<code class="command">"#, "</code>").unwrap_or_else(|| panic!("no secret on {}", browser.page))
}

/// The id at the end of a path.
fn id(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

/// A phone of the admin's becomes a stop device and stops.
async fn stop_device(ground: &mut Ground, admin: &mut Browser, phone: &mut Browser, key: &SoftKey) {
    admin.get("/stop-devices").await;
    admin.post("/stop-devices/allow", &[("allowed", "yes")]).await;
    signed(admin, key).await;
    admin.get("/me/stop-devices").await;
    admin.post("/me/stop-devices", &[("name", "my phone")]).await;
    signed(admin, key).await;
    let link = shown(admin);
    ground.plant("a phone's link", id(&link), &["answer to admin: POST /acts/", "answer to phone: GET /stop-device/enrol"]);
    phone.get(link.strip_prefix(&ground.origin).unwrap()).await;
    phone.post("/stop-device/enrol", &[("link", &id(&link)), ("public_key", MISTYPED)]).await;
    let cookie = phone.cookies["andon-stop-local"].clone();
    ground.plant("a phone's cookie", cookie, &["answer to phone: POST /stop-device/enrol"]);
    phone.get("/stop-device").await;
    phone.post("/stop-device/holds", &[("scope", "fleet"), ("level", "reduce"), ("proof", MADE_UP)]).await;
    assert!(phone.leads_to().starts_with("/stop-device/holds/"), "{}", phone.page);
    let receipt = phone.leads_to().to_owned();
    phone.get(&receipt).await;
}

/// Opens every page that a link leads to, and the log entry by entry.
async fn walk(browser: &mut Browser) -> usize {
    let mut seen = BTreeSet::new();
    let mut next: VecDeque<String> =
        ["/fleet", "/first-run", "/audit", "/system", "/people", "/tokens", "/agents", "/acts", "/holds", "/me"]
            .into_iter()
            .chain(["/keys", "/keys/calendar", "/venues", "/requests", "/register/export"])
            .chain(["/teams", "/matrix", "/card", "/pause", "/audit/verify", "/api/v1/openapi.json", "/nowhere"])
            .map(str::to_owned)
            .collect();
    next.extend((0..60).map(|seq| format!("/audit/{seq}")));
    while let Some(path) = next.pop_front() {
        if seen.len() > 300 || !seen.insert(path.clone()) {
            continue;
        }
        browser.get(&path).await;
        for link in browser.page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let link = link.replace("&amp;", "&").replace("&#38;", "&");
            if link.starts_with('/') && !link.starts_with("//") && !link.starts_with("/assets") && !link.contains('#') {
                next.push_back(link);
            }
        }
    }
    seen.len()
}

/// The agent: enrolled by a code on its standard input, and run for a while.
async fn agent(ground: &mut Ground, code: &str) -> (Child, String) {
    let dir = ground.dir.join("agent");
    let mut enrol = command(andon());
    enrol.args(["agent", "enrol", "--server", &ground.origin, "--code", "-", "--name", "host", "--dir"]).arg(&dir);
    enrol
        .env("ANDON_LOG", "debug")
        .stdin(Stdio::piped())
        .stdout(log(&ground.dir, "logs/enrol.out"))
        .stderr(log(&ground.dir, "logs/agent.log"));
    let mut enrol = enrol.spawn().unwrap();
    enrol.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    until("the enrolment", async || enrol.try_wait().unwrap().is_some()).await;
    let bot = "[bot]\ncommand = [\"/bin/sleep\", \"1000\"]\nreport = [\"/bin/echo\", '{\"entry_orders\":0}']\n";
    fs::write(dir.join("agent.toml"), bot).unwrap();
    let credential: serde_json::Value = serde_json::from_str(&fs::read_to_string(dir.join("credential.json")).unwrap()).unwrap();
    ground.plant("the agent's token", credential["token"].as_str().unwrap(), &["file agent/credential.json"]);
    let identity = fs::read_to_string(dir.join("identity")).unwrap();
    ground.plant("the agent's identity", identity.trim(), &["file agent/identity"]);
    let mut run = command(andon());
    run.args(["agent", "run", "--dir"]).arg(&dir);
    run.env("ANDON_LOG", "debug").stdout(Stdio::null()).stderr(log(&ground.dir, "logs/agent.log"));
    (run.spawn().unwrap(), credential["agent_id"].as_str().unwrap().to_owned())
}

/// Everything that a curious or clumsy program might send.
async fn provoke(ground: &mut Ground, api: &str, code: &str, agent_token: &str) {
    let bearer = |token: &str| format!("Bearer {token}");
    let long = "x".repeat(70_000);
    for (method, path, token, body) in [
        ("GET", format!("/api/v1/bots?token={api}"), String::new(), String::new()),
        ("GET", format!("/agent/v1/directive?access_token={agent_token}"), bearer(agent_token), String::new()),
        ("GET", "/api/v1/bots".to_owned(), format!("Basic {api}"), String::new()),
        ("GET", "/api/v1/bots".to_owned(), bearer(agent_token), String::new()),
        ("POST", "/agent/v1/check-in".to_owned(), bearer(api), "{}".to_owned()),
        ("POST", "/agent/v1/check-in".to_owned(), bearer(MADE_UP), "{}".to_owned()),
        ("POST", "/agent/v1/check-in".to_owned(), bearer(agent_token), format!("{{\"boot\":\"{MADE_UP}")),
        ("POST", "/agent/v1/check-in".to_owned(), bearer(agent_token), format!("{{\"seq\":\"{MADE_UP}\"}}")),
        ("POST", "/agent/v1/enrol".to_owned(), String::new(), format!("{{\"code\":\"{code}\"}}")),
        ("POST", "/agent/v1/enrol".to_owned(), String::new(), format!("{{\"code\":[\"{code}\"]}}")),
        ("POST", "/api/v1/holds".to_owned(), bearer(api), format!("{{\"scope\":\"{MADE_UP}\"}}")),
        ("POST", "/api/v1/holds".to_owned(), bearer(api), long),
        ("POST", "/sign-in".to_owned(), String::new(), format!("{{\"password\":\"{MISTYPED}\"}}")),
        ("BREW", format!("/api/{api}"), bearer(api), String::new()),
        ("GET", format!("/welcome/{MADE_UP}"), String::new(), String::new()),
    ] {
        let status = ground.program(method, &path, &token, &body).await;
        assert!(status >= 300, "{method} {path} was answered {status}");
    }
}

/// What a program may read with its token.
async fn read_all(ground: &mut Ground, api: &str, bot: &str) {
    for path in ["/api/v1/bots", "/api/v1/teams", "/api/v1/agents", "/api/v1/holds", &format!("/api/v1/bots/{bot}")] {
        let status = ground.program("GET", path, &format!("Bearer {api}"), "").await;
        assert_eq!(status, 200, "{path}");
    }
}

/// Commands that are given the database's password and fail, whatever the installation is kept in: nobody is there, the address is none, the
/// kind is another. By the variable, by a file, by an argument.
fn fail_with_the_database(ground: &Ground) {
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("url");
    let serve: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--data", "elsewhere", "--state-dir", "elsewhere"];
    let doctor: &[&str] = &["doctor", "--listen", "127.0.0.1:0", "--data", "elsewhere", "--state-dir", "elsewhere"];
    let verify: &[&str] = &["audit", "verify"];
    for (kind, port) in [("postgres", "1"), ("postgres", "none"), ("mysql", "1")] {
        let url = format!("{kind}://andon:{DATABASE}@127.0.0.1:{port}/none");
        fs::write(&file, &url).unwrap();
        for (arguments, way) in [(serve, "variable"), (serve, "argument"), (verify, "variable"), (doctor, "file")] {
            let mut failing = command(andon());
            failing.args(arguments).current_dir(&ground.dir).env("ANDON_LOG", "debug");
            match way {
                "variable" => failing.env("ANDON_DATABASE_URL", &url),
                "file" => failing.arg("--database-url-file").arg(&file),
                _ => failing.args(["--database-url", &url]),
            };
            failing.stdout(log(&ground.dir, "logs/failed.out")).stderr(log(&ground.dir, "logs/failed.log"));
            assert!(!failing.status().unwrap().success(), "{arguments:?} with {kind} at port {port} by {way}");
        }
    }
}

fn files(dir: &Path, root: &Path, found: &mut Vec<Found>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), root, found);
        } else if kind.is_file() {
            let place = format!("file {}", entry.path().strip_prefix(root).unwrap().display());
            found.push(Found { place, text: String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned() });
        }
    }
}

/// The value as it may have been written.
fn spellings(value: &str) -> Vec<String> {
    let url: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut all = vec![
        value.to_owned(),
        url,
        data_encoding::HEXLOWER.encode(value.as_bytes()),
        data_encoding::BASE64_NOPAD.encode(value.as_bytes()),
        data_encoding::BASE64URL_NOPAD.encode(value.as_bytes()),
    ];
    all.sort();
    all.dedup();
    all
}

/// Every canary in every place; what stands where it may not.
fn leaks(ground: &Ground) -> Vec<String> {
    let mut leaks = Vec::new();
    for canary in &ground.canaries {
        let mut stands = BTreeSet::new();
        for spelling in spellings(&canary.value) {
            for found in ground.found.iter().filter(|found| found.text.contains(&spelling)) {
                match canary.allowed.iter().find(|allowed| found.place.starts_with(**allowed)) {
                    Some(allowed) => drop(stands.insert(*allowed)),
                    None => leaks.push(format!("{} stands in {}", canary.name, found.place)),
                }
            }
        }
        // A place that is allowed and never holds it would hide a leak one day.
        for allowed in canary.allowed {
            assert!(stands.contains(allowed), "{} does not stand in {allowed}: is it looked for rightly?", canary.name);
        }
    }
    leaks.sort();
    leaks.dedup();
    leaks
}

on_both!(no_secret_stands_where_it_need_not, |fresh: Fresh| async move {
    let fresh = fresh;
    let mut ground = Ground::new(&fresh).await;
    let out = ground.dir.join("logs/server.out");
    until("the set-up link", async || fs::read_to_string(&out).unwrap().contains("/welcome/")).await;
    let printed = fs::read_to_string(&out).unwrap();
    let link = printed.split_whitespace().find(|word| word.contains("/welcome/")).unwrap().to_owned();
    ground.plant("the set-up link", id(&link), &["file logs/server.out"]);

    let mut admin = ground.browser();
    let key = come_in(&mut admin, &ground, &link, PASSWORD).await;
    admin.get(link.strip_prefix(&ground.origin).unwrap()).await;
    sign_in(&mut admin, "admin", PASSWORD, &key).await;
    // Its own page gives the cookie anew with each answer; only `set-cookie` may.
    for (_, value) in admin.cookies.clone() {
        ground.plant("a session's cookie", value, &["answer to admin: "]);
    }
    admin.get("/teams").await;
    admin.post("/teams", &[("name", "arb")]).await;
    admin.get("/people").await;
    let me = id(&admin.between(r#"<th scope="row"><a href=""#, "\"").unwrap());
    admin.get(&format!("/people/{me}")).await;
    let lead = admin.between(r#"value="lead:"#, "\"").map(|team| format!("lead:{team}")).unwrap();
    admin.post(&format!("/people/{me}/roles"), &[("grant", "admin"), ("grant", &lead)]).await;
    signed(&mut admin, &key).await;

    admin.get("/people/invite").await;
    admin.post("/people/invite", &[("name", "second"), ("grant", "risk")]).await;
    signed(&mut admin, &key).await;
    let invitation = shown(&admin);
    let once: &[&str] = &["answer to admin: POST /acts/"];
    ground.plant("an invitation", id(&invitation), once);
    let mut second = ground.browser();
    let second_key = come_in(&mut second, &ground, &invitation, OTHER_PASSWORD).await;
    sign_in(&mut second, "second", OTHER_PASSWORD, &second_key).await;

    let ops_team = lead.strip_prefix("lead:").unwrap().to_owned();
    admin.get("/tokens").await;
    admin.post("/tokens", &[("name", "ops"), ("scope", "operate"), ("team", &ops_team), ("days", "7")]).await;
    signed(&mut admin, &key).await;
    let api = shown(&admin);
    ground.plant("an API token", api.clone(), once);

    let team = lead.strip_prefix("lead:").unwrap().to_owned();
    admin.get("/bots/new").await;
    admin.post("/bots", &[("name", "b"), ("team", &team), ("strategy", "grid"), ("owner", &me), ("exits", "managed")]).await;
    let bot = admin.leads_to().to_owned();
    admin.get(&bot).await;
    admin.post(&format!("{bot}/stage"), &[("stage", "sandbox")]).await;
    admin.get(&format!("{bot}/enrol")).await;
    admin.post(&format!("{bot}/enrol"), &[]).await;
    signed(&mut admin, &key).await;
    let code = shown(&admin);
    ground.plant("an enrolment code", code.clone(), once);
    let (mut agent, _) = agent(&mut ground, &code).await;
    let token = ground.canaries.iter().find(|canary| canary.name == "the agent's token").unwrap().value.clone();

    // A code presented twice sets its agent back to pending, so that is provoked before the letters are compared.
    provoke(&mut ground, &api, &code, &token).await;
    admin.get(&format!("{bot}/enrol")).await;
    let fields = ["agent", "fingerprint"].map(|name| admin.between(&format!("name=\"{name}\" value=\""), "\"").unwrap());
    admin.post(&format!("{bot}/confirm"), &[("agent", &fields[0]), ("fingerprint", &fields[1])]).await;
    signed(&mut admin, &key).await;
    until("a start", async || {
        admin.get(&bot).await;
        admin.post("/starts", &[("bot", &id(&bot))]).await;
        admin.status == 303
    })
    .await;
    signed(&mut admin, &key).await;
    admin.get(&bot).await;
    admin.post("/holds", &[("scope", &format!("bot:{}", id(&bot))), ("level", "pause"), ("why", "drill"), ("key", "1")]).await;
    let hold = admin.leads_to().to_owned();
    admin.get(&hold).await;
    admin.post(&format!("{hold}/release"), &[("release_why", "it is over")]).await;
    signed(&mut admin, &key).await;
    let pages = exchange_keys::handed_in(&mut ground, &bot, &mut admin, (&mut second, &second_key)).await;
    exchange_keys::by_programs(&mut ground, (&api, &token), &pages).await;
    let mut phone = ground.browser();
    stop_device(&mut ground, &mut admin, &mut phone, &key).await;
    admin.post_raw("/teams", format!("csrf={MADE_UP}&name=x"), Some("https://evil.example")).await;
    assert!(walk(&mut admin).await > 60);
    assert!(walk(&mut second).await > 60);
    read_all(&mut ground, &api, &id(&bot)).await;
    fail_with_the_database(&ground);

    let mut tables = Vec::new();
    let database = Tables::at(&fresh, &ground.dir.join("data")).await;
    for (table, rows) in database.everything().await {
        tables.push(Found { place: format!("table {table}"), text: rows });
    }
    assert!(tables.len() > 15);
    until("the mail to both", async || ground.mail.taken().len() >= 2).await;
    second.post("/sign-out", &[]).await;
    proc::signal(i32::try_from(agent.id()).unwrap(), Signal::TERM);
    until("the agent's end", async || agent.try_wait().unwrap().is_some()).await;
    proc::signal(i32::try_from(ground.server.id()).unwrap(), Signal::TERM);
    let server = &mut ground.server;
    until("the server's end", async || server.try_wait().unwrap().is_some()).await;

    ground.heard("admin", &mut admin);
    ground.heard("second", &mut second);
    ground.heard("phone", &mut phone);
    ground.found.append(&mut tables);
    let mails =
        ground.mail.taken().into_iter().map(|mail| Found { place: "a mail".to_owned(), text: format!("{}{}", mail.text, mail.body()) });
    ground.found.extend(mails);
    let (dir, mut found) = (ground.dir.clone(), Vec::new());
    files(&dir, &dir, &mut found);
    ground.found.append(&mut found);
    let leaks = leaks(&ground);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let at_set_cookie_only = |found: &Found| {
        let cookie = ground.canaries.iter().find(|canary| canary.name == "a session's cookie").unwrap();
        found.text.lines().filter(|line| line.contains(&cookie.value)).all(|line| line.starts_with("set-cookie: "))
    };
    let answers = ground.found.iter().filter(|found| found.place.starts_with("answer"));
    assert!(answers.clone().count() > 150 && answers.clone().all(at_set_cookie_only), "a cookie stands in a body");
});

#[tokio::test]
async fn no_process_of_ours_leaves_its_memory_on_a_disk() {
    // One that waits for a key on its standard input.
    let mut inspect = command("sh");
    inspect.args(["-c", "ulimit -S -c unlimited; exec \"$0\" key inspect --venue bybit"]).arg(andon()).stdin(Stdio::piped());
    let mut running = inspect.spawn().unwrap();
    let limits = format!("/proc/{}/limits", running.id());
    let soft = || {
        let text = fs::read_to_string(&limits).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap().to_owned();
        line.split_whitespace().next().map(str::to_owned)
    };
    until("no dump is allowed", async || soft().as_deref() == Some("0")).await;
    running.kill().unwrap();
    running.wait().unwrap();
}
