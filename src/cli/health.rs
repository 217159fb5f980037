//! `andon health`: asks this machine's server whether it can take a stop, for container and service managers. Reads the same settings as
//! `andon serve` and asks the listener itself, not the address that people use.

use super::Failure;
use crate::config::ServeArgs;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

/// A server that can take a stop answers at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs the command.
///
/// # Errors
/// When nobody answers, or the answer is not 200.
pub async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    let settings = args.check()?;
    let host = settings.origin.url().host_str().unwrap_or("localhost").to_owned();
    let at = SocketAddr::new(reachable(settings.listen.ip()), settings.listen.port());
    let mut client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().resolve(&host, at);
    let scheme = match &settings.transport.tls {
        None => "http",
        Some(files) => {
            // A certificate of its own making is trusted for this one question; others are checked as everywhere.
            let pem = std::fs::read(&files.cert).map_err(|error| format!("{}: {error}", files.cert.display()))?;
            client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?);
            "https"
        }
    };
    let answer = client.build()?.get(format!("{scheme}://{host}:{}/healthz", at.port())).send().await?;
    let status = answer.status();
    if status.is_success() {
        println!("it can take a stop");
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("{at} answers {status}: {}", answer.text().await.unwrap_or_default().trim()).into())
}

/// An address that stands for all of the machine's is reached on the machine itself.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
