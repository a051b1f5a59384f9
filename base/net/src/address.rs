//! `sockaddr_in` and `sockaddr_in6` as bytes, so that nothing but the system calls themselves has to be unsafe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Room for the address of a datagram's other end.
pub(crate) type Name = [u8; NAME_BYTES];

/// Writes the address for the kernel; returns how many bytes of `name` it takes.
pub(crate) fn encode(address: SocketAddr, name: &mut Name) -> usize {
    match address {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            let [high, low] = address.port().to_be_bytes();
            let [f0, f1] = family(libc::AF_INET);
            *name = [0; NAME_BYTES];
            for (to, byte) in name.iter_mut().zip([f0, f1, high, low, a, b, c, d]) {
                *to = byte;
            }
            INET_BYTES
        }
        SocketAddr::V6(address) => {
            let fields = family(libc::AF_INET6)
                .into_iter()
                .chain(address.port().to_be_bytes())
                .chain(address.flowinfo().to_be_bytes())
                .chain(address.ip().octets())
                .chain(address.scope_id().to_ne_bytes());
            for (to, byte) in name.iter_mut().zip(fields) {
                *to = byte;
            }
            NAME_BYTES
        }
    }
}

/// Reads an address from the kernel; an IPv4-mapped IPv6 address becomes the IPv4 address that it is.
pub(crate) fn decode(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => Some(SocketAddr::from((Ipv4Addr::from(*rest.first_chunk::<4>()?), port))),
        libc::AF_INET6 => {
            let (flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            let ip = Ipv6Addr::from(*ip);
            Some(match ip.to_canonical() {
                IpAddr::V4(ip) => SocketAddr::from((ip, port)),
                IpAddr::V6(ip) => SocketAddrV6::new(ip, port, u32::from_be_bytes(*flow), scope).into(),
            })
        }
        _ => None,
    }
}

fn family(number: i32) -> [u8; 2] {
    u16::try_from(number).unwrap_or_default().to_ne_bytes()
}

/// Bytes of a `sockaddr_in`.
const INET_BYTES: usize = 16;

/// Bytes of a `sockaddr_in6`, the longer of the two.
const NAME_BYTES: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_the_kernel_and_back() {
        for address in ["192.0.2.1:3478", "[2001:db8::1]:65535", "[fe80::1%7]:1"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut name = [0xff; NAME_BYTES];
            let length = encode(address, &mut name);
            assert_eq!(decode(&name[..length]), Some(address));
            assert_eq!(decode(&name[..length.min(7)]), None, "cut short");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let mut name = [0; NAME_BYTES];
        let length = encode("[::ffff:192.0.2.1]:9".parse().unwrap(), &mut name);
        assert_eq!(decode(&name[..length]), Some("192.0.2.1:9".parse().unwrap()));
    }
}
