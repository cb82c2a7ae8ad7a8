//! nginx in front of shop and edge, as a merchant has it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{skip, wait_for};

/// A running nginx. Dropped, it is killed.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    folder: TempDir,
}

impl Proxy {
    /// Listens on `port`: these `locations`, and everything else goes to the shop. None where nginx is not installed.
    #[must_use]
    pub fn start(port: u16, locations: &str, shop: SocketAddr) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("nginx-").tempdir().expect("make a folder");
        let path = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {path}/{name};\n"))
            .concat();
        let text = format!(
            "daemon off; master_process off; pid {path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\nlisten 127.0.0.1:{port};\n{locations}\nlocation / {{ proxy_pass http://{shop}; \
             proxy_set_header Host $http_host; }}\n}}\n}}\n"
        );
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, text).expect("write the configuration");
        let errors = folder.path().join("errors");
        let mut command = Command::new("nginx");
        command.arg("-e").arg(&errors).arg("-c").arg(&configuration);
        let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            skip("nginx");
            return None;
        };
        let proxy = Self { child, folder };
        wait_for("nginx", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(proxy)
    }

    /// What it wrote to its log of errors.
    #[must_use]
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
