use std::net::{IpAddr, SocketAddr, UdpSocket};

use stoa_turn_relay_core::{Discovery, RelayAddress};
use tracing::warn;

/// The addresses for relayed transport addresses: those that we listen on, as the world sees them.
///
/// An unspecified listening address stands for all addresses of its family in `interfaces`. Where `external` has addresses of a family, they
/// are what is told of it: each is that of an interface, or leads by a NAT to the address by which this host would reach it.
#[must_use]
pub fn relay_addresses(listening: &[SocketAddr], external: &[IpAddr], interfaces: &[IpAddr]) -> Vec<RelayAddress> {
    let mut local: Vec<IpAddr> = Vec::new();
    for ip in concrete(listening.iter().map(SocketAddr::ip), interfaces).into_iter().filter(|ip| is_usable(*ip)) {
        if !local.contains(&ip) {
            local.push(ip);
        }
    }
    let mut addresses = Vec::new();
    for is_ipv6 in [false, true] {
        let own = || local.iter().copied().filter(move |ip| ip.is_ipv6() == is_ipv6);
        let told: Vec<_> = external.iter().copied().filter(|ip| ip.is_ipv6() == is_ipv6).collect();
        if told.is_empty() {
            addresses.extend(own().map(|ip| RelayAddress { bind: ip, external: ip }));
            continue;
        }
        for external in told {
            let is_free = |ip: &IpAddr| addresses.iter().all(|known: &RelayAddress| known.bind != *ip);
            let bind = own().find(|ip| *ip == external).or_else(|| {
                let chosen = source_towards(external);
                own().filter(is_free).find(|ip| Some(*ip) == chosen).or_else(|| own().find(is_free))
            });
            match bind {
                Some(bind) => addresses.push(RelayAddress { bind, external }),
                None => warn!(%external, "no address of this host is left for this external address; it is not used"),
            }
        }
    }
    if addresses.len() > MAX_ADDRESSES {
        warn!(found = addresses.len(), used = MAX_ADDRESSES, "too many addresses for the relay; name some with --udp");
        addresses.truncate(MAX_ADDRESSES);
    }
    addresses
}

/// Where this process listens, with every concrete address: none of it may be a peer.
#[must_use]
pub fn own_services(listening: &[SocketAddr], external: &[IpAddr], interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    let everywhere = |address: &SocketAddr| {
        let mut ips = concrete(std::iter::once(address.ip()), interfaces);
        ips.extend_from_slice(external);
        let port = address.port();
        ips.into_iter().map(move |ip| SocketAddr::new(ip, port))
    };
    let mut services: Vec<_> = listening.iter().flat_map(everywhere).collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// The four addresses of behaviour discovery, [RFC 5780](https://www.rfc-editor.org/rfc/rfc5780): two addresses of one family with two
/// ports each, all four listened on by name and seen by the world as they are. `None` when there are none such.
#[must_use]
pub fn discovery(listening: &[SocketAddr], external: &[IpAddr]) -> Option<Discovery> {
    let is_seen = |ip: IpAddr| external.iter().all(|seen| seen.is_ipv6() != ip.is_ipv6()) || external.contains(&ip);
    let named = || {
        let named = listening.iter().copied().filter(|at| !at.ip().is_unspecified() && at.port() != 0);
        named.filter(|at| is_seen(at.ip()))
    };
    let pairs = named().flat_map(|primary| named().map(move |alternate| Discovery { primary, alternate }));
    let is_whole = |Discovery { primary, alternate }: &Discovery| {
        primary.ip() != alternate.ip()
            && primary.port() != alternate.port()
            && primary.is_ipv4() == alternate.is_ipv4()
            && listening.contains(&SocketAddr::new(primary.ip(), alternate.port()))
            && listening.contains(&SocketAddr::new(alternate.ip(), primary.port()))
    };
    pairs.into_iter().find(is_whole)
}

fn concrete(ips: impl Iterator<Item = IpAddr>, interfaces: &[IpAddr]) -> Vec<IpAddr> {
    ips.flat_map(|ip| {
        if ip.is_unspecified() {
            interfaces.iter().copied().filter(|known| known.is_ipv6() == ip.is_ipv6()).collect()
        } else {
            vec![ip.to_canonical()]
        }
    })
    .collect()
}

/// Link-local addresses mean nothing without their link, which no candidate carries.
const fn is_usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_multicast(),
    }
}

/// Our address on the way to another one, as the routes have it. Nothing is sent.
fn source_towards(ip: IpAddr) -> Option<IpAddr> {
    let any = if ip.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect((ip, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Each has a table of ports on each worker.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn found(listening: &[&str], external: &[&str], interfaces: &[&str]) -> Vec<(String, String)> {
        let listening: Vec<_> = listening.iter().map(|address| address.parse().unwrap()).collect();
        let addresses = relay_addresses(&listening, &ips(external), &ips(interfaces));
        addresses.iter().map(|address| (address.bind.to_string(), address.external.to_string())).collect()
    }

    fn plain(list: &[&str]) -> Vec<(String, String)> {
        list.iter().map(|ip| ((*ip).to_owned(), (*ip).to_owned())).collect()
    }

    #[test]
    fn an_unspecified_address_stands_for_all_of_its_family() {
        let interfaces = ["127.0.0.1", "10.0.0.5", "169.254.1.1", "::1", "2001:db8::5", "fe80::1"];
        assert_eq!(found(&["0.0.0.0:3478"], &[], &interfaces), plain(&["127.0.0.1", "10.0.0.5"]));
        assert_eq!(found(&["[::]:3478"], &[], &interfaces), plain(&["::1", "2001:db8::5"]));
        assert_eq!(found(&["10.0.0.5:3478", "0.0.0.0:3479"], &[], &interfaces), plain(&["10.0.0.5", "127.0.0.1"]));
    }

    #[test]
    fn external_addresses_are_told_once_each() {
        let interfaces = ["10.0.0.5", "203.0.113.7"];
        let pair = |bind: &str, external: &str| (bind.to_owned(), external.to_owned());
        assert_eq!(found(&["0.0.0.0:1"], &["203.0.113.7"], &interfaces), [pair("203.0.113.7", "203.0.113.7")]);
        assert_eq!(found(&["10.0.0.5:1"], &["198.51.100.1"], &interfaces), [pair("10.0.0.5", "198.51.100.1")]);
        let both = found(&["0.0.0.0:1"], &["203.0.113.7", "198.51.100.1"], &interfaces);
        assert_eq!(both, [pair("203.0.113.7", "203.0.113.7"), pair("10.0.0.5", "198.51.100.1")]);
        assert_eq!(found(&["10.0.0.5:1"], &["198.51.100.1", "198.51.100.2"], &interfaces).len(), 1);
    }

    #[test]
    fn discovery_needs_two_addresses_with_two_ports_each() {
        let found = |listening: &[&str], external: &[&str]| {
            let listening: Vec<_> = listening.iter().map(|address| address.parse().unwrap()).collect();
            discovery(&listening, &ips(external)).map(|it| (it.primary.to_string(), it.alternate.to_string()))
        };
        let four = ["10.0.0.1:3478", "10.0.0.2:3478", "10.0.0.1:3479", "10.0.0.2:3479"];
        assert_eq!(found(&four, &[]), Some(("10.0.0.1:3478".into(), "10.0.0.2:3479".into())));
        assert_eq!(found(&four, &["10.0.0.1", "10.0.0.2"]), found(&four, &[]));
        assert_eq!(found(&four, &["203.0.113.7"]), None, "behind a NAT they are not what the world sees");
        assert_eq!(found(&four[..3], &[]), None);
        assert_eq!(found(&["0.0.0.0:3478", "0.0.0.0:3479"], &[]), None);
        assert_eq!(found(&["10.0.0.1:1", "[2001:db8::1]:2", "10.0.0.1:2", "[2001:db8::1]:1"], &[]), None);
    }

    #[test]
    fn every_face_of_a_service_is_listed() {
        let listening = ["0.0.0.0:80".parse().unwrap(), "127.0.0.1:81".parse().unwrap()];
        let services = own_services(&listening, &ips(&["198.51.100.1"]), &ips(&["10.0.0.5", "::1"]));
        let expected = ["10.0.0.5:80", "127.0.0.1:81", "198.51.100.1:80", "198.51.100.1:81"];
        assert_eq!(services, expected.map(|address| address.parse().unwrap()));
    }
}
