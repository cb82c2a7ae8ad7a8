//! `sillage demo --stay`: its play over, its blog, its shop and its admin listener up.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::binary;
use crate::{http, wait_for};

/// The demo that stays.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    /// Address of the blog, without a slash at its end.
    pub blog: String,
    /// Address of the shop, likewise.
    pub shop: String,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl Demo {
    /// Plays a few days and stays.
    #[must_use]
    pub fn start() -> Self {
        let mut child = Command::new(binary())
            .args(["demo", "--stay", "--seconds", "5", "--rate", "40"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("run the demo");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = out.lines().map_while(Result::ok);
        let mut said = |before: &str| {
            let found = lines.by_ref().find_map(|line| {
                let (_, behind) = line.split_once(before)?;
                Some(behind.split([' ', '/']).next().unwrap_or_default().to_owned())
            });
            found.unwrap_or_else(|| panic!("the demo says no {before}"))
        };
        let admin = said("admin listener http://").parse().expect("an address");
        let [blog, shop] = ["blog", "shop"].map(|name| {
            format!("http://{name}.localhost:{}", said(&format!("//{name}.localhost:")))
        });
        // It ends once nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, blog, shop, admin }
    }

    /// Waits until the book has the order in this state; its code, partner and commission in micros.
    #[must_use]
    pub fn booked(&self, order: &str, state: &str) -> (u64, String, i64) {
        self.waits_for(order, |row| row["state"] == state)
    }

    /// Waits until the book has the order as it should be; its code, partner and commission in micros.
    pub fn waits_for(&self, order: &str, right: impl Fn(&Value) -> bool) -> (u64, String, i64) {
        let target = "/v1/orders?program=boutique&limit=1000";
        let row = wait_for(&format!("order {order} in the book"), || {
            let host = self.admin.to_string();
            let reply = http::call(self.admin, "GET", &host, target, &[], &[]).ok()?;
            let text = reply.text();
            let mut rows = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            rows.find(|row: &Value| row["order_id"] == order && right(row))
        });
        let partner = row["partner"].as_str().unwrap_or_default().to_owned();
        (
            row["code"].as_u64().unwrap_or_default(),
            partner,
            row["commission_micros"].as_i64().expect("a commission"),
        )
    }

    /// Ends as Ctrl-C ends it.
    pub fn stop(mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), Signal::INT).expect("signal the demo");
        let status = wait_for("the demo's end", || self.child.try_wait().expect("ask for its end"));
        assert!(status.success(), "{status}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already; there is nothing left to do then.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
