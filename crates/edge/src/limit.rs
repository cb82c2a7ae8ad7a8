//! How many connections there are, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::address::bucket;
use crate::config::Config;
use crate::metrics::Refused;

/// The open connections of a node. Touched once per connection, never per request.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    total: AtomicU32,
    by_address: Mutex<HashMap<IpAddr, u32, RandomState>>,
}

impl Connections {
    /// Takes a place for a connection of `peer`.
    pub(crate) fn enter(&self, config: &Config, peer: IpAddr) -> Result<(), Refused> {
        if self.total.fetch_add(1, Ordering::Relaxed) >= config.connections_max.get() {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Total);
        }
        if exempt(config, peer) {
            return Ok(());
        }
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(bucket(peer)).or_default();
        if *count >= config.connections_per_address_max.get() {
            drop(counts);
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Address);
        }
        *count += 1;
        Ok(())
    }

    /// Gives the place back.
    pub(crate) fn leave(&self, config: &Config, peer: IpAddr) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        if exempt(config, peer) {
            return;
        }
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = bucket(peer);
        if let Some(count) = counts.get_mut(&bucket) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&bucket);
            }
        }
    }

    /// Open connections.
    pub(crate) fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }
}

fn exempt(config: &Config, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    config.trusted_proxies.iter().any(|net| net.contains(&peer))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::Connections;
    use crate::Config;
    use crate::metrics::Refused;

    #[test]
    fn an_address_has_its_share_and_a_trusted_proxy_has_none() {
        let config = Config {
            connections_per_address_max: NonZeroU32::new(2).unwrap(),
            connections_max: NonZeroU32::new(4).unwrap(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Config::default()
        };
        let connections = Connections::default();
        let [a, b] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
        assert!(connections.enter(&config, a).is_ok() && connections.enter(&config, b).is_ok());
        assert_eq!(connections.enter(&config, a), Err(Refused::Address), "one /64 is one address");
        let proxy = "::ffff:10.1.1.1".parse().unwrap();
        assert!(
            connections.enter(&config, proxy).is_ok() && connections.enter(&config, proxy).is_ok()
        );
        assert_eq!(connections.enter(&config, proxy), Err(Refused::Total));
        connections.leave(&config, a);
        assert!(connections.enter(&config, b).is_ok());
        assert_eq!(connections.total(), 4);
    }
}
