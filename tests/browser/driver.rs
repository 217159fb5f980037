//! Chromium under WebDriver: one driver and one browser per test, in a folder of its own.

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use serde_json::{Value, json};
use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long a page may take to show what it must.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Browser {
    pub client: Client,
    driver: Child,
    key: Option<String>,
    beside: Option<String>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// How to open the browser.
#[derive(Clone, Copy)]
pub struct With {
    pub script: bool,
    pub width: u32,
    pub height: u32,
}

impl Default for With {
    fn default() -> Self {
        Self { script: true, width: 1280, height: 900 }
    }
}

/// A WebDriver command that the client has no method for.
#[derive(Debug)]
struct Raw {
    method: http::Method,
    path: String,
    body: Value,
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }
    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (self.method.clone(), (self.method == http::Method::POST).then(|| self.body.to_string()))
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Browser {
    pub async fn open(with: With) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is not installed: run tests/run.sh, which says how");
        let size = format!("--window-size={},{}", with.width, with.height);
        let data = format!("--user-data-dir={}", profile.path().display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &size,
            &data,
        ];
        let mut options = json!({ "args": args });
        if !with.script {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".into(), options);
        let url = format!("http://127.0.0.1:{port}");
        let mut client = None;
        for _ in 0..100 {
            match ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&url)
                .await
            {
                Ok(connected) => {
                    client = Some(connected);
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Self { client: client.expect("no browser"), driver, key: None, beside: None, _profile: profile }
    }

    /// Plugs a security key with user verification in, in place of the one before.
    pub async fn plug_key(&mut self) {
        if let Some(id) = self.key.take() {
            self.unplug(&id).await;
        }
        self.key = Some(self.plug(false).await);
    }

    async fn plug(&self, is_synced: bool) -> String {
        let body = json!({
            "protocol": "ctap2", "transport": "usb", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true,
            "isUserConsenting": true, "defaultBackupEligibility": is_synced, "defaultBackupState": is_synced,
        });
        let added = Raw { method: http::Method::POST, path: "webauthn/authenticator".into(), body };
        self.client.issue_cmd(added).await.unwrap().as_str().unwrap().to_owned()
    }

    async fn unplug(&self, id: &str) {
        let path = format!("webauthn/authenticator/{id}");
        self.client.issue_cmd(Raw { method: http::Method::DELETE, path, body: Value::Null }).await.unwrap();
    }

    /// Plugs another key in beside the one before, and takes it into the hand. One that is synced says that it can be copied.
    pub async fn plug_beside(&mut self, is_synced: bool) {
        self.beside = Some(self.plug(is_synced).await);
        self.touch_beside().await;
    }

    /// Unplugs the other key.
    pub async fn unplug_beside(&mut self) {
        let id = self.beside.take().unwrap();
        self.unplug(&id).await;
        self.touch_first().await;
    }

    /// From now on the first key is touched, and the one beside it is not.
    pub async fn touch_first(&self) {
        self.touch(true).await;
    }

    /// From now on the other key is touched, and the first is not.
    pub async fn touch_beside(&self) {
        self.touch(false).await;
    }

    async fn touch(&self, first: bool) {
        for (id, enabled) in [(&self.key, first), (&self.beside, !first)] {
            let Some(id) = id else { continue };
            let body = json!({
                "cmd": "WebAuthn.setAutomaticPresenceSimulation", "params": { "authenticatorId": id, "enabled": enabled },
            });
            let path = "goog/cdp/execute".into();
            self.client.issue_cmd(Raw { method: http::Method::POST, path, body }).await.unwrap();
        }
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// Waits until the page has an address with this in it: a form is answered a moment after it was pressed.
    pub async fn comes_to(&self, part: &str) {
        for _ in 0..PATIENCE.as_millis() / 100 {
            if self.address().await.contains(part) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} and not {part}:\n{}", self.address().await, self.text().await);
    }

    /// Everything that a reader sees.
    pub async fn text(&self) -> String {
        self.client.find(Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    /// Waits until a reader sees these words.
    pub async fn sees(&self, words: &str) {
        let mut last = String::new();
        let rounds = PATIENCE.as_millis() / 100;
        for _ in 0..rounds {
            // The page may be changing under the question.
            if let Ok(body) = self.client.find(Locator::Css("body")).await
                && let Ok(text) = body.text().await
            {
                if text.contains(words) {
                    return;
                }
                last = text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{words:?} is not to be seen at {} within {PATIENCE:?}:\n{last}", self.address().await);
    }

    pub async fn find(&self, css: &str) -> Element {
        match self.client.find(Locator::Css(css)).await {
            Ok(found) => found,
            Err(_) => panic!("no {css} at {}:\n{}", self.address().await, self.text().await),
        }
    }

    pub async fn fill(&self, css: &str, words: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(words).await.unwrap();
    }

    /// Presses the first link or button to be seen whose words contain these; what is on the page comes before what is in its frame.
    pub async fn press(&self, words: &str) {
        for _ in 0..PATIENCE.as_millis() / 100 {
            for place in ["main", "header"] {
                let path = format!("//{place}//*[self::a or self::button or self::summary][contains(normalize-space(.), \"{words}\")]");
                // The page may be changing under the question: then it is asked again.
                for found in self.client.find_all(Locator::XPath(&path)).await.unwrap_or_default() {
                    if found.is_displayed().await.unwrap_or(false) && found.click().await.is_ok() {
                        return;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no link or button {words:?} at {}:\n{}", self.address().await, self.text().await);
    }

    pub async fn picture(&self, file: &std::path::Path) {
        std::fs::write(file, self.client.screenshot().await.unwrap()).unwrap();
    }

    pub async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}
