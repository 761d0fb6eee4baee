//! Refuses an upstream that is one of our own listeners: a hosts entry for api.weixin.qq.com, meant for callers on the
//! same machine, would make every request go round for ever.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The addresses that the gateway listens on.
#[derive(Debug, Clone, Default)]
pub struct OwnListeners(Vec<SocketAddr>);

impl OwnListeners {
    /// The addresses as they were bound, with their real ports.
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self(addresses)
    }

    /// Whether a connection to `address` would arrive at one of them.
    pub fn contains(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.0.iter().filter(|own| own.port() == address.port()).any(|own| {
            let own = own.ip().to_canonical();
            // A connection to 0.0.0.0 or :: goes to loopback.
            own == ip || (own.is_unspecified() && is_local(ip)) || (ip.is_unspecified() && own.is_loopback())
        })
    }
}

/// Whether the address belongs to this machine. Only such an address can be bound; nothing is sent.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_address_is_known_in_every_form() {
        for (own, address, contained) in [
            ("127.0.0.1:443", "127.0.0.1:443", true),
            ("127.0.0.1:443", "127.0.0.1:80", false),
            ("127.0.0.1:443", "[::ffff:127.0.0.1]:443", true),
            ("127.0.0.1:443", "127.0.0.2:443", false),
            ("127.0.0.1:443", "0.0.0.0:443", true),
            ("0.0.0.0:443", "127.0.0.9:443", true),
            ("[::]:443", "127.0.0.1:443", true),
            ("0.0.0.0:443", "198.51.100.7:443", false),
        ] {
            let listeners = OwnListeners::new(vec![own.parse().unwrap()]);
            assert_eq!(listeners.contains(address.parse().unwrap()), contained, "{own} {address}");
        }
    }
}
