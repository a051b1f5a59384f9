use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::{Domain, Protocol, Socket, Type};

/// The addresses of this host's interfaces, as the kernel lists them (rtnetlink, `RTM_GETADDR`).
///
/// # Errors
/// The kernel's, where it does not answer such questions.
pub fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_ROUTE)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&request())?;
    let (mut found, mut buffer) = (Vec::new(), vec![0; ANSWER_BYTES]);
    for _ in 0..MAX_ANSWERS {
        let length = (&socket).read(&mut buffer)?;
        if read_answer(buffer.get(..length).unwrap_or_default(), &mut found)? {
            break;
        }
    }
    Ok(found)
}

/// A header (length, type, flags, sequence number, port) and an `ifaddrmsg` for all families.
fn request() -> Vec<u8> {
    let mut request = Vec::with_capacity(REQUEST_BYTES);
    request.extend_from_slice(&u32::try_from(REQUEST_BYTES).unwrap_or_default().to_ne_bytes());
    request.extend_from_slice(&RTM_GETADDR.to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.resize(REQUEST_BYTES, 0);
    request
}

/// Adds the addresses of one answer; whether it was the last.
fn read_answer(mut answer: &[u8], found: &mut Vec<IpAddr>) -> io::Result<bool> {
    while let Some((length, kind)) = u32_at(answer, 0).zip(u16_at(answer, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(body) = answer.get(HEADER_BYTES..length) else { break };
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => return Err(io::Error::other("the kernel does not list its addresses")),
            RTM_NEWADDR => found.extend(address(body)),
            _ => {}
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The address in an `ifaddrmsg` and its attributes: IFA_LOCAL if there is one, since IFA_ADDRESS is the other end's on a link of two.
fn address(message: &[u8]) -> Option<IpAddr> {
    let family = *message.first()?;
    let mut attributes = message.get(IFADDRMSG_BYTES..)?;
    let mut best = None;
    while let Some((length, kind)) = u16_at(attributes, 0).zip(u16_at(attributes, 2)) {
        let length = usize::from(length);
        let Some(value) = attributes.get(4..length) else { break };
        let address = match family {
            AF_INET => value.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
            AF_INET6 => value.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
            _ => None,
        };
        match kind {
            IFA_LOCAL => return address,
            IFA_ADDRESS => best = address,
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    best
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|bytes| u16::from_ne_bytes(*bytes))
}

const AF_NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const HEADER_BYTES: usize = 16;
const IFADDRMSG_BYTES: usize = 8;
const REQUEST_BYTES: usize = HEADER_BYTES + IFADDRMSG_BYTES;
/// The kernel fills at most 32 KiB at a time.
const ANSWER_BYTES: usize = 32 << 10;
/// So that a host with very many addresses does not keep us for ever.
const MAX_ANSWERS: usize = 64;
/// The kernel answers at once, or a sandbox swallows the question.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_the_loopback_address() {
        let addresses = interface_addresses().unwrap();
        assert!(addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{addresses:?}");
        assert!(addresses.iter().all(|address| !address.is_unspecified()));
    }

    #[test]
    fn damaged_answers_end_quietly() {
        let whole =
            [&24u32.to_ne_bytes()[..], &RTM_NEWADDR.to_ne_bytes(), &[0; 10], &[2, 8, 0, 0, 0, 0, 0, 0]].concat();
        for end in 0..whole.len() {
            let mut found = Vec::new();
            assert!(!read_answer(&whole[..end], &mut found).unwrap());
            assert!(found.is_empty());
        }
    }

    #[test]
    fn the_near_end_of_a_link_of_two_is_ours() {
        let attributes = [&[8, 0, 1, 0, 10, 0, 0, 9][..], &[8, 0, 2, 0, 10, 0, 0, 1]].concat();
        let message = [&[AF_INET, 32, 0, 0, 1, 0, 0, 0][..], &attributes].concat();
        assert_eq!(address(&message), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(address(&message[..16]), Some("10.0.0.9".parse().unwrap()));
    }
}
