use std::net::{IpAddr, SocketAddr};

use stoa_base_net::SocketId;

/// One way in: an address that participants are told, and what is behind it on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// What participants are told: a host candidate. Behind a 1:1 NAT, the outer address. Port 0 stands for the socket's own.
    pub public: SocketAddr,
    /// The listening socket, by its place among the group's addresses.
    pub socket: SocketId,
    /// Our address on that socket; `None` if the socket has only one.
    pub local: Option<IpAddr>,
}

/// All ways in. The first of a socket also stands for addresses of ours that nobody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// These ways in; only the first 256 are used.
    #[must_use]
    pub fn new(mut endpoints: Vec<Endpoint>) -> Self {
        endpoints.truncate(MOST_ENDPOINTS);
        Self(endpoints)
    }

    /// With the real ports of the listening sockets in the place of 0.
    pub(crate) fn with_ports(&self, port: impl Fn(SocketId) -> u16) -> Self {
        let real = |endpoint: &Endpoint| match endpoint.public.port() {
            0 => Endpoint { public: SocketAddr::new(endpoint.public.ip(), port(endpoint.socket)), ..*endpoint },
            _ => *endpoint,
        };
        Self(self.0.iter().map(real).collect())
    }

    /// What participants are told.
    #[must_use]
    pub fn public(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|endpoint| endpoint.public).collect()
    }

    /// Where a datagram came in.
    pub(crate) fn arrival(&self, socket: SocketId, local: Option<IpAddr>) -> Option<u8> {
        let on_socket = |endpoint: &Endpoint| endpoint.socket == socket;
        let exact = |endpoint: &Endpoint| on_socket(endpoint) && (endpoint.local == local || endpoint.local.is_none());
        let place = self.0.iter().position(exact).or_else(|| self.0.iter().position(on_socket))?;
        u8::try_from(place).ok()
    }

    pub(crate) fn get(&self, place: u8) -> Option<&Endpoint> {
        self.0.get(usize::from(place))
    }

    /// The way out that belongs to an announced address.
    pub(crate) fn departure(&self, public: SocketAddr) -> Option<&Endpoint> {
        self.0.iter().find(|endpoint| endpoint.public == public)
    }
}

/// A place among them fits a byte.
const MOST_ENDPOINTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_leave_where_they_came_in() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let endpoint = |public, socket, local: Option<&str>| Endpoint {
            public: address(public),
            socket: SocketId(socket),
            local: local.map(|local| local.parse().unwrap()),
        };
        let endpoints = Endpoints::new(vec![
            endpoint("192.0.2.1:1", 0, Some("10.0.0.1")),
            endpoint("192.0.2.2:1", 0, Some("10.0.0.2")),
            endpoint("[2001:db8::1]:1", 1, None),
        ]);
        let local = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert_eq!(endpoints.arrival(SocketId(0), local("10.0.0.2")), Some(1));
        assert_eq!(endpoints.arrival(SocketId(0), local("10.0.0.9")), Some(0), "one that nobody was told");
        assert_eq!(endpoints.arrival(SocketId(1), local("2001:db8::9")), Some(2));
        assert_eq!(endpoints.arrival(SocketId(2), None), None);
        let out = endpoints.departure(address("192.0.2.2:1")).unwrap();
        assert_eq!((out.socket, out.local), (SocketId(0), local("10.0.0.2")));
    }
}
