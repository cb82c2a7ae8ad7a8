//! Settings of the edge.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use telemetry::Fault;

/// Settings of the edge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses to listen on, as `"0.0.0.0:8080"`. 1 to 16; default `127.0.0.1:8080`, so that nothing is public by
    /// accident.
    pub listen: Vec<SocketAddr>,
    /// Name of this node on `node.log`. 1 to 64 visible characters; default `edge`.
    pub node: String,
    /// Cores that serve requests, each with a thread and a runtime of its own. Count, 0 to 256; default 0: one for
    /// each core of the machine.
    pub cores: u32,
    /// Host names that this edge answers for, without port, as in `Host`. Requests for other hosts get 421. 0 to 256;
    /// empty (the default): every host, right behind a proxy that checks it and for a first try.
    pub hosts: Vec<String>,
    /// Scheme under which browsers reach the edge, `"https"` (default) or `"http"`: the tag reports there. `http` only
    /// for a try on `localhost`, where browsers take our cookies without TLS.
    pub public_scheme: Scheme,
    /// Port under which browsers reach the edge, where it is neither that of the scheme nor one of `listen`: the tag reports
    /// there. 1 to 65,535; default none: the port in `Host`, if the edge listens on it (with empty `hosts`: whatever it is).
    pub public_port: Option<NonZeroU16>,
    /// Where unknown links lead, an `http` or `https` URL. Default none: they get 404 and one line of text.
    pub unknown_link_url: Option<url::Url>,
    /// Networks of proxies in front of the edge that may tell the client's address and country. 0 to 256; default
    /// empty: the peer's address counts and no header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header in which trusted proxies write the client's address: `"x-forwarded-for"` (default) or
    /// `"forwarded"`. The right-most address that is not a trusted proxy counts.
    pub forwarded_header: ForwardedHeader,
    /// Header in which a trusted proxy writes the client's country, such as `"cf-ipcountry"`. Default none: unknown.
    pub country_header: Option<String>,
    /// Networks of data centers: touches from there get the flag `datacenter`. 0 to 65,536; default empty.
    pub datacenter_networks: Vec<IpNet>,
    /// File of the day keys, mode 0600, made when absent; relative to the data folder. Default `day-keys.json`.
    pub day_key_file: PathBuf,
    /// Days after which a day's key of address hashes is destroyed. 1 to 90; default 7.
    pub address_key_days: NonZeroU32,
    /// Days after which a day's key of private blocks is destroyed. 1 to 400; default 30.
    pub private_key_days: NonZeroU32,
    /// Connections in all; above it new ones are closed at once. Count, 1 to 1,000,000; default 20,000.
    pub connections_max: NonZeroU32,
    /// Connections of one address (IPv6: of one /64). Trusted proxies are exempt. Count, 1 to 1,000,000; default 200.
    pub connections_per_address_max: NonZeroU32,
    /// Time for a request head, from its first byte. Range 10 ms to 5 min; default 5 s.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// Time that a connection may be silent between requests. Range 10 ms to 1 h; default 75 s, above the usual 60 s of
    /// balancers, so that the balancer closes first.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Time that a conversion waits for its fsync once its body is read; then it is answered 503, and nothing is promised.
    /// Range 10 ms to 5 min; default 5 s.
    #[serde(with = "humantime_serde")]
    pub handler_timeout: Duration,
    /// Time in which a peer must take some of an answer. Range 10 ms to 5 min; default 10 s.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Time to finish open requests after the listeners are closed. Range 0 to 1 min; default 4 s.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// Conversions.
    pub conversions: crate::conversion::Config,
}

/// The header in which trusted proxies write the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Scheme of the edge's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    #[default]
    Https,
}

const fn count(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            node: "edge".to_owned(),
            cores: 0,
            hosts: Vec::new(),
            public_scheme: Scheme::default(),
            public_port: None,
            unknown_link_url: None,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            country_header: None,
            datacenter_networks: Vec::new(),
            day_key_file: PathBuf::from("day-keys.json"),
            address_key_days: count(7),
            private_key_days: count(30),
            connections_max: count(20_000),
            connections_per_address_max: count(200),
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            handler_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(4),
            conversions: crate::conversion::Config::default(),
        }
    }
}

impl Config {
    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut range = |key: &str, value: u64, least: u64, most: u64, unit: &str| {
            if value < least || value > most {
                faults.push(Fault::new(
                    key,
                    format!("is {value}{unit}; give {least} to {most}{unit}"),
                ));
            }
        };
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        range("listen", self.listen.len() as u64, 1, 16, " addresses");
        range("cores", self.cores.into(), 0, 256, "");
        range("hosts", self.hosts.len() as u64, 0, 256, " names");
        range("trusted_proxies", self.trusted_proxies.len() as u64, 0, 256, " networks");
        range("datacenter_networks", self.datacenter_networks.len() as u64, 0, 65_536, " networks");
        range("address_key_days", self.address_key_days.get().into(), 1, 90, "");
        range("private_key_days", self.private_key_days.get().into(), 1, 400, "");
        range("connections_max", self.connections_max.get().into(), 1, 1_000_000, "");
        let per_address = self.connections_per_address_max.get();
        range("connections_per_address_max", per_address.into(), 1, 1_000_000, "");
        range("header_timeout", ms(self.header_timeout), 10, 300_000, " ms");
        range("idle_timeout", ms(self.idle_timeout), 10, 3_600_000, " ms");
        range("handler_timeout", ms(self.handler_timeout), 10, 300_000, " ms");
        range("write_timeout", ms(self.write_timeout), 10, 300_000, " ms");
        range("drain_timeout", ms(self.drain_timeout), 0, 60_000, " ms");
        let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if self.node.is_empty() || self.node.len() > 64 || !visible(&self.node) {
            faults.push(Fault::new("node", "is not 1 to 64 visible ASCII characters"));
        }
        for host in &self.hosts {
            let parsed = url::Host::parse(host).map(|parsed| parsed.to_string());
            if parsed.as_deref() != Ok(host.as_str()) {
                let text = match parsed {
                    Ok(right) => format!("has {host:?}; write it as {right:?}"),
                    Err(_) => format!("has {host:?}, which is no host name without port"),
                };
                faults.push(Fault::new("hosts", text));
            }
        }
        if let Some(url) = &self.unknown_link_url
            && !(matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            faults.push(Fault::new(
                "unknown_link_url",
                format!("is {url}; give an http or https URL"),
            ));
        }
        if let Some(name) = &self.country_header
            && http::HeaderName::from_bytes(name.as_bytes()).is_err()
        {
            faults.push(Fault::new(
                "country_header",
                format!("is {name:?}, which is no header name"),
            ));
        }
        if self.country_header.is_some() && self.trusted_proxies.is_empty() {
            let text = "is believed from trusted proxies alone; give trusted_proxies too";
            faults.push(Fault::new("country_header", text));
        }
        faults.extend(self.conversions.faults().into_iter().map(|f| f.within("conversions")));
        faults
    }
}
