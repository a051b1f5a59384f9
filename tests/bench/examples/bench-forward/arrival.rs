//! When a datagram arrived, by the kernel's clock.
#![expect(unsafe_code, reason = "no safe wrapper reads these control messages")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Asks the kernel to note when datagrams arrive.
pub(crate) fn stamp(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    let (descriptor, place) = (socket.as_raw_fd(), (&raw const on).cast());
    // SAFETY: the descriptor is open while it is borrowed, and `on` is as long as we say.
    let result = unsafe { libc::setsockopt(descriptor, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, place, size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes a datagram: its length, and when it arrived if the kernel says so.
pub(crate) fn receive(socket: &UdpSocket, room: &mut [u8]) -> io::Result<(usize, Option<SystemTime>)> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: a header of zeroes is a valid, empty one.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    (header.msg_iov, header.msg_iovlen) = (&raw mut part, 1);
    (header.msg_control, header.msg_controllen) = (control.as_mut_ptr().cast(), size_of_val(&control));
    // SAFETY: the header points at room that outlives the call and is as long as it says.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has filled the control messages that the header names.
    let stamp = unsafe { libc::CMSG_FIRSTHDR(&raw const header).as_ref() }
        .filter(|message| (message.cmsg_level, message.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS))
        // SAFETY: a message of this type holds a time; it may lie anywhere.
        .map(|message| unsafe { libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned() });
    let time = |stamp: libc::timespec| {
        let (seconds, nanos) = (u64::try_from(stamp.tv_sec).ok()?, u32::try_from(stamp.tv_nsec).ok()?);
        Some(UNIX_EPOCH + Duration::new(seconds, nanos))
    };
    Ok((length, stamp.and_then(time)))
}

/// Room for one control message and more.
const CONTROL_WORDS: usize = 16;
