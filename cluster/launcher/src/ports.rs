//! Ports for processes that come back under the same address. Decides numbers below the range from which
//! the kernel takes the ports of outgoing connections: otherwise one could be taken while its owner is
//! down.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// Hands out ports, each once.
#[derive(Debug)]
pub struct Ports {
    next: u16,
    /// Addresses of an earlier run over the same data: members know each other by them.
    kept: VecDeque<SocketAddr>,
    taken: Vec<SocketAddr>,
}

impl Ports {
    /// From `base` upwards, or from a base drawn at random. Ports that are taken are passed over with a
    /// warning that names them.
    #[must_use]
    pub fn new(base: Option<u16>) -> Self {
        let drawn = || {
            let span = u32::from(LAST - FIRST) / 2;
            let offset = getrandom::u32().unwrap_or(0) % span;
            FIRST + u16::try_from(offset).unwrap_or(0)
        };
        let next = base.unwrap_or_else(drawn);
        Self { next, kept: VecDeque::new(), taken: Vec::new() }
    }

    /// The same addresses in the same order as an earlier run took them.
    #[must_use]
    pub fn again(addresses: Vec<SocketAddr>) -> Self {
        Self { next: LAST, kept: addresses.into(), taken: Vec::new() }
    }

    /// All addresses taken so far.
    #[must_use]
    pub fn taken(&self) -> &[SocketAddr] {
        &self.taken
    }

    /// The next address on the loopback nobody listens on.
    pub fn take(&mut self) -> std::io::Result<SocketAddr> {
        if let Some(address) = self.kept.pop_front() {
            // Not the next one: the group's members would look for each other in vain.
            TcpListener::bind(address).map_err(|error| {
                let text = format!("{address}, which this data directory's cluster uses: {error}");
                std::io::Error::new(error.kind(), text)
            })?;
            self.taken.push(address);
            return Ok(address);
        }
        loop {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.next));
            let port = self.next;
            self.next = self.next.checked_add(1).ok_or_else(|| {
                std::io::Error::new(
                    std::io::ErrorKind::AddrNotAvailable,
                    "no free port is left above the port base",
                )
            })?;
            match TcpListener::bind(address) {
                Ok(_) => {
                    self.taken.push(address);
                    return Ok(address);
                }
                Err(error) => {
                    tracing::warn!(port, %error, "the port is taken; the next one is tried");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over_and_none_is_given_twice() {
        let mut ports = Ports::new(None);
        let first = ports.take().unwrap();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, first.port() + 1)).unwrap();
        let second = ports.take().unwrap();
        assert!(second.port() > held.local_addr().unwrap().port());
    }
}
