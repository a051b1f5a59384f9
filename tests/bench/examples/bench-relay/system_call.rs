//! The system calls that no safe wrapper covers: all unsafe code of the generator is in this file.
//!
//! Every pointer handed to the kernel is made inside the function that makes the call, from slices that live until it returned.
#![expect(unsafe_code, reason = "recvmmsg, sendmmsg and setsockopt with lists of buffers and control messages")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use libc::{c_int, c_uint, iovec, mmsghdr, msghdr};

/// A `sockaddr_in`, byte by byte.
pub(crate) type Name = [u8; 16];

/// Room for control messages, aligned as the kernel asks.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; 64]);

/// One datagram, or one burst of equal datagrams, on its way out.
pub(crate) struct Out<'a> {
    pub(crate) to: Name,
    pub(crate) bytes: &'a [u8],
    pub(crate) control: Control,
    pub(crate) control_length: usize,
}

/// One datagram or burst that arrived, and where it landed.
pub(crate) struct In {
    pub(crate) from: Name,
    pub(crate) bytes: Box<[u8]>,
    pub(crate) length: usize,
    pub(crate) control: Control,
    pub(crate) control_length: usize,
}

/// Sets a socket option that is a number.
pub(crate) fn set_option(socket: &UdpSocket, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<c_int>()).unwrap_or_default();
    // SAFETY: the descriptor is open while it is borrowed, and `value` is as long as we say.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends the datagrams with one call; how many left.
pub(crate) fn send_many(socket: &UdpSocket, datagrams: &mut [Out<'_>]) -> io::Result<usize> {
    let mut vectors: Vec<iovec> = datagrams
        .iter()
        .map(|out| iovec { iov_base: out.bytes.as_ptr().cast_mut().cast(), iov_len: out.bytes.len() })
        .collect();
    let mut headers: Vec<mmsghdr> = datagrams
        .iter_mut()
        .zip(&mut vectors)
        .map(|(out, vector)| header(&mut out.to, vector, &mut out.control, out.control_length))
        .collect();
    let count = c_uint::try_from(headers.len()).unwrap_or_default();
    // SAFETY: the headers point to names, buffers and control messages of `datagrams` and `vectors`, which outlive the
    // call; the kernel only reads what the vectors point to.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives as many datagrams as are there and fit, with one call; how many it were.
pub(crate) fn receive_many(socket: &UdpSocket, slots: &mut [In]) -> io::Result<usize> {
    let mut vectors: Vec<iovec> = slots
        .iter_mut()
        .map(|slot| iovec { iov_base: slot.bytes.as_mut_ptr().cast(), iov_len: slot.bytes.len() })
        .collect();
    let mut headers: Vec<mmsghdr> = slots
        .iter_mut()
        .zip(&mut vectors)
        .map(|(slot, vector)| header(&mut slot.from, vector, &mut slot.control, size_of::<Control>()))
        .collect();
    let count = c_uint::try_from(headers.len()).unwrap_or_default();
    let none = std::ptr::null_mut();
    // SAFETY: the headers point to names, buffers and control messages of `slots`, which outlive the call and are not
    // touched meanwhile.
    let got = unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _, none) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    for (slot, header) in slots.iter_mut().zip(&headers).take(got) {
        slot.length = header.msg_len as usize;
        slot.control_length = header.msg_hdr.msg_controllen;
    }
    Ok(got)
}

fn header(name: &mut Name, vector: &mut iovec, control: &mut Control, control_length: usize) -> mmsghdr {
    mmsghdr {
        msg_hdr: msghdr {
            msg_name: name.as_mut_ptr().cast(),
            msg_namelen: libc::socklen_t::try_from(name.len()).unwrap_or_default(),
            msg_iov: vector,
            msg_iovlen: 1,
            msg_control: control.0.as_mut_ptr().cast(),
            msg_controllen: control_length,
            msg_flags: 0,
        },
        msg_len: 0,
    }
}
