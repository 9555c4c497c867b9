//! The name that is told to clients when the configuration names none.

use std::net::ToSocketAddrs;

/// This host's name when it can be resolved, else `localhost`.
#[must_use]
pub fn to_advertise() -> String {
    const LOCAL: &str = "localhost";
    let name = rustix::system::uname();
    match name.nodename().to_str() {
        Ok(name) if !name.is_empty() && (name, 0).to_socket_addrs().is_ok_and(|mut found| found.next().is_some()) => {
            name.to_owned()
        }
        _ => LOCAL.to_owned(),
    }
}
