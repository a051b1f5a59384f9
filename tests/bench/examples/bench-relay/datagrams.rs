//! A UDP socket that speaks for many addresses of 127.0.0.0/8 at once, in batches and in bursts.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Outcome;
use crate::system_call::{Control, In, Name, Out, receive_many, send_many, set_option};

/// A socket with its receive buffers.
pub(crate) struct Endpoint {
    socket: UdpSocket,
    port: u16,
    slots: Vec<In>,
}

/// What arrived. With `segment` less than its length it is a burst of datagrams of that length; the last may be shorter.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) from: SocketAddrV4,
    pub(crate) segment: usize,
    pub(crate) bytes: &'a [u8],
}

/// Datagrams to be sent together.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<Leaving>,
}

struct Leaving {
    source: Ipv4Addr,
    to: SocketAddrV4,
    /// Where its bytes end; they begin where those of the one before end.
    end: usize,
    segment: usize,
}

impl Outbox {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Adds a burst of datagrams of `segment` bytes, or one shorter datagram; `write` appends their bytes.
    pub(crate) fn add(&mut self, source: Ipv4Addr, to: SocketAddrV4, segment: usize, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.datagrams.push(Leaving { source, to, end: self.bytes.len(), segment });
    }
}

impl Endpoint {
    /// On every address, and on `port`, or one that is free.
    pub(crate) fn open(port: u16) -> Outcome<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        socket.set_nonblocking(true)?;
        set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
        for (forced, asked) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
            // Only the privileged get more than the administrator's limit.
            set_option(&socket, libc::SOL_SOCKET, forced, BUFFER)
                .or_else(|_| set_option(&socket, libc::SOL_SOCKET, asked, BUFFER))?;
        }
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port, slots: (0..BATCH).map(|_| empty_slot()).collect() })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// How many left; the others find no room.
    pub(crate) fn send(&self, outbox: &Outbox) -> io::Result<usize> {
        let mut start = 0;
        let mut datagrams: Vec<Out<'_>> = Vec::with_capacity(outbox.len());
        for leaving in &outbox.datagrams {
            let bytes = outbox.bytes.get(start..leaving.end).unwrap_or_default();
            start = leaving.end;
            let (control, control_length) = leaving.control(bytes.len());
            datagrams.push(Out { to: name_of(leaving.to), bytes, control, control_length });
        }
        match send_many(&self.socket, &mut datagrams) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            // An ICMP error of an earlier datagram is told at the next call; nothing was sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(0),
            result => result,
        }
    }

    /// Takes what has arrived, at most a batch of it; how many datagrams or bursts it were.
    pub(crate) fn receive(&mut self, mut handle: impl FnMut(Arrival<'_>)) -> io::Result<usize> {
        let count = match receive_many(&self.socket, &mut self.slots) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => 0,
            result => result?,
        };
        for slot in self.slots.iter().take(count) {
            let bytes = slot.bytes.get(..slot.length).unwrap_or_default();
            let segment = read_segment(slot.control.0.get(..slot.control_length).unwrap_or_default());
            handle(Arrival { from: address_of(slot.from), segment: segment.unwrap_or(bytes.len()).max(1), bytes });
        }
        Ok(count)
    }

    /// Sleeps until something arrives, or so long.
    pub(crate) fn wait(&self, milliseconds: i32) -> Outcome<()> {
        let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(milliseconds) * 1_000_000 };
        poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&patience))?;
        Ok(())
    }
}

impl Leaving {
    fn control(&self, length: usize) -> (Control, usize) {
        let mut control = Control([0; 64]);
        let mut used = 0;
        if self.source != Ipv4Addr::UNSPECIFIED {
            let mut info = [0; 12];
            // The interface is left open; then comes the source address, and the destination, which is not read.
            put(&mut info, 4, &self.source.octets());
            used = put_message(&mut control.0, used, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        if length > self.segment {
            let segment = u16::try_from(self.segment).unwrap_or_default().to_ne_bytes();
            used = put_message(&mut control.0, used, libc::SOL_UDP, libc::UDP_SEGMENT, &segment);
        }
        (control, used)
    }
}

/// Appends a `cmsghdr` and its data; where the next one begins.
fn put_message(control: &mut [u8], at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
    put(control, at, &(MESSAGE_HEADER + data.len()).to_ne_bytes());
    put(control, at + 8, &level.to_ne_bytes());
    put(control, at + 12, &kind.to_ne_bytes());
    put(control, at + MESSAGE_HEADER, data);
    at + (MESSAGE_HEADER + data.len()).next_multiple_of(8)
}

/// Of how many bytes the datagrams of a burst are.
fn read_segment(mut control: &[u8]) -> Option<usize> {
    loop {
        let length = usize::from_ne_bytes(*control.first_chunk()?);
        let level = i32::from_ne_bytes(*control.get(8..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*control.get(12..)?.first_chunk()?);
        if (level, kind) == (libc::SOL_UDP, libc::UDP_GRO) {
            return usize::try_from(i32::from_ne_bytes(*control.get(MESSAGE_HEADER..length)?.first_chunk()?)).ok();
        }
        control = control.get(length.max(MESSAGE_HEADER).next_multiple_of(8)..)?;
    }
}

fn put(place: &mut [u8], at: usize, bytes: &[u8]) {
    place.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
}

fn name_of(address: SocketAddrV4) -> Name {
    let mut name = [0; 16];
    put(&mut name, 0, &u16::try_from(libc::AF_INET).unwrap_or_default().to_ne_bytes());
    put(&mut name, 2, &address.port().to_be_bytes());
    put(&mut name, 4, &address.ip().octets());
    name
}

fn address_of(name: Name) -> SocketAddrV4 {
    let [_, _, high, low, a, b, c, d, ..] = name;
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))
}

fn empty_slot() -> In {
    let bytes = vec![0; LONGEST].into_boxed_slice();
    In { from: [0; 16], bytes, length: 0, control: Control([0; 64]), control_length: 0 }
}

/// A `cmsghdr`.
const MESSAGE_HEADER: usize = 16;
/// A burst may be as long as an IP packet.
const LONGEST: usize = 65_536;
/// Datagrams or bursts of one call.
const BATCH: usize = 64;
/// Bytes that may wait in the kernel.
const BUFFER: i32 = 16 << 20;
