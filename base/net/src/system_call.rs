//! The system calls that no safe wrapper covers: all unsafe code of the crate is in this file.
//!
//! Every pointer handed to the kernel is made inside the function that makes the call, from slices that live until it returned.
#![expect(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, recvmsg and setsockopt with lists of buffers and control messages"
)]

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_uint, iovec, mmsghdr};

use crate::address::{self, Name};
use crate::control::Control;

/// Sets a socket option that is a number.
pub(crate) fn set_option(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<c_int>()).unwrap_or_default();
    // SAFETY: the descriptor is open while it is borrowed, and `value` is as long as we say.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    checked(result).map(drop)
}

/// Buffers for datagrams, and what the kernel says about each.
pub(crate) struct ReceiveCalls {
    bytes: Box<[u8]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    iovecs: Vec<iovec>,
    headers: Vec<mmsghdr>,
}

impl ReceiveCalls {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            // Zeroed pages cost memory only once a datagram lands on them.
            bytes: vec![0; SLOT_BYTES * count].into_boxed_slice(),
            names: vec![[0; size_of::<Name>()]; count].into_boxed_slice(),
            controls: vec![Control::new(); count].into_boxed_slice(),
            iovecs: Vec::with_capacity(count),
            headers: Vec::with_capacity(count),
        }
    }

    /// Receives up to `count` datagrams with one call; how many it were.
    pub(crate) fn receive_many(&mut self, socket: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
        self.prepare(0, count);
        let count = c_uint::try_from(self.headers.len()).unwrap_or_default();
        // SAFETY: the headers point to buffers of `self`, which stay in place and are not touched during the call.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let received = checked(received)?;
        self.keep_lengths(0);
        Ok(received)
    }

    /// Receives one datagram into a slot; `flags` such as `MSG_ERRQUEUE`.
    pub(crate) fn receive_one(&mut self, socket: BorrowedFd<'_>, slot: usize, flags: c_int) -> io::Result<()> {
        self.prepare(slot, 1);
        let Some(header) = self.headers.first_mut() else { return Err(io::ErrorKind::InvalidInput.into()) };
        // SAFETY: as in `receive_many`.
        let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header.msg_hdr, libc::MSG_DONTWAIT | flags) };
        if length < 0 {
            return Err(io::Error::last_os_error());
        }
        header.msg_len = c_uint::try_from(length).unwrap_or_default();
        self.keep_lengths(slot);
        Ok(())
    }

    /// A slot's buffer, for system calls that have a safe wrapper.
    pub(crate) fn buffer(&mut self, slot: usize) -> &mut [u8] {
        self.bytes.chunks_exact_mut(SLOT_BYTES).nth(slot).unwrap_or_default()
    }

    /// The first bytes of a slot's buffer.
    pub(crate) fn bytes(&self, slot: usize, length: usize) -> &[u8] {
        let start = slot * SLOT_BYTES;
        self.bytes.get(start..start + length.min(SLOT_BYTES)).unwrap_or_default()
    }

    /// Length, other end and control messages of the datagram that the last call put at `index` of its slots.
    pub(crate) fn described(&self, index: usize, slot: usize) -> Option<(usize, Option<SocketAddr>, &[u8])> {
        let length = self.headers.get(index)?.msg_len as usize;
        Some((length, address::decode(self.names.get(slot)?), self.controls.get(slot)?.filled()))
    }

    fn prepare(&mut self, first: usize, count: usize) {
        self.iovecs.clear();
        self.headers.clear();
        let slots = self.bytes.chunks_exact_mut(SLOT_BYTES).skip(first).take(count);
        self.iovecs.extend(slots.map(|slot| iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: DATAGRAM_MAX }));
        let slots = self.names.iter_mut().zip(&mut self.controls).skip(first);
        for ((name, control), iovec) in slots.zip(&mut self.iovecs) {
            let mut header = empty_header();
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = name_length(name.len());
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            let room = control.room();
            header.msg_hdr.msg_control = room.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = room.len() as _;
            self.headers.push(header);
        }
    }

    fn keep_lengths(&mut self, first: usize) {
        for (header, control) in self.headers.iter().zip(self.controls.iter_mut().skip(first)) {
            control.set_filled(header.msg_hdr.msg_controllen as _);
        }
    }
}

/// A message to send: one datagram, or a run of datagrams of one flow that the kernel cuts apart.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) to: SocketAddr,
    /// The address to leave from.
    pub(crate) source: Option<IpAddr>,
    /// Length of each datagram but the last, if there are several.
    pub(crate) segment: Option<u16>,
    /// Which of the pieces make up the payload.
    pub(crate) pieces: Range<usize>,
    /// How many datagrams it is.
    pub(crate) datagrams: usize,
}

/// What a call that sends needs, kept so that nothing is allocated per call.
#[derive(Default)]
pub(crate) struct SendCalls {
    names: Vec<Name>,
    controls: Vec<Control>,
    iovecs: Vec<iovec>,
    headers: Vec<mmsghdr>,
}

impl SendCalls {
    /// Sends messages whose payloads are pieces of `arena`; returns how many were sent, at least one. With `many` that is one call
    /// for all, else only the first message is sent.
    ///
    /// # Errors
    /// Concerns the first message; none was sent.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        arena: &[u8],
        pieces: &[Range<usize>],
        messages: &[Outgoing],
        many: bool,
    ) -> io::Result<usize> {
        let messages = if many { messages } else { messages.get(..1).unwrap_or(messages) };
        if let [message] = messages
            && let Some([piece]) = pieces.get(message.pieces.clone())
            && message.source.is_none()
            && message.segment.is_none()
        {
            return send_plainly(socket, arena.get(piece.clone()).unwrap_or_default(), message.to);
        }
        self.prepare(arena, pieces, messages);
        let count = c_uint::try_from(self.headers.len()).unwrap_or_default();
        if many {
            // SAFETY: the headers point to buffers of `self` and to `arena`, which stay in place during the call; the kernel only reads
            // from them.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count, SEND_FLAGS as _) };
            return checked(sent);
        }
        let Some(header) = self.headers.first() else { return Ok(0) };
        // SAFETY: as above.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header.msg_hdr, SEND_FLAGS) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(1) }
    }

    fn prepare(&mut self, arena: &[u8], pieces: &[Range<usize>], messages: &[Outgoing]) {
        self.names.resize(messages.len().max(self.names.len()), [0; size_of::<Name>()]);
        self.controls.resize_with(messages.len().max(self.controls.len()), Control::new);
        self.headers.clear();
        self.iovecs.clear();
        // All of them before the first pointer is taken: growing would move them.
        for piece in messages.iter().flat_map(|message| pieces.get(message.pieces.clone()).unwrap_or_default()) {
            let bytes = arena.get(piece.clone()).unwrap_or_default();
            // The kernel does not write through the pointer of a message that is sent.
            self.iovecs.push(iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        }
        let mut iovecs = self.iovecs.as_mut_slice();
        for ((message, name), control) in messages.iter().zip(&mut self.names).zip(&mut self.controls) {
            let count = pieces.get(message.pieces.clone()).unwrap_or_default().len();
            let (own, rest) = iovecs.split_at_mut_checked(count).unwrap_or_default();
            iovecs = rest;
            let mut header = empty_header();
            header.msg_hdr.msg_namelen = name_length(address::encode(message.to, name));
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_iov = own.as_mut_ptr();
            header.msg_hdr.msg_iovlen = own.len() as _;
            control.clear();
            if let Some(source) = message.source {
                control.push_source(source);
            }
            if let Some(segment) = message.segment {
                control.push_segment(segment);
            }
            let filled = control.filled().len();
            if filled > 0 {
                header.msg_hdr.msg_control = control.room().as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = filled as _;
            }
            self.headers.push(header);
        }
    }
}

impl fmt::Debug for ReceiveCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveCalls").field("slots", &self.names.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SendCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendCalls").finish_non_exhaustive()
    }
}

/// Sends one datagram as it is: there are no headers, buffers and control messages that the kernel has to fetch one by one, which is a
/// good part of what a short datagram costs.
fn send_plainly(socket: BorrowedFd<'_>, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
    let mut name = [0; size_of::<Name>()];
    let length = name_length(address::encode(to, &mut name));
    let (start, name) = (bytes.as_ptr().cast(), name.as_ptr().cast());
    // SAFETY: both pointers lead to memory that outlives the call, as long as we say; the kernel only reads from it.
    let sent = unsafe { libc::sendto(socket.as_raw_fd(), start, bytes.len(), SEND_FLAGS, name, length) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(1) }
}

fn empty_header() -> mmsghdr {
    // SAFETY: plain C data, for which all zeroes (null pointers, lengths of 0) is a value.
    unsafe { std::mem::zeroed() }
}

fn name_length(bytes: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(bytes).unwrap_or_default()
}

fn checked(result: c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// A relay must not die of a signal, and a worker never waits for one socket.
const SEND_FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Room for a whole GRO run: the largest UDP payload.
const DATAGRAM_MAX: usize = 65_535;

/// From one buffer to the next. Not a power of two, so that the beginnings of datagrams do not compete for the same cache lines.
const SLOT_BYTES: usize = 65_536 + 2_176;
