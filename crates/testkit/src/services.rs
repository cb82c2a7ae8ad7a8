//! Real servers, as `cargo xtask services up` has started them.

use std::path::PathBuf;
use std::{env, fs};

/// A server, or a few that work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Apache Kafka, one broker. Reached at `host:port`.
    Kafka,
    /// Apache Kafka, three brokers. Reached at `host:port,host:port,host:port`.
    Kafka3,
    /// Redis, one server. Reached at a URL.
    Redis,
    /// Redis Cluster of three nodes. Reached at URLs with commas between them.
    RedisCluster,
    /// PostgreSQL. Reached at a URL; whoever connects may make databases.
    Postgres,
}

/// The file in the target folder: name, address and folder of each part, between tabs.
const FILE: &str = "services.txt";

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Kafka, Self::Kafka3, Self::Redis, Self::RedisCluster, Self::Postgres];

    /// The name in the file and on the command line of `cargo xtask services`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Kafka3 => "kafka3",
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
            Self::Postgres => "postgres",
        }
    }

    /// How to reach it. None where it was not started: then this has said `skipped: <part> not found`, and the test
    /// returns.
    ///
    /// # Panics
    /// It was not started and `CI` is set: there every test must run.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "this runs in tests")]
    pub fn find(self) -> Option<String> {
        let found = self.look();
        if found.is_none() {
            let name = self.name();
            let in_ci =
                env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "0" && ci != "false");
            assert!(!in_ci, "{name} not found, and CI is set: run `cargo xtask services up`");
            println!("skipped: {name} not found (cargo xtask services up --only {name})");
        }
        found
    }

    fn look(self) -> Option<String> {
        let text = fs::read_to_string(file()?).ok()?;
        let mut lines = text.lines().map(|line| line.split('\t'));
        lines.find_map(|mut fields| {
            if fields.next() == Some(self.name()) { fields.next().map(str::to_owned) } else { None }
        })
    }
}

/// The file of the target folder that this test was built in.
fn file() -> Option<PathBuf> {
    let here = env::current_exe().ok()?;
    here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpStream, ToSocketAddrs as _};
    use std::time::Duration;

    use super::Service;

    #[test]
    fn every_address_in_the_file_answers() {
        for service in Service::ALL {
            let Some(addresses) = service.find() else { continue };
            for address in addresses.split(',') {
                let host = address.rsplit('@').next().unwrap();
                let host = host.rsplit("//").next().unwrap().split('/').next().unwrap();
                let socket = host.to_socket_addrs().unwrap().next().unwrap();
                let connected = TcpStream::connect_timeout(&socket, Duration::from_secs(5));
                assert!(connected.is_ok(), "{} at {address}: {connected:?}", service.name());
            }
        }
    }
}
